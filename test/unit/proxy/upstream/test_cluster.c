/* Clusters on a loop: picking, new endpoint versions, hosts that retire, original destinations. */
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

#include <unistd.h>

static struct lk_worker_host *pick_once(struct upstream_fixture *f)
{
    struct lk_worker_host *wh = upstream_pick(f);
    LK_CHECK_NOT_NULL(wh);
    lk_worker_host_unref(wh);
    return wh;
}

static void set_hosts(struct upstream_fixture *f, const unsigned *indices, size_t count)
{
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, indices, count));
    upstream_turn(f, 2);
}

/* Opens a connection to a host and lets it go idle, by one request with a response. */
static int make_idle(struct upstream_fixture *f, struct lk_worker_host *wh, unsigned host);

LK_TEST(cluster, picks_every_host_in_turn)
{
    struct upstream_fixture *f = upstream_new(3);
    upstream_start(f);
    const struct lk_worker_host *first = pick_once(f);
    const struct lk_worker_host *second = pick_once(f);
    const struct lk_worker_host *third = pick_once(f);
    LK_CHECK(first != second && second != third && third != first);
    LK_CHECK_EQ_PTR(pick_once(f), first);
    LK_CHECK_LKSTR(first->host->hostname, lk_addr_eq(&first->state->addr, &f->addrs[0])   ? "host-0"
                                          : lk_addr_eq(&first->state->addr, &f->addrs[1]) ? "host-1"
                                                                                          : "host-2");
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_MEMBERSHIP_TOTAL), 3);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 3);
    upstream_free(f);
}

LK_TEST(cluster, name_that_nobody_defined_has_no_view)
{
    struct upstream_fixture *f = upstream_new(1);
    upstream_start(f);
    LK_CHECK_NULL(lk_cluster_view_get(f->clusters, f->loop, LK_STR("elsewhere")));
    LK_CHECK(lk_clusters_has(f->clusters, LK_STR("upstream")));
    LK_CHECK(!lk_clusters_has(f->clusters, LK_STR("elsewhere")));
    upstream_free(f);
}

LK_TEST(cluster, second_definition_of_a_name_is_refused)
{
    struct upstream_fixture *f = upstream_new(1);
    struct lk_errors errors;
    lk_errors_init(&errors);
    upstream_start(f);
    LK_CHECK(!lk_clusters_add(f->clusters, &f->config, &errors));
    LK_CHECK_CONTAINS(errors.items[0].text, "'upstream' is defined twice");
    lk_errors_fini(&errors);
    upstream_free(f);
}

LK_TEST(cluster, without_hosts_nothing_is_picked)
{
    struct upstream_fixture *f = upstream_new(0);
    upstream_start(f);
    LK_CHECK_NULL(upstream_pick(f));
    upstream_free(f);
}

LK_TEST(cluster, new_endpoints_keep_the_state_of_hosts_that_stay)
{
    struct upstream_fixture *f = upstream_new(3);
    upstream_start(f);
    set_hosts(f, (const unsigned[]){0, 1}, 2);
    struct lk_worker_host *old[2] = {pick_once(f), pick_once(f)};
    struct lk_worker_host *kept = lk_addr_eq(&old[0]->state->addr, &f->addrs[1]) ? old[0] : old[1];
    set_hosts(f, (const unsigned[]){1, 2}, 2);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_MEMBERSHIP_TOTAL), 2);
    const struct lk_worker_host *now[2] = {pick_once(f), pick_once(f)};
    LK_CHECK(now[0] == kept || now[1] == kept);
    LK_CHECK_LKSTR(kept->host->hostname, "host-1");
    upstream_free(f);
}

LK_TEST(cluster, update_reaches_a_view_only_when_it_is_newer)
{
    struct upstream_fixture *f = upstream_new(2);
    upstream_start(f);
    struct lk_host_set *one = upstream_hosts(f, (const unsigned[]){0}, 1);
    struct lk_host_set *two = upstream_hosts(f, (const unsigned[]){0, 1}, 2);
    lk_cluster_set_hosts(f->cluster, two);
    lk_cluster_set_hosts(f->cluster, one); /* older, though set last: its post must not win */
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(f->view->set->count, 2);
    upstream_free(f);
}

