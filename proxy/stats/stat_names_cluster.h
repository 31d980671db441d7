/* The stats of clusters, under Envoy's names (docs: cluster manager statistics); see stat_names.h. */
#pragma once

/* prefix "cluster.<name>." */
#define LK_CLUSTER_STATS(X)                                                                                            \
    X(CX_TOTAL, "upstream_cx_total", COUNTER)                                                                          \
    X(CX_ACTIVE, "upstream_cx_active", GAUGE)                                                                          \
    X(CX_HTTP1_TOTAL, "upstream_cx_http1_total", COUNTER)                                                              \
    X(CX_HTTP2_TOTAL, "upstream_cx_http2_total", COUNTER)                                                              \
    X(CX_CONNECT_FAIL, "upstream_cx_connect_fail", COUNTER)                                                            \
    X(CX_CONNECT_TIMEOUT, "upstream_cx_connect_timeout", COUNTER)                                                      \
    X(CX_ATTEMPTS_EXCEEDED, "upstream_cx_connect_attempts_exceeded", COUNTER)                                          \
    X(CX_IDLE_TIMEOUT, "upstream_cx_idle_timeout", COUNTER)                                                            \
    X(CX_MAX_DURATION, "upstream_cx_max_duration_reached", COUNTER)                                                    \
    X(CX_OVERFLOW, "upstream_cx_overflow", COUNTER)                                                                    \
    X(CX_CONNECT_MS, "upstream_cx_connect_ms", HISTOGRAM)                                                              \
    X(CX_LENGTH_MS, "upstream_cx_length_ms", HISTOGRAM)                                                                \
    X(CX_DESTROY, "upstream_cx_destroy", COUNTER)                                                                      \
    X(CX_DESTROY_LOCAL, "upstream_cx_destroy_local", COUNTER)                                                          \
    X(CX_DESTROY_REMOTE, "upstream_cx_destroy_remote", COUNTER)                                                        \
    X(CX_DESTROY_WITH_RQ, "upstream_cx_destroy_with_active_rq", COUNTER)                                               \
    X(CX_DESTROY_LOCAL_WITH_RQ, "upstream_cx_destroy_local_with_active_rq", COUNTER)                                   \
    X(CX_DESTROY_REMOTE_WITH_RQ, "upstream_cx_destroy_remote_with_active_rq", COUNTER)                                 \
    X(CX_CLOSE_NOTIFY, "upstream_cx_close_notify", COUNTER)                                                            \
    X(CX_RX_BYTES, "upstream_cx_rx_bytes_total", COUNTER)                                                              \
    X(CX_TX_BYTES, "upstream_cx_tx_bytes_total", COUNTER)                                                              \
    X(CX_RX_BUFFERED, "upstream_cx_rx_bytes_buffered", GAUGE)                                                          \
    X(CX_TX_BUFFERED, "upstream_cx_tx_bytes_buffered", GAUGE)                                                          \
    X(CX_PROTOCOL_ERROR, "upstream_cx_protocol_error", COUNTER)                                                        \
    X(CX_MAX_REQUESTS, "upstream_cx_max_requests", COUNTER)                                                            \
    X(CX_NONE_HEALTHY, "upstream_cx_none_healthy", COUNTER)                                                            \
    X(CX_POOL_OVERFLOW, "upstream_cx_pool_overflow", COUNTER)                                                          \
    X(CX_EARLY_RETIRED, "upstream_cx_early_retired",                                                                   \
      COUNTER) /* ours: closed before the server's learned idle limit */                                               \
    X(RQ_TOTAL, "upstream_rq_total", COUNTER)                                                                          \
    X(RQ_ACTIVE, "upstream_rq_active", GAUGE)                                                                          \
    X(RQ_PENDING_TOTAL, "upstream_rq_pending_total", COUNTER)                                                          \
    X(RQ_PENDING_OVERFLOW, "upstream_rq_pending_overflow", COUNTER)                                                    \
    X(RQ_PENDING_FAILURE_EJECT, "upstream_rq_pending_failure_eject", COUNTER)                                          \
    X(RQ_PENDING_ACTIVE, "upstream_rq_pending_active", GAUGE)                                                          \
    X(RQ_CANCELLED, "upstream_rq_cancelled", COUNTER)                                                                  \
    X(RQ_MAINTENANCE, "upstream_rq_maintenance_mode", COUNTER)                                                         \
    X(RQ_TIMEOUT, "upstream_rq_timeout", COUNTER)                                                                      \
    X(RQ_MAX_DURATION, "upstream_rq_max_duration_reached", COUNTER)                                                    \
    X(RQ_PER_TRY_TIMEOUT, "upstream_rq_per_try_timeout", COUNTER)                                                      \
    X(RQ_PER_TRY_IDLE_TIMEOUT, "upstream_rq_per_try_idle_timeout", COUNTER)                                            \
    X(RQ_RX_RESET, "upstream_rq_rx_reset", COUNTER)                                                                    \
    X(RQ_TX_RESET, "upstream_rq_tx_reset", COUNTER)                                                                    \
    X(RQ_RETRY, "upstream_rq_retry", COUNTER)                                                                          \
    X(RQ_RETRY_BACKOFF_EXP, "upstream_rq_retry_backoff_exponential", COUNTER)                                          \
    X(RQ_RETRY_BACKOFF_LIMITED, "upstream_rq_retry_backoff_ratelimited", COUNTER)                                      \
    X(RQ_RETRY_LIMIT, "upstream_rq_retry_limit_exceeded", COUNTER)                                                     \
    X(RQ_RETRY_SUCCESS, "upstream_rq_retry_success", COUNTER)                                                          \
    X(RQ_RETRY_OVERFLOW, "upstream_rq_retry_overflow", COUNTER)                                                        \
    X(RQ_REPLAYED, "upstream_rq_replayed", COUNTER) /* ours: moved to another connection without any policy */         \
    X(RQ_COMPLETED, "upstream_rq_completed", COUNTER)                                                                  \
    X(RQ_1XX, "upstream_rq_1xx", COUNTER)                                                                              \
    X(RQ_2XX, "upstream_rq_2xx", COUNTER)                                                                              \
    X(RQ_3XX, "upstream_rq_3xx", COUNTER)                                                                              \
    X(RQ_4XX, "upstream_rq_4xx", COUNTER)                                                                              \
    X(RQ_5XX, "upstream_rq_5xx", COUNTER)                                                                              \
    X(RQ_CODES, "upstream_rq", CODES)                                                                                  \
    X(RQ_TIME, "upstream_rq_time", HISTOGRAM)                                                                          \
    X(EXTERNAL_COMPLETED, "external.upstream_rq_completed", COUNTER)                                                   \
    X(EXTERNAL_1XX, "external.upstream_rq_1xx", COUNTER)                                                               \
    X(EXTERNAL_2XX, "external.upstream_rq_2xx", COUNTER)                                                               \
    X(EXTERNAL_3XX, "external.upstream_rq_3xx", COUNTER)                                                               \
    X(EXTERNAL_4XX, "external.upstream_rq_4xx", COUNTER)                                                               \
    X(EXTERNAL_5XX, "external.upstream_rq_5xx", COUNTER)                                                               \
    X(EXTERNAL_CODES, "external.upstream_rq", CODES)                                                                   \
    X(INTERNAL_COMPLETED, "internal.upstream_rq_completed", COUNTER)                                                   \
    X(INTERNAL_1XX, "internal.upstream_rq_1xx", COUNTER)                                                               \
    X(INTERNAL_2XX, "internal.upstream_rq_2xx", COUNTER)                                                               \
    X(INTERNAL_3XX, "internal.upstream_rq_3xx", COUNTER)                                                               \
    X(INTERNAL_4XX, "internal.upstream_rq_4xx", COUNTER)                                                               \
    X(INTERNAL_5XX, "internal.upstream_rq_5xx", COUNTER)                                                               \
    X(INTERNAL_CODES, "internal.upstream_rq", CODES)                                                                   \
    X(FLOW_PAUSED, "upstream_flow_control_paused_reading_total", COUNTER)                                              \
    X(FLOW_RESUMED, "upstream_flow_control_resumed_reading_total", COUNTER)                                            \
    X(MEMBERSHIP_CHANGE, "membership_change", COUNTER)                                                                 \
    X(MEMBERSHIP_TOTAL, "membership_total", GAUGE)                                                                     \
    X(MEMBERSHIP_HEALTHY, "membership_healthy", GAUGE)                                                                 \
    X(MEMBERSHIP_DEGRADED, "membership_degraded", GAUGE)                                                               \
    X(MEMBERSHIP_EXCLUDED, "membership_excluded", GAUGE)                                                               \
    X(UPDATE_ATTEMPT, "update_attempt", COUNTER)                                                                       \
    X(UPDATE_SUCCESS, "update_success", COUNTER)                                                                       \
    X(UPDATE_FAILURE, "update_failure", COUNTER)                                                                       \
    X(UPDATE_EMPTY, "update_empty", COUNTER)                                                                           \
    X(UPDATE_NO_REBUILD, "update_no_rebuild", COUNTER)                                                                 \
    X(LB_HEALTHY_PANIC, "lb_healthy_panic", COUNTER)                                                                   \
    X(LB_SUBSETS_ACTIVE, "lb_subsets_active", GAUGE)                                                                   \
    X(LB_SUBSETS_CREATED, "lb_subsets_created", COUNTER)                                                               \
    X(LB_SUBSETS_REMOVED, "lb_subsets_removed", COUNTER)                                                               \
    X(LB_SUBSETS_SELECTED, "lb_subsets_selected", COUNTER)                                                             \
    X(LB_SUBSETS_FALLBACK, "lb_subsets_fallback", COUNTER)                                                             \
    X(LB_SUBSETS_FALLBACK_PANIC, "lb_subsets_fallback_panic", COUNTER)                                                 \
    X(BIND_ERRORS, "bind_errors", COUNTER)                                                                             \
    X(ASSIGNMENT_STALE, "assignment_stale", COUNTER)                                                                   \
    X(RETRY_OR_SHADOW_ABANDONED, "retry_or_shadow_abandoned", COUNTER)                                                 \
    X(DNS_TIMEOUT, "dns_timeout", COUNTER)

