/* Downstream HTTP connections: codec, timers, drain and close. Runs on the session's worker. */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"

#include <string.h>

#define EXCHANGES_KEPT 64
/* How long an idle connection may still bring a request when its listener drains. */
#define DRAIN_IDLE_MS 1000

/* --- worker ------------------------------------------------------------------------------------------------------- */

struct lk_http_manager_worker *lk_http_manager_worker_new(const struct lk_http_manager_config *config, struct lk_loop *loop)
{
    struct lk_http_manager_worker *worker = lk_calloc(1, sizeof(*worker));
    worker->config = config;
    worker->loop = loop;
    lk_list_init(&worker->free_exchanges);
    worker->filter_workers = lk_calloc(config->chain.count + 1, sizeof(void *));
    for (unsigned i = 0; i < config->chain.count; i++) {
        const struct lk_http_filter_entry *entry = &config->chain.entries[i];
        if (entry->filter->worker_new != NULL)
            worker->filter_workers[i] = entry->filter->worker_new(entry->config, loop);
    }
    return worker;
}

void lk_http_manager_worker_free(struct lk_http_manager_worker *worker)
{
    for (unsigned i = 0; i < worker->config->chain.count; i++) {
        const struct lk_http_filter *filter = worker->config->chain.entries[i].filter;
        if (filter->worker_free != NULL && worker->filter_workers[i] != NULL)
            filter->worker_free(worker->filter_workers[i]);
    }
    while (!lk_list_empty(&worker->free_exchanges)) {
        struct lk_http_exchange *ex = LK_LIST_ENTRY(worker->free_exchanges.next, struct lk_http_exchange, node);
        lk_list_remove(&ex->node);
        lk_free(ex);
    }
    lk_free(worker->filter_workers);
    lk_free(worker);
}

/* --- exchanges ------------------------------------------------------------------------------------------------- */

static void exchange_free(struct lk_deferred *deferred)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(deferred, struct lk_http_exchange, free_later);
    struct lk_http_manager_worker *worker = ex->worker; /* the connection may be gone */
    lk_arena_reset(&ex->stream.arena);
    if (ex->routes != NULL)
        lk_route_table_unref(ex->routes);
    if (worker->free_count < EXCHANGES_KEPT) {
        worker->free_count++;
        lk_list_init(&ex->node);
        lk_list_push_front(&worker->free_exchanges, &ex->node);
    } else {
        lk_free(ex);
    }
}

static void on_stream_idle(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, idle);
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_IDLE_TIMEOUT);
    lk_stream_info_flag(&ex->stream.info, LK_FLAG_STREAM_IDLE_TIMEOUT);
    if (ex->stream.response_started) {
        ex->stream.info.details = LK_STR("stream_idle_timeout");
        lk_exchange_reset(ex, LK_RESET_LOCAL);
        return;
    }
    bool waiting_for_upstream = ex->stream.request_ended;
    ex->close_after |= !waiting_for_upstream;
    lk_exchange_reply(ex, waiting_for_upstream ? 504 : 408, LK_STR("stream timeout"), LK_STR("stream_idle_timeout"));
}

static void on_request_deadline(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, request_deadline);
    if (ex->stream.request_ended || ex->stream.response_started)
        return;
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_TIMEOUT);
    ex->close_after = true;
    lk_exchange_reply(ex, 408, LK_STR("request timeout"), LK_STR("request_overall_timeout"));
}

static void on_max_duration(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, duration);
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_MAX_DURATION);
    if (ex->stream.response_started) {
        ex->stream.info.details = LK_STR("max_duration_timeout");
        lk_exchange_reset(ex, LK_RESET_LOCAL);
        return;
    }
    bool complete = ex->stream.request_ended;
    ex->close_after |= !complete;
    lk_exchange_reply(ex, complete ? 504 : 408, LK_STR("downstream duration timeout"), LK_STR("max_duration_timeout"));
}

static struct lk_http_exchange *exchange_alloc(struct lk_http_manager_worker *worker)
{
    if (lk_list_empty(&worker->free_exchanges))
        return lk_calloc(1, sizeof(struct lk_http_exchange));
    struct lk_http_exchange *ex = LK_LIST_ENTRY(worker->free_exchanges.next, struct lk_http_exchange, node);
    lk_list_remove(&ex->node);
    worker->free_count--;
    memset(ex, 0, sizeof(*ex));
    return ex;
}

