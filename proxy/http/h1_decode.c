/*
 * Bytes of the peer into stream events: the loop over heads, bodies and trailers. Every callback may end the exchange
 * or begin the next one, so that nothing about the stream is assumed behind a callback.
 */
#include "proxy/http/h1_internal.h"

/* Fields of most heads; more are scanned a second time with room from the heap. */
#define FIELDS_ON_STACK 64u
/* Bound of what a header block can hold, with room for what is added to it. */
#define FIELDS_MAX 60000u

/* What one call of feed works on. */
struct input {
    struct lk_span rest;
    size_t used; /* by the current step */
    struct lk_codec_error *error;
};

static bool fail(struct lk_h1_codec *h1, struct input *in, unsigned status, const char *text)
{
    *in->error = (struct lk_codec_error){status, "http1.codec_error", text};
    h1->base.failed = true;
    return false;
}

/* A head is complete at the front of the input. */
static bool take_head(struct lk_h1_codec *h1, struct input *in, const struct lk_h1_head *head)
{
    in->used += head->size;
    h1->partial = false;
    const char *data = in->rest.ptr + in->used - head->size;
    *in->error = (struct lk_codec_error){0, NULL, NULL};
    bool ok = h1->client ? lk_h1_response_head(h1, data, head, in->used < in->rest.len, in->error)
                         : lk_h1_request_head(h1, data, head, in->error);
    if (!ok)
        h1->base.failed = true;
    return ok;
}

static bool take_trailers(struct lk_h1_codec *h1, struct input *in, const struct lk_h1_head *head)
{
    struct lk_codec_stream *stream = &h1->stream;
    uint32_t id = stream->id;
    const char *data = in->rest.ptr;
    in->used += head->size;
    h1->partial = false;
    h1->last |= h1->client && in->used < in->rest.len;
    h1->reading = LK_H1_READ_WAIT;
    stream->remote_done = true;
    struct lk_headers *trailers = lk_h1_trailer_block(h1, data, head);
    if (trailers != NULL)
        stream->events->on_trailers(stream, trailers);
    else
        stream->events->on_data(stream, lk_span(NULL, data, 0), true);
    if (lk_h1_still(h1, id))
        lk_h1_finish_if_done(h1);
    return true;
}

static bool take_section(struct lk_h1_codec *h1, struct input *in, const struct lk_h1_head *head)
{
    bool trailers = h1->reading == LK_H1_READ_TRAILERS;
    return trailers ? take_trailers(h1, in, head) : take_head(h1, in, head);
}

/* A section with more fields than the stack has room for. */
static bool take_large_section(struct lk_h1_codec *h1, struct input *in, const struct lk_h1_limits *limits,
                               struct lk_h1_head *head)
{
    struct lk_h1_field *fields = lk_malloc(head->count * sizeof(*fields));
    *head = (struct lk_h1_head){.fields = fields, .cap = head->count};
    const char *data = in->rest.ptr + in->used;
    bool again = lk_h1_scan(&h1->scan, data, in->rest.len - in->used, limits, head, in->error) == LK_H1_DONE;
    bool ok = again && take_section(h1, in, head);
    lk_free(fields);
    return ok;
}

static void note_partial(struct lk_h1_codec *h1)
{
    if (h1->partial)
        return;
    h1->partial = true;
    const struct lk_codec *codec = &h1->base;
    if (h1->reading == LK_H1_READ_HEAD && !h1->client && codec->callbacks->on_head_pending != NULL)
        codec->callbacks->on_head_pending(codec->owner);
}

/* A head or a trailer section at in->used. */
static bool read_section(struct lk_h1_codec *h1, struct input *in)
{
    uint64_t bytes = (uint64_t)h1->options.max_headers_kb * 1024;
    struct lk_h1_limits limits = {
        .bytes = (uint32_t)LK_MIN(bytes, UINT32_MAX),
        .fields = LK_MIN(h1->options.max_headers_count, FIELDS_MAX),
    };
    struct lk_h1_field fields[FIELDS_ON_STACK];
    struct lk_h1_head head = {.fields = fields, .cap = FIELDS_ON_STACK};
    const char *data = in->rest.ptr + in->used;
    switch (lk_h1_scan(&h1->scan, data, in->rest.len - in->used, &limits, &head, in->error)) {
    case LK_H1_DONE:
        if (head.count > FIELDS_ON_STACK)
            return take_large_section(h1, in, &limits, &head);
        return take_section(h1, in, &head);
    case LK_H1_MORE:
        note_partial(h1);
        return false;
    case LK_H1_BAD:
        break;
    }
    h1->base.failed = true;
    return false;
}

