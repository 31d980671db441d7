/*
 * What is counted for each lane, as lane.<name>.*. Names are bounded for the life of the process: the first so many
 * lanes have scopes of their own, all others count together as lane._other (no lane can be called so). Scopes are bound
 * to lane ids when a table is made, on the main thread; counting is an array access and a word of the thread's own.
 */
#pragma once

#include "proxy/stats/stats.h"

#define LK_LANE_STATS_NAMES 256

/* X(enumerator, name, kind) */
#define LK_LANE_STATS(X)                                                                                               \
    X(RQ_IN, "rq_in", COUNTER)                 /* inbound requests with this mark */                                   \
    X(RQ_OUT_OWN, "rq_out_own", COUNTER)       /* outbound, by who served: the lane, */                                \
    X(RQ_OUT_PARENT, "rq_out_parent", COUNTER) /* a parent lane, */                                                    \
    X(RQ_OUT_BASE, "rq_out_base", COUNTER)     /* base */                                                              \
    X(CX_OUT_OWN, "cx_out_own", COUNTER)       /* TCP connections, likewise */                                         \
    X(CX_OUT_PARENT, "cx_out_parent", COUNTER)                                                                         \
    X(CX_OUT_BASE, "cx_out_base", COUNTER)                                                                             \
    X(FALLBACK_ABSENT, "fallback_absent", COUNTER) /* steps down the chain, by reason */                               \
    X(FALLBACK_UNHEALTHY, "fallback_unhealthy", COUNTER)                                                               \
    X(FALLBACK_OVERLOAD, "fallback_overload", COUNTER)                                                                 \
    X(FALLBACK_RETRY, "fallback_retry", COUNTER)                                                                       \
    X(CAPPED, "capped", COUNTER)                 /* refused: the fallback budget was spent */                          \
    X(STRICT, "strict", COUNTER)                 /* refused: a strict lane without a healthy endpoint */               \
    X(OVERLOADED, "overloaded", COUNTER)         /* refused: the cluster's circuit breaker has no room */              \
    X(SHADOW_REFUSED, "shadow_refused", COUNTER) /* refused: the shadow lane is unknown, off or not trusted */         \
    X(LEAK_BLOCKED, "leak_blocked", COUNTER)     /* refused: shadow traffic on its way to what did not opt in */       \
    X(UNKNOWN, "unknown", COUNTER)               /* marks that the table does not know */                              \
    X(STRIPPED, "stripped", COUNTER)             /* marks taken off */                                                 \
    X(CONFLICT, "conflict", COUNTER)             /* evidence of another lane beside */                                 \
    X(ASSOC_HIT, "assoc_hit", COUNTER)                                                                                 \
    X(BASE_ON_LANE_POD, "base_on_lane_pod", COUNTER) /* unmarked inbound on a pod of the lane */                       \
    X(BASE_RESCUE, "base_rescue", COUNTER)           /* unmarked requests that the lane served for want of base */     \
    X(LATENCY, "latency", HISTOGRAM)                 /* milliseconds */                                                \
    X(STATUS_5XX, "5xx", COUNTER)                                                                                      \
    X(GUARD_TRIPPED, "guard_tripped", COUNTER)

#define LK_LANE_STAT_ENUM(id, name, kind) LK_LANE_STAT_##id,
enum lk_lane_stat { LK_LANE_STATS(LK_LANE_STAT_ENUM) LK_LANE_STAT_COUNT };

extern const struct lk_stat_block lk_lane_stat_block;

/* The names in use; one for a process. Main thread. */
struct lk_lane_names;
/* `max` 0 means LK_LANE_STATS_NAMES. */
struct lk_lane_names *lk_lane_names_new(struct lk_stats *stats, unsigned max);
void lk_lane_names_free(struct lk_lane_names *names);
/* Whether the lane counts under its own name; false: as "_other", or it was in no table yet. */
bool lk_lane_names_has(const struct lk_lane_names *names, struct lk_str lane);

/* The scopes of one table's lanes, by lane id. Immutable. */
struct lk_lane_scopes {
    unsigned count;
    struct lk_stats_scope *scopes[]; /* count of them, and _other behind */
};

/* Main thread: lane id i is called lanes[i]. Names already in use keep their scopes. */
struct lk_lane_scopes *lk_lane_scopes_new(struct lk_lane_names *names, const struct lk_str *lanes, unsigned count);
/* Any thread. */
void lk_lane_scopes_free(struct lk_lane_scopes *scopes);

/* The scope of a lane; that of _other for an id that the table does not have, such as UINT32_MAX. */
static inline struct lk_stats_scope *lk_lane_scope(const struct lk_lane_scopes *scopes, uint32_t lane)
{
    return scopes->scopes[lane < scopes->count ? lane : scopes->count];
}

static inline void lk_lane_count(const struct lk_lane_scopes *scopes, uint32_t lane, enum lk_lane_stat stat)
{
    lk_stats_inc(lk_lane_scope(scopes, lane), stat);
}
