#include "test/support/h1_fixture.h"

static void end_write(struct end *e, const char *text, size_t len)
{
    LK_CHECK(e->log_len + len < END_MAX_LOG);
    memcpy(e->log + e->log_len, text, len);
    e->log_len += len;
    e->log[e->log_len] = '\0';
}

static void end_str(struct end *e, struct lk_str s)
{
    if (s.len > 0)
        end_write(e, s.ptr, s.len);
}

static void end_text(struct end *e, const char *text)
{
    end_write(e, text, strlen(text));
}

static void end_line(struct end *e, const char *text)
{
    if (e->in_data)
        end_text(e, "\n");
    e->in_data = false;
    end_text(e, text);
}

static void end_block(struct end *e, const struct lk_headers *headers)
{
    uint32_t bytes = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        end_text(e, " ");
        end_str(e, h->name);
        end_text(e, "=");
        end_str(e, h->value);
        bytes += (uint32_t)(h->name.len + h->value.len);
        LK_CHECK_EQ_INT(h->id, lk_header_id_of(h->name));
    }
    LK_CHECK_EQ_UINT(headers->bytes, bytes);
}

static void end_on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end_stream)
{
    struct end *e = stream->arg;
    end_line(e, "headers");
    end_block(e, headers);
    end_text(e, end_stream ? " END\n" : "\n");
    if (e->on_headers != NULL)
        e->on_headers(e);
    if (end_stream && e->on_end != NULL && e->stream != NULL)
        e->on_end(e);
}

static void end_on_informational(struct lk_codec_stream *stream, struct lk_headers *headers)
{
    struct end *e = stream->arg;
    end_line(e, "informational");
    end_block(e, headers);
    end_text(e, "\n");
}

static void end_on_data(struct lk_codec_stream *stream, struct lk_span data, bool end_stream)
{
    struct end *e = stream->arg;
    if (!e->in_data)
        end_text(e, "data ");
    e->in_data = true;
    end_str(e, lk_str(data.ptr, data.len));
    if (end_stream)
        end_line(e, "END\n");
    if (e->on_data != NULL)
        e->on_data(e);
    if (end_stream && e->on_end != NULL && e->stream != NULL)
        e->on_end(e);
}

static void end_on_trailers(struct lk_codec_stream *stream, struct lk_headers *trailers)
{
    struct end *e = stream->arg;
    end_line(e, "trailers");
    end_block(e, trailers);
    end_text(e, " END\n");
    if (e->on_end != NULL)
        e->on_end(e);
}

static void end_on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    struct end *e = stream->arg;
    end_line(e, "reset: ");
    end_text(e, lk_reset_reason_text(reason));
    end_text(e, "\n");
}

static const struct lk_stream_events end_events = {
    .on_headers = end_on_headers,
    .on_informational = end_on_informational,
    .on_data = end_on_data,
    .on_trailers = end_on_trailers,
    .on_reset = end_on_reset,
};

void end_adopt(struct end *e, struct lk_codec_stream *stream)
{
    LK_CHECK_NOT_NULL(stream);
    stream->events = &end_events;
    stream->arg = e;
    stream->arena = &e->arena;
    e->stream = stream;
}

static bool end_on_stream(void *owner, struct lk_codec_stream *stream)
{
    struct end *e = owner;
    LK_CHECK_NULL(e->stream);
    if (e->refuse)
        return false;
    end_adopt(e, stream);
    return true;
}

static void end_on_stream_done(void *owner, struct lk_codec_stream *stream, bool keep_alive)
{
    struct end *e = owner;
    LK_CHECK_EQ_PTR(stream, e->stream);
    e->stream = NULL;
    e->done_calls++;
    lk_arena_reset(&e->arena);
    end_line(e, keep_alive ? "done keep\n" : "done close\n");
}

static void end_on_read_pause(void *owner, bool pause)
{
    ((struct end *)owner)->read_pauses += pause ? 1 : -1;
}

static void end_on_output(void *owner)
{
    ((struct end *)owner)->output_calls++;
}

static void end_on_output_end(void *owner)
{
    end_line(owner, "output end\n");
}

static void end_on_head_pending(void *owner)
{
    ((struct end *)owner)->pending_calls++;
}

