/* The ways a connection ends. */
#include "proxy/base/clock.h"
#include "test/unit/proxy/io/conn_fixture.h"

/* Turns until the peer sees the end; returns 0 for EOF or its errno. */
static int peer_read_to_end(struct conn_fixture *f, char *out, size_t *len, size_t cap)
{
    for (int turns = 0; turns < 20000; turns++) {
        lk_loop_turn(f->loop, 1);
        ssize_t got = recv(f->peer, out + *len, cap - *len, MSG_DONTWAIT);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EAGAIN)
            return errno;
        *len += got > 0 ? (size_t)got : 0;
    }
    LK_FAIL("the peer saw no end");
}

static void queue_pattern(struct conn_fixture *f, size_t len)
{
    char *data = lk_malloc(len);
    fill_pattern(data, 0, len);
    lk_buf_add(&f->conn.out, data, len);
    lk_free(data);
    lk_conn_flush(&f->conn);
}

LK_TEST(conn_close, now_drops_pending_output_and_tells_once)
{
    struct conn_fixture *f = fixture_pair();
    char got[16];
    size_t len = 0;
    queue_pattern(f, 10);
    fixture_close(f, LK_CLOSE_NOW);
    LK_CHECK_EQ_INT(f->gone, 0); /* not inside the verb */
    LK_CHECK_EQ_INT(peer_read_to_end(f, got, &len, sizeof(got)), 0);
    LK_CHECK_EQ_UINT(len, 0);
    fixture_free(f);
}

LK_TEST(conn_close, abort_resets_the_peer)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    char got[16];
    size_t len = 0;
    fixture_close(f, LK_CLOSE_ABORT);
    LK_CHECK_EQ_INT(peer_read_to_end(f, got, &len, sizeof(got)), ECONNRESET);
    fixture_free(f);
}

LK_TEST(conn_close, flush_writes_everything_first)
{
    enum { TOTAL = 500000 };
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    char *got = lk_malloc(TOTAL + 1);
    size_t len = 0;
    queue_pattern(f, TOTAL);
    fixture_close(f, LK_CLOSE_FLUSH);
    LK_CHECK_EQ_INT(peer_read_to_end(f, got, &len, TOTAL + 1), 0);
    LK_CHECK_EQ_UINT(len, TOTAL);
    check_pattern(got, TOTAL);
    lk_free(got);
    fixture_free(f);
}

LK_TEST(conn_close, flush_gives_up_on_a_peer_that_never_reads)
{
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    uint64_t start = lk_clock_ms();
    f->conn.delayed_close_ms = 30;
    queue_pattern(f, 500000);
    fixture_close(f, LK_CLOSE_FLUSH);
    TURN_UNTIL(f->loop, f->gone == 1);
    LK_CHECK(lk_clock_ms() - start >= 30);
    fixture_free(f);
}

LK_TEST(conn_close, flush_waits_for_a_slow_peer_as_long_as_it_makes_progress)
{
    enum { TOTAL = 60000, PIECE = 3000 };
    struct conn_fixture *f = fixture_pair();
    int tiny = 1;
    char *got = lk_malloc(TOTAL + PIECE);
    size_t len = 0;
    uint64_t start = lk_clock_ms();
    setsockopt(f->conn.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
    f->conn.delayed_close_ms = 250;
    queue_pattern(f, TOTAL);
    fixture_close(f, LK_CLOSE_FLUSH);
    for (ssize_t part = 1; part != 0;) {
        usleep(20000);
        test_turn_some(f->loop, 2);
        part = recv(f->peer, got + len, PIECE, MSG_DONTWAIT);
        len += part > 0 ? (size_t)part : 0;
    }
    LK_CHECK(lk_clock_ms() - start > 400);
    LK_CHECK_EQ_UINT(len, TOTAL);
    check_pattern(got, TOTAL);
    lk_free(got);
    fixture_free(f);
}

LK_TEST(conn_close, flush_ends_when_the_peer_resets)
{
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    f->conn.delayed_close_ms = 60000;
    queue_pattern(f, 500000);
    fixture_close(f, LK_CLOSE_FLUSH);
    test_turn_some(f->loop, 2);
    peer_reset(f);
    TURN_UNTIL(f->loop, f->gone == 1);
    fixture_free(f);
}

/* The peer goes on sending, so that closing at once would reset it and destroy the answer. */
LK_TEST(conn_close, linger_lets_a_peer_that_still_sends_read_the_answer)
{
    struct conn_fixture *f = fixture_tcp(0, 4096);
    char got[64], junk[8192];
    size_t len = 0;
    int sent = 0, result = -1;
    memset(junk, 'j', sizeof(junk));
    f->take = 0;
    f->conn.delayed_close_ms = 20000;
    peer_say(f, "POST / HTTP/1.1\r\n");
    TURN_UNTIL(f->loop, f->data_calls == 1);
    lk_buf_add_str(&f->conn.out, LK_STR("HTTP/1.1 413 too large\r\n\r\n"));
    lk_conn_flush(&f->conn);
    fixture_close(f, LK_CLOSE_LINGER);
    while (sent < 1000) {
        LK_CHECK(send(f->peer, junk, sizeof(junk), MSG_NOSIGNAL) > 0 || errno == EAGAIN);
        sent++;
        lk_loop_turn(f->loop, 0);
    }
    result = peer_read_to_end(f, got, &len, sizeof(got));
    LK_CHECK_EQ_INT(result, 0);
    LK_CHECK_LKSTR(lk_str(got, len), "HTTP/1.1 413 too large\r\n\r\n");
    LK_CHECK_EQ_INT(f->gone, 0);
    LK_CHECK_EQ_INT(f->data_calls, 1);
    peer_close(f);
    TURN_UNTIL(f->loop, f->gone == 1);
    fixture_free(f);
}

LK_TEST(conn_close, linger_ends_at_its_timeout_even_if_the_peer_goes_on_sending)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    char junk[1000] = {0};
    f->conn.delayed_close_ms = 30;
    fixture_close(f, LK_CLOSE_LINGER);
    uint64_t start = lk_clock_ms();
    while (f->gone == 0) {
        LK_CHECK(lk_clock_ms() - start < 10000);
        send(f->peer, junk, sizeof(junk), MSG_NOSIGNAL);
        lk_loop_turn(f->loop, 1);
    }
    LK_CHECK(lk_clock_ms() - start >= 30);
    fixture_free(f);
}

