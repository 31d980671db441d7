/*
 * Which hosts of a cluster are those of a lane, of base, or of those that take pressure-test traffic: by labels of the
 * endpoints, or by sibling clusters. Each answer is a view that the cluster view keeps. Nothing is decided here. Worker
 * thread.
 */
#pragma once

#include "proxy/config/lane_filter_config.h"
#include "proxy/config/lane_table.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/host_index.h"

#include <stdbool.h>
#include <stdint.h>

/* How endpoints say which lane they are in, compiled once (Membership). It points into itself: not to be moved. */
struct lk_lane_membership {
    struct lk_label_spec label;
    struct lk_index_spec index;
    struct lk_label_spec shadow_label; /* envoy.lb / shadow_ok */
    bool not_in_active_lane;           /* whatever the table's base mode says */
    bool subset_clusters;
};
/* Points into config, which must outlive it. */
void lk_lane_membership_init(struct lk_lane_membership *membership, const struct lk_lane_filter_membership *config);

#define LK_LANE_SIBLING_NAME_MAX 1024u
/* subset_clusters: "outbound|80|v1|host" with the lane in place of "v1"; false: the name is no such, or too long. */
bool lk_lane_sibling_name(struct lk_str cluster, struct lk_str lane, char out[LK_LANE_SIBLING_NAME_MAX], size_t *len);

struct lk_lane_hosts {
    struct lk_cluster_view *cluster; /* whose hosts they are */
    struct lk_host_view *view;       /* NULL: there are none, or the cluster knows no hosts */
    bool whole;                      /* all that the cluster has; it may balance over them as it is configured */
    uint32_t count, healthy;         /* over all priorities; degraded hosts count as healthy */
};

/* The endpoints whose label has the name, else those of the sibling cluster (subset_clusters). Without panic routing.
 */
struct lk_lane_hosts lk_lane_hosts_of(const struct lk_lane_membership *membership, struct lk_cluster_view *cluster,
                                      struct lk_str lane);
/* What serves base by the table's base mode, with the cluster's own panic threshold. table may be NULL. `whole` also
 * for a cluster without a host set (ORIGINAL_DST). */
struct lk_lane_hosts lk_lane_hosts_base(const struct lk_lane_membership *membership, const struct lk_lane_table *table,
                                        struct lk_cluster_view *cluster);
/* Those of base that say shadow_ok. Never `whole`; without panic routing. */
struct lk_lane_hosts lk_lane_hosts_shadow_ok(const struct lk_lane_membership *membership,
                                             const struct lk_lane_table *table, struct lk_cluster_view *cluster);
/* base_rescue: the first GRAY lane of the table, in its order, that may serve and has an endpoint here, a healthy one
 * if any lane has; *lane NULL: none. */
struct lk_lane_hosts lk_lane_hosts_rescue(const struct lk_lane_membership *membership,
                                          const struct lk_lane_table *table, struct lk_cluster_view *cluster,
                                          int64_t wall_us, const struct lk_lane **lane);

/* --- for pages and gauges ----------------------------------------------------------------------------------------- */

/* The hosts that the functions above find, counted; no view is made. Any thread that holds the set; set NULL: none. */
struct lk_lane_count {
    uint32_t total, healthy; /* degraded hosts count as healthy */
};
struct lk_lane_count lk_lane_count_all(const struct lk_host_set *set);
/* By label; siblings are the caller's business. */
struct lk_lane_count lk_lane_count_of(const struct lk_lane_membership *membership, struct lk_host_set *set,
                                      struct lk_str lane);
struct lk_lane_count lk_lane_count_base(const struct lk_lane_membership *membership, const struct lk_lane_table *table,
                                        struct lk_host_set *set);
struct lk_lane_count lk_lane_count_shadow_ok(const struct lk_lane_membership *membership,
                                             const struct lk_lane_table *table, struct lk_host_set *set);
