/* Mirrored copies by lanes: the mark that a copy gets, the host, and when it is refused. */
#include "proxy/base/mem.h"
#include "proxy/lane/lane_stream.h"
#include "proxy/upstream/shadow_budget.h"
#include "test/unit/proxy/lane/pick_fixture.h"

struct scene {
    struct fixture f;
    struct lk_lane_filter_config config;
    struct lk_lane_settings settings;
    struct lk_lane_carriers carriers;
    struct lk_lane_runtime runtime;
    struct lk_arena arena;
    struct lk_stream_info info;
    struct lk_lane_stream stream;
    struct lk_headers copy;
};

static const struct lk_stat_def defs[] = {
#define DEF(id, name, kind) {name, LK_STAT_##kind},
    LK_LANE_PROCESS_STATS(DEF)
#undef DEF
};
static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};

static void begin(struct scene *s, const char *hosts)
{
    static const struct lk_lane_filter_carriers names = {.header = LK_STR_INIT("x-lane"),
                                                         .baggage_key = LK_STR_INIT("lane")};
    struct lk_errors errors;

    memset(s, 0, sizeof(*s));
    init(&s->f);
    set_hosts(&s->f, hosts);
    lk_arena_init(&s->arena);
    lk_errors_init(&errors);
    LK_CHECK(lk_carriers_compile(&s->carriers, &s->arena, &names, &errors));
    lk_errors_fini(&errors);
    s->runtime.scope = lk_stats_scope_ref(s->f.up->stats, &block, LK_STR("lane."));
    s->runtime.names = lk_lane_names_new(s->f.up->stats, 0);
    s->runtime.unnamed = lk_lane_scopes_new(s->runtime.names, NULL, 0);
    s->settings.config = &s->config;
    s->settings.carriers = &s->carriers;
    s->settings.runtime = &s->runtime;
    lk_lane_membership_init(&s->settings.membership, &s->f.config);
}

static void finish(struct scene *s)
{
    lk_lane_scopes_free(s->runtime.unnamed);
    lk_lane_names_free(s->runtime.names);
    lk_stats_scope_unref(s->runtime.scope);
    lk_arena_reset(&s->arena);
    fini(&s->f);
}

/* "a g": the host and the mark of a copy of a request of that lane; "-": no mark; "s" in front: counted as pressure
 * test; "none", "refused": no host. */
static const char *copy_of(struct scene *s, const char *lane)
{
    static char text[64];
    const struct lk_pick pick = {.original_dst = NULL};
    struct lk_host_selection chosen;
    struct lk_str mark;

    s->info = (struct lk_stream_info){.id = 1};
    s->stream = (struct lk_lane_stream){.settings = &s->settings,
                                        .arena = &s->arena,
                                        .info = &s->info,
                                        .table = s->f.table,
                                        .wall_us = WALL,
                                        .requested = lk_str_from(lane)};
    lk_headers_init(&s->copy, &s->arena);
    lk_headers_add_raw(&s->copy, LK_HEADER_OTHER, LK_STR("x-lane"), LK_STR("stale"));
    lk_lane_mirrors(&s->stream);
    LK_CHECK_EQ_PTR(s->info.mirrors, &s->stream.mirrors);
    chosen = s->info.mirrors->select(s->info.mirrors, s->f.up->view, &s->copy, &pick);
    LK_CHECK_EQ_UINT(s->info.flags, 0); /* those are the request's */
    if (chosen.host == NULL)
        return chosen.refused ? "refused" : "none";
    mark = lk_headers_find_name(&s->copy, LK_STR("x-lane")) != NULL
               ? lk_headers_find_name(&s->copy, LK_STR("x-lane"))->value
               : LK_STR("-");
    snprintf(text, sizeof(text), "%s%c %.*s", chosen.host->breakers != s->f.up->cluster->breakers ? "s " : "",
             chosen.host->host->hostname.ptr[0], LK_STR_ARG(mark));
    lk_worker_host_unref(chosen.host);
    return text;
}

#define HOSTS "-,lane=g,lane=shadow-s"

LK_TEST(lane_mirror, without_a_mirror_lane_the_copy_stays_with_its_request)
{
    struct scene s;

    begin(&s, HOSTS);
    LK_CHECK_STR(copy_of(&s, ""), "a -");
    LK_CHECK_STR(copy_of(&s, "g"), "b g");
    LK_CHECK_STR(copy_of(&s, "shadow-s"), "s c shadow-s");
    LK_CHECK_STR(copy_of(&s, "z"), "a z"); /* carried on, as of the request itself */
    LK_CHECK_STR(copy_of(&s, "t"), "refused");
    LK_CHECK_STR(copy_of(&s, "shadow-x"), "refused");
    finish(&s);
}

LK_TEST(lane_mirror, with_one_every_copy_is_of_it_or_nobodys)
{
    struct scene s;

    begin(&s, HOSTS);
    s.config.egress.mirror_lane = LK_STR("shadow-s");
    s.config.egress.require_shadow_mark = true;
    LK_CHECK_STR(copy_of(&s, ""), "s c shadow-s");
    LK_CHECK_STR(copy_of(&s, "g"), "s c shadow-s");
    set_hosts(&s.f, "-,lane=g");
    LK_CHECK_STR(copy_of(&s, "g"), "refused");
    set_hosts(&s.f, "-,shadow_ok=true");
    LK_CHECK_STR(copy_of(&s, "g"), "s b shadow-s");
    s.f.table->enabled = false;
    LK_CHECK_STR(copy_of(&s, "g"), "refused");
    finish(&s);
}

LK_TEST(lane_mirror, copies_without_such_a_mark_may_be_forbidden)
{
    struct scene s;

    begin(&s, HOSTS);
    s.config.egress.require_shadow_mark = true;
    LK_CHECK_STR(copy_of(&s, ""), "refused");
    LK_CHECK_STR(copy_of(&s, "g"), "refused");
    LK_CHECK_STR(copy_of(&s, "shadow-s"), "s c shadow-s");
    LK_CHECK_EQ_UINT(lk_stats_value(s.runtime.scope, LK_LANE_PROCESS_MIRROR_REFUSED), 2);
    finish(&s);
}

LK_TEST(lane_mirror, out_of_the_mesh_no_mark_and_no_pressure_test_goes)
{
    static const struct lk_lane_pattern name = {.prefix = LK_STR_INIT("upstream")};
    struct scene s;

    begin(&s, "-");
    s.config.egress.external_clusters = (struct lk_lane_patterns){.items = &name, .count = 1};
    s.config.egress.require_shadow_mark = true;
    LK_CHECK_STR(copy_of(&s, "g"), "a -");
    LK_CHECK_STR(copy_of(&s, "shadow-s"), "refused");
    s.config.egress.mirror_lane = LK_STR("shadow-s");
    LK_CHECK_STR(copy_of(&s, "g"), "refused");
    s.config.egress.shadow_ok_clusters = s.config.egress.external_clusters;
    LK_CHECK_STR(copy_of(&s, "g"), "s a -");
    set_hosts(&s.f, "");
    LK_CHECK_STR(copy_of(&s, "g"), "none");
    finish(&s);
}

LK_TEST(lane_mirror, copies_take_nothing_from_the_fallback_cap)
{
    struct scene s;

    begin(&s, "-,lane=g!");
    s.f.lanes[G].cap_percent = 0;
    s.f.lanes[G].cap_min_rps = 0;
    for (unsigned i = 0; i < 20; i++)
        LK_CHECK_STR(copy_of(&s, "g"), "a g");
    finish(&s);
}
