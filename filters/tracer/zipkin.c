/* envoy.tracers.zipkin: descriptor and decoding. The context travels as B3, where asked for as W3C Trace Context too.
 * Spans are not exported yet. */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "xds/decode/decode_common.h"

#include "envoy/config/trace/v3/zipkin.pb-c.h"

static const struct lk_trace_provider *config_new(struct lk_filter_context *context, const struct lk_any *any,
                                                  struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Config__Trace__V3__ZipkinConfig *in =
        lk_typed_begin(&decoder, context, any, &envoy__config__trace__v3__zipkin_config__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_trace_provider *provider = lk_arena_zalloc(context->arena, sizeof(*provider));
    provider->naming = LK_SPAN_BY_HOST;
    provider->b3_as_received = true;
    provider->narrow_ids = !in->trace_id_128bit;
    provider->share_span = lk_decode_bool(in->shared_span_context, true);
    provider->split_spans = in->split_spans_for_request;
    lk_trace_formats_add(&provider->formats, LK_TRACE_B3_MULTI);
    if (lk_decode_enum_ok(&decoder, "trace_context_option",
                          &envoy__config__trace__v3__zipkin_config__trace_context_option__descriptor,
                          (int)in->trace_context_option) &&
        in->trace_context_option ==
            ENVOY__CONFIG__TRACE__V3__ZIPKIN_CONFIG__TRACE_CONTEXT_OPTION__USE_B3_WITH_W3C_PROPAGATION)
        lk_trace_formats_add(&provider->formats, LK_TRACE_W3C);
    lk_errors_warn(errors, NULL, "spans are not exported yet; trace context is read, continued and injected");
    return lk_typed_end(&decoder) ? provider : NULL;
}

const struct lk_tracer lk_zipkin_tracer = {
    .name = "envoy.tracers.zipkin",
    .type = "envoy.config.trace.v3.ZipkinConfig",
    .config_new = config_new,
};
