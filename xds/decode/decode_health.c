/* Active health checks of a cluster, envoy.config.core.v3.HealthCheck. Main thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "proxy/config/health_config.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"
#include "xds/decode/decode_matcher.h"

#define NO_TRAFFIC_DEFAULT_MS 60000
#define BUFFER_DEFAULT 1024
#define BUFFER_MAX 1048576u
#define STATUS_MIN 100
#define STATUS_MAX 600

/* --- payloads ----------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)lk_ascii_lower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct lk_str hex_bytes(struct lk_decoder *decoder, const char *text)
{
    size_t len = strlen(text);
    char *out = lk_arena_alloc(decoder->arena, len / 2 + 1);

    if (len == 0 || len % 2 != 0)
        lk_errors_add_at(decoder->errors, "text", "expected pairs of hexadecimal digits");
    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

        if (high < 0 || low < 0) {
            lk_errors_add_at(decoder->errors, "text", "'%c%c' is no hexadecimal number", text[i], text[i + 1]);
            break;
        }
        out[i / 2] = (char)(high * 16 + low);
    }
    return lk_str(out, len / 2);
}

static struct lk_str payload_block(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck__Payload *in)
{
    switch (in->payload_case) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_TEXT:
        return hex_bytes(decoder, in->text);
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_BINARY:
        return lk_arena_str(decoder->arena, lk_str((const char *)in->binary.data, in->binary.len));
    default:
        lk_errors_add(decoder->errors, "expected one of text, binary");
        return lk_str("", 0);
    }
}

static void payload(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck__Payload *send,
                    size_t receive_count, Envoy__Config__Core__V3__HealthCheck__Payload *const *receive,
                    struct lk_check_payload *out)
{
    struct lk_str *blocks = receive_count > 0 ? lk_arena_array(decoder->arena, receive_count, sizeof(*blocks)) : NULL;

    out->send = lk_str("", 0);
    if (send != NULL) {
        size_t mark = lk_errors_push(decoder->errors, "send");

        out->send = payload_block(decoder, send);
        lk_errors_pop(decoder->errors, mark);
    }
    for (size_t i = 0; i < receive_count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "receive", i);

        blocks[i] = payload_block(decoder, receive[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->receive = blocks;
    out->receive_count = receive_count;
}

/* --- HTTP --------------------------------------------------------------------------------------------------------- */

static void status_ranges(struct lk_decoder *decoder, const char *field, size_t count,
                          Envoy__Type__V3__Int64Range *const *in, struct lk_status_ranges *out)
{
    struct lk_status_range *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        if (in[i]->start < STATUS_MIN || in[i]->end > STATUS_MAX || in[i]->start >= in[i]->end)
            lk_errors_add_at(decoder->errors, field, "expected 100 <= start < end <= 600");
        list[i] = (struct lk_status_range){.start = (uint16_t)in[i]->start, .end = (uint16_t)in[i]->end};
    }
    out->list = list;
    out->count = count;
}

static void expected_statuses(struct lk_decoder *decoder,
                              const Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck *in,
                              struct lk_http_check_config *out)
{
    static const struct lk_status_range ok = {.start = 200, .end = 201};

    status_ranges(decoder, "expected_statuses", in->n_expected_statuses, in->expected_statuses, &out->expected);
    status_ranges(decoder, "retriable_statuses", in->n_retriable_statuses, in->retriable_statuses, &out->retriable);
    if (out->expected.count == 0)
        out->expected = (struct lk_status_ranges){.list = &ok, .count = 1};
}

static void request_headers(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck *in,
                            struct lk_http_check_config *out)
{
    struct lk_str text;

    lk_decode_mutations(decoder, "request_headers", in->n_request_headers_to_add, in->request_headers_to_add,
                        in->n_request_headers_to_remove, in->request_headers_to_remove, &out->headers);
    for (size_t i = 0; i < out->headers.add_count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "request_headers_to_add", i);
        const struct lk_format *value = out->headers.add[i].value;