static bool read_head(struct lk_h1_codec *h1, struct input *in)
{
    if (h1->client && (!h1->live || !h1->stream.headers_sent))
        return fail(h1, in, 0, "bytes without a request");
    if (!h1->client && h1->scan.pos == 0) {
        if (!lk_h1_skip_empty_lines(in->rest.ptr, in->rest.len, &in->used, in->error)) {
            h1->base.failed = true;
            return false;
        }
        if (in->used == in->rest.len || in->rest.ptr[in->used] == '\r')
            return false;
    }
    return read_section(h1, in);
}

static bool deliver(struct lk_h1_codec *h1, struct input *in, struct lk_str payload, bool end)
{
    struct lk_codec_stream *stream = &h1->stream;
    uint32_t id = stream->id;
    if (end) {
        h1->last |= h1->client && in->used < in->rest.len;
        h1->reading = LK_H1_READ_WAIT;
        stream->remote_done = true;
    }
    stream->events->on_data(stream, lk_span(in->rest.chunk, payload.ptr, payload.len), end);
    if (end && lk_h1_still(h1, id))
        lk_h1_finish_if_done(h1);
    return true;
}

static bool read_body(struct lk_h1_codec *h1, struct input *in)
{
    struct lk_str payload;
    const char *why = NULL;
    switch (lk_h1_body_next(&h1->body, in->rest.ptr, in->rest.len, &in->used, &payload, &why)) {
    case LK_H1_BODY_DATA:
        return deliver(h1, in, payload, false);
    case LK_H1_BODY_END:
        return deliver(h1, in, payload, true);
    case LK_H1_BODY_TRAILERS:
        h1->reading = LK_H1_READ_TRAILERS;
        lk_h1_scan_begin(&h1->scan, LK_H1_TRAILERS);
        return true;
    case LK_H1_BODY_MORE:
        return true;
    case LK_H1_BODY_BAD:
        break;
    }
    return fail(h1, in, 400, why);
}

/* One step; false when nothing more can be done with the input. */
static bool step(struct lk_h1_codec *h1, struct input *in)
{
    switch ((enum lk_h1_reading)h1->reading) {
    case LK_H1_READ_HEAD:
        return read_head(h1, in);
    case LK_H1_READ_BODY:
        return h1->stream.paused == 0 && read_body(h1, in);
    case LK_H1_READ_TRAILERS:
        return h1->stream.paused == 0 && read_section(h1, in);
    case LK_H1_READ_WAIT:
        return false;
    case LK_H1_READ_DISCARD:
        in->used = in->rest.len;
        return false;
    }
    lk_panic("reading state %u", h1->reading);
}

size_t lk_h1_feed(struct lk_codec *codec, struct lk_span data, struct lk_codec_error *error)
{
    struct lk_h1_codec *h1 = lk_h1_of(codec);
    struct input in = {data, 0, error};
    size_t done = 0;
    bool go = true;
    while (go && !codec->failed && done < data.len) {
        in.rest = lk_span(data.chunk, data.ptr + done, data.len - done);
        in.used = 0;
        go = step(h1, &in);
        done += in.used;
    }
    return done;
}

/* Whether any byte of the message that is being read has come. */
static bool message_begun(const struct lk_h1_codec *h1)
{
    return h1->reading == LK_H1_READ_BODY || h1->reading == LK_H1_READ_TRAILERS || h1->partial;
}

static bool body_ends_with_connection(const struct lk_h1_codec *h1)
{
    return h1->live && h1->reading == LK_H1_READ_BODY && h1->body.kind == LK_H1_BODY_UNTIL_CLOSE;
}

bool lk_h1_feed_eof(struct lk_codec *codec, struct lk_codec_error *error)
{
    struct lk_h1_codec *h1 = lk_h1_of(codec);
    struct input in = {lk_span(NULL, "", 0), 0, error};
    if (codec->failed || h1->reading == LK_H1_READ_DISCARD)
        return true;
    if (body_ends_with_connection(h1))
        return deliver(h1, &in, lk_str("", 0), true);
    if (message_begun(h1))
        return fail(h1, &in, h1->client ? 0 : 400, "the connection ended inside a message");
    h1->last = true;
    if (h1->client && h1->live && !h1->stream.remote_done) {
        struct lk_codec_stream *stream = &h1->stream;
        stream->events->on_reset(stream, LK_RESET_CONNECTION_TERMINATION);
        if (h1->live)
            lk_h1_finish(h1, false);
    }
    return true;
}
