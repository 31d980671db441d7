/*
 * Names of log components. Configurations written for Envoy name its components; each of those is
 * mapped to the component that covers the same ground here, so that such a command line starts.
 */
#include "proxy/base/log.h"

struct alias {
    struct lk_str name;
    enum lk_log_component component;
};

static const struct alias aliases[] = {
    {LK_STR_INIT("assert"), LK_LOG_MAIN},
    {LK_STR_INIT("backtrace"), LK_LOG_MAIN},
    {LK_STR_INIT("envoy_bug"), LK_LOG_MAIN},
    {LK_STR_INIT("init"), LK_LOG_MAIN},
    {LK_STR_INIT("testing"), LK_LOG_MAIN},
    {LK_STR_INIT("file"), LK_LOG_CONFIG},
    {LK_STR_INIT("grpc"), LK_LOG_CONFIG},
    {LK_STR_INIT("secret"), LK_LOG_CONFIG},
    {LK_STR_INIT("key_value_store"), LK_LOG_CONFIG},
    {LK_STR_INIT("conn_handler"), LK_LOG_LISTENER},
    {LK_STR_INIT("io"), LK_LOG_CONNECTION},
    {LK_STR_INIT("happy_eyeballs"), LK_LOG_CONNECTION},
    {LK_STR_INIT("multi_connection"), LK_LOG_CONNECTION},
    {LK_STR_INIT("udp"), LK_LOG_CONNECTION},
    {LK_STR_INIT("quic"), LK_LOG_CONNECTION},
    {LK_STR_INIT("quic_stream"), LK_LOG_CONNECTION},
    {LK_STR_INIT("client"), LK_LOG_HTTP},
    {LK_STR_INIT("http2"), LK_LOG_HTTP},
    {LK_STR_INIT("tracing"), LK_LOG_HTTP},
    {LK_STR_INIT("websocket"), LK_LOG_HTTP},
    {LK_STR_INIT("matcher"), LK_LOG_ROUTER},
    {LK_STR_INIT("alternate_protocols_cache"), LK_LOG_POOL},
    {LK_STR_INIT("hc"), LK_LOG_UPSTREAM},
    {LK_STR_INIT("health_checker"), LK_LOG_UPSTREAM},
    {LK_STR_INIT("forward_proxy"), LK_LOG_DNS},
    {LK_STR_INIT("stats"), LK_LOG_MISC},
    {LK_STR_INIT("stats_sink"), LK_LOG_MISC},
    {LK_STR_INIT("hystrix"), LK_LOG_MISC},
    {LK_STR_INIT("aws"), LK_LOG_FILTER},
    {LK_STR_INIT("basic_auth"), LK_LOG_FILTER},
    {LK_STR_INIT("cache_filter"), LK_LOG_FILTER},
    {LK_STR_INIT("compression"), LK_LOG_FILTER},
    {LK_STR_INIT("credential_injector"), LK_LOG_FILTER},
    {LK_STR_INIT("decompression"), LK_LOG_FILTER},
    {LK_STR_INIT("dubbo"), LK_LOG_FILTER},
    {LK_STR_INIT("dynamic_modules"), LK_LOG_FILTER},
    {LK_STR_INIT("ext_authz"), LK_LOG_FILTER},
    {LK_STR_INIT("ext_proc"), LK_LOG_FILTER},
    {LK_STR_INIT("geolocation"), LK_LOG_FILTER},
    {LK_STR_INIT("golang"), LK_LOG_FILTER},
    {LK_STR_INIT("jwt"), LK_LOG_FILTER},
    {LK_STR_INIT("kafka"), LK_LOG_FILTER},
    {LK_STR_INIT("lua"), LK_LOG_FILTER},
    {LK_STR_INIT("mongo"), LK_LOG_FILTER},
    {LK_STR_INIT("oauth2"), LK_LOG_FILTER},
    {LK_STR_INIT("rate_limit_quota"), LK_LOG_FILTER},
    {LK_STR_INIT("rbac"), LK_LOG_FILTER},
    {LK_STR_INIT("redis"), LK_LOG_FILTER},
    {LK_STR_INIT("rocketmq"), LK_LOG_FILTER},
    {LK_STR_INIT("tap"), LK_LOG_FILTER},
    {LK_STR_INIT("thrift"), LK_LOG_FILTER},
    {LK_STR_INIT("wasm"), LK_LOG_FILTER},
};

bool lk_log_component_parse(struct lk_str name, enum lk_log_component *out)
{
    for (unsigned i = 0; i < LK_LOG_COMPONENT_COUNT; i++) {
        if (lk_str_eq(name, lk_str_from(lk_log_component_name((enum lk_log_component)i)))) {
            *out = (enum lk_log_component)i;
            return true;
        }
    }
    for (size_t i = 0; i < LK_ARRAY_LEN(aliases); i++) {
        if (lk_str_eq(name, aliases[i].name)) {
            *out = aliases[i].component;
            return true;
        }
    }
    return false;
}
