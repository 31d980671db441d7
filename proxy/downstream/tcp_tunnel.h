/*
 * Relays bytes between a downstream connection and one host of a cluster, both ways, with half-close and back-pressure:
 * the engine behind filters/network/tcp_proxy.c. A long plaintext stream moves on to splice(2). Owner: the session's
 * worker.
 */
#pragma once

#include "proxy/config/access_log_config.h"
#include "proxy/config/match_criteria.h"
#include "proxy/filter/access_logger.h"
#include "proxy/filter/network_filter.h"
#include "proxy/stats/stats.h"
#include "proxy/upstream/cluster.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_tcp_weighted {
    struct lk_str cluster;
    uint32_t weight;
    const struct lk_match_criteria *metadata_match; /* the whole proxy's included; NULL: none */
};

struct lk_tcp_proxy_config { /* envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy */
    struct lk_clusters *clusters;
    struct lk_stats_scope *stats; /* lk_tcp_stat_block */
    struct lk_str cluster;        /* or weighted */
    const struct lk_tcp_weighted *weighted;
    size_t weighted_count;
    uint64_t total_weight;
    const struct lk_match_criteria *metadata_match; /* NULL: none */
    uint32_t idle_timeout_ms;                       /* 3600000; 0: none */
    uint32_t max_duration_ms;                       /* 0: none */
    uint32_t max_connect_attempts;
    const struct lk_access_log_config *access_logs;
    size_t access_log_count;
};

/* tcp_explain.c: struct lk_network_filter.explain */
void lk_tcp_tunnel_explain(const void *config, void *worker, struct lk_explain *explain);
/* struct lk_network_filter.start, on_drain, on_abort */
void lk_tcp_tunnel_start(struct lk_session *session, const void *config, void *worker);
void lk_tcp_tunnel_on_drain(void *terminal);
void lk_tcp_tunnel_on_abort(void *terminal);
