/* Active and passive health checking of a cluster's hosts as plain immutable data, from
 * envoy.config.core.v3.HealthCheck, envoy.config.cluster.v3.OutlierDetection and
 * envoy.config.endpoint.v3.Endpoint.HealthCheckConfig. */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/config/matcher.h"
#include "proxy/config/route_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_health_check_kind { LK_CHECK_HTTP, LK_CHECK_TCP };

struct lk_status_range {
    uint16_t start, end; /* [start, end) */
};

struct lk_status_ranges {
    const struct lk_status_range *list;
    size_t count;
};

/* What is sent, and what must be found in the answer: each block, in this order, not necessarily side by side. */
struct lk_check_payload {
    struct lk_str send;
    const struct lk_str *receive;
    size_t receive_count;
};

struct lk_http_check_config {
    struct lk_str host; /* empty: the cluster's name */
    struct lk_str path;
    struct lk_str method;
    struct lk_status_ranges expected;             /* never empty */
    struct lk_status_ranges retriable;            /* these count towards the threshold instead of failing at once */
    struct lk_header_mutations headers;           /* values are literals */
    const struct lk_string_matcher *service_name; /* x-envoy-upstream-healthchecked-cluster; NULL: not looked at */
    uint32_t buffer_size;                         /* bytes of the body that are compared with the payload */
};

struct lk_health_check_config {
    enum lk_health_check_kind kind;
    uint32_t timeout_ms;
    uint32_t interval_ms;
    uint32_t initial_jitter_ms, interval_jitter_ms, interval_jitter_percent;
    uint32_t healthy_threshold, unhealthy_threshold;
    uint32_t no_traffic_interval_ms, no_traffic_healthy_interval_ms; /* while the cluster has had no connection */
    uint32_t unhealthy_interval_ms, unhealthy_edge_interval_ms, healthy_edge_interval_ms;
    bool reuse_connection;
    bool log_failures, log_successes; /* each of them is a line in the log */
    struct lk_check_payload payload;
    struct lk_http_check_config http;
};

/* Of one endpoint. */
struct lk_endpoint_check {
    struct lk_addr addr;    /* len 0: the endpoint's own */
    uint16_t port;          /* 0: that of the address */
    struct lk_str hostname; /* for the Host of HTTP checks; empty: not given */
    bool disabled;
};

struct lk_outlier_config {
    uint32_t interval_ms;            /* 10000 */
    uint32_t base_ejection_ms;       /* 30000 */
    uint32_t max_ejection_ms;        /* 300000, at least the base */
    uint32_t max_ejection_jitter_ms; /* 0 */
    uint32_t max_ejection_percent;   /* 10 */
    bool always_eject_one;
    bool split_errors;     /* count what this side saw (connects, timeouts) apart from what the host answered */
    bool uneject_on_check; /* a successful active check ends an ejection; true */
    /* errors in a row that are detected (5 each), and the percentage of detections that eject */
    uint32_t consecutive_5xx, enforcing_5xx;                   /* 100 */
    uint32_t consecutive_gateway, enforcing_gateway;           /* 0 */
    uint32_t consecutive_local_origin, enforcing_local_origin; /* 100 */
};
