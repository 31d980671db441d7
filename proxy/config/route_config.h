/* Routes as plain immutable data, from envoy.config.route.v3; proxy/router/route_table compiles them for lookups. */
#pragma once

#include "proxy/base/ref.h"
#include "proxy/config/any.h"
#include "proxy/config/format.h"
#include "proxy/config/match_criteria.h"
#include "proxy/config/matcher.h"
#include "proxy/config/metadata.h"
#include "proxy/config/mirror_policy.h"
#include "proxy/config/tracing_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* envoy.config.core.v3.HeaderValueOption.HeaderAppendAction */
enum lk_header_append {
    LK_APPEND_IF_EXISTS_OR_ADD,
    LK_APPEND_ADD_IF_ABSENT,
    LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD,
    LK_APPEND_OVERWRITE_IF_EXISTS,
};
struct lk_header_mutation {
    struct lk_str name; /* as written, names are sent lower case */
    int header_id;      /* enum lk_header_id */
    const struct lk_format *value;
    enum lk_header_append action;
    bool keep_empty_value;
};
struct lk_header_mutations {
    const struct lk_header_mutation *add;
    size_t add_count;
    const struct lk_str *remove; /* lower case */
    size_t remove_count;
};

/* typed_per_filter_config: instantiated by the HTTP manager's configuration, see http_filter.h. */
struct lk_per_filter_config {
    struct lk_str filter; /* name of the HTTP filter */
    struct lk_any any;
    bool disabled; /* envoy.config.route.v3.FilterConfig.disabled */
    bool is_optional;
    const void *config; /* filled by the filter's route_config_new */
};

struct lk_header_match {
    struct lk_str name; /* lower case */
    int header_id;
    struct lk_value_matcher value;
};
struct lk_query_match {
    struct lk_str name;
    struct lk_value_matcher value;
};

enum lk_path_match_kind {
    LK_PATH_MATCH_PREFIX,
    LK_PATH_MATCH_EXACT,
    LK_PATH_MATCH_SEPARATED_PREFIX, /* "/a" matches "/a", "/a/..." but not "/ab" */
    LK_PATH_MATCH_REGEX,
    LK_PATH_MATCH_CONNECT, /* connect_matcher: never matches while CONNECT is refused */
};
struct lk_route_match {
    enum lk_path_match_kind kind;
    bool case_sensitive;
    bool grpc_only;
    struct lk_str path;
    const struct lk_regex *regex;
    const struct lk_header_match *headers;
    size_t header_count;
    const struct lk_query_match *queries;
    size_t query_count;
    bool has_fraction;
    struct lk_fraction fraction;
    bool has_tls_presented, tls_presented; /* tls_context */
    bool has_tls_validated, tls_validated;
};

/* retry_on, as bits */
enum {
    LK_RETRY_5XX = 1 << 0,
    LK_RETRY_GATEWAY_ERROR = 1 << 1,
    LK_RETRY_RESET = 1 << 2,
    LK_RETRY_RESET_BEFORE_REQUEST = 1 << 3,
    LK_RETRY_CONNECT_FAILURE = 1 << 4,
    LK_RETRY_REFUSED_STREAM = 1 << 5,
    LK_RETRY_RETRIABLE_4XX = 1 << 6,
    LK_RETRY_RETRIABLE_STATUS_CODES = 1 << 7,
    LK_RETRY_RETRIABLE_HEADERS = 1 << 8,
    LK_RETRY_ENVOY_RATELIMITED = 1 << 9,
    LK_RETRY_HTTP3_POST_CONNECT_FAILURE = 1 << 10,
    LK_RETRY_GRPC_CANCELLED = 1 << 11,
    LK_RETRY_GRPC_DEADLINE_EXCEEDED = 1 << 12,
    LK_RETRY_GRPC_INTERNAL = 1 << 13,
    LK_RETRY_GRPC_RESOURCE_EXHAUSTED = 1 << 14,
    LK_RETRY_GRPC_UNAVAILABLE = 1 << 15,
};
/* Parses "a,b,c"; unknown tokens are skipped and reported through *unknown (may be NULL), as a typo must not fail a
 * load. And the word of one bit; ptr NULL: there is none. */
uint32_t lk_retry_on_parse(struct lk_str tokens, struct lk_str *unknown);
struct lk_str lk_retry_on_name(uint32_t bit);

struct lk_retry_policy {
    uint32_t retry_on;
    uint32_t num_retries;        /* default 1 */
    uint32_t per_try_timeout_ms; /* 0: none */
    uint32_t per_try_idle_timeout_ms;
    const uint16_t *status_codes;
    size_t status_code_count;
    const struct lk_header_match *retriable_headers; /* of the response */
    size_t retriable_header_count;
    const struct lk_header_match *retriable_request_headers;
    size_t retriable_request_header_count;
    bool previous_hosts; /* retry_host_predicate previous_hosts */
    bool omit_canary_hosts;
    uint32_t host_selection_max_attempts; /* default 1 */
    uint32_t backoff_base_ms;             /* 25 */
    uint32_t backoff_max_ms;              /* 10 x base */
};

struct lk_weighted_cluster {
    struct lk_str cluster;
    struct lk_str cluster_header; /* lower case; empty: none */
    uint32_t weight;
    struct lk_str runtime_key; /* runtime_key_prefix "." name; empty: none */
    struct lk_header_mutations request_headers;
    struct lk_header_mutations response_headers;
    struct lk_str host_rewrite_literal;
    const struct lk_per_filter_config *per_filter;
    size_t per_filter_count;
    const struct lk_match_criteria *metadata_match; /* the route's included; NULL: none */
};

