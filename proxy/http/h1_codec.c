/*
 * The HTTP/1 codec: creation, the life of its one stream, and the table of verbs. Reading is in h1_decode.c and
 * h1_head.c, writing in h1_encode.c and h1_send.c. Owner: the worker of the connection.
 */
#include "proxy/http/h1_codec.h"

#include "proxy/http/h1_internal.h"

struct lk_codec_stream *lk_h1_stream_begin(struct lk_h1_codec *h1)
{
    h1->stream = (struct lk_codec_stream){.codec = &h1->base, .id = ++h1->next_id};
    h1->live = true;
    h1->interim = 0;
    h1->sending = LK_H1_SEND_NOTHING;
    h1->send_left = 0;
    return &h1->stream;
}

void lk_h1_finish(struct lk_h1_codec *h1, bool clean)
{
    bool keep_alive = clean && !h1->last && !h1->goaway && !h1->base.failed;
    bool paused = h1->stream.paused > 0;
    h1->live = false;
    h1->partial = false;
    h1->tunnel = false;
    h1->stream.paused = 0;
    lk_h1_held_drop(h1);
    h1->last = !keep_alive;
    h1->reading = keep_alive ? LK_H1_READ_HEAD : LK_H1_READ_DISCARD;
    lk_h1_scan_begin(&h1->scan, h1->client ? LK_H1_RESPONSE : LK_H1_REQUEST);
    if (paused)
        h1->base.callbacks->on_read_pause(h1->base.owner, false);
    h1->base.callbacks->on_stream_done(h1->base.owner, &h1->stream, keep_alive);
}

void lk_h1_finish_if_done(struct lk_h1_codec *h1)
{
    if (!h1->live || !h1->stream.local_done)
        return;
    if (h1->stream.remote_done)
        lk_h1_finish(h1, true);
    else if (!h1->client && !h1->tunnel)
        lk_h1_finish(h1, false);
}

/* Client: a request. Server: only after a protocol error, to answer what was never understood. */
static struct lk_codec_stream *new_stream(struct lk_codec *codec)
{
    struct lk_h1_codec *h1 = lk_h1_of(codec);
    if (h1->live || (h1->client ? h1->last || h1->goaway || codec->failed : !codec->failed))
        return NULL;
    struct lk_codec_stream *stream = lk_h1_stream_begin(h1);
    if (!h1->client) {
        stream->remote_done = true;
        stream->close_after = true;
    }
    return stream;
}

static void reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    (void)reason;
    struct lk_h1_codec *h1 = lk_h1_of(stream->codec);
    if (h1->live)
        lk_h1_finish(h1, stream->local_done && stream->remote_done);
}

static void pause_reading(struct lk_codec_stream *stream, bool pause)
{
    struct lk_codec *codec = stream->codec;
    codec->callbacks->on_read_pause(codec->owner, pause);
}

static bool blocked(const struct lk_codec_stream *stream)
{
    return lk_h1_held_blocked(lk_h1_of(stream->codec));
}

static void goaway(struct lk_codec *codec)
{
    lk_h1_of(codec)->goaway = true;
}

static void free_codec(struct lk_codec *codec)
{
    struct lk_h1_codec *h1 = lk_h1_of(codec);
    lk_h1_held_drop(h1);
    if (!h1->in_arena)
        lk_free(h1);
}

static const struct lk_codec_ops ops = {
    .protocol = LK_HTTP11,
    .feed = lk_h1_feed,
    .feed_eof = lk_h1_feed_eof,
    .new_stream = new_stream,
    .send_headers = lk_h1_send_headers,
    .send_informational = lk_h1_send_informational,
    .send_data = lk_h1_send_data,
    .send_buf = lk_h1_send_buf,
    .send_trailers = lk_h1_send_trailers,
    .reset = reset,
    .pause = pause_reading,
    .blocked = blocked,
    .goaway = goaway,
    .free = free_codec,
};

static struct lk_codec *codec_init(struct lk_h1_codec *h1, const struct lk_h1_options *options, struct lk_buf *out,
                                   const struct lk_codec_callbacks *callbacks, void *owner, bool client)
{
    h1->base = (struct lk_codec){.ops = &ops, .callbacks = callbacks, .owner = owner, .out = out};
    h1->options = *options;
    h1->client = client;
    h1->reading = LK_H1_READ_HEAD;
    lk_h1_scan_begin(&h1->scan, client ? LK_H1_RESPONSE : LK_H1_REQUEST);
    return &h1->base;
}

struct lk_codec *lk_h1_server_new(const struct lk_h1_options *options, struct lk_buf *out,
                                  const struct lk_codec_callbacks *callbacks, void *owner)
{
    return codec_init(lk_calloc(1, sizeof(struct lk_h1_codec)), options, out, callbacks, owner, false);
}

struct lk_codec *lk_h1_server_new_in(struct lk_arena *arena, const struct lk_h1_options *options, struct lk_buf *out,
                                     const struct lk_codec_callbacks *callbacks, void *owner)
{
    struct lk_h1_codec *h1 = lk_arena_zalloc(arena, sizeof(*h1));
    h1->in_arena = true;
    return codec_init(h1, options, out, callbacks, owner, false);
}

struct lk_codec *lk_h1_client_new(const struct lk_h1_options *options, struct lk_buf *out,
                                  const struct lk_codec_callbacks *callbacks, void *owner)
{
    return codec_init(lk_calloc(1, sizeof(struct lk_h1_codec)), options, out, callbacks, owner, true);
}

uint32_t lk_h1_keep_alive_timeout_s(const struct lk_codec *codec)
{
    return ((const struct lk_h1_codec *)codec)->keep_alive_s;
}

const char *lk_reset_reason_text(enum lk_reset_reason reason)
{
    switch (reason) {
    case LK_RESET_LOCAL:
        return "local reset";
    case LK_RESET_LOCAL_REFUSED:
        return "local refused stream reset";
    case LK_RESET_REMOTE:
        return "remote reset";
    case LK_RESET_REMOTE_REFUSED:
        return "remote refused stream reset";
    case LK_RESET_CONNECTION_FAILURE:
        return "remote connection failure";
    case LK_RESET_CONNECTION_TIMEOUT:
        return "connection timeout";
    case LK_RESET_CONNECTION_TERMINATION:
        return "connection termination";
    case LK_RESET_OVERFLOW:
        return "overflow";
    case LK_RESET_PROTOCOL_ERROR:
        return "protocol error";
    }
    return "unknown";
}
