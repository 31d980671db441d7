/* The TCP relay of a session. Runs on the session's worker. */
#include "proxy/downstream/tcp_tunnel.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/downstream/tcp_target.h"
#include "proxy/io/splice.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/pool.h"

#include <stdio.h>
#include <unistd.h>

/* A stream that has moved this much in one direction goes on with splice. */
#define SPLICE_AFTER (1u << 20)

struct tunnel {
    struct lk_session *session;
    struct lk_conn *down;
    const struct lk_tcp_proxy_config *config;
    struct lk_loop *loop;
    struct lk_cluster_view *routed; /* the configured cluster */
    struct lk_cluster_view *view;   /* of the present attempt: the same, unless a host selector chose elsewhere */
    const struct lk_match_criteria *match;
    struct lk_worker_host *wh; /* referenced while in use */
    struct lk_upstream_tcp up;
    struct lk_splice *splice;
    int spliced_fds[2];
    struct lk_timer idle;
    struct lk_timer duration;
    struct lk_stream_info info;
    uint32_t attempts;
    uint8_t down_mode; /* enum lk_close_mode, once ended */
    bool up_open;      /* up is connected or connecting */
    bool reconnecting; /* up failed to connect; the next attempt follows when its struct is free */
    bool connected;
    bool down_eof, up_eof;
    bool down_paused, up_paused;
    bool splice_tried;
    bool ended;
};

static void connect_upstream(struct tunnel *t);

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void write_log(struct tunnel *t)
{
    const struct lk_tcp_proxy_config *config = t->config;
    t->info.end_us = lk_loop_now_us(t->loop);
    if (config->access_log_count == 0)
        return;
    struct lk_log_event event = {
        .info = &t->info, .arena = lk_session_arena(t->session), .loop = t->loop, .type = "TcpConnectionEnd"};
    lk_access_logs_write(config->access_logs, config->access_log_count, &event);
}

static void count_bytes(struct tunnel *t)
{
    uint64_t received = t->down->bytes_read;
    uint64_t sent = t->down->bytes_written + t->down->out.len;
    if (t->splice != NULL) {
        received += lk_splice_bytes_a_to_b(t->splice);
        sent += lk_splice_bytes_b_to_a(t->splice);
    }
    t->info.bytes_received = t->info.wire_received = received;
    t->info.bytes_sent = t->info.wire_sent = sent;
    lk_stats_add(t->config->stats, LK_TCP_CX_RX_BYTES, received);
    lk_stats_add(t->config->stats, LK_TCP_CX_TX_BYTES, sent);
    if (t->connected) {
        t->info.upstream.wire_sent = received;
        t->info.upstream.wire_received = sent;
    }
}

/* The session's arena, with the tunnel in it, may go only when the upstream socket is done with the struct. */
static void down_gone(void *terminal)
{
    (void)terminal;
}

static void up_gone(void *owner)
{
    struct tunnel *t = owner;
    struct lk_worker_host *wh = t->wh;
    t->wh = NULL;
    if (wh != NULL)
        lk_worker_host_unref(wh);
    lk_session_close(t->session, t->down_mode, down_gone);
}

/* up_mode and down_mode: what becomes of bytes that are still on their way to that side. */
static void end(struct tunnel *t, enum lk_close_mode up_mode, enum lk_close_mode down_mode, bool remote)
{
    if (t->ended)
        return;
    t->ended = true;
    t->down_mode = down_mode;
    lk_timer_clear(&t->idle);
    lk_timer_clear(&t->duration);
    count_bytes(t);
    write_log(t);
    if (t->splice != NULL) {
        uint64_t up_bytes = lk_splice_bytes_a_to_b(t->splice);
        uint64_t down_bytes = lk_splice_bytes_b_to_a(t->splice);
        t->up.conn.bytes_written += up_bytes;
        t->up.conn.bytes_read += down_bytes;
        t->down->bytes_read += up_bytes;
        t->down->bytes_written += down_bytes;
        lk_stats_add(t->config->stats, LK_TCP_SPLICED, up_bytes + down_bytes);
        lk_splice_free(t->splice);
        t->splice = NULL;
        close(t->spliced_fds[0]);
        close(t->spliced_fds[1]);
    }
    lk_conn_pause(t->down);
    if (t->up_open)
        lk_upstream_tcp_close(&t->up, up_mode, remote, up_gone);
    else if (!t->reconnecting)
        up_gone(t);
}

