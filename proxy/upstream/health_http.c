/*
 * A check over HTTP/1.1, through the codec that requests use: status, then what the configuration wants of headers and
 * body, decide. The connection is kept for the next check where both sides allow it. Main thread.
 */
#include "proxy/base/mem.h"
#include "proxy/http/h1_codec.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/health_check.h"
#include "proxy/upstream/upstream_socket.h"

#include <string.h>

struct http_probe {
    struct lk_conn conn;
    struct lk_check *check; /* NULL: closed */
    struct lk_codec *codec;
    struct lk_codec_stream *stream; /* the check in progress, or NULL */
    struct lk_arena arena;          /* of that check */
    struct lk_headers response;
    char *body; /* the part that is looked at; in the arena */
    size_t body_len;
    uint64_t read_before; /* conn.bytes_read when it was sent */
    uint32_t checks;      /* sent on this connection */
};

static void gone(struct lk_conn *conn)
{
    struct http_probe *probe = LK_CONTAINER_OF(conn, struct http_probe, conn);
    lk_codec_free(probe->codec);
    lk_arena_reset(&probe->arena);
    lk_free(probe);
}

static void stop(struct lk_check *check)
{
    struct http_probe *probe = check->probe;
    if (probe == NULL)
        return;
    check->probe = NULL;
    probe->check = NULL;
    lk_conn_close(&probe->conn, LK_CLOSE_NOW, gone);
}

static void start(struct lk_check *check);

/* The connection is gone. Between two checks that is nobody's fault; nor is it when a kept connection ends before a
 * byte of the answer: it may have died of age at this very moment, so the check moves to a new one. */
static void lost(struct http_probe *probe)
{
    struct lk_check *check = probe->check;
    bool in_check = lk_timer_armed(&check->timeout);
    bool of_age = probe->checks > 1 && probe->conn.bytes_read == probe->read_before;
    stop(check);
    if (in_check && of_age)
        start(check);
    else if (in_check)
        lk_check_done(check, LK_CHECK_NETWORK);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static void add_header(struct lk_headers *headers, const struct lk_header_mutation *mutation)
{
    struct lk_header_key key = {lk_header_id_of(mutation->name), mutation->name};
    bool exists = lk_headers_find_key(headers, &key) != NULL;
    struct lk_str value = {"", 0};
    lk_format_is_literal(mutation->value, &value);
    if (value.len == 0 && !mutation->keep_empty_value)
        return;
    switch (mutation->action) {
    case LK_APPEND_IF_EXISTS_OR_ADD:
        lk_headers_add_key(headers, &key, value);
        break;
    case LK_APPEND_ADD_IF_ABSENT:
        if (!exists)
            lk_headers_add_key(headers, &key, value);
        break;
    case LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD:
        lk_headers_set_key(headers, &key, value);
        break;
    case LK_APPEND_OVERWRITE_IF_EXISTS:
        if (exists)
            lk_headers_set_key(headers, &key, value);
        break;
    }
}

static struct lk_str authority(const struct lk_check *check)
{
    if (check->hostname.len > 0)
        return check->hostname;
    return check->config->http.host.len > 0 ? check->config->http.host : check->cluster->config->name;
}

static void make_request(const struct lk_check *check, struct lk_headers *headers, struct lk_arena *arena)
{
    const struct lk_http_check_config *http = &check->config->http;
    lk_headers_init(headers, arena);
    lk_headers_add(headers, LK_HEADER_METHOD, http->method);
    lk_headers_add(headers, LK_HEADER_AUTHORITY, authority(check));
    lk_headers_add(headers, LK_HEADER_PATH, http->path);
    lk_headers_add(headers, LK_HEADER_USER_AGENT, LK_STR("Envoy/HC"));
    if (check->config->payload.send.len > 0)
        lk_headers_add(headers, LK_HEADER_CONTENT_LENGTH,
                       lk_arena_printf(arena, "%zu", check->config->payload.send.len));
    for (size_t i = 0; i < http->headers.remove_count; i++) {
        struct lk_header_key key = {lk_header_id_of(http->headers.remove[i]), http->headers.remove[i]};
        lk_headers_remove_key(headers, &key);
    }
    for (size_t i = 0; i < http->headers.add_count; i++)
        add_header(headers, &http->headers.add[i]);
}

/* --- the response ------------------------------------------------------------------------------------------------- */

static enum lk_check_result judge(struct http_probe *probe)
{
    struct lk_check *check = probe->check;
    const struct lk_health_check_config *config = check->config;
    const struct lk_headers *response = &probe->response;
    unsigned status = lk_headers_status(response);
    bool expected = lk_status_ranges_have(&config->http.expected, status);
    bool found = lk_check_payload_found(&config->payload, lk_str(probe->body, probe->body_len));
    if (!expected || !found) {
        if (lk_headers_find(response, LK_HEADER_X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL) != NULL &&
            lk_host_flags_set(check->host->state, LK_HOST_EXCLUDED))
            lk_cluster_health_changed(check->cluster);
        return !expected && lk_status_ranges_have(&config->http.retriable, status) ? LK_CHECK_RETRIABLE
                                                                                   : LK_CHECK_FAILED;
    }
    if (config->http.service_name != NULL) {
        const struct lk_header *name = lk_headers_find_name(response, LK_STR("x-envoy-upstream-healthchecked-cluster"));
        lk_check_count_verified(check);
        if (!lk_string_matcher_match(config->http.service_name, name != NULL ? name->value : lk_str("", 0)))
            return LK_CHECK_FAILED;
    }
    return lk_headers_find_name(response, LK_STR("x-envoy-degraded")) != NULL ? LK_CHECK_DEGRADED : LK_CHECK_PASSED;
}

static void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end)
{
    struct http_probe *probe = stream->arg;
    (void)end;
    probe->response = *headers;
}

