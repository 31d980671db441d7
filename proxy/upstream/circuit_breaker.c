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
