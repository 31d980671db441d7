/* The router and a host selector: who is asked, when, and what becomes of its answer. */
#include "test/unit/proxy/router/router_fixture.h"

#include "proxy/upstream/host_selector.h"
#include "proxy/upstream/shadow_budget.h"

/* Answers what the test wants, and remembers what it was asked. */
struct asked {
    struct lk_host_selector base;
    struct setup *s;
    struct lk_cluster_view *elsewhere; /* whose host is given; NULL: the one asked */
    bool none, refused, shadow;
    enum lk_response_flag flag;
    unsigned count;
    bool last[8];
};

static struct lk_host_selection select_one(struct lk_host_selector *self, struct lk_cluster_view *view,
                                           const struct lk_pick *pick, bool last)
{
    struct asked *asked = LK_CONTAINER_OF(self, struct asked, base);
    struct lk_host_selection chosen = {.refused = asked->refused, .flag = asked->flag, .details = "because"};

    LK_CHECK(view == asked->s->f->view);
    asked->last[asked->count++] = last;
    if (!asked->none && !asked->refused)
        chosen.host = lk_cluster_pick(asked->elsewhere != NULL ? asked->elsewhere : view, pick);
    if (chosen.host != NULL && asked->shadow)
        chosen.host = lk_worker_host_shadow(chosen.host);
    return chosen;
}

static void install(struct setup *s, struct asked *asked)
{
    memset(asked, 0, sizeof(*asked));
    asked->base.select = select_one;
    asked->s = s;
}

/* As request() of the fixture, with the selector in the stream. */
static void request_with(struct setup *s, struct asked *asked)
{
    const struct lk_http_filter_entry entry = {
        .filter = &router_filter, .name = LK_STR("router"), .config = &s->config};

    if (s->f->clusters == NULL)
        upstream_start(s->f);
    s->config.clusters = s->f->clusters;
    s->h = chain_harness_on(s->f->loop, &entry, 1);
    s->h->route = &s->route;
    s->h->stream.info.route = &s->route;
    s->h->stream.info.route_config = &s->table;
    s->h->stream.info.selector = &asked->base;
    chain_request(s->h, true);
}

static void with_retries(struct setup *s, uint32_t retries)
{
    s->retry.retry_on = lk_retry_on_parse(LK_STR("5xx"), NULL);
    s->retry.num_retries = retries;
    s->retry.backoff_base_ms = 1;
    s->retry.backoff_max_ms = 1;
    s->route.action.retry = &s->retry;
}

#define BUSY "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"

LK_TEST(router_selector, gives_the_host)
{
    struct setup s;
    struct asked asked;
    begin(&s);
    install(&s, &asked);
    request_with(&s, &asked);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    LK_CHECK_EQ_UINT(asked.count, 1);
    LK_CHECK(!asked.last[0]);
    close(server);
    finish(&s);
}

LK_TEST(router_selector, refusal_is_the_answer_and_is_not_retried)
{
    struct setup s;
    struct asked asked;
    begin(&s);
    install(&s, &asked);
    with_retries(&s, 3);
    asked.refused = true;
    asked.flag = LK_FLAG_LANE_CAPPED;
    request_with(&s, &asked);
    LK_CHECK(s.h->client_done);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_LKSTR(info_of(&s)->details, "because");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(LANE_CAPPED));
    LK_CHECK_EQ_UINT(asked.count, 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_5XX), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_CX_NONE_HEALTHY), 0);
    finish(&s);
}

LK_TEST(router_selector, refusal_for_want_of_room_counts_as_overflow)
{
    struct setup s;
    struct asked asked;
    begin(&s);
    install(&s, &asked);
    asked.refused = true;
    asked.flag = LK_FLAG_UPSTREAM_OVERFLOW;
    request_with(&s, &asked);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_PENDING_OVERFLOW), 1);
    finish(&s);
}

LK_TEST(router_selector, no_host_is_no_healthy_upstream)
{
    struct setup s;
    struct asked asked;
    begin(&s);
    install(&s, &asked);
    asked.none = true;
    request_with(&s, &asked);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_LKSTR(info_of(&s)->details, "no_healthy_upstream");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(NO_HEALTHY_UPSTREAM));
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_CX_NONE_HEALTHY), 1);
    finish(&s);
}

LK_TEST(router_selector, is_asked_for_every_try_and_told_which_is_the_last_retry)
{
    struct setup s;
    struct asked asked;
    begin(&s);
    install(&s, &asked);
    with_retries(&s, 2);
    request_with(&s, &asked);
    int server = serve(&s, BUSY);
    for (unsigned i = 0; i < 2; i++) {
        UPSTREAM_UNTIL(s.f, asked.count == i + 2);
        upstream_read(s.f, server, "\r\n\r\n");
        upstream_write(server, i == 0 ? BUSY : OK_BODY);
    }
    client_done(&s);
    LK_CHECK_EQ_UINT(asked.count, 3);
    LK_CHECK(!asked.last[0] && !asked.last[1] && asked.last[2]);
    close(server);
    finish(&s);
}