/* prefix "cluster.<name>.health_check." */
#define LK_HEALTH_STATS(X)                                                                                             \
    X(ATTEMPT, "attempt", COUNTER)                                                                                     \
    X(SUCCESS, "success", COUNTER)                                                                                     \
    X(FAILURE, "failure", COUNTER)                                                                                     \
    X(PASSIVE_FAILURE, "passive_failure", COUNTER)                                                                     \
    X(NETWORK_FAILURE, "network_failure", COUNTER)                                                                     \
    X(VERIFY_CLUSTER, "verify_cluster", COUNTER)                                                                       \
    X(HEALTHY, "healthy", GAUGE)                                                                                       \
    X(DEGRADED, "degraded", GAUGE)

/* prefix "cluster.<name>.outlier_detection."; the detected and enforced ones in the order of enum lk_outlier_kind */
#define LK_OUTLIER_STATS(X)                                                                                            \
    X(ACTIVE, "ejections_active", GAUGE)                                                                               \
    X(DETECTED_5XX, "ejections_detected_consecutive_5xx", COUNTER)                                                     \
    X(DETECTED_GATEWAY, "ejections_detected_consecutive_gateway_failure", COUNTER)                                     \
    X(DETECTED_LOCAL_ORIGIN, "ejections_detected_consecutive_local_origin_failure", COUNTER)                           \
    X(ENFORCED_5XX, "ejections_enforced_consecutive_5xx", COUNTER)                                                     \
    X(ENFORCED_GATEWAY, "ejections_enforced_consecutive_gateway_failure", COUNTER)                                     \
    X(ENFORCED_LOCAL_ORIGIN, "ejections_enforced_consecutive_local_origin_failure", COUNTER)                           \
    X(ENFORCED_TOTAL, "ejections_enforced_total", COUNTER)                                                             \
    X(OVERFLOW, "ejections_overflow", COUNTER)                                                                         \
    X(TOTAL, "ejections_total", COUNTER)                     /* Envoy's older name for 5xx alone */                    \
    X(CONSECUTIVE_5XX, "ejections_consecutive_5xx", COUNTER) /* Envoy's older name of the detected */
