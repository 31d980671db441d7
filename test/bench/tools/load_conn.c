// One client connection: sends a request, skips the response, says how it ended.
#include "test/bench/tools/http_head.h"
#include "test/bench/tools/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_close(struct lk_load_conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
    conn->readable = conn->writable = conn->closing = conn->in_body = false;
    conn->head_size = 0;
    conn->out_size = 0;
}

static void conn_open(struct lk_load *load, struct lk_load_conn *conn)
{
    conn->fd = lk_bench_connect(load->options.port);
    if (conn->fd < 0)
        lk_bench_die("connect");
    load->opened++;
    lk_bench_watch(load->epoll_fd, conn->fd, conn);
}

static void conn_done(struct lk_load *load, struct lk_load_conn *conn, unsigned status)
{
    conn->busy = false;
    if ((conn->last || !status) && conn->fd >= 0)
        conn_close(conn);
    load->on_done(load, conn, status);
}

static void conn_broke(struct lk_load *load, struct lk_load_conn *conn)
{
    bool busy = conn->busy;
    conn_close(conn);
    if (busy)
        conn_done(load, conn, 0);
    else
        load->idle_closed++;
}

// A failed send is not yet a failed request: the response or the error is read next.
static void conn_write(struct lk_load_conn *conn)
{
    while (conn->out_size && conn->writable) {
        ssize_t sent = send(conn->fd, conn->out, conn->out_size, MSG_NOSIGNAL);
        if (sent < 0) {
            conn->writable = false;
            return;
        }
        conn->out += sent;
        conn->out_size -= (size_t)sent;
        if (conn->out_size)
            conn->writable = false;
    }
}

static const char *numbered_copy(struct lk_load_conn *conn, const struct lk_load_request *request, uint64_t number)
{
    if (conn->numbered_room < request->size) {
        free(conn->numbered);
        conn->numbered = lk_bench_alloc(1, request->size);
        conn->numbered_room = request->size;
    }
    memcpy(conn->numbered, request->text, request->size);
    for (unsigned i = 0; i < request->mark_count; i++) {
        uint64_t rest = number;
        for (unsigned digit = LK_LOAD_DIGITS; digit-- > 0; rest /= 10)
            conn->numbered[request->marks[i] + digit] = (char)('0' + rest % 10);
    }
    return conn->numbered;
}

void lk_load_conn_send(struct lk_load *load, struct lk_load_conn *conn, const struct lk_load_request *request,
                       uint64_t number, uint64_t scheduled_ns)
{
    conn->busy = true;
    conn->last = false;
    conn->scheduled_ns = scheduled_ns;
    conn->out = request->mark_count ? numbered_copy(conn, request, number) : request->text;
    conn->out_size = request->size;
    if (conn->fd < 0)
        conn_open(load, conn);
    conn_write(conn);
}

// Consumes response bytes; the number used, or -1 when they cannot be framed. Stops after a response
// that ended the connection or that nobody asked for.
static ssize_t conn_parse(struct lk_load *load, struct lk_load_conn *conn, const char *data, size_t size)
{
    size_t used = 0;
    while (used < size && conn->busy && conn->fd >= 0) {
        if (!conn->in_body) {
            struct lk_bench_head head;
            if (!lk_bench_head_read(data + used, size - used, &head))
                break;
            if (head.chunked || head.status < 100)
                return -1;
            used += head.size;
            if (head.status < 200)
                continue;
            conn->in_body = true;
            conn->body_left = head.body;
            conn->status = head.status;
            conn->last = head.close;
        }
        uint64_t take = size - used < conn->body_left ? size - used : conn->body_left;
        conn->body_left -= take;
        used += (size_t)take;
        if (conn->body_left)
            break;
        conn->in_body = false;
        conn_done(load, conn, conn->status);
    }
    return (ssize_t)used;
}

// Parses what was read behind an unfinished head. False when the connection is of no more use.
static bool conn_take(struct lk_load *load, struct lk_load_conn *conn, size_t fresh)
{
    size_t total = conn->head_size + fresh;
    conn->head_size = 0;
    ssize_t used = conn_parse(load, conn, load->scratch, total);
    if (conn->fd < 0)
        return true;
    size_t rest = total - (size_t)(used < 0 ? 0 : used);
    if (used < 0 || rest > LK_LOAD_HEAD_LIMIT || (rest && !conn->busy))
        return false;
    if (!rest)
        return true;
    if (!conn->head)
        conn->head = lk_bench_alloc(1, LK_LOAD_HEAD_LIMIT);
    memcpy(conn->head, load->scratch + used, rest);
    conn->head_size = rest;
    return true;
}

static void conn_read(struct lk_load *load, struct lk_load_conn *conn)
{
    while (conn->fd >= 0 && conn->readable) {
        if (conn->head_size)
            memcpy(load->scratch, conn->head, conn->head_size);
        size_t room = sizeof(load->scratch) - conn->head_size;
        ssize_t got = recv(conn->fd, load->scratch + conn->head_size, room, 0);
        if (got < 0 && errno == EAGAIN) {
            conn->readable = false;
            return;
        }
        if (got <= 0) {
            conn_broke(load, conn);
            return;
        }
        if ((size_t)got < room && !conn->closing)
            conn->readable = false;
        if (!conn_take(load, conn, (size_t)got))
            conn_broke(load, conn);
    }
}

void lk_load_conn_event(struct lk_load *load, struct lk_load_conn *conn, uint32_t events)
{
    if (conn->fd < 0)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP))
        conn->closing = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn->readable = true;
    if (events & EPOLLOUT)
        conn->writable = true;
    conn_read(load, conn);
    if (conn->fd >= 0)
        conn_write(conn);
}