static void fail(struct tunnel *t, enum lk_response_flag flag, const char *details)
{
    lk_stream_info_flag(&t->info, flag);
    if (details != NULL)
        t->info.connection_details = lk_str_from(details);
    end(t, LK_CLOSE_NOW, LK_CLOSE_NOW, false);
}

void lk_tcp_tunnel_on_abort(void *terminal)
{
    end(terminal, LK_CLOSE_NOW, LK_CLOSE_NOW, false);
}

void lk_tcp_tunnel_on_drain(void *terminal)
{
    (void)terminal; /* a TCP stream has no good moment: it ends by itself or at the drain's limit */
}

/* --- timers ---------------------------------------------------------------------------------------------------------
 */

static void on_idle(struct lk_timer *timer)
{
    struct tunnel *t = LK_CONTAINER_OF(timer, struct tunnel, idle);
    lk_stats_inc(t->config->stats, LK_TCP_IDLE_TIMEOUT);
    end(t, LK_CLOSE_FLUSH, LK_CLOSE_FLUSH, false);
}

static void on_max_duration(struct lk_timer *timer)
{
    struct tunnel *t = LK_CONTAINER_OF(timer, struct tunnel, duration);
    lk_stats_inc(t->config->stats, LK_TCP_MAX_DURATION);
    lk_stream_info_flag(&t->info, LK_FLAG_DURATION_TIMEOUT);
    end(t, LK_CLOSE_NOW, LK_CLOSE_NOW, false);
}

static void touch(struct tunnel *t)
{
    if (t->config->idle_timeout_ms > 0 && !t->ended)
        lk_timer_push(t->loop, &t->idle, t->config->idle_timeout_ms);
}

/* --- splice ---------------------------------------------------------------------------------------------------------
 */

static void splice_progress(void *owner)
{
    touch(owner);
}

static void splice_done(void *owner, bool clean, bool downstream_failed)
{
    struct tunnel *t = owner;
    if (!clean)
        lk_stream_info_flag(&t->info, downstream_failed ? LK_FLAG_DOWNSTREAM_CONNECTION_TERMINATION
                                                        : LK_FLAG_UPSTREAM_CONNECTION_TERMINATION);
    end(t, clean ? LK_CLOSE_FLUSH : LK_CLOSE_NOW, downstream_failed ? LK_CLOSE_NOW : LK_CLOSE_FLUSH, true);
}

static const struct lk_splice_ops splice_ops = {.on_progress = splice_progress, .on_done = splice_done};

static bool quiet(const struct lk_conn *conn)
{
    return conn->out.len == 0 && lk_conn_input(conn).len == 0 && !conn->failed && !conn->shut_pending;
}

static void maybe_splice(struct tunnel *t)
{
    struct lk_conn *up = &t->up.conn;
    bool long_stream = t->down->bytes_read >= SPLICE_AFTER || up->bytes_read >= SPLICE_AFTER;
    if (t->splice_tried || !t->connected || !long_stream || !quiet(t->down) || !quiet(up) ||
        t->down->transport != &lk_transport_raw || up->transport != &lk_transport_raw)
        return;
    t->splice_tried = true;
    t->spliced_fds[0] = dup(t->down->fd);
    t->spliced_fds[1] = dup(up->fd);
    if (t->spliced_fds[0] < 0 || t->spliced_fds[1] < 0) {
        if (t->spliced_fds[0] >= 0)
            close(t->spliced_fds[0]);
        return;
    }
    t->splice = lk_splice_new(t->loop, t->spliced_fds[0], t->spliced_fds[1], t->down_eof, t->up_eof, &splice_ops, t);
    lk_conn_pause(t->down);
    lk_conn_pause(up);
}

/* --- relay ----------------------------------------------------------------------------------------------------------
 */

static void check_done(struct tunnel *t)
{
    if (t->down_eof && t->up_eof && t->down->out.len == 0 && t->up.conn.out.len == 0)
        end(t, LK_CLOSE_FLUSH, LK_CLOSE_FLUSH, true);
}

static void relay(struct tunnel *t, struct lk_conn *from, struct lk_conn *to, struct lk_span data, bool *paused)
{
    touch(t);
    lk_buf_add_span(&to->out, data);
    lk_conn_flush(to);
    if (lk_conn_is_full(to) && !*paused) {
        *paused = true;
        lk_conn_pause(from);
        lk_stats_inc(t->config->stats, LK_TCP_FLOW_PAUSED);
    }
}

