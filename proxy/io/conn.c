/*
 * The life of a connection: accept or connect, owner and transport, pausing, and the ways to end it. Reading is in
 * conn_read.c, writing in conn_write.c.
 */
#include "proxy/io/conn.h"

#include "proxy/io/conn_private.h"
#include "proxy/io/sockopt.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define DELAYED_CLOSE_MS 1000u

static void on_close_timeout(struct lk_timer *timer)
{
    lk_conn_finish_close(LK_CONTAINER_OF(timer, struct lk_conn, close_timer));
}

static void on_end_of_turn(struct lk_deferred *deferred)
{
    struct lk_conn *conn = LK_CONTAINER_OF(deferred, struct lk_conn, deferred);
    if (conn->on_gone != NULL)
        conn->on_gone(conn);
}

static void conn_prepare(struct lk_conn *conn, struct lk_loop *loop, int fd, const struct lk_conn_ops *ops, void *owner)
{
    memset(conn, 0, offsetof(struct lk_conn, event));
    conn->loop = loop;
    conn->fd = fd;
    conn->ops = ops;
    conn->owner = owner;
    conn->transport = &lk_transport_raw;
    conn->rx_limit = LK_CONN_RX_LIMIT;
    conn->delayed_close_ms = DELAYED_CLOSE_MS;
    lk_buf_init(&conn->out, loop->pool);
    lk_list_init(&conn->ready_node);
    lk_list_init(&conn->dirty_node);
    lk_deferred_init(&conn->deferred, on_end_of_turn);
    lk_timer_init(&conn->close_timer, on_close_timeout);
}

static bool conn_register(struct lk_conn *conn)
{
    const short what = EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST;
    event_assign(&conn->event, conn->loop->base, conn->fd, what, lk_conn_on_event, conn);
    return event_add(&conn->event, NULL) == 0;
}

void lk_conn_init(struct lk_conn *conn, struct lk_loop *loop, int fd, const struct lk_conn_ops *ops, void *owner)
{
    conn_prepare(conn, loop, fd, ops, owner);
    conn->writable = true;
    if (conn_register(conn))
        return;
    /* No event will ever come: the read pass finds that out for the owner. */
    conn->error = errno != 0 ? errno : ENOMEM;
    conn->write_failed = true;
    lk_conn_mark_ready(conn);
}

bool lk_conn_connect(struct lk_conn *conn, struct lk_loop *loop, const struct lk_addr *addr,
                     const struct lk_connect_options *options, const struct lk_conn_ops *ops, void *owner,
                     struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(addr, &len);
    conn_prepare(conn, loop, -1, ops, owner);
    int fd = lk_connect_socket(addr, options, error);
    if (fd < 0) {
        conn->error = errno;
        return false;
    }
    conn->fd = fd;
    conn->connecting = true;
    if ((connect(fd, sa, len) == 0 || errno == EINPROGRESS) && conn_register(conn))
        return true;
    conn->error = errno;
    lk_error_errno(error, "connect to %.*s", LK_STR_ARG(lk_addr_text(addr, text)));
    close(fd);
    conn->fd = -1;
    return false;
}

void lk_conn_mark_ready(struct lk_conn *conn)
{
    if (!lk_list_linked(&conn->ready_node))
        lk_list_push_back(&conn->loop->ready, &conn->ready_node);
}

void lk_conn_set_transport(struct lk_conn *conn, const struct lk_transport_ops *ops, void *state)
{
    LK_ASSERT(!conn->closing && conn->out.len == 0);
    if (conn->transport->free != NULL)
        conn->transport->free(conn);
    conn->transport = ops;
    conn->transport_state = state;
    conn->handshaking = ops->handshake != NULL && !conn->connecting;
    if (conn->in_data) {
        conn->transport_changed = true; /* the read pass knows what is left */
    } else if (conn->rx != NULL) {
        LK_ASSERT(conn->early == NULL);
        conn->early = conn->rx;
        conn->early_off = conn->rx_off;
        conn->early->used = conn->rx_off + conn->rx_len;
        conn->rx = NULL;
        conn->rx_off = 0;
        conn->rx_len = 0;
    }
    if (conn->connecting)
        return;
    conn->readable = !conn->eof;
    lk_conn_mark_ready(conn);
}

/* Whether a read pass would find anything. In on_data the running pass goes on by itself. */
static bool has_input_work(struct lk_conn *conn)
{
    if (conn->in_data)
        return false;
    if (conn->readable || conn->rx_len > 0 || conn->write_failed || (conn->eof && !conn->eof_reported))
        return true;
    return conn->transport->pending != NULL && conn->transport->pending(conn);
}

/* Unconsumed input is to be offered again; nothing is called from here. */
static void want_offer(struct lk_conn *conn)
{
    conn->offer_wanted = true;
    if (conn->paused == 0 && has_input_work(conn))
        lk_conn_mark_ready(conn);
}

