/*
 * The input side of a connection: socket events, the read pass with its budget, what is kept of unconsumed input, EOF
 * and failures. Runs in the socket's event or in the tail of the turn, never inside a verb.
 */
#include "proxy/io/conn_private.h"

#include <errno.h>
#include <sys/socket.h>

/* One connection may read this often in a row before the others get their turn. */
#define READS_PER_PASS 4
/* Kept input up to this is copied in front of the next read, so that the read can be a large one. */
#define PREPEND_MAX 4096u
/* Least room for a read. */
#define SCRATCH_ROOM_MIN 16384u
#define RX_ROOM_MIN 4096u

static struct lk_chunk *scratch_get(struct lk_loop *loop)
{
    struct lk_chunk *scratch = loop->scratch;
    if (LK_LIKELY(scratch != NULL && scratch->refs == 1)) {
        scratch->used = 0;
        return scratch;
    }
    /* Somebody holds bytes of it: go on behind them as long as there is room. */
    if (scratch != NULL) {
        scratch->used = (scratch->used + 7u) & ~7u;
        if (scratch->used + SCRATCH_ROOM_MIN <= scratch->cap)
            return scratch;
        lk_chunk_unref(scratch);
    }
    loop->scratch = lk_chunk_new(loop->pool, LK_CHUNK_LARGE - sizeof(struct lk_chunk));
    return loop->scratch;
}

static void drop_rx(struct lk_conn *conn)
{
    if (conn->rx != NULL)
        lk_chunk_unref(conn->rx);
    conn->rx = NULL;
    conn->rx_off = 0;
    conn->rx_len = 0;
}

void lk_conn_drop_input(struct lk_conn *conn)
{
    drop_rx(conn);
    if (conn->early != NULL)
        lk_chunk_unref(conn->early);
    conn->early = NULL;
    conn->early_off = 0;
}

static struct lk_chunk *copy_bytes(struct lk_conn *conn, const char *data, size_t len, size_t room)
{
    struct lk_chunk *chunk = lk_chunk_new(conn->loop->pool, len + room);
    memcpy(chunk->data, data, len);
    chunk->used = (uint32_t)len;
    return chunk;
}

static bool rx_can_hold(const struct lk_chunk *rx, size_t len)
{
    bool wasteful = rx != NULL && rx->cap > LK_CHUNK_SMALL && rx->cap / 4 > len;
    return rx != NULL && rx->refs == 1 && rx->cap >= len && !wasteful;
}

/* Keeps a copy of unconsumed bytes that lie in the scratch chunk, in a chunk of their size. */
static void keep(struct lk_conn *conn, const char *data, size_t len)
{
    if (rx_can_hold(conn->rx, len)) {
        memcpy(conn->rx->data, data, len);
    } else {
        drop_rx(conn);
        conn->rx = copy_bytes(conn, data, len, 0);
    }
    conn->rx->used = (uint32_t)len;
    conn->rx_off = 0;
    conn->rx_len = (uint32_t)len;
}

/* The transport was replaced in on_data: the rest of the input is the new one's, and it may need a handshake first. */
static void keep_for_transport(struct lk_conn *conn, const char *data, size_t len)
{
    conn->transport_changed = false;
    drop_rx(conn);
    LK_ASSERT(conn->early == NULL);
    if (len > 0)
        conn->early = copy_bytes(conn, data, len, 0);
    conn->readable = true;
}

/*
 * Shows bytes to the owner. While it looks, the chunk counts as full: a buf that takes a span must not append behind
 * it, where the next read will go. Returns how many bytes were not consumed.
 */
static size_t offer(struct lk_conn *conn, struct lk_chunk *chunk, const char *data, size_t len)
{
    uint32_t used = chunk->used;
    chunk->used = chunk->cap;
    conn->offer_wanted = false;
    conn->in_data = true;
    size_t taken = conn->ops->on_data(conn, lk_span(chunk, data, len));
    conn->in_data = false;
    lk_loop_set_activity(conn->loop, NULL);
    chunk->used = used;
    LK_ASSERT(taken <= len);
    return len - taken;
}

