/*
 * Heads to the peer: what frames the body is decided here, then the head is written into one reserved piece of output
 * whose size was computed before. Pseudo-headers and fields of the connection are not copied.
 */
#include "proxy/http/h1_internal.h"
#include "proxy/http/status.h"
#include "proxy/http/validate.h"

/* A head about to be written. */
struct plan {
    struct lk_h1_codec *h1;
    const struct lk_headers *headers;
    struct lk_str start[5]; /* pieces of the start line without its CRLF */
    size_t start_count;
    const struct lk_header *host;   /* request: the one Host entry to write */
    const struct lk_header *length; /* the one Content-Length entry to write */
    bool keep_connection;           /* Connection fields are written as given */
    struct lk_str extra[3][2];      /* lines that the codec adds behind the fields */
    size_t extra_count;
};

static void add_piece(struct plan *plan, struct lk_str piece)
{
    plan->start[plan->start_count++] = piece;
}

static void add_extra(struct plan *plan, struct lk_str name, struct lk_str value)
{
    plan->extra[plan->extra_count][0] = name;
    plan->extra[plan->extra_count][1] = value;
    plan->extra_count++;
}

static bool is_pseudo(const struct lk_header *h)
{
    return h->name.len > 0 && h->name.ptr[0] == ':';
}

/* Whether the entry leaves as a field in its place. */
static bool is_written(const struct plan *plan, const struct lk_header *h)
{
    if (is_pseudo(h))
        return false;
    switch (h->id) {
    case LK_HEADER_AUTHORITY:
        return !plan->h1->client;
    case LK_HEADER_CONTENT_LENGTH:
        return h == plan->length;
    case LK_HEADER_TRANSFER_ENCODING:
        return false;
    case LK_HEADER_CONNECTION:
        return plan->keep_connection;
    default:
        return true;
    }
}

/* At least what plan_write will need. */
static size_t plan_size(const struct plan *plan)
{
    size_t size = 2 * (sizeof("\r\n") - 1);
    for (size_t i = 0; i < plan->start_count; i++)
        size += plan->start[i].len;
    LK_HEADERS_FOREACH(h, plan->headers)
    size += lk_h1_line_size(h->name, h->value);
    for (size_t i = 0; i < plan->extra_count; i++)
        size += lk_h1_line_size(plan->extra[i][0], plan->extra[i][1]);
    return size;
}

static void plan_write(const struct plan *plan)
{
    const struct lk_h1_options *options = &plan->h1->options;
    struct lk_codec *codec = &plan->h1->base;
    size_t size = plan_size(plan);
    char *const begin = lk_buf_reserve(codec->out, size);
    struct lk_h1_writer w = {.to = begin, .options = options};
    for (size_t i = 0; i < plan->start_count; i++)
        w.to = lk_h1_put(w.to, plan->start[i]);
    w.to = lk_h1_put(w.to, LK_STR("\r\n"));
    if (plan->host != NULL) /* first, whatever came before it (RFC 9110 7.2) */
        lk_h1_write_line(&w, is_pseudo(plan->host) ? LK_STR("host") : plan->host->name, plan->host->value);
    LK_HEADERS_FOREACH(h, plan->headers)
    if (is_written(plan, h))
        lk_h1_write_line(&w, h->name, h->value);
    for (size_t i = 0; i < plan->extra_count; i++)
        lk_h1_write_line(&w, plan->extra[i][0], plan->extra[i][1]);
    lk_h1_write_end(&w);
    LK_ASSERT((size_t)(w.to - begin) <= size);
    lk_buf_commit(codec->out, (size_t)(w.to - begin));
    codec->callbacks->on_output(codec->owner);
}

/* The Content-Length that the body will be held to, if there is a good one. */
static bool find_length(struct plan *plan)
{
    const struct lk_header *h = lk_headers_find(plan->headers, LK_HEADER_CONTENT_LENGTH);
    if (h == NULL || !lk_content_length_parse(h->value, &plan->h1->send_left))
        return false;
    plan->length = h;
    return true;
}

static void frame_chunked(struct plan *plan)
{
    plan->h1->sending = LK_H1_SEND_CHUNKED;
    add_extra(plan, LK_STR("transfer-encoding"), LK_STR("chunked"));
}

static bool asks_to_close(const struct lk_headers *headers)
{
    for (const struct lk_header *h = lk_headers_find(headers, LK_HEADER_CONNECTION); h != NULL;
         h = lk_headers_next(headers, h))
        if (lk_header_has_token(h->value, LK_STR("close")))
            return true;
    return false;
}

/* The status and the method say that no body follows (RFC 9112 6.3). */
static bool response_has_no_body(const struct lk_codec_stream *stream, unsigned status)
{
    return stream->is_head || status < 200 || status == 204 || status == 304;
}

/* Decides the framing of a final response; true when it can only end with the connection. */
static bool frame_response(struct plan *plan, unsigned status, bool end_stream)
{
    struct lk_h1_codec *h1 = plan->h1;
    bool lengthless = status < 200 || status == 204;
    bool sized = !lengthless && find_length(plan);
    if (response_has_no_body(&h1->stream, status)) {
        h1->sending = LK_H1_SEND_NOTHING;
        h1->send_left = 0;
        return false;
    }
    if (sized) {
        h1->sending = LK_H1_SEND_LENGTH;
        return false;
    }
    h1->sending = end_stream ? LK_H1_SEND_NOTHING : LK_H1_SEND_PLAIN;
    return !end_stream && h1->stream.http10;
}

