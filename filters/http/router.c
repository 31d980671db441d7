/* envoy.filters.http.router: descriptor and decoding; the engine is proxy/router/router. */
#include "proxy/router/router.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"

#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Extensions__Filters__Http__Router__V3__Router *in = lk_typed_begin(
        &decoder, context, any, &envoy__extensions__filters__http__router__v3__router__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_router_config *config = lk_arena_zalloc(context->arena, sizeof(*config));
    config->clusters = context->clusters;
    config->suppress_envoy_headers = in->suppress_envoy_headers;
    config->respect_expected_rq_timeout = in->respect_expected_rq_timeout;
    return lk_typed_end(&decoder) ? config : NULL;
}

static void *stream_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    (void)worker;
    return lk_router_new(slot, config);
}

const struct lk_http_filter lk_router_filter = {
    .name = "envoy.filters.http.router",
    .type = "envoy.extensions.filters.http.router.v3.Router",
    .terminal = true,
    .config_new = config_new,
    .stream_new = stream_new,
    .on_request_headers = lk_router_on_headers,
    .on_request_data = lk_router_on_data,
    .on_request_trailers = lk_router_on_trailers,
    .on_response_blocked = lk_router_on_response_blocked,
    .on_destroy = lk_router_on_destroy,
    .explain = lk_router_explain,
};
