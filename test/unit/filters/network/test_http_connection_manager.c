/* envoy.filters.network.http_connection_manager: what its typed configuration means. The engine is tested in
 * proxy/downstream. */
#include "proxy/downstream/http_manager.h"
#include "test/unit/filters/typed.h"

#define TYPE "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
#define ROUTES                                                                                                         \
    "route_config: {virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, redirect: {}}]}]}"
#define ROUTER                                                                                                         \
    "{name: router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}"

static const struct lk_http_manager_config *configure(struct typed_test *t, const char *yaml)
{
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_http_connection_manager_filter.config_new(&t->context, &t->any, &t->errors);
}

LK_TEST(hcm, defaults_are_envoys)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_http_manager_config *config =
        configure(&t, "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER "]}");
    LK_CHECK_MSG(config != NULL, "%s: %s", t.errors.items[0].path, t.errors.items[0].text);
    LK_CHECK_EQ_UINT(config->h1.max_headers_kb, 60);
    LK_CHECK_EQ_UINT(config->h1.max_headers_count, 100);
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 3600000);
    LK_CHECK_EQ_UINT(config->stream_idle_timeout_ms, 300000);
    LK_CHECK_EQ_UINT(config->drain_timeout_ms, 5000);
    LK_CHECK_EQ_UINT(config->delayed_close_timeout_ms, 1000);
    LK_CHECK_EQ_UINT(config->request_headers_timeout_ms, 0);
    LK_CHECK_EQ_UINT(config->chain.count, 1);
    typed_fini(&t);
}

LK_TEST(hcm, options_are_taken_over)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_http_manager_config *config =
        configure(&t, "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER
                      "], max_request_headers_kb: 80, request_headers_timeout: 2s, stream_idle_timeout: 0s, "
                      "common_http_protocol_options: "
                      "{idle_timeout: 7s, max_headers_count: 9}, upgrade_configs: [{upgrade_type: websocket}]}");
    LK_CHECK_NOT_NULL(config);
    LK_CHECK_EQ_UINT(config->h1.max_headers_kb, 80);
    LK_CHECK_EQ_UINT(config->h1.max_headers_count, 9);
    LK_CHECK_EQ_UINT(config->request_headers_timeout_ms, 2000);
    LK_CHECK_EQ_UINT(config->stream_idle_timeout_ms, 0);
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 7000);
    LK_CHECK_EQ_UINT(config->upgrade_count, 1);
    LK_CHECK_LKSTR(config->upgrades[0].type, "websocket");
    typed_fini(&t);
}

static const struct {
    const char *yaml, *path, *what;
} mistakes[] = {
    {"{" ROUTES ", http_filters: [" ROUTER "]}", "stat_prefix", "must not be empty"},
    {"{stat_prefix: p, " ROUTES ", http_filters: [{name: nowhere, typed_config: {'@type': "
     "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}}, " ROUTER "]}",
     "http_filters[0].typed_config", "not built"},
    {"{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER ", " ROUTER "]}", "http_filters[1]", "no filter may follow"},
    {"{stat_prefix: p, codec_type: HTTP2, " ROUTES ", http_filters: [" ROUTER "]}", "codec_type", "HTTP2"},
};

LK_TEST(hcm, mistakes_are_named_by_their_field)
{
    struct typed_test t;
    typed_init(&t);
    for (size_t i = 0; i < LK_ARRAY_LEN(mistakes); i++) {
        LK_CHECK_NULL(configure(&t, mistakes[i].yaml));
        typed_check_error(&t, mistakes[i].path, mistakes[i].what);
    }
    typed_fini(&t);
}

#define TRACED(tracing) "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER "], tracing: " tracing "}"
#define ZIPKIN                                                                                                         \
    "{name: envoy.tracers.zipkin, typed_config: {'@type': type.googleapis.com/envoy.config.trace.v3.ZipkinConfig}}"

LK_TEST(hcm, tracing_is_off_unless_configured)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_http_manager_config *config =
        configure(&t, "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER "]}");
    LK_CHECK_NULL(config->tracing);
    LK_CHECK(config->pack_trace_reason && config->sample_by_request_id);
    typed_fini(&t);
}

