/*
 * HTTP/1.1 connections to one host on one loop: an idle list used last-in first-out, connecting ones, and requests that
 * wait. A connection carries one request at a time. Runs on the owning loop.
 */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/http/h1_codec.h"
#include "proxy/io/sockopt.h"
#include "proxy/io/tcp_acked.h"
#include "proxy/upstream/idle_learner.h"
#include "proxy/upstream/outlier.h"
#include "proxy/upstream/pool_internal.h"
#include "proxy/upstream/upstream_socket.h"

#include <errno.h>
#include <sys/socket.h>

/* A connection that has been idle longer than this is probed before a request that must not be sent twice. */
#define PROBE_AFTER_US 1000

static struct lk_stats_scope *stats_of(const struct lk_upstream_conn *uc)
{
    return uc->wh->view->stats;
}

static void leave_list(struct lk_upstream_conn *uc)
{
    struct lk_worker_host *wh = uc->wh;
    switch ((enum lk_upstream_conn_state)uc->state) {
    case LK_UC_CONNECTING:
        wh->connecting_count--;
        break;
    case LK_UC_IDLE:
        wh->idle_count--;
        break;
    case LK_UC_BUSY:
        wh->busy_count--;
        break;
    case LK_UC_CLOSED:
        return;
    }
    lk_list_remove(&uc->node);
}

static void enter_list(struct lk_upstream_conn *uc, enum lk_upstream_conn_state state)
{
    struct lk_worker_host *wh = uc->wh;
    uc->state = (uint8_t)state;
    switch (state) {
    case LK_UC_CONNECTING:
        wh->connecting_count++;
        lk_list_push_back(&wh->connecting, &uc->node);
        break;
    case LK_UC_IDLE:
        wh->idle_count++;
        lk_list_push_front(&wh->idle, &uc->node);
        break;
    case LK_UC_BUSY:
        wh->busy_count++;
        lk_list_push_front(&wh->busy, &uc->node);
        break;
    case LK_UC_CLOSED:
        break;
    }
}

static void conn_gone(struct lk_conn *conn)
{
    struct lk_upstream_conn *uc = conn->owner;
    if (uc->codec != NULL)
        lk_codec_free(uc->codec);
    lk_worker_host_unref(uc->wh);
    lk_free(uc);
}

static void close_conn(struct lk_upstream_conn *uc, bool local)
{
    if (uc->state == LK_UC_CLOSED)
        return;
    bool connected = uc->state != LK_UC_CONNECTING;
    lk_timer_clear(&uc->timer);
    leave_list(uc);
    uc->state = LK_UC_CLOSED;
    lk_upstream_count_close(uc->wh, uc->priority, &uc->conn, uc->created_us, connected, local, uc->stream != NULL);
    lk_conn_close(&uc->conn, LK_CLOSE_NOW, conn_gone);
}

/* The request in progress ends with the connection. The stream's owner is told first, while the connection can still be
 * asked how far it got. */
static void fail_stream(struct lk_upstream_conn *uc, enum lk_reset_reason reason)
{
    struct lk_codec_stream *stream = uc->stream;
    const struct lk_stream_events *events = stream != NULL ? stream->events : NULL;
    if (events == NULL)
        return;
    stream->events = NULL; /* told once: the owner may be at its next try already */
    events->on_reset(stream, reason);
}

/* --- idle ----------------------------------------------------------------------------------------------------- */

/* Until max_connection_duration. */
static uint64_t time_left_ms(const struct lk_upstream_conn *uc)
{
    uint64_t age_ms = (lk_loop_now_us(uc->wh->view->loop) - uc->created_us) / 1000;
    uint32_t limit = uc->wh->view->config->max_connection_duration_ms;
    return age_ms < limit ? limit - age_ms : 0;
}

void lk_pool_go_idle(struct lk_upstream_conn *uc)
{
    const struct lk_cluster_config *config = uc->wh->view->config;
    struct lk_loop *loop = uc->wh->view->loop;
    uint64_t limit = config->idle_timeout_ms > 0 ? config->idle_timeout_ms : UINT64_MAX;
    uint32_t learned = lk_idle_learner_limit(uc->wh->state, lk_loop_now_ms(loop));
    if (learned != UINT32_MAX && learned < limit)
        limit = learned;
    if (config->max_connection_duration_ms > 0)
        limit = LK_MIN(limit, time_left_ms(uc));
    leave_list(uc);
    enter_list(uc, LK_UC_IDLE);
    uc->idle_since_us = lk_loop_now_us(loop);
    if (limit != UINT64_MAX)
        lk_timer_set(loop, &uc->timer, limit);
}