LK_TEST(conn_close, linger_closes_at_once_when_the_peer_has_ended_already)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    f->conn.delayed_close_ms = 60000;
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f->loop, f->eof == 1);
    queue_pattern(f, 10);
    fixture_close(f, LK_CLOSE_LINGER);
    lk_loop_turn(f->loop, 1000);
    LK_CHECK_EQ_INT(f->gone, 1);
    fixture_free(f);
}

LK_TEST(conn_close, without_a_delay_linger_only_flushes)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    char got[64];
    size_t len = 0;
    f->conn.delayed_close_ms = 0;
    queue_pattern(f, 20);
    fixture_close(f, LK_CLOSE_LINGER);
    LK_CHECK_EQ_INT(peer_read_to_end(f, got, &len, sizeof(got)), 0);
    LK_CHECK_EQ_UINT(len, 20);
    LK_CHECK_EQ_INT(f->gone, 1);
    fixture_free(f);
}

static enum lk_close_mode mode_in_hook;

static void close_in_callback(struct conn_fixture *f)
{
    fixture_close(f, mode_in_hook);
}

/* The recorder fails the test when a callback follows a close. */
static void check_close_in_callbacks(enum lk_close_mode mode)
{
    mode_in_hook = mode;
    for (int kind = 0; kind < 4; kind++) {
        struct conn_fixture *f = fixture_tcp(0, 0);
        f->conn.delayed_close_ms = 20;
        f->conn.high_watermark = 10;
        test_turn_some(f->loop, 2);
        f->hook = close_in_callback;
        f->take = 2;
        if (kind == 0)
            peer_say(f, "some data");
        else if (kind == 1)
            shutdown(f->peer, SHUT_WR);
        else if (kind == 2)
            queue_pattern(f, 100);
        else
            peer_reset(f);
        TURN_UNTIL(f->loop, f->gone == 1);
        LK_CHECK_EQ_INT(f->data_calls + f->eof + f->drained + f->flushed + f->failures, 1);
        fixture_free(f);
    }
}

LK_TEST(conn_close, now_is_safe_in_every_callback)
{
    check_close_in_callbacks(LK_CLOSE_NOW);
}

LK_TEST(conn_close, abort_is_safe_in_every_callback)
{
    check_close_in_callbacks(LK_CLOSE_ABORT);
}

LK_TEST(conn_close, flush_is_safe_in_every_callback)
{
    check_close_in_callbacks(LK_CLOSE_FLUSH);
}

LK_TEST(conn_close, linger_is_safe_in_every_callback)
{
    check_close_in_callbacks(LK_CLOSE_LINGER);
}

LK_TEST(conn_close, verbs_after_close_do_nothing)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    f->conn.delayed_close_ms = 30;
    lk_conn_pause(&f->conn);
    fixture_close(f, LK_CLOSE_LINGER);
    lk_conn_resume(&f->conn);
    lk_conn_poke(&f->conn);
    lk_conn_flush(&f->conn);
    lk_conn_shutdown(&f->conn);
    lk_conn_set_owner(&f->conn, &fixture_ops, f);
    peer_say(f, "ignored");
    TURN_UNTIL(f->loop, f->gone == 1);
    LK_CHECK_EQ_INT(f->data_calls, 0);
    fixture_free(f);
}

LK_TEST(conn_close, a_paused_connection_lingers_too)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    f->conn.delayed_close_ms = 60000;
    lk_conn_pause(&f->conn);
    peer_say(f, "unread");
    test_turn_some(f->loop, 3);
    fixture_close(f, LK_CLOSE_LINGER);
    test_turn_some(f->loop, 3);
    peer_close(f);
    TURN_UNTIL(f->loop, f->gone == 1);
    fixture_free(f);
}

LK_TEST(conn_close, release_gives_the_socket_away_and_reads_no_more)
{
    struct conn_fixture *f = fixture_pair();
    char got[16];
    test_turn_some(f->loop, 2);
    f->lives = false;
    int fd = lk_conn_release(&f->conn, fixture_on_gone);
    peer_say(f, "for the new owner");
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->gone, 1);
    LK_CHECK_EQ_INT(f->data_calls, 0);
    LK_CHECK_EQ_INT(recv(fd, got, 3, 0), 3);
    close(fd);
    fixture_free(f);
}

LK_TEST(conn_close, many_connections_leave_no_descriptor_behind)
{
    for (int i = 0; i < 50; i++) {
        struct conn_fixture *f = fixture_pair(); /* fixture_free compares the open descriptors */
        peer_say(f, "x");
        if (i % 2 == 0)
            test_turn_some(f->loop, 2);
        fixture_free(f);
    }
}
