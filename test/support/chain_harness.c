/* Both ends of a filter chain, for tests. See chain_harness.h. */
#include "test/support/chain_harness.h"

#include "proxy/base/mem.h"
#include "proxy/io/loop.h"
#include "test/support/lk_test.h"

#include <stdarg.h>

struct chain_harness *chain_harness_of(struct lk_http_slot *slot)
{
    return LK_CONTAINER_OF(slot->stream, struct chain_harness, stream);
}

static struct chain_harness *harness_of(struct lk_http_stream *stream)
{
    return LK_CONTAINER_OF(stream, struct chain_harness, stream);
}

void chain_note(struct chain_harness *h, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t left = CHAIN_TRANSCRIPT_MAX - h->transcript_len;
    int len = vsnprintf(h->transcript + h->transcript_len, left, fmt, args);
    va_end(args);
    LK_CHECK_MSG(len >= 0 && (size_t)len + 2 < left, "the transcript is too long");
    h->transcript_len += (size_t)len;
    h->transcript[h->transcript_len++] = '\n';
    h->transcript[h->transcript_len] = '\0';
}

void chain_expect(const char *file, int line, struct chain_harness *h, const char *lines)
{
    h->transcript_len = 0;
    lk_test_eq_str(file, line, "transcript", h->transcript, lines);
    h->transcript[0] = '\0';
}

static void note_data(struct chain_harness *h, const char *who, struct lk_span data, bool end)
{
    if (data.len > 64)
        chain_note(h, "%s: data of %zu bytes%s", who, data.len, end ? " end" : "");
    else
        chain_note(h, "%s: data \"%.*s\"%s", who, (int)data.len, data.ptr, end ? " end" : "");
}

/* --- the terminal filter
 * ---------------------------------------------------------------------------------------------- */

static void *origin_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    (void)config;
    (void)worker;
    chain_harness_of(slot)->origin = slot;
    return chain_harness_of(slot);
}

static enum lk_filter_status origin_headers(void *self, struct lk_headers *headers, bool end)
{
    struct lk_str method = lk_headers_get(headers, LK_HEADER_METHOD);
    struct lk_str path = lk_headers_get(headers, LK_HEADER_PATH);
    chain_note(self, "origin: %.*s %.*s%s", LK_STR_ARG(method), LK_STR_ARG(path), end ? " end" : "");
    return LK_FILTER_CONTINUE;
}

static enum lk_filter_status origin_data(void *self, struct lk_span data, bool end)
{
    struct chain_harness *h = self;
    note_data(h, "origin", data, end);
    lk_buf_add_span(&h->origin_body, data);
    return LK_FILTER_CONTINUE;
}

static enum lk_filter_status origin_trailers(void *self, struct lk_headers *trailers)
{
    (void)trailers;
    chain_note(self, "origin: trailers");
    return LK_FILTER_CONTINUE;
}

static void origin_blocked(void *self, bool blocked)
{
    chain_note(self, "origin: %s", blocked ? "blocked" : "unblocked");
}

static void origin_destroy(void *self)
{
    chain_note(self, "origin: destroy");
}

static const struct lk_http_filter origin_filter = {
    .name = "test.origin",
    .type = "test.Origin",
    .terminal = true,
    .stream_new = origin_new,
    .on_request_headers = origin_headers,
    .on_request_data = origin_data,
    .on_request_trailers = origin_trailers,
    .on_response_blocked = origin_blocked,
    .on_destroy = origin_destroy,
};

/* --- the sink
 * --------------------------------------------------------------------------------------------------------- */

static void send_informational(struct lk_http_stream *stream, struct lk_headers *headers)
{
    chain_note(harness_of(stream), "client: informational %u", lk_headers_status(headers));
}

static void send_headers(struct lk_http_stream *stream, struct lk_headers *headers, bool end)
{
    struct chain_harness *h = harness_of(stream);
    LK_CHECK(!h->client_done);
    h->client_done = end;
    chain_note(h, "client: %u%s", lk_headers_status(headers), end ? " end" : "");
}

static void send_data(struct lk_http_stream *stream, struct lk_span data, bool end)
{
    struct chain_harness *h = harness_of(stream);
    LK_CHECK(!h->client_done);
    h->client_done = end;
    note_data(h, "client", data, end);
    lk_buf_add_span(&h->client_body, data);
}

