/* THE list of filters. Adding one = its .c, its .proto, its unit test, and a row here. */
#include "filters/filter_table.h"

#include <stddef.h>

static const struct lk_listener_filter *const listener_filters[] = {
    &lk_original_dst_filter,
    &lk_tls_inspector_filter,
    &lk_http_inspector_filter,
    NULL,
};

static const struct lk_network_filter *const network_filters[] = {
    &lk_http_connection_manager_filter,
    &lk_lane_network_filter,
    &lk_tcp_proxy_filter,
    NULL,
};

static const struct lk_http_filter *const http_filters[] = {
    &lk_header_to_metadata_filter,
    &lk_lane_filter,
    &lk_router_filter,
    NULL,
};

static const struct lk_access_logger *const access_loggers[] = {
    &lk_file_access_logger,
    &lk_stdout_access_logger,
    &lk_stderr_access_logger,
    NULL,
};

static const struct lk_tracer *const tracers[] = {
    &lk_opentelemetry_tracer,
    &lk_skywalking_tracer,
    &lk_zipkin_tracer,
    NULL,
};

const struct lk_registry lk_filter_table = {
    .listener_filters = listener_filters,
    .network_filters = network_filters,
    .http_filters = http_filters,
    .access_loggers = access_loggers,
    .tracers = tracers,
};
