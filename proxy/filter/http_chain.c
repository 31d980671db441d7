/*
 * Runs the HTTP filters of a stream: the request walks the slots upwards, the response downwards. A paused slot queues
 * what comes after; the contract is the table in http_filter.h. Runs on the stream's worker.
 */
#include "proxy/filter/http_stream.h"

#include "proxy/base/mem.h"
#include "proxy/io/loop.h"

#include <string.h>

static void run_headers(struct lk_http_stream *stream, enum lk_http_direction dir, int index, bool end);
static void run_data(struct lk_http_stream *stream, enum lk_http_direction dir, int index, struct lk_span data,
                     bool end);
static void run_trailers(struct lk_http_stream *stream, enum lk_http_direction dir, int index);

static int slot_index(const struct lk_http_slot *slot)
{
    return (int)(slot - slot->stream->slots);
}

static int step(enum lk_http_direction dir)
{
    return dir == LK_HTTP_REQUEST ? 1 : -1;
}

/* Nothing more may run in this direction: the stream was answered, reset or finished meanwhile. */
static bool stopped(const struct lk_http_stream *stream, enum lk_http_direction dir)
{
    return stream->destroyed || (dir == LK_HTTP_REQUEST && stream->request_stopped);
}

/* The same inside a walk that began when the response was `local` or not: a local reply cuts an upstream response
 * short. */
static bool cut(const struct lk_http_stream *stream, enum lk_http_direction dir, bool local)
{
    return stopped(stream, dir) || (dir == LK_HTTP_RESPONSE && stream->local_response != local);
}

static bool at_end(const struct lk_http_stream *stream, int index)
{
    return index < 0 || index >= (int)stream->slot_count;
}

/* A local response is shown only to filters that saw the request. */
static bool skips(const struct lk_http_slot *slot, enum lk_http_direction dir)
{
    return slot->self == NULL ||
           (dir == LK_HTTP_RESPONSE && slot->stream->local_response && !slot->dir[LK_HTTP_REQUEST].saw_headers);
}

static enum lk_filter_status settle(struct lk_slot_direction *d, enum lk_filter_status status)
{
    d->in_callback = false;
    if (d->resume_asked) {
        d->resume_asked = false;
        return LK_FILTER_CONTINUE;
    }
    return status;
}

static void hold_source(struct lk_http_slot *slot, enum lk_http_direction dir, bool hold)
{
    struct lk_slot_direction *d = &slot->dir[dir];
    if (d->source_paused == hold)
        return;
    d->source_paused = hold;
    if (dir == LK_HTTP_REQUEST)
        slot->stream->sink->pause_request(slot->stream, hold);
    else
        lk_http_chain_response_blocked(slot->stream, hold);
}

static void too_large(struct lk_http_slot *slot, enum lk_http_direction dir)
{
    struct lk_local_reply reply = {.grpc_status = -1};
    if (dir == LK_HTTP_REQUEST) {
        reply.status = 413;
        reply.body = LK_STR("Payload Too Large");
        reply.details = LK_STR("request_payload_too_large");
    } else {
        reply.status = 500;
        reply.body = LK_STR("Internal Server Error");
        reply.details = LK_STR("response_payload_too_large");
    }
    slot->stream->sink->local_reply(slot->stream, &reply);
}

static void enqueue(struct lk_http_slot *slot, enum lk_http_direction dir, struct lk_span data, bool end)
{
    struct lk_slot_direction *d = &slot->dir[dir];
    if (d->queue.pool == NULL)
        lk_buf_init(&d->queue, lk_loop_pool(slot->stream->loop));
    lk_buf_add_span(&d->queue, data);
    d->end_held |= end;
    if (d->want_body) {
        if (d->queue.len > d->body_limit)
            too_large(slot, dir);
    } else if (d->queue.len >= slot->stream->buffer_limit) {
        hold_source(slot, dir, true);
    }
}