static void send_trailers(struct lk_http_stream *stream, struct lk_headers *trailers)
{
    struct chain_harness *h = harness_of(stream);
    (void)trailers;
    LK_CHECK(!h->client_done);
    h->client_done = true;
    chain_note(h, "client: trailers end");
}

static void local_reply(struct lk_http_stream *stream, const struct lk_local_reply *reply)
{
    struct chain_harness *h = harness_of(stream);
    struct lk_headers *headers = lk_arena_zalloc(&stream->arena, sizeof(*headers));
    h->local_status = reply->status;
    chain_note(h, "local: %u %.*s", reply->status, LK_STR_ARG(reply->details));
    lk_headers_init(headers, &stream->arena);
    lk_headers_set_status(headers, reply->status);
    if (reply->modify != NULL)
        reply->modify(reply->arg, headers);
    stream->info.response_code = reply->status;
    stream->info.details = reply->details;
    lk_http_chain_local_response(stream, headers, reply->body);
}

static void reset(struct lk_http_stream *stream, enum lk_reset_reason reason)
{
    struct chain_harness *h = harness_of(stream);
    h->was_reset = true;
    h->client_done = true;
    h->reset_reason = reason;
    chain_note(h, "client: reset %s", lk_reset_reason_text(reason));
    lk_http_chain_destroy(stream);
}

static void pause_request(struct lk_http_stream *stream, bool pause)
{
    struct chain_harness *h = harness_of(stream);
    h->pauses += pause ? 1 : -1;
    LK_CHECK_MSG(h->pauses >= 0, "resumed more often than paused");
    chain_note(h, "client: %s", pause ? "pause" : "resume");
}

static const struct lk_route *route(struct lk_http_stream *stream)
{
    const struct lk_route *found = harness_of(stream)->route;
    if (found != NULL)
        stream->info.route_cluster = found->action.cluster;
    return found;
}

static void clear_route(struct lk_http_stream *stream)
{
    harness_of(stream)->clears++;
}

static const void *route_config(struct lk_http_stream *stream, struct lk_str filter_name)
{
    (void)filter_name;
    return harness_of(stream)->route_config;
}

static enum lk_filter_switch filter_switch(struct lk_http_stream *stream, struct lk_str filter_name)
{
    struct chain_harness *h = harness_of(stream);
    return lk_str_eq(filter_name, h->switched_filter) ? h->switched_to : LK_FILTER_AS_CONFIGURED;
}

static const struct lk_http_sink sink = {
    .send_informational = send_informational,
    .send_headers = send_headers,
    .send_data = send_data,
    .send_trailers = send_trailers,
    .local_reply = local_reply,
    .reset = reset,
    .pause_request = pause_request,
    .route = route,
    .clear_route = clear_route,
    .route_config = route_config,
    .filter_switch = filter_switch,
};

/* --- life
 * ------------------------------------------------------------------------------------------------------------- */

struct chain_harness *chain_harness_new(const struct lk_http_filter_entry *entries, unsigned count)
{
    struct lk_loop *loop = lk_loop_new(&(struct lk_loop_options){.index = 0, .name = "test_chain"});
    struct chain_harness *h = chain_harness_on(loop, entries, count);
    h->own_loop = true;
    return h;
}

struct chain_harness *chain_harness_on(struct lk_loop *loop, const struct lk_http_filter_entry *entries, unsigned count)
{
    struct chain_harness *h = lk_calloc(1, sizeof(*h));
    LK_CHECK(count <= CHAIN_FILTERS_MAX);
    h->loop = loop;
    h->transcript = lk_calloc(1, CHAIN_TRANSCRIPT_MAX);
    for (unsigned i = 0; i < count; i++)
        h->entries[i] = entries[i];
    h->config = (struct lk_http_chain_config){.entries = h->entries, .count = count};
    if (count == 0 || !entries[count - 1].filter->terminal)
        h->entries[h->config.count++] =
            (struct lk_http_filter_entry){.filter = &origin_filter, .name = LK_STR("test.origin")};
    for (unsigned i = 0; i < count; i++) {
        const struct lk_http_filter *filter = h->entries[i].filter;
        h->workers[i] = filter->worker_new != NULL ? filter->worker_new(h->entries[i].config, h->loop) : NULL;
    }
    lk_arena_init(&h->stream.arena);
    h->stream.loop = h->loop;
    h->stream.sink = &sink;
    h->stream.buffer_limit = 1u << 20;
    h->stream.info.conn = &h->conn;
    h->stream.info.start_us = lk_loop_now_us(h->loop);
    lk_buf_init(&h->client_body, lk_loop_pool(h->loop));
    lk_buf_init(&h->origin_body, lk_loop_pool(h->loop));
    lk_headers_init(&h->head, &h->stream.arena);
    lk_headers_add(&h->head, LK_HEADER_METHOD, LK_STR("GET"));
    lk_headers_add(&h->head, LK_HEADER_SCHEME, LK_STR("http"));
    lk_headers_add(&h->head, LK_HEADER_AUTHORITY, LK_STR("host.test"));
    lk_headers_add(&h->head, LK_HEADER_PATH, LK_STR("/"));
    return h;
}

