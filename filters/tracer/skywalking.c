/* envoy.tracers.skywalking: descriptor and decoding. The context travels as sw8, sw8-x and sw8-correlation. Spans are
 * not exported yet. */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/config/bootstrap_config.h"

#include "envoy/config/trace/v3/skywalking.pb-c.h"

static struct lk_str first_of(struct lk_str configured, struct lk_str of_node)
{
    if (configured.len > 0)
        return configured;
    return of_node.len > 0 ? of_node : LK_STR("lanekeeper");
}

static const struct lk_trace_provider *config_new(struct lk_filter_context *context, const struct lk_any *any,
                                                  struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Config__Trace__V3__SkyWalkingConfig *in =
        lk_typed_begin(&decoder, context, any, &envoy__config__trace__v3__sky_walking_config__descriptor, errors);
    if (in == NULL)
        return NULL;
    const struct lk_bootstrap_config *bootstrap = context->bootstrap;
    struct lk_str service = lk_decode_str(&decoder, in->client_config != NULL ? in->client_config->service_name : "");
    struct lk_str instance = lk_decode_str(&decoder, in->client_config != NULL ? in->client_config->instance_name : "");
    struct lk_trace_provider *provider = lk_arena_zalloc(context->arena, sizeof(*provider));
    provider->service = first_of(service, bootstrap != NULL ? bootstrap->node.cluster : lk_str(NULL, 0));
    provider->instance = first_of(instance, bootstrap != NULL ? bootstrap->node.id : lk_str(NULL, 0));
    provider->naming = LK_SPAN_BY_PATH;
    provider->restart_malformed = true;
    provider->skip_unsampled = true;
    lk_trace_formats_add(&provider->formats, LK_TRACE_SKYWALKING);
    lk_errors_warn(errors, NULL, "spans are not exported yet; trace context is read, continued and injected");
    return lk_typed_end(&decoder) ? provider : NULL;
}

const struct lk_tracer lk_skywalking_tracer = {
    .name = "envoy.tracers.skywalking",
    .type = "envoy.config.trace.v3.SkyWalkingConfig",
    .config_new = config_new,
};
