/*
 * The host selector of a request with lanes: asks lk_lane_pick for every try, balances over what it answers, and keeps
 * the outcome for logs. A retry stays with the lane that served the first try, until the last one may step down
 * (on.retry). Lives in the stream's arena; owner: the stream's worker.
 */
#pragma once

#include "proxy/filter/stream_info.h"
#include "proxy/lane/lane_pick.h"
#include "proxy/lane/lane_stats.h"
#include "proxy/upstream/host_selector.h"

#include <stdbool.h>

struct lk_lane_selector {
    struct lk_host_selector base;
    struct lk_lane_ask ask; /* its table holds for all tries */
    struct lk_stream_info *info;
    const struct lk_lane_scopes *scopes; /* by lane index; NULL: nothing is counted */
    struct lk_lane_recorder *recorder;   /* lane_explain.h; NULL when forwarding */
    /* The outcome, for logs. Served is empty before the first try and when it was refused. */
    struct lk_str served;
    enum lk_lane_reason reason;
    bool refused;
};

/*
 * Sets info->selector. Of ask membership, table, budgets, wall_us and the mark (lk_lane_ask_mark) are given, the rest
 * is set for each try; the table outlives the last try, and scopes live as long as it.
 *
 * Flags of the stream: LF when another lane or base serves (ABSENT included), LU when the table does not know the mark;
 * a refusal has LC, LS, LU, UO or UH. What is sent for a shadow lane is subject to limits of its own (shadow_budget.h).
 * Counted for the lane of the mark, once for each outcome: rq_out_*, fallback_*,
 * capped, strict, overloaded, shadow_refused, leak_blocked; base_rescue for the lane that serves. What base serves of
 * its own requests is not counted. A connection (ask.connection) counts as cx_out_* in place of rq_out_*.
 */
struct lk_lane_selector *lk_lane_selector_new(struct lk_arena *arena, struct lk_stream_info *info,
                                              const struct lk_lane_ask *ask, const struct lk_lane_scopes *scopes);

/* Chooses the host of a mirrored copy: once, outside of any budget and of the flags of its request, which info is of.
 */
struct lk_host_selection lk_lane_select_copy(const struct lk_lane_ask *ask, const struct lk_lane_scopes *scopes,
                                             const struct lk_stream_info *info, struct lk_cluster_view *view,
                                             const struct lk_pick *pick);

/* Sets info->selector for pressure-test traffic to a cluster outside of the mesh that takes it: chosen as the cluster
 * does, under the limits of such traffic. */
void lk_lane_select_outside(struct lk_arena *arena, struct lk_stream_info *info);
