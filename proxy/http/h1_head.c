/*
 * A head that passed h1_framing becomes a header block in the stream's arena and an event. The head's bytes are copied
 * once; names and values are slices of the copy.
 */
#include "proxy/http/h1_internal.h"
#include "proxy/http/validate.h"

/* Room for what the manager and filters usually add. */
#define SPARE_ENTRIES 12u
/* More interim responses than this to one request are an attack on our memory. */
#define INTERIM_MAX 32u

static bool refuse(struct lk_codec_error *error, const char *details, const char *text)
{
    *error = (struct lk_codec_error){400, details, text};
    return false;
}

static struct lk_headers *block_new(struct lk_arena *arena, uint32_t fields)
{
    struct lk_headers *headers = lk_arena_alloc(arena, sizeof(*headers));
    lk_headers_init(headers, arena);
    headers->cap = (uint16_t)LK_MIN(fields + SPARE_ENTRIES, UINT16_MAX);
    headers->items = lk_arena_alloc(arena, headers->cap * sizeof(*headers->items));
    return headers;
}

static char *bytes_copy(struct lk_arena *arena, const char *data, uint32_t size)
{
    char *bytes = lk_arena_alloc(arena, size);
    memcpy(bytes, data, size);
    return bytes;
}

/* All fields at once: this runs for every header of every message. The block has room. */
static void add_fields(struct lk_headers *headers, const char *bytes, const struct lk_h1_head *head)
{
    struct lk_header *to = headers->items + headers->count;
    uint32_t total = 0;
    for (uint32_t i = 0; i < head->count; i++) {
        const struct lk_h1_field *f = &head->fields[i];
        *to++ = (struct lk_header){
            .name = lk_str(bytes + f->name, f->name_len),
            .value = lk_str(bytes + f->value, f->value_len),
            .id = f->id,
        };
        total += f->name_len + f->value_len;
        if (f->id < LK_HEADER_COUNT)
            headers->present[f->id / 64] |= UINT64_C(1) << (f->id % 64);
    }
    headers->count = (uint16_t)(headers->count + head->count);
    headers->bytes += total;
}

/* The authority of the request: the target's, else Host, else the default for HTTP/1.0. */
static void settle_authority(struct lk_headers *headers, struct lk_str target_authority, const struct lk_h1_codec *h1)
{
    if (target_authority.ptr != NULL)
        lk_headers_set(headers, LK_HEADER_AUTHORITY, target_authority);
    else if (h1->stream.http10 && h1->options.default_host_for_http10.len > 0 &&
             !lk_headers_maybe(headers, LK_HEADER_AUTHORITY))
        lk_headers_add(headers, LK_HEADER_AUTHORITY, h1->options.default_host_for_http10);
}

static struct lk_headers *request_block(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head,
                                        const struct lk_h1_target *target)
{
    struct lk_arena *arena = h1->stream.arena;
    struct lk_headers *headers = block_new(arena, head->count + 4);
    const char *bytes = bytes_copy(arena, data, head->size);
    lk_headers_add(headers, LK_HEADER_METHOD, lk_str(bytes, head->method_len));
    if (target->path.len > 0) {
        bool inside = target->path.ptr >= data && target->path.ptr < data + head->size;
        const char *path = inside ? bytes + (target->path.ptr - data) : target->path.ptr;
        lk_headers_add(headers, LK_HEADER_PATH, lk_str(path, target->path.len));
    }
    if (target->scheme.ptr != NULL)
        lk_headers_add(headers, LK_HEADER_SCHEME, target->scheme);
    add_fields(headers, bytes, head);
    struct lk_str authority = target->authority;
    if (authority.ptr != NULL)
        authority.ptr = bytes + (authority.ptr - data);
    settle_authority(headers, authority, h1);
    return headers;
}

