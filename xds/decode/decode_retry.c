/* Retry policies of routes and virtual hosts. Main thread. */
#include "xds/decode/decode_route_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"

#include "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.pb-c.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb-c.h"

#define BACKOFF_BASE_MS 25

static void host_predicates(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RetryPolicy *in,
                            struct lk_retry_policy *out)
{
    const ProtobufCMessageDescriptor *previous =
        &envoy__extensions__retry__host__previous_hosts__v3__previous_hosts_predicate__descriptor;
    const ProtobufCMessageDescriptor *canary =
        &envoy__extensions__retry__host__omit_canary_hosts__v3__omit_canary_hosts_predicate__descriptor;

    for (size_t i = 0; i < in->n_retry_host_predicate; i++) {
        const Envoy__Config__Route__V3__RetryPolicy__RetryHostPredicate *predicate = in->retry_host_predicate[i];
        size_t mark = lk_errors_push_index(decoder->errors, "retry_host_predicate", i);

        if (predicate->typed_config == NULL)
            lk_errors_add_at(decoder->errors, "typed_config", "is required");
        else if (lk_any_is(predicate->typed_config, previous))
            out->previous_hosts = true;
        else if (lk_any_is(predicate->typed_config, canary))
            out->omit_canary_hosts = true;
        else
            lk_errors_warn(decoder->errors, NULL, "the retry predicate '%s' is not supported, has no effect",
                           predicate->name);
        lk_errors_pop(decoder->errors, mark);
    }
}

static void back_off(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RetryPolicy__RetryBackOff *in,
                     struct lk_retry_policy *out)
{
    out->backoff_base_ms = BACKOFF_BASE_MS;
    out->backoff_max_ms = 10 * BACKOFF_BASE_MS;
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "retry_back_off");

    if (in->base_interval == NULL)
        lk_errors_add_at(decoder->errors, "base_interval", "is required");
    out->backoff_base_ms =
        lk_decode_ms(decoder, "base_interval", in->base_interval, BACKOFF_BASE_MS, LK_DURATION_POSITIVE);
    uint32_t ten = (uint32_t)LK_MIN((uint64_t)out->backoff_base_ms * 10, (uint64_t)UINT32_MAX);

    out->backoff_max_ms = lk_decode_ms(decoder, "max_interval", in->max_interval, ten, LK_DURATION_POSITIVE);
    if (out->backoff_max_ms < out->backoff_base_ms)
        lk_errors_add_at(decoder->errors, "max_interval", "is less than base_interval");
    lk_errors_pop(decoder->errors, mark);
}

static void status_codes(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RetryPolicy *in,
                         struct lk_retry_policy *out)
{
    uint16_t *codes = in->n_retriable_status_codes > 0
                          ? lk_arena_array(decoder->arena, in->n_retriable_status_codes, sizeof(*codes))
                          : NULL;

    for (size_t i = 0; i < in->n_retriable_status_codes; i++) {
        if (in->retriable_status_codes[i] > 999)
            lk_errors_warn(decoder->errors, "retriable_status_codes", "%u is no status code, ignored",
                           in->retriable_status_codes[i]);
        else
            codes[out->status_code_count++] = (uint16_t)in->retriable_status_codes[i];
    }
    out->status_codes = codes;
}

static void retry_policy(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RetryPolicy *in,
                         struct lk_retry_policy *out)
{
    struct lk_str unknown;
    int64_t attempts = in->host_selection_retry_max_attempts;

    out->retry_on = lk_retry_on_parse(lk_str_from(in->retry_on), &unknown);
    if (unknown.ptr != NULL)
        lk_errors_warn(decoder->errors, "retry_on", "unknown condition '%.*s', ignored", LK_STR_ARG(unknown));
    out->num_retries = lk_decode_u32(in->num_retries, 1);
    out->per_try_timeout_ms = lk_decode_ms(decoder, "per_try_timeout", in->per_try_timeout, 0, LK_DURATION_ANY);
    out->per_try_idle_timeout_ms =
        lk_decode_ms(decoder, "per_try_idle_timeout", in->per_try_idle_timeout, 0, LK_DURATION_ANY);
    status_codes(decoder, in, out);
    lk_decode_header_matchers(decoder, "retriable_headers", in->n_retriable_headers, in->retriable_headers,
                              &out->retriable_headers);
    out->retriable_header_count = in->n_retriable_headers;
    lk_decode_header_matchers(decoder, "retriable_request_headers", in->n_retriable_request_headers,
                              in->retriable_request_headers, &out->retriable_request_headers);
    out->retriable_request_header_count = in->n_retriable_request_headers;
    host_predicates(decoder, in, out);
    out->host_selection_max_attempts = attempts > 0 ? (uint32_t)LK_MIN(attempts, (int64_t)UINT32_MAX) : 1;
    back_off(decoder, in->retry_back_off, out);
}

const struct lk_retry_policy *lk_decode_retry_policy(struct lk_decoder *decoder, const char *field,
                                                     const Envoy__Config__Route__V3__RetryPolicy *in)
{
    if (in == NULL)
        return NULL;
    struct lk_retry_policy *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    size_t mark = lk_errors_push(decoder->errors, field);

    retry_policy(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
    return out;
}
