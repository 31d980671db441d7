/* Gauges of endpoints by lane and cluster: what they follow, what bounds them. */
#include "proxy/lane/lane_gauges.h"

#include "test/unit/filters/http/lane_members.h"

static struct lk_lane_runtime *runtime_of(const struct world *w)
{
    return ((const struct lk_lane_settings *)w->out)->runtime;
}

static uint64_t endpoints(struct world *w, const char *lane, const char *cluster, const char *what)
{
    char name[256];

    snprintf(name, sizeof(name), "lane.%s.in_cluster.%s.%s", lane, cluster, what);
    return counter(w, name);
}

static void complete(struct lk_lane_gauges *gauges)
{
    while (!lk_lane_gauges_update(gauges))
        continue;
}

LK_TEST(lane_gauges, follow_endpoints)
{
    struct lk_lane_gauges *gauges;
    struct world w;

    world_init(&w, "");
    gauges = runtime_of(&w)->gauges;
    set_members(&w, "b", "lane=gray,lane=gray!,-,lane=other!");
    complete(gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints"), 2);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints_healthy"), 1);
    LK_CHECK_EQ_UINT(endpoints(&w, "other", "b", "endpoints"), 1);
    LK_CHECK_EQ_UINT(endpoints(&w, "other", "b", "endpoints_healthy"), 0);
    LK_CHECK_EQ_UINT(endpoints(&w, "base", "b", "endpoints"), 1);
    set_members(&w, "b", "lane=other");
    complete(gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints"), 0);
    LK_CHECK_EQ_UINT(endpoints(&w, "other", "b", "endpoints_healthy"), 1);
    LK_CHECK_EQ_UINT(endpoints(&w, "base", "b", "endpoints"), 0);
    world_end(&w);
}

LK_TEST(lane_gauges, are_made_for_clusters_of_the_mesh_and_every_lane_of_the_table)
{
    struct world w;
    uint64_t value;

    world_init(&w, "");
    set_members(&w, "b", "-");
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(lk_lane_gauges_count(runtime_of(&w)->gauges), 5); /* base, gray, other, old, shadow-l */
    LK_CHECK(lk_stats_find(w.t.context.stats, LK_STR("lane.shadow-l.in_cluster.b.endpoints"), &value));
    LK_CHECK(!lk_stats_find(w.t.context.stats, LK_STR("lane.gray.in_cluster.internet.endpoints"), &value));
    world_end(&w);
}

LK_TEST(lane_gauges, follow_the_health_of_a_host)
{
    struct lk_host_set *set;
    struct world w;

    world_init(&w, "");
    set_members(&w, "b", "lane=gray");
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints_healthy"), 1);
    set = lk_cluster_hosts(lk_clusters_find(w.t.clusters, LK_STR("b")));
    LK_CHECK(lk_host_flags_set(set->hosts[0]->state, LK_HOST_EJECTED));
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints_healthy"), 1); /* nobody was told yet */
    atomic_fetch_add(&lk_clusters_find(w.t.clusters, LK_STR("b"))->health_epoch, 1);
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints_healthy"), 0);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints"), 1);
    lk_host_set_unref(set);
    world_end(&w);
}

LK_TEST(lane_gauges, sum_up_what_is_beyond_the_bound)
{
    struct lk_cluster_config more[2];
    struct lk_lane_gauges *gauges;
    struct world w;

    world_init(&w, "");
    another_cluster(&w, &more[0], "c");
    another_cluster(&w, &more[1], "d");
    set_members(&w, "b", "-,lane=gray");
    set_members(&w, "c", "lane=gray,lane=gray,lane=other!");
    set_members(&w, "d", "lane=gray!,-");
    gauges = lk_lane_gauges_new(runtime_of(&w), 7); /* five of b, base and gray of c */
    complete(gauges);
    LK_CHECK_EQ_UINT(lk_lane_gauges_count(gauges), 7);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "c", "endpoints"), 2);
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "_other", "endpoints"), 3); /* one of c, two of d */
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "_other", "endpoints_healthy"), 1);
    set_members(&w, "d", "-");
    complete(gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "_other", "endpoints"), 2);
    lk_lane_gauges_free(gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "_other", "endpoints"), 0);
    world_end(&w);
}

LK_TEST(lane_gauges, lanes_without_a_name_of_their_own_count_together)
{
    struct world w;

    world_init(&w, ", stats: {max_names: 2}"); /* base and gray */
    set_members(&w, "b", "lane=gray,lane=other,lane=old!,-");
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "b", "endpoints"), 1);
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "b", "endpoints"), 2);
    LK_CHECK_EQ_UINT(endpoints(&w, "_other", "b", "endpoints_healthy"), 1);
    world_end(&w);
}

LK_TEST(lane_gauges, sibling_clusters_count_for_the_cluster_they_are_part_of)
{
    struct lk_cluster_config more[2];
    struct world w;
    uint64_t value;

    world_init(&w, ", membership: {subset_clusters: true}");
    another_cluster(&w, &more[0], "outbound|80|gray|web");
    another_cluster(&w, &more[1], "outbound|80||web");
    set_members(&w, "outbound|80||web", "-");
    set_members(&w, "outbound|80|gray|web", "-,-!");
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "outbound|80||web", "endpoints"), 2);
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "outbound|80||web", "endpoints_healthy"), 1);
    LK_CHECK(!lk_stats_find(w.t.context.stats, LK_STR("lane.base.in_cluster.outbound|80|gray|web.endpoints"), &value));
    set_members(&w, "outbound|80|gray|web", "-");
    complete(runtime_of(&w)->gauges); /* sees that one has changed */
    complete(runtime_of(&w)->gauges); /* counts all anew */
    LK_CHECK_EQ_UINT(endpoints(&w, "gray", "outbound|80||web", "endpoints"), 1);
    world_end(&w);
}

LK_TEST(lane_gauges, a_table_that_comes_later_is_counted)
{
    struct lk_lane_table *table = lk_lane_table_new();
    const struct lk_lane_settings *settings;
    struct world w;

    world_init(&w, "");
    settings = w.in; /* not a sender: its table is not what counts */
    set_members(&w, "b", "-");
    complete(runtime_of(&w)->gauges);
    table->revision = 99;
    table->hash = UINT64_MAX;
    LK_CHECK(lk_lane_source_publish(settings->tables->source, table));
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "base", "b", "endpoints"), 1);
    LK_CHECK_EQ_UINT(counter(&w, "lane.table_info.revision"), 99); /* the highest of three sources */
    LK_CHECK_EQ_UINT(counter(&w, "lane.table_info.hash"), 0xffffffffffff);
    world_end(&w);
}

LK_TEST(lane_gauges, without_a_table_everything_is_base)
{
    struct world w;

    memset(&w, 0, sizeof(w));
    typed_init(&w.t);
    add_cluster(&w, &w.clusters[0], "b", LK_CLUSTER_EDS);
    w.out = configure(&w.t, LK_DIRECTION_OUTBOUND, "{" TRUSTED "}");
    LK_CHECK_NOT_NULL(w.out);
    set_members(&w, "b", "lane=gray,-");
    complete(runtime_of(&w)->gauges);
    LK_CHECK_EQ_UINT(endpoints(&w, "base", "b", "endpoints"), 1);
    LK_CHECK_EQ_UINT(lk_lane_gauges_count(runtime_of(&w)->gauges), 1);
    world_end(&w);
}
