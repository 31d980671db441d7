/* The selector of a stream: hosts for tries, retries that stay, flags and statistics. */
#include "proxy/lane/lane_selector.h"

#include "proxy/base/mem.h"
#include "proxy/config/route_config.h"
#include "proxy/upstream/shadow_budget.h"
#include "test/unit/proxy/lane/pick_fixture.h"

struct scene {
    struct fixture f;
    struct lk_lane_names *names;
    struct lk_lane_scopes *scopes;
    struct lk_arena stream;
    struct lk_stream_info info;
    struct lk_lane_selector *selector;
};

static void begin(struct scene *s, const char *hosts)
{
    struct lk_str names[LANES];

    memset(s, 0, sizeof(*s));
    init(&s->f);
    for (unsigned i = 0; i < LANES; i++)
        names[i] = s->f.lanes[i].name;
    s->names = lk_lane_names_new(s->f.up->stats, 0);
    s->scopes = lk_lane_scopes_new(s->names, names, LANES);
    lk_arena_init(&s->stream);
    set_hosts(&s->f, hosts);
}

static void finish(struct scene *s)
{
    lk_arena_reset(&s->stream);
    lk_lane_scopes_free(s->scopes);
    lk_lane_names_free(s->names);
    fini(&s->f);
}

/* A new stream with that mark. */
static void stream(struct scene *s, const char *mark)
{
    lk_arena_reset(&s->stream);
    memset(&s->info, 0, sizeof(s->info));
    lk_lane_ask_mark(&s->f.ask, lk_str_from(mark));
    s->selector = lk_lane_selector_new(&s->stream, &s->info, &s->f.ask, s->scopes);
}

/* One try: the host's letter, or why there is none. */
static const char *try(struct scene *s, bool last)
{
    static char text[2];
    const struct lk_pick pick = {.original_dst = NULL};
    struct lk_host_selection chosen = s->info.selector->select(s->info.selector, s->f.up->view, &pick, last);

    if (chosen.host == NULL) {
        if (chosen.refused)
            lk_stream_info_flag(&s->info, chosen.flag);
        return chosen.refused ? chosen.details : "none";
    }
    LK_CHECK(!chosen.refused);
    text[0] = chosen.host->host->hostname.ptr[0];
    lk_worker_host_unref(chosen.host);
    return text;
}

static uint64_t stat(const struct scene *s, unsigned lane, enum lk_lane_stat stat)
{
    return lk_stats_value(lk_lane_scope(s->scopes, lane), stat);
}

#define CHECK_STAT(lane_, id_, value_) LK_CHECK_EQ_UINT(stat(&s, lane_, LK_LANE_STAT_##id_), value_)
#define CHECK_FLAGS(flags_) LK_CHECK_EQ_UINT(s.info.flags, flags_)

LK_TEST(lane_selector, serves_by_the_lane_and_keeps_the_outcome)
{
    struct scene s;

    begin(&s, "lane=g,-");
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "a");
    LK_CHECK_LKSTR(s.selector->served, "g");
    LK_CHECK_EQ_INT(s.selector->reason, LK_LANE_REASON_OK);
    CHECK_FLAGS(0);
    CHECK_STAT(G, RQ_OUT_OWN, 1);
    stream(&s, "");
    LK_CHECK_STR(try(&s, false), "b");
    LK_CHECK_LKSTR(s.selector->served, "base");
    CHECK_FLAGS(0);
    CHECK_STAT(BASE, RQ_OUT_OWN, 0);
    CHECK_STAT(UINT32_MAX, RQ_OUT_BASE, 0);
    finish(&s);
}

LK_TEST(lane_selector, flags_and_counts_fallback)
{
    struct scene s;

    begin(&s, "lane=k!,lane=p,-");
    stream(&s, "k");
    LK_CHECK_STR(try(&s, false), "b");
    LK_CHECK_LKSTR(s.selector->served, "p");
    LK_CHECK_EQ_INT(s.selector->reason, LK_LANE_REASON_UNHEALTHY);
    CHECK_FLAGS(LK_FLAG_BIT(LANE_FALLBACK));
    CHECK_STAT(K, RQ_OUT_PARENT, 1);
    CHECK_STAT(K, FALLBACK_UNHEALTHY, 1);
    CHECK_STAT(P, RQ_OUT_OWN, 0);
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "c");
    CHECK_FLAGS(LK_FLAG_BIT(LANE_FALLBACK));
    CHECK_STAT(G, RQ_OUT_BASE, 1);
    CHECK_STAT(G, FALLBACK_ABSENT, 1);
    stream(&s, "z");
    LK_CHECK_STR(try(&s, false), "c");
    CHECK_FLAGS(LK_FLAG_BIT(LANE_UNKNOWN));
    CHECK_STAT(UINT32_MAX, RQ_OUT_BASE, 1);
    stream(&s, "d");
    LK_CHECK_STR(try(&s, false), "c");
    LK_CHECK_EQ_INT(s.selector->reason, LK_LANE_REASON_DISABLED);
    CHECK_FLAGS(0);
    CHECK_STAT(D, RQ_OUT_BASE, 1);
    finish(&s);
}