static uint64_t next_stream_id(void)
{
    static _Atomic uint64_t next = 1;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

struct lk_http_exchange *lk_exchange_new(struct lk_http_conn *hc, struct lk_codec_stream *cs)
{
    struct lk_http_exchange *ex = exchange_alloc(hc->worker);
    struct lk_http_stream *stream = &ex->stream;
    const struct lk_http_manager_config *config = hc->config;
    ex->hc = hc;
    ex->worker = hc->worker;
    ex->cs = cs;
    cs->events = &lk_http_manager_stream_events;
    cs->arg = ex;
    lk_arena_init(&stream->arena);
    cs->arena = &stream->arena;
    stream->loop = hc->worker->loop;
    stream->sink = &lk_http_manager_sink;
    stream->buffer_limit = lk_session_listener(hc->session)->buffer_limit;
    stream->info.conn = lk_session_info(hc->session);
    stream->info.id = next_stream_id();
    stream->info.start_us = hc->head_start_us != 0 ? hc->head_start_us : lk_loop_now_us(stream->loop);
    stream->info.start_wall_us = lk_clock_wall_us();
    hc->head_start_us = 0;
    lk_timer_init(&ex->idle, on_stream_idle);
    lk_timer_init(&ex->request_deadline, on_request_deadline);
    lk_timer_init(&ex->duration, on_max_duration);
    lk_deferred_init(&ex->free_later, exchange_free);
    lk_list_init(&ex->node);
    lk_list_push_back(&hc->exchanges, &ex->node);
    hc->active++;
    hc->requests++;
    lk_timer_clear(&hc->timer);
    ex->idle_ms = config->stream_idle_timeout_ms;
    lk_exchange_touch(ex);
    if (config->request_timeout_ms > 0)
        lk_timer_set(stream->loop, &ex->request_deadline, config->request_timeout_ms);
    if (config->max_stream_duration_ms > 0)
        lk_timer_set(stream->loop, &ex->duration, config->max_stream_duration_ms);
    lk_stats_inc(config->stats, LK_HTTP_RQ_TOTAL);
    lk_stats_inc(config->stats, LK_HTTP_RQ_HTTP1_TOTAL);
    lk_stats_inc(config->stats, LK_HTTP_RQ_ACTIVE);
    return ex;
}

void lk_exchange_touch(struct lk_http_exchange *ex)
{
    if (ex->idle_ms > 0)
        lk_timer_push(ex->stream.loop, &ex->idle, ex->idle_ms);
}

static void count_code(struct lk_http_exchange *ex)
{
    static const unsigned classes[] = {LK_HTTP_RQ_1XX, LK_HTTP_RQ_2XX, LK_HTTP_RQ_3XX, LK_HTTP_RQ_4XX, LK_HTTP_RQ_5XX};
    struct lk_stats_scope *stats = ex->hc->config->stats;
    unsigned code = ex->stream.info.response_code;
    if (code < 100 || code >= 600)
        return;
    lk_stats_inc(stats, LK_HTTP_RQ_COMPLETED);
    lk_stats_inc(stats, classes[code / 100 - 1]);
}

static void write_log(struct lk_http_exchange *ex)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_http_stream *stream = &ex->stream;
    if (ex->logged)
        return;
    ex->logged = true;
    stream->info.end_us = lk_loop_now_us(stream->loop);
    if (config->access_log_count == 0)
        return;
    struct lk_log_event event = {.info = &stream->info,
                                 .request = stream->request,
                                 .response = stream->response,
                                 .trailers = stream->response_trailers,
                                 .arena = &stream->arena,
                                 .loop = stream->loop,
                                 .type = "DownstreamEnd"};
    lk_access_logs_write(config->access_logs, config->access_log_count, &event);
}

void lk_exchange_end(struct lk_http_exchange *ex)
{
    struct lk_http_conn *hc = ex->hc;
    struct lk_stats_scope *stats = hc->config->stats;
    if (ex->ended)
        return;
    ex->ended = true;
    lk_timer_clear(&ex->idle);
    lk_timer_clear(&ex->request_deadline);
    lk_timer_clear(&ex->duration);
    count_code(ex);
    write_log(ex);
    lk_stats_dec(stats, LK_HTTP_RQ_ACTIVE);
    if (ex->upgraded)
        lk_stats_dec(stats, LK_HTTP_CX_UPGRADES_ACTIVE);
    lk_stats_record(stats, LK_HTTP_RQ_TIME, (ex->stream.info.end_us - ex->stream.info.start_us) / 1000);
    lk_http_chain_destroy(&ex->stream);
    lk_list_remove(&ex->node);
    hc->active--;
    lk_loop_defer(ex->stream.loop, &ex->free_later);
}

