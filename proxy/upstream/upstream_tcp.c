/* One unpooled TCP connection to a host, for tcp_proxy. Runs on the owning loop. */
#include "proxy/base/mem.h"
#include "proxy/io/sockopt.h"
#include "proxy/upstream/outlier.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/upstream_socket.h"

#include <string.h>

static void fail(struct lk_upstream_tcp *tcp, enum lk_reset_reason reason)
{
    char buf[LK_FAILURE_TEXT_MAX];
    struct lk_str text =
        reason == LK_RESET_CONNECTION_FAILURE ? lk_upstream_failure_text(&tcp->conn, buf) : lk_str(NULL, 0);
    void (*on_failed)(void *owner, enum lk_reset_reason reason, struct lk_str text) = tcp->ops->on_failed;
    void *owner = tcp->owner;
    lk_timer_clear(&tcp->timer);
    tcp->counted = false;
    lk_outlier_failed(tcp->wh->view->cluster, tcp->wh->state, reason == LK_RESET_CONNECTION_TIMEOUT);
    lk_upstream_count_close(tcp->wh, 0, &tcp->conn, tcp->created_us, false, reason == LK_RESET_CONNECTION_TIMEOUT,
                            false);
    on_failed(owner, reason, text);
}

static void on_connected(struct lk_conn *conn)
{
    struct lk_upstream_tcp *tcp = conn->owner;
    lk_timer_clear(&tcp->timer);
    tcp->connected = true;
    lk_outlier_connected(tcp->wh->view->cluster, tcp->wh->state, true);
    lk_stats_record(tcp->wh->view->stats, LK_CLUSTER_CX_CONNECT_MS,
                    (lk_loop_now_us(conn->loop) - tcp->created_us) / 1000);
    if (!lk_local_addr(conn->fd, &tcp->local))
        tcp->local.len = 0;
    tcp->ops->on_connected(tcp->owner);
}

static void on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    fail(conn->owner, LK_RESET_CONNECTION_FAILURE);
}

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    (void)conn;
    (void)data;
    return 0; /* not before the owner took over in on_connected */
}

static void on_eof(struct lk_conn *conn)
{
    (void)conn;
}

static const struct lk_conn_ops connecting_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_failure = on_failure,
};

static void on_timeout(struct lk_timer *timer)
{
    struct lk_upstream_tcp *tcp = LK_CONTAINER_OF(timer, struct lk_upstream_tcp, timer);
    lk_stats_inc(tcp->wh->view->stats, LK_CLUSTER_CX_CONNECT_TIMEOUT);
    fail(tcp, LK_RESET_CONNECTION_TIMEOUT);
}

bool lk_upstream_tcp_connect(struct lk_upstream_tcp *tcp, struct lk_worker_host *wh,
                             const struct lk_upstream_tcp_ops *ops, void *owner, enum lk_reset_reason *reason)
{
    struct lk_breaker *breaker = &wh->breakers[0];
    struct lk_error error;
    tcp->wh = wh;
    tcp->ops = ops;
    tcp->owner = owner;
    tcp->connected = false;
    tcp->local.len = 0;
    if (!lk_breaker_has_room(breaker, LK_RESOURCE_CONNECTIONS)) {
        lk_stats_inc(wh->view->stats, LK_CLUSTER_CX_OVERFLOW);
        *reason = LK_RESET_OVERFLOW;
        return false;
    }
    tcp->id = lk_upstream_next_id();
    tcp->created_us = lk_loop_now_us(wh->view->loop);
    lk_timer_init(&tcp->timer, on_timeout);
    lk_upstream_count_open(wh, 0);
    memset(&tcp->conn, 0, sizeof(tcp->conn));
    tcp->counted = true;
    if (!lk_upstream_open(&tcp->conn, wh, &connecting_ops, tcp, &error)) {
        tcp->counted = false;
        lk_outlier_failed(wh->view->cluster, wh->state, false);
        lk_upstream_count_close(wh, 0, &tcp->conn, tcp->created_us, false, false, false);
        *reason = LK_RESET_CONNECTION_FAILURE;
        return false;
    }
    lk_timer_set(wh->view->loop, &tcp->timer, wh->view->config->connect_timeout_ms);
    return true;
}

static void gone(struct lk_conn *conn)
{
    struct lk_upstream_tcp *tcp = LK_CONTAINER_OF(conn, struct lk_upstream_tcp, conn);
    if (tcp->on_gone != NULL)
        tcp->on_gone(tcp->owner);
}

void lk_upstream_tcp_close(struct lk_upstream_tcp *tcp, enum lk_close_mode mode, bool remote,
                           void (*on_gone)(void *owner))
{
    lk_timer_clear(&tcp->timer);
    if (tcp->counted)
        lk_upstream_count_close(tcp->wh, 0, &tcp->conn, tcp->created_us, tcp->connected, !remote, false);
    tcp->counted = false;
    tcp->on_gone = on_gone;
    lk_conn_close(&tcp->conn, mode, gone);
}
