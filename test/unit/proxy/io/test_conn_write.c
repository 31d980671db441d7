/* The output side of a connection. */
#include "test/unit/proxy/io/conn_fixture.h"

/* The plain transport, counting. */
static int write_calls;

static struct lk_io_result counted_write(struct lk_conn *conn, struct lk_buf *out)
{
    write_calls++;
    return lk_transport_raw.write(conn, out);
}

static struct lk_transport_ops counting_transport(void)
{
    struct lk_transport_ops ops = lk_transport_raw;
    ops.write = counted_write;
    write_calls = 0;
    return ops;
}

static void say(struct conn_fixture *f, const char *text)
{
    lk_buf_add(&f->conn.out, text, strlen(text));
    lk_conn_flush(&f->conn);
}

/* Reads whatever the peer's socket has; returns false at EOF or error (errno, 0 for EOF). */
static bool peer_read(struct conn_fixture *f, char *out, size_t *len, size_t cap)
{
    ssize_t got = recv(f->peer, out + *len, cap - *len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return true;
    errno = got == 0 ? 0 : errno;
    *len += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void add_pattern(struct conn_fixture *f, size_t len)
{
    char *data = lk_malloc(len);
    fill_pattern(data, 0, len);
    lk_buf_add(&f->conn.out, data, len);
    lk_free(data);
    lk_conn_flush(&f->conn);
}

LK_TEST(conn_write, everything_queued_in_a_turn_leaves_in_one_write)
{
    struct lk_transport_ops ops = counting_transport();
    struct conn_fixture *f = fixture_pair();
    char got[64];
    size_t len = 0;
    lk_conn_set_transport(&f->conn, &ops, NULL);
    say(f, "head ");
    say(f, "and ");
    LK_CHECK_EQ_INT(write_calls, 0); /* not inside the verb */
    say(f, "body");
    lk_loop_turn(f->loop, 1000);
    LK_CHECK_EQ_INT(write_calls, 1);
    peer_read(f, got, &len, sizeof(got));
    LK_CHECK_LKSTR(lk_str(got, len), "head and body");
    LK_CHECK_EQ_INT(f->flushed, 1);
    LK_CHECK_EQ_UINT(f->conn.bytes_written, 13);
    fixture_free(f);
}

static void answer_at_once(struct conn_fixture *f)
{
    if (f->data_calls == 1 && f->got_len == 4 && f->flushed == 0)
        say(f, "pong");
}

LK_TEST(conn_write, an_answer_given_in_on_data_leaves_in_the_same_turn)
{
    struct conn_fixture *f = fixture_pair();
    char got[64];
    size_t len = 0;
    f->hook = answer_at_once;
    test_turn_some(f->loop, 2);
    peer_say(f, "ping");
    lk_loop_turn(f->loop, 1000);
    peer_read(f, got, &len, sizeof(got));
    LK_CHECK_LKSTR(lk_str(got, len), "pong");
    fixture_free(f);
}

/* The smallest socket buffers: nearly every write is cut short. */
LK_TEST(conn_write, a_slow_reader_gets_every_byte_in_order)
{
    enum { TOTAL = 1 << 20 };
    struct conn_fixture *f = fixture_pair();
    int tiny = 1;
    char *got = lk_malloc(TOTAL + 1);
    size_t len = 0;
    setsockopt(f->conn.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
    add_pattern(f, TOTAL);
    for (int turns = 0; len < TOTAL; turns++) {
        LK_CHECK(turns < 100000);
        lk_loop_turn(f->loop, 1);
        LK_CHECK(peer_read(f, got, &len, LK_MIN(len + 3000, (size_t)TOTAL)));
    }
    check_pattern(got, TOTAL);
    TURN_UNTIL(f->loop, f->flushed == 1);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->flushed, 1);
    LK_CHECK_EQ_UINT(f->conn.bytes_written, TOTAL);
    lk_free(got);
    fixture_free(f);
}

LK_TEST(conn_write, drained_is_told_once_below_half_of_the_watermark)
{
    enum { TOTAL = 300000, HIGH = 100000 };
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    char *got = lk_malloc(TOTAL);
    size_t len = 0;
    f->conn.high_watermark = HIGH;
    add_pattern(f, TOTAL);
    LK_CHECK(lk_conn_is_full(&f->conn));
    while (len < TOTAL) {
        lk_loop_turn(f->loop, 1);
        LK_CHECK_EQ_INT(f->drained, f->conn.out.len < HIGH / 2);
        LK_CHECK(peer_read(f, got, &len, LK_MIN(len + 20000, (size_t)TOTAL)));
    }
    LK_CHECK_EQ_INT(f->drained, 1);
    check_pattern(got, TOTAL);
    lk_free(got);
    fixture_free(f);
}

LK_TEST(conn_write, below_the_watermark_nothing_is_told)
{
    struct conn_fixture *f = fixture_pair();
    f->conn.high_watermark = 1000;
    add_pattern(f, 999);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->drained, 0);
    LK_CHECK_EQ_INT(f->flushed, 1);
    fixture_free(f);
}

LK_TEST(conn_write, a_reader_that_stopped_holds_little_more_memory_than_the_bytes_left)
{
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    struct lk_chunk_pool *pool = lk_loop_pool(f->loop);
    size_t in_use, cached;
    add_pattern(f, 60000);
    lk_loop_turn(f->loop, 10);
    for (int i = 0; i < 40; i++) {
        struct lk_chunk *chunk = lk_chunk_new(pool, 65000);
        memset(chunk->data, 'x', 65000);
        chunk->used = 65000;
        lk_buf_add_span(&f->conn.out, lk_span(chunk, chunk->data + i, 2500));
        lk_chunk_unref(chunk);
    }
    f->conn.writable = true; /* one more attempt, as after an event */
    lk_conn_flush(&f->conn);
    lk_loop_turn(f->loop, 10);
    lk_chunk_pool_usage(pool, &in_use, &cached);
    LK_CHECK(f->conn.out.len > 50000);
    LK_CHECK_MSG(in_use <= 4 * f->conn.out.len, "%zu bytes for %zu", in_use, f->conn.out.len);
    fixture_free(f);
}

LK_TEST(conn_write, a_dead_peer_is_noticed_by_writing_even_while_paused)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    test_turn_some(f->loop, 2);
    lk_conn_pause(&f->conn);
    peer_reset(f);
    usleep(1000);
    test_turn_some(f->loop, 2);
    LK_CHECK_EQ_INT(f->failures, 0);
    say(f, "anybody there?");
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_RESET);
    LK_CHECK_EQ_UINT(f->conn.bytes_written, 0);
    fixture_free(f);
}