void lk_exchange_reset(struct lk_http_exchange *ex, enum lk_reset_reason reason)
{
    struct lk_http_conn *hc = ex->hc;
    if (ex->ended)
        return;
    if (reason == LK_RESET_LOCAL)
        lk_stats_inc(hc->config->stats, LK_HTTP_RQ_TX_RESET);
    struct lk_codec_stream *cs = ex->cs;
    ex->cs = NULL;
    ex->close_after = true;
    lk_exchange_end(ex);
    if (cs != NULL)
        lk_codec_reset(cs, reason);
    if (!hc->closing)
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, true);
}

/* --- close and drain -------------------------------------------------------------------------------------------- */

static void conn_gone(void *terminal)
{
    struct lk_http_conn *hc = terminal;
    lk_codec_free(hc->codec);
}

/* Streams that the end of the connection cuts off. */
static void abandon_exchanges(struct lk_http_conn *hc, bool local)
{
    while (!lk_list_empty(&hc->exchanges)) {
        struct lk_http_exchange *ex = LK_LIST_ENTRY(hc->exchanges.next, struct lk_http_exchange, node);
        struct lk_stats_scope *stats = hc->config->stats;
        lk_stats_inc(stats, LK_HTTP_CX_DESTROY_ACTIVE_RQ);
        lk_stats_inc(stats, local ? LK_HTTP_CX_DESTROY_LOCAL_ACTIVE_RQ : LK_HTTP_CX_DESTROY_REMOTE_ACTIVE_RQ);
        if (!local) {
            lk_stats_inc(stats, LK_HTTP_RQ_RX_RESET);
            lk_stream_info_flag(&ex->stream.info, LK_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
            ex->stream.info.details = LK_STR("downstream_remote_disconnect");
        } else if (ex->stream.info.details.len == 0) {
            ex->stream.info.details = LK_STR("downstream_local_disconnect");
        }
        ex->cs = NULL;
        lk_exchange_end(ex);
    }
}

void lk_http_conn_close(struct lk_http_conn *hc, enum lk_close_mode mode, bool local)
{
    struct lk_stats_scope *stats = hc->config->stats;
    if (hc->closing)
        return;
    hc->closing = true;
    lk_timer_clear(&hc->timer);
    lk_timer_clear(&hc->duration);
    abandon_exchanges(hc, local);
    lk_stats_inc(stats, LK_HTTP_CX_DESTROY);
    lk_stats_inc(stats, local ? LK_HTTP_CX_DESTROY_LOCAL : LK_HTTP_CX_DESTROY_REMOTE);
    lk_stats_dec(stats, LK_HTTP_CX_ACTIVE);
    lk_stats_dec(stats, LK_HTTP_CX_HTTP1_ACTIVE);
    lk_stats_add(stats, LK_HTTP_CX_RX_BYTES, hc->conn->bytes_read);
    lk_stats_add(stats, LK_HTTP_CX_TX_BYTES, hc->conn->bytes_written + hc->conn->out.len);
    lk_stats_record(stats, LK_HTTP_CX_LENGTH_MS,
                    (lk_loop_now_us(hc->worker->loop) - lk_session_info(hc->session)->start_us) / 1000);
    hc->conn->delayed_close_ms = hc->config->delayed_close_timeout_ms;
    lk_session_close(hc->session, mode, conn_gone);
}

void lk_http_conn_idle(struct lk_http_conn *hc)
{
    hc->timer_kind = LK_HTTP_TIMER_IDLE;
    if (hc->config->idle_timeout_ms > 0)
        lk_timer_set(hc->worker->loop, &hc->timer, hc->config->idle_timeout_ms);
}

static void on_conn_timer(struct lk_timer *timer)
{
    struct lk_http_conn *hc = LK_CONTAINER_OF(timer, struct lk_http_conn, timer);
    struct lk_stats_scope *stats = hc->config->stats;
    switch ((enum lk_http_timer)hc->timer_kind) {
    case LK_HTTP_TIMER_IDLE:
        lk_stats_inc(stats, LK_HTTP_CX_IDLE_TIMEOUT);
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, true);
        break;
    case LK_HTTP_TIMER_HEAD:
        lk_stats_inc(stats, LK_HTTP_RQ_HEADER_TIMEOUT);
        lk_http_conn_bad_request(hc, 408, LK_STR("request_header_timeout"), LK_FLAG_COUNT);
        break;
    case LK_HTTP_TIMER_HEAD_IDLE:
        lk_stats_inc(stats, LK_HTTP_RQ_IDLE_TIMEOUT);
        lk_http_conn_bad_request(hc, 408, LK_STR("stream_idle_timeout"), LK_FLAG_STREAM_IDLE_TIMEOUT);
        break;
    case LK_HTTP_TIMER_DRAIN:
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, true);
        break;
    }
}

