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