LK_TEST(cluster, retired_host_closes_idle_connections_and_is_freed_with_its_last_user)
{
    struct upstream_fixture *f = upstream_new(2);
    upstream_start(f);
    set_hosts(f, (const unsigned[]){0}, 1);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = make_idle(f, wh, 0);
    LK_CHECK_EQ_UINT(wh->idle_count, 1);
    set_hosts(f, (const unsigned[]){1}, 1);
    LK_CHECK(wh->retired);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    char byte;
    LK_CHECK_EQ_INT(read(server, &byte, 1), 0); /* the pool closed it */
    close(server);
    lk_worker_host_unref(wh); /* frees it: the sanitizer would tell of a leak or a second free */
    set_hosts(f, (const unsigned[]){0, 1}, 2);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_ACTIVE), 0);
    upstream_free(f);
}

LK_TEST(cluster, states_of_addresses_that_are_gone_do_not_pile_up)
{
    struct upstream_fixture *f = upstream_new(1);
    upstream_start(f);
    for (unsigned round = 0; round < 500; round++) {
        lk_addr_set_port(&f->addrs[0], (uint16_t)(1000 + round));
        set_hosts(f, (const unsigned[]){0}, 1);
        pick_once(f);
    }
    LK_CHECK_MSG(f->cluster->states.count < 100, "%zu states", f->cluster->states.count);
    upstream_free(f);
}

LK_TEST(cluster, many_hosts_can_be_replaced_at_once)
{
    enum { HOSTS = 2000 };
    struct upstream_fixture *f = upstream_new(1);
    upstream_start(f);
    for (unsigned version = 0; version < 2; version++) {
        struct lk_host **hosts = lk_calloc(HOSTS, sizeof(*hosts));
        for (unsigned i = 0; i < HOSTS; i++) {
            struct lk_addr addr;
            char text[32];
            unsigned n = i * 2 * (version + 1); /* half of the second version are in the first */
            snprintf(text, sizeof(text), "10.1.%u.%u", n / 250, n % 250);
            LK_CHECK(lk_addr_parse_ip(lk_str_from(text), 80, &addr));
            struct lk_host_state *state = lk_cluster_state(f->cluster, &addr);
            hosts[i] = lk_host_new(state, NULL);
            lk_host_state_unref(state);
        }
        uint64_t before = lk_clock_ms();
        lk_cluster_set_hosts(f->cluster, lk_host_set_new(hosts, HOSTS, 140));
        upstream_turn(f, 2);
        LK_CHECK_MSG(lk_clock_ms() - before < 1000, "took %llu ms", (unsigned long long)(lk_clock_ms() - before));
        lk_free(hosts);
        for (unsigned i = 0; i < HOSTS; i++)
            pick_once(f);
        LK_CHECK_EQ_UINT(f->view->worker_hosts.count, HOSTS);
    }
    upstream_free(f);
}

static bool avoid(const void *arg, const struct lk_host *host)
{
    return lk_addr_eq(&host->state->addr, arg);
}

LK_TEST(cluster, retry_avoids_a_host_as_often_as_it_may)
{
    struct upstream_fixture *f = upstream_new(2);
    upstream_start(f);
    struct lk_pick pick = {.avoid = avoid, .arg = &f->addrs[0], .max_attempts = 5};
    for (unsigned i = 0; i < 10; i++) {
        struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
        LK_CHECK(lk_addr_eq(&wh->state->addr, &f->addrs[1]));
        lk_worker_host_unref(wh);
    }
    set_hosts(f, (const unsigned[]){0}, 1); /* nothing else there: better that one than none */
    struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
    LK_CHECK_NOT_NULL(wh);
    lk_worker_host_unref(wh);
    upstream_free(f);
}

/* --- original destinations -------------------------------------------------------------------------------------------
 */