static void offer_kept(struct lk_conn *conn)
{
    struct lk_chunk *chunk = conn->rx;
    const char *data = chunk->data + conn->rx_off;
    size_t len = conn->rx_len;
    conn->rx = NULL; /* our reference is in `chunk` */
    conn->rx_len = 0;
    size_t left = offer(conn, chunk, data, len);
    const char *rest = data + (len - left);
    if (conn->closing) {
        lk_chunk_unref(chunk);
    } else if (conn->transport_changed) {
        keep_for_transport(conn, rest, left);
        lk_chunk_unref(chunk);
    } else if (left > 0 && rx_can_hold(chunk, left)) {
        conn->rx = chunk;
        conn->rx_off = (uint32_t)(rest - chunk->data);
        conn->rx_len = (uint32_t)left;
    } else {
        if (left > 0)
            keep(conn, rest, left);
        lk_chunk_unref(chunk);
    }
}

/* One read from the transport; 0 when nothing came, and the flags say why. */
static size_t read_transport(struct lk_conn *conn, char *data, size_t cap)
{
    bool reads_socket = conn->early == NULL;
    struct lk_io_result result = conn->transport->read(conn, data, cap);
    switch (result.status) {
    case LK_IO_OK:
        if (result.bytes < cap && !conn->closed && reads_socket)
            conn->readable = false;
        conn->bytes_read += result.bytes;
        conn->last_read_us = conn->loop->now_us;
        return result.bytes;
    case LK_IO_AGAIN:
        conn->readable = false;
        return 0;
    case LK_IO_EOF:
        conn->readable = false;
        conn->eof = true;
        return 0;
    case LK_IO_ERROR:
        break;
    }
    conn->readable = false;
    lk_conn_fail(conn, LK_CONN_RESET);
    return 0;
}

/* After a short read the socket is taken to be empty, unless that would leave the owner waiting for bytes that a reset
 * has made impossible. */
static void look_again(struct lk_conn *conn)
{
    if ((conn->mid_message || conn->rx_len > 0) && !conn->closing && !conn->eof && !conn->failed)
        conn->readable = true;
}

static void read_to_scratch(struct lk_conn *conn)
{
    struct lk_chunk *scratch = scratch_get(conn->loop);
    char *start = scratch->data + scratch->used;
    size_t kept = conn->rx_len;
    if (kept > 0)
        memcpy(start, conn->rx->data + conn->rx_off, kept);
    size_t got = read_transport(conn, start + kept, scratch->cap - scratch->used - kept);
    if (got == 0)
        return;
    size_t len = kept + got;
    scratch->used += (uint32_t)len;
    conn->rx_len = 0;
    size_t left = offer(conn, scratch, start, len);
    if (conn->closing)
        return;
    if (conn->transport_changed)
        keep_for_transport(conn, start + len - left, left);
    else if (left > 0)
        keep(conn, start + len - left, left);
    else
        drop_rx(conn);
    look_again(conn);
}

/* For a long unconsumed tail, which is not copied for every read. */
static void read_behind_rx(struct lk_conn *conn)
{
    struct lk_chunk *rx = conn->rx;
    if (rx->cap - conn->rx_off - conn->rx_len < RX_ROOM_MIN) {
        conn->rx = copy_bytes(conn, rx->data + conn->rx_off, conn->rx_len, LK_MAX(conn->rx_len, RX_ROOM_MIN));
        conn->rx_off = 0;
        lk_chunk_unref(rx);
        rx = conn->rx;
    }
    uint32_t end = conn->rx_off + conn->rx_len;
    size_t got = read_transport(conn, rx->data + end, rx->cap - end);
    if (got == 0)
        return;
    conn->rx_len += (uint32_t)got;
    rx->used = end + (uint32_t)got;
    offer_kept(conn);
    look_again(conn);
}

static bool may_read(const struct lk_conn *conn)
{
    if (conn->eof || conn->rx_len >= conn->rx_limit)
        return false;
    if (conn->readable)
        return true;
    return conn->transport->pending != NULL && conn->transport->pending((struct lk_conn *)(uintptr_t)conn);
}

