/* Whether and why a request is traced, and what its operation is called. Order and bits are Envoy's (docs: tracing;
 * x-request-id). Runs on the session's worker. */
#include "proxy/base/rand.h"
#include "proxy/config/runtime.h"
#include "proxy/downstream/http_manager_internal.h"

static bool present(const struct lk_headers *headers, enum lk_header_id id)
{
    return lk_headers_maybe(headers, id) && lk_headers_find(headers, id) != NULL;
}

static enum lk_trace_reason reason_of(const struct lk_http_manager_config *config, struct lk_str id)
{
    return config->pack_trace_reason ? lk_request_id_reason(id) : LK_TRACE_REASON_NONE;
}

void lk_request_id_mark(struct lk_header *header, struct lk_arena *arena, enum lk_trace_reason reason)
{
    if (header->value.len != LK_UUID_LEN)
        return;
    char *id = lk_arena_cstr(arena, header->value);
    id[LK_REQUEST_ID_REASON_AT] = lk_trace_reason_digit(reason);
    header->value = lk_str(id, LK_UUID_LEN);
}

static void mark(struct lk_http_exchange *ex, struct lk_headers *headers, enum lk_trace_reason reason)
{
    if (ex->hc->config->pack_trace_reason)
        lk_request_id_mark(lk_headers_find(headers, LK_HEADER_X_REQUEST_ID), headers->arena, reason);
}

static enum lk_trace_reason fresh_reason(const struct lk_trace_sampling *sampling, const struct lk_headers *headers,
                                         uint32_t sample)
{
    if (present(headers, LK_HEADER_X_CLIENT_TRACE_ID) && lk_fraction_hit(&sampling->client, lk_rand_u64()))
        return LK_TRACE_REASON_CLIENT;
    if (present(headers, LK_HEADER_X_ENVOY_FORCE_TRACE))
        return LK_TRACE_REASON_SERVICE;
    return lk_fraction_hit(&sampling->random, sample) ? LK_TRACE_REASON_SAMPLED : LK_TRACE_REASON_NONE;
}

/* All hops of a chain take the same request id and so come to the same result. */
static enum lk_trace_reason decide(struct lk_http_exchange *ex, struct lk_headers *headers,
                                   const struct lk_trace_sampling *sampling)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_str id = lk_headers_get(headers, LK_HEADER_X_REQUEST_ID);
    uint32_t sample;
    if (!config->sample_by_request_id)
        return LK_TRACE_REASON_SAMPLED;
    if (!lk_request_id_sample(id, &sample))
        return LK_TRACE_REASON_NONE;
    enum lk_trace_reason reason = reason_of(config, id);
    if (reason == LK_TRACE_REASON_NONE) {
        reason = fresh_reason(sampling, headers, sample);
        if (reason != LK_TRACE_REASON_NONE)
            mark(ex, headers, reason);
    }
    if (reason != LK_TRACE_REASON_NONE && !lk_fraction_hit(&sampling->overall, sample)) {
        reason = LK_TRACE_REASON_NONE;
        mark(ex, headers, reason);
    }
    return reason;
}

static void count(struct lk_http_exchange *ex, enum lk_trace_reason reason)
{
    static const unsigned stats[] = {[LK_TRACE_REASON_NONE] = LK_HTTP_TRACING_NONE,
                                     [LK_TRACE_REASON_SAMPLED] = LK_HTTP_TRACING_RANDOM,
                                     [LK_TRACE_REASON_SERVICE] = LK_HTTP_TRACING_SERVICE,
                                     [LK_TRACE_REASON_CLIENT] = LK_HTTP_TRACING_CLIENT};
    lk_stats_inc(ex->hc->config->stats,
                 ex->stream.info.health_check ? (unsigned)LK_HTTP_TRACING_HEALTH_CHECK : stats[reason]);
}

/* The route's decorator names the span, unless its name is configured by format: decorators are then let be. An
 * outbound manager tells the callee that name; for an inbound one the caller's word counts more. */
static void decorate(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_route *route = ex->route;
    struct lk_str operation = route != NULL ? route->decorator_operation : lk_str(NULL, 0);
    if (operation.len > 0) {
        lk_trace_request_rename(&ex->stream, operation);
        ex->decorated = operation;
        ex->decorated_propagate = route->decorator_propagate;
    }
    if (ex->hc->config->tracing->outbound) {
        if (operation.len > 0 && ex->decorated_propagate)
            lk_headers_set(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION, operation);
        return;
    }
    struct lk_str told = lk_headers_get(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION);
    if (told.len > 0) {
        lk_trace_request_rename(&ex->stream, told);
        ex->decorated = lk_str(NULL, 0);
    }
    if (told.ptr != NULL)
        lk_headers_remove(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION);
}

void lk_exchange_trace(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_tracing_config *tracing = ex->hc->config->tracing;
    const struct lk_route *route = lk_exchange_route(ex);
    const struct lk_route_tracing *own = route != NULL ? route->tracing : NULL;
    enum lk_trace_reason reason = decide(ex, headers, own != NULL ? &own->sampling : &tracing->sampling);
    ex->stream.info.traced = reason != LK_TRACE_REASON_NONE && !ex->stream.info.health_check;
    count(ex, reason);
    lk_trace_request_begin(&ex->stream, tracing, own, ex->stream.info.traced);
    ex->operation_fixed = tracing->operation != NULL || (own != NULL && own->operation != NULL);
    if (!ex->operation_fixed)
        decorate(ex, headers);
}

void lk_exchange_trace_response(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (ex->operation_fixed)
        return;
    if (!ex->hc->config->tracing->outbound) {
        if (ex->decorated.len > 0 && ex->decorated_propagate)
            lk_headers_set(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION, ex->decorated);
        return;
    }
    struct lk_str told = lk_headers_get(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION);
    if (told.len > 0)
        lk_trace_request_rename(&ex->stream, told);
    if (told.ptr != NULL)
        lk_headers_remove(headers, LK_HEADER_X_ENVOY_DECORATOR_OPERATION);
}