        if (value != NULL && !lk_format_is_literal(value, &text))
            lk_errors_unsupported(decoder->errors, "header.value", "a health check has no request to take values from");
        lk_errors_pop(decoder->errors, mark);
    }
}

static void method(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck *in,
                   struct lk_http_check_config *out)
{
    const ProtobufCEnumDescriptor *desc = &envoy__config__core__v3__request_method__descriptor;

    out->method = LK_STR("GET");
    if (!lk_decode_enum_ok(decoder, "method", desc, (int)in->method))
        return;
    if (in->method == ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__CONNECT)
        lk_errors_add_at(decoder->errors, "method", "CONNECT asks nothing");
    else if (in->method != ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__METHOD_UNSPECIFIED)
        out->method = lk_decode_str(decoder, protobuf_c_enum_descriptor_get_value(desc, (int)in->method)->name);
}

static void check_path(struct lk_decoder *decoder, const char *path)
{
    lk_decode_required(decoder, "path", path);
    for (const char *at = path; *at != 0; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            lk_errors_add_at(decoder->errors, "path", "must not hold blanks or control bytes");
            return;
        }
    }
}

static uint32_t buffer_size(struct lk_decoder *decoder, const Google__Protobuf__UInt64Value *in)
{
    if (in == NULL)
        return BUFFER_DEFAULT;
    if (in->value > BUFFER_MAX)
        lk_errors_add_at(decoder->errors, "response_buffer_size", "more than %u bytes are not kept", BUFFER_MAX);
    return in->value == 0 || in->value > BUFFER_MAX ? BUFFER_MAX : (uint32_t)in->value;
}

static void http_check(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck *in,
                       struct lk_health_check_config *out)
{
    size_t mark = lk_errors_push(decoder->errors, "http_health_check");
    struct lk_http_check_config *http = &out->http;

    out->kind = LK_CHECK_HTTP;
    http->host = lk_decode_header_text(decoder, "host", in->host);
    check_path(decoder, in->path);
    http->path = lk_decode_str(decoder, in->path);
    method(decoder, in, http);
    expected_statuses(decoder, in, http);
    request_headers(decoder, in, http);
    payload(decoder, in->send, in->n_receive, in->receive, &out->payload);
    http->buffer_size = buffer_size(decoder, in->response_buffer_size);
    if (in->codec_client_type != ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP1)
        lk_errors_unsupported(decoder->errors, "codec_client_type", "only HTTP1 is built into this version");
    if (in->service_name_matcher != NULL) {
        struct lk_string_matcher *matcher = lk_arena_zalloc(decoder->arena, sizeof(*matcher));

        lk_decode_string_matcher(decoder, "service_name_matcher", in->service_name_matcher, matcher);
        http->service_name = matcher;
    }
    lk_errors_pop(decoder->errors, mark);
}

/* --- schedule ----------------------------------------------------------------------------------------------------- */

static uint32_t required_ms(struct lk_decoder *decoder, const char *field, const Google__Protobuf__Duration *in)
{
    if (in == NULL)
        lk_errors_add_at(decoder->errors, field, "is required");
    return lk_decode_ms(decoder, field, in, 1, LK_DURATION_POSITIVE);
}

static uint32_t required_count(struct lk_decoder *decoder, const char *field, const Google__Protobuf__UInt32Value *in)
{
    if (in == NULL)
        lk_errors_add_at(decoder->errors, field, "is required");
    return lk_decode_u32(in, 1);
}

static void schedule(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck *in,
                     struct lk_health_check_config *out)
{
    const enum lk_duration_rule rule = LK_DURATION_POSITIVE;

