/*
 * Which hosts of a cluster serve a request of a lane: the lane, its parents, base, each with its own health, within the
 * fallback budget; facts of the table, of the host set and of the budget come in, a view to balance over comes out.
 * Nothing is sent. Worker thread.
 */
#pragma once

#include "proxy/config/lane_table.h"
#include "proxy/lane/budget_memo.h"
#include "proxy/lane/lane_hosts.h"

#include <stdbool.h>
#include <stdint.h>

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
    const struct lk_lane *lane;        /* of the table, that the mark names; NULL: no mark, or none that it knows */
    bool unknown;                      /* there is a mark, of no lane that the table knows */
    bool rejected;                     /* the table refuses such marks */
    bool shadow;                       /* the mark is a shadow lane's, known or not */
    struct lk_budget_memo *budgets;    /* NULL: a dry run, or a connection: takes and counts nothing, knows no grace */
    bool dry;                          /* budgets are only looked at: nothing is taken, told or counted */
    int64_t wall_us;                   /* for expiry */
    uint64_t now_ms;                   /* for budgets */
    uint8_t priority;                  /* of routing: whose circuit breaker is asked of a sibling cluster */
    bool connection;                   /* a TCP connection asks, not a request */
    bool overloaded;                   /* the cluster's circuit breaker for it has no room for this request */
    /* Another try of the request: it is not counted again. */
    bool again;
    const struct lk_lane *from; /* the lane that served the try before, base included: the chain starts there; NULL:
                                   at its beginning */
    bool step_down;             /* it is the last retry: on.retry applies */
};
/* Fills lane, unknown, rejected and shadow from a mark (empty: none), by the table and wall_us. */
void lk_lane_ask_mark(struct lk_lane_ask *ask, struct lk_str mark);
/* A shadow lane is asked for: nobody but its own and those that opted in may serve. */
bool lk_lane_asks_shadow(const struct lk_lane_ask *ask);
/* The circuit breaker that the cluster has for who asks would hardly take another request, or connection. */
bool lk_lane_overloaded(const struct lk_lane_ask *ask, const struct lk_cluster_view *cluster);

struct lk_lane_choice {
    struct lk_cluster_view *cluster; /* the one asked, or with subset_clusters the lane's sibling */
    struct lk_host_view *hosts;      /* NULL: refused or no host at all, but for `whole`; valid until the next call or
                                        the end of the loop's turn */
    bool whole;                      /* lanes narrow nothing: to be picked from as lk_cluster_pick does */
    const struct lk_lane *lane;      /* that serves; NULL: none, or base without a table */
    struct lk_str served;            /* its name: the table's, "base", or empty */
    enum lk_lane_reason reason;      /* the first that led away from the lane, or why it was refused */
    bool refused;                    /* 503 with the flag of the reason: LS, LC, LU, UO or UH */
};

/* Told of each lane of the chain, in order, and why it was passed over; CAPPED of the one that would have served. For
 * shadow lanes "base" stands for its endpoints with shadow_ok. */
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
 *   last retry               | R, or within the cap with on.retry: parent, else base      | R   | R
 *   unmarked                 | base only; without any base endpoint 503 unless base_rescue
 * Panic routing is off inside lanes; base keeps the cluster's panic threshold. One request takes once from the budget,
 * however many lanes it passes. The last retry stays in R where nobody else can serve it. A lane that is disabled or
 * expired, or the table off: base, but 503 for SHADOW. The breaker is asked for the first lane with endpoints alone.
 */
struct lk_lane_choice lk_lane_pick(const struct lk_lane_ask *ask, struct lk_cluster_view *cluster,
                                   struct lk_lane_pick_recorder *recorder);
