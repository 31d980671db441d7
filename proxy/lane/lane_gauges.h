/*
 * The gauges lane.<lane>.in_cluster.<cluster>.endpoints and .endpoints_healthy, which the Prometheus page shows with
 * the labels lane and cluster. They follow the table, the endpoints and their health: a timer on the main loop looks
 * once a second at a few numbers of each cluster and counts anew where one has changed, LK_LANE_GAUGES_SLICE_US at a
 * time.
 *
 * Every lane of the table, and base, has a gauge for every cluster of the mesh, also where it has no endpoints. A lane
 * without a name of its own in statistics (StatOptions.max_names) counts as "_other". At most LK_LANE_GAUGES_MAX pairs
 * have gauges of their own; the rest is summed up in lane._other.in_cluster._other. A pair that is no more, because
 * the lane has left the table or the cluster the mesh, stays and is zero.
 *
 * A cluster is counted as the first lane filter that sends requests, in the order of configuration, has it in its mesh.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LK_LANE_GAUGES_MAX 16384u
#define LK_LANE_GAUGES_PERIOD_MS 1000u
#define LK_LANE_GAUGES_SLICE_US 1000u
#define LK_LANE_GAUGES_PAUSE_MS 10u /* between two slices of one round */

struct lk_lane_runtime;
struct lk_lane_gauges;

/* Main thread. max: of pairs; 0 means LK_LANE_GAUGES_MAX. Where the runtime has a loop the timer runs. */
struct lk_lane_gauges *lk_lane_gauges_new(struct lk_lane_runtime *runtime, size_t max);
/* All of them become zero. */
void lk_lane_gauges_free(struct lk_lane_gauges *gauges);
/* One slice, as the timer does it; true when a round is complete. */
bool lk_lane_gauges_update(struct lk_lane_gauges *gauges);
/* Pairs that have gauges of their own. */
size_t lk_lane_gauges_count(const struct lk_lane_gauges *gauges);
