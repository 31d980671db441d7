/* Bodies and trailers to the peer: payload goes by reference where that is worth it, chunk framing is copied. */
#include "proxy/http/h1_internal.h"

static void output(struct lk_h1_codec *h1)
{
    h1->base.callbacks->on_output(h1->base.owner);
}

/* Hexadecimal size and CRLF. */
static void add_chunk_line(struct lk_buf *out, size_t size)
{
    char line[2 * sizeof(size) + 2];
    char *p = line + sizeof(line);
    *--p = '\n';
    *--p = '\r';
    do {
        *--p = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size > 0);
    lk_buf_add(out, p, (size_t)(line + sizeof(line) - p));
}

/* How much of len may leave: a body longer than its Content-Length is cut there, and the connection has to end. */
static size_t allowed(struct lk_h1_codec *h1, size_t len)
{
    if (h1->sending == LK_H1_SEND_NOTHING)
        return 0;
    if (h1->sending != LK_H1_SEND_LENGTH)
        return len;
    size_t take = len < h1->send_left ? len : (size_t)h1->send_left;
    h1->send_left -= take;
    h1->last |= take < len;
    return take;
}

static bool is_held_back(const struct lk_h1_codec *h1)
{
    return h1->client && h1->stream.upgrade && !h1->tunnel;
}

/* Where payload goes: the output, or aside while an upgrade is not granted. */
static struct lk_buf *payload_buf(struct lk_h1_codec *h1)
{
    if (!is_held_back(h1))
        return h1->base.out;
    if (h1->held == NULL) {
        h1->held = lk_malloc(sizeof(*h1->held));
        lk_buf_init(h1->held, h1->base.out->pool);
    }
    return h1->held;
}

void lk_h1_held_release(struct lk_h1_codec *h1)
{
    if (h1->held == NULL)
        return;
    struct lk_codec_stream *stream = &h1->stream;
    bool was_blocked = lk_h1_held_blocked(h1);
    lk_buf_move(h1->base.out, h1->held);
    lk_h1_held_drop(h1);
    output(h1);
    if (was_blocked && stream->events->on_writable != NULL)
        stream->events->on_writable(stream);
}

bool lk_h1_held_blocked(const struct lk_h1_codec *h1)
{
    return h1->held != NULL && h1->held->len >= LK_H1_HELD_MAX;
}

void lk_h1_held_drop(struct lk_h1_codec *h1)
{
    if (h1->held == NULL)
        return;
    lk_buf_clear(h1->held);
    lk_free(h1->held);
    h1->held = NULL;
}

static void end_body(struct lk_h1_codec *h1, const char *chunk_end)
{
    if (h1->sending == LK_H1_SEND_CHUNKED) {
        lk_buf_add_str(h1->base.out, lk_str_from(chunk_end));
        output(h1);
    }
    lk_h1_send_end(h1);
}

void lk_h1_send_data(struct lk_codec_stream *stream, struct lk_span data, bool end_stream)
{
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    if (!h1->live || stream->local_done)
        return;
    data.len = allowed(h1, data.len);
    bool chunked = h1->sending == LK_H1_SEND_CHUNKED && data.len > 0;
    if (chunked)
        add_chunk_line(h1->base.out, data.len);
    if (data.len > 0) {
        lk_buf_add_span(payload_buf(h1), data);
        if (chunked && !end_stream)
            lk_buf_add_str(h1->base.out, LK_STR("\r\n"));
        output(h1);
    }
    if (end_stream)
        end_body(h1, chunked ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

/* Moves the first len bytes of data, drops the rest. */
static void move_part(struct lk_h1_codec *h1, struct lk_buf *data, size_t len)
{
    while (data->len > len) {
        struct lk_span front = lk_buf_front(data);
        front.len = LK_MIN(front.len, len);
        if (front.len == 0)
            break;
        lk_buf_add_span(payload_buf(h1), front);
        lk_buf_drain(data, front.len);
        len -= front.len;
    }
    if (len == data->len)
        lk_buf_move(payload_buf(h1), data);
    lk_buf_clear(data);
}

void lk_h1_send_buf(struct lk_codec_stream *stream, struct lk_buf *data, bool end_stream)
{
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    if (!h1->live || stream->local_done) {
        lk_buf_clear(data);
        return;
    }
    size_t len = allowed(h1, data->len);
    bool chunked = h1->sending == LK_H1_SEND_CHUNKED && len > 0;
    if (chunked)
        add_chunk_line(h1->base.out, len);
    move_part(h1, data, len);
    if (chunked && !end_stream)
        lk_buf_add_str(h1->base.out, LK_STR("\r\n"));
    if (len > 0)
        output(h1);
    if (end_stream)
        end_body(h1, chunked ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

void lk_h1_send_trailers(struct lk_codec_stream *stream, const struct lk_headers *trailers)
{
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    if (!h1->live || stream->local_done)
        return;
    if (h1->sending != LK_H1_SEND_CHUNKED || !h1->options.enable_trailers) {
        end_body(h1, "0\r\n\r\n");
        return;
    }
    size_t size = sizeof("0\r\n\r\n") - 1;
    LK_HEADERS_FOREACH(h, trailers)
    size += lk_h1_line_size(h->name, h->value);
    char *const begin = lk_buf_reserve(h1->base.out, size);
    struct lk_h1_writer w = {.to = lk_h1_put(begin, LK_STR("0\r\n")), .options = &h1->options};
    LK_HEADERS_FOREACH(h, trailers)
    lk_h1_write_line(&w, h->name, h->value);
    lk_h1_write_end(&w);
    lk_buf_commit(h1->base.out, (size_t)(w.to - begin));
    output(h1);
    lk_h1_send_end(h1);
}

/* Our direction of a tunnel ends: the whole tunnel does, or it is half-closed. */
static void end_tunnel_direction(struct lk_h1_codec *h1)
{
    const struct lk_codec *codec = &h1->base;
    if (h1->stream.remote_done)
        lk_h1_finish(h1, false);
    else if (codec->callbacks->on_output_end != NULL)
        codec->callbacks->on_output_end(codec->owner);
}

void lk_h1_send_end(struct lk_h1_codec *h1)
{
    h1->stream.local_done = true;
    h1->last |= h1->sending == LK_H1_SEND_LENGTH && h1->send_left > 0;
    if (h1->tunnel)
        end_tunnel_direction(h1);
    else
        lk_h1_finish_if_done(h1);
}