/* The queue as one contiguous span; ownership of *chunk passes to the caller. */
static struct lk_span linearize(struct lk_http_stream *stream, struct lk_buf *queue, struct lk_chunk **chunk)
{
    *chunk = lk_chunk_new(lk_loop_pool(stream->loop), queue->len > 0 ? queue->len : 1);
    size_t len = lk_buf_peek(queue, (*chunk)->data, queue->len);
    (*chunk)->used = (uint32_t)len;
    lk_buf_clear(queue);
    return lk_span(*chunk, (*chunk)->data, len);
}

/* Offers everything queued: what the slot's filter has seen goes to the next one, what it has not starts at itself. */
static void run_queue(struct lk_http_slot *slot, enum lk_http_direction dir)
{
    struct lk_http_stream *stream = slot->stream;
    struct lk_slot_direction *d = &slot->dir[dir];
    struct lk_buf queue = d->queue;
    size_t seen = d->seen;
    bool local = stream->local_response;
    bool end_due = d->end_held;
    const int here = slot_index(slot);
    const int behind_end = d->end_seen ? here + step(dir) : here; /* where the end, or trailers, go on */
    lk_buf_init(&d->queue, lk_loop_pool(stream->loop));
    d->end_held = d->end_seen = false;
    d->seen = 0;
    hold_source(slot, dir, false);
    while (queue.pool != NULL && queue.len > 0 && !cut(stream, dir, local)) {
        struct lk_span front = lk_buf_front(&queue);
        front.len = seen > 0 ? LK_MIN(front.len, seen) : front.len;
        const int index = seen > 0 ? here + step(dir) : here;
        bool end = end_due && front.len == queue.len && index == behind_end;
        seen -= seen > 0 ? front.len : 0;
        end_due &= !end;
        if (front.chunk != NULL)
            lk_chunk_ref(front.chunk);
        run_data(stream, dir, index, front, end);
        lk_buf_drain(&queue, front.len);
        if (front.chunk != NULL)
            lk_chunk_unref(front.chunk);
    }
    if (queue.pool != NULL)
        lk_buf_clear(&queue);
    if (cut(stream, dir, local))
        return;
    struct lk_headers *trailers = d->trailers_held;
    d->trailers_held = NULL;
    if (trailers != NULL)
        run_trailers(stream, dir, behind_end);
    else if (end_due)
        run_data(stream, dir, behind_end, lk_span(NULL, "", 0), true);
}

/* The body a filter asked for is complete: one call with all of it, then the stream flows on. */
static void deliver_body(struct lk_http_slot *slot, enum lk_http_direction dir)
{
    struct lk_http_stream *stream = slot->stream;
    struct lk_slot_direction *d = &slot->dir[dir];
    bool headers_held = d->state == LK_SLOT_PAUSED_HEADERS;
    bool has_trailers = d->trailers_held != NULL;
    bool local = stream->local_response;
    const struct lk_http_filter *filter = slot->entry->filter;
    struct lk_chunk *chunk;
    struct lk_span body = linearize(stream, &d->queue, &chunk);
    d->want_body = false;
    d->end_held = false;
    d->trailers_held = NULL;
    d->state = LK_SLOT_FLOWING;
    enum lk_filter_status status = LK_FILTER_CONTINUE;
    d->in_callback = true;
    if (dir == LK_HTTP_REQUEST && filter->on_request_data != NULL)
        status = filter->on_request_data(slot->self, body, true);
    else if (dir == LK_HTTP_RESPONSE && filter->on_response_data != NULL)
        status = filter->on_response_data(slot->self, body, true);
    status = settle(d, status);
    if (!cut(stream, dir, local)) {
        if (status == LK_FILTER_PAUSE) {
            enqueue(slot, dir, body, !has_trailers);
            d->trailers_held =
                has_trailers ? (dir == LK_HTTP_REQUEST ? stream->request_trailers : stream->response_trailers) : NULL;
            d->state = headers_held ? LK_SLOT_PAUSED_HEADERS : LK_SLOT_PAUSED_DATA;
            d->seen = body.len;
            d->end_seen = true;
        } else {
            int next = slot_index(slot) + step(dir);
            bool bare = body.len == 0 && !has_trailers;
            if (headers_held)
                run_headers(stream, dir, next, bare);
            if (!(headers_held && bare) && body.len > 0 && !cut(stream, dir, local))
                run_data(stream, dir, next, body, !has_trailers);
            else if (!headers_held && bare && !cut(stream, dir, local))
                run_data(stream, dir, next, body, true);
            if (has_trailers && !cut(stream, dir, local))
                run_trailers(stream, dir, next);
        }
    }
    lk_chunk_unref(chunk);
}

