/*
 * One admin request from libevent's hands to its reply. A reply leaves at once, or in pieces each of which is made when
 * the client has read the one before, so that a large dump neither blocks the main loop nor fills memory. The request
 * lives until its reply has left or the client is gone.
 */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/http/status.h"
#include "proxy/server/admin_internal.h"

#include <errno.h>
#include <stdio.h>

static void send_piece(struct lk_admin_request *request);
static void on_again(struct lk_timer *timer);

static void release(struct lk_admin_request *request)
{
    void (*after)(struct lk_server * server) = request->after;
    struct lk_server *server = request->admin->server;

    lk_list_remove(&request->node);
    lk_timer_clear(&request->again);
    evbuffer_free(request->body);
    lk_arena_reset(&request->arena);
    lk_free(request);
    if (after)
        after(server);
}

static void on_sent(struct evhttp_request *http, void *arg)
{
    struct lk_admin_request *request = arg;

    lk_loop_now_us(request->admin->server->main_loop);
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
    release(request);
}

/* The client went away. What libevent no longer knows of is ours to free. */
static void on_close(struct evhttp_connection *conn, void *arg)
{
    struct lk_admin_request *request = arg;

    (void)conn;
    lk_loop_now_us(request->admin->server->main_loop);
    if (!request->handed) {
        lk_admin_log(request);
        if (evhttp_request_get_connection(request->http) == NULL)
            evhttp_request_free(request->http);
    }
    release(request);
}

static void read_form(struct lk_admin_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request->http);
    struct lk_str type = lk_str_from(evhttp_find_header(headers, "content-type"));

    if (lk_str_has_iprefix(type, LK_STR("application/x-www-form-urlencoded")))
        lk_admin_query_add_form(&request->query, &request->arena, lk_admin_body(request));
}

static void read_remote(struct lk_admin_request *request)
{
    const struct sockaddr *peer = evhttp_connection_get_addr(evhttp_request_get_connection(request->http));

    if (peer && peer->sa_family == AF_INET)
        lk_addr_from_sockaddr(&request->remote, peer, sizeof(struct sockaddr_in));
    else if (peer && peer->sa_family == AF_INET6)
        lk_addr_from_sockaddr(&request->remote, peer, sizeof(struct sockaddr_in6));
}

struct lk_admin_request *lk_admin_request_new(struct lk_admin *admin, struct evhttp_request *http)
{
    struct lk_admin_request *request = lk_calloc(1, sizeof(*request));

    request->admin = admin;
    request->http = http;
    request->status = 200;
    request->content_type = "text/plain; charset=UTF-8";
    lk_timer_init(&request->again, on_again);
    request->start_us = lk_loop_now_us(admin->server->main_loop);
    request->start_wall_us = lk_clock_wall_us();
    request->body = evbuffer_new();
    LK_ASSERT(request->body != NULL);
    lk_arena_init(&request->arena);
    lk_admin_query_parse(&request->query, &request->arena, lk_str_from(evhttp_request_get_uri(http)));
    read_remote(request);
    read_form(request);
    lk_list_push_back(&admin->requests, &request->node);
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), on_close, request);
    evhttp_request_set_on_complete_cb(http, on_sent, request);
    return request;
}

/* --- writing ---------------------------------------------------------------------------------------------------------
 */

void lk_admin_write(struct lk_admin_request *request, const char *data, size_t len)
{
    if (len > 0 && evbuffer_add(request->body, data, len) != 0)
        lk_panic("out of memory in an admin reply");
}

void lk_admin_put(struct lk_admin_request *request, struct lk_str text)
{
    lk_admin_write(request, text.ptr, text.len);
}

void lk_admin_printf(struct lk_admin_request *request, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (evbuffer_add_vprintf(request->body, fmt, args) < 0)
        lk_panic("out of memory in an admin reply");
    va_end(args);
}

void lk_admin_status(struct lk_admin_request *request, unsigned status, const char *content_type)
{
    request->status = status;
    if (content_type)
        request->content_type = content_type;
}

void lk_admin_fail(struct lk_admin_request *request, unsigned status, struct lk_str text)
{
    evbuffer_drain(request->body, evbuffer_get_length(request->body));
    lk_admin_status(request, status, "text/plain; charset=UTF-8");
    lk_admin_put(request, text);
}

static int write_json(const char *data, size_t len, void *arg)
{
    lk_admin_write(arg, data, len);
    return 0;
}

void lk_admin_json(struct lk_admin_request *request, json_t *json)
{
    request->content_type = "application/json";
    if (json_dump_callback(json, write_json, request, JSON_INDENT(1)) != 0)
        lk_panic("a value cannot be written as JSON");
    lk_admin_put(request, LK_STR("\n"));
    json_decref(json);
}

json_t *lk_admin_str_json(struct lk_str text)
{
    json_t *json = json_stringn(text.ptr ? text.ptr : "", text.len);

    /* names may hold any bytes; JSON is UTF-8 */
    return json ? json : json_string("(not UTF-8)");
}

