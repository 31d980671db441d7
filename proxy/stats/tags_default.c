/*
 * The tag rules that hold without configuration, under Envoy's tag names, for the stats that exist here. Order is the
 * order of the labels. A name that lacks the last column's text cannot match, which is far cheaper to find out.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/tags.h"

const struct lk_tag_default lk_tag_defaults[] = {
    /* ..._rq_200 and ..._rq_2xx, which keeps its xx */
    {"envoy.response_code", "_rq(_(\\d{3}))$", "_rq_"},
    {"envoy.response_code_class", "_rq_(\\d)xx$", "_rq_"},
    {"envoy.http_user_agent", "^http\\.(?:.*?)\\.user_agent\\.((.+?)\\.)", ".user_agent."},
    {"envoy.virtual_cluster", "^vhost\\.(?:.*?)\\.vcluster\\.((.+?)\\.)", ".vcluster."},
    {"envoy.route", "^vhost\\.(?:.*?)\\.route\\.((.+?)\\.)", ".route."},
    {"envoy.fault_downstream_cluster", "^http\\.(?:.*?)\\.fault\\.((.+?)\\.)\\w+$", ".fault."},
    {"envoy.ssl_cipher", "^listener\\.(?:.*?)\\.ssl\\.ciphers(\\.(.+))$", ".ssl."},
    {"envoy.ssl_cipher", "^cluster\\.(?:.*?)\\.ssl\\.ciphers(\\.(.+))$", ".ssl."},
    {"envoy.ssl_curve", "^(?:listener|cluster)\\.(?:.*?)\\.ssl\\.curves(\\.(.+))$", ".ssl."},
    {"envoy.ssl_sigalg", "^(?:listener|cluster)\\.(?:.*?)\\.ssl\\.sigalgs(\\.(.+))$", ".ssl."},
    {"envoy.ssl_version", "^(?:listener|cluster)\\.(?:.*?)\\.ssl\\.versions(\\.(.+))$", ".ssl."},
    {"envoy.tcp_prefix", "^tcp\\.((.+?)\\.)", ""},
    {"envoy.ratelimit_prefix", "^ratelimit\\.((.+?)\\.)", ""},
    {"envoy.local_http_ratelimit_prefix", "^((.+?)\\.)http_local_rate_limit\\.", ".http_local_rate_limit."},
    {"envoy.local_network_ratelimit_prefix", "^local_rate_limit\\.((.+?)\\.)", ""},
    {"envoy.local_listener_ratelimit_prefix", "^listener_local_ratelimit\\.((.+?)\\.)", ""},
    {"envoy.connection_limit_prefix", "^connection_limit\\.((.+?)\\.)", ""},
    {"envoy.ext_authz_prefix", "^(?:cluster|http)\\.(?:.*?)\\.ext_authz\\.((.+?)\\.)\\w+$", ".ext_authz."},
    {"envoy.rds_route_config", "^http\\.(?:.*?)\\.rds\\.((.+?)\\.)\\w+$", ".rds."},
    {"envoy.http_conn_manager_prefix", "^http\\.((.+?)\\.)", ""},
    {"envoy.http_conn_manager_prefix", "^listener\\.(?:.*?)\\.http\\.((.+?)\\.)", ".http."},
    {"envoy.worker_id", "\\.worker(_(\\d+))\\.", ".worker_"},
    /* an address as in 10.0.0.1_80 or [__1]_80, or the listener's own prefix; the admin listener is neither */
    {"envoy.listener_address", "^listener\\.(([_.\\d]+|[_\\[\\]a-fA-F\\d]+|(?!admin\\.)[^.]+)\\.)", ""},
    {"envoy.cluster_name", "^cluster\\.((.+?)\\.)", ""},
    {"envoy.virtual_host", "^vhost\\.((.+?)\\.)", ""},
    /* ours: endpoints of lanes in clusters; no name of a lane but _other holds an underscore, that of a cluster may */
    {"lane", "^lane\\.(([a-z0-9.-]+|_other)\\.)in_cluster\\.", ".in_cluster."},
    {"cluster", "^lane\\.(?:[a-z0-9.-]+|_other)\\.(in_cluster\\.(.+)\\.)endpoints(?:_healthy)?$", ".in_cluster."},
};

const size_t lk_tag_default_count = LK_ARRAY_LEN(lk_tag_defaults);
