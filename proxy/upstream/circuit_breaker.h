/* Circuit breakers of a cluster: four counted resources per priority, shared by all workers (envoy.config.cluster.v3.
 * CircuitBreakers). Relaxed atomics: limits are exact only when nobody races, as in Envoy. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/config/cluster_config.h"
#include "proxy/stats/stats.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lk_resource {
    LK_RESOURCE_CONNECTIONS,
    LK_RESOURCE_PENDING,
    LK_RESOURCE_REQUESTS,
    LK_RESOURCE_RETRIES,
    LK_RESOURCE_COUNT
};

struct lk_breaker {
    _Atomic uint32_t used[LK_RESOURCE_COUNT];
    uint32_t limit[LK_RESOURCE_COUNT];
    bool has_budget;
    double budget_percent;
    uint32_t budget_min;
    struct lk_stats_scope *shown; /* where a gauge tells of each resource whether its limit is reached; NULL: nowhere */
    unsigned first_gauge;         /* index of that of CONNECTIONS, the others follow */
};

void lk_breaker_init(struct lk_breaker *breaker, const struct lk_circuit_limits *limits);

static inline uint32_t lk_breaker_used(const struct lk_breaker *breaker, enum lk_resource resource)
{
    return atomic_load_explicit(&breaker->used[resource], memory_order_relaxed);
}
/* Has a gauge of the scope, 1 while a resource has no room, from now on. Nothing is counted yet. Retries that a budget
 * bounds have none. */
void lk_breaker_show(struct lk_breaker *breaker, struct lk_stats_scope *scope, unsigned first_gauge);
void lk_breaker_note_take(struct lk_breaker *breaker, enum lk_resource resource, uint32_t before);
void lk_breaker_note_give(struct lk_breaker *breaker, enum lk_resource resource, uint32_t before);

/* Retries are bounded by the budget where there is one. */
bool lk_breaker_has_room(const struct lk_breaker *breaker, enum lk_resource resource);
static inline void lk_breaker_take(struct lk_breaker *breaker, enum lk_resource resource)
{
    uint32_t before = atomic_fetch_add_explicit(&breaker->used[resource], 1, memory_order_relaxed);
    if (LK_UNLIKELY(breaker->shown != NULL))
        lk_breaker_note_take(breaker, resource, before);
}
static inline void lk_breaker_give(struct lk_breaker *breaker, enum lk_resource resource)
{
    uint32_t before = atomic_fetch_sub_explicit(&breaker->used[resource], 1, memory_order_relaxed);
    if (LK_UNLIKELY(breaker->shown != NULL))
        lk_breaker_note_give(breaker, resource, before);
}