const struct lk_codec_callbacks end_callbacks = {
    .on_stream = end_on_stream,
    .on_head_pending = end_on_head_pending,
    .on_stream_done = end_on_stream_done,
    .on_read_pause = end_on_read_pause,
    .on_output = end_on_output,
    .on_output_end = end_on_output_end,
};

const struct lk_h1_options end_options = {
    .max_headers_kb = 60,
    .max_headers_count = 100,
    .accept_http10 = true,
    .enable_trailers = true,
    .allow_absolute_url = true,
};

struct end *end_new(bool client, const struct lk_h1_options *options)
{
    struct end *e = lk_calloc(1, sizeof(*e));
    e->pool = lk_chunk_pool_new();
    lk_buf_init(&e->out, e->pool);
    lk_arena_init(&e->arena);
    lk_arena_init(&e->held);
    e->codec = (client ? lk_h1_client_new : lk_h1_server_new)(options, &e->out, &end_callbacks, e);
    return e;
}

struct end *server_new(void)
{
    return end_new(false, &end_options);
}

struct end *client_new(void)
{
    return end_new(true, &end_options);
}

void end_free(struct end *e)
{
    lk_codec_free(e->codec);
    lk_buf_clear(&e->out);
    lk_arena_reset(&e->arena);
    lk_arena_reset(&e->held);
    lk_chunk_pool_free(e->pool);
    lk_free(e->input);
    lk_free(e);
}

bool end_offer(struct end *e)
{
    struct lk_codec_error error = {0};
    char *copy = lk_malloc(e->input_len);
    memcpy(copy, e->input, e->input_len);
    size_t used = lk_codec_feed(e->codec, lk_span(NULL, copy, e->input_len), &error);
    lk_free(copy);
    LK_CHECK(used <= e->input_len);
    memmove(e->input, e->input + used, e->input_len - used);
    e->input_len -= used;
    if (e->codec->failed && e->error.text == NULL) {
        e->error = error;
        if (error.text != NULL) {
            end_line(e, "error: ");
            end_text(e, error.text);
            end_text(e, "\n");
        }
    }
    return used > 0;
}

void end_feed(struct end *e, const char *data, size_t len)
{
    if (e->codec->failed)
        return;
    e->input = lk_realloc(e->input, e->input_len + len);
    memcpy(e->input + e->input_len, data, len);
    e->input_len += len;
    while (!e->codec->failed && e->input_len > 0 && end_offer(e))
        ;
}

void end_feed_str(struct end *e, const char *data)
{
    end_feed(e, data, strlen(data));
}

void end_feed_pieces(struct end *e, const char *data, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece)
        end_feed(e, data + at, LK_MIN(piece, len - at));
}

void end_eof(struct end *e)
{
    struct lk_codec_error error = {0};
    if (!lk_codec_feed_eof(e->codec, &error)) {
        end_line(e, "error: ");
        end_text(e, error.text);
        end_text(e, "\n");
        e->error = error;
    }
}

struct lk_str end_output(struct end *e)
{
    size_t len = e->out.len;
    char *bytes = lk_arena_alloc(&e->held, len + 1);
    LK_CHECK_EQ_UINT(lk_buf_peek(&e->out, bytes, len), len);
    bytes[len] = '\0';
    lk_buf_clear(&e->out);
    return lk_str(bytes, len);
}

struct lk_headers *end_headers(struct end *e, const char *const *pairs)
{
    struct lk_headers *headers = lk_arena_alloc(&e->held, sizeof(*headers));
    lk_headers_init(headers, &e->held);
    for (; *pairs != NULL; pairs += 2) {
        struct lk_str name = lk_str_from(pairs[0]);
        lk_headers_add_raw(headers, lk_header_id_of(name), name, lk_str_from(pairs[1]));
    }
    return headers;
}

void end_send(struct end *e, const struct lk_headers *headers, bool end_stream)
{
    lk_codec_send_headers(e->stream, headers, end_stream);
}

void end_send_data(struct end *e, const char *data, bool end_stream)
{
    lk_codec_send_data(e->stream, lk_span(NULL, data, strlen(data)), end_stream);
}

void answer_ok(struct end *e)
{
    end_send(e, HEADERS(e, ":status", "200", "content-length", "2"), false);
    end_send_data(e, "ok", true);
}

struct end *client_asked(const char *method)
{
    struct end *e = client_new();
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":method", method, ":path", "/", ":authority", "h"), true);
    end_output(e);
    return e;
}