LK_TEST(lane_selector, refusals_have_flags_details_and_counts)
{
    struct scene s;

    begin(&s, "lane=g!,-");
    s.f.lanes[G].cap_min_rps = 0;
    s.f.lanes[H].on_unhealthy = false;
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "lane_capped");
    LK_CHECK(s.selector->refused);
    LK_CHECK_LKSTR(s.selector->served, "");
    CHECK_FLAGS(LK_FLAG_BIT(LANE_CAPPED));
    CHECK_STAT(G, CAPPED, 1);
    CHECK_STAT(G, FALLBACK_UNHEALTHY, 0);
    stream(&s, "t");
    LK_CHECK_STR(try(&s, false), "lane_strict");
    CHECK_FLAGS(LK_FLAG_BIT(NO_HEALTHY_UPSTREAM));
    CHECK_STAT(T, STRICT, 1);
    stream(&s, "shadow-s");
    LK_CHECK_STR(try(&s, false), "lane_shadow_refused");
    CHECK_FLAGS(LK_FLAG_BIT(LANE_SHADOW_REFUSED));
    CHECK_STAT(S, LEAK_BLOCKED, 1);
    CHECK_STAT(S, SHADOW_REFUSED, 0);
    stream(&s, "shadow-zz");
    LK_CHECK_STR(try(&s, false), "lane_shadow_refused");
    CHECK_STAT(UINT32_MAX, SHADOW_REFUSED, 1);
    s.f.lanes[S].state = LK_LANE_DISABLED;
    stream(&s, "shadow-s");
    LK_CHECK_STR(try(&s, false), "lane_shadow_refused");
    CHECK_STAT(S, SHADOW_REFUSED, 1);
    CHECK_STAT(S, LEAK_BLOCKED, 1);
    s.f.table->unknown = LK_LANE_UNKNOWN_REJECTED;
    stream(&s, "z");
    LK_CHECK_STR(try(&s, false), "lane_unknown");
    CHECK_FLAGS(LK_FLAG_BIT(LANE_UNKNOWN));
    set_hosts(&s.f, "lane=h!,-");
    stream(&s, "h");
    LK_CHECK_STR(try(&s, false), "lane_unhealthy");
    CHECK_FLAGS(LK_FLAG_BIT(NO_HEALTHY_UPSTREAM));
    finish(&s);
}

LK_TEST(lane_selector, full_breaker_of_the_route_s_priority_is_an_overload)
{
    struct scene s;
    struct lk_route route = {.action = {.high_priority = true}};
    struct lk_breaker *breaker;

    begin(&s, "lane=g,-");
    breaker = &s.f.up->cluster->breakers[1];
    breaker->limit[LK_RESOURCE_REQUESTS] = 1;
    lk_breaker_take(breaker, LK_RESOURCE_REQUESTS);
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "a");
    stream(&s, "g");
    s.info.route = &route;
    LK_CHECK_STR(try(&s, false), "lane_overloaded");
    CHECK_FLAGS(LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    lk_breaker_give(breaker, LK_RESOURCE_REQUESTS);
    finish(&s);
}

LK_TEST(lane_selector, retries_stay_where_the_first_try_went)
{
    struct scene s;

    begin(&s, "-");
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "a");
    set_hosts(&s.f, "-,lane=g"); /* the lane comes while the request is retried */
    LK_CHECK_STR(try(&s, false), "a");
    LK_CHECK_EQ_INT(s.selector->reason, LK_LANE_REASON_ABSENT); /* as it was */
    CHECK_STAT(G, RQ_OUT_BASE, 1);                              /* one request */
    CHECK_STAT(G, FALLBACK_ABSENT, 1);
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "b");
    finish(&s);
}

LK_TEST(lane_selector, last_retry_steps_down_where_the_lane_says_so)
{
    struct scene s;

    begin(&s, "lane=g,-");
    stream(&s, "g");
    LK_CHECK_STR(try(&s, true), "a"); /* no retry at all */
    LK_CHECK_STR(try(&s, true), "a");
    s.f.lanes[G].on_retry = true;
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "a");
    LK_CHECK_STR(try(&s, false), "a");
    LK_CHECK_STR(try(&s, true), "b");
    LK_CHECK_LKSTR(s.selector->served, "base");
    LK_CHECK_EQ_INT(s.selector->reason, LK_LANE_REASON_RETRY);
    CHECK_FLAGS(LK_FLAG_BIT(LANE_FALLBACK));
    CHECK_STAT(G, FALLBACK_RETRY, 1);
    CHECK_STAT(G, RQ_OUT_BASE, 1);
    finish(&s);
}

