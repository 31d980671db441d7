/*
 * Retry state of one request: the policy in force (route, virtual host, x-envoy-retry-* headers), what is left of it,
 * and the back-off. Decides, does nothing. Envoy's router_filter semantics; facts in its docs under "x-envoy-retry-on".
 */
#pragma once

#include "proxy/config/route_config.h"
#include "proxy/http/codec.h"
#include "proxy/http/headers.h"
#include "proxy/upstream/circuit_breaker.h"
#include "proxy/upstream/pool.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_retry_verdict {
    LK_RETRY_NO, /* the policy does not cover this outcome */
    LK_RETRY_YES,
    LK_RETRY_LIMIT,    /* it would, but num_retries is used up */
    LK_RETRY_OVERFLOW, /* it would, but the circuit breaker or budget says no */
};

struct lk_retry_state {
    const struct lk_retry_policy *policy; /* NULL: no retries */
    uint32_t retry_on;
    uint32_t remaining;
    uint32_t done;           /* retries made */
    uint16_t extra_codes[8]; /* x-envoy-retriable-status-codes */
    unsigned extra_code_count;
    struct lk_str extra_names; /* x-envoy-retriable-header-names, in the request's arena */
};

/* Reads and removes the x-envoy-retry-on, x-envoy-max-retries, x-envoy-retriable-status-codes headers. */
void lk_retry_init(struct lk_retry_state *state, const struct lk_route *route, struct lk_headers *request);
static inline bool lk_retry_enabled(const struct lk_retry_state *state)
{
    return state->retry_on != 0;
}
enum lk_retry_verdict lk_retry_on_response(struct lk_retry_state *state, const struct lk_headers *response,
                                           const struct lk_breaker *breaker);
enum lk_retry_verdict lk_retry_on_reset(struct lk_retry_state *state, enum lk_reset_reason reason,
                                        enum lk_progress progress, const struct lk_breaker *breaker);
/* Delay before the retry that was just granted: full jitter. */
uint32_t lk_retry_backoff_ms(const struct lk_retry_state *state, uint64_t random);