/* What walks through the chain is inlined for each direction, since every request pays for it twice. */
#define LK_WALK static inline __attribute__((always_inline))

LK_WALK enum lk_filter_status call_headers(struct lk_http_slot *slot, enum lk_http_direction dir, bool end)
{
    const struct lk_http_filter *filter = slot->entry->filter;
    struct lk_slot_direction *d = &slot->dir[dir];
    enum lk_filter_status status = LK_FILTER_CONTINUE;
    d->saw_headers = true;
    if (dir == LK_HTTP_REQUEST ? filter->on_request_headers == NULL : filter->on_response_headers == NULL)
        return LK_FILTER_CONTINUE;
    d->in_callback = true;
    if (dir == LK_HTTP_REQUEST)
        status = filter->on_request_headers(slot->self, slot->stream->request, end);
    else
        status = filter->on_response_headers(slot->self, slot->stream->response, end);
    return settle(d, status);
}

LK_WALK void walk_headers(struct lk_http_stream *stream, enum lk_http_direction dir, int index, bool end)
{
    const bool local = stream->local_response;
    for (; !at_end(stream, index); index += step(dir)) {
        struct lk_http_slot *slot = &stream->slots[index];
        if (skips(slot, dir))
            continue;
        struct lk_slot_direction *d = &slot->dir[dir];
        enum lk_filter_status status = call_headers(slot, dir, end);
        if (cut(stream, dir, local))
            return;
        if (status == LK_FILTER_PAUSE || (d->want_body && !end)) {
            d->state = LK_SLOT_PAUSED_HEADERS;
            d->end_held = d->end_seen = end;
            return;
        }
        d->want_body = false;
    }
    if (dir == LK_HTTP_RESPONSE) {
        stream->response_started = true;
        stream->response_ended |= end;
        stream->sink->send_headers(stream, stream->response, end);
    }
}

static void run_headers(struct lk_http_stream *stream, enum lk_http_direction dir, int index, bool end)
{
    if (dir == LK_HTTP_REQUEST)
        walk_headers(stream, LK_HTTP_REQUEST, index, end);
    else
        walk_headers(stream, LK_HTTP_RESPONSE, index, end);
}

LK_WALK void walk_data(struct lk_http_stream *stream, enum lk_http_direction dir, int index, struct lk_span data,
                       bool end)
{
    const bool local = stream->local_response;
    for (; !at_end(stream, index); index += step(dir)) {
        struct lk_http_slot *slot = &stream->slots[index];
        if (skips(slot, dir))
            continue;
        struct lk_slot_direction *d = &slot->dir[dir];
        if (d->state != LK_SLOT_FLOWING) {
            enqueue(slot, dir, data, end);
            if (end && d->want_body && !cut(stream, dir, local))
                deliver_body(slot, dir);
            return;
        }
        const struct lk_http_filter *filter = slot->entry->filter;
        enum lk_filter_status status;
        if (dir == LK_HTTP_REQUEST ? filter->on_request_data == NULL : filter->on_response_data == NULL)
            continue;
        d->in_callback = true;
        if (dir == LK_HTTP_REQUEST)
            status = filter->on_request_data(slot->self, data, end);
        else
            status = filter->on_response_data(slot->self, data, end);
        status = settle(d, status);
        if (cut(stream, dir, local))
            return;
        if (status == LK_FILTER_PAUSE) {
            d->state = LK_SLOT_PAUSED_DATA;
            d->seen = data.len;
            d->end_seen = end;
            enqueue(slot, dir, data, end);
            return;
        }
    }
    if (dir == LK_HTTP_RESPONSE) {
        stream->response_ended |= end;
        stream->sink->send_data(stream, data, end);
    }
}

