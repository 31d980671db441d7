/* Plaintext: the op table in front of recv and sendmsg. */
#include "proxy/io/transport.h"

#include "proxy/base/mem.h"
#include "proxy/io/conn.h"

#include <errno.h>
#include <sys/socket.h>

#define IOV_MAX_PER_WRITE 64

static struct lk_io_result io_failed(struct lk_conn *conn, size_t bytes)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return (struct lk_io_result){LK_IO_AGAIN, bytes};
    conn->error = errno;
    return (struct lk_io_result){LK_IO_ERROR, bytes};
}

static struct lk_io_result read_early(struct lk_conn *conn, char *data, size_t cap)
{
    size_t part = LK_MIN(cap, (size_t)(conn->early->used - conn->early_off));
    memcpy(data, conn->early->data + conn->early_off, part);
    conn->early_off += (uint32_t)part;
    if (conn->early_off == conn->early->used) {
        lk_chunk_unref(conn->early);
        conn->early = NULL;
        conn->early_off = 0;
    }
    return (struct lk_io_result){LK_IO_OK, part};
}

static struct lk_io_result raw_read(struct lk_conn *conn, char *data, size_t cap)
{
    if (LK_UNLIKELY(conn->early != NULL))
        return read_early(conn, data, cap);
    for (;;) {
        ssize_t count = recv(conn->fd, data, cap, 0);
        if (count > 0)
            return (struct lk_io_result){LK_IO_OK, (size_t)count};
        if (count == 0)
            return (struct lk_io_result){LK_IO_EOF, 0};
        if (errno != EINTR)
            return io_failed(conn, 0);
    }
}

static bool raw_pending(struct lk_conn *conn)
{
    return conn->early != NULL;
}

/* One call for the front of out; *wanted is what it tried to send. A single segment is cheaper without an iovec. */
static ssize_t send_front(int fd, const struct lk_buf *out, size_t *wanted)
{
    struct iovec iov[IOV_MAX_PER_WRITE];
    struct msghdr message = {.msg_iov = iov};
    int count = lk_buf_iov(out, iov, IOV_MAX_PER_WRITE);
    if (count == 1) {
        *wanted = iov[0].iov_len;
        return send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    }
    message.msg_iovlen = (size_t)count;
    *wanted = 0;
    for (int i = 0; i < count; i++)
        *wanted += iov[i].iov_len;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static struct lk_io_result raw_write(struct lk_conn *conn, struct lk_buf *out)
{
    size_t total = 0;
    while (out->len > 0) {
        size_t wanted;
        ssize_t count = send_front(conn->fd, out, &wanted);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return io_failed(conn, total);
        lk_buf_drain(out, (size_t)count);
        total += (size_t)count;
        if ((size_t)count < wanted)
            return (struct lk_io_result){LK_IO_AGAIN, total};
    }
    return (struct lk_io_result){LK_IO_OK, total};
}

static bool raw_shutdown(struct lk_conn *conn)
{
    shutdown(conn->fd, SHUT_WR); /* a failure means that the peer is gone, which reading will tell */
    return true;
}

const struct lk_transport_ops lk_transport_raw = {
    .name = "raw_buffer",
    .read = raw_read,
    .write = raw_write,
    .pending = raw_pending,
    .shutdown = raw_shutdown,
};
