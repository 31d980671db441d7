/* Mirrored copies: what becomes of them while the request goes on, fails or ends. Host 0 serves, host 1 is the mirror.
 */
#include "test/unit/proxy/router/router_fixture.h"

#include "proxy/stats/stat_names.h"
#include "proxy/upstream/host_selector.h"

struct mirrored {
    struct setup s;
    struct lk_mirror_policy policy;
    struct lk_cluster_config config;
    struct lk_cluster_view *view; /* of the mirror's cluster */
    struct lk_circuit_limits limits[2];
};

static void take_host(struct upstream_fixture *f, struct lk_cluster *cluster, unsigned index)
{
    struct lk_cluster *own = f->cluster;

    f->cluster = cluster;
    lk_cluster_set_hosts(cluster, upstream_hosts(f, &index, 1));
    f->cluster = own;
}

static void begin_mirrored(struct mirrored *m)
{
    struct lk_errors errors;

    memset(m, 0, sizeof(*m));
    begin(&m->s);
    upstream_free(m->s.f);
    m->s.f = upstream_new(2);
    upstream_start(m->s.f);
    m->config = m->s.f->config;
    lk_ref_init(&m->config.ref);
    m->config.name = m->config.stat_name = LK_STR("mirror");
    memcpy(m->limits, m->s.f->limits, sizeof(m->limits));
    m->config.limits = m->limits;
    m->config.buffer_limit = 4096;
    lk_errors_init(&errors);
    LK_CHECK(lk_clusters_add(m->s.f->clusters, &m->config, &errors));
    lk_errors_fini(&errors);
    m->view = lk_cluster_view_get(m->s.f->clusters, m->s.f->loop, LK_STR("mirror"));
    take_host(m->s.f, m->s.f->cluster, 0);
    take_host(m->s.f, m->view->cluster, 1);
    upstream_turn(m->s.f, 2);
    m->policy = (struct lk_mirror_policy){.cluster = LK_STR("mirror"), .fraction = {1000000, {NULL, 0}, 100}};
    m->s.route.action.mirrors = (struct lk_mirror_policies){&m->policy, 1};
}

static uint64_t stat_of(const struct mirrored *m, unsigned index)
{
    return lk_stats_value(m->view->stats, index);
}

static void finish_mirrored(struct mirrored *m)
{
    upstream_turn(m->s.f, 3);
    for (unsigned r = 0; r < LK_RESOURCE_COUNT; r++) {
        if (r != LK_RESOURCE_CONNECTIONS)
            LK_CHECK_EQ_UINT(lk_breaker_used(&m->view->cluster->breakers[0], (enum lk_resource)r), 0);
    }
    LK_CHECK_EQ_UINT(stat_of(m, LK_CLUSTER_RQ_ACTIVE), 0);
    finish(&m->s);
}

/* The request is answered. */
static void answer_request(struct mirrored *m)
{
    int server = serve(&m->s, OK_BODY);

    client_done(&m->s);
    CHAIN_EXPECT(m->s.h, "client: 200\nclient: data \"ok\" end\n");
    close(server);
}

