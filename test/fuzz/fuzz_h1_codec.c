/*
 * Both sides of the HTTP/1 codec on any bytes. What is decoded does not depend on how the bytes arrive; it passes
 * validate; and a message that is encoded again by the other side is decoded to the same message once more, so that
 * nothing we pass on can be read in another way by the next one. The first byte chooses the side and options, the
 * second the size of the pieces. lk_fuzz_library: lk_http
 */
#include "proxy/base/mem.h"
#include "proxy/http/h1_codec.h"
#include "proxy/http/validate.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOG_MAX (1u << 18)

/* One connection under test. */
struct side {
    struct lk_codec *codec;
    struct lk_codec_stream *stream;
    struct lk_codec_stream *onward; /* encodes what arrives, or NULL */
    struct lk_arena arena;
    struct lk_arena answer_arena;
    struct lk_buf out;
    char *log;
    size_t log_len;
    bool client;
    bool upgrades; /* lets every upgrade through */
    bool answers_requests;
    bool strange_path; /* one that the manager refuses */
};

static struct lk_chunk_pool *pool;

static void note(struct side *s, const char *p, size_t len)
{
    if (s->log_len + len > LOG_MAX)
        return;
    if (len > 0)
        memcpy(s->log + s->log_len, p, len);
    s->log_len += len;
}

static void note_text(struct side *s, const char *text)
{
    note(s, text, strlen(text));
}

/* Fields that an encoder replaces are left out, so that the message can be compared after a hop. */
static bool is_hop(const struct lk_header *h)
{
    return h->id == LK_HEADER_TRANSFER_ENCODING || h->id == LK_HEADER_CONNECTION || h->id == LK_HEADER_CONTENT_LENGTH ||
           h->id == LK_HEADER_SCHEME;
}

static void note_block(struct side *s, const struct lk_headers *headers)
{
    LK_HEADERS_FOREACH(h, headers)
    {
        bool pseudo = h->name.len > 0 && h->name.ptr[0] == ':';
        LK_ASSERT(pseudo || lk_header_name_valid(h->name));
        LK_ASSERT(lk_header_value_valid(h->value));
        LK_ASSERT(h->id == lk_header_id_of(h->name));
        if (is_hop(h) || h->id == LK_HEADER_AUTHORITY)
            continue;
        note(s, h->name.ptr, h->name.len);
        note_text(s, "=");
        note(s, h->value.ptr, h->value.len);
        note_text(s, "\n");
    }
    struct lk_str authority = lk_headers_get(headers, LK_HEADER_AUTHORITY);
    note(s, authority.ptr, authority.len);
    note_text(s, "\n");
}

static void answer(struct side *s)
{
    struct lk_headers headers;
    lk_arena_reset(&s->answer_arena);
    lk_headers_init(&headers, &s->answer_arena);
    lk_headers_set_status(&headers, s->stream->upgrade ? 101 : 200);
    lk_codec_send_headers(s->stream, &headers, !s->stream->upgrade);
}

/* The peer's message is complete. */
static void finished(struct side *s)
{
    if (s->answers_requests && s->stream != NULL && !s->stream->headers_sent)
        answer(s);
}

static void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end_stream)
{
    struct side *s = stream->arg;
    note_block(s, headers);
    struct lk_str path = lk_headers_get(headers, LK_HEADER_PATH);
    s->strange_path = path.len > 0 && (path.ptr[0] == '?' || path.ptr[0] == '#');
    if (s->onward != NULL)
        lk_codec_send_headers(s->onward, headers, end_stream);
    if (end_stream && s->upgrades && lk_headers_maybe(headers, LK_HEADER_UPGRADE))
        stream->upgrade = true;
    if (end_stream)
        finished(s);
}

static void on_informational(struct lk_codec_stream *stream, struct lk_headers *headers)
{
    struct side *s = stream->arg;
    note_block(s, headers);
    if (s->onward != NULL)
        lk_codec_send_informational(s->onward, headers);
}

static void on_data(struct lk_codec_stream *stream, struct lk_span data, bool end_stream)
{
    struct side *s = stream->arg;
    note(s, data.ptr, data.len);
    if (s->onward != NULL)
        lk_codec_send_data(s->onward, data, end_stream);
    if (!end_stream)
        return;
    note_text(s, "\nEND\n");
    finished(s);
}

static void on_trailers(struct lk_codec_stream *stream, struct lk_headers *trailers)
{
    struct side *s = stream->arg;
    note_text(s, "\nEND\n");
    note_block(s, trailers);
    if (s->onward != NULL)
        lk_codec_send_trailers(s->onward, trailers);
    finished(s);
}

static void on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    note_text(stream->arg, lk_reset_reason_text(reason));
}

static const struct lk_stream_events events = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
};

static void adopt(struct side *s, struct lk_codec_stream *stream)
{
    stream->events = &events;
    stream->arg = s;
    stream->arena = &s->arena;
    s->stream = stream;
}

static bool on_stream(void *owner, struct lk_codec_stream *stream)
{
    adopt(owner, stream);
    return true;
}

static void on_stream_done(void *owner, struct lk_codec_stream *stream, bool keep_alive)
{
    struct side *s = owner;
    LK_ASSERT(stream == s->stream);
    s->stream = NULL;
    if (!s->client) /* what comes behind a response decides there, and when it comes */
        note_text(s, keep_alive ? "keep\n" : "close\n");
    lk_arena_reset(&s->arena);
}

static void ignore(void *owner)
{
    (void)owner;
}

static void ignore_pause(void *owner, bool pause)
{
    (void)owner;
    (void)pause;
}

static const struct lk_codec_callbacks callbacks = {
    .on_stream = on_stream,
    .on_head_pending = ignore,
    .on_stream_done = on_stream_done,
    .on_read_pause = ignore_pause,
    .on_output = ignore,
};