/* The connection ends at its next response. One that is idle gets `grace` for it: a request may be on its way, and closing
 * under it would lose it. */
static void drain(struct lk_http_conn *hc, uint32_t grace_ms)
{
    if (hc->closing || hc->draining)
        return;
    hc->draining = true;
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_DRAIN_CLOSE);
    if (hc->active == 0 && hc->timer_kind == LK_HTTP_TIMER_IDLE) {
        hc->timer_kind = LK_HTTP_TIMER_DRAIN;
        lk_timer_set(hc->worker->loop, &hc->timer, grace_ms);
    }
}

static void on_max_connection_duration(struct lk_timer *timer)
{
    struct lk_http_conn *hc = LK_CONTAINER_OF(timer, struct lk_http_conn, duration);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_MAX_DURATION);
    drain(hc, hc->config->drain_timeout_ms);
}

void lk_http_manager_on_drain(void *terminal)
{
    drain(terminal, DRAIN_IDLE_MS);
}

void lk_http_manager_on_abort(void *terminal)
{
    lk_http_conn_close(terminal, LK_CLOSE_NOW, true);
}

/* --- codec callbacks --------------------------------------------------------------------------------------------- */

static bool on_stream(void *owner, struct lk_codec_stream *cs)
{
    struct lk_http_conn *hc = owner;
    if (hc->closing)
        return false;
    lk_exchange_new(hc, cs);
    return true;
}

static void on_head_pending(void *owner)
{
    struct lk_http_conn *hc = owner;
    const struct lk_http_manager_config *config = hc->config;
    hc->head_start_us = lk_loop_now_us(hc->worker->loop);
    lk_timer_clear(&hc->timer);
    if (config->request_headers_timeout_ms > 0) {
        hc->timer_kind = LK_HTTP_TIMER_HEAD;
        lk_timer_set(hc->worker->loop, &hc->timer, config->request_headers_timeout_ms);
    } else if (config->stream_idle_timeout_ms > 0) {
        hc->timer_kind = LK_HTTP_TIMER_HEAD_IDLE;
        lk_timer_set(hc->worker->loop, &hc->timer, config->stream_idle_timeout_ms);
    }
}

static void on_stream_done(void *owner, struct lk_codec_stream *cs, bool keep_alive)
{
    struct lk_http_conn *hc = owner;
    struct lk_http_exchange *ex = cs->arg;
    bool close = !keep_alive || hc->draining;
    if (ex != NULL && ex->cs == cs) {
        ex->cs = NULL;
        close |= ex->close_after;
        lk_exchange_end(ex);
    }
    if (hc->closing)
        return;
    if (close) {
        lk_http_conn_close(hc, hc->peer_ended ? LK_CLOSE_FLUSH : LK_CLOSE_LINGER, true);
        return;
    }
    lk_http_conn_idle(hc);
    lk_conn_poke(hc->conn);
}

static void on_read_pause(void *owner, bool pause)
{
    struct lk_http_conn *hc = owner;
    if (pause) {
        lk_stats_inc(hc->config->stats, LK_HTTP_FLOW_PAUSED);
        lk_conn_pause(hc->conn);
    } else {
        lk_stats_inc(hc->config->stats, LK_HTTP_FLOW_RESUMED);
        lk_conn_resume(hc->conn);
    }
}

static void on_output(void *owner)
{
    struct lk_http_conn *hc = owner;
    lk_conn_flush(hc->conn);
}

static const struct lk_codec_callbacks codec_callbacks = {
    .on_stream = on_stream,
    .on_head_pending = on_head_pending,
    .on_stream_done = on_stream_done,
    .on_read_pause = on_read_pause,
    .on_output = on_output,
};

/* --- connection events -------------------------------------------------------------------------------------------- */

