/*
 * Limits of pressure-test traffic to a cluster. They are those of its circuit breakers, counted by themselves, and its
 * connections are pooled by themselves, so that a test which fills them takes nothing from other requests. Made with
 * the first such request; lives as long as the cluster.
 */
#pragma once

#include "proxy/upstream/cluster.h"

/* Gauges under "cluster.<name>.circuit_breakers.", 1 while a limit is reached. X(enumerator, name), in the order of
 * enum lk_resource */
#define LK_SHADOW_STATS(X)                                                                                             \
    X(CX_OPEN, "shadow.cx_open")                                                                                       \
    X(RQ_PENDING_OPEN, "shadow.rq_pending_open")                                                                       \
    X(RQ_OPEN, "shadow.rq_open")                                                                                       \
    X(RQ_RETRY_OPEN, "shadow.rq_retry_open")                                                                           \
    X(HIGH_CX_OPEN, "shadow_high.cx_open")                                                                             \
    X(HIGH_RQ_PENDING_OPEN, "shadow_high.rq_pending_open")                                                             \
    X(HIGH_RQ_OPEN, "shadow_high.rq_open")                                                                             \
    X(HIGH_RQ_RETRY_OPEN, "shadow_high.rq_retry_open")
#define LK_SHADOW_STAT_ENUM(id, name) LK_SHADOW_##id,
enum { LK_SHADOW_STATS(LK_SHADOW_STAT_ENUM) LK_SHADOW_STAT_COUNT };

struct lk_shadow_budget {
    struct lk_breaker breakers[2]; /* by routing priority */
    struct lk_stats_scope *stats;
};

/* Any thread. */
struct lk_shadow_budget *lk_shadow_budget_get(struct lk_cluster *cluster);
void lk_shadow_budget_free(struct lk_shadow_budget *budget);
/* NULL: no pressure-test traffic went to the cluster yet. Any thread. */
static inline const struct lk_shadow_budget *lk_shadow_budget_peek(const struct lk_cluster *cluster)
{
    return atomic_load_explicit(&((struct lk_cluster *)cluster)->shadow, memory_order_acquire);
}

/* The same host for pressure-test traffic; a reference on wh becomes one on it. */
struct lk_worker_host *lk_worker_host_shadow(struct lk_worker_host *wh);