static void unpause(struct tunnel *t, struct lk_conn *from, bool *paused)
{
    if (!*paused || t->ended)
        return;
    *paused = false;
    lk_conn_resume(from);
    lk_stats_inc(t->config->stats, LK_TCP_FLOW_RESUMED);
}

static size_t down_data(struct lk_conn *conn, struct lk_span data)
{
    struct tunnel *t = conn->owner;
    if (t->ended || !t->connected)
        return 0;
    relay(t, conn, &t->up.conn, data, &t->down_paused);
    return data.len;
}

static size_t up_data(struct lk_conn *conn, struct lk_span data)
{
    struct tunnel *t = conn->owner;
    if (t->ended)
        return data.len;
    relay(t, conn, t->down, data, &t->up_paused);
    return data.len;
}

static void down_eof(struct lk_conn *conn)
{
    struct tunnel *t = conn->owner;
    t->down_eof = true;
    if (!t->connected || t->ended)
        return;
    lk_conn_shutdown(&t->up.conn);
    check_done(t);
}

static void up_eof(struct lk_conn *conn)
{
    struct tunnel *t = conn->owner;
    t->up_eof = true;
    lk_conn_shutdown(t->down);
    check_done(t);
}

static void down_drained(struct lk_conn *conn)
{
    struct tunnel *t = conn->owner;
    touch(t);
    unpause(t, &t->up.conn, &t->up_paused);
}

static void up_drained(struct lk_conn *conn)
{
    struct tunnel *t = conn->owner;
    touch(t);
    unpause(t, t->down, &t->down_paused);
}

static void flushed(struct lk_conn *conn)
{
    struct tunnel *t = conn->owner;
    if (t->ended)
        return;
    if (t->down_eof && t->up_eof)
        check_done(t);
    else
        maybe_splice(t);
}

static void down_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct tunnel *t = conn->owner;
    (void)failure;
    if (!t->ended)
        lk_stream_info_flag(&t->info, LK_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
    end(t, LK_CLOSE_NOW, LK_CLOSE_NOW, false);
}

static void up_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct tunnel *t = conn->owner;
    (void)failure;
    lk_stream_info_flag(&t->info, LK_FLAG_UPSTREAM_CONNECTION_TERMINATION);
    end(t, LK_CLOSE_NOW, LK_CLOSE_FLUSH, true); /* the client gets what came before */
}

static const struct lk_conn_ops down_ops = {.on_data = down_data,
                                            .on_eof = down_eof,
                                            .on_drained = down_drained,
                                            .on_flushed = flushed,
                                            .on_failure = down_failure};
static const struct lk_conn_ops up_ops = {
    .on_data = up_data, .on_eof = up_eof, .on_drained = up_drained, .on_flushed = flushed, .on_failure = up_failure};

/* --- connecting
 * ------------------------------------------------------------------------------------------------------- */

static void on_connected(void *owner)
{
    struct tunnel *t = owner;
    t->connected = true;
    t->info.upstream.local = t->up.local;
    t->info.upstream.connection_id = t->up.id;
    t->info.upstream.pool_ready_us = lk_loop_now_us(t->loop);
    t->up.conn.high_watermark = t->view->config->buffer_limit;
    t->up.conn.mid_message = true; /* a stream has no other kind of byte */
    lk_conn_set_owner(&t->up.conn, &up_ops, t);
    touch(t);
    lk_conn_resume(t->down);
    if (t->down_eof)
        lk_conn_shutdown(&t->up.conn);
}

static void release_host(void *owner)
{
    struct tunnel *t = owner;
    struct lk_worker_host *wh = t->wh;
    t->wh = NULL;
    t->reconnecting = false;
    if (wh != NULL)
        lk_worker_host_unref(wh);
    if (!t->ended)
        connect_upstream(t);
    else
        up_gone(t);
}

static void on_failed(void *owner, enum lk_reset_reason reason, struct lk_str text)
{
    struct tunnel *t = owner;
    (void)reason;
    t->info.upstream.transport_failure = lk_arena_str(lk_session_arena(t->session), text);
    lk_stream_info_flag(&t->info, LK_FLAG_UPSTREAM_CONNECTION_FAILURE);
    t->up_open = false;
    t->reconnecting = true;
    lk_upstream_tcp_close(&t->up, LK_CLOSE_NOW, true, release_host);
}

static const struct lk_upstream_tcp_ops tcp_ops = {.on_connected = on_connected, .on_failed = on_failed};

static void use_cluster(struct tunnel *t, struct lk_cluster_view *view)
{
    t->view = view;
    lk_tcp_target_note_cluster(&t->info, view);
}

