/*
 * The stats of the core, block by block, under Envoy's names. X(enumerator, name, kind): the enumerator is the index.
 */
#pragma once

#include "proxy/stats/stat_names_cluster.h"
#include "proxy/stats/stats.h"

/* prefix "http.<stat_prefix>." */
#define LK_HTTP_STATS(X)                                                                                               \
    X(CX_TOTAL, "downstream_cx_total", COUNTER)                                                                        \
    X(CX_ACTIVE, "downstream_cx_active", GAUGE)                                                                        \
    X(CX_SSL_TOTAL, "downstream_cx_ssl_total", COUNTER)                                                                \
    X(CX_SSL_ACTIVE, "downstream_cx_ssl_active", GAUGE)                                                                \
    X(CX_HTTP1_TOTAL, "downstream_cx_http1_total", COUNTER)                                                            \
    X(CX_HTTP1_ACTIVE, "downstream_cx_http1_active", GAUGE)                                                            \
    X(CX_HTTP2_TOTAL, "downstream_cx_http2_total", COUNTER)                                                            \
    X(CX_HTTP2_ACTIVE, "downstream_cx_http2_active", GAUGE)                                                            \
    X(CX_UPGRADES_TOTAL, "downstream_cx_upgrades_total", COUNTER)                                                      \
    X(CX_UPGRADES_ACTIVE, "downstream_cx_upgrades_active", GAUGE)                                                      \
    X(CX_PROTOCOL_ERROR, "downstream_cx_protocol_error", COUNTER)                                                      \
    X(CX_LENGTH_MS, "downstream_cx_length_ms", HISTOGRAM)                                                              \
    X(CX_DESTROY, "downstream_cx_destroy", COUNTER)                                                                    \
    X(CX_DESTROY_REMOTE, "downstream_cx_destroy_remote", COUNTER)                                                      \
    X(CX_DESTROY_LOCAL, "downstream_cx_destroy_local", COUNTER)                                                        \
    X(CX_DESTROY_ACTIVE_RQ, "downstream_cx_destroy_active_rq", COUNTER)                                                \
    X(CX_DESTROY_LOCAL_ACTIVE_RQ, "downstream_cx_destroy_local_active_rq", COUNTER)                                    \
    X(CX_DESTROY_REMOTE_ACTIVE_RQ, "downstream_cx_destroy_remote_active_rq", COUNTER)                                  \
    X(CX_RX_BYTES, "downstream_cx_rx_bytes_total", COUNTER)                                                            \
    X(CX_TX_BYTES, "downstream_cx_tx_bytes_total", COUNTER)                                                            \
    X(CX_RX_BUFFERED, "downstream_cx_rx_bytes_buffered", GAUGE)                                                        \
    X(CX_TX_BUFFERED, "downstream_cx_tx_bytes_buffered", GAUGE)                                                        \
    X(CX_DRAIN_CLOSE, "downstream_cx_drain_close", COUNTER)                                                            \
    X(CX_IDLE_TIMEOUT, "downstream_cx_idle_timeout", COUNTER)                                                          \
    X(CX_MAX_DURATION, "downstream_cx_max_duration_reached", COUNTER)                                                  \
    X(CX_MAX_REQUESTS, "downstream_cx_max_requests_reached", COUNTER)                                                  \
    X(CX_OVERLOAD_KEEPALIVE, "downstream_cx_overload_disable_keepalive", COUNTER)                                      \
    X(CX_DELAYED_CLOSE_TIMEOUT, "downstream_cx_delayed_close_timeout", COUNTER)                                        \
    X(FLOW_PAUSED, "downstream_flow_control_paused_reading_total", COUNTER)                                            \
    X(FLOW_RESUMED, "downstream_flow_control_resumed_reading_total", COUNTER)                                          \
    X(RQ_TOTAL, "downstream_rq_total", COUNTER)                                                                        \
    X(RQ_HTTP1_TOTAL, "downstream_rq_http1_total", COUNTER)                                                            \
    X(RQ_HTTP2_TOTAL, "downstream_rq_http2_total", COUNTER)                                                            \
    X(RQ_ACTIVE, "downstream_rq_active", GAUGE)                                                                        \
    X(RQ_RESPONSE_BEFORE_COMPLETE, "downstream_rq_response_before_rq_complete", COUNTER)                               \
    X(RQ_RX_RESET, "downstream_rq_rx_reset", COUNTER)                                                                  \
    X(RQ_TX_RESET, "downstream_rq_tx_reset", COUNTER)                                                                  \
    X(RQ_NON_RELATIVE_PATH, "downstream_rq_non_relative_path", COUNTER)                                                \
    X(RQ_REJECTED_VIA_IP, "downstream_rq_rejected_via_ip_detection", COUNTER)                                          \
    X(RQ_TOO_LARGE, "downstream_rq_too_large", COUNTER)                                                                \
    X(RQ_OVERLOAD_CLOSE, "downstream_rq_overload_close", COUNTER)                                                      \
    X(RQ_REDIRECTED_PATH, "downstream_rq_redirected_with_normalized_path", COUNTER)                                    \
    X(RQ_FAILED_PATH, "downstream_rq_failed_path_normalization", COUNTER)                                              \
    X(RQ_COMPLETED, "downstream_rq_completed", COUNTER)                                                                \
    X(RQ_1XX, "downstream_rq_1xx", COUNTER)                                                                            \
    X(RQ_2XX, "downstream_rq_2xx", COUNTER)                                                                            \
    X(RQ_3XX, "downstream_rq_3xx", COUNTER)                                                                            \
    X(RQ_4XX, "downstream_rq_4xx", COUNTER)                                                                            \
    X(RQ_5XX, "downstream_rq_5xx", COUNTER)                                                                            \
    X(RQ_WS_ON_NON_WS, "downstream_rq_ws_on_non_ws_route", COUNTER)                                                    \
    X(RQ_TIME, "downstream_rq_time", HISTOGRAM)                                                                        \
    X(RQ_IDLE_TIMEOUT, "downstream_rq_idle_timeout", COUNTER)                                                          \
    X(RQ_MAX_DURATION, "downstream_rq_max_duration_reached", COUNTER)                                                  \
    X(RQ_TIMEOUT, "downstream_rq_timeout", COUNTER)                                                                    \
    X(RQ_HEADER_TIMEOUT, "downstream_rq_header_timeout", COUNTER)                                                      \
    X(RS_TOO_LARGE, "rs_too_large", COUNTER)                                                                           \
    X(NO_ROUTE, "no_route", COUNTER)                                                                                   \
    X(NO_CLUSTER, "no_cluster", COUNTER)                                                                               \
    X(RQ_REDIRECT, "rq_redirect", COUNTER)                                                                             \
    X(RQ_DIRECT_RESPONSE, "rq_direct_response", COUNTER)                                                               \
    X(RQ_ROUTED_TOTAL, "rq_total", COUNTER)                                                                            \
    X(RQ_RESET_AFTER_RESPONSE, "rq_reset_after_downstream_response_started", COUNTER)                                  \
    X(RQ_OVERLOAD_LOCAL_REPLY, "rq_overload_local_reply", COUNTER)                                                     \
    X(TRACING_RANDOM, "tracing.random_sampling", COUNTER)                                                              \
    X(TRACING_SERVICE, "tracing.service_forced", COUNTER)                                                              \
    X(TRACING_CLIENT, "tracing.client_enabled", COUNTER)                                                               \
    X(TRACING_NONE, "tracing.not_traceable", COUNTER)                                                                  \
    X(TRACING_HEALTH_CHECK, "tracing.health_check", COUNTER)

