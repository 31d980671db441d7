/*
 * One connection on a loop with the other end of its socket in the test's hands. The owner records what it is told and
 * consumes as much as the test says.
 */
#pragma once

#include "proxy/io/conn.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn_fixture {
    struct lk_loop *loop;
    struct lk_conn conn;
    int peer;
    int fds_before;
    char got[4u << 20]; /* consumed bytes */
    size_t got_len;
    size_t offered; /* length of the last offer */
    size_t take;    /* consumes at most so many bytes of an offer; SIZE_MAX: all */
    int data_calls, connected, eof, drained, flushed, failures, gone;
    enum lk_conn_failure failure;
    void (*hook)(struct conn_fixture *f); /* at the end of every callback */
    bool lives;                           /* conn has been set up and not closed */
};

static inline void fixture_hook(struct conn_fixture *f)
{
    if (f->hook != NULL)
        f->hook(f);
}

static inline void fixture_on_connected(struct lk_conn *conn)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK_EQ_INT(f->gone, 0);
    f->connected++;
    fixture_hook(f);
}

static inline size_t fixture_on_data(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK_EQ_INT(f->gone, 0);
    LK_CHECK(f->lives);
    LK_CHECK_EQ_INT(conn->paused, 0);
    LK_CHECK(data.len > 0);
    size_t taken = LK_MIN(f->take, data.len);
    LK_CHECK(f->got_len + taken <= sizeof(f->got));
    memcpy(f->got + f->got_len, data.ptr, taken);
    f->got_len += taken;
    f->offered = data.len;
    f->data_calls++;
    fixture_hook(f);
    return taken;
}

static inline void fixture_on_eof(struct lk_conn *conn)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK(f->lives);
    f->eof++;
    fixture_hook(f);
}

static inline void fixture_on_drained(struct lk_conn *conn)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK(f->lives);
    f->drained++;
    fixture_hook(f);
}

static inline void fixture_on_flushed(struct lk_conn *conn)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK(f->lives);
    LK_CHECK_EQ_UINT(conn->out.len, 0);
    f->flushed++;
    fixture_hook(f);
}

static inline void fixture_on_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct conn_fixture *f = conn->owner;
    LK_CHECK(f->lives);
    f->failures++;
    f->failure = failure;
    fixture_hook(f);
}

static const struct lk_conn_ops fixture_ops = {
    .on_connected = fixture_on_connected,
    .on_data = fixture_on_data,
    .on_eof = fixture_on_eof,
    .on_drained = fixture_on_drained,
    .on_flushed = fixture_on_flushed,
    .on_failure = fixture_on_failure,
};

static inline void fixture_on_gone(struct lk_conn *conn)
{
    struct conn_fixture *f = conn->owner;
    f->gone++;
    LK_CHECK(!lk_list_linked(&conn->ready_node));
    LK_CHECK(!lk_list_linked(&conn->dirty_node));
    LK_CHECK(!lk_list_linked(&conn->deferred.node));
    LK_CHECK(!lk_timer_armed(&conn->close_timer));
    memset(conn, 0xA5, sizeof(*conn)); /* nobody may touch it any more */
}

static inline struct conn_fixture *fixture_new(void)
{
    struct conn_fixture *f = lk_calloc(1, sizeof(*f));
    f->fds_before = test_open_fds();
    f->loop = test_loop_new();
    f->peer = -1;
    f->take = SIZE_MAX;
    return f;
}

static inline void fixture_accept(struct conn_fixture *f, int fd, int peer)
{
    f->peer = peer;
    f->lives = true;
    lk_conn_init(&f->conn, f->loop, fd, &fixture_ops, f);
}

/* On a pair of Unix sockets. */
static inline struct conn_fixture *fixture_pair(void)
{
    struct conn_fixture *f = fixture_new();
    int fds[2];
    LK_CHECK_EQ_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    fixture_accept(f, fds[0], fds[1]);
    return f;
}

static inline int tcp_listener(struct lk_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, addr));
    LK_CHECK_EQ_INT(bind(fd, &addr->sa, addr->len), 0);
    LK_CHECK_EQ_INT(listen(fd, 8), 0);
    socklen_t len = sizeof(addr->in);
    LK_CHECK_EQ_INT(getsockname(fd, &addr->sa, &len), 0);
    return fd;
}

/* On a TCP connection over loopback; sndbuf of our side, rcvbuf of the peer (0: the system's). */
static inline struct conn_fixture *fixture_tcp(int sndbuf, int rcvbuf)
{
    struct conn_fixture *f = fixture_new();
    struct lk_addr addr;
    int listener = tcp_listener(&addr);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (rcvbuf > 0)
        setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    LK_CHECK_EQ_INT(connect(peer, &addr.sa, addr.len), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    LK_CHECK(fd >= 0);
    if (sndbuf > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
    close(listener);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    fixture_accept(f, fd, peer);
    return f;
}

static inline void fixture_close(struct conn_fixture *f, enum lk_close_mode mode)
{
    f->lives = false;
    lk_conn_close(&f->conn, mode, fixture_on_gone);
}

static inline void peer_close(struct conn_fixture *f)
{
    close(f->peer);
    f->peer = -1;
}

static inline void peer_reset(struct conn_fixture *f)
{
    const struct linger reset = {1, 0};
    setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    peer_close(f);
}

static inline void peer_send(struct conn_fixture *f, const char *data, size_t len)
{
    LK_CHECK_EQ_INT(send(f->peer, data, len, MSG_NOSIGNAL), (long long)len);
}

static inline void peer_say(struct conn_fixture *f, const char *text)
{
    peer_send(f, text, strlen(text));
}

/* Closes what is left and checks that nothing leaked. */
static inline void fixture_free(struct conn_fixture *f)
{
    size_t in_use, cached;
    if (f->lives)
        fixture_close(f, LK_CLOSE_NOW);
    TURN_UNTIL(f->loop, f->gone > 0);
    test_turn_some(f->loop, 2);
    LK_CHECK_EQ_INT(f->gone, 1);
    lk_chunk_pool_usage(lk_loop_pool(f->loop), &in_use, &cached);
    LK_CHECK_MSG(in_use <= LK_CHUNK_LARGE, "%zu bytes of chunks in use at the end", in_use); /* the scratch chunk */
    if (f->peer >= 0)
        close(f->peer);
    lk_loop_free(f->loop);
    LK_CHECK_EQ_INT(test_open_fds(), f->fds_before);
    lk_free(f);
}

static inline char pattern_at(size_t i)
{
    return (char)('a' + (i * 7 + i / 251 + i / 65536) % 26);
}

static inline void fill_pattern(char *out, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern_at(from + i);
}

static inline void check_pattern(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        LK_CHECK_MSG(data[i] == pattern_at(i), "byte %zu differs", i);
}
