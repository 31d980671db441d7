// One connection of the benchmark's backend: reads requests, counts them, writes the fixed response.
#include "test/bench/tools/backend.h"
#include "test/bench/tools/http_head.h"
#include "test/bench/tools/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t next_random(struct lk_backend *backend)
{
    backend->random ^= backend->random << 13;
    backend->random ^= backend->random >> 7;
    backend->random ^= backend->random << 17;
    return backend->random;
}

static void arm_idle(struct lk_backend *backend, struct lk_backend_conn *conn)
{
    const struct lk_backend_options *options = &backend->options;
    if (!options->idle_ns)
        return;
    uint64_t spread = 2 * options->jitter_ns + 1;
    conn->close_ns = lk_bench_now_ns() + options->idle_ns - options->jitter_ns + next_random(backend) % spread;
}

struct lk_backend_conn *lk_backend_conn_new(struct lk_backend *backend, int fd)
{
    struct lk_backend_conn *conn = lk_bench_alloc(1, sizeof(*conn));
    conn->fd = fd;
    conn->next = backend->first;
    if (conn->next)
        conn->next->previous = conn;
    backend->first = conn;
    backend->counts.connections++;
    arm_idle(backend, conn);
    return conn;
}

// Closes at once, whatever may have arrived unread: this is what makes the keep-alive race real.
static void conn_end(struct lk_backend_conn *conn)
{
    if (conn->dead)
        return;
    conn->dead = true;
    close(conn->fd);
}

void lk_backend_sweep(struct lk_backend *backend)
{
    for (struct lk_backend_conn *conn = backend->first, *next; conn; conn = next) {
        next = conn->next;
        if (!conn->dead)
            continue;
        if (conn->previous)
            conn->previous->next = next;
        else
            backend->first = next;
        if (next)
            next->previous = conn->previous;
        free(conn->head);
        free(conn);
    }
}

static void conn_write(struct lk_backend *backend, struct lk_backend_conn *conn)
{
    while (conn->due && conn->writable && !conn->answer_ns && !conn->dead) {
        ssize_t sent =
            send(conn->fd, backend->response + conn->sent, backend->response_size - conn->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            conn_end(conn);
            return;
        }
        conn->sent += sent > 0 ? (size_t)sent : 0;
        if (conn->sent < backend->response_size) {
            conn->writable = false;
            return;
        }
        conn->sent = 0;
        conn->due--;
    }
    if (conn->due || conn->in_body || conn->dead)
        return;
    if (conn->last)
        conn_end(conn);
    else
        arm_idle(backend, conn);
}

static void request_done(struct lk_backend *backend, struct lk_backend_conn *conn)
{
    conn->in_body = false;
    conn->due++;
    backend->counts.requests++;
    if (backend->options.delay_ns)
        conn->answer_ns = lk_bench_now_ns() + backend->options.delay_ns;
    if (!conn->numbered || conn->number >= backend->options.numbers)
        return;
    uint8_t *seen = &backend->seen[conn->number];
    if (*seen)
        backend->counts.duplicates++;
    else
        backend->counts.numbered++;
    if (*seen < UINT8_MAX)
        (*seen)++;
}

// A head that is complete. False when it asks for what this server does not speak.
static bool request_head(struct lk_backend_conn *conn, const char *data, const struct lk_bench_head *head)
{
    if (head->chunked)
        return false;
    conn->close_ns = 0;
    conn->last = head->close;
    conn->body_left = head->body;
    conn->in_body = true;
    conn->numbered = head->size > 8 && memcmp(data, "POST /n/", 8) == 0;
    if (conn->numbered)
        conn->number = strtoull(data + 8, NULL, 10);
    return true;
}

// Consumes requests from `data`; the number of bytes used, or -1 to end the connection.
static ssize_t conn_parse(struct lk_backend *backend, struct lk_backend_conn *conn, const char *data, size_t size)
{
    size_t used = 0;
    while (used < size) {
        if (!conn->in_body) {
            struct lk_bench_head head;
            if (!lk_bench_head_read(data + used, size - used, &head))
                break;
            if (!request_head(conn, data + used, &head))
                return -1;
            used += head.size;
        }
        uint64_t take = size - used < conn->body_left ? size - used : conn->body_left;
        conn->body_left -= take;
        used += (size_t)take;
        if (conn->body_left)
            break;
        request_done(backend, conn);
    }
    return (ssize_t)used;
}

// Joins an unfinished head kept earlier with new bytes. False ends the connection.
static bool conn_take(struct lk_backend *backend, struct lk_backend_conn *conn, size_t fresh)
{
    size_t total = conn->head_size + fresh;
    ssize_t used = conn_parse(backend, conn, backend->scratch, total);
    if (used < 0)
        return false;
    conn->head_size = total - (size_t)used;
    if (!conn->head_size)
        return true;
    if (conn->head_size > LK_BENCH_HEAD_LIMIT)
        return false;
    if (!conn->head)
        conn->head = lk_bench_alloc(1, LK_BENCH_HEAD_LIMIT);
    memcpy(conn->head, backend->scratch + used, conn->head_size);
    return true;
}

static void conn_read(struct lk_backend *backend, struct lk_backend_conn *conn)
{
    while (conn->readable && !conn->dead) {
        if (conn->head_size)
            memcpy(backend->scratch, conn->head, conn->head_size);
        size_t room = sizeof(backend->scratch) - conn->head_size;
        ssize_t got = recv(conn->fd, backend->scratch + conn->head_size, room, 0);
        if (got < 0 && errno == EAGAIN) {
            conn->readable = false;
            return;
        }
        if (got <= 0 || !conn_take(backend, conn, (size_t)got)) {
            conn_end(conn);
            return;
        }
        if ((size_t)got < room && !conn->closing)
            conn->readable = false;
    }
}

void lk_backend_conn_event(struct lk_backend *backend, struct lk_backend_conn *conn, uint32_t events)
{
    if (conn->dead)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP))
        conn->closing = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn->readable = true;
    if (events & EPOLLOUT)
        conn->writable = true;
    conn_read(backend, conn);
    if (conn->due)
        conn_write(backend, conn);
}

void lk_backend_timers(struct lk_backend *backend, uint64_t now)
{
    for (struct lk_backend_conn *conn = backend->first; conn; conn = conn->next) {
        if (conn->dead)
            continue;
        if (conn->answer_ns && conn->answer_ns <= now) {
            conn->answer_ns = 0;
            conn_write(backend, conn);
        } else if (conn->close_ns && conn->close_ns <= now && !conn->due && !conn->in_body) {
            backend->counts.idle_closes++;
            conn_end(conn);
        }
    }
}
