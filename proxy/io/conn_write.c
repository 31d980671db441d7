/*
 * The output side of a connection: verbs put it on the loop's dirty list, and the tail of the turn writes each dirty
 * connection once, shuts its direction or ends its closing.
 */
#include "proxy/io/conn_private.h"

void lk_conn_mark_dirty(struct lk_conn *conn)
{
    if (!lk_list_linked(&conn->dirty_node))
        lk_list_push_back(&conn->loop->dirty, &conn->dirty_node);
}

void lk_conn_flush(struct lk_conn *conn)
{
    if (!conn->closing && !conn->failed)
        lk_conn_mark_dirty(conn);
}

void lk_conn_shutdown(struct lk_conn *conn)
{
    if (conn->closing || conn->failed || conn->shut_done)
        return;
    conn->shut_pending = true;
    lk_conn_mark_dirty(conn);
}

static void write_failure(struct lk_conn *conn)
{
    lk_buf_clear(&conn->out);
    conn->shut_pending = false;
    if (conn->closing) {
        lk_conn_finish_close(conn);
    } else if (conn->paused > 0) {
        lk_conn_fail(conn, LK_CONN_RESET);
    } else {
        /* An answer may have come before the peer went away: it is read before the owner hears of the end. */
        conn->write_failed = true;
        conn->readable = !conn->eof;
        lk_conn_mark_ready(conn);
    }
}

/* False: broken. */
static bool write_out(struct lk_conn *conn)
{
    struct lk_io_result result = conn->transport->write(conn, &conn->out);
    conn->bytes_written += result.bytes;
    if (result.status == LK_IO_ERROR || result.status == LK_IO_EOF) {
        write_failure(conn);
        return false;
    }
    if (conn->closing && result.bytes > 0)
        lk_timer_push(conn->loop, &conn->close_timer, conn->delayed_close_ms);
    if (conn->out.len > 0) {
        conn->writable = false;
        lk_buf_settle(&conn->out); /* it stays a while */
    }
    return true;
}

/* Output is out: shuts our direction if that is wanted. False: later. */
static bool shut(struct lk_conn *conn)
{
    if (conn->shut_done)
        return true;
    if (!conn->transport->shutdown(conn)) {
        conn->writable = false;
        return false;
    }
    conn->shut_pending = false;
    conn->shut_done = true;
    return true;
}

static void proceed_closing(struct lk_conn *conn)
{
    if (conn->out.len > 0)
        return;
    /* close(2) alone ends a plaintext direction */
    bool must_shut = conn->close_mode == LK_CLOSE_LINGER || conn->transport != &lk_transport_raw;
    if (must_shut && !shut(conn))
        return;
    if (conn->close_mode != LK_CLOSE_LINGER || conn->eof) {
        lk_conn_finish_close(conn);
        return;
    }
    if (conn->lingering)
        return;
    conn->lingering = true;
    lk_timer_set(conn->loop, &conn->close_timer, conn->delayed_close_ms);
    if (conn->readable)
        lk_conn_mark_ready(conn);
}

static void tell_owner(struct lk_conn *conn, bool wrote)
{
    if (conn->above_high && conn->out.len < conn->high_watermark / 2) {
        conn->above_high = false;
        if (conn->ops->on_drained != NULL)
            conn->ops->on_drained(conn);
    }
    if (wrote && conn->out.len == 0 && !conn->closing && conn->ops->on_flushed != NULL)
        conn->ops->on_flushed(conn);
}

static void flush(struct lk_conn *conn)
{
    if (lk_conn_is_full(conn))
        conn->above_high = true;
    if (conn->connecting || conn->handshaking || conn->failed || conn->write_failed || !conn->writable)
        return; /* an event will come back to it, or nothing will */
    bool wrote = conn->out.len > 0;
    if (wrote && !write_out(conn))
        return;
    if (conn->closing) {
        proceed_closing(conn);
        return;
    }
    if (conn->shut_pending && conn->out.len == 0)
        shut(conn);
    tell_owner(conn, wrote);
}

void lk_conn_run_dirty(struct lk_loop *loop)
{
    struct lk_list batch;
    lk_list_init(&batch);
    lk_list_splice(&batch, &loop->dirty);
    while (!lk_list_empty(&batch)) {
        struct lk_conn *conn = LK_LIST_ENTRY(batch.next, struct lk_conn, dirty_node);
        lk_list_remove(&conn->dirty_node);
        flush(conn);
    }
}