static void on_timer(struct lk_timer *timer)
{
    struct lk_upstream_conn *uc = LK_CONTAINER_OF(timer, struct lk_upstream_conn, timer);
    struct lk_worker_host *wh = uc->wh;
    if (uc->state == LK_UC_CONNECTING) {
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_CONNECT_TIMEOUT);
        close_conn(uc, true);
        lk_pool_fail_waiters(wh, LK_RESET_CONNECTION_TIMEOUT, lk_str(NULL, 0));
        return;
    }
    const struct lk_cluster_config *config = wh->view->config;
    uint64_t idle_ms = (lk_loop_now_us(wh->view->loop) - uc->idle_since_us) / 1000;
    if (config->max_connection_duration_ms > 0 && time_left_ms(uc) == 0)
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_MAX_DURATION);
    else if (config->idle_timeout_ms > 0 && idle_ms >= config->idle_timeout_ms)
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_IDLE_TIMEOUT);
    else
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_EARLY_RETIRED);
    close_conn(uc, true);
}

/* Whether nothing tells that the server has ended this connection. */
static bool seems_alive(const struct lk_upstream_conn *uc)
{
    char byte;
    ssize_t n = recv(uc->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct lk_upstream_conn *lk_pool_take_idle(struct lk_worker_host *wh, bool careful)
{
    uint64_t now_us = lk_loop_now_us(wh->view->loop);
    uint32_t limit_ms = lk_idle_learner_limit(wh->state, now_us / 1000);
    LK_LIST_FOREACH(node, &wh->idle)
    {
        struct lk_upstream_conn *uc = LK_LIST_ENTRY(node, struct lk_upstream_conn, node);
        uint64_t idle_us = now_us - uc->idle_since_us;
        if (uc->conn.closed || uc->conn.failed || idle_us / 1000 >= limit_ms)
            continue; /* its own event or timer ends it */
        if (careful && idle_us > PROBE_AFTER_US && !seems_alive(uc))
            continue;
        lk_timer_clear(&uc->timer);
        leave_list(uc);
        enter_list(uc, LK_UC_BUSY);
        return uc;
    }
    return NULL;
}

/* --- connection events ------------------------------------------------------------------------------------------ */

static bool expired(const struct lk_upstream_conn *uc)
{
    const struct lk_cluster_config *config = uc->wh->view->config;
    if (config->max_requests_per_connection > 0 && uc->requests >= config->max_requests_per_connection) {
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_MAX_REQUESTS);
        return true;
    }
    if (config->max_connection_duration_ms > 0 && time_left_ms(uc) == 0) {
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_MAX_DURATION);
        return true;
    }
    return false;
}

static void on_stream_done(void *owner, struct lk_codec_stream *stream, bool keep_alive)
{
    struct lk_upstream_conn *uc = owner;
    struct lk_worker_host *wh = uc->wh;
    bool complete = stream->remote_done && stream->local_done;
    if (complete || uc->state == LK_UC_CLOSED)
        uc->stream = NULL;
    if (uc->state == LK_UC_CLOSED)
        return;
    uint32_t hint_s = lk_h1_keep_alive_timeout_s(uc->codec);
    if (hint_s > 0)
        lk_idle_learner_hint(wh->state, LK_MIN(hint_s, UINT32_MAX / 1000) * 1000, lk_loop_now_ms(wh->view->loop));
    bool reusable = keep_alive && !uc->drain && !wh->retired && !uc->conn.eof && !uc->conn.closed && !uc->conn.failed;
    if (!reusable || expired(uc)) {
        close_conn(uc, !uc->conn.eof); /* with the request in progress, if that was cut short */
        uc->stream = NULL;
        lk_pool_open_for_waiters(wh);
        return;
    }
    lk_pool_go_idle(uc);
    lk_pool_serve_waiters(wh);
}

static void on_read_pause(void *owner, bool pause)
{
    struct lk_upstream_conn *uc = owner;
    if (pause) {
        lk_stats_inc(stats_of(uc), LK_CLUSTER_FLOW_PAUSED);
        lk_conn_pause(&uc->conn);
    } else {
        lk_stats_inc(stats_of(uc), LK_CLUSTER_FLOW_RESUMED);
        lk_conn_resume(&uc->conn);
    }
}