static void run_data(struct lk_http_stream *stream, enum lk_http_direction dir, int index, struct lk_span data,
                     bool end)
{
    if (dir == LK_HTTP_REQUEST)
        walk_data(stream, LK_HTTP_REQUEST, index, data, end);
    else
        walk_data(stream, LK_HTTP_RESPONSE, index, data, end);
}

static void run_trailers(struct lk_http_stream *stream, enum lk_http_direction dir, int index)
{
    const bool local = stream->local_response;
    struct lk_headers *trailers = dir == LK_HTTP_REQUEST ? stream->request_trailers : stream->response_trailers;
    for (; !at_end(stream, index); index += step(dir)) {
        struct lk_http_slot *slot = &stream->slots[index];
        if (skips(slot, dir))
            continue;
        struct lk_slot_direction *d = &slot->dir[dir];
        if (d->state != LK_SLOT_FLOWING) {
            d->trailers_held = trailers;
            if (d->want_body)
                deliver_body(slot, dir);
            return;
        }
        const struct lk_http_filter *filter = slot->entry->filter;
        enum lk_filter_status status = LK_FILTER_CONTINUE;
        d->in_callback = true;
        if (dir == LK_HTTP_REQUEST && filter->on_request_trailers != NULL)
            status = filter->on_request_trailers(slot->self, trailers);
        else if (dir == LK_HTTP_RESPONSE && filter->on_response_trailers != NULL)
            status = filter->on_response_trailers(slot->self, trailers);
        status = settle(d, status);
        if (cut(stream, dir, local))
            return;
        if (status == LK_FILTER_PAUSE) {
            d->state = LK_SLOT_PAUSED_TRAILERS;
            return;
        }
    }
    if (dir == LK_HTTP_RESPONSE) {
        stream->response_ended = true;
        stream->sink->send_trailers(stream, trailers);
    }
}

void lk_http_resume(struct lk_http_slot *slot, enum lk_http_direction dir)
{
    struct lk_http_stream *stream = slot->stream;
    struct lk_slot_direction *d = &slot->dir[dir];
    if (stopped(stream, dir))
        return;
    if (d->in_callback) {
        d->resume_asked = true;
        return;
    }
    enum lk_slot_state state = d->state;
    int here = slot_index(slot);
    if (state == LK_SLOT_FLOWING)
        return;
    if (d->want_body && !d->end_held && d->trailers_held == NULL)
        return; /* still collecting: deliver_body resumes by itself */
    d->state = LK_SLOT_FLOWING;
    switch (state) {
    case LK_SLOT_PAUSED_HEADERS: {
        bool bare = d->end_held && d->end_seen && (d->queue.pool == NULL || d->queue.len == 0);
        if (bare)
            d->end_held = d->end_seen = false;
        bool local = stream->local_response;
        run_headers(stream, dir, here + step(dir), bare);
        if (!bare && !cut(stream, dir, local))
            run_queue(slot, dir);
        break;
    }
    case LK_SLOT_PAUSED_DATA:
        run_queue(slot, dir);
        break;
    case LK_SLOT_PAUSED_TRAILERS:
        run_trailers(stream, dir, here + step(dir));
        break;
    case LK_SLOT_FLOWING:
        break;
    }
}

void lk_http_want_body(struct lk_http_slot *slot, enum lk_http_direction dir, size_t limit)
{
    slot->dir[dir].want_body = true;
    slot->dir[dir].body_limit = limit;
}

bool lk_http_chain_is_on(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                         const struct lk_http_filter_entry *entry)
{
    if (!config->route_switches || entry->filter->terminal)
        return !entry->disabled;
    enum lk_filter_switch says = stream->sink->filter_switch(stream, entry->name);
    return says == LK_FILTER_AS_CONFIGURED ? !entry->disabled : says == LK_FILTER_ON;
}

