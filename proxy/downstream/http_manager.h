/*
 * The HTTP connection manager: codec, streams, header policy, timeouts and logs of a downstream connection. The engine
 * behind filters/network/http_connection_manager.c, which decodes the configuration into struct lk_http_manager_config.
 */
#pragma once

#include "proxy/config/access_log_config.h"
#include "proxy/filter/http_stream.h"
#include "proxy/filter/network_filter.h"
#include "proxy/filter/tracing.h"
#include "proxy/http/h1_codec.h"
#include "proxy/http/path.h"
#include "proxy/router/route_table.h"
#include "proxy/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_codec_type { LK_CODEC_AUTO, LK_CODEC_HTTP1 };
enum lk_server_header { LK_SERVER_OVERWRITE, LK_SERVER_APPEND_IF_ABSENT, LK_SERVER_PASS_THROUGH };
enum lk_underscore_action { LK_UNDERSCORE_ALLOW, LK_UNDERSCORE_REJECT, LK_UNDERSCORE_DROP };

/* local_reply_config.mappers[i] */
struct lk_reply_mapper {
    const struct lk_log_filter *filter;
    unsigned status; /* 0: unchanged */
    bool has_body;
    struct lk_str body;
    const struct lk_log_format *body_format; /* NULL: the general one */
    struct lk_header_mutations headers;
};

struct lk_http_manager_config {
    struct lk_str stat_prefix;
    struct lk_stats_scope *stats;          /* lk_http_stat_block */
    struct lk_stats_scope *listener_stats; /* lk_listener_http_stat_block */
    enum lk_codec_type codec_type;
    struct lk_route_table *routes;
    struct lk_http_chain_config chain;
    const struct lk_access_log_config *access_logs;
    size_t access_log_count;
    bool log_new_requests; /* access_log_options.flush_access_log_on_new_request */
    /* addresses and ids */
    bool use_remote_address;
    bool skip_xff_append;
    uint32_t xff_num_trusted_hops;
    bool append_x_forwarded_port;
    const struct lk_cidr *internal_cidrs;
    size_t internal_cidr_count;
    bool unix_is_internal;
    bool generate_request_id; /* true */
    bool preserve_external_request_id;
    bool always_set_request_id_in_response;
    bool pack_trace_reason;    /* true: the id tells why its request is traced */
    bool sample_by_request_id; /* use_request_id_for_trace_sampling, true: else every request is sampled */
    const struct lk_tracing_config *tracing; /* NULL: no request is traced, trace headers pass */
    struct lk_str via;
    bool add_user_agent;
    struct lk_str local_cluster; /* node.cluster: x-envoy-downstream-service-cluster, user-agent */
    struct lk_str local_node;
    struct lk_str scheme_overwrite; /* scheme_header_transformation.scheme_to_overwrite */
    bool scheme_match_upstream;
    /* server header */
    struct lk_str server_name; /* "lanekeeper" */
    enum lk_server_header server_header;
    /* limits and timeouts, ms; 0: none */
    uint32_t idle_timeout_ms, max_connection_duration_ms, max_stream_duration_ms, stream_idle_timeout_ms;
    uint32_t request_timeout_ms, request_headers_timeout_ms, drain_timeout_ms, delayed_close_timeout_ms;
    uint32_t max_requests_per_connection;
    enum lk_underscore_action underscores;
    struct lk_h1_options h1;
    bool proxy_100_continue;
    bool strip_matching_host_port, strip_any_host_port, strip_trailing_host_dot;
    /* paths */
    bool normalize_path, merge_slashes;
    enum lk_escaped_slash_action escaped_slashes;
    const struct lk_upgrade_config *upgrades;
    size_t upgrade_count;
    /* local replies */
    const struct lk_reply_mapper *mappers;
    size_t mapper_count;
    const struct lk_log_format *reply_format; /* NULL: the plain text as it is */
};

/* Per-worker state of one configuration. */
struct lk_http_manager_worker;
struct lk_http_manager_worker *lk_http_manager_worker_new(const struct lk_http_manager_config *config,
                                                          struct lk_loop *loop);
void lk_http_manager_worker_free(struct lk_http_manager_worker *worker);

/* struct lk_network_filter.start, on_drain, on_abort */
void lk_http_manager_start(struct lk_session *session, const void *config, void *worker);
void lk_http_manager_on_drain(void *terminal);
void lk_http_manager_on_abort(void *terminal);
/* http_explain.c: struct lk_network_filter.explain */
void lk_http_manager_explain(const void *config, void *worker, struct lk_explain *explain);
