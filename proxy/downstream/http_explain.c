/*
 * A rehearsed request in the HTTP manager: a codec that is fed the head, and an exchange like any other, but for a sink
 * that keeps the answer instead of sending it, a connection that is only there to be read, and a recorder in its route
 * match. The steps are those of http_request.c. Runs on a worker. See explain.h.
 */
#include "proxy/downstream/http_explain.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

/* --- the codec ---------------------------------------------------------------------------------------------------- */

static void on_headers(struct lk_codec_stream *cs, struct lk_headers *headers, bool end)
{
    struct lk_http_rehearsal *r = cs->arg;

    r->head = headers;
    r->explain->end = end;
    lk_headers_clone(&r->as_sent, headers, &r->ex.stream.arena);
    r->explain->head = &r->as_sent;
}

static void on_data(struct lk_codec_stream *cs, struct lk_span data, bool end)
{
    (void)cs;
    (void)data;
    (void)end;
}

static void on_trailers(struct lk_codec_stream *cs, struct lk_headers *trailers)
{
    (void)cs;
    (void)trailers;
}

static void on_reset(struct lk_codec_stream *cs, enum lk_reset_reason reason)
{
    (void)cs;
    (void)reason;
}

static const struct lk_stream_events stream_events = {
    .on_headers = on_headers, .on_data = on_data, .on_trailers = on_trailers, .on_reset = on_reset};

static bool on_stream(void *owner, struct lk_codec_stream *cs)
{
    struct lk_http_rehearsal *r = owner;

    cs->events = &stream_events;
    cs->arg = r;
    cs->arena = &r->ex.stream.arena;
    r->ex.cs = cs;
    return true;
}

static void on_stream_done(void *owner, struct lk_codec_stream *cs, bool keep_alive)
{
    (void)owner;
    (void)cs;
    (void)keep_alive;
}

static void on_read_pause(void *owner, bool pause)
{
    (void)owner;
    (void)pause;
}

static void ignore(void *owner)
{
    (void)owner;
}

static const struct lk_codec_callbacks codec_callbacks = {
    .on_stream = on_stream,
    .on_head_pending = ignore,
    .on_stream_done = on_stream_done,
    .on_read_pause = on_read_pause,
    .on_output = ignore,
};

/* False: the codec refuses the head. */
static bool decode(struct lk_http_rehearsal *r)
{
    struct lk_codec_error error = {.status = 0};
    struct lk_str wire = r->explain->wire;

    lk_codec_feed(r->codec, lk_span(NULL, wire.ptr, wire.len), &error);
    if (r->head != NULL) /* an error then is one of what follows the head */
        return true;
    if (error.details == NULL) {
        lk_explain_step(r->explain, "request_head", "incomplete", "the codec waits for more of the head");
        return false;
    }
    lk_explain_step(r->explain, "request_head", "refused", "by the codec: %s",
                    error.text != NULL ? error.text : error.details);
    if (r->ex.cs == NULL) {
        r->codec->failed = true;
        r->ex.cs = lk_codec_new_stream(r->codec);
    }
    lk_http_conn_protocol_error(&r->hc, &error);
    return false;
}

/* --- what is not sent --------------------------------------------------------------------------------------------- */

static void no_head(struct lk_http_stream *stream, struct lk_headers *headers)
{
    (void)stream;
    (void)headers;
}

static void no_pause(struct lk_http_stream *stream, bool pause)
{
    (void)stream;
    (void)pause;
}

static void set_metadata(struct lk_http_rehearsal *r)
{
    const struct lk_value *all = r->explain->metadata;
    struct lk_http_stream *stream = &r->ex.stream;

    for (size_t i = 0; all != NULL && i < all->child_count; i++)
        for (size_t k = 0; k < all->children[i].child_count; k++)
            lk_stream_info_set_metadata(&stream->info, &stream->arena, all->children[i].name,
                                        all->children[i].children[k].name, &all->children[i].children[k]);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void never(struct lk_timer *timer)
{
    (void)timer; /* cleared before its loop turns */
}

static void begin_stream(struct lk_http_rehearsal *r)
{
    struct lk_http_stream *stream = &r->ex.stream;

    lk_arena_init(&stream->arena);
    stream->loop = r->explain->loop;
    stream->sink = &r->sink;
    stream->stats = r->hc.config->stats;
    stream->info.conn = r->explain->conn;
    stream->info.start_us = lk_loop_now_us(stream->loop);
    stream->info.start_wall_us = lk_clock_wall_us();
}

static void begin(struct lk_http_rehearsal *r, const struct lk_http_manager_config *config,
                  struct lk_http_manager_worker *worker, struct lk_explain *explain)
{
    struct lk_http_exchange *ex = &r->ex;

    r->explain = explain;
    lk_buf_init(&r->out, lk_loop_pool(explain->loop));
    r->codec = lk_h1_server_new(&config->h1, &r->out, &codec_callbacks, r);
    r->hc.config = config;
    r->hc.worker = worker;
    r->hc.codec = r->codec;
    r->hc.closing = true; /* nothing that ends a connection may run */
    lk_list_init(&r->hc.exchanges);
    r->sink = lk_http_manager_sink;
    r->sink.send_informational = no_head;
    r->sink.send_headers = lk_rehearsal_on_headers;
    r->sink.send_data = lk_rehearsal_on_data;
    r->sink.send_trailers = no_head;
    r->sink.reset = lk_rehearsal_on_reset;
    r->sink.pause_request = no_pause;
    ex->hc = &r->hc;
    ex->worker = worker;
    lk_rehearsal_record_routes(r);
    ex->idle_ms = config->stream_idle_timeout_ms;
    lk_list_init(&ex->node);
    lk_list_push_back(&r->hc.exchanges, &ex->node);
    lk_timer_init(&ex->idle, never);
    lk_timer_init(&ex->request_deadline, never);
    lk_timer_init(&ex->duration, never);
    begin_stream(r);
}

static void end(struct lk_http_rehearsal *r)
{
    lk_timer_clear(&r->ex.idle);
    lk_timer_clear(&r->ex.request_deadline);
    lk_timer_clear(&r->ex.duration);
    lk_codec_free(r->codec);
    lk_buf_clear(&r->out);
    r->explain->head = NULL;
    lk_arena_reset(&r->ex.stream.arena);
    if (r->ex.routes != NULL)
        lk_route_table_unref(r->ex.routes);
    lk_free(r);
}

static void run(struct lk_http_rehearsal *r)
{
    struct lk_http_exchange *ex = &r->ex;
    struct lk_note *step;
    bool admitted;

    lk_exchange_note_head(ex, r->head, r->explain->end);
    ex->random = r->explain->random;
    set_metadata(r);
    step = lk_explain_step(r->explain, "request_head", "read",
                           "what the connection manager makes of the head before filters and routes see it");
    admitted = lk_exchange_admit(ex, r->head, r->explain->end);
    lk_rehearsal_tell_head(r, step, admitted);
    if (admitted) {
        lk_http_chain_explain(&ex->stream, &r->hc.config->chain, r->hc.worker->filter_workers, r->explain);
        lk_rehearsal_tell_metadata(r);
    }
    lk_rehearsal_tell_no_route(r);
    if (!r->told_answer)
        lk_rehearsal_tell_timeouts(r);
}

void lk_http_manager_explain(const void *config, void *worker, struct lk_explain *explain)
{
    struct lk_http_rehearsal *r = lk_calloc(1, sizeof(*r));

    begin(r, config, worker, explain);
    if (decode(r))
        run(r);
    end(r);
}