LK_TEST(lane_selector, counts_rescue_for_the_lane_that_serves)
{
    struct scene s;

    begin(&s, "lane=g");
    stream(&s, "");
    LK_CHECK_STR(try(&s, false), "none"); /* the usual 503 */
    LK_CHECK(!s.selector->refused);
    s.f.table->base_rescue = true;
    stream(&s, "");
    LK_CHECK_STR(try(&s, false), "a");
    LK_CHECK_LKSTR(s.selector->served, "g");
    CHECK_STAT(G, BASE_RESCUE, 1);
    CHECK_STAT(G, RQ_OUT_OWN, 0);
    CHECK_FLAGS(0);
    finish(&s);
}

LK_TEST(lane_selector, sibling_cluster_gives_the_host)
{
    const struct lk_pick pick = {.original_dst = NULL};
    struct scene s;
    struct lk_cluster_view *web, *sibling;
    struct lk_host_selection chosen;

    begin(&s, "-");
    s.f.membership.subset_clusters = true;
    web = add_cluster(&s.f, "outbound|80|v1|web", "-");
    sibling = add_cluster(&s.f, "outbound|80|g|web", "-");
    stream(&s, "g");
    chosen = s.info.selector->select(s.info.selector, web, &pick, false);
    LK_CHECK_NOT_NULL(chosen.host);
    LK_CHECK(chosen.host->view == sibling);
    CHECK_STAT(G, RQ_OUT_OWN, 1);
    lk_worker_host_unref(chosen.host);
    finish(&s);
}

LK_TEST(lane_selector, counts_nothing_without_scopes_and_balances_plain_clusters)
{
    struct scene s;

    begin(&s, "-");
    lk_lane_scopes_free(s.scopes);
    s.scopes = NULL;
    stream(&s, "");
    LK_CHECK_STR(try(&s, false), "a");
    stream(&s, "g");
    LK_CHECK_STR(try(&s, false), "a");
    finish(&s);
}

LK_TEST(lane_selector, pressure_test_traffic_has_limits_of_its_own)
{
    const struct lk_pick pick = {.original_dst = NULL};
    struct scene s;
    struct lk_host_selection chosen;
    struct lk_breaker *own;

    begin(&s, "shadow_ok=true");
    s.f.up->limits[0].max_requests = 1; /* what the other limits are made of */
    own = &s.f.up->cluster->breakers[0];
    own->limit[LK_RESOURCE_REQUESTS] = 1;
    lk_breaker_take(own, LK_RESOURCE_REQUESTS); /* what is full for others */
    stream(&s, "shadow-s");
    chosen = s.info.selector->select(s.info.selector, s.f.up->view, &pick, false);
    LK_CHECK_NOT_NULL(chosen.host);
    LK_CHECK_EQ_PTR(chosen.host->breakers, lk_shadow_budget_peek(s.f.up->cluster)->breakers);
    lk_breaker_take(&chosen.host->breakers[0], LK_RESOURCE_REQUESTS);
    lk_breaker_give(own, LK_RESOURCE_REQUESTS);
    stream(&s, "shadow-s");
    LK_CHECK_STR(try(&s, false), "lane_overloaded");
    CHECK_FLAGS(LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    CHECK_STAT(S, OVERLOADED, 1);
    stream(&s, "");
    LK_CHECK_STR(try(&s, false), "a");
    lk_breaker_give(&chosen.host->breakers[0], LK_RESOURCE_REQUESTS);
    lk_worker_host_unref(chosen.host);
    finish(&s);
}

LK_TEST(lane_selector, outside_of_the_mesh_the_cluster_chooses_under_those_limits)
{
    const struct lk_pick pick = {.original_dst = NULL};
    struct scene s;
    struct lk_host_selection chosen;

    begin(&s, "lane=g");
    lk_lane_select_outside(&s.stream, &s.info);
    chosen = s.info.selector->select(s.info.selector, s.f.up->view, &pick, false);
    LK_CHECK_NOT_NULL(chosen.host);
    LK_CHECK_EQ_PTR(chosen.host->breakers, lk_shadow_budget_peek(s.f.up->cluster)->breakers);
    lk_worker_host_unref(chosen.host);
    set_hosts(&s.f, "");
    chosen = s.info.selector->select(s.info.selector, s.f.up->view, &pick, false);
    LK_CHECK(chosen.host == NULL && !chosen.refused);
    finish(&s);
}