/* The lines that say how the body is framed, behind "connection: close" as Envoy has them. */
static void add_framing_lines(struct plan *plan, unsigned status, bool end_stream)
{
    struct lk_codec_stream *stream = &plan->h1->stream;
    if (plan->length != NULL || status < 200 || status == 204 || status == 304)
        return;
    if (stream->is_head) {
        if (!stream->http10)
            add_extra(plan, LK_STR("transfer-encoding"), LK_STR("chunked"));
    } else if (end_stream) {
        add_extra(plan, LK_STR("content-length"), LK_STR("0"));
    } else if (!stream->http10) {
        frame_chunked(plan);
    }
}

static void begin_status_line(struct plan *plan, unsigned status)
{
    bool http10 = plan->h1->stream.http10;
    add_piece(plan, http10 ? LK_STR("HTTP/1.0 ") : LK_STR("HTTP/1.1 "));
    add_piece(plan, lk_headers_get(plan->headers, LK_HEADER_STATUS));
    add_piece(plan, LK_STR(" "));
    add_piece(plan, lk_status_reason(status));
}

static bool must_close(const struct lk_h1_codec *h1, const struct lk_headers *headers)
{
    const struct lk_codec_stream *stream = &h1->stream;
    return stream->close_after || h1->last || h1->goaway || h1->base.failed || !stream->remote_done ||
           stream->upgrade || asks_to_close(headers);
}

/* Server: the upgrade is granted. Both directions are plain bytes from here on. */
static void switch_protocols(struct plan *plan)
{
    struct lk_h1_codec *h1 = plan->h1;
    plan->keep_connection = true;
    h1->last = true;
    h1->tunnel = true;
    h1->sending = LK_H1_SEND_PLAIN;
    plan_write(plan);
}

static void send_response(struct lk_h1_codec *h1, const struct lk_headers *headers, bool end_stream)
{
    struct lk_codec_stream *stream = &h1->stream;
    unsigned status = lk_headers_status(headers);
    LK_ASSERT(status != 0);
    struct plan plan = {.h1 = h1, .headers = headers};
    begin_status_line(&plan, status);
    if (stream->upgrade && !stream->remote_done && (status == 101 || (stream->is_connect && status / 100 == 2))) {
        switch_protocols(&plan);
        return;
    }
    bool until_close = frame_response(&plan, status, end_stream);
    stream->close_after = until_close || must_close(h1, headers);
    h1->last = stream->close_after;
    if (stream->close_after)
        add_extra(&plan, LK_STR("connection"), LK_STR("close"));
    else if (stream->http10)
        add_extra(&plan, LK_STR("connection"), LK_STR("keep-alive"));
    add_framing_lines(&plan, status, end_stream);
    plan_write(&plan);
}

/* Methods whose requests mostly come without a body: an empty one is not announced. */
static bool may_omit_length(struct lk_str method)
{
    static const struct lk_str methods[] = {
        LK_STR_INIT("GET"), LK_STR_INIT("HEAD"), LK_STR_INIT("DELETE"), LK_STR_INIT("TRACE"), LK_STR_INIT("CONNECT"),
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(methods); i++)
        if (lk_str_eq(method, methods[i]))
            return true;
    return false;
}

static void frame_request(struct plan *plan, struct lk_str method, bool end_stream)
{
    struct lk_h1_codec *h1 = plan->h1;
    bool sized = find_length(plan);
    if (h1->stream.upgrade)
        h1->sending = LK_H1_SEND_PLAIN;
    else if (sized)
        h1->sending = LK_H1_SEND_LENGTH;
    else if (!end_stream)
        frame_chunked(plan);
    else if (!may_omit_length(method))
        add_extra(plan, LK_STR("content-length"), LK_STR("0"));
}

static void send_request(struct lk_h1_codec *h1, const struct lk_headers *headers, bool end_stream)
{
    struct plan plan = {.h1 = h1, .headers = headers, .keep_connection = true};
    struct lk_str method = lk_headers_get(headers, LK_HEADER_METHOD);
    struct lk_str target = lk_headers_get(headers, LK_HEADER_PATH);
    LK_ASSERT(method.len > 0);
    h1->stream.is_head = lk_str_eq(method, LK_STR("HEAD"));
    h1->stream.is_connect = lk_str_eq(method, LK_STR("CONNECT"));
    plan.host = lk_headers_find(headers, LK_HEADER_AUTHORITY);
    if (h1->stream.is_connect && plan.host != NULL)
        target = plan.host->value;
    add_piece(&plan, method);
    add_piece(&plan, LK_STR(" "));
    add_piece(&plan, target.len > 0 ? target : LK_STR("/"));
    add_piece(&plan, LK_STR(" HTTP/1.1"));
    frame_request(&plan, method, end_stream);
    h1->last |= asks_to_close(headers);
    plan_write(&plan);
}

void lk_h1_send_headers(struct lk_codec_stream *stream, const struct lk_headers *headers, bool end_stream)
{
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    LK_ASSERT(h1->live && !stream->headers_sent);
    stream->headers_sent = true;
    if (h1->client)
        send_request(h1, headers, end_stream);
    else
        send_response(h1, headers, end_stream);
    bool upgrading = h1->tunnel || (h1->client && stream->upgrade);
    if (end_stream && !upgrading)
        lk_h1_send_end(h1);
}

void lk_h1_send_informational(struct lk_codec_stream *stream, const struct lk_headers *headers)
{
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    unsigned status = lk_headers_status(headers);
    LK_ASSERT(!h1->client && status >= 100 && status < 200 && status != 101);
    if (stream->http10 || stream->headers_sent)
        return;
    struct plan plan = {.h1 = h1, .headers = headers};
    begin_status_line(&plan, status);
    plan_write(&plan);
}