void lk_conn_set_owner(struct lk_conn *conn, const struct lk_conn_ops *ops, void *owner)
{
    conn->ops = ops;
    conn->owner = owner;
    if (conn->closing || conn->failed)
        return;
    conn->eof_reported = false;
    want_offer(conn);
}

void lk_conn_pause(struct lk_conn *conn)
{
    LK_ASSERT(conn->paused < UINT16_MAX);
    conn->paused++;
}

void lk_conn_resume(struct lk_conn *conn)
{
    LK_ASSERT(conn->paused > 0);
    conn->paused--;
    if (conn->paused == 0 && !conn->closing && !conn->failed)
        want_offer(conn);
}

void lk_conn_poke(struct lk_conn *conn)
{
    if (!conn->closing && !conn->failed)
        want_offer(conn);
}

void lk_conn_fail(struct lk_conn *conn, enum lk_conn_failure failure)
{
    LK_ASSERT(!conn->failed && !conn->closing);
    conn->failed = true;
    conn->shut_pending = false;
    lk_buf_clear(&conn->out);
    lk_list_remove(&conn->ready_node);
    lk_list_remove(&conn->dirty_node);
    conn->ops->on_failure(conn, failure);
}

static void detach(struct lk_conn *conn)
{
    event_del(&conn->event);
    lk_timer_clear(&conn->close_timer);
    lk_list_remove(&conn->ready_node);
    lk_list_remove(&conn->dirty_node);
    lk_conn_drop_input(conn);
    if (conn->transport->free != NULL)
        conn->transport->free(conn);
    conn->transport_state = NULL;
    conn->transport = &lk_transport_raw;
}

void lk_conn_finish_close(struct lk_conn *conn)
{
    detach(conn);
    lk_buf_clear(&conn->out);
    close(conn->fd);
    conn->fd = -1;
    lk_loop_defer(conn->loop, &conn->deferred);
}

static void close_later(struct lk_conn *conn, enum lk_close_mode mode)
{
    if (conn->delayed_close_ms == 0) {
        conn->delayed_close_ms = DELAYED_CLOSE_MS;
        mode = LK_CLOSE_FLUSH;
    }
    conn->close_mode = (uint8_t)mode;
    lk_conn_drop_input(conn);
    lk_timer_set(conn->loop, &conn->close_timer, conn->delayed_close_ms);
    lk_conn_mark_dirty(conn);
    if (mode == LK_CLOSE_LINGER && conn->readable)
        lk_conn_mark_ready(conn);
}

void lk_conn_close(struct lk_conn *conn, enum lk_close_mode mode, void (*on_gone)(struct lk_conn *conn))
{
    LK_ASSERT(!conn->closing);
    conn->closing = true;
    conn->on_gone = on_gone;
    bool is_up = !conn->connecting && !conn->handshaking && !conn->failed && !conn->write_failed;
    if (is_up && (mode == LK_CLOSE_FLUSH || mode == LK_CLOSE_LINGER)) {
        close_later(conn, mode);
        return;
    }
    if (mode == LK_CLOSE_ABORT) {
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    lk_conn_finish_close(conn);
}

int lk_conn_release(struct lk_conn *conn, void (*on_gone)(struct lk_conn *conn))
{
    LK_ASSERT(!conn->closing && conn->out.len == 0);
    int fd = conn->fd;
    conn->closing = true;
    conn->on_gone = on_gone;
    detach(conn);
    conn->fd = -1;
    lk_loop_defer(conn->loop, &conn->deferred);
    return fd;
}

const struct lk_transport_info *lk_conn_secure_info(const struct lk_conn *conn)
{
    return conn->transport->info != NULL ? conn->transport->info(conn) : NULL;
}

const char *lk_conn_failure_text(const struct lk_conn *conn)
{
    static const struct {
        int error;
        const char *text;
    } known[] = {
        {ECONNREFUSED, "connection refused"},
        {ECONNRESET, "connection reset by peer"},
        {EPIPE, "broken pipe"},
        {ETIMEDOUT, "connection timed out"},
        {EHOSTUNREACH, "no route to host"},
        {ENETUNREACH, "network is unreachable"},
        {EADDRNOTAVAIL, "cannot assign requested address"},
        {ENOENT, "no such file or directory"},
        {EACCES, "permission denied"},
        {EMFILE, "too many open files"},
        {EAGAIN, "resource temporarily unavailable"},
    };
    if (conn->failure_text != NULL)
        return conn->failure_text;
    for (size_t i = 0; i < LK_ARRAY_LEN(known); i++)
        if (known[i].error == conn->error)
            return known[i].text;
    return conn->error != 0 ? "input/output error" : "";
}