LK_TEST(hcm, tracing_defaults_are_envoys)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_tracing_config *tracing = configure(&t, TRACED("{}"))->tracing;
    LK_CHECK_NULL(tracing->tracer);
    LK_CHECK_EQ_UINT(tracing->sampling.client.per_million, 1000000);
    LK_CHECK_EQ_UINT(tracing->sampling.random.per_million, 1000000);
    LK_CHECK_EQ_UINT(tracing->sampling.overall.per_million, 1000000);
    LK_CHECK_EQ_UINT(tracing->max_path_tag_length, 256);
    LK_CHECK(!tracing->verbose && !tracing->spawn_upstream_span && !tracing->no_propagation && !tracing->outbound);
    typed_fini(&t);
}

LK_TEST(hcm, tracing_options_are_taken_over)
{
    struct typed_test t;
    typed_init(&t);
    t.context.direction = LK_DIRECTION_OUTBOUND;
    const struct lk_tracing_config *tracing =
        configure(&t, TRACED("{client_sampling: {value: 12.9}, random_sampling: {value: 0.01}, overall_sampling: "
                             "{value: 33.336}, verbose: true, max_path_tag_length: 9, spawn_upstream_span: true, "
                             "no_context_propagation: true, operation: o, upstream_operation: u, "
                             "custom_tags: [{tag: t, literal: {value: v}}], provider: " ZIPKIN "}"))
            ->tracing;
    LK_CHECK_EQ_PTR(tracing->tracer, &lk_zipkin_tracer);
    LK_CHECK_NOT_NULL(tracing->provider);
    LK_CHECK_EQ_UINT(tracing->sampling.client.per_million, 120000);
    LK_CHECK_EQ_UINT(tracing->sampling.random.per_million, 100);
    LK_CHECK_EQ_UINT(tracing->sampling.overall.per_million, 333400);
    LK_CHECK(tracing->verbose && tracing->spawn_upstream_span && tracing->no_propagation && tracing->outbound);
    LK_CHECK_EQ_UINT(tracing->max_path_tag_length, 9);
    LK_CHECK_EQ_UINT(tracing->tags.count, 1);
    LK_CHECK(tracing->operation != NULL && tracing->upstream_operation != NULL);
    typed_fini(&t);
}

LK_TEST(hcm, a_tracer_that_is_not_built_in_is_a_warning)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_http_manager_config *config =
        configure(&t, TRACED("{provider: {name: envoy.tracers.datadog, typed_config: {'@type': "
                             "type.googleapis.com/envoy.config.trace.v3.DatadogConfig}}}"));
    LK_CHECK_NOT_NULL(config);
    LK_CHECK_NULL(config->tracing->tracer);
    LK_CHECK_EQ_UINT(t.errors.warning_count, 1);
    LK_CHECK_STR(t.errors.warnings[0].path, "tracing.provider");
    LK_CHECK_CONTAINS(t.errors.warnings[0].text, "DatadogConfig");
    typed_fini(&t);
}

LK_TEST(hcm, request_ids_take_their_options_and_only_uuids)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_http_manager_config *config =
        configure(&t, "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER
                      "], request_id_extension: {typed_config: {'@type': type.googleapis.com/"
                      "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig, pack_trace_reason: false, "
                      "use_request_id_for_trace_sampling: false}}}");
    LK_CHECK(!config->pack_trace_reason && !config->sample_by_request_id);
    configure(&t, "{stat_prefix: p, " ROUTES ", http_filters: [" ROUTER
                  "], request_id_extension: {typed_config: {'@type': type.googleapis.com/"
                  "envoy.config.trace.v3.ZipkinConfig}}}");
    typed_check_error(&t, "request_id_extension.typed_config", "UUID");
    typed_fini(&t);
}

LK_TEST(hcm, mistakes_in_tracing_are_named)
{
    struct typed_test t;
    typed_init(&t);
    LK_CHECK_NULL(configure(&t, TRACED("{random_sampling: {value: 101}}")));
    typed_check_error(&t, "tracing.random_sampling", "between 0 and 100");
    LK_CHECK_NULL(configure(&t, TRACED("{operation: '%NONSENSE%'}")));
    typed_check_error(&t, "tracing.operation", "NONSENSE");
    LK_CHECK_NULL(configure(&t, TRACED("{custom_tags: [{tag: t}]}")));
    typed_check_error(&t, "tracing.custom_tags[0]", "expected one of");
    LK_CHECK_NULL(configure(&t, TRACED("{provider: {}}")));
    typed_check_error(&t, "tracing.provider.name", "must not be empty");
    typed_fini(&t);
}