static void on_output(void *owner)
{
    struct lk_upstream_conn *uc = owner;
    lk_conn_flush(&uc->conn);
}

/* The client of an upgraded stream has ended its direction. */
static void on_output_end(void *owner)
{
    struct lk_upstream_conn *uc = owner;
    lk_conn_shutdown(&uc->conn);
}

static const struct lk_codec_callbacks codec_callbacks = {
    .on_stream_done = on_stream_done,
    .on_read_pause = on_read_pause,
    .on_output = on_output,
    .on_output_end = on_output_end,
};

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    struct lk_upstream_conn *uc = conn->owner;
    struct lk_codec_error error = {0};
    if (uc->stream == NULL) {
        /* bytes nobody asked for: a late error page of a server that is closing, or a confused one */
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_PROTOCOL_ERROR);
        close_conn(uc, true);
        return data.len;
    }
    size_t used = lk_codec_feed(uc->codec, data, &error);
    conn->mid_message = uc->state != LK_UC_CLOSED && uc->stream != NULL && !uc->stream->remote_done;
    if (error.details != NULL && uc->state != LK_UC_CLOSED) {
        LK_LOG_LIMITED(POOL, DEBUG, "upstream broke HTTP/1: %s", error.text != NULL ? error.text : error.details);
        lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_PROTOCOL_ERROR);
        fail_stream(uc, LK_RESET_PROTOCOL_ERROR);
        close_conn(uc, true);
        return data.len;
    }
    return used;
}

static void conn_lost(struct lk_upstream_conn *uc)
{
    struct lk_worker_host *wh = uc->wh;
    uint64_t now_us = lk_loop_now_us(wh->view->loop);
    if (uc->state == LK_UC_IDLE)
        lk_idle_learner_closed(wh->state, (uint32_t)((now_us - uc->idle_since_us) / 1000), now_us / 1000);
    lk_worker_host_ref(wh);
    fail_stream(uc, LK_RESET_CONNECTION_TERMINATION);
    close_conn(uc, false);
    lk_pool_open_for_waiters(wh);
    lk_worker_host_unref(wh);
}

static void on_eof(struct lk_conn *conn)
{
    struct lk_upstream_conn *uc = conn->owner;
    struct lk_codec_error error = {0};
    if (uc->stream != NULL) {
        bool had_answer = uc->conn.bytes_read > uc->response_start;
        if (had_answer && lk_codec_feed_eof(uc->codec, &error) && uc->stream == NULL)
            return; /* a body that ends with the connection: on_stream_done closed it */
        if (had_answer && uc->stream != NULL && uc->state != LK_UC_CLOSED) {
            /* cut off in the middle of a message */
            lk_stats_inc(stats_of(uc), LK_CLUSTER_CX_PROTOCOL_ERROR);
            fail_stream(uc, LK_RESET_PROTOCOL_ERROR);
        }
    }
    if (uc->state != LK_UC_CLOSED)
        conn_lost(uc);
}

static void connect_failed(struct lk_upstream_conn *uc)
{
    struct lk_worker_host *wh = uc->wh;
    char buf[LK_FAILURE_TEXT_MAX];
    struct lk_str text = lk_upstream_failure_text(&uc->conn, buf);
    close_conn(uc, false);
    lk_pool_fail_waiters(wh, LK_RESET_CONNECTION_FAILURE, text);
}

static void on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct lk_upstream_conn *uc = conn->owner;
    (void)failure;
    if (uc->state == LK_UC_CONNECTING)
        connect_failed(uc);
    else
        conn_lost(uc);
}

static void on_connected(struct lk_conn *conn)
{
    struct lk_upstream_conn *uc = conn->owner;
    struct lk_worker_host *wh = uc->wh;
    lk_timer_clear(&uc->timer);
    lk_stats_record(stats_of(uc), LK_CLUSTER_CX_CONNECT_MS, (lk_loop_now_us(conn->loop) - uc->created_us) / 1000);
    if (!lk_local_addr(conn->fd, &uc->local))
        uc->local.len = 0;
    uc->created_us = lk_loop_now_us(conn->loop);
    lk_outlier_connected(wh->view->cluster, wh->state, false);
    lk_pool_go_idle(uc);
    lk_pool_serve_waiters(wh);
    if (wh->retired && uc->state == LK_UC_IDLE)
        close_conn(uc, true); /* nobody will ever ask for it */
}

