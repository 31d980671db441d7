/*
 * A check over plain TCP: a connection that comes about is enough, or what the host sends must hold the configured
 * blocks. Main thread.
 */
#include "proxy/base/mem.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/health_check.h"
#include "proxy/upstream/upstream_socket.h"

/* Bytes of an answer that are kept to search in; a host that sends more without a match is silent to us. */
#define ANSWER_MAX 65536u

struct tcp_probe {
    struct lk_conn conn;
    struct lk_check *check; /* NULL: closed */
};

static void gone(struct lk_conn *conn)
{
    lk_free(LK_CONTAINER_OF(conn, struct tcp_probe, conn));
}

static void hang_up(struct lk_check *check, enum lk_close_mode mode)
{
    struct tcp_probe *probe = check->probe;
    if (probe == NULL)
        return;
    check->probe = NULL;
    probe->check = NULL;
    lk_conn_close(&probe->conn, mode, gone);
}

static void stop(struct lk_check *check)
{
    hang_up(check, LK_CLOSE_NOW);
}

static void send_payload(struct tcp_probe *probe)
{
    struct lk_str send = probe->check->config->payload.send;
    if (send.len == 0)
        return;
    lk_buf_add(&probe->conn.out, send.ptr, send.len);
    lk_conn_flush(&probe->conn);
}

static void on_connected(struct lk_conn *conn)
{
    struct tcp_probe *probe = conn->owner;
    struct lk_check *check = probe->check;
    send_payload(probe);
    if (check->config->payload.receive_count > 0)
        return;
    hang_up(check, conn->out.len > 0 ? LK_CLOSE_FLUSH : LK_CLOSE_NOW);
    lk_check_done(check, LK_CHECK_PASSED);
}

static size_t on_data(struct lk_conn *conn, struct lk_span data)
{
    struct tcp_probe *probe = conn->owner;
    struct lk_check *check = probe->check;
    if (!lk_timer_armed(&check->timeout))
        return data.len; /* nothing was asked */
    if (!lk_check_payload_found(&check->config->payload, lk_str(data.ptr, data.len)))
        return data.len < ANSWER_MAX ? 0 : data.len;
    if (!check->config->reuse_connection)
        stop(check);
    lk_check_done(check, LK_CHECK_PASSED);
    return data.len;
}

/* Between two checks it is a failure too, as in Envoy: the host was to keep the connection. */
static void on_eof(struct lk_conn *conn)
{
    struct tcp_probe *probe = conn->owner;
    struct lk_check *check = probe->check;
    stop(check);
    lk_check_done(check, LK_CHECK_NETWORK);
}

static void on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    on_eof(conn);
}

static const struct lk_conn_ops conn_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_failure = on_failure,
};

static void start(struct lk_check *check)
{
    struct tcp_probe *probe = check->probe;
    struct lk_error error;
    if (probe != NULL) {
        send_payload(probe);
        return;
    }
    probe = lk_calloc(1, sizeof(*probe));
    if (!lk_upstream_connect(&probe->conn, check->cluster->clusters->options.main_loop, check->cluster->config,
                             &check->addr, &conn_ops, probe, &error)) {
        lk_free(probe);
        lk_check_done(check, LK_CHECK_NETWORK);
        return;
    }
    probe->check = check;
    check->probe = probe;
}

const struct lk_probe_ops lk_tcp_probe = {.start = start, .stop = stop};