static struct side *side_new(bool client, const struct lk_h1_options *options)
{
    struct side *s = calloc(1, sizeof(*s));
    s->log = malloc(LOG_MAX);
    s->client = client;
    lk_arena_init(&s->arena);
    lk_arena_init(&s->answer_arena);
    lk_buf_init(&s->out, pool);
    s->codec = (client ? lk_h1_client_new : lk_h1_server_new)(options, &s->out, &callbacks, s);
    return s;
}

static void side_free(struct side *s)
{
    lk_codec_free(s->codec);
    lk_arena_reset(&s->arena);
    lk_arena_reset(&s->answer_arena);
    lk_buf_clear(&s->out);
    free(s->log);
    free(s);
}

/* A client asks before it is answered. */
static void ask(struct side *s)
{
    struct lk_codec_stream *stream = lk_codec_new_stream(s->codec);
    adopt(s, stream);
    struct lk_headers headers;
    lk_arena_reset(&s->answer_arena);
    lk_headers_init(&headers, &s->answer_arena);
    stream->upgrade = s->upgrades;
    lk_headers_add(&headers, LK_HEADER_METHOD, LK_STR("GET"));
    lk_headers_add(&headers, LK_HEADER_PATH, LK_STR("/"));
    lk_codec_send_headers(stream, &headers, !s->upgrades);
}

static bool is_over(const struct side *s)
{
    return s->codec->failed || (s->client && s->stream == NULL);
}

/* Feeds everything in pieces, as a connection would, and ends it. */
static void feed(struct side *s, const char *data, size_t size, size_t piece)
{
    size_t from = 0;
    struct lk_codec_error error = {0};
    for (size_t have = 0; have < size && !is_over(s);) {
        have = LK_MIN(have + piece, size);
        size_t used;
        do {
            size_t len = have - from;
            char *copy = malloc(len);
            memcpy(copy, data + from, len);
            used = lk_codec_feed(s->codec, lk_span(NULL, copy, len), &error);
            free(copy);
            LK_ASSERT(used <= len);
            from += used;
        } while (used > 0 && from < have && !is_over(s));
    }
    if (!is_over(s))
        lk_codec_feed_eof(s->codec, &error);
    if (s->codec->failed) /* for which of several reasons depends on what came first */
        note_text(s, "failed");
}

/* What is decoded does not depend on how the bytes arrive. */
static void check_pieces(bool client, bool upgrades, const struct lk_h1_options *options, const char *data, size_t size,
                         size_t piece)
{
    struct side *sides[2];
    for (int i = 0; i < 2; i++) {
        struct side *s = sides[i] = side_new(client, options);
        s->upgrades = upgrades;
        s->answers_requests = !client;
        if (client)
            ask(s);
        feed(s, data, size, i == 0 ? size : piece);
    }
    LK_ASSERT(sides[0]->log_len == sides[1]->log_len);
    LK_ASSERT(memcmp(sides[0]->log, sides[1]->log, sides[0]->log_len) == 0);
    side_free(sides[0]);
    side_free(sides[1]);
}

/* The stream on which `sender` passes on what another side decodes: a response to a request it got, or a request. */
static struct lk_codec_stream *begin_onward(struct side *sender)
{
    static const char request[] = "GET / HTTP/1.1\r\n\r\n";
    struct lk_codec_error error;
    if (sender->client)
        adopt(sender, lk_codec_new_stream(sender->codec));
    else
        lk_codec_feed(sender->codec, lk_span(NULL, request, sizeof(request) - 1), &error);
    return sender->stream;
}

/* Decodes what was written once more, with room for what a sender adds to a head. */
static void check_again(const struct side *first, const struct side *sender, const struct lk_h1_options *options)
{
    struct lk_h1_options roomier = *options;
    roomier.max_headers_kb++;
    roomier.max_headers_count += 4;
    struct side *second = side_new(first->client, &roomier);
    char *wire = malloc(sender->out.len);
    size_t len = lk_buf_peek(&sender->out, wire, sender->out.len);
    if (first->client)
        ask(second);
    feed(second, wire, len, len);
    LK_ASSERT(!second->codec->failed);
    LK_ASSERT(first->log_len == second->log_len);
    LK_ASSERT(memcmp(first->log, second->log, first->log_len) == 0);
    free(wire);
    side_free(second);
}

/* Decode, encode by the other side, decode again: the first message of the input, if it is a good and complete one. */
static void check_hop(bool client, const struct lk_h1_options *options, const char *data, size_t size)
{
    struct side *first = side_new(client, options);
    struct side *sender = side_new(!client, options);
    struct lk_codec_error error = {0};
    if (client)
        ask(first);
    first->onward = begin_onward(sender);
    lk_codec_feed(first->codec, lk_span(NULL, data, size), &error);
    bool complete = client ? first->stream == NULL : first->stream != NULL && first->stream->remote_done;
    if (complete && !first->strange_path)
        check_again(first, sender, options);
    side_free(first);
    side_free(sender);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 16384)
        return 0;
    if (pool == NULL)
        pool = lk_chunk_pool_new();
    bool client = data[0] & 1;
    struct lk_h1_options options = {
        .max_headers_kb = 8,
        .max_headers_count = 80,
        .accept_http10 = !(data[0] & 2),
        .enable_trailers = !(data[0] & 4),
        .allow_absolute_url = !(data[0] & 8),
    };
    size_t piece = (size_t)data[1] + 1;
    const char *bytes = (const char *)data + 2;
    check_pieces(client, data[0] & 16, &options, bytes, size - 2, piece);
    check_hop(client, &options, bytes, size - 2);
    return 0;
}