void lk_http_chain_start(struct lk_http_stream *stream, const struct lk_http_chain_config *config, void *const *workers)
{
    stream->slots = lk_arena_zalloc(&stream->arena, config->count * sizeof(struct lk_http_slot));
    stream->slot_count = config->count;
    for (unsigned i = 0; i < config->count; i++) {
        struct lk_http_slot *slot = &stream->slots[i];
        slot->stream = stream;
        slot->entry = &config->entries[i];
        if (lk_http_chain_is_on(stream, config, slot->entry))
            slot->self = slot->entry->filter->stream_new(slot, slot->entry->config, workers[i]);
    }
}

void lk_http_chain_request_headers(struct lk_http_stream *stream, bool end)
{
    stream->request_ended |= end;
    run_headers(stream, LK_HTTP_REQUEST, 0, end);
}

void lk_http_chain_request_data(struct lk_http_stream *stream, struct lk_span data, bool end)
{
    stream->request_ended |= end;
    if (!stopped(stream, LK_HTTP_REQUEST))
        run_data(stream, LK_HTTP_REQUEST, 0, data, end);
}

void lk_http_chain_request_trailers(struct lk_http_stream *stream)
{
    stream->request_ended = true;
    if (!stopped(stream, LK_HTTP_REQUEST))
        run_trailers(stream, LK_HTTP_REQUEST, 0);
}

/* What filters hold of a response that a local reply replaces. */
static void forget_response(struct lk_http_stream *stream)
{
    for (unsigned i = 0; i < stream->slot_count; i++) {
        struct lk_slot_direction *d = &stream->slots[i].dir[LK_HTTP_RESPONSE];
        if (d->queue.pool != NULL)
            lk_buf_clear(&d->queue);
        *d = (struct lk_slot_direction){.in_callback = d->in_callback, .queue = d->queue};
    }
}

void lk_http_chain_local_response(struct lk_http_stream *stream, struct lk_headers *headers, struct lk_str body)
{
    stream->request_stopped = true;
    stream->local_response = true;
    stream->response = headers;
    forget_response(stream);
    int top = (int)stream->slot_count - 1;
    run_headers(stream, LK_HTTP_RESPONSE, top, body.len == 0);
    if (body.len > 0 && !stream->destroyed)
        run_data(stream, LK_HTTP_RESPONSE, top, lk_span(NULL, body.ptr, body.len), true);
}

void lk_http_chain_response_blocked(struct lk_http_stream *stream, bool blocked)
{
    for (unsigned i = 0; i < stream->slot_count && !stream->destroyed; i++) {
        struct lk_http_slot *slot = &stream->slots[i];
        if (slot->self != NULL && slot->entry->filter->on_response_blocked != NULL)
            slot->entry->filter->on_response_blocked(slot->self, blocked);
    }
}

void lk_http_chain_destroy(struct lk_http_stream *stream)
{
    if (stream->destroyed)
        return;
    stream->destroyed = true;
    for (unsigned i = 0; i < stream->slot_count; i++) {
        struct lk_http_slot *slot = &stream->slots[i];
        for (unsigned dir = 0; dir < 2; dir++) {
            if (slot->dir[dir].queue.pool != NULL)
                lk_buf_clear(&slot->dir[dir].queue);
        }
        if (slot->self != NULL && slot->entry->filter->on_destroy != NULL)
            slot->entry->filter->on_destroy(slot->self);
        slot->self = NULL;
    }
}

void lk_http_respond_headers(struct lk_http_slot *slot, struct lk_headers *headers, bool end)
{
    struct lk_http_stream *stream = slot->stream;
    if (stream->destroyed || stream->local_response)
        return;
    stream->response = headers;
    run_headers(stream, LK_HTTP_RESPONSE, slot_index(slot) - 1, end);
}

void lk_http_respond_data(struct lk_http_slot *slot, struct lk_span data, bool end)
{
    if (!slot->stream->destroyed && !slot->stream->local_response)
        run_data(slot->stream, LK_HTTP_RESPONSE, slot_index(slot) - 1, data, end);
}

void lk_http_respond_trailers(struct lk_http_slot *slot, struct lk_headers *trailers)
{
    struct lk_http_stream *stream = slot->stream;
    if (stream->destroyed || stream->local_response)
        return;
    stream->response_trailers = trailers;
    run_trailers(stream, LK_HTTP_RESPONSE, slot_index(slot) - 1);
}