/* prefix "listener.<address>." */
#define LK_LISTENER_STATS(X)                                                                                           \
    X(CX_TOTAL, "downstream_cx_total", COUNTER)                                                                        \
    X(CX_ACTIVE, "downstream_cx_active", GAUGE)                                                                        \
    X(CX_DESTROY, "downstream_cx_destroy", COUNTER)                                                                    \
    X(CX_LENGTH_MS, "downstream_cx_length_ms", HISTOGRAM)                                                              \
    X(CX_OVERFLOW, "downstream_cx_overflow", COUNTER)                                                                  \
    X(CX_OVERLOAD_REJECT, "downstream_cx_overload_reject", COUNTER)                                                    \
    X(GLOBAL_CX_OVERFLOW, "downstream_global_cx_overflow", COUNTER)                                                    \
    X(PRE_CX_TIMEOUT, "downstream_pre_cx_timeout", COUNTER)                                                            \
    X(PRE_CX_ACTIVE, "downstream_pre_cx_active", GAUGE)                                                                \
    X(NO_CHAIN_MATCH, "no_filter_chain_match", COUNTER)                                                                \
    X(LF_REMOTE_CLOSE, "downstream_listener_filter_remote_close", COUNTER)                                             \
    X(LF_ERROR, "downstream_listener_filter_error", COUNTER)

