/* Clusters and endpoints as plain immutable data, from envoy.config.cluster.v3 and envoy.config.endpoint.v3. The
 * configuration of a cluster and its endpoints are separate objects, so an endpoint push rebuilds neither pools nor
 * counters. */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"
#include "proxy/base/ref.h"
#include "proxy/config/any.h"
#include "proxy/config/match_criteria.h"
#include "proxy/config/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_discovery_type {
    LK_CLUSTER_STATIC,
    LK_CLUSTER_STRICT_DNS,
    LK_CLUSTER_LOGICAL_DNS,
    LK_CLUSTER_EDS,
    LK_CLUSTER_ORIGINAL_DST
};
enum lk_lb_policy { LK_LB_ROUND_ROBIN, LK_LB_LEAST_REQUEST, LK_LB_RANDOM, LK_LB_CLUSTER_PROVIDED };
enum lk_health_status {
    LK_HEALTH_UNKNOWN,
    LK_HEALTH_HEALTHY,
    LK_HEALTH_UNHEALTHY,
    LK_HEALTH_DRAINING,
    LK_HEALTH_TIMEOUT,
    LK_HEALTH_DEGRADED
};

struct lk_endpoint_check;      /* health_config.h */
struct lk_health_check_config; /* the same */
struct lk_outlier_config;      /* the same */

struct lk_locality {
    struct lk_str region, zone, sub_zone;
};

struct lk_endpoint {
    struct lk_addr addr; /* len 0: a name to resolve (STRICT_DNS, LOGICAL_DNS) */
    struct lk_str dns_name;
    struct lk_str hostname; /* for auto_host_rewrite */
    uint32_t weight;        /* >= 1 */
    uint16_t dns_port;
    uint8_t health;                        /* enum lk_health_status from configuration */
    const struct lk_metadata *metadata;    /* NULL: none; shared between equal ones */
    const struct lk_endpoint_check *check; /* health_check_config; NULL: none */
};

struct lk_locality_endpoints {
    struct lk_locality locality;
    uint32_t priority;
    uint32_t weight; /* 0: not given */
    const struct lk_endpoint *endpoints;
    size_t endpoint_count;
};

struct lk_endpoints { /* ClusterLoadAssignment */
    struct lk_ref ref;
    struct lk_arena *arena; /* NULL: lies in its cluster's or the bootstrap's arena */
    const struct lk_locality_endpoints *localities;
    size_t locality_count;
    uint32_t overprovisioning_factor; /* 140 */
};

struct lk_circuit_limits {
    uint32_t max_connections, max_pending, max_requests, max_retries;
    bool has_retry_budget;
    double budget_percent;          /* 20 */
    uint32_t min_retry_concurrency; /* 3 */
};

enum lk_dns_lookup_family {
    LK_FAMILY_AUTO,
    LK_FAMILY_V4_ONLY,
    LK_FAMILY_V6_ONLY,
    LK_FAMILY_V4_PREFERRED,
    LK_FAMILY_ALL
};

struct lk_bind_config { /* envoy.config.core.v3.BindConfig */
    bool set;
    bool freebind;
    struct lk_addr source;       /* len 0: none */
    const struct lk_addr *extra; /* other family first choice: the first of each family is used */
    size_t extra_count;
};

struct lk_keepalive_config {
    bool set;
    uint32_t time_s, interval_s, probes;
};

enum lk_upstream_protocol { LK_UPSTREAM_HTTP1, LK_UPSTREAM_HTTP2, LK_UPSTREAM_DOWNSTREAM, LK_UPSTREAM_AUTO };

/* The fallback policies of a whole LbSubsetConfig and of its selectors. */
enum lk_subset_fallback {
    LK_SUBSET_NOT_DEFINED, /* of a selector: that of the whole */
    LK_SUBSET_NO_FALLBACK,
    LK_SUBSET_ANY_ENDPOINT,
    LK_SUBSET_DEFAULT,
    LK_SUBSET_KEYS /* of a selector: the same request with fewer keys */
};