LK_TEST(mirror, copy_goes_its_own_way)
{
    struct mirrored m;
    int mirror;

    begin_mirrored(&m);
    request(&m.s, "GET", true);
    answer_request(&m);
    done(&m.s); /* the stream and its arena are gone */
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "host.test-shadow\r\n");
    upstream_write(mirror, "HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad");
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_5XX) == 1 && stat_of(&m, LK_CLUSTER_RQ_ACTIVE) == 0);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_INTERNAL_5XX), 1);
    LK_CHECK_EQ_UINT(upstream_stat(m.s.f, LK_CLUSTER_RQ_2XX), 1);
    LK_CHECK_EQ_UINT(upstream_stat(m.s.f, LK_CLUSTER_RQ_5XX), 0);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, body_and_trailers_are_copied_before_and_after_the_connection)
{
    struct mirrored m;
    int server, mirror;

    begin_mirrored(&m);
    request(&m.s, "POST", false);
    chain_data(m.s.h, "early ", false);
    server = upstream_accept(m.s.f, 0);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "early ");
    chain_data(m.s.h, "late", false);
    chain_data(m.s.h, "st", true);
    upstream_read(m.s.f, mirror, "0\r\n\r\n");
    upstream_read(m.s.f, server, "0\r\n\r\n");
    upstream_write(mirror, OK_BODY);
    upstream_write(server, OK_BODY);
    client_done(&m.s);
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_2XX) == 1);
    close(server);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, all_of_a_request_may_come_before_the_connection)
{
    struct mirrored m;
    int mirror;

    begin_mirrored(&m);
    request(&m.s, "POST", false);
    chain_data(m.s.h, "whole", false);
    chain_trailers(m.s.h, "x-end", "1");
    LK_CHECK_NULL(m.s.h->stream.info.mirrors);
    answer_request(&m);
    done(&m.s);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "whole");
    upstream_write(mirror, OK_BODY);
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_2XX) == 1);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, copy_that_grows_too_large_while_it_waits_is_given_up)
{
    static char piece[3000];
    struct mirrored m;
    int server;

    memset(piece, 'x', sizeof(piece) - 1);
    begin_mirrored(&m);
    request(&m.s, "POST", false);
    chain_data(m.s.h, piece, false);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RETRY_OR_SHADOW_ABANDONED), 0);
    chain_data(m.s.h, piece, false);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RETRY_OR_SHADOW_ABANDONED), 1);
    chain_data(m.s.h, "end", true); /* nobody minds */
    server = upstream_accept(m.s.f, 0);
    upstream_read(m.s.f, server, "end\r\n0\r\n\r\n");
    upstream_write(server, OK_BODY);
    client_done(&m.s);
    close(server);
    finish_mirrored(&m);
}

LK_TEST(mirror, request_that_never_ends_takes_its_copies_along)
{
    struct mirrored m;
    char byte;
    int mirror;

    begin_mirrored(&m);
    request(&m.s, "POST", false);
    chain_data(m.s.h, "half", false);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "half");
    done(&m.s);
    upstream_turn(m.s.f, 3);
    LK_CHECK_EQ_INT(recv(mirror, &byte, 1, MSG_DONTWAIT), 0);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_COMPLETED), 0);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, answer_before_the_end_of_the_request_is_taken)
{
    struct mirrored m;
    int server, mirror;

    begin_mirrored(&m);
    request(&m.s, "POST", false);
    chain_data(m.s.h, "a", false);
    server = upstream_accept(m.s.f, 0);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "a");
    upstream_write(mirror, OK_BODY);
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_2XX) == 1);
    upstream_turn(m.s.f, 3); /* it is out of memory by now */
    chain_data(m.s.h, "b", true);
    upstream_read(m.s.f, server, "0\r\n\r\n");
    upstream_write(server, OK_BODY);
    client_done(&m.s);
    close(server);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, connection_that_breaks_is_a_failure_of_its_own)
{
    struct mirrored m;
    int mirror;

    begin_mirrored(&m);
    request(&m.s, "GET", true);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "\r\n\r\n");
    upstream_reset(mirror);
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_5XX) == 1);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_RX_RESET), 1);
    answer_request(&m);
    finish_mirrored(&m);
}

LK_TEST(mirror, answer_that_takes_too_long_is_not_waited_for)
{
    struct mirrored m;
    int mirror;

    begin_mirrored(&m);
    m.s.route.action.has_timeout = true;
    m.s.route.action.timeout_ms = 30;
    request(&m.s, "GET", true);
    answer_request(&m);
    mirror = upstream_accept(m.s.f, 1);
    UPSTREAM_UNTIL(m.s.f, stat_of(&m, LK_CLUSTER_RQ_TIMEOUT) == 1);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_5XX), 1);
    close(mirror);
    finish_mirrored(&m);
}

LK_TEST(mirror, worker_that_stops_ends_copies_under_way)
{
    struct mirrored m;
    int mirror;

    begin_mirrored(&m);
    request(&m.s, "GET", true);
    answer_request(&m);
    done(&m.s);
    mirror = upstream_accept(m.s.f, 1);
    upstream_read(m.s.f, mirror, "\r\n\r\n");
    m.s.f->fds_before++; /* the server's end */
    finish(&m.s);        /* the sanitizer would tell of a leak */
    close(mirror);
}

LK_TEST(mirror, limits_of_its_cluster_hold)
{
    struct mirrored m;

    begin_mirrored(&m);
    m.view->cluster->breakers[0].limit[LK_RESOURCE_PENDING] = 0;
    request(&m.s, "GET", true);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_PENDING_OVERFLOW), 1);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_5XX), 1);
    answer_request(&m);
    finish_mirrored(&m);
}

