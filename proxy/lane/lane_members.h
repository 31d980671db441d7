/*
 * Which lanes have endpoints in a cluster, as a lane filter sees it: what /lanes and the gauges show. The hosts are
 * those that forwarding finds (lane_hosts.h), counted. Main thread.
 */
#pragma once

#include "proxy/lane/lane_egress.h"
#include "proxy/lane/lane_settings.h"

struct lk_lane_member {
    uint16_t lane; /* index in the table; LK_LANE_INDEX_BASE: base */
    struct lk_lane_count hosts;
};

struct lk_lane_members {
    struct lk_lane_boundary boundary;
    const struct lk_lane_member *items; /* in the arena; base first, then lanes with endpoints, by index */
    size_t count;
    struct lk_lane_count shadow_ok; /* of base, those that take pressure-test traffic */
};

/* table may be NULL: base alone. Outside of the mesh nothing is counted (count 0). */
void lk_lane_members_read(const struct lk_lane_settings *settings, const struct lk_lane_table *table,
                          struct lk_cluster *cluster, struct lk_arena *arena, struct lk_lane_members *out);
/* The cluster is only the part of another one that a lane of the table has (subset_clusters). */
bool lk_lane_is_sibling(const struct lk_lane_settings *settings, const struct lk_lane_table *table,
                        const struct lk_cluster *cluster);
/* The table that is in force for the filter; NULL: none. Valid until the main loop's next turn. */
const struct lk_lane_table *lk_lane_settings_table(const struct lk_lane_settings *settings);