enum lk_cluster_specifier { LK_CLUSTER_BY_NAME, LK_CLUSTER_BY_HEADER, LK_CLUSTER_WEIGHTED };

struct lk_upgrade_config {
    struct lk_str type; /* lower case: "websocket" */
    bool enabled;
};

struct lk_regex_rewrite {
    const struct lk_regex *regex; /* NULL: none */
    struct lk_str substitution;
};

struct lk_route_action {
    enum lk_cluster_specifier specifier;
    struct lk_str cluster; /* name, or header name (lower case) */
    const struct lk_weighted_cluster *weighted;
    size_t weighted_count;
    uint32_t total_weight;
    struct lk_str weight_header;     /* weighted_clusters.header_name, lower case */
    unsigned cluster_not_found_code; /* 503 */
    bool high_priority;              /* counts against the cluster's limits of priority HIGH */
    struct lk_str prefix_rewrite;
    struct lk_regex_rewrite regex_rewrite;
    struct lk_str host_rewrite_literal;
    bool auto_host_rewrite;
    struct lk_str host_rewrite_header; /* lower case */
    struct lk_regex_rewrite host_rewrite_path_regex;
    bool append_x_forwarded_host;
    bool has_timeout;
    uint32_t timeout_ms; /* default 15000; 0: none */
    bool has_idle_timeout;
    uint32_t idle_timeout_ms;
    bool has_max_stream_duration;
    uint32_t max_stream_duration_ms;
    const struct lk_retry_policy *retry; /* NULL: the virtual host's or none */
    const struct lk_upgrade_config *upgrades;
    size_t upgrade_count;
    const struct lk_match_criteria *metadata_match; /* NULL: none */
    struct lk_mirror_policies mirrors;              /* the route's, else the virtual host's, else the table's */
};

struct lk_redirect_action {
    struct lk_str host;
    struct lk_str scheme; /* scheme_redirect, or "https" for https_redirect */
    bool https;
    uint32_t port; /* 0: unchanged */
    struct lk_str path;
    struct lk_str prefix_rewrite;
    struct lk_regex_rewrite regex_rewrite;
    unsigned code; /* 301 302 303 307 308 */
    bool strip_query;
    bool require_tls; /* made by a virtual host's require_tls: the authority keeps its port */
};

struct lk_direct_response {
    unsigned status;
    struct lk_str body;
    const struct lk_log_format *body_format; /* NULL: body as it is */
};

enum lk_route_kind { LK_ROUTE_CLUSTER, LK_ROUTE_REDIRECT, LK_ROUTE_DIRECT, LK_ROUTE_NON_FORWARDING };

struct lk_virtual_host;

struct lk_route {
    const struct lk_virtual_host *virtual_host; /* the one it belongs to */
    struct lk_str name;
    const char *label; /* both names, for reports of crashes and stalls; NULL: not from a configuration */
    struct lk_route_match match;
    enum lk_route_kind kind;
    struct lk_route_action action;
    struct lk_redirect_action redirect;
    struct lk_direct_response direct;
    struct lk_header_mutations request_headers;
    struct lk_header_mutations response_headers;
    const struct lk_per_filter_config *per_filter;
    size_t per_filter_count;
    struct lk_str decorator_operation;
    bool decorator_propagate;
    const struct lk_route_tracing *tracing; /* NULL: the manager's settings */
    const struct lk_metadata *metadata;
    struct lk_str stat_prefix;
    bool has_body_buffer_limit; /* else the virtual host's */
    uint64_t body_buffer_limit;
};

enum lk_require_tls { LK_TLS_NOT_REQUIRED, LK_TLS_EXTERNAL_ONLY, LK_TLS_ALL };

struct lk_virtual_host {
    struct lk_str name;
    const struct lk_str *domains;
    size_t domain_count;
    const struct lk_route *routes;
    size_t route_count;
    enum lk_require_tls require_tls;
    struct lk_header_mutations request_headers;
    struct lk_header_mutations response_headers;
    const struct lk_retry_policy *retry;
    bool include_request_attempt_count;
    bool include_attempt_count_in_response;
    const struct lk_per_filter_config *per_filter;
    size_t per_filter_count;
    const struct lk_metadata *metadata;
    bool has_body_buffer_limit;
    uint64_t body_buffer_limit;        /* per_request_buffer_limit_bytes or request_body_buffer_limit: for replays */
    struct lk_mirror_policies mirrors; /* those of routes that have none; its own or the table's */
};

struct lk_route_config {
    struct lk_ref ref;
    struct lk_arena *arena; /* owns everything */
    struct lk_str name;
    const struct lk_virtual_host *virtual_hosts;
    size_t virtual_host_count;
    struct lk_header_mutations request_headers;
    struct lk_header_mutations response_headers;
    bool most_specific_mutations_wins;
    bool validate_clusters;
    bool ignore_port_in_host_matching;
    bool ignore_path_parameters_in_path_matching;
    struct lk_str vhost_header;              /* lower case; empty: authority */
    uint32_t max_direct_response_body_bytes; /* 4096 */
    struct lk_mirror_policies mirrors;       /* those of virtual hosts that have none */
    const struct lk_per_filter_config *per_filter;
    size_t per_filter_count;
};
