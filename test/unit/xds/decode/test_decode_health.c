/* Active checks, outlier detection, and how endpoints want to be checked. */
#include "proxy/config/health_config.h"
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"
#include "xds/decode/decode_cluster.h"

#define CHECK "timeout: 1s, interval: 2s, unhealthy_threshold: 3, healthy_threshold: 4, "

static struct lk_decode_fixture fixture;

static const struct lk_cluster_config *decode(const char *fields)
{
    char yaml[4096];

    snprintf(yaml, sizeof(yaml), "{name: c, %s}", fields);
    lk_decode_fixture_init(&fixture);
    return lk_decode_cluster(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &envoy__config__cluster__v3__cluster__descriptor, yaml));
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static const struct lk_health_check_config *decode_check(const char *fields)
{
    char text[2048];

    snprintf(text, sizeof(text), "health_checks: [{%s}]", fields);
    return decode(text)->health_check;
}

static void mistake(const char *fields, const char *path, const char *part)
{
    char full[256];

    decode_check(fields);
    snprintf(full, sizeof(full), "health_checks[0]%s%s", path[0] != 0 ? "." : "", path);
    lk_decode_fixture_mistake(&fixture, full, part);
    end();
}

LK_TEST(decode_health, is_off_by_default)
{
    const struct lk_cluster_config *config = decode("type: STATIC");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_NULL(config->health_check);
    LK_CHECK_NULL(config->outlier);
    LK_CHECK(!config->ignore_new_hosts && !config->close_on_health_failure);
    end();
}

