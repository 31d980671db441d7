/*
 * Which hosts of a cluster serve a request of a lane: the lane, its parents, base, each with its own health, within the
 * fallback budget; facts of the table, of the host set and of the budget come in, a view to balance over comes out.
 * Nothing is sent. Worker thread.
 */
#pragma once

#include "proxy/config/lane_filter_config.h"
#include "proxy/config/lane_table.h"
#include "proxy/lane/budget.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/host_index.h"

#include <stdbool.h>
#include <stdint.h>

/* How endpoints say which lane they are in, compiled once (Membership). */
struct lk_lane_membership {
    struct lk_label_spec label;
    struct lk_index_spec index;
    struct lk_label_spec shadow_label; /* envoy.lb / shadow_ok */
    struct lk_index_spec shadow_index;
    bool not_in_active_lane; /* whatever the table's base mode says */
    bool subset_clusters;
};
/* Points into config, which must outlive it. */
void lk_lane_membership_init(struct lk_lane_membership *membership, const struct lk_lane_filter_membership *config);

/* %LANE_REASON%: why a request was served, or refused, as it was. */
#define LK_LANE_REASONS(X)                                                                                             \
    X(OK, "ok")                                                                                                        \
    X(ABSENT, "absent")                                                                                                \
    X(UNHEALTHY, "unhealthy")                                                                                          \
    X(OVERLOAD, "overload")                                                                                            \
    X(RETRY, "retry")                                                                                                  \
    X(STRICT, "strict")                                                                                                \
    X(CAPPED, "capped")                                                                                                \
    X(UNKNOWN, "unknown")                                                                                              \
    X(DISABLED, "disabled")                                                                                            \
    X(BASE_RESCUE, "base_rescue")                                                                                      \
    X(SHADOW_REFUSED, "shadow_refused")                                                                                \
    X(STRIPPED, "stripped")
#define LK_LANE_REASON_ENUM(id, name) LK_LANE_REASON_##id,
enum lk_lane_reason { LK_LANE_REASONS(LK_LANE_REASON_ENUM) LK_LANE_REASON_COUNT };
const char *lk_lane_reason_name(enum lk_lane_reason reason);

struct lk_lane_ask {
    const struct lk_lane_membership *membership;
    const struct lk_lane_table *table; /* NULL: none yet, only base and shadow refusal are possible */
    const struct lk_lane *lane;        /* asked for; NULL: base */
    bool shadow;                       /* the mark is a shadow lane's, known or not */
    struct lk_budgets *budgets;        /* NULL: a dry run, which takes nothing */
    int64_t wall_us;                   /* for expiry */
    uint64_t now_ms;                   /* for budgets */
    bool overloaded;                   /* the circuit breaker has no room for this request */
    bool step_down;                    /* the last retry of a request that may be retried: on.retry applies */
};

struct lk_lane_choice {
    struct lk_cluster_view *cluster; /* the one asked, or with subset_clusters the lane's sibling */
    struct lk_host_view *hosts;      /* NULL: refused or no healthy host; valid until the loop's turn ends */
    struct lk_str served;            /* name of the lane that serves: the table's, "base" or empty (refused) */
    enum lk_lane_reason reason;      /* the first that led away from the lane, or why it was refused */
    bool refused;                    /* 503 with the flag of the reason: LS, LC, or UH */
};

/* Told of each lane of the chain, in order, and why it was passed over. */
struct lk_lane_pick_recorder {
    void (*on_lane)(struct lk_lane_pick_recorder *recorder, struct lk_str lane, uint32_t hosts, uint32_t healthy,
                    enum lk_lane_reason reason);
};

/*
 * The truth table of one hop (requested lane R, base has healthy endpoints):
 *   endpoints of R           | PERMISSIVE GRAY                  | STRICT | SHADOW
 *   at least enough healthy  | R                                | R      | R
 *   none, never had          | parent, else base; free          | 503    | base endpoints with shadow_ok, else 503 LS
 *   none, had within grace   | as unhealthy                     | 503    | the same
 *   too few healthy          | parent, else base within the cap | 503    | the same
 *   no room in the breaker   | 503, or within the cap with on.overload: parent, else base | 503 | 503
 *   unmarked                 | base only; without any base endpoint 503 unless base_rescue
 * Panic routing is off inside lanes; base keeps the cluster's panic threshold.
 */
struct lk_lane_choice lk_lane_pick(const struct lk_lane_ask *ask, struct lk_cluster_view *cluster,
                                   struct lk_lane_pick_recorder *recorder);