void chain_harness_free(struct chain_harness *h)
{
    size_t in_use, cached;
    lk_http_chain_destroy(&h->stream);
    for (unsigned i = 0; i < h->config.count; i++) {
        if (h->workers[i] != NULL && h->entries[i].filter->worker_free != NULL)
            h->entries[i].filter->worker_free(h->workers[i]);
    }
    lk_arena_reset(&h->stream.arena);
    lk_buf_clear(&h->client_body);
    lk_buf_clear(&h->origin_body);
    if (h->own_loop) {
        lk_chunk_pool_usage(lk_loop_pool(h->loop), &in_use, &cached);
        LK_CHECK_EQ_UINT(in_use, 0);
        lk_loop_free(h->loop);
    }
    lk_free(h->transcript);
    lk_free(h);
}

/* --- events
 * ----------------------------------------------------------------------------------------------------------- */

void chain_set(struct chain_harness *h, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&h->stream.arena, lk_str_from(name));
    lk_headers_set_key(&h->head, &key, lk_arena_str(&h->stream.arena, lk_str_from(value)));
}

void chain_request(struct chain_harness *h, bool end)
{
    h->stream.request = &h->head;
    h->config.route_switches = h->switched_filter.len > 0;
    lk_http_chain_start(&h->stream, &h->config, h->workers);
    lk_http_chain_request_headers(&h->stream, end);
}

/* The bytes die with the call, as those of a connection do. */
static void with_copy(struct chain_harness *h, const char *data, bool end,
                      void (*deliver)(struct chain_harness *h, struct lk_span data, bool end))
{
    size_t len = strlen(data);
    struct lk_chunk *chunk = lk_chunk_new(lk_loop_pool(h->loop), len + 1);
    memcpy(chunk->data, data, len);
    chunk->used = (uint32_t)len;
    deliver(h, lk_span(chunk, chunk->data, len), end);
    if (chunk->refs == 1)
        memset(chunk->data, '#', len);
    lk_chunk_unref(chunk);
}

static void deliver_request(struct chain_harness *h, struct lk_span data, bool end)
{
    lk_http_chain_request_data(&h->stream, data, end);
}

static void deliver_answer(struct chain_harness *h, struct lk_span data, bool end)
{
    lk_http_respond_data(h->origin, data, end);
}

void chain_data(struct chain_harness *h, const char *data, bool end)
{
    with_copy(h, data, end, deliver_request);
}

static struct lk_headers *one_field(struct chain_harness *h, const char *name, const char *value)
{
    struct lk_headers *fields = lk_arena_zalloc(&h->stream.arena, sizeof(*fields));
    struct lk_header_key key = lk_header_key(&h->stream.arena, lk_str_from(name));
    lk_headers_init(fields, &h->stream.arena);
    lk_headers_add_key(fields, &key, lk_str_from(value));
    return fields;
}

void chain_trailers(struct chain_harness *h, const char *name, const char *value)
{
    h->stream.request_trailers = one_field(h, name, value);
    lk_http_chain_request_trailers(&h->stream);
}

void chain_answer(struct chain_harness *h, unsigned status, bool end)
{
    struct lk_headers *headers = lk_arena_zalloc(&h->stream.arena, sizeof(*headers));
    lk_headers_init(headers, &h->stream.arena);
    lk_headers_set_status(headers, status);
    lk_http_respond_headers(h->origin, headers, end);
}

void chain_answer_data(struct chain_harness *h, const char *data, bool end)
{
    with_copy(h, data, end, deliver_answer);
}

void chain_answer_trailers(struct chain_harness *h, const char *name, const char *value)
{
    lk_http_respond_trailers(h->origin, one_field(h, name, value));
}
