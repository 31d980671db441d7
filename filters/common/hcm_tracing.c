/* HttpConnectionManager.tracing and request_id_extension. A provider that is not built in is a warning: requests are
 * marked and sampled then, and their trace headers pass untouched. Main thread. */
#include "filters/common/hcm_decode.h"
#include "proxy/config/bootstrap_config.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/registry.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_tracing.h"

#include "envoy/config/trace/v3/http_tracer.pb-c.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb-c.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager__Tracing tracing_proto;

#define MILLION 1000000u

void lk_hcm_decode_request_id(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    config->pack_trace_reason = true;
    config->sample_by_request_id = true;
    if (in->request_id_extension == NULL || in->request_id_extension->typed_config == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "request_id_extension");
    size_t typed = lk_errors_push(decoder->errors, "typed_config");
    const Google__Protobuf__Any *any = in->request_id_extension->typed_config;
    if (!lk_any_is(any, &envoy__extensions__request_id__uuid__v3__uuid_request_id_config__descriptor)) {
        lk_errors_unsupported(decoder->errors, NULL, "only request ids that are UUIDs are built in");
    } else {
        const Envoy__Extensions__RequestId__Uuid__V3__UuidRequestIdConfig *uuid = lk_decode_unpack(decoder, any);
        if (uuid != NULL) {
            config->pack_trace_reason = lk_decode_bool(uuid->pack_trace_reason, true);
            config->sample_by_request_id = lk_decode_bool(uuid->use_request_id_for_trace_sampling, true);
        }
    }
    lk_errors_pop(decoder->errors, typed);
    lk_errors_pop(decoder->errors, mark);
}

/* client_sampling in whole percents, the others in hundredths of one: the precision that Envoy gives them. */
static struct lk_fraction percent(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__Percent *in,
                                  uint32_t denominator)
{
    double value = lk_decode_percent(decoder, field, in, 100);
    if (!(value >= 0 && value <= 100))
        value = 100;
    double steps = value * denominator / 100 + (denominator > 100 ? 0.5 : 0);
    return (struct lk_fraction){.per_million = (uint32_t)steps * (MILLION / denominator), .denominator = denominator};
}

static void decode_provider(struct lk_decoder *decoder, struct lk_filter_context *context,
                            const Envoy__Config__Trace__V3__Tracing__Http *in, struct lk_tracing_config *out)
{
    struct lk_any any = {{NULL, 0}, {NULL, 0}};
    size_t mark = lk_errors_push(decoder->errors, "provider");
    struct lk_str name = lk_decode_required(decoder, "name", in->name);
    if (in->config_type_case == ENVOY__CONFIG__TRACE__V3__TRACING__HTTP__CONFIG_TYPE_TYPED_CONFIG)
        any = lk_decode_any(decoder, in->typed_config);
    const struct lk_tracer *tracer = lk_registry_tracer(context->registry, name, any.type);
    if (tracer == NULL) {
        lk_errors_warn(decoder->errors, NULL, "tracer '%.*s' is not built in: no request is traced",
                       LK_STR_ARG(any.type.len > 0 ? any.type : name));
    } else {
        size_t typed = lk_errors_push(decoder->errors, "typed_config");
        out->provider = tracer->config_new(context, &any, decoder->errors);
        out->tracer = out->provider != NULL ? tracer : NULL;
        lk_errors_pop(decoder->errors, typed);
    }
    lk_errors_pop(decoder->errors, mark);
}

static void decode_names(struct lk_decoder *decoder, const tracing_proto *in, struct lk_tracing_config *out)
{
    out->operation = lk_decode_operation(decoder, "operation", in->operation);
    out->upstream_operation = lk_decode_operation(decoder, "upstream_operation", in->upstream_operation);
    if (out->operation != NULL)
        lk_format_prepare((struct lk_format *)out->operation);
    if (out->upstream_operation != NULL)
        lk_format_prepare((struct lk_format *)out->upstream_operation);
    lk_decode_trace_tags(decoder, in->n_custom_tags, in->custom_tags, &out->tags);
    lk_trace_tags_prepare(&out->tags);
}

void lk_hcm_decode_tracing(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_manager_config *config)
{
    const tracing_proto *tracing = in->tracing;
    if (tracing == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "tracing");
    struct lk_tracing_config *out = lk_arena_zalloc(context->arena, sizeof(*out));
    out->sampling.client = percent(decoder, "client_sampling", tracing->client_sampling, 100);
    out->sampling.random = percent(decoder, "random_sampling", tracing->random_sampling, 10000);
    out->sampling.overall = percent(decoder, "overall_sampling", tracing->overall_sampling, 10000);
    lk_trace_sampling_keys(&out->sampling);
    decode_names(decoder, tracing, out);
    out->max_path_tag_length = lk_decode_u32(tracing->max_path_tag_length, 256);
    out->verbose = tracing->verbose;
    out->spawn_upstream_span = lk_decode_bool(tracing->spawn_upstream_span, false);
    out->no_propagation = tracing->no_context_propagation;
    out->outbound = context->direction == LK_DIRECTION_OUTBOUND;
    if (context->bootstrap != NULL) {
        out->node_id = context->bootstrap->node.id;
        out->zone = context->bootstrap->node.locality.zone;
    }
    if (tracing->provider != NULL)
        decode_provider(decoder, context, tracing->provider, out);
    config->tracing = out;
    lk_errors_pop(decoder->errors, mark);
}