/* --- copies that are not made ------------------------------------------------------------------------------------- */

static void expect_no_copy(struct mirrored *m)
{
    answer_request(m);
    LK_CHECK(!upstream_pending(m->s.f, 1));
    LK_CHECK_EQ_UINT(stat_of(m, LK_CLUSTER_RQ_PENDING_TOTAL), 0);
    finish_mirrored(m);
}

LK_TEST(mirror, share_of_none_or_no_such_cluster_is_no_copy)
{
    struct mirrored m;

    begin_mirrored(&m);
    m.policy.fraction.per_million = 0;
    request(&m.s, "GET", true);
    expect_no_copy(&m);
    begin_mirrored(&m);
    m.policy.cluster = LK_STR("unknown");
    request(&m.s, "GET", true);
    expect_no_copy(&m);
    begin_mirrored(&m);
    m.policy.cluster_header = LK_STR("x-to"); /* the request has none */
    request(&m.s, "GET", true);
    expect_no_copy(&m);
}

LK_TEST(mirror, request_that_finds_no_host_is_not_mirrored)
{
    struct mirrored m;

    begin_mirrored(&m);
    lk_cluster_set_hosts(m.s.f->cluster, upstream_hosts(m.s.f, NULL, 0));
    upstream_turn(m.s.f, 2);
    request(&m.s, "GET", true);
    LK_CHECK_EQ_UINT(m.s.h->local_status, 503);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_PENDING_TOTAL), 0);
    finish_mirrored(&m);
}

LK_TEST(mirror, mirror_without_a_host_is_counted)
{
    struct mirrored m;

    begin_mirrored(&m);
    lk_cluster_set_hosts(m.view->cluster, upstream_hosts(m.s.f, NULL, 0));
    upstream_turn(m.s.f, 2);
    request(&m.s, "POST", false);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_CX_NONE_HEALTHY), 1);
    LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_RQ_5XX), 1);
    chain_data(m.s.h, "x", true);
    expect_no_copy(&m);
}

/* --- a filter that has a say -------------------------------------------------------------------------------------- */

struct asked {
    struct lk_mirror_selector base;
    bool refuse;
    unsigned count;
};

static struct lk_host_selection select_copy(struct lk_mirror_selector *self, struct lk_cluster_view *view,
                                            struct lk_headers *copy, const struct lk_pick *pick)
{
    struct asked *asked = LK_CONTAINER_OF(self, struct asked, base);

    asked->count++;
    LK_CHECK_LKSTR(view->config->name, "mirror");
    lk_headers_set(copy, LK_HEADER_USER_AGENT, LK_STR("copy"));
    return (struct lk_host_selection){.host = asked->refuse ? NULL : lk_cluster_pick(view, pick),
                                      .refused = asked->refuse};
}

LK_TEST(mirror, filter_may_change_a_copy_and_choose_its_host_or_refuse_it)
{
    for (unsigned refuse = 0; refuse < 2; refuse++) {
        const struct lk_http_filter_entry entry = {.filter = &router_filter, .name = LK_STR("router")};
        struct lk_http_filter_entry own = entry;
        struct asked asked = {.base = {.select = select_copy}, .refuse = refuse};
        struct mirrored m;

        begin_mirrored(&m);
        m.s.config.clusters = m.s.f->clusters;
        own.config = &m.s.config;
        m.s.h = chain_harness_on(m.s.f->loop, &own, 1);
        m.s.h->route = &m.s.route;
        m.s.h->stream.info.route = &m.s.route;
        m.s.h->stream.info.route_config = &m.s.table;
        m.s.h->stream.info.mirrors = &asked.base;
        chain_request(m.s.h, true);
        LK_CHECK_EQ_UINT(asked.count, 1);
        LK_CHECK_NULL(lk_headers_find(m.s.h->stream.request, LK_HEADER_USER_AGENT)); /* the request keeps its own */
        if (refuse) {
            LK_CHECK_EQ_UINT(stat_of(&m, LK_CLUSTER_CX_NONE_HEALTHY), 0);
            expect_no_copy(&m);
            continue;
        }
        int mirror = upstream_accept(m.s.f, 1);
        upstream_read(m.s.f, mirror, "copy\r\n");
        answer_request(&m);
        close(mirror);
        finish_mirrored(&m);
    }
}
