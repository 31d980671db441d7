/* Why a response is what it is: Envoy's response flags and, behind them, those of lanes; for log lines and log filters.
 */
#pragma once

#include <stdint.h>

/* X(enumerator, short, long): %RESPONSE_FLAGS% and %RESPONSE_FLAGS_LONG%, in order of printing. */
#define LK_RESPONSE_FLAGS(X)                                                                                           \
    X(FAILED_LOCAL_HEALTH_CHECK, "LH", "FailedLocalHealthCheck")                                                       \
    X(NO_HEALTHY_UPSTREAM, "UH", "NoHealthyUpstream")                                                                  \
    X(UPSTREAM_REQUEST_TIMEOUT, "UT", "UpstreamRequestTimeout")                                                        \
    X(LOCAL_RESET, "LR", "LocalReset")                                                                                 \
    X(UPSTREAM_REMOTE_RESET, "UR", "UpstreamRemoteReset")                                                              \
    X(UPSTREAM_CONNECTION_FAILURE, "UF", "UpstreamConnectionFailure")                                                  \
    X(UPSTREAM_CONNECTION_TERMINATION, "UC", "UpstreamConnectionTermination")                                          \
    X(UPSTREAM_OVERFLOW, "UO", "UpstreamOverflow")                                                                     \
    X(NO_ROUTE_FOUND, "NR", "NoRouteFound")                                                                            \
    X(DELAY_INJECTED, "DI", "DelayInjected")                                                                           \
    X(FAULT_INJECTED, "FI", "FaultInjected")                                                                           \
    X(RATE_LIMITED, "RL", "RateLimited")                                                                               \
    X(UNAUTHORIZED_EXTERNAL_SERVICE, "UAEX", "UnauthorizedExternalService")                                            \
    X(RATELIMIT_SERVICE_ERROR, "RLSE", "RateLimitServiceError")                                                        \
    X(DOWNSTREAM_CONNECTION_TERMINATION, "DC", "DownstreamConnectionTermination")                                      \
    X(UPSTREAM_RETRY_LIMIT_EXCEEDED, "URX", "UpstreamRetryLimitExceeded")                                              \
    X(STREAM_IDLE_TIMEOUT, "SI", "StreamIdleTimeout")                                                                  \
    X(INVALID_ENVOY_REQUEST_HEADERS, "IH", "InvalidEnvoyRequestHeaders")                                               \
    X(DOWNSTREAM_PROTOCOL_ERROR, "DPE", "DownstreamProtocolError")                                                     \
    X(UPSTREAM_MAX_STREAM_DURATION_REACHED, "UMSDR", "UpstreamMaxStreamDurationReached")                               \
    X(RESPONSE_FROM_CACHE_FILTER, "RFCF", "ResponseFromCacheFilter")                                                   \
    X(NO_FILTER_CONFIG_FOUND, "NFCF", "NoFilterConfigFound")                                                           \
    X(DURATION_TIMEOUT, "DT", "DurationTimeout")                                                                       \
    X(UPSTREAM_PROTOCOL_ERROR, "UPE", "UpstreamProtocolError")                                                         \
    X(NO_CLUSTER_FOUND, "NC", "NoClusterFound")                                                                        \
    X(OVERLOAD_MANAGER, "OM", "OverloadManagerTerminated")                                                             \
    X(DNS_RESOLUTION_FAILED, "DF", "DnsResolutionFailed")                                                              \
    X(DROP_OVERLOAD, "DO", "DropOverload")                                                                             \
    X(DOWNSTREAM_REMOTE_RESET, "DR", "DownstreamRemoteReset")                                                          \
    X(UNCONDITIONAL_DROP_OVERLOAD, "UDO", "UnconditionalDropOverload")                                                 \
    X(LANE_FALLBACK, "LF", "LaneFallback")                                                                             \
    X(LANE_UNKNOWN, "LU", "LaneUnknown")                                                                               \
    X(LANE_CAPPED, "LC", "LaneCapped")                                                                                 \
    X(LANE_SHADOW_REFUSED, "LS", "LaneShadowRefused")                                                                  \
    X(LANE_STRIPPED, "LX", "LaneStripped")

enum lk_response_flag {
#define X(id, short_name, long_name) LK_FLAG_##id,
    LK_RESPONSE_FLAGS(X)
#undef X
        LK_FLAG_COUNT
};
#define LK_FLAG_BIT(id) ((uint64_t)1 << LK_FLAG_##id)
