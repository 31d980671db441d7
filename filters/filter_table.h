/* Every filter that is built in. Each lives in one file that exports its descriptor, and nothing else. */
#pragma once

#include "proxy/filter/registry.h"

extern const struct lk_listener_filter lk_original_dst_filter;
extern const struct lk_listener_filter lk_tls_inspector_filter;
extern const struct lk_listener_filter lk_http_inspector_filter;
extern const struct lk_network_filter lk_http_connection_manager_filter;
extern const struct lk_network_filter lk_lane_network_filter;
extern const struct lk_network_filter lk_tcp_proxy_filter;
extern const struct lk_http_filter lk_header_to_metadata_filter;
extern const struct lk_http_filter lk_lane_filter;
extern const struct lk_http_filter lk_router_filter;
extern const struct lk_access_logger lk_file_access_logger;
extern const struct lk_access_logger lk_stdout_access_logger;
extern const struct lk_access_logger lk_stderr_access_logger;
extern const struct lk_tracer lk_opentelemetry_tracer;
extern const struct lk_tracer lk_skywalking_tracer;
extern const struct lk_tracer lk_zipkin_tracer;

extern const struct lk_registry lk_filter_table;
