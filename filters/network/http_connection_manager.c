/* envoy.filters.network.http_connection_manager: descriptor and decoding; the engine is proxy/downstream/http_manager.
 */
#include "filters/common/hcm_decode.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "proxy/stats/stat_names.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_route.h"

#include <stdio.h>

#define ROUTES_CASE(name)                                                                                              \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER##name

static void unref_stats(void *stats)
{
    lk_stats_scope_unref(stats);
}

static void unref_routes(void *routes)
{
    lk_route_table_unref(routes);
}

/* The route table owns its arena, so that it can outlive this listener version in a stream. */
static void decode_routes(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                          struct lk_http_manager_config *config)
{
    struct lk_errors *errors = decoder->errors;
    struct lk_error error;
    if (in->route_specifier_case != ROUTES_CASE(_ROUTE_CONFIG)) {
        if (in->route_specifier_case == ROUTES_CASE(__NOT_SET))
            lk_errors_add(errors, "one of rds, route_config and scoped_routes is required");
        return; /* the others are named by the walk over unsupported fields */
    }
    size_t mark = lk_errors_push(errors, "route_config");
    size_t before = errors->count;
    struct lk_arena *arena = lk_arena_new();
    struct lk_decoder own;
    lk_decoder_init(&own, arena, errors);
    own.format_extensions = decoder->format_extensions;
    own.allow_unknown = decoder->allow_unknown;
    struct lk_route_config *routes = lk_decode_route_config(&own, in->route_config, true);
    lk_decoder_fini(&own);
    if (errors->count == before)
        lk_hcm_build_route_filters(context, routes, &config->chain, errors);
    if (errors->count == before && routes->validate_clusters)
        lk_hcm_check_clusters(context, routes, errors);
    if (errors->count > before) {
        lk_arena_free(arena);
    } else {
        config->routes = lk_route_table_new(routes, &error);
        if (config->routes == NULL)
            lk_errors_add(errors, "%s", error.text);
        else
            lk_arena_on_free(context->arena, unref_routes, config->routes);
    }
    lk_errors_pop(errors, mark);
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const lk_hcm_proto *in = lk_typed_begin(
        &decoder, context, any,
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_http_manager_config *config = lk_arena_zalloc(context->arena, sizeof(*config));
    config->stat_prefix = lk_decode_required(&decoder, "stat_prefix", in->stat_prefix);
    lk_hcm_decode_options(&decoder, context, in, config);
    lk_hcm_decode_filters(&decoder, context, in, &config->chain);
    decode_routes(&decoder, context, in, config);
    const struct lk_access_log_config *logs = NULL;
    lk_decode_access_logs(&decoder, "access_log", in->n_access_log, in->access_log, &logs);
    config->access_logs = lk_access_logs_build(context, logs, in->n_access_log, errors);
    config->access_log_count = in->n_access_log;
    char name[512];
    int len = snprintf(name, sizeof(name), "http.%.*s.", LK_STR_ARG(config->stat_prefix));
    config->stats =
        lk_stats_scope_ref(context->stats, &lk_http_stat_block, lk_str(name, LK_MIN((size_t)len, sizeof(name) - 1)));
    lk_arena_on_free(context->arena, unref_stats, config->stats);
    len = snprintf(name, sizeof(name), "%.*shttp.%.*s.", LK_STR_ARG(context->listener_stat_prefix),
                   LK_STR_ARG(config->stat_prefix));
    config->listener_stats = lk_stats_scope_ref(context->stats, &lk_listener_http_stat_block,
                                                lk_str(name, LK_MIN((size_t)len, sizeof(name) - 1)));
    lk_arena_on_free(context->arena, unref_stats, config->listener_stats);
    return lk_typed_end(&decoder) ? config : NULL;
}

static void *worker_new(const void *config, struct lk_loop *loop)
{
    return lk_http_manager_worker_new(config, loop);
}

static void worker_free(void *worker)
{
    lk_http_manager_worker_free(worker);
}

const struct lk_network_filter lk_http_connection_manager_filter = {
    .name = "envoy.filters.network.http_connection_manager",
    .type = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    .terminal = true,
    .config_new = config_new,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .start = lk_http_manager_start,
    .on_drain = lk_http_manager_on_drain,
    .on_abort = lk_http_manager_on_abort,
    .explain = lk_http_manager_explain,
};
