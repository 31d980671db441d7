/* Where the mesh ends. See lane_egress.h. */
#include "proxy/lane/lane_egress.h"

static bool flag(const struct lk_lane_filter_egress *egress, const struct lk_cluster_config *cluster, struct lk_str key,
                 bool *out)
{
    const struct lk_value *value = NULL;

    if (cluster->metadata != NULL)
        value = lk_metadata_get(cluster->metadata, egress->metadata_namespace, &key, 1);
    if (value == NULL || value->kind != LK_VALUE_BOOL)
        return false;
    *out = value->boolean;
    return true;
}

static bool matches(const struct lk_lane_patterns *patterns, const struct lk_cluster_config *cluster)
{
    return patterns->count > 0 && lk_lane_patterns_match(patterns, cluster->name);
}

static bool is_mesh(const struct lk_lane_filter_egress *egress, const struct lk_cluster_config *cluster)
{
    bool said;

    if (matches(&egress->external_clusters, cluster))
        return false;
    if (flag(egress, cluster, egress->metadata_key, &said))
        return said;
    if (egress->namespace_is_enough && lk_metadata_get(cluster->metadata, egress->metadata_namespace, NULL, 0) != NULL)
        return true;
    if (egress->clusters.count > 0 || egress->namespace_is_enough)
        return matches(&egress->clusters, cluster);
    return cluster->type == LK_CLUSTER_STATIC || cluster->type == LK_CLUSTER_EDS;
}

static bool takes_shadow(const struct lk_lane_filter_egress *egress, const struct lk_cluster_config *cluster)
{
    bool said;

    if (flag(egress, cluster, egress->shadow_ok_key, &said))
        return said;
    return matches(&egress->shadow_ok_clusters, cluster);
}

struct lk_lane_boundary lk_lane_boundary(const struct lk_lane_filter_egress *egress,
                                         const struct lk_cluster_config *cluster)
{
    return (struct lk_lane_boundary){is_mesh(egress, cluster), takes_shadow(egress, cluster)};
}