struct writer {
    struct lk_work work;
    struct conn_fixture *f;
};

static void start_writing(struct lk_work *work)
{
    struct conn_fixture *f = LK_CONTAINER_OF(work, struct writer, work)->f;
    peer_say(f, "413 too large");
    peer_close(f);
    say(f, "more body");
}

LK_TEST(conn_write, an_answer_sent_before_the_peer_went_away_is_read_first)
{
    struct conn_fixture *f = fixture_pair();
    struct writer writer = {.work.fn = start_writing, .f = f};
    test_turn_some(f->loop, 2);
    lk_loop_post(f->loop, &writer.work); /* the write comes before any event of the answer */
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_RESET);
    LK_CHECK_LKSTR(lk_str(f->got, f->got_len), "413 too large");
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->failures + f->eof, 1);
    fixture_free(f);
}

LK_TEST(conn_write, shutdown_follows_the_output_and_leaves_reading_open)
{
    struct conn_fixture *f = fixture_tcp(4096, 4096);
    enum { TOTAL = 200000 };
    char *got = lk_malloc(TOTAL + 1);
    size_t len = 0;
    add_pattern(f, TOTAL);
    lk_conn_shutdown(&f->conn);
    do
        lk_loop_turn(f->loop, 1);
    while (peer_read(f, got, &len, TOTAL + 1));
    LK_CHECK_EQ_INT(errno, 0);
    LK_CHECK_EQ_UINT(len, TOTAL);
    check_pattern(got, TOTAL);
    peer_say(f, "still here");
    TURN_UNTIL(f->loop, f->got_len == 10);
    lk_conn_shutdown(&f->conn);
    peer_close(f);
    TURN_UNTIL(f->loop, f->eof == 1);
    LK_CHECK_EQ_INT(f->failures, 0);
    lk_free(got);
    fixture_free(f);
}

static void write_again_when_flushed(struct conn_fixture *f)
{
    if (f->flushed > 0 && f->flushed < 5)
        say(f, "x");
}

LK_TEST(conn_write, output_queued_in_on_flushed_is_written_too)
{
    struct conn_fixture *f = fixture_pair();
    char got[64];
    size_t len = 0;
    f->hook = write_again_when_flushed;
    say(f, "x");
    TURN_UNTIL(f->loop, f->flushed == 5);
    peer_read(f, got, &len, sizeof(got));
    LK_CHECK_EQ_UINT(len, 5);
    fixture_free(f);
}

LK_TEST(conn_write, more_segments_than_one_call_takes_leave_in_one_turn)
{
    struct conn_fixture *f = fixture_pair();
    int large = 1 << 20;
    setsockopt(f->conn.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    size_t total = 0;
    for (int i = 0; i < 70; i++) {
        struct lk_chunk *chunk = lk_chunk_new(lk_loop_pool(f->loop), 4000);
        fill_pattern(chunk->data, total, 2100);
        chunk->used = 2110;
        lk_buf_add_span(&f->conn.out, lk_span(chunk, chunk->data, 2100));
        lk_chunk_unref(chunk);
        total += 2100;
    }
    lk_conn_flush(&f->conn);
    lk_loop_turn(f->loop, 1000);
    LK_CHECK_EQ_UINT(f->conn.out.len, 0);
    char *got = lk_malloc(total);
    size_t len = 0;
    while (len < total)
        LK_CHECK(peer_read(f, got, &len, total));
    check_pattern(got, total);
    lk_free(got);
    fixture_free(f);
}