static void on_body(struct lk_codec_stream *stream, struct lk_span data, bool end)
{
    struct http_probe *probe = stream->arg;
    const struct lk_health_check_config *config = probe->check->config;
    (void)end;
    if (config->payload.receive_count == 0 || data.len == 0)
        return;
    size_t take = LK_MIN(data.len, config->http.buffer_size - probe->body_len);
    if (probe->body == NULL)
        probe->body = lk_arena_alloc(&probe->arena, config->http.buffer_size);
    memcpy(probe->body + probe->body_len, data.ptr, take);
    probe->body_len += take;
}

static void on_trailers(struct lk_codec_stream *stream, struct lk_headers *trailers)
{
    (void)stream;
    (void)trailers;
}

static void on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    (void)stream; /* the connection's end follows */
    (void)reason;
}

static const struct lk_stream_events stream_events = {
    .on_headers = on_headers, .on_data = on_body, .on_trailers = on_trailers, .on_reset = on_reset};

static void on_stream_done(void *owner, struct lk_codec_stream *stream, bool keep_alive)
{
    struct http_probe *probe = owner;
    struct lk_check *check = probe->check;
    probe->stream = NULL;
    if (check == NULL || !stream->remote_done || !stream->local_done)
        return;
    enum lk_check_result result = judge(probe);
    if (!keep_alive || !check->config->reuse_connection || probe->conn.eof)
        stop(check);
    lk_check_done(check, result);
}

static void on_read_pause(void *owner, bool pause)
{
    (void)owner; /* nobody pauses a check */
    (void)pause;
}

static void on_output(void *owner)
{
    struct http_probe *probe = owner;
    lk_conn_flush(&probe->conn);
}

static const struct lk_codec_callbacks codec_callbacks = {
    .on_stream_done = on_stream_done,
    .on_read_pause = on_read_pause,
    .on_output = on_output,
};

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void send_request(struct http_probe *probe)
{
    struct lk_headers headers;
    struct lk_str payload = probe->check->config->payload.send;
    lk_arena_reset(&probe->arena);
    probe->body = NULL;
    probe->body_len = 0;
    probe->read_before = probe->conn.bytes_read;
    probe->checks++;
    probe->stream = lk_codec_new_stream(probe->codec);
    LK_ASSERT(probe->stream != NULL);
    probe->stream->events = &stream_events;
    probe->stream->arg = probe;
    probe->stream->arena = &probe->arena;
    make_request(probe->check, &headers, &probe->arena);
    lk_codec_send_headers(probe->stream, &headers, payload.len == 0);
    if (payload.len > 0)
        lk_codec_send_data(probe->stream, lk_span(NULL, payload.ptr, payload.len), true);
}

static void on_connected(struct lk_conn *conn)
{
    send_request(conn->owner);
}

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    struct http_probe *probe = conn->owner;
    struct lk_codec_error error = {0};
    if (probe->stream == NULL) {
        lost(probe); /* bytes that nobody asked for */
        return data.len;
    }
    size_t used = lk_codec_feed(probe->codec, data, &error);
    conn->mid_message = probe->stream != NULL;
    if (probe->stream == NULL)
        lk_arena_reset(&probe->arena); /* judged: nothing is kept until the next check */
    if (probe->check == NULL)
        return data.len;
    if (error.details != NULL) {
        lost(probe);
        return data.len;
    }
    return used;
}

static void on_eof(struct lk_conn *conn)
{
    struct http_probe *probe = conn->owner;
    struct lk_codec_error error = {0};
    if (probe->stream != NULL && conn->bytes_read > probe->read_before)
        lk_codec_feed_eof(probe->codec, &error); /* may complete a body that ends with the connection */
    if (probe->check != NULL)
        lost(probe);
}

static void on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    lost(conn->owner);
}

static const struct lk_conn_ops conn_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_failure = on_failure,
};

static void start(struct lk_check *check)
{
    struct http_probe *probe = check->probe;
    const struct lk_cluster_config *config = check->cluster->config;
    struct lk_error error;
    if (probe != NULL) {
        send_request(probe);
        return;
    }
    probe = lk_calloc(1, sizeof(*probe));
    if (!lk_upstream_connect(&probe->conn, check->cluster->clusters->options.main_loop, config, &check->addr, &conn_ops,
                             probe, &error)) {
        lk_free(probe);
        lk_check_done(check, LK_CHECK_NETWORK);
        return;
    }
    probe->check = check;
    check->probe = probe;
    lk_arena_init(&probe->arena);
    probe->codec = lk_upstream_h1_codec(config, &probe->conn, &codec_callbacks, probe);
}

const struct lk_probe_ops lk_http_probe = {.start = start, .stop = stop};
