/* Stats of lanes: by id, under bounded names, across tables. */
#include "proxy/lane/lane_stats.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

struct fixture {
    struct lk_stats *stats;
    struct lk_lane_names *names;
};

static struct fixture fixture_new(unsigned max)
{
    struct fixture fixture = {.stats = lk_stats_new(1)};

    fixture.names = lk_lane_names_new(fixture.stats, max);
    return fixture;
}

static void fixture_end(struct fixture *fixture)
{
    lk_lane_names_free(fixture->names);
    lk_stats_free(fixture->stats);
}

/* UINT64_MAX when there is no such stat. */
static uint64_t value_of(struct fixture *fixture, const char *name)
{
    uint64_t value;

    return lk_stats_find(fixture->stats, lk_str_from(name), &value) ? value : UINT64_MAX;
}

LK_TEST(lane_stats, a_lane_counts_under_its_name)
{
    static const struct lk_str lanes[] = {LK_STR_INIT("base"), LK_STR_INIT("dev.p.local")};
    struct fixture fixture = fixture_new(0);
    struct lk_lane_scopes *scopes = lk_lane_scopes_new(fixture.names, lanes, LK_ARRAY_LEN(lanes));

    lk_lane_count(scopes, 0, LK_LANE_STAT_RQ_IN);
    lk_lane_count(scopes, 1, LK_LANE_STAT_FALLBACK_ABSENT);
    lk_lane_count(scopes, 1, LK_LANE_STAT_STATUS_5XX);
    lk_lane_count(scopes, 1, LK_LANE_STAT_STATUS_5XX);
    lk_lane_count(scopes, 2, LK_LANE_STAT_UNKNOWN); /* ids that the table does not have */
    lk_lane_count(scopes, UINT32_MAX, LK_LANE_STAT_UNKNOWN);
    lk_stats_record(lk_lane_scope(scopes, 1), LK_LANE_STAT_LATENCY, 12);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.base.rq_in"), 1);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.dev.p.local.fallback_absent"), 1);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.dev.p.local.5xx"), 2);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane._other.unknown"), 2);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.gray.rq_in"), UINT64_MAX);
    lk_lane_scopes_free(scopes);
    lk_lane_scopes_free(NULL);
    fixture_end(&fixture);
    lk_lane_names_free(NULL);
}

LK_TEST(lane_stats, names_beyond_the_limit_count_together_for_good)
{
    static const struct lk_str first[] = {LK_STR_INIT("a"), LK_STR_INIT("b"), LK_STR_INIT("c"), LK_STR_INIT("d")};
    static const struct lk_str second[] = {LK_STR_INIT("d"), LK_STR_INIT("e"), LK_STR_INIT("b")};
    struct fixture fixture = fixture_new(2);
    struct lk_lane_scopes *old = lk_lane_scopes_new(fixture.names, first, LK_ARRAY_LEN(first));
    struct lk_lane_scopes *new;

    for (unsigned lane = 0; lane < LK_ARRAY_LEN(first); lane++)
        lk_lane_count(old, lane, LK_LANE_STAT_RQ_IN);
    new = lk_lane_scopes_new(fixture.names, second, LK_ARRAY_LEN(second));
    lk_lane_scopes_free(old);
    lk_stats_prune(fixture.stats);
    for (unsigned lane = 0; lane < LK_ARRAY_LEN(second); lane++)
        lk_lane_count(new, lane, LK_LANE_STAT_RQ_IN);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.a.rq_in"), 1);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.b.rq_in"), 2);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane._other.rq_in"), 4);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.d.rq_in"), UINT64_MAX);
    lk_lane_scopes_free(new);
    fixture_end(&fixture);
}

LK_TEST(lane_stats, a_full_table_has_room_for_every_name)
{
    static char text[LK_LANE_STATS_NAMES + 1][8];
    struct lk_str lanes[LK_LANE_STATS_NAMES + 1];
    struct fixture fixture = fixture_new(0);
    struct lk_lane_scopes *scopes;

    for (unsigned i = 0; i <= LK_LANE_STATS_NAMES; i++)
        lanes[i] = lk_str(text[i], (size_t)snprintf(text[i], sizeof(text[i]), "l%u", i));
    scopes = lk_lane_scopes_new(fixture.names, lanes, LK_LANE_STATS_NAMES + 1);
    for (unsigned i = 0; i <= LK_LANE_STATS_NAMES; i++)
        lk_lane_count(scopes, i, LK_LANE_STAT_CAPPED);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.l0.capped"), 1);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane.l255.capped"), 1);
    LK_CHECK_EQ_UINT(value_of(&fixture, "lane._other.capped"), 1);
    lk_lane_scopes_free(scopes);
    fixture_end(&fixture);
}
