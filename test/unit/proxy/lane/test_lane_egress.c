/* Where the mesh ends: patterns, metadata and the default, in their order. */
#include "proxy/lane/lane_egress.h"
#include "test/support/lk_test.h"

#define NS "lanekeeper.lane"

struct says { /* -1: nothing */
    int mesh, shadow_ok;
};

static struct lk_lane_boundary ask(struct lk_lane_filter_egress *egress, const char *name, enum lk_discovery_type type,
                                   struct says says)
{
    struct lk_value keys[2], ns = {.kind = LK_VALUE_OBJECT, .name = LK_STR(NS), .children = keys};
    const struct lk_metadata metadata = {{.kind = LK_VALUE_OBJECT, .children = &ns, .child_count = 1}};
    struct lk_cluster_config cluster = {.name = lk_str_from(name), .type = type};

    if (says.mesh >= 0)
        keys[ns.child_count++] =
            (struct lk_value){.kind = LK_VALUE_BOOL, .name = LK_STR("mesh"), .boolean = says.mesh == 1};
    if (says.shadow_ok >= 0)
        keys[ns.child_count++] =
            (struct lk_value){.kind = LK_VALUE_BOOL, .name = LK_STR("shadow_ok"), .boolean = says.shadow_ok == 1};
    cluster.metadata = ns.child_count > 0 ? &metadata : NULL;
    egress->metadata_namespace = LK_STR(NS);
    egress->metadata_key = LK_STR("mesh");
    egress->shadow_ok_key = LK_STR("shadow_ok");
    return lk_lane_boundary(egress, &cluster);
}

static const struct says silent = {-1, -1};

LK_TEST(lane_egress, by_default_what_is_listed_is_mesh)
{
    struct lk_lane_filter_egress egress = {0};

    LK_CHECK(ask(&egress, "b", LK_CLUSTER_STATIC, silent).mesh);
    LK_CHECK(ask(&egress, "b", LK_CLUSTER_EDS, silent).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_STRICT_DNS, silent).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_LOGICAL_DNS, silent).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_ORIGINAL_DST, silent).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_EDS, silent).shadow_ok);
}

LK_TEST(lane_egress, metadata_stands_over_type_and_names)
{
    struct lk_lane_pattern any;
    LK_CHECK(lk_lane_pattern_parse(LK_STR("*"), &any));
    struct lk_lane_filter_egress egress = {.clusters = {&any, 1}};

    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_EDS, (struct says){0, -1}).mesh);
    egress.clusters.count = 0;
    LK_CHECK(ask(&egress, "b", LK_CLUSTER_STRICT_DNS, (struct says){1, -1}).mesh);
    LK_CHECK(ask(&egress, "b", LK_CLUSTER_STRICT_DNS, (struct says){-1, 1}).shadow_ok);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_STRICT_DNS, (struct says){-1, 0}).shadow_ok);
}

LK_TEST(lane_egress, names_say_all_where_there_are_any)
{
    struct lk_lane_pattern istio, external;
    LK_CHECK(lk_lane_pattern_parse(LK_STR("outbound|*"), &istio));
    LK_CHECK(lk_lane_pattern_parse(LK_STR("*|pay.example"), &external));
    struct lk_lane_filter_egress egress = {
        .clusters = {&istio, 1}, .external_clusters = {&external, 1}, .shadow_ok_clusters = {&external, 1}};

    LK_CHECK(ask(&egress, "outbound|80||web", LK_CLUSTER_STRICT_DNS, silent).mesh);
    LK_CHECK(!ask(&egress, "web", LK_CLUSTER_EDS, silent).mesh);
    LK_CHECK(!ask(&egress, "outbound|443||pay.example", LK_CLUSTER_EDS, (struct says){1, -1}).mesh);
    LK_CHECK(ask(&egress, "outbound|443||pay.example", LK_CLUSTER_EDS, silent).shadow_ok);
}

LK_TEST(lane_egress, a_namespace_may_be_enough)
{
    struct lk_lane_filter_egress egress = {.namespace_is_enough = true};

    LK_CHECK(ask(&egress, "b", LK_CLUSTER_STRICT_DNS, (struct says){-1, 0}).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_EDS, silent).mesh);
    LK_CHECK(!ask(&egress, "b", LK_CLUSTER_EDS, (struct says){0, -1}).mesh);
}