static void request_framing(struct lk_h1_codec *h1, const struct lk_h1_head *head)
{
    if (head->flags & LK_H1_CHUNKED)
        lk_h1_body_begin(&h1->body, LK_H1_BODY_CHUNKED, 0);
    else if (head->content_length > 0)
        lk_h1_body_begin(&h1->body, LK_H1_BODY_LENGTH, head->content_length);
    else
        lk_h1_body_begin(&h1->body, LK_H1_BODY_NONE, 0);
    bool keep_alive = head->minor == 1 || (head->flags & LK_H1_KEEP_ALIVE);
    h1->last = (head->flags & LK_H1_CLOSE) || !keep_alive;
}

/* A request without a body, after its event. */
static void request_done(struct lk_h1_codec *h1)
{
    if (h1->stream.upgrade) {
        h1->stream.remote_done = false;
        h1->reading = LK_H1_READ_BODY;
        lk_h1_body_begin(&h1->body, LK_H1_BODY_UNTIL_CLOSE, 0);
    }
    lk_h1_finish_if_done(h1);
}

bool lk_h1_request_head(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head,
                        struct lk_codec_error *error)
{
    if (head->minor == 0 && !h1->options.accept_http10) {
        *error = (struct lk_codec_error){426, "low_version", "HTTP/1.0 is not accepted"};
        return false;
    }
    struct lk_str method = lk_str(data, head->method_len);
    struct lk_h1_target target;
    if (!lk_h1_target_parse(lk_str(data + head->target, head->target_len), method, h1->options.allow_absolute_url,
                            &target, error))
        return false;
    if (lk_str_eq(method, LK_STR("CONNECT")) && (head->flags & (LK_H1_HAS_LENGTH | LK_H1_CHUNKED)) != 0) {
        *error = (struct lk_codec_error){400, "http1.body_disallowed", "a CONNECT request with a body"};
        return false;
    }
    struct lk_codec_stream *stream = lk_h1_stream_begin(h1);
    stream->http10 = head->minor == 0;
    stream->is_head = lk_str_eq(method, LK_STR("HEAD"));
    stream->is_connect = lk_str_eq(method, LK_STR("CONNECT"));
    request_framing(h1, head);
    if (!h1->base.callbacks->on_stream(h1->base.owner, stream)) {
        h1->live = false;
        return false;
    }
    bool end = h1->body.kind == LK_H1_BODY_NONE;
    uint32_t id = stream->id;
    struct lk_headers *headers = request_block(h1, data, head, &target);
    h1->reading = end ? LK_H1_READ_WAIT : LK_H1_READ_BODY;
    stream->remote_done = end;
    stream->events->on_headers(stream, headers, end);
    if (!lk_h1_still(h1, id))
        return true;
    if (end)
        request_done(h1);
    else
        stream->upgrade = false;
    return true;
}

static struct lk_headers *response_block(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head)
{
    struct lk_arena *arena = h1->stream.arena;
    struct lk_headers *headers = block_new(arena, head->count + 1);
    const char *bytes = bytes_copy(arena, data, head->size);
    lk_headers_add(headers, LK_HEADER_STATUS, lk_str(bytes + sizeof("HTTP/1.1 ") - 1, 3));
    add_fields(headers, bytes, head);
    return headers;
}

static bool interim_response(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head,
                             struct lk_codec_error *error)
{
    if (++h1->interim > INTERIM_MAX)
        return refuse(error, "http1.codec_error", "too many interim responses");
    if (h1->stream.events->on_informational != NULL)
        h1->stream.events->on_informational(&h1->stream, response_block(h1, data, head));
    return true;
}

/* 1xx and 204 have no body and may not claim one (RFC 9112 6.1, RFC 9110 8.6). */
static bool bodiless_check(const struct lk_h1_head *head, struct lk_codec_error *error)
{
    if (head->status >= 200 && head->status != 204)
        return true;
    if (head->flags & LK_H1_CHUNKED)
        return refuse(error, "http1.transfer_encoding_not_allowed", "transfer-encoding in a 1xx or 204 response");
    if (head->content_length > 0)
        return refuse(error, "http1.content_length_not_allowed", "content-length in a 1xx or 204 response");
    return true;
}