void lk_http_conn_bad_request(struct lk_http_conn *hc, unsigned status, struct lk_str details, enum lk_response_flag flag)
{
    struct lk_http_exchange *ex;
    if (lk_list_empty(&hc->exchanges)) {
        struct lk_codec_stream *cs = lk_codec_new_stream(hc->codec);
        if (cs == NULL) {
            lk_http_conn_close(hc, LK_CLOSE_LINGER, true);
            return;
        }
        ex = lk_exchange_new(hc, cs);
    } else {
        ex = LK_LIST_ENTRY(hc->exchanges.next, struct lk_http_exchange, node);
    }
    if (ex->stream.request == NULL) {
        lk_headers_init(&ex->no_headers, &ex->stream.arena);
        ex->stream.request = &ex->no_headers;
        ex->stream.info.protocol = LK_HTTP11;
        ex->stream.info.has_protocol = true;
    }
    if (flag != LK_FLAG_COUNT)
        lk_stream_info_flag(&ex->stream.info, flag);
    ex->close_after = true;
    if (ex->stream.response_started) {
        ex->stream.info.details = details;
        lk_exchange_reset(ex, LK_RESET_PROTOCOL_ERROR);
        return;
    }
    lk_exchange_reply(ex, status, lk_str(NULL, 0), details);
    if (!hc->closing && !ex->ended)
        lk_http_conn_close(hc, LK_CLOSE_LINGER, true);
}

static void protocol_error(struct lk_http_conn *hc, const struct lk_codec_error *error)
{
    LK_LOG_LIMITED(HTTP, DEBUG, "downstream broke HTTP: %s", error->text != NULL ? error->text : error->details);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_PROTOCOL_ERROR);
    if (error->status == 0) {
        lk_http_conn_close(hc, LK_CLOSE_NOW, true);
        return;
    }
    if (error->status == 431)
        lk_stats_inc(hc->config->stats, LK_HTTP_RQ_TOO_LARGE);
    lk_http_conn_bad_request(hc, error->status, lk_str_from(error->details), LK_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
}

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    struct lk_http_conn *hc = conn->owner;
    struct lk_codec_error error = {0};
    if (hc->closing)
        return data.len;
    size_t used = lk_codec_feed(hc->codec, data, &error);
    if (hc->closing)
        return data.len;
    if (error.details != NULL) {
        protocol_error(hc, &error);
        return data.len;
    }
    return used;
}

static void on_eof(struct lk_conn *conn)
{
    struct lk_http_conn *hc = conn->owner;
    struct lk_codec_error error = {0};
    hc->peer_ended = true;
    if (hc->active > 0) {
        struct lk_http_exchange *ex = LK_LIST_ENTRY(hc->exchanges.next, struct lk_http_exchange, node);
        if (ex->upgraded && ex->cs != NULL && lk_codec_feed_eof(hc->codec, &error))
            return; /* half-closed tunnel */
    }
    if (!hc->closing)
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, false);
}

static void set_blocked(struct lk_http_conn *hc, bool blocked)
{
    if (hc->blocked == blocked)
        return;
    hc->blocked = blocked;
    LK_LIST_FOREACH_SAFE(node, &hc->exchanges)
    {
        lk_http_chain_response_blocked(&LK_LIST_ENTRY(node, struct lk_http_exchange, node)->stream, blocked);
    }
}

static void on_drained(struct lk_conn *conn)
{
    struct lk_http_conn *hc = conn->owner;
    set_blocked(hc, false);
    LK_LIST_FOREACH(node, &hc->exchanges)
    {
        lk_exchange_touch(LK_LIST_ENTRY(node, struct lk_http_exchange, node));
    }
}

void lk_http_conn_check_output(struct lk_http_conn *hc)
{
    if (lk_conn_is_full(hc->conn))
        set_blocked(hc, true);
}

static void on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    lk_http_conn_close(conn->owner, LK_CLOSE_NOW, false);
}

static const struct lk_conn_ops conn_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_failure = on_failure,
};

void lk_http_manager_start(struct lk_session *session, const void *config, void *worker)
{
    struct lk_http_conn *hc = lk_arena_zalloc(lk_session_arena(session), sizeof(*hc));
    hc->session = session;
    hc->conn = lk_session_conn(session);
    hc->config = config;
    hc->worker = worker;
    lk_list_init(&hc->exchanges);
    lk_timer_init(&hc->timer, on_conn_timer);
    lk_timer_init(&hc->duration, on_max_connection_duration);
    hc->codec = lk_h1_server_new(&hc->config->h1, &hc->conn->out, &codec_callbacks, hc);
    hc->conn->high_watermark = lk_session_listener(session)->buffer_limit;
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_TOTAL);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_ACTIVE);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_HTTP1_TOTAL);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_HTTP1_ACTIVE);
    lk_http_conn_idle(hc);
    if (hc->config->max_connection_duration_ms > 0)
        lk_timer_set(hc->worker->loop, &hc->duration, hc->config->max_connection_duration_ms);
    lk_session_set_terminal(session, hc);
    lk_conn_set_owner(hc->conn, &conn_ops, hc);
}