static void on_drained(struct lk_conn *conn)
{
    struct lk_upstream_conn *uc = conn->owner;
    if (uc->stream != NULL && uc->stream->events->on_writable != NULL)
        uc->stream->events->on_writable(uc->stream);
}

static const struct lk_conn_ops conn_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_failure = on_failure,
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* NULL: the connect failed at once; *text says why. */
struct lk_upstream_conn *lk_pool_open_conn(struct lk_worker_host *wh, uint8_t priority, struct lk_error *error)
{
    struct lk_upstream_conn *uc = lk_calloc(1, sizeof(*uc));
    uc->wh = wh;
    uc->priority = priority;
    uc->id = lk_upstream_next_id();
    uc->created_us = lk_loop_now_us(wh->view->loop);
    lk_list_init(&uc->node);
    lk_timer_init(&uc->timer, on_timer);
    lk_worker_host_ref(wh);
    lk_upstream_count_open(wh, priority);
    lk_stats_inc(wh->view->stats, LK_CLUSTER_CX_HTTP1_TOTAL);
    if (!lk_upstream_open(&uc->conn, wh, &conn_ops, uc, error)) {
        lk_upstream_count_close(wh, priority, &uc->conn, uc->created_us, false, false, false);
        lk_worker_host_unref(wh);
        lk_free(uc);
        return NULL;
    }
    uc->conn.high_watermark = wh->view->config->buffer_limit;
    uc->codec = lk_upstream_h1_codec(wh->view->config, &uc->conn, &codec_callbacks, uc);
    enter_list(uc, LK_UC_CONNECTING);
    lk_timer_set(wh->view->loop, &uc->timer, wh->view->config->connect_timeout_ms);
    return uc;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

struct lk_codec_stream *lk_upstream_conn_begin(struct lk_upstream_conn *uc)
{
    uc->requests++;
    uc->request_start = uc->conn.bytes_written + uc->conn.out.len;
    uc->response_start = uc->conn.bytes_read;
    uc->stream = lk_codec_new_stream(uc->codec);
    LK_ASSERT(uc->stream != NULL);
    return uc->stream;
}

enum lk_progress lk_upstream_conn_progress(const struct lk_upstream_conn *uc)
{
    if (uc->conn.bytes_read > uc->response_start)
        return LK_PROGRESS_ANSWERED;
    if (uc->conn.bytes_written <= uc->request_start)
        return LK_PROGRESS_NOT_SENT;
    /* An orderly FIN carries the server's last word on what it received: if that leaves out our request, the request
     * met a closed socket. A reset proves nothing. */
    uint64_t acked;
    if (uc->conn.eof && lk_tcp_bytes_acked(uc->conn.fd, &acked) && acked <= uc->request_start)
        return LK_PROGRESS_NOT_PROCESSED;
    return LK_PROGRESS_UNKNOWN;
}

/* --- drain and close ---------------------------------------------------------------------------------------------- */

void lk_pool_drain(struct lk_worker_host *wh)
{
    lk_worker_host_ref(wh);
    while (!lk_list_empty(&wh->idle))
        close_conn(LK_LIST_ENTRY(wh->idle.next, struct lk_upstream_conn, node), true);
    LK_LIST_FOREACH(node, &wh->busy)
    {
        LK_LIST_ENTRY(node, struct lk_upstream_conn, node)->drain = true;
    }
    if (wh->shadow != NULL)
        lk_pool_drain(wh->shadow);
    lk_worker_host_unref(wh);
}

void lk_pool_close(struct lk_worker_host *wh)
{
    lk_worker_host_ref(wh);
    /* first, or a connection that goes would make them open others */
    lk_pool_fail_waiters(wh, LK_RESET_LOCAL, lk_str(NULL, 0));
    lk_pool_drain(wh);
    while (!lk_list_empty(&wh->connecting))
        close_conn(LK_LIST_ENTRY(wh->connecting.next, struct lk_upstream_conn, node), true);
    while (!lk_list_empty(&wh->busy)) {
        struct lk_upstream_conn *uc = LK_LIST_ENTRY(wh->busy.next, struct lk_upstream_conn, node);
        fail_stream(uc, LK_RESET_LOCAL);
        close_conn(uc, true);
    }
    if (wh->shadow != NULL)
        lk_pool_close(wh->shadow);
    lk_worker_host_unref(wh);
}