LK_TEST(cluster, original_destination_becomes_a_host_and_goes_when_unused)
{
    struct upstream_fixture *f = upstream_new(0);
    struct lk_addr addr;
    struct lk_pick pick = {.original_dst = &addr};
    f->config.type = LK_CLUSTER_ORIGINAL_DST;
    f->config.cleanup_interval_ms = 20;
    upstream_start(f);
    LK_CHECK_NULL(upstream_pick(f)); /* where the client wanted to go is not known */
    for (unsigned i = 0; i < 50; i++) {
        LK_CHECK(lk_addr_parse_ip(LK_STR("10.9.9.9"), (uint16_t)(80 + i), &addr));
        struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
        LK_CHECK(lk_addr_eq(&wh->state->addr, &addr));
        struct lk_worker_host *same = lk_cluster_pick(f->view, &pick);
        LK_CHECK_EQ_PTR(same, wh);
        lk_worker_host_unref(same);
        if (i > 0)
            lk_worker_host_unref(wh); /* the first stays in use */
    }
    LK_CHECK_EQ_UINT(f->view->worker_hosts.count, 50);
    UPSTREAM_UNTIL(f, f->view->worker_hosts.count == 1);
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.9.9.9"), 80, &addr));
    struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
    lk_worker_host_unref(wh);
    lk_worker_host_unref(wh);
    UPSTREAM_UNTIL(f, f->view->worker_hosts.count == 0);
    LK_CHECK(!lk_timer_armed(&f->view->cleanup));
    upstream_free(f);
}

LK_TEST(cluster, original_destination_port_can_be_overridden)
{
    struct upstream_fixture *f = upstream_new(0);
    struct lk_addr addr;
    struct lk_pick pick = {.original_dst = &addr};
    f->config.type = LK_CLUSTER_ORIGINAL_DST;
    f->config.original_dst_port_override = 8080;
    upstream_start(f);
    LK_CHECK(lk_addr_parse_ip(LK_STR("fd00::1"), 80, &addr));
    struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
    LK_CHECK_EQ_UINT(lk_addr_port(&wh->state->addr), 8080);
    lk_worker_host_unref(wh);
    upstream_free(f);
}

/* --- a connection that goes idle
 * --------------------------------------------------------------------------------------- */

static struct lk_upstream_conn *ready;

static void on_ready(struct lk_pool_waiter *waiter, struct lk_upstream_conn *uc)
{
    (void)waiter;
    ready = uc;
}

static void on_failure(struct lk_pool_waiter *waiter, enum lk_reset_reason reason, struct lk_str text)
{
    (void)waiter;
    (void)text;
    LK_FAIL("no connection: %s", lk_reset_reason_text(reason));
}

static void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end)
{
    (void)stream;
    (void)headers;
    LK_CHECK(end);
}

static int make_idle(struct upstream_fixture *f, struct lk_worker_host *wh, unsigned host)
{
    static const struct lk_pool_waiter_ops ops = {.on_ready = on_ready, .on_failure = on_failure};
    static const struct lk_stream_events events = {.on_headers = on_headers};
    struct lk_pool_waiter waiter;
    struct lk_headers head;
    struct lk_arena arena;
    ready = NULL;
    lk_arena_init(&arena);
    lk_pool_waiter_init(&waiter, &ops);
    if (lk_pool_acquire(wh, 0, false, false, &waiter, &ready) == LK_POOL_WAITING)
        UPSTREAM_UNTIL(f, ready != NULL);
    struct lk_codec_stream *stream = lk_upstream_conn_begin(ready);
    stream->events = &events;
    stream->arena = &arena;
    lk_headers_init(&head, &arena);
    lk_headers_add(&head, LK_HEADER_METHOD, LK_STR("GET"));
    lk_headers_add(&head, LK_HEADER_AUTHORITY, LK_STR("h"));
    lk_headers_add(&head, LK_HEADER_PATH, LK_STR("/"));
    lk_codec_send_headers(stream, &head, true);
    int server = upstream_accept(f, host);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(f, wh->idle_count == 1);
    lk_arena_reset(&arena);
    return server;
}
