/* Limits of a cluster's circuit breakers, the retry budget included. Any thread. */
#include "proxy/upstream/circuit_breaker.h"

void lk_breaker_init(struct lk_breaker *breaker, const struct lk_circuit_limits *limits)
{
    breaker->limit[LK_RESOURCE_CONNECTIONS] = limits->max_connections;
    breaker->limit[LK_RESOURCE_PENDING] = limits->max_pending;
    breaker->limit[LK_RESOURCE_REQUESTS] = limits->max_requests;
    breaker->limit[LK_RESOURCE_RETRIES] = limits->max_retries;
    breaker->has_budget = limits->has_retry_budget;
    breaker->budget_percent = limits->budget_percent;
    breaker->budget_min = limits->min_retry_concurrency;
}

bool lk_breaker_has_room(const struct lk_breaker *breaker, enum lk_resource resource)
{
    uint32_t limit = breaker->limit[resource];
    if (resource == LK_RESOURCE_RETRIES && breaker->has_budget) {
        uint32_t active =
            lk_breaker_used(breaker, LK_RESOURCE_REQUESTS) + lk_breaker_used(breaker, LK_RESOURCE_PENDING);
        uint32_t share = (uint32_t)(breaker->budget_percent / 100.0 * active);
        limit = share > breaker->budget_min ? share : breaker->budget_min;
    }
    return lk_breaker_used(breaker, resource) < limit;
}

/* --- gauges ------------------------------------------------------------------------------------------------------- */

static bool is_shown(const struct lk_breaker *breaker, enum lk_resource resource)
{
    return resource != LK_RESOURCE_RETRIES || !breaker->has_budget;
}

void lk_breaker_show(struct lk_breaker *breaker, struct lk_stats_scope *scope, unsigned first_gauge)
{
    breaker->shown = scope;
    breaker->first_gauge = first_gauge;
    for (unsigned i = 0; i < LK_RESOURCE_COUNT; i++) {
        if (breaker->limit[i] == 0 && is_shown(breaker, (enum lk_resource)i))
            lk_stats_set(scope, first_gauge + i, 1); /* for ever: nobody passes this limit in either direction */
    }
}

/* Counts are totally ordered, so that each passing of a limit is seen by exactly one thread, and up and down take
 * turns. */
void lk_breaker_note_take(struct lk_breaker *breaker, enum lk_resource resource, uint32_t before)
{
    if (before + 1 == breaker->limit[resource] && is_shown(breaker, resource))
        lk_stats_inc(breaker->shown, breaker->first_gauge + resource);
}

void lk_breaker_note_give(struct lk_breaker *breaker, enum lk_resource resource, uint32_t before)
{
    if (before == breaker->limit[resource] && is_shown(breaker, resource))
        lk_stats_dec(breaker->shown, breaker->first_gauge + resource);
}
