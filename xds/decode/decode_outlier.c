/* Outlier detection of a cluster, envoy.config.cluster.v3.OutlierDetection. Main thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "proxy/config/health_config.h"
#include "xds/decode/decode_common.h"

#define INTERVAL_DEFAULT_MS 10000
#define BASE_EJECTION_DEFAULT_MS 30000
#define MAX_EJECTION_DEFAULT_MS 300000
#define MAX_PERCENT_DEFAULT 10
#define CONSECUTIVE_DEFAULT 5

static uint32_t percent(struct lk_decoder *decoder, const char *field, const Google__Protobuf__UInt32Value *in,
                        uint32_t fallback)
{
    return in != NULL ? lk_decode_range(decoder, field, in->value, 0, 100) : fallback;
}

/* What is not built is named, unless it is off. */
static void rate(struct lk_decoder *decoder, const char *field, const Google__Protobuf__UInt32Value *in,
                 uint32_t fallback)
{
    if (percent(decoder, field, in, fallback) > 0)
        lk_errors_warn(decoder->errors, field,
                       "not supported by this build, has no effect: only errors in a row eject a host%s",
                       in == NULL ? " (it is on by default; 0 turns it off)" : "");
}

static void times(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__OutlierDetection *in,
                  struct lk_outlier_config *out)
{
    const enum lk_duration_rule rule = LK_DURATION_POSITIVE;

    out->interval_ms = lk_decode_ms(decoder, "interval", in->interval, INTERVAL_DEFAULT_MS, rule);
    out->base_ejection_ms =
        lk_decode_ms(decoder, "base_ejection_time", in->base_ejection_time, BASE_EJECTION_DEFAULT_MS, rule);
    out->max_ejection_ms = lk_decode_ms(decoder, "max_ejection_time", in->max_ejection_time,
                                        LK_MAX(out->base_ejection_ms, (uint32_t)MAX_EJECTION_DEFAULT_MS), rule);
    out->max_ejection_jitter_ms =
        lk_decode_ms(decoder, "max_ejection_time_jitter", in->max_ejection_time_jitter, 0, LK_DURATION_ANY);
    if (out->max_ejection_ms < out->base_ejection_ms)
        lk_errors_add_at(decoder->errors, "max_ejection_time", "is less than base_ejection_time");
}

static void errors_in_row(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__OutlierDetection *in,
                          struct lk_outlier_config *out)
{
    out->consecutive_5xx = lk_decode_u32(in->consecutive_5xx, CONSECUTIVE_DEFAULT);
    out->enforcing_5xx = percent(decoder, "enforcing_consecutive_5xx", in->enforcing_consecutive_5xx, 100);
    out->consecutive_gateway = lk_decode_u32(in->consecutive_gateway_failure, CONSECUTIVE_DEFAULT);
    out->enforcing_gateway =
        percent(decoder, "enforcing_consecutive_gateway_failure", in->enforcing_consecutive_gateway_failure, 0);
    out->split_errors = in->split_external_local_origin_errors;
    out->consecutive_local_origin = lk_decode_u32(in->consecutive_local_origin_failure, CONSECUTIVE_DEFAULT);
    out->enforcing_local_origin = percent(decoder, "enforcing_consecutive_local_origin_failure",
                                          in->enforcing_consecutive_local_origin_failure, 100);
}

void lk_decode_outlier(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__OutlierDetection *in,
                       struct lk_cluster_config *out)
{
    struct lk_outlier_config *outlier = lk_arena_zalloc(decoder->arena, sizeof(*outlier));
    size_t mark = lk_errors_push(decoder->errors, "outlier_detection");

    times(decoder, in, outlier);
    errors_in_row(decoder, in, outlier);
    outlier->max_ejection_percent =
        percent(decoder, "max_ejection_percent", in->max_ejection_percent, MAX_PERCENT_DEFAULT);
    outlier->always_eject_one = lk_decode_bool(in->always_eject_one_host, false);
    outlier->uneject_on_check = lk_decode_bool(in->successful_active_health_check_uneject_host, true);
    rate(decoder, "enforcing_success_rate", in->enforcing_success_rate, 100);
    rate(decoder, "enforcing_failure_percentage", in->enforcing_failure_percentage, 0);
    rate(decoder, "enforcing_local_origin_success_rate", in->enforcing_local_origin_success_rate,
         outlier->split_errors ? 100 : 0);
    rate(decoder, "enforcing_failure_percentage_local_origin", in->enforcing_failure_percentage_local_origin, 0);
    lk_errors_pop(decoder->errors, mark);
    out->outlier = outlier;
}
