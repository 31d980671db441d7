/*
 * Where the mesh ends: whether a cluster may be sent marks, and whether pressure-test traffic. A pure function of the
 * configuration and of what the cluster says of itself. Any thread.
 */
#pragma once

#include "proxy/config/cluster_config.h"
#include "proxy/config/lane_filter_config.h"

#include <stdbool.h>

struct lk_lane_boundary {
    bool mesh;      /* marks are sent */
    bool shadow_ok; /* not of the mesh, yet pressure-test traffic may go there */
};

/*
 * In this order: external_clusters; the key in the cluster's metadata (with namespace_is_enough the namespace alone);
 * clusters. Where nothing of the configuration names what is mesh (neither clusters nor namespace_is_enough), clusters
 * of type STATIC and EDS are, those found by DNS or by original destination are not.
 */
struct lk_lane_boundary lk_lane_boundary(const struct lk_lane_filter_egress *egress,
                                         const struct lk_cluster_config *cluster);