    out->timeout_ms = required_ms(decoder, "timeout", in->timeout);
    out->interval_ms = required_ms(decoder, "interval", in->interval);
    out->initial_jitter_ms = lk_decode_ms(decoder, "initial_jitter", in->initial_jitter, 0, LK_DURATION_ANY);
    out->interval_jitter_ms = lk_decode_ms(decoder, "interval_jitter", in->interval_jitter, 0, LK_DURATION_ANY);
    out->interval_jitter_percent = in->interval_jitter_percent;
    out->no_traffic_interval_ms =
        lk_decode_ms(decoder, "no_traffic_interval", in->no_traffic_interval, NO_TRAFFIC_DEFAULT_MS, rule);
    out->no_traffic_healthy_interval_ms = lk_decode_ms(
        decoder, "no_traffic_healthy_interval", in->no_traffic_healthy_interval, out->no_traffic_interval_ms, rule);
    out->unhealthy_interval_ms =
        lk_decode_ms(decoder, "unhealthy_interval", in->unhealthy_interval, out->interval_ms, rule);
    out->unhealthy_edge_interval_ms =
        lk_decode_ms(decoder, "unhealthy_edge_interval", in->unhealthy_edge_interval, out->unhealthy_interval_ms, rule);
    out->healthy_edge_interval_ms =
        lk_decode_ms(decoder, "healthy_edge_interval", in->healthy_edge_interval, out->interval_ms, rule);
    out->unhealthy_threshold = required_count(decoder, "unhealthy_threshold", in->unhealthy_threshold);
    out->healthy_threshold = required_count(decoder, "healthy_threshold", in->healthy_threshold);
}

static void health_check(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HealthCheck *in,
                         struct lk_health_check_config *out)
{
    schedule(decoder, in, out);
    out->reuse_connection = lk_decode_bool(in->reuse_connection, true);
    out->log_failures = in->always_log_health_check_failures;
    out->log_successes = in->always_log_health_check_success;
    switch (in->health_checker_case) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK:
        http_check(decoder, in->http_health_check, out);
        break;
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_TCP_HEALTH_CHECK: {
        size_t mark = lk_errors_push(decoder->errors, "tcp_health_check");

        out->kind = LK_CHECK_TCP;
        payload(decoder, in->tcp_health_check->send, in->tcp_health_check->n_receive, in->tcp_health_check->receive,
                &out->payload);
        lk_errors_pop(decoder->errors, mark);
        break;
    }
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_GRPC_HEALTH_CHECK:
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_CUSTOM_HEALTH_CHECK:
        break; /* refused by name, see supported_fields.txt */
    default:
        lk_errors_add(decoder->errors, "expected one of http_health_check, tcp_health_check");
        break;
    }
}

void lk_decode_cluster_health(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                              struct lk_cluster_config *out)
{
    bool local_hosts = out->type == LK_CLUSTER_ORIGINAL_DST;

    out->close_on_health_failure = in->close_connections_on_host_health_failure;
    if (in->close_connections_on_host_health_failure)
        lk_errors_warn(decoder->errors, "close_connections_on_host_health_failure",
                       "closes HTTP connections only; those of tcp_proxy stay open");
    if (in->n_health_checks > 1)
        lk_errors_add_at(decoder->errors, "health_checks", "more than one is not supported, in Envoy neither");
    if (in->n_health_checks > 0) {
        struct lk_health_check_config *check = lk_arena_zalloc(decoder->arena, sizeof(*check));
        size_t mark = lk_errors_push_index(decoder->errors, "health_checks", 0);

        health_check(decoder, in->health_checks[0], check);
        lk_errors_pop(decoder->errors, mark);
        out->health_check = check;
        if (local_hosts)
            lk_errors_warn(decoder->errors, "health_checks", "has no effect on an ORIGINAL_DST cluster");
    }
    if (in->outlier_detection != NULL) {
        lk_decode_outlier(decoder, in->outlier_detection, out);
        if (local_hosts)
            lk_errors_warn(decoder->errors, "outlier_detection", "has no effect on an ORIGINAL_DST cluster");
    }
}
