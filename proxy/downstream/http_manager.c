/* Downstream HTTP connections: codec, timers, drain and close. Runs on the session's worker. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"
#include "proxy/http/status.h"

/* How long an idle connection may still bring a request when its listener drains. */
#define DRAIN_IDLE_MS 1000

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

/* A client that left in the middle of a head deserves its line in the log. */
static void note_cut_head(struct lk_http_conn *hc)
{
    hc->codec->failed = true;
    struct lk_codec_stream *cs = lk_codec_new_stream(hc->codec);
    if (cs != NULL)
        lk_exchange_without_head(lk_exchange_new(hc, cs));
}

void lk_http_conn_close(struct lk_http_conn *hc, enum lk_close_mode mode, bool local)
{
    struct lk_stats_scope *stats = hc->config->stats;
    if (hc->closing)
        return;
    hc->closing = true;
    lk_timer_clear(&hc->timer);
    lk_timer_clear(&hc->duration);
    if (!local && hc->head_start_us != 0)
        note_cut_head(hc);
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
        lk_http_conn_bad_request(hc, 408, LK_STR("request header timeout"), LK_STR("request_header_timeout"),
                                 LK_FLAG_COUNT);
        break;
    case LK_HTTP_TIMER_HEAD_IDLE:
        lk_stats_inc(stats, LK_HTTP_RQ_IDLE_TIMEOUT);
        lk_http_conn_bad_request(hc, 408, LK_STR("stream timeout"), LK_STR("stream_idle_timeout"),
                                 LK_FLAG_STREAM_IDLE_TIMEOUT);
        break;
    case LK_HTTP_TIMER_DRAIN:
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, true);
        break;
    }
}

/* The connection ends at its next response. One that is idle gets `grace` for it: a request may be on its way, and
 * closing under it would lose it. */
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
        if (cs->local_done && !cs->remote_done)
            lk_stats_inc(hc->config->stats, LK_HTTP_RQ_RESPONSE_BEFORE_COMPLETE);
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

void lk_http_conn_bad_request(struct lk_http_conn *hc, unsigned status, struct lk_str body, struct lk_str details,
                              enum lk_response_flag flag)
{
    struct lk_http_exchange *ex;
    if (lk_list_empty(&hc->exchanges)) {
        hc->codec->failed = true; /* nothing more is read; the codec gives a stream to answer on */
        struct lk_codec_stream *cs = lk_codec_new_stream(hc->codec);
        if (cs == NULL) {
            lk_http_conn_close(hc, LK_CLOSE_LINGER, true);
            return;
        }
        ex = lk_exchange_new(hc, cs);
    } else {
        ex = LK_LIST_ENTRY(hc->exchanges.next, struct lk_http_exchange, node);
    }
    if (ex->stream.request == NULL)
        lk_exchange_without_head(ex);
    if (flag != LK_FLAG_COUNT)
        lk_stream_info_flag(&ex->stream.info, flag);
    ex->close_after = true;
    if (ex->stream.response_started) {
        ex->stream.info.details = details;
        lk_exchange_reset(ex, LK_RESET_PROTOCOL_ERROR);
        return;
    }
    lk_exchange_reply(ex, status, body, details);
    if (!hc->closing && !ex->ended)
        lk_http_conn_close(hc, LK_CLOSE_LINGER, true);
}

void lk_http_conn_protocol_error(struct lk_http_conn *hc, const struct lk_codec_error *error)
{
    LK_LOG_LIMITED(HTTP, DEBUG, "downstream broke HTTP: %s", error->text != NULL ? error->text : error->details);
    lk_stats_inc(hc->config->stats, LK_HTTP_CX_PROTOCOL_ERROR);
    if (error->status == 0) {
        lk_http_conn_close(hc, LK_CLOSE_NOW, true);
        return;
    }
    lk_stats_inc(hc->config->stats, LK_HTTP_RQ_RX_RESET);
    lk_http_conn_bad_request(hc, error->status, lk_status_reason(error->status), lk_str_from(error->details),
                             LK_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
}

/* Whether a request is only half here. */
static void note_progress(struct lk_http_conn *hc)
{
    struct lk_http_exchange *ex =
        hc->active > 0 ? LK_LIST_ENTRY(hc->exchanges.next, struct lk_http_exchange, node) : NULL;
    hc->conn->mid_message = ex != NULL && ex->cs != NULL && !ex->cs->remote_done;
}

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    struct lk_http_conn *hc = conn->owner;
    struct lk_codec_error error = {0};
    if (hc->closing)
        return data.len;
    if (hc->active == 0 && lk_conn_is_full(conn))
        return 0; /* who does not read its answers gets no others */
    size_t used = lk_codec_feed(hc->codec, data, &error);
    if (hc->closing)
        return data.len;
    note_progress(hc);
    if (error.details != NULL) {
        lk_http_conn_protocol_error(hc, &error);
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
        if (ex->upgraded && ex->cs != NULL) {
            /* what the client sent last still goes to the upstream, whose end then ends the tunnel */
            lk_stream_info_flag(&ex->stream.info, LK_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
            ex->stream.info.details = LK_STR("downstream_remote_disconnect");
            if (lk_codec_feed_eof(hc->codec, &error))
                return;
        }
    }
    if (!hc->closing)
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, false);
}

/* Each exchange is told once; one that begins while the output is full is told at its first bytes. */
static void set_blocked(struct lk_http_conn *hc, bool blocked)
{
    LK_LIST_FOREACH_SAFE(node, &hc->exchanges)
    {
        struct lk_http_exchange *ex = LK_LIST_ENTRY(node, struct lk_http_exchange, node);
        if (ex->blocked == blocked)
            continue;
        ex->blocked = blocked;
        lk_http_chain_response_blocked(&ex->stream, blocked);
    }
}

static void on_drained(struct lk_conn *conn)
{
    struct lk_http_conn *hc = conn->owner;
    set_blocked(hc, false);
    lk_conn_poke(conn); /* requests that had to wait for room */
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
    hc->codec = lk_h1_server_new_in(lk_session_arena(session), &hc->config->h1, &hc->conn->out, &codec_callbacks, hc);
    lk_conn_expect_head(hc->conn, (size_t)hc->config->h1.max_headers_kb * 1024);
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
