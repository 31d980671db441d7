/* envoy.filters.network.tcp_proxy: what its typed configuration means. The engine is tested in proxy/downstream. */
#include "proxy/downstream/tcp_tunnel.h"
#include "test/unit/filters/typed.h"

#define TYPE "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

static const struct lk_tcp_proxy_config *configure(struct typed_test *t, const char *yaml)
{
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_tcp_proxy_filter.config_new(&t->context, &t->any, &t->errors);
}

LK_TEST(tcp_proxy, defaults_are_envoys)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_tcp_proxy_config *config = configure(&t, "{stat_prefix: p, cluster: c}");
    LK_CHECK_NOT_NULL(config);
    LK_CHECK_LKSTR(config->cluster, "c");
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 3600000);
    LK_CHECK_EQ_UINT(config->max_duration_ms, 0);
    LK_CHECK_EQ_UINT(config->max_connect_attempts, 1);
    LK_CHECK_EQ_UINT(config->weighted_count, 0);
    typed_fini(&t);
}

LK_TEST(tcp_proxy, options_are_taken_over)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_tcp_proxy_config *config =
        configure(&t, "{stat_prefix: p, idle_timeout: 0s, max_connect_attempts: 3, max_downstream_connection_duration: "
                      "1.5s, weighted_clusters: {clusters: [{name: a, weight: 1}, {name: b, weight: 9}]}}");
    LK_CHECK_NOT_NULL(config);
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 0);
    LK_CHECK_EQ_UINT(config->max_connect_attempts, 3);
    LK_CHECK_EQ_UINT(config->max_duration_ms, 1500);
    LK_CHECK_EQ_UINT(config->weighted_count, 2);
    LK_CHECK_LKSTR(config->weighted[1].cluster, "b");
    LK_CHECK_EQ_UINT(config->weighted[1].weight, 9);
    LK_CHECK_EQ_UINT(config->total_weight, 10);
    typed_fini(&t);
}

static const struct {
    const char *yaml, *path, *what;
} mistakes[] = {
    {"{cluster: c}", "stat_prefix", "must not be empty"},
    {"{stat_prefix: p}", "", "one of cluster and weighted_clusters is required"},
    {"{stat_prefix: p, cluster: c, max_connect_attempts: 0}", "max_connect_attempts", "at least 1"},
    {"{stat_prefix: p, weighted_clusters: {clusters: []}}", "weighted_clusters.clusters", "at least one"},
    {"{stat_prefix: p, weighted_clusters: {clusters: [{name: a}]}}", "weighted_clusters.clusters[0].weight",
     "at least 1"},
};

LK_TEST(tcp_proxy, mistakes_are_named_by_their_field)
{
    struct typed_test t;
    typed_init(&t);
    for (size_t i = 0; i < LK_ARRAY_LEN(mistakes); i++) {
        LK_CHECK_NULL(configure(&t, mistakes[i].yaml));
        typed_check_error(&t, mistakes[i].path, mistakes[i].what);
    }
    typed_fini(&t);
}
