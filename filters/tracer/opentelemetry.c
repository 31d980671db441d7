/*
 * envoy.tracers.opentelemetry: descriptor and decoding. The context travels as W3C Trace Context, or in the formats of
 * OTEL_PROPAGATORS (the OpenTelemetry specification's environment variable). Spans are not exported yet.
 */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/mem.h"

#include "envoy/config/trace/v3/opentelemetry.pb-c.h"

#include <stdlib.h>

static const struct {
    struct lk_str name;
    int format; /* -1: none of ours, passes untouched */
} propagators[] = {
    {LK_STR_INIT("tracecontext"), LK_TRACE_W3C},
    {LK_STR_INIT("b3"), LK_TRACE_B3},
    {LK_STR_INIT("b3multi"), LK_TRACE_B3_MULTI},
    {LK_STR_INIT("jaeger"), LK_TRACE_JAEGER},
    {LK_STR_INIT("skywalking"), LK_TRACE_SKYWALKING},
    {LK_STR_INIT("baggage"), -1},
    {LK_STR_INIT("none"), -1},
};

static void add_propagator(struct lk_str name, struct lk_trace_formats *formats, struct lk_errors *errors)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(propagators); i++) {
        if (!lk_str_eq(name, propagators[i].name))
            continue;
        if (propagators[i].format >= 0)
            lk_trace_formats_add(formats, (enum lk_trace_format)propagators[i].format);
        return;
    }
    lk_errors_warn(errors, NULL, "OTEL_PROPAGATORS names '%.*s', which is not built in", LK_STR_ARG(name));
}

static void read_propagators(struct lk_trace_formats *formats, struct lk_errors *errors)
{
    struct lk_str list = lk_str_from(getenv("OTEL_PROPAGATORS"));
    if (list.len == 0)
        list = LK_STR("tracecontext");
    while (list.ptr != NULL) {
        struct lk_str name = lk_str_trim(lk_str_split(&list, ','));
        if (name.len > 0)
            add_propagator(name, formats, errors);
    }
}

static const struct lk_trace_provider *config_new(struct lk_filter_context *context, const struct lk_any *any,
                                                  struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Config__Trace__V3__OpenTelemetryConfig *in =
        lk_typed_begin(&decoder, context, any, &envoy__config__trace__v3__open_telemetry_config__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_trace_provider *provider = lk_arena_zalloc(context->arena, sizeof(*provider));
    provider->restart_malformed = true;
    provider->local_drops = true;
    read_propagators(&provider->formats, errors);
    lk_errors_warn(errors, NULL, "spans are not exported yet; trace context is read, continued and injected");
    return lk_typed_end(&decoder) ? provider : NULL;
}

const struct lk_tracer lk_opentelemetry_tracer = {
    .name = "envoy.tracers.opentelemetry",
    .type = "envoy.config.trace.v3.OpenTelemetryConfig",
    .config_new = config_new,
};
