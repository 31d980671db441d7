/* Pressure-test traffic beside other traffic to one host: limits, pools and gauges of its own. */
#include "proxy/upstream/shadow_budget.h"

#include "proxy/upstream/lb.h"
#include "test/unit/proxy/upstream/pool_client.h"

/* A cluster with small limits. */
static struct lk_worker_host *begin_limited(struct upstream_fixture **f, uint32_t connections, uint32_t pending,
                                            uint32_t requests)
{
    *f = upstream_new(1);
    (*f)->limits[0].max_connections = connections;
    (*f)->limits[0].max_pending = pending;
    (*f)->limits[0].max_requests = requests;
    upstream_start(*f);
    return upstream_pick(*f);
}

static struct lk_worker_host *shadow_of(struct upstream_fixture *f)
{
    return lk_worker_host_shadow(upstream_pick(f));
}

static uint64_t gauge(const struct upstream_fixture *f, const char *name)
{
    char full[128];
    uint64_t value = 77;

    snprintf(full, sizeof(full), "cluster.upstream.circuit_breakers.%s", name);
    LK_CHECK_MSG(lk_stats_find(f->stats, lk_str_from(full), &value), "there is no %s", full);
    return value;
}

LK_TEST(shadow_budget, a_cluster_has_none_before_it_is_asked_for)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f), *shadow;
    uint64_t value;

    LK_CHECK_NULL(lk_shadow_budget_peek(f->cluster));
    LK_CHECK(!lk_stats_find(f->stats, LK_STR("cluster.upstream.circuit_breakers.shadow.rq_open"), &value));
    shadow = shadow_of(f);
    LK_CHECK(shadow != wh);
    LK_CHECK_EQ_PTR(shadow->host, wh->host);
    LK_CHECK_EQ_PTR(shadow->breakers, lk_shadow_budget_peek(f->cluster)->breakers);
    LK_CHECK_EQ_PTR(lk_shadow_budget_get(f->cluster), lk_shadow_budget_peek(f->cluster));
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_open"), 0);
    lk_worker_host_unref(shadow);
    shadow = shadow_of(f); /* the same again */
    LK_CHECK_EQ_PTR(shadow, wh->shadow);
    lk_worker_host_unref(shadow);
    finish(f, wh);
}

LK_TEST(shadow_budget, a_test_that_fills_its_limits_leaves_all_of_those_of_others)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin_limited(&f, 1, 1, 1024), *shadow = shadow_of(f);
    struct client a, b, c, d;
    int server, other;

    server = connect_one(&a, f, shadow); /* the only connection */
    client_init(&b, f, shadow);
    client_init(&c, f, shadow);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    LK_CHECK_EQ_INT(ask(&c, false, false), LK_POOL_OVERFLOW);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.cx_open"), 1);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_pending_open"), 1);
    LK_CHECK_EQ_UINT(lk_breaker_used(&f->cluster->breakers[0], LK_RESOURCE_CONNECTIONS), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&f->cluster->breakers[0], LK_RESOURCE_PENDING), 0);
    other = connect_one(&d, f, wh);
    exchange(&d, other, OK_EMPTY);
    LK_CHECK_EQ_UINT(d.status, 200);
    LK_CHECK_EQ_UINT(wh->idle_count, 1); /* not handed to who waits on the other side */
    LK_CHECK(b.waiting);
    exchange(&a, server, OK_EMPTY);
    UPSTREAM_UNTIL(f, b.uc != NULL);
    LK_CHECK_EQ_PTR(b.uc, a.uc);
    exchange(&b, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_pending_open"), 0);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.cx_open"), 1); /* kept alive */
    lk_pool_drain(wh);
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.cx_open"), 0);
    LK_CHECK_EQ_UINT(shadow->idle_count + wh->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    client_fini(&c);
    client_fini(&d);
    close(server);
    close(other);
    lk_worker_host_unref(shadow);
    finish(f, wh);
}