/* --- hosts of another cluster ---------------------------------------------------------------------------------------
 */

struct other {
    struct lk_cluster_config config;
    struct lk_cluster_view *view;
};

/* A second cluster with the same endpoint. */
static void add_other(struct setup *s, struct other *other)
{
    struct lk_errors errors;

    upstream_start(s->f);
    other->config = s->f->config;
    lk_ref_init(&other->config.ref);
    other->config.name = other->config.stat_name = LK_STR("other");
    lk_errors_init(&errors);
    LK_CHECK(lk_clusters_add(s->f->clusters, &other->config, &errors));
    lk_errors_fini(&errors);
    other->view = lk_cluster_view_get(s->f->clusters, s->f->loop, LK_STR("other"));
    lk_cluster_set_hosts(
        other->view->cluster,
        lk_host_set_from_endpoints(other->view->cluster, (struct lk_endpoints *)s->f->config.endpoints));
    upstream_turn(s->f, 2);
}

static uint64_t other_stat(const struct other *other, unsigned index)
{
    return lk_stats_value(other->view->stats, index);
}

LK_TEST(router_selector, other_cluster_that_serves_is_the_one_that_counts)
{
    struct setup s;
    struct asked asked;
    struct other other;
    begin(&s);
    install(&s, &asked);
    add_other(&s, &other);
    asked.elsewhere = other.view;
    request_with(&s, &asked);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    LK_CHECK_LKSTR(info_of(&s)->upstream.cluster, "other");
    LK_CHECK_EQ_UINT(other_stat(&other, LK_CLUSTER_RQ_2XX), 1);
    LK_CHECK_EQ_UINT(other_stat(&other, LK_CLUSTER_RQ_TOTAL), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_2XX), 0);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_TOTAL), 0);
    close(server);
    finish(&s);
}

LK_TEST(router_selector, retry_leaves_the_breaker_that_it_was_counted_in)
{
    struct setup s;
    struct asked asked;
    struct other other;
    begin(&s);
    install(&s, &asked);
    add_other(&s, &other);
    with_retries(&s, 2);
    asked.elsewhere = other.view;
    request_with(&s, &asked);
    int server = serve(&s, BUSY); /* of the other cluster */
    asked.elsewhere = NULL;
    UPSTREAM_UNTIL(s.f, asked.count == 2);
    LK_CHECK_EQ_UINT(lk_breaker_used(&other.view->cluster->breakers[0], LK_RESOURCE_RETRIES), 1);
    int second = serve(&s, BUSY); /* of the route's */
    UPSTREAM_UNTIL(s.f, asked.count == 3);
    LK_CHECK_EQ_UINT(lk_breaker_used(&other.view->cluster->breakers[0], LK_RESOURCE_RETRIES), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&s.f->cluster->breakers[0], LK_RESOURCE_RETRIES), 1);
    upstream_read(s.f, second, "\r\n\r\n");
    upstream_write(second, OK_BODY);
    client_done(&s);
    LK_CHECK_LKSTR(info_of(&s)->upstream.cluster, "upstream");
    LK_CHECK_EQ_UINT(other_stat(&other, LK_CLUSTER_RQ_RETRY), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_RETRY), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_2XX), 1);
    LK_CHECK_EQ_UINT(lk_breaker_used(&other.view->cluster->breakers[0], LK_RESOURCE_RETRIES), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&other.view->cluster->breakers[0], LK_RESOURCE_REQUESTS), 0);
    close(server);
    close(second);
    finish(&s);
}

LK_TEST(router_selector, retry_of_pressure_test_traffic_counts_where_it_is_sent)
{
    struct setup s;
    struct asked asked;
    const struct lk_shadow_budget *budget;
    begin(&s);
    install(&s, &asked);
    asked.shadow = true;
    with_retries(&s, 2);
    request_with(&s, &asked);
    int server = serve(&s, BUSY);
    UPSTREAM_UNTIL(s.f, asked.count == 2);
    budget = lk_shadow_budget_peek(s.f->cluster);
    LK_CHECK_EQ_UINT(lk_breaker_used(&budget->breakers[0], LK_RESOURCE_RETRIES), 1);
    LK_CHECK_EQ_UINT(lk_breaker_used(&budget->breakers[0], LK_RESOURCE_REQUESTS), 1);
    LK_CHECK_EQ_UINT(lk_breaker_used(&s.f->cluster->breakers[0], LK_RESOURCE_RETRIES), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&s.f->cluster->breakers[0], LK_RESOURCE_REQUESTS), 0);
    upstream_read(s.f, server, "\r\n\r\n");
    upstream_write(server, OK_BODY);
    client_done(&s);
    LK_CHECK_EQ_UINT(lk_breaker_used(&budget->breakers[0], LK_RESOURCE_RETRIES), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&budget->breakers[0], LK_RESOURCE_REQUESTS), 0);
    close(server);
    finish(&s);
}