LK_TEST(decode_health, gives_the_defaults_of_a_check)
{
    const struct lk_health_check_config *check = decode_check(CHECK "http_health_check: {path: /healthz}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(check->kind, LK_CHECK_HTTP);
    LK_CHECK_EQ_UINT(check->timeout_ms, 1000);
    LK_CHECK_EQ_UINT(check->interval_ms, 2000);
    LK_CHECK_EQ_UINT(check->unhealthy_threshold, 3);
    LK_CHECK_EQ_UINT(check->healthy_threshold, 4);
    LK_CHECK_EQ_UINT(check->no_traffic_interval_ms, 60000);
    LK_CHECK_EQ_UINT(check->no_traffic_healthy_interval_ms, 60000);
    LK_CHECK_EQ_UINT(check->unhealthy_interval_ms, 2000);
    LK_CHECK_EQ_UINT(check->unhealthy_edge_interval_ms, 2000);
    LK_CHECK_EQ_UINT(check->healthy_edge_interval_ms, 2000);
    LK_CHECK_EQ_UINT(check->initial_jitter_ms + check->interval_jitter_ms + check->interval_jitter_percent, 0);
    LK_CHECK(check->reuse_connection);
    LK_CHECK_LKSTR(check->http.path, "/healthz");
    LK_CHECK_LKSTR(check->http.method, "GET");
    LK_CHECK_LKSTR(check->http.host, "");
    LK_CHECK_EQ_UINT(check->http.buffer_size, 1024);
    LK_CHECK_EQ_UINT(check->http.expected.count, 1);
    LK_CHECK_EQ_UINT(check->http.expected.list[0].start, 200);
    LK_CHECK_EQ_UINT(check->http.expected.list[0].end, 201);
    LK_CHECK_NULL(check->http.service_name);
    end();
}

LK_TEST(decode_health, reads_the_schedule)
{
    const struct lk_health_check_config *check = decode_check(
        CHECK
        "tcp_health_check: {}, initial_jitter: 0.1s, interval_jitter: 0.2s, interval_jitter_percent: 30, "
        "no_traffic_interval: 4s, unhealthy_interval: 5s, unhealthy_edge_interval: 6s, healthy_edge_interval: 7s, "
        "no_traffic_healthy_interval: 8s, reuse_connection: false, always_log_health_check_failures: true, "
        "always_log_health_check_success: true");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(check->kind, LK_CHECK_TCP);
    LK_CHECK_EQ_UINT(check->initial_jitter_ms, 100);
    LK_CHECK_EQ_UINT(check->interval_jitter_ms, 200);
    LK_CHECK_EQ_UINT(check->interval_jitter_percent, 30);
    LK_CHECK_EQ_UINT(check->no_traffic_interval_ms, 4000);
    LK_CHECK_EQ_UINT(check->unhealthy_interval_ms, 5000);
    LK_CHECK_EQ_UINT(check->unhealthy_edge_interval_ms, 6000);
    LK_CHECK_EQ_UINT(check->healthy_edge_interval_ms, 7000);
    LK_CHECK_EQ_UINT(check->no_traffic_healthy_interval_ms, 8000);
    LK_CHECK(!check->reuse_connection && check->log_failures && check->log_successes);
    LK_CHECK_EQ_UINT(check->payload.receive_count, 0);
    end();
}

LK_TEST(decode_health, reads_an_http_check)
{
    const struct lk_health_check_config *check = decode_check(
        CHECK "http_health_check: {path: /h, host: web, method: HEAD, expected_statuses: [{start: 200, end: 300}, "
              "{start: 404, end: 405}], retriable_statuses: [{start: 500, end: 600}], send: {text: '0aFf'}, "
              "receive: [{binary: b2s=}], response_buffer_size: 0, service_name_matcher: {prefix: w}, "
              "request_headers_to_add: [{header: {key: x-a, value: b}}], request_headers_to_remove: [User-Agent]}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_LKSTR(check->http.host, "web");
    LK_CHECK_LKSTR(check->http.method, "HEAD");
    LK_CHECK_EQ_UINT(check->http.expected.count, 2);
    LK_CHECK_EQ_UINT(check->http.expected.list[1].start, 404);
    LK_CHECK_EQ_UINT(check->http.retriable.list[0].end, 600);
    LK_CHECK_LKSTR(check->payload.send, "\n\xff");
    LK_CHECK_LKSTR(check->payload.receive[0], "ok");
    LK_CHECK_EQ_UINT(check->http.buffer_size, 1024 * 1024);
    LK_CHECK(lk_string_matcher_match(check->http.service_name, LK_STR("web")));
    LK_CHECK_LKSTR(check->http.headers.add[0].name, "x-a");
    LK_CHECK_LKSTR(check->http.headers.remove[0], "user-agent");
    end();
}

LK_TEST(decode_health, names_mistakes)
{
    mistake("interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}", "timeout", "required");
    mistake("timeout: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}", "interval", "required");
    mistake("timeout: 1s, interval: 1s, healthy_threshold: 1, tcp_health_check: {}", "unhealthy_threshold", "required");
    mistake("timeout: 1s, interval: 1s, unhealthy_threshold: 1, tcp_health_check: {}", "healthy_threshold", "required");
    mistake("timeout: 0s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}", "timeout",
            "more than 0s");
    mistake("timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1", "", "expected one of");
    mistake(CHECK "http_health_check: {}", "http_health_check.path", "empty");
    mistake(CHECK "http_health_check: {path: '/a b'}", "http_health_check.path", "blanks");
    mistake(CHECK "http_health_check: {path: /, method: CONNECT}", "http_health_check.method", "CONNECT");
    mistake(CHECK "http_health_check: {path: /, host: \"a\\nb\"}", "http_health_check.host", "line breaks");
    mistake(CHECK "http_health_check: {path: /, codec_client_type: HTTP2}", "http_health_check.codec_client_type",
            "only HTTP1");
    mistake(CHECK "http_health_check: {path: /, expected_statuses: [{start: 99, end: 200}]}",
            "http_health_check.expected_statuses", "100 <= start");
    mistake(CHECK "http_health_check: {path: /, expected_statuses: [{start: 300, end: 300}]}",
            "http_health_check.expected_statuses", "start < end");
    mistake(CHECK "http_health_check: {path: /, retriable_statuses: [{start: 300, end: 601}]}",
            "http_health_check.retriable_statuses", "600");
    mistake(CHECK "http_health_check: {path: /, response_buffer_size: 1048577}",
            "http_health_check.response_buffer_size", "not kept");
    mistake(CHECK "http_health_check: {path: /, request_headers_to_add: [{header: {key: a, value: '%REQ(B)%'}}]}",
            "http_health_check.request_headers_to_add[0].header.value", "no request");
    mistake(CHECK "tcp_health_check: {send: {text: abc}}", "tcp_health_check.send.text", "pairs");
    mistake(CHECK "tcp_health_check: {receive: [{text: '00'}, {text: zz}]}", "tcp_health_check.receive[1].text",
            "no hexadecimal");
    mistake(CHECK "tcp_health_check: {receive: [{}]}", "tcp_health_check.receive[0]", "expected one of text");
    decode("health_checks: [{" CHECK "tcp_health_check: {}}, {" CHECK "tcp_health_check: {}}]");
    lk_decode_fixture_mistake(&fixture, "health_checks", "more than one");
    end();
}

LK_TEST(decode_health, knows_how_an_endpoint_is_checked)
{
    const struct lk_cluster_config *config = decode(
        "common_lb_config: {ignore_new_hosts_until_first_hc: true}, load_assignment: {cluster_name: c, "
        "endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}, "
        "health_check_config: {port_value: 81, hostname: h, address: {socket_address: {address: 10.0.0.2, "
        "port_value: 82}}}}}, {endpoint: {address: {pipe: {path: /s}}, health_check_config: "
        "{disable_active_health_check: true}}}, {endpoint: {address: {pipe: {path: /t}}}}]}]}");
    const struct lk_endpoint *endpoints = config->endpoints->localities[0].endpoints;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK(config->ignore_new_hosts);
    LK_CHECK_EQ_UINT(endpoints[0].check->port, 81);
    LK_CHECK_LKSTR(endpoints[0].check->hostname, "h");
    LK_CHECK_EQ_UINT(lk_addr_port(&endpoints[0].check->addr), 82);
    LK_CHECK(!endpoints[0].check->disabled && endpoints[1].check->disabled);
    LK_CHECK_NULL(endpoints[2].check);
    end();
    decode("load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /s}}, "
           "health_check_config: {port_value: 65536}}}]}]}");
    lk_decode_fixture_mistake(
        &fixture, "load_assignment.endpoints[0].lb_endpoints[0].endpoint.health_check_config.port_value", "65535");
    end();
}

LK_TEST(decode_health, gives_the_defaults_of_outlier_detection)
{
    const struct lk_outlier_config *outlier = decode("outlier_detection: {}")->outlier;

    lk_decode_fixture_clean(&fixture);
    lk_decode_fixture_warning(&fixture, "outlier_detection.enforcing_success_rate", "on by default");
    LK_CHECK_EQ_UINT(fixture.errors.warning_count, 1);
    LK_CHECK_EQ_UINT(outlier->interval_ms, 10000);
    LK_CHECK_EQ_UINT(outlier->base_ejection_ms, 30000);
    LK_CHECK_EQ_UINT(outlier->max_ejection_ms, 300000);
    LK_CHECK_EQ_UINT(outlier->max_ejection_jitter_ms, 0);
    LK_CHECK_EQ_UINT(outlier->max_ejection_percent, 10);
    LK_CHECK_EQ_UINT(outlier->consecutive_5xx, 5);
    LK_CHECK_EQ_UINT(outlier->enforcing_5xx, 100);
    LK_CHECK_EQ_UINT(outlier->consecutive_gateway, 5);
    LK_CHECK_EQ_UINT(outlier->enforcing_gateway, 0);
    LK_CHECK_EQ_UINT(outlier->consecutive_local_origin, 5);
    LK_CHECK_EQ_UINT(outlier->enforcing_local_origin, 100);
    LK_CHECK(!outlier->always_eject_one && !outlier->split_errors && outlier->uneject_on_check);
    end();
}

LK_TEST(decode_health, reads_outlier_detection)
{
    const struct lk_outlier_config *outlier =
        decode(
            "outlier_detection: {consecutive_5xx: 1, interval: 2s, base_ejection_time: 400s, max_ejection_percent: 50,"
            " enforcing_consecutive_5xx: 60, consecutive_gateway_failure: 7, enforcing_consecutive_gateway_failure: 8,"
            " split_external_local_origin_errors: true, consecutive_local_origin_failure: 9, "
            "enforcing_consecutive_local_origin_failure: 11, max_ejection_time_jitter: 0.5s, "
            "always_eject_one_host: true, successful_active_health_check_uneject_host: false, "
            "enforcing_success_rate: 0, enforcing_local_origin_success_rate: 0}")
            ->outlier;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(fixture.errors.warning_count, 0);
    LK_CHECK_EQ_UINT(outlier->consecutive_5xx, 1);
    LK_CHECK_EQ_UINT(outlier->interval_ms, 2000);
    LK_CHECK_EQ_UINT(outlier->base_ejection_ms, 400000);
    LK_CHECK_EQ_UINT(outlier->max_ejection_ms, 400000); /* never below the base */
    LK_CHECK_EQ_UINT(outlier->max_ejection_percent, 50);
    LK_CHECK_EQ_UINT(outlier->enforcing_5xx, 60);
    LK_CHECK_EQ_UINT(outlier->consecutive_gateway, 7);
    LK_CHECK_EQ_UINT(outlier->enforcing_gateway, 8);
    LK_CHECK_EQ_UINT(outlier->consecutive_local_origin, 9);
    LK_CHECK_EQ_UINT(outlier->enforcing_local_origin, 11);
    LK_CHECK_EQ_UINT(outlier->max_ejection_jitter_ms, 500);
    LK_CHECK(outlier->always_eject_one && outlier->split_errors && !outlier->uneject_on_check);
    end();
}

LK_TEST(decode_health, names_mistakes_and_what_is_missing_in_outlier_detection)
{
    decode("outlier_detection: {interval: 0s, max_ejection_percent: 101, enforcing_consecutive_5xx: 200, "
           "max_ejection_time: 1s, enforcing_failure_percentage: 1}");
    lk_decode_fixture_mistake(&fixture, "outlier_detection.interval", "more than 0s");
    lk_decode_fixture_mistake(&fixture, "outlier_detection.max_ejection_percent", "100");
    lk_decode_fixture_mistake(&fixture, "outlier_detection.enforcing_consecutive_5xx", "100");
    lk_decode_fixture_mistake(&fixture, "outlier_detection.max_ejection_time", "less than");
    lk_decode_fixture_warning(&fixture, "outlier_detection.enforcing_failure_percentage", "no effect");
    end();
    decode("type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, outlier_detection: {}, health_checks: [{" CHECK
           "tcp_health_check: {}}], close_connections_on_host_health_failure: true");
    lk_decode_fixture_clean(&fixture);
    lk_decode_fixture_warning(&fixture, "outlier_detection", "ORIGINAL_DST");
    lk_decode_fixture_warning(&fixture, "health_checks", "ORIGINAL_DST");
    lk_decode_fixture_warning(&fixture, "close_connections_on_host_health_failure", "tcp_proxy");
    end();
}