LK_TEST(shadow_budget, others_that_fill_theirs_leave_those_of_a_test)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin_limited(&f, 1, 0, 1), *shadow = shadow_of(f);
    struct lk_breaker *own = &f->cluster->breakers[0];

    lk_breaker_take(own, LK_RESOURCE_REQUESTS);
    LK_CHECK(!lk_breaker_has_room(own, LK_RESOURCE_REQUESTS));
    LK_CHECK(lk_breaker_has_room(&shadow->breakers[0], LK_RESOURCE_REQUESTS));
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_open"), 0);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_pending_open"), 1); /* never any room */
    LK_CHECK_EQ_UINT(gauge(f, "shadow_high.rq_pending_open"), 0);
    lk_breaker_take(&shadow->breakers[0], LK_RESOURCE_REQUESTS);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_open"), 1);
    lk_breaker_give(&shadow->breakers[0], LK_RESOURCE_REQUESTS);
    LK_CHECK_EQ_UINT(gauge(f, "shadow.rq_open"), 0);
    lk_breaker_give(own, LK_RESOURCE_REQUESTS);
    lk_worker_host_unref(shadow);
    finish(f, wh);
}

LK_TEST(shadow_budget, balancing_sees_the_load_of_both)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f), *shadow = shadow_of(f);
    const struct lk_view_slot slot = {.worker_host = wh}, fresh = {.worker_host = NULL};

    wh->rq_active = 2;
    shadow->rq_active = 3;
    LK_CHECK_EQ_UINT(lk_view_slot_active(&slot), 5);
    LK_CHECK_EQ_UINT(lk_view_slot_active(&fresh), 0);
    wh->rq_active = shadow->rq_active = 0;
    lk_worker_host_unref(shadow);
    finish(f, wh);
}

LK_TEST(shadow_budget, host_that_is_gone_lets_a_test_finish)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f), *shadow = shadow_of(f);
    struct client a, b;
    int busy = connect_one(&a, f, shadow), idle = idle_one(&b, f, shadow);

    lk_worker_host_unref(wh);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, NULL, 0));
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(f->view->worker_hosts.count, 0);
    LK_CHECK_EQ_UINT(shadow->idle_count, 0); /* nobody will ask for it */
    LK_CHECK_EQ_UINT(shadow->busy_count, 1);
    exchange(&a, busy, OK_EMPTY);
    LK_CHECK_EQ_UINT(a.status, 200);
    LK_CHECK_EQ_UINT(shadow->busy_count + shadow->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    close(busy);
    close(idle);
    lk_worker_host_unref(shadow);
    upstream_free(f);
}

LK_TEST(shadow_budget, a_later_version_of_the_host_is_that_of_both)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f), *shadow = shadow_of(f);
    const unsigned same = 0;

    lk_worker_host_unref(shadow);
    lk_worker_host_unref(wh);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, &same, 1));
    upstream_turn(f, 2);
    wh = upstream_pick(f);
    shadow = shadow_of(f);
    LK_CHECK_EQ_PTR(shadow->host, wh->host);
    LK_CHECK_EQ_PTR(shadow, wh->shadow);
    lk_worker_host_unref(shadow);
    finish(f, wh);
}

LK_TEST(shadow_budget, original_destination_stays_while_a_test_uses_it)
{
    struct upstream_fixture *f = upstream_new(1);
    struct lk_addr addr = f->addrs[0];
    struct lk_pick pick = {.original_dst = &addr};
    struct lk_worker_host *shadow;
    struct client a;
    int server;

    f->config.type = LK_CLUSTER_ORIGINAL_DST;
    f->config.cleanup_interval_ms = 1;
    upstream_start(f);
    shadow = lk_worker_host_shadow(lk_cluster_pick(f->view, &pick));
    server = connect_one(&a, f, shadow);
    lk_worker_host_unref(shadow);
    for (int i = 0; i < 5; i++)
        lk_loop_turn(f->loop, 5); /* several clean-ups */
    LK_CHECK_EQ_UINT(f->view->worker_hosts.count, 1);
    exchange(&a, server, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(f, f->view->worker_hosts.count == 0);
    client_fini(&a);
    close(server);
    upstream_free(f);
}
