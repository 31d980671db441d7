/* Listeners as plain immutable data, from envoy.config.listener.v3. Filters are named and typed here; their own
 * configuration is instantiated by proxy/downstream through the registry. */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"
#include "proxy/base/ref.h"
#include "proxy/config/access_log_config.h"
#include "proxy/config/any.h"
#include "proxy/config/cluster_config.h"
#include "proxy/config/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_source_type { LK_SOURCE_ANY, LK_SOURCE_SAME_IP_OR_LOOPBACK, LK_SOURCE_EXTERNAL };
enum lk_traffic_direction { LK_DIRECTION_UNSPECIFIED, LK_DIRECTION_INBOUND, LK_DIRECTION_OUTBOUND };

struct lk_filter_chain_match {
    bool has_destination_port;
    uint16_t destination_port;
    const struct lk_cidr *prefix_ranges;
    size_t prefix_range_count;
    const struct lk_str *server_names; /* lower case, "*.example.com" allowed */
    size_t server_name_count;
    struct lk_str transport_protocol; /* "", "raw_buffer", "tls" */
    const struct lk_str *application_protocols;
    size_t application_protocol_count;
    const struct lk_cidr *direct_source_ranges;
    size_t direct_source_range_count;
    enum lk_source_type source_type;
    const struct lk_cidr *source_ranges;
    size_t source_range_count;
    const uint16_t *source_ports;
    size_t source_port_count;
};

struct lk_network_filter_config {
    struct lk_str name;
    struct lk_any any;
    bool has_config; /* filters of old style may come by name alone */
};

struct lk_filter_chain_config {
    struct lk_str name;
    struct lk_filter_chain_match match;
    const struct lk_network_filter_config *filters;
    size_t filter_count;
    struct lk_any transport_socket; /* empty: raw buffer */
    struct lk_str transport_socket_name;
    uint32_t transport_connect_timeout_ms; /* transport_socket_connect_timeout, 0: none */
    const struct lk_metadata *metadata;
    uint64_t hash;
};

/* ListenerFilterChainMatchPredicate: when true the listener filter is skipped. */
enum lk_listener_predicate_kind {
    LK_PREDICATE_OR,
    LK_PREDICATE_AND,
    LK_PREDICATE_NOT,
    LK_PREDICATE_ANY,
    LK_PREDICATE_PORT_RANGE
};
struct lk_listener_predicate {
    enum lk_listener_predicate_kind kind;
    const struct lk_listener_predicate *rules; /* OR, AND, NOT */
    size_t rule_count;
    int32_t port_start, port_end; /* [start, end) of the destination port */
};

struct lk_listener_filter_config {
    struct lk_str name;
    struct lk_any any;
    bool has_config;
    const struct lk_listener_predicate *disabled; /* NULL: never */
};

struct lk_listen_address {
    struct lk_addr addr;
    bool ipv4_compat;
    uint32_t pipe_mode;
    struct lk_keepalive_config keepalive;
};

struct lk_listener_config {
    struct lk_ref ref;
    struct lk_arena *arena;
    struct lk_str name;
    struct lk_str stat_prefix;           /* empty: the address */
    struct lk_listen_address *addresses; /* address, then additional_addresses */
    size_t address_count;
    bool bind_to_port; /* true */
    bool use_original_dst;
    bool transparent;
    bool freebind;
    bool reuse_port;             /* enable_reuse_port, only when written: default false here, see DESIGN Sockets */
    bool continue_on_timeout;    /* continue_on_listener_filters_timeout */
    uint32_t filters_timeout_ms; /* 15000; 0: none */
    uint32_t buffer_limit;       /* 1 MiB */
    uint32_t backlog;            /* tcp_backlog_size; 0: SOMAXCONN */
    uint32_t max_connections;    /* runtime envoy.resource_limits.listener.<name>.connection_limit or 0 */
    uint32_t accepts_per_event;  /* max_connections_to_accept_per_socket_event; 0: no limit */
    bool ignore_global_limit;
    enum lk_traffic_direction direction;
    struct lk_keepalive_config keepalive;
    const struct lk_filter_chain_config *chains;
    size_t chain_count;
    const struct lk_filter_chain_config *default_chain; /* NULL: none */
    const struct lk_listener_filter_config *filters;
    size_t filter_count;
    const struct lk_access_log_config *access_logs;
    size_t access_log_count;
    const struct lk_metadata *metadata;
    uint64_t hash;
};
