/* Decides about retries. Any worker; no side effects but the state's counters. */
#include "proxy/router/retry.h"

#include "proxy/filter/header_match.h"

#include <string.h>

static bool request_allows(const struct lk_retry_policy *policy, const struct lk_headers *request)
{
    if (policy->retriable_request_header_count == 0)
        return true;
    for (size_t i = 0; i < policy->retriable_request_header_count; i++) {
        if (lk_header_match_holds(&policy->retriable_request_headers[i], request))
            return true;
    }
    return false;
}

static void read_status_codes(struct lk_retry_state *state, struct lk_str list)
{
    while (list.ptr != NULL && state->extra_code_count < LK_ARRAY_LEN(state->extra_codes)) {
        uint64_t code;
        if (lk_str_to_u64(lk_str_trim(lk_str_split(&list, ',')), &code) && code < 1000)
            state->extra_codes[state->extra_code_count++] = (uint16_t)code;
    }
}

static void read_headers(struct lk_retry_state *state, struct lk_headers *request)
{
    struct lk_str on = lk_headers_get(request, LK_HEADER_X_ENVOY_RETRY_ON);
    struct lk_str grpc_on = lk_headers_get(request, LK_HEADER_X_ENVOY_RETRY_GRPC_ON);
    uint64_t max;
    if (on.ptr != NULL)
        state->retry_on |= lk_retry_on_parse(on, NULL);
    if (grpc_on.ptr != NULL)
        state->retry_on |= lk_retry_on_parse(grpc_on, NULL);
    if (state->retry_on != 0) {
        struct lk_str limit = lk_headers_get(request, LK_HEADER_X_ENVOY_MAX_RETRIES);
        if (limit.ptr != NULL && lk_str_to_u64(limit, &max))
            state->remaining = max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
        read_status_codes(state, lk_headers_get(request, LK_HEADER_X_ENVOY_RETRIABLE_STATUS_CODES));
        state->extra_names = lk_headers_get(request, LK_HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES);
    }
}

void lk_retry_init(struct lk_retry_state *state, const struct lk_route *route, struct lk_headers *request)
{
    static const enum lk_header_id consumed[] = {
        LK_HEADER_X_ENVOY_RETRY_ON,
        LK_HEADER_X_ENVOY_RETRY_GRPC_ON,
        LK_HEADER_X_ENVOY_MAX_RETRIES,
        LK_HEADER_X_ENVOY_RETRIABLE_STATUS_CODES,
        LK_HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES,
        LK_HEADER_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    };
    memset(state, 0, sizeof(*state));
    state->remaining = 1;
    state->policy = route->action.retry != NULL ? route->action.retry : route->virtual_host->retry;
    if (state->policy != NULL) {
        state->remaining = state->policy->num_retries;
        state->retry_on = state->policy->retry_on;
    }
    read_headers(state, request);
    if (state->policy != NULL && !request_allows(state->policy, request))
        state->retry_on = 0;
    for (size_t i = 0; i < LK_ARRAY_LEN(consumed); i++) {
        if (lk_headers_maybe(request, consumed[i]))
            lk_headers_remove(request, consumed[i]);
    }
}

static bool listed_code(const struct lk_retry_state *state, unsigned status)
{
    for (size_t i = 0; state->policy != NULL && i < state->policy->status_code_count; i++) {
        if (state->policy->status_codes[i] == status)
            return true;
    }
    for (unsigned i = 0; i < state->extra_code_count; i++) {
        if (state->extra_codes[i] == status)
            return true;
    }
    return false;
}

static bool retriable_headers(const struct lk_retry_state *state, const struct lk_headers *response)
{
    for (size_t i = 0; state->policy != NULL && i < state->policy->retriable_header_count; i++) {
        if (lk_header_match_holds(&state->policy->retriable_headers[i], response))
            return true;
    }
    for (struct lk_str names = state->extra_names; names.ptr != NULL;) {
        struct lk_str name = lk_str_trim(lk_str_split(&names, ','));
        if (name.len > 0 && lk_headers_find_name(response, name) != NULL)
            return true;
    }
    return false;
}