/* --- sending ---------------------------------------------------------------------------------------------------------
 */

static void add_headers(struct lk_admin_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request->http);

    evhttp_add_header(headers, "content-type", request->content_type);
    evhttp_add_header(headers, "cache-control", "no-cache, max-age=0");
    evhttp_add_header(headers, "x-content-type-options", "nosniff");
    evhttp_add_header(headers, "server", "lanekeeper");
    if (request->status == 405)
        evhttp_add_header(headers, "allow", "POST");
}

static void send_whole(struct lk_admin_request *request)
{
    struct lk_str reason = lk_arena_str(&request->arena, lk_status_reason(request->status));

    request->body_sent = evbuffer_get_length(request->body);
    if (evhttp_request_get_command(request->http) == EVHTTP_REQ_HEAD) {
        char length[24];

        snprintf(length, sizeof(length), "%zu", evbuffer_get_length(request->body));
        if (!request->next) /* else nobody knows */
            evhttp_add_header(evhttp_request_get_output_headers(request->http), "content-length", length);
        evbuffer_drain(request->body, evbuffer_get_length(request->body));
    }
    request->handed = true;
    lk_admin_log(request);
    evhttp_send_reply(request->http, (int)request->status, reason.ptr, request->body);
}

static void on_piece_sent(struct evhttp_connection *conn, void *arg)
{
    struct lk_admin_request *request = arg;

    (void)conn;
    lk_loop_now_us(request->admin->server->main_loop);
    send_piece(request);
}

static void on_again(struct lk_timer *timer)
{
    send_piece(LK_CONTAINER_OF(timer, struct lk_admin_request, again));
}

/* A piece may be empty while a page still looks for what to show: the loop goes on in between. */
static void send_piece(struct lk_admin_request *request)
{
    struct lk_loop *loop = request->admin->server->main_loop;
    bool more;

    lk_loop_set_activity(loop, request->path);
    more = request->next(request);
    lk_loop_set_activity(loop, NULL);
    request->body_sent += evbuffer_get_length(request->body);
    if (more && evbuffer_get_length(request->body) == 0) {
        lk_timer_set(loop, &request->again, 0);
    } else if (more) {
        evhttp_send_reply_chunk_with_cb(request->http, request->body, on_piece_sent, request);
    } else {
        if (evbuffer_get_length(request->body) > 0)
            evhttp_send_reply_chunk(request->http, request->body);
        request->handed = true;
        lk_admin_log(request);
        evhttp_send_reply_end(request->http);
    }
}

/* A HEAD has no body to be sent in pieces. */
static bool in_pieces(const struct lk_admin_request *request)
{
    return request->next && evhttp_request_get_command(request->http) != EVHTTP_REQ_HEAD;
}

void lk_admin_finish(struct lk_admin_request *request)
{
    add_headers(request);
    if (in_pieces(request)) {
        struct lk_str reason = lk_arena_str(&request->arena, lk_status_reason(request->status));

        evhttp_send_reply_start(request->http, (int)request->status, reason.ptr);
        send_piece(request);
    } else {
        send_whole(request);
    }
}

void lk_admin_stream(struct lk_admin_request *request, bool (*next)(struct lk_admin_request *request), void *state)
{
    request->next = next;
    request->state = state;
}

void lk_admin_defer(struct lk_admin_request *request)
{
    request->deferred = true;
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

struct lk_server *lk_admin_request_server(struct lk_admin_request *request)
{
    return request->admin->server;
}

bool lk_admin_query(struct lk_admin_request *request, const char *name, struct lk_str *value)
{
    const struct lk_admin_param *param = lk_admin_query_find(&request->query, lk_str_from(name));

    if (!param)
        return false;
    *value = param->value;
    return true;
}

bool lk_admin_flag(struct lk_admin_request *request, const char *name)
{
    return lk_admin_query_find(&request->query, lk_str_from(name)) != NULL;
}

bool lk_admin_wants_json(struct lk_admin_request *request)
{
    struct lk_str format;

    return lk_admin_query(request, "format", &format) && lk_str_eq(format, LK_STR("json"));
}

bool lk_admin_filter(struct lk_admin_request *request, struct lk_regex **regex)
{
    struct lk_str pattern;
    struct lk_error error;

    *regex = NULL;
    if (!lk_admin_query(request, "filter", &pattern) || pattern.len == 0)
        return true;
    *regex = lk_regex_compile(&request->arena, pattern, &error);
    if (*regex)
        return true;
    lk_admin_fail(request, 400, LK_STR("Invalid regex: "));
    lk_admin_put(request, lk_str_from(error.text));
    return false;
}

struct lk_str lk_admin_body(struct lk_admin_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request->http);
    size_t len = evbuffer_get_length(input);

    return len > 0 ? lk_str((const char *)evbuffer_pullup(input, -1), len) : LK_STR("");
}