/* prefix "listener.<address>.http.<stat_prefix>." */
#define LK_LISTENER_HTTP_STATS(X)                                                                                      \
    X(RQ_COMPLETED, "downstream_rq_completed", COUNTER)                                                                \
    X(RQ_1XX, "downstream_rq_1xx", COUNTER)                                                                            \
    X(RQ_2XX, "downstream_rq_2xx", COUNTER)                                                                            \
    X(RQ_3XX, "downstream_rq_3xx", COUNTER)                                                                            \
    X(RQ_4XX, "downstream_rq_4xx", COUNTER)                                                                            \
    X(RQ_5XX, "downstream_rq_5xx", COUNTER)

/* prefix "tcp.<stat_prefix>." */
#define LK_TCP_STATS(X)                                                                                                \
    X(CX_TOTAL, "downstream_cx_total", COUNTER)                                                                        \
    X(NO_ROUTE, "downstream_cx_no_route", COUNTER)                                                                     \
    X(CX_TX_BYTES, "downstream_cx_tx_bytes_total", COUNTER)                                                            \
    X(CX_TX_BUFFERED, "downstream_cx_tx_bytes_buffered", GAUGE)                                                        \
    X(CX_RX_BYTES, "downstream_cx_rx_bytes_total", COUNTER)                                                            \
    X(CX_RX_BUFFERED, "downstream_cx_rx_bytes_buffered", GAUGE)                                                        \
    X(FLOW_PAUSED, "downstream_flow_control_paused_reading_total", COUNTER)                                            \
    X(FLOW_RESUMED, "downstream_flow_control_resumed_reading_total", COUNTER)                                          \
    X(IDLE_TIMEOUT, "idle_timeout", COUNTER)                                                                           \
    X(MAX_DURATION, "max_downstream_connection_duration", COUNTER)                                                     \
    X(FLUSH_TOTAL, "upstream_flush_total", COUNTER)                                                                    \
    X(FLUSH_ACTIVE, "upstream_flush_active", GAUGE)                                                                    \
    X(SPLICED, "splice_bytes_total", COUNTER) /* ours */

#define LK_STAT_CLUSTER_(id, name, kind) LK_CLUSTER_##id,
enum { LK_CLUSTER_STATS(LK_STAT_CLUSTER_) LK_CLUSTER_STAT_COUNT };
#define LK_STAT_HTTP_(id, name, kind) LK_HTTP_##id,
enum { LK_HTTP_STATS(LK_STAT_HTTP_) LK_HTTP_STAT_COUNT };
#define LK_STAT_LISTENER_(id, name, kind) LK_LISTENER_##id,
enum { LK_LISTENER_STATS(LK_STAT_LISTENER_) LK_LISTENER_STAT_COUNT };
#define LK_STAT_LISTENER_HTTP_(id, name, kind) LK_LISTENER_HTTP_##id,
enum { LK_LISTENER_HTTP_STATS(LK_STAT_LISTENER_HTTP_) LK_LISTENER_HTTP_STAT_COUNT };
#define LK_STAT_TCP_(id, name, kind) LK_TCP_##id,
enum { LK_TCP_STATS(LK_STAT_TCP_) LK_TCP_STAT_COUNT };
#define LK_STAT_HEALTH_(id, name, kind) LK_HEALTH_STAT_##id,
enum { LK_HEALTH_STATS(LK_STAT_HEALTH_) LK_HEALTH_STAT_COUNT };
#define LK_STAT_OUTLIER_(id, name, kind) LK_OUTLIER_STAT_##id,
enum { LK_OUTLIER_STATS(LK_STAT_OUTLIER_) LK_OUTLIER_STAT_COUNT };

extern const struct lk_stat_block lk_cluster_stat_block;
extern const struct lk_stat_block lk_http_stat_block;
extern const struct lk_stat_block lk_listener_stat_block;
extern const struct lk_stat_block lk_listener_http_stat_block;
extern const struct lk_stat_block lk_tcp_stat_block;
extern const struct lk_stat_block lk_health_stat_block;
extern const struct lk_stat_block lk_outlier_stat_block;
