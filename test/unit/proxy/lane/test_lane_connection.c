/* TCP connections of a pod: its lane, down the chain without a budget, and what a shadow pod may reach. */
#include "proxy/lane/lane_stream.h"
#include "test/unit/proxy/lane/pick_fixture.h"

struct scene {
    struct fixture f;
    struct lk_lane_filter_config config;
    struct lk_lane_settings settings;
    struct lk_lane_worker worker;   /* nothing recent */
    struct lk_lane_runtime runtime; /* counts, no more */
    struct lk_arena arena;
    struct lk_stream_info info;
    struct lk_lane_stream stream;
};

static void begin(struct scene *s, const char *hosts, const char *pod)
{
    memset(s, 0, sizeof(*s));
    init(&s->f);
    set_hosts(&s->f, hosts);
    lk_arena_init(&s->arena);
    s->config.connections = true;
    s->runtime.names = lk_lane_names_new(s->f.up->stats, 0);
    s->runtime.unnamed = lk_lane_scopes_new(s->runtime.names, NULL, 0);
    s->settings.runtime = &s->runtime;
    s->settings.config = &s->config;
    s->settings.outbound = true;
    s->settings.pod_lane = lk_str_from(pod);
    s->settings.pod_is_shadow = strncmp(pod, "shadow-", 7) == 0;
    lk_lane_membership_init(&s->settings.membership, &s->f.config);
}

static void finish(struct scene *s)
{
    lk_arena_reset(&s->arena);
    lk_lane_scopes_free(s->runtime.unnamed);
    lk_lane_names_free(s->runtime.names);
    fini(&s->f);
}

/* "a g ok": the host, the lane that serves and the reason; or why there is none. */
static const char *connect_once(struct scene *s)
{
    static char text[64];
    const struct lk_pick pick = {.original_dst = NULL};
    struct lk_host_selection chosen;

    lk_arena_reset(&s->arena);
    s->info = (struct lk_stream_info){.id = 1};
    s->stream = (struct lk_lane_stream){.worker = &s->worker,
                                        .settings = &s->settings,
                                        .arena = &s->arena,
                                        .info = &s->info,
                                        .table = s->f.table,
                                        .wall_us = WALL};
    if (!lk_lane_connection(&s->stream, s->f.up->view))
        return s->stream.details;
    if (s->info.selector == NULL)
        return "as the cluster does";
    chosen = s->info.selector->select(s->info.selector, s->f.up->view, &pick, false);
    if (chosen.host == NULL)
        return chosen.refused ? chosen.details : "none";
    snprintf(text, sizeof(text), "%c %.*s %s", chosen.host->host->hostname.ptr[0],
             LK_STR_ARG(lk_lane_stream_served(&s->stream)), lk_lane_reason_name(lk_lane_stream_reason(&s->stream)));
    lk_worker_host_unref(chosen.host);
    return text;
}

static const struct {
    const char *hosts, *pod, *outcome;
    uint64_t flags;
} cases[] = {
    {"lane=g,-", "g", "a g ok", 0},
    {"lane=g,-", "", "b base ok", 0},
    {"-", "g", "a base absent", LK_FLAG_BIT(LANE_FALLBACK)},
    {"lane=g!,-", "g", "b base unhealthy", LK_FLAG_BIT(LANE_FALLBACK)},
    {"lane=p,-", "k", "a p absent", LK_FLAG_BIT(LANE_FALLBACK)},
    {"-", "t", "lane_strict", 0},
    {"lane=g", "", "none", 0},
    {"lane=z,-", "z", "b base unknown", LK_FLAG_BIT(LANE_UNKNOWN)},
    {"lane=d,-", "d", "b base disabled", 0},
    {"lane=e,-", "e", "b base disabled", 0},
    {"lane=shadow-s,-", "shadow-s", "a shadow-s ok", 0},
    {"-,shadow_ok=true", "shadow-s", "b base absent", LK_FLAG_BIT(LANE_FALLBACK)},
    {"-", "shadow-s", "lane_shadow_refused", 0},
    {"lane=shadow-z,-", "shadow-z", "lane_shadow_refused",
     LK_FLAG_BIT(LANE_UNKNOWN) | LK_FLAG_BIT(LANE_SHADOW_REFUSED)},
};

LK_TEST(lane_connection, belongs_to_the_pods_lane)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct scene s;
        const char *outcome;

        begin(&s, cases[i].hosts, cases[i].pod);
        outcome = connect_once(&s);
        LK_CHECK_MSG(strcmp(outcome, cases[i].outcome) == 0, "%s to %s: %s, not %s", cases[i].pod, cases[i].hosts,
                     outcome, cases[i].outcome);
        LK_CHECK_EQ_UINT(s.info.flags, cases[i].flags);
        LK_CHECK_EQ_INT(s.stream.origin, cases[i].pod[0] != '\0' ? LK_LANE_ORIGIN_POD : LK_LANE_ORIGIN_NONE);
        finish(&s);
    }
}

LK_TEST(lane_connection, fallback_has_no_cap)
{
    struct scene s;

    begin(&s, "lane=g!,-", "g");
    s.f.lanes[G].cap_percent = 0;
    s.f.lanes[G].cap_min_rps = 0;
    for (unsigned i = 0; i < 50; i++)
        LK_CHECK_STR(connect_once(&s), "b base unhealthy");
    finish(&s);
}

LK_TEST(lane_connection, the_limit_of_connections_is_the_overload)
{
    struct scene s;
    struct lk_breaker *breaker;

    begin(&s, "lane=g,-", "g");
    breaker = &s.f.up->cluster->breakers[0];
    breaker->limit[LK_RESOURCE_REQUESTS] = breaker->limit[LK_RESOURCE_CONNECTIONS] = 1;
    lk_breaker_take(breaker, LK_RESOURCE_REQUESTS); /* those of HTTP have their own */
    LK_CHECK_STR(connect_once(&s), "a g ok");
    lk_breaker_take(breaker, LK_RESOURCE_CONNECTIONS);
    LK_CHECK_STR(connect_once(&s), "lane_overloaded");
    s.f.lanes[G].on_overload = true;
    LK_CHECK_STR(connect_once(&s), "b base overload");
    lk_breaker_give(breaker, LK_RESOURCE_CONNECTIONS);
    lk_breaker_give(breaker, LK_RESOURCE_REQUESTS);
    finish(&s);
}

LK_TEST(lane_connection, outside_of_the_mesh_only_a_shadow_pod_is_stopped)
{
    static const struct lk_lane_pattern name = {.prefix = LK_STR_INIT("upstream")};
    struct scene s;

    begin(&s, "lane=g,-", "g");
    s.config.egress.external_clusters = (struct lk_lane_patterns){.items = &name, .count = 1};
    LK_CHECK_STR(connect_once(&s), "as the cluster does");
    LK_CHECK_EQ_UINT(s.stream.requested.len, 0);
    s.settings.pod_lane = LK_STR("shadow-s");
    s.settings.pod_is_shadow = true;
    LK_CHECK_STR(connect_once(&s), "lane_shadow_refused");
    LK_CHECK_EQ_UINT(s.info.flags, LK_FLAG_BIT(LANE_SHADOW_REFUSED));
    s.config.egress.shadow_ok_clusters = s.config.egress.external_clusters;
    LK_CHECK_CONTAINS(connect_once(&s), "  ok"); /* whoever it is, of no lane */
    finish(&s);
}
