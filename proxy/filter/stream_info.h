/*
 * What is known of a downstream connection and of one stream on it, for filters, formatters, access logs and admin.
 * Filled by whoever learns a fact first; everything lives as long as the connection or the stream.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"
#include "proxy/base/str.h"
#include "proxy/config/response_flags.h"
#include "proxy/http/codec.h"
#include "proxy/io/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_route;
struct lk_virtual_host;
struct lk_route_config;
struct lk_weighted_cluster;
struct lk_metadata;
struct lk_value;
struct lk_host;
struct lk_host_selector;   /* proxy/upstream/host_selector.h */
struct lk_mirror_selector; /* the same */
struct lk_lane_stream;     /* proxy/lane/lane_stream.h */
struct lk_tcp_steering;    /* network_filter.h */

/* A judgement of the peer that holds for the whole connection: by whom (0: nobody yet), and what it is. */
struct lk_peer_verdict {
    uint64_t judge;
    bool trusted;
};

struct lk_conn_info {
    uint64_t id;       /* unique in the process */
    uint64_t start_us; /* loop clock */
    int64_t start_wall_us;
    struct lk_addr remote;            /* of the peer; x-forwarded-for may override it per stream */
    struct lk_addr local;             /* as the client sees it: the original destination when restored */
    struct lk_addr direct_local;      /* of the socket */
    bool local_restored;              /* original_dst found another destination */
    struct lk_str detected_transport; /* by inspectors: "", "raw_buffer", "tls" */
    struct lk_str sni;                /* by tls_inspector */
    const struct lk_str *alpn;        /* by inspectors: application protocols */
    unsigned alpn_count;
    struct lk_str filter_chain_name;
    const struct lk_transport_info *secure; /* NULL: plaintext */
    struct lk_peer_verdict *verdict;        /* of the lane filter, kept here; NULL: nowhere */
    const char *termination_details;        /* static or arena */
    struct lk_str transport_failure;
    const struct lk_tcp_steering *steering; /* of a gate filter; NULL: none */
};

/* What filters of one stream tell each other, balancers and logs, by namespace and key. */
struct lk_dynamic_metadata {
    struct lk_dynamic_metadata *next;
    struct lk_str ns;
    struct lk_str key;
    const struct lk_value *value;
};

struct lk_upstream_info { /* of the attempt that answered, or of the last one */
    struct lk_host *host;
    const struct lk_addr *host_addr;
    struct lk_str host_name;   /* as configured */
    struct lk_str cluster;     /* name; empty: none chosen */
    struct lk_str cluster_alt; /* stat name, %UPSTREAM_CLUSTER% */
    struct lk_addr local;
    uint64_t connection_id;
    struct lk_str transport_failure;
    const struct lk_metadata *cluster_metadata;
    const struct lk_metadata *host_metadata;
    enum lk_protocol protocol;
    bool has_protocol;
    uint64_t wire_sent, wire_received;
    uint32_t attempts;
    /* loop clock, us; 0: did not happen */
    uint64_t pool_ready_us, first_tx_us, last_tx_us, first_rx_us, last_rx_us;
};

struct lk_stream_info {
    const struct lk_conn_info *conn;
    uint64_t id;
    uint64_t start_us; /* loop clock */
    int64_t start_wall_us;
    uint64_t last_downstream_rx_us, first_downstream_tx_us, last_downstream_tx_us, end_us;
    uint64_t bytes_received, bytes_sent; /* body */
    uint64_t wire_received, wire_sent;
    uint32_t request_headers_bytes, response_headers_bytes, response_trailers_bytes;
    unsigned response_code;           /* 0: none was sent */
    uint64_t flags;                   /* bits of enum lk_response_flag */
    struct lk_str details;            /* response code details */
    struct lk_str connection_details; /* connection termination details */
    enum lk_protocol protocol;
    bool has_protocol;
    bool health_check;
    bool internal_request;        /* x-envoy-internal */
    struct lk_addr remote;        /* downstream remote address after x-forwarded-for; len 0: the connection's */
    const struct lk_route *route; /* NULL: none matched */
    const struct lk_virtual_host *vhost;
    const struct lk_route_config *route_config; /* that route belongs to it */
    /* Chosen with the route: the cluster's name (empty: the request lacks the header that names it), and its entry of
     * weighted_clusters or NULL. */
    struct lk_str route_cluster;
    const struct lk_weighted_cluster *weighted;
    struct lk_str route_name;
    struct lk_upstream_info upstream;
    struct lk_host_selector *selector;  /* whom the router asks for a host; NULL: the cluster's balancer */
    struct lk_mirror_selector *mirrors; /* the same for mirrored copies */
    const struct lk_lane_stream *lane;  /* of the lane filter; NULL: there is none */
    struct lk_str local_reply_body;
    struct lk_dynamic_metadata *dynamic_metadata;
    struct lk_str trace_id, span_id; /* of the request's span; empty: there is none */
    bool traced;                     /* the connection manager's decision, as in Envoy's access logs */
};

static inline void lk_stream_info_flag(struct lk_stream_info *info, enum lk_response_flag flag)
{
    info->flags |= (uint64_t)1 << flag;
}
/* Sets one value of the dynamic metadata, over an older one. All slices and the value live as long as the arena, which
 * is the stream's. */
void lk_stream_info_set_metadata(struct lk_stream_info *info, struct lk_arena *arena, struct lk_str ns,
                                 struct lk_str key, const struct lk_value *value);
/* One namespace of it as an object in the arena; NULL when nothing is in it. */
const struct lk_value *lk_stream_info_metadata(const struct lk_stream_info *info, struct lk_arena *arena,
                                               struct lk_str ns);
const char *lk_response_flag_name(enum lk_response_flag flag, bool long_name);
/* LK_FLAG_COUNT when the short name is unknown. */
enum lk_response_flag lk_response_flag_find(struct lk_str short_name);
