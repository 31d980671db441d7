/*
 * The well-known header names: one id space for HTTP/1, HPACK and matchers. X(enumerator, lower-case name). The
 * generated perfect hash (lk_header_id_of) covers this list and is checked against it by a test. Pseudo-headers come
 * first.
 */
#pragma once

#define LK_HEADER_NAMES(X)                                                                                             \
    X(METHOD, ":method")                                                                                               \
    X(SCHEME, ":scheme")                                                                                               \
    X(AUTHORITY, ":authority")                                                                                         \
    X(PATH, ":path")                                                                                                   \
    X(STATUS, ":status")                                                                                               \
    X(PROTOCOL, ":protocol")                                                                                           \
    X(ACCEPT, "accept")                                                                                                \
    X(ACCEPT_ENCODING, "accept-encoding")                                                                              \
    X(AUTHORIZATION, "authorization")                                                                                  \
    X(BAGGAGE, "baggage")                                                                                              \
    X(B3, "b3")                                                                                                        \
    X(CACHE_CONTROL, "cache-control")                                                                                  \
    X(CONNECTION, "connection")                                                                                        \
    X(CONTENT_LENGTH, "content-length")                                                                                \
    X(CONTENT_TYPE, "content-type")                                                                                    \
    X(COOKIE, "cookie")                                                                                                \
    X(DATE, "date")                                                                                                    \
    X(EXPECT, "expect")                                                                                                \
    X(GRPC_MESSAGE, "grpc-message")                                                                                    \
    X(GRPC_STATUS, "grpc-status")                                                                                      \
    X(GRPC_TIMEOUT, "grpc-timeout")                                                                                    \
    X(HTTP2_SETTINGS, "http2-settings")                                                                                \
    X(KEEP_ALIVE, "keep-alive")                                                                                        \
    X(LOCATION, "location")                                                                                            \
    X(ORIGIN, "origin")                                                                                                \
    X(P_PRADAR_CLUSTER_TEST, "p-pradar-cluster-test")                                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                                            \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                                        \
    X(REFERER, "referer")                                                                                              \
    X(SERVER, "server")                                                                                                \
    X(SET_COOKIE, "set-cookie")                                                                                        \
    X(TE, "te")                                                                                                        \
    X(TRACEPARENT, "traceparent")                                                                                      \
    X(TRACESTATE, "tracestate")                                                                                        \
    X(TRAILER, "trailer")                                                                                              \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                                          \
    X(UPGRADE, "upgrade")                                                                                              \
    X(USER_AGENT, "user-agent")                                                                                        \
    X(VIA, "via")                                                                                                      \
    X(SW8, "sw8")                                                                                                      \
    X(SW8_CORRELATION, "sw8-correlation")                                                                              \
    X(SW8_X, "sw8-x")                                                                                                  \
    X(UBER_TRACE_ID, "uber-trace-id")                                                                                  \
    X(X_ASM_PREFER_TAG, "x-asm-prefer-tag")                                                                            \
    X(X_B3_FLAGS, "x-b3-flags")                                                                                        \
    X(X_B3_PARENTSPANID, "x-b3-parentspanid")                                                                          \
    X(X_B3_SAMPLED, "x-b3-sampled")                                                                                    \
    X(X_B3_SPANID, "x-b3-spanid")                                                                                      \
    X(X_B3_TRACEID, "x-b3-traceid")                                                                                    \
    X(X_CLIENT_TRACE_ID, "x-client-trace-id")                                                                          \
    X(X_ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count")                                                                  \
    X(X_ENVOY_DECORATOR_OPERATION, "x-envoy-decorator-operation")                                                      \
    X(X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, "x-envoy-downstream-service-cluster")                                        \
    X(X_ENVOY_DOWNSTREAM_SERVICE_NODE, "x-envoy-downstream-service-node")                                              \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms")                                                \
    X(X_ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address")                                                            \
    X(X_ENVOY_FORCE_TRACE, "x-envoy-force-trace")                                                                      \
    X(X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT, "x-envoy-hedge-on-per-try-timeout")                                            \
    X(X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, "x-envoy-immediate-health-check-fail")                                      \
    X(X_ENVOY_INTERNAL, "x-envoy-internal")                                                                            \
    X(X_ENVOY_IP_TAGS, "x-envoy-ip-tags")                                                                              \
    X(X_ENVOY_MAX_RETRIES, "x-envoy-max-retries")                                                                      \
    X(X_ENVOY_ORIGINAL_HOST, "x-envoy-original-host")                                                                  \
    X(X_ENVOY_ORIGINAL_PATH, "x-envoy-original-path")                                                                  \
    X(X_ENVOY_OVERLOADED, "x-envoy-overloaded")                                                                        \
    X(X_ENVOY_RATELIMITED, "x-envoy-ratelimited")                                                                      \
    X(X_ENVOY_RETRIABLE_HEADER_NAMES, "x-envoy-retriable-header-names")                                                \
    X(X_ENVOY_RETRIABLE_STATUS_CODES, "x-envoy-retriable-status-codes")                                                \
    X(X_ENVOY_RETRY_GRPC_ON, "x-envoy-retry-grpc-on")                                                                  \
    X(X_ENVOY_RETRY_ON, "x-envoy-retry-on")                                                                            \
    X(X_ENVOY_UPSTREAM_ALT_STAT_NAME, "x-envoy-upstream-alt-stat-name")                                                \
    X(X_ENVOY_UPSTREAM_CANARY, "x-envoy-upstream-canary")                                                              \
    X(X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, "x-envoy-upstream-rq-per-try-timeout-ms")                                \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE, "x-envoy-upstream-rq-timeout-alt-response")                            \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, "x-envoy-upstream-rq-timeout-ms")                                                \
    X(X_ENVOY_UPSTREAM_SERVICE_TIME, "x-envoy-upstream-service-time")                                                  \
    X(X_ENVOY_UPSTREAM_STREAM_DURATION_MS, "x-envoy-upstream-stream-duration-ms")                                      \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert")                                                              \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                                              \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                                            \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                                                            \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                                          \
    X(X_LANE, "x-lane")                                                                                                \
    X(X_LANE_SERVED, "x-lane-served")                                                                                  \
    X(X_MSE_GRAY_TAG, "x-mse-gray-tag")                                                                                \
    X(X_MSE_TAG, "x-mse-tag")                                                                                          \
    X(X_OPENSERGO_TRAFFIC, "x-opensergo-traffic")                                                                      \
    X(X_REQUEST_ID, "x-request-id")                                                                                    \
    X(X_VIRTUAL_ENV, "x-virtual-env")

enum lk_header_id {
#define X(id, name) LK_HEADER_##id,
    LK_HEADER_NAMES(X)
#undef X
        LK_HEADER_COUNT,
    LK_HEADER_OTHER = LK_HEADER_COUNT,
};