static void response_framing(struct lk_h1_codec *h1, const struct lk_h1_head *head)
{
    bool none = h1->stream.is_head || head->status == 204 || head->status == 304;
    bool until_close = false;
    if (h1->tunnel) {
        lk_h1_body_begin(&h1->body, LK_H1_BODY_UNTIL_CLOSE, 0);
        until_close = true;
    } else if (none ||
               (!(head->flags & LK_H1_CHUNKED) && (head->flags & LK_H1_HAS_LENGTH) && head->content_length == 0)) {
        lk_h1_body_begin(&h1->body, LK_H1_BODY_NONE, 0);
    } else if (head->flags & LK_H1_CHUNKED) {
        lk_h1_body_begin(&h1->body, LK_H1_BODY_CHUNKED, 0);
    } else if (head->flags & LK_H1_HAS_LENGTH) {
        lk_h1_body_begin(&h1->body, LK_H1_BODY_LENGTH, head->content_length);
    } else {
        lk_h1_body_begin(&h1->body, LK_H1_BODY_UNTIL_CLOSE, 0);
        until_close = true;
    }
    bool keep_alive = head->minor == 1 || (head->flags & LK_H1_KEEP_ALIVE);
    h1->last |= (head->flags & LK_H1_CLOSE) || !keep_alive || until_close;
}

/* The final answer to an upgrade: a tunnel, or an ordinary response to a request that is thereby complete. */
static bool settle_upgrade(struct lk_h1_codec *h1, const struct lk_h1_head *head, struct lk_codec_error *error)
{
    struct lk_codec_stream *stream = &h1->stream;
    bool switched = head->status == 101 || (stream->is_connect && head->status / 100 == 2);
    if (switched && !stream->upgrade)
        return refuse(error, "http1.codec_error", "the peer switches protocols unasked");
    h1->last |= stream->upgrade;
    h1->tunnel = switched;
    if (switched)
        lk_h1_held_release(h1);
    if (stream->upgrade && !switched) {
        stream->upgrade = false;
        stream->local_done = true;
    }
    return true;
}

bool lk_h1_response_head(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head, bool more,
                         struct lk_codec_error *error)
{
    struct lk_codec_stream *stream = &h1->stream;
    if (!h1->live || !stream->headers_sent)
        return refuse(error, "http1.codec_error", "a response without a request");
    if (!bodiless_check(head, error))
        return false;
    if (head->status < 200 && head->status != 101)
        return interim_response(h1, data, head, error);
    if (!settle_upgrade(h1, head, error))
        return false;
    if (head->keep_alive_s != 0)
        h1->keep_alive_s = head->keep_alive_s;
    stream->http10 = head->minor == 0;
    response_framing(h1, head);
    bool end = h1->body.kind == LK_H1_BODY_NONE;
    h1->last |= end && more;
    h1->reading = end ? LK_H1_READ_WAIT : LK_H1_READ_BODY;
    stream->remote_done = end;
    uint32_t id = stream->id;
    stream->events->on_headers(stream, response_block(h1, data, head), end);
    if (lk_h1_still(h1, id) && end)
        lk_h1_finish_if_done(h1);
    return true;
}

struct lk_headers *lk_h1_trailer_block(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head)
{
    if (!h1->options.enable_trailers || head->count == 0)
        return NULL;
    struct lk_headers *headers = block_new(h1->stream.arena, head->count);
    add_fields(headers, bytes_copy(h1->stream.arena, data, head->size), head);
    bool any = false;
    LK_HEADERS_FOREACH(h, headers)
    {
        if (lk_trailer_allowed(h->id))
            any = true;
        else
            lk_headers_remove_entry(headers, h);
    }
    return any ? headers : NULL;
}