static bool covers_grpc(uint32_t retry_on, const struct lk_headers *response)
{
    static const struct {
        const char *status;
        uint32_t bit;
    } codes[] = {{"1", LK_RETRY_GRPC_CANCELLED},
                 {"4", LK_RETRY_GRPC_DEADLINE_EXCEEDED},
                 {"8", LK_RETRY_GRPC_RESOURCE_EXHAUSTED},
                 {"13", LK_RETRY_GRPC_INTERNAL},
                 {"14", LK_RETRY_GRPC_UNAVAILABLE}};
    struct lk_str status = lk_headers_get(response, LK_HEADER_GRPC_STATUS);
    for (size_t i = 0; status.ptr != NULL && i < LK_ARRAY_LEN(codes); i++) {
        if ((retry_on & codes[i].bit) != 0 && lk_str_eq(status, lk_str_from(codes[i].status)))
            return true;
    }
    return false;
}

static bool covers_response(const struct lk_retry_state *state, const struct lk_headers *response)
{
    uint32_t on = state->retry_on;
    unsigned status = lk_headers_status(response);
    if (lk_headers_maybe(response, LK_HEADER_X_ENVOY_RATELIMITED) &&
        lk_headers_find(response, LK_HEADER_X_ENVOY_RATELIMITED) != NULL)
        return (on & LK_RETRY_ENVOY_RATELIMITED) != 0;
    return ((on & LK_RETRY_5XX) != 0 && status >= 500 && status < 600) ||
           ((on & LK_RETRY_GATEWAY_ERROR) != 0 && status >= 502 && status <= 504) ||
           ((on & LK_RETRY_RETRIABLE_4XX) != 0 && status == 409) ||
           ((on & LK_RETRY_RETRIABLE_STATUS_CODES) != 0 && listed_code(state, status)) ||
           ((on & LK_RETRY_RETRIABLE_HEADERS) != 0 && retriable_headers(state, response)) || covers_grpc(on, response);
}

static bool covers_reset(uint32_t on, enum lk_reset_reason reason, enum lk_progress progress)
{
    if (reason == LK_RESET_OVERFLOW)
        return false;
    if ((on & LK_RETRY_RESET_BEFORE_REQUEST) != 0 && progress <= LK_PROGRESS_NOT_PROCESSED)
        return true;
    if ((on & (LK_RETRY_RESET | LK_RETRY_5XX | LK_RETRY_GATEWAY_ERROR)) != 0)
        return true;
    if (reason == LK_RESET_CONNECTION_FAILURE || reason == LK_RESET_CONNECTION_TIMEOUT)
        return (on & LK_RETRY_CONNECT_FAILURE) != 0;
    return reason == LK_RESET_REMOTE_REFUSED && (on & LK_RETRY_REFUSED_STREAM) != 0;
}

static enum lk_retry_verdict grant(struct lk_retry_state *state, const struct lk_breaker *breaker)
{
    if (state->remaining == 0)
        return LK_RETRY_LIMIT;
    state->remaining--;
    if (!lk_breaker_has_room(breaker, LK_RESOURCE_RETRIES))
        return LK_RETRY_OVERFLOW;
    state->done++;
    return LK_RETRY_YES;
}

enum lk_retry_verdict lk_retry_on_response(struct lk_retry_state *state, const struct lk_headers *response,
                                           const struct lk_breaker *breaker)
{
    return covers_response(state, response) ? grant(state, breaker) : LK_RETRY_NO;
}

enum lk_retry_verdict lk_retry_on_reset(struct lk_retry_state *state, enum lk_reset_reason reason,
                                        enum lk_progress progress, const struct lk_breaker *breaker)
{
    return covers_reset(state->retry_on, reason, progress) ? grant(state, breaker) : LK_RETRY_NO;
}

uint32_t lk_retry_backoff_ms(const struct lk_retry_state *state, uint64_t random)
{
    uint64_t base = state->policy != NULL && state->policy->backoff_base_ms > 0 ? state->policy->backoff_base_ms : 25;
    uint64_t cap =
        state->policy != NULL && state->policy->backoff_max_ms > 0 ? state->policy->backoff_max_ms : 10 * base;
    unsigned shift = state->done > 20 ? 20 : state->done;
    uint64_t range = base * (((uint64_t)1 << shift) - 1);
    range = range < cap ? range : cap;
    return range > 0 ? (uint32_t)(random % range) : 0;
}