/* Nothing more to read for now: what has to be said after the last byte. */
static void report_end(struct lk_conn *conn)
{
    if (conn->write_failed) {
        lk_conn_fail(conn, LK_CONN_RESET);
    } else if (conn->eof && !conn->eof_reported) {
        conn->eof_reported = true;
        conn->ops->on_eof(conn);
    }
}

static void read_pass(struct lk_conn *conn)
{
    int steps = 0;
    while (!conn->closing && !conn->failed && conn->paused == 0) {
        bool offer_only = conn->offer_wanted && conn->rx_len > 0;
        if (!conn->handshaking && !offer_only && !may_read(conn)) {
            conn->offer_wanted = false;
            report_end(conn);
            return;
        }
        if (conn->handshaking || steps++ == READS_PER_PASS) {
            lk_conn_mark_ready(conn);
            return;
        }
        if (offer_only)
            offer_kept(conn);
        else if (conn->rx_len > PREPEND_MAX)
            read_behind_rx(conn);
        else
            read_to_scratch(conn);
    }
}

static void go_up(struct lk_conn *conn)
{
    if (conn->out.len > 0 || conn->shut_pending)
        lk_conn_mark_dirty(conn);
    if (conn->ops->on_connected != NULL)
        conn->ops->on_connected(conn);
}

/* False: not there yet, or over. */
static bool finish_connect(struct lk_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (!conn->writable)
        return false;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    conn->connecting = false;
    if (error != 0) {
        conn->error = error;
        lk_conn_fail(conn, LK_CONN_CONNECT_REFUSED);
        return false;
    }
    conn->handshaking = conn->transport->handshake != NULL;
    if (!conn->handshaking)
        go_up(conn);
    return true;
}

static bool step_handshake(struct lk_conn *conn)
{
    struct lk_io_result result = conn->transport->handshake(conn);
    switch (result.status) {
    case LK_IO_OK:
        conn->handshaking = false;
        go_up(conn);
        return true;
    case LK_IO_AGAIN:
        return false;
    case LK_IO_EOF:
        conn->error = ECONNRESET;
        break;
    case LK_IO_ERROR:
        break;
    }
    lk_conn_fail(conn, LK_CONN_HANDSHAKE);
    return false;
}

/* Closing with LK_CLOSE_LINGER: what the peer still sends is thrown away. */
static void discard_input(struct lk_conn *conn)
{
    if (conn->close_mode != LK_CLOSE_LINGER)
        return;
    for (int reads = 0; conn->readable && !conn->eof; reads++) {
        if (reads == READS_PER_PASS) {
            lk_conn_mark_ready(conn);
            return;
        }
        struct lk_chunk *scratch = scratch_get(conn->loop);
        size_t room = scratch->cap - scratch->used;
        ssize_t count = recv(conn->fd, scratch->data + scratch->used, room, 0);
        conn->eof = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
        if ((count < 0 && errno == EAGAIN) || (count > 0 && (size_t)count < room && !conn->closed))
            conn->readable = false;
    }
    if (conn->eof && conn->lingering)
        lk_conn_finish_close(conn);
}

static void step(struct lk_conn *conn)
{
    if (conn->closing) {
        discard_input(conn);
        return;
    }
    if (conn->failed || (conn->connecting && !finish_connect(conn)))
        return;
    if (conn->closing || conn->failed || (conn->handshaking && !step_handshake(conn)))
        return;
    read_pass(conn);
}

void lk_conn_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct lk_conn *conn = arg;
    lk_loop_touch(conn->loop);
    if (what & EV_CLOSED)
        conn->closed = true;
    if (what & (EV_READ | EV_CLOSED))
        conn->readable = true;
    if ((what & EV_WRITE) && !conn->writable) {
        conn->writable = true;
        if (conn->out.len > 0 || conn->shut_pending || conn->closing)
            lk_conn_mark_dirty(conn);
    }
    step(conn);
}

void lk_conn_run_ready(struct lk_loop *loop)
{
    struct lk_list batch;
    lk_list_init(&batch);
    lk_list_splice(&batch, &loop->ready);
    while (!lk_list_empty(&batch)) {
        struct lk_conn *conn = LK_LIST_ENTRY(batch.next, struct lk_conn, ready_node);
        lk_list_remove(&conn->ready_node);
        step(conn);
    }
}