static struct lk_host_selection select_host(struct tunnel *t, const struct lk_pick *pick)
{
    bool last = t->attempts > 1 && t->attempts == t->config->max_connect_attempts;
    struct lk_host_selection chosen = lk_tcp_target_select(t->info.selector, t->routed, pick, last);
    if (t->info.selector != NULL)
        use_cluster(t, chosen.host != NULL ? chosen.host->view : t->routed);
    return chosen;
}

static void fail_without_host(struct tunnel *t, const struct lk_host_selection *chosen)
{
    if (chosen->refused) {
        fail(t, chosen->flag, chosen->details);
        return;
    }
    lk_stats_inc(t->view->stats, LK_CLUSTER_CX_NONE_HEALTHY);
    fail(t, LK_FLAG_NO_HEALTHY_UPSTREAM, NULL);
}

static void connect_upstream(struct tunnel *t)
{
    struct lk_pick pick = lk_tcp_target_pick(lk_session_info(t->session), t->match);
    enum lk_reset_reason reason;
    while (t->attempts < t->config->max_connect_attempts) {
        t->attempts++;
        t->info.upstream.attempts = t->attempts;
        struct lk_host_selection chosen = select_host(t, &pick);
        t->wh = chosen.host;
        if (t->wh == NULL) {
            fail_without_host(t, &chosen);
            return;
        }
        lk_tcp_target_note_host(&t->info, lk_session_arena(t->session), t->wh);
        if (lk_upstream_tcp_connect(&t->up, t->wh, &tcp_ops, t, &reason)) {
            t->up_open = true;
            return;
        }
        struct lk_worker_host *wh = t->wh;
        t->wh = NULL;
        lk_worker_host_unref(wh);
        if (reason == LK_RESET_OVERFLOW) {
            fail(t, LK_FLAG_UPSTREAM_OVERFLOW, NULL);
            return;
        }
        lk_stream_info_flag(&t->info, LK_FLAG_UPSTREAM_CONNECTION_FAILURE);
    }
    lk_stats_inc(t->view->stats, LK_CLUSTER_CX_ATTEMPTS_EXCEEDED);
    fail(t, LK_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED, NULL);
}

/* False: a filter refuses the connection. */
static bool steer(struct tunnel *t)
{
    const struct lk_tcp_steering *steering = t->info.conn->steering;
    const char *refused = steering != NULL ? steering->steer(steering, &t->info, t->view) : NULL;
    if (refused == NULL)
        return true;
    t->info.connection_details = lk_str_from(refused);
    end(t, LK_CLOSE_NOW, LK_CLOSE_NOW, false);
    return false;
}

void lk_tcp_tunnel_start(struct lk_session *session, const void *config, void *worker)
{
    struct tunnel *t = lk_arena_zalloc(lk_session_arena(session), sizeof(*t));
    (void)worker;
    t->session = session;
    t->down = lk_session_conn(session);
    t->config = config;
    t->loop = lk_session_loop(session);
    t->info.conn = lk_session_info(session);
    t->info.start_us = t->info.conn->start_us;
    t->info.start_wall_us = t->info.conn->start_wall_us;
    lk_timer_init(&t->idle, on_idle);
    lk_timer_init(&t->duration, on_max_duration);
    lk_session_set_terminal(session, t);
    lk_stats_inc(t->config->stats, LK_TCP_CX_TOTAL);
    t->down->high_watermark = lk_session_listener(session)->buffer_limit;
    t->down->mid_message = true;
    lk_conn_set_owner(t->down, &down_ops, t);
    lk_conn_pause(t->down); /* until there is somewhere to put its bytes */
    if (t->config->max_duration_ms > 0)
        lk_timer_set(t->loop, &t->duration, t->config->max_duration_ms);
    uint64_t point = lk_rand_below(t->config->total_weight);
    struct lk_tcp_weighted chosen = lk_tcp_target_choose(t->config, point);
    t->match = chosen.metadata_match;
    t->view = lk_cluster_view_get(t->config->clusters, t->loop, chosen.cluster);
    if (t->view == NULL) {
        lk_stats_inc(t->config->stats, LK_TCP_NO_ROUTE);
        fail(t, LK_FLAG_NO_CLUSTER_FOUND, NULL);
        return;
    }
    t->routed = t->view;
    use_cluster(t, t->view);
    if (!steer(t))
        return;
    touch(t);
    connect_upstream(t);
}