#define LK_SUBSET_KEYS_MAX 16u

struct lk_subset_selector {
    const struct lk_str *keys; /* sorted, each once; at most LK_SUBSET_KEYS_MAX */
    size_t key_count;
    const struct lk_str *fallback_keys; /* with LK_SUBSET_KEYS: some of the keys, not all */
    size_t fallback_key_count;
    enum lk_subset_fallback fallback;
    bool single_host;
};

struct lk_subset_config { /* envoy.config.cluster.v3.Cluster.LbSubsetConfig with at least one selector */
    const struct lk_subset_selector *selectors;
    size_t selector_count;
    const struct lk_match_criteria *default_subset; /* at most LK_SUBSET_KEYS_MAX */
    enum lk_subset_fallback fallback;
    bool panic_mode_any;
    bool list_as_any;
    bool fallback_list;        /* metadata_fallback_policy FALLBACK_LIST */
    bool allow_redundant_keys; /* of the policy as an extension */
};

struct lk_cluster_config {
    struct lk_ref ref;
    struct lk_arena *arena; /* NULL: lies in the bootstrap's arena, which outlives it */
    struct lk_str name;
    struct lk_str stat_name; /* alt_stat_name or name */
    enum lk_discovery_type type;
    enum lk_lb_policy lb;
    uint32_t least_request_choices;         /* 2 */
    double least_request_active_bias;       /* 1.0 */
    uint32_t connect_timeout_ms;            /* 5000 */
    uint32_t buffer_limit;                  /* per_connection_buffer_limit_bytes, 1 MiB */
    const struct lk_circuit_limits *limits; /* two: DEFAULT, HIGH; shared where they are equal */
    uint32_t panic_percent;                 /* 50 */
    /* health */
    const struct lk_health_check_config *health_check; /* NULL: no active checks */
    const struct lk_outlier_config *outlier;           /* NULL: no outlier detection */
    const struct lk_subset_config *subsets;            /* NULL: none */
    /* DNS */
    enum lk_dns_lookup_family dns_family;
    uint32_t dns_refresh_ms;                          /* 5000 */
    uint32_t dns_failure_base_ms, dns_failure_max_ms; /* default: the refresh rate */
    uint32_t dns_jitter_ms;
    bool respect_dns_ttl;
    const struct lk_addr *dns_resolvers;
    size_t dns_resolver_count;
    bool dns_use_tcp, dns_no_search;
    /* health again: these take the room that alignment leaves */
    bool ignore_new_hosts;        /* ignore_new_hosts_until_first_hc: not counted as members before their first check */
    bool close_on_health_failure; /* close_connections_on_host_health_failure */
    /* ORIGINAL_DST */
    struct lk_str original_dst_header; /* use_http_header: name, lower case; empty: not used */
    bool original_dst_use_header;
    uint32_t original_dst_port_override;
    uint32_t cleanup_interval_ms; /* 5000 */
    /* sockets */
    struct lk_bind_config bind;
    struct lk_keepalive_config keepalive;
    /* HTTP */
    enum lk_upstream_protocol protocol;
    uint32_t idle_timeout_ms;             /* 3600000; 0: none */
    uint32_t max_connection_duration_ms;  /* 0: none */
    uint32_t max_requests_per_connection; /* 0: no limit */
    uint32_t max_response_headers_kb;     /* 60 (80 for HTTP/1) */
    uint32_t max_headers_count;           /* 100 */
    bool enable_trailers;
    bool proper_case_words, preserve_case; /* header_key_format */
    bool accept_http_10;
    const struct lk_metadata *metadata;
    struct lk_any transport_socket;       /* empty: raw buffer */
    const struct lk_endpoints *endpoints; /* inline load_assignment; NULL: none */
    uint64_t hash;                        /* of the configuration's bytes: what an in-place update compares */
};
