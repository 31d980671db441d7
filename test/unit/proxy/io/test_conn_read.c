/* The input side of a connection. */
#include "test/unit/proxy/io/conn_fixture.h"

/* Consumes up to the last line end. */
static size_t on_data_lines(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    const char *end = memrchr(data.ptr, '\n', data.len);
    f->take = end != NULL ? (size_t)(end - data.ptr) + 1 : 0;
    return fixture_on_data(conn, data);
}

static const struct lk_conn_ops line_ops = {
    .on_data = on_data_lines,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

LK_TEST(conn_read, input_split_at_any_byte_is_offered_contiguous)
{
    static const char text[] = "first line\nsecond\n\nfourth and last\n";
    for (size_t split = 1; split < sizeof(text) - 1; split++) {
        struct conn_fixture *f = fixture_pair();
        lk_conn_set_owner(&f->conn, &line_ops, f);
        peer_send(f, text, split);
        TURN_UNTIL(f->loop, f->data_calls == 1);
        peer_send(f, text + split, sizeof(text) - 1 - split);
        TURN_UNTIL(f->loop, f->got_len == sizeof(text) - 1);
        LK_CHECK_MEM(f->got, text, sizeof(text) - 1);
        LK_CHECK_NULL(f->conn.rx);
        fixture_free(f);
    }
}

LK_TEST(conn_read, a_small_unconsumed_tail_costs_a_small_chunk)
{
    struct conn_fixture *f = fixture_pair();
    size_t in_use, cached;
    f->take = 0;
    peer_say(f, "GET / HTTP/1.1\r\nhost: a");
    TURN_UNTIL(f->loop, f->data_calls == 1);
    lk_chunk_pool_usage(lk_loop_pool(f->loop), &in_use, &cached);
    LK_CHECK_EQ_UINT(in_use, LK_CHUNK_LARGE + 512);
    LK_CHECK_LKSTR(lk_conn_input(&f->conn), "GET / HTTP/1.1\r\nhost: a");
    fixture_free(f);
}

LK_TEST(conn_read, a_long_head_in_small_pieces_arrives_whole)
{
    struct conn_fixture *f = fixture_pair();
    enum { LEN = 60000, PIECE = 700 };
    char *data = lk_malloc(LEN);
    fill_pattern(data, 0, LEN);
    f->take = 0;
    for (size_t at = 0; at < LEN; at += PIECE) {
        size_t len = LK_MIN((size_t)PIECE, LEN - at);
        peer_send(f, data + at, len);
        TURN_UNTIL(f->loop, f->offered == at + len);
    }
    LK_CHECK_EQ_UINT(lk_conn_input(&f->conn).len, LEN);
    check_pattern(lk_conn_input(&f->conn).ptr, LEN);
    f->take = SIZE_MAX;
    lk_conn_poke(&f->conn);
    TURN_UNTIL(f->loop, f->got_len == LEN);
    check_pattern(f->got, LEN);
    lk_free(data);
    fixture_free(f);
}

static void peer_send_all(struct conn_fixture *f, size_t *sent, size_t total)
{
    char piece[4096];
    while (*sent < total) {
        size_t len = LK_MIN(sizeof(piece), total - *sent);
        fill_pattern(piece, *sent, len);
        ssize_t done = send(f->peer, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0)
            return;
        *sent += (size_t)done;
    }
}

LK_TEST(conn_read, an_owner_that_consumes_nothing_bounds_what_is_read)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    size_t sent = 0, total = 3u << 20;
    f->take = 0;
    for (int i = 0; i < 50; i++) {
        peer_send_all(f, &sent, total);
        lk_loop_turn(f->loop, 1);
    }
    LK_CHECK(lk_conn_input(&f->conn).len >= LK_CONN_RX_LIMIT);
    LK_CHECK(lk_conn_input(&f->conn).len <= LK_CONN_RX_LIMIT + LK_CHUNK_LARGE);
    int calls = f->data_calls;
    test_turn_some(f->loop, 5);
    LK_CHECK_EQ_INT(f->data_calls, calls);
    f->take = SIZE_MAX;
    lk_conn_poke(&f->conn);
    while (f->got_len < total) {
        peer_send_all(f, &sent, total);
        lk_loop_turn(f->loop, 1);
    }
    check_pattern(f->got, total);
    fixture_free(f);
}

LK_TEST(conn_read, consuming_one_byte_of_each_offer_loses_nothing)
{
    struct conn_fixture *f = fixture_pair();
    f->take = 1;
    peer_say(f, "abcdefghij");
    for (int i = 1; i <= 10; i++) {
        TURN_UNTIL(f->loop, f->got_len == (size_t)i);
        lk_conn_poke(&f->conn);
    }
    LK_CHECK_MEM(f->got, "abcdefghij", 10);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->data_calls, 10);
    fixture_free(f);
}

LK_TEST(conn_read, bytes_and_eof_in_one_event_are_both_reported_in_that_turn)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    test_turn_some(f->loop, 2);
    peer_say(f, "response");
    peer_close(f);
    usleep(2000);
    lk_loop_turn(f->loop, 1000);
    LK_CHECK_EQ_UINT(f->got_len, 8);
    LK_CHECK_EQ_INT(f->eof, 1);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->eof, 1);
    LK_CHECK_EQ_INT(f->failures, 0);
    fixture_free(f);
}

LK_TEST(conn_read, eof_behind_an_unconsumed_rest_is_reported_once)
{
    struct conn_fixture *f = fixture_pair();
    f->take = 3;
    peer_say(f, "partial");
    peer_close(f);
    TURN_UNTIL(f->loop, f->eof == 1);
    LK_CHECK_LKSTR(lk_conn_input(&f->conn), "tial");
    f->take = SIZE_MAX;
    lk_conn_poke(&f->conn);
    TURN_UNTIL(f->loop, f->got_len == 7);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->eof, 1);
    fixture_free(f);
}

LK_TEST(conn_read, pauses_are_counted_and_hold_back_data_and_eof)
{
    struct conn_fixture *f = fixture_pair();
    lk_conn_pause(&f->conn);
    lk_conn_pause(&f->conn);
    peer_say(f, "late");
    peer_close(f);
    test_turn_some(f->loop, 5);
    lk_conn_resume(&f->conn);
    test_turn_some(f->loop, 5);
    LK_CHECK_EQ_INT(f->data_calls, 0);
    LK_CHECK_EQ_INT(f->eof, 0);
    lk_conn_resume(&f->conn);
    LK_CHECK_EQ_INT(f->data_calls, 0); /* not inside the verb */
    TURN_UNTIL(f->loop, f->eof == 1);
    LK_CHECK_MEM(f->got, "late", 4);
    fixture_free(f);
}

static void pause_after_data(struct conn_fixture *f)
{
    if (f->eof == 0)
        lk_conn_pause(&f->conn);
}

LK_TEST(conn_read, a_pause_inside_on_data_holds_from_there_on)
{
    struct conn_fixture *f = fixture_pair();
    f->hook = pause_after_data;
    f->take = 4;
    peer_say(f, "onetwothree");
    peer_close(f);
    for (int i = 1; i <= 3; i++) {
        TURN_UNTIL(f->loop, f->data_calls == i);
        test_turn_some(f->loop, 3);
        LK_CHECK_EQ_INT(f->data_calls, i);
        LK_CHECK_EQ_INT(f->eof, 0);
        lk_conn_resume(&f->conn);
    }
    TURN_UNTIL(f->loop, f->eof == 1);
    LK_CHECK_MEM(f->got, "onetwothree", 11);
    fixture_free(f);
}

LK_TEST(conn_read, one_busy_connection_leaves_the_turn_to_others)
{
    struct conn_fixture *f = fixture_pair();
    size_t sent = 0;
    int large = 1 << 20;
    setsockopt(f->peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    lk_conn_pause(&f->conn);
    peer_send_all(f, &sent, sizeof(f->got));
    LK_CHECK_MSG(sent > 5u * LK_CHUNK_LARGE, "only %zu bytes fit into the socket", sent);
    test_turn_some(f->loop, 2);
    lk_conn_resume(&f->conn);
    lk_loop_turn(f->loop, 0);
    LK_CHECK(f->got_len > 0);
    LK_CHECK(f->got_len <= 4u * LK_CHUNK_LARGE);
    TURN_UNTIL(f->loop, f->got_len == sent);
    check_pattern(f->got, sent);
    fixture_free(f);
}

static size_t on_data_hand_over(struct lk_conn *conn, struct lk_span data)
{
    (void)data;
    lk_conn_set_owner(conn, &fixture_ops, conn->owner);
    return 2;
}

static const struct lk_conn_ops hand_over_ops = {
    .on_data = on_data_hand_over,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

LK_TEST(conn_read, a_new_owner_gets_the_rest_in_the_same_turn)
{
    struct conn_fixture *f = fixture_pair();
    lk_conn_set_owner(&f->conn, &hand_over_ops, f);
    test_turn_some(f->loop, 2);
    peer_say(f, "xxrest");
    lk_loop_turn(f->loop, 1000);
    LK_CHECK_EQ_UINT(f->got_len, 4);
    LK_CHECK_MEM(f->got, "rest", 4);
    fixture_free(f);
}

LK_TEST(conn_read, a_new_owner_is_told_of_an_eof_again)
{
    struct conn_fixture *f = fixture_pair();
    f->take = 0;
    peer_say(f, "kept");
    peer_close(f);
    TURN_UNTIL(f->loop, f->eof == 1);
    f->take = SIZE_MAX;
    lk_conn_set_owner(&f->conn, &fixture_ops, f);
    TURN_UNTIL(f->loop, f->eof == 2);
    LK_CHECK_MEM(f->got, "kept", 4);
    fixture_free(f);
}

/* Relays what it reads back to the peer, by reference where the bytes are many. */
static size_t on_data_echo(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    size_t taken = data.len > 3000 ? data.len - 7 : data.len;
    lk_buf_add_span(&conn->out, lk_span(data.chunk, data.ptr, taken));
    lk_conn_flush(conn);
    f->got_len += taken;
    return taken;
}

static const struct lk_conn_ops echo_ops = {
    .on_data = on_data_echo,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

LK_TEST(conn_read, referenced_bytes_survive_later_reads)
{
    struct conn_fixture *f = fixture_tcp(20000, 20000);
    size_t total = 2u << 20, sent = 0, received = 0;
    char *echoed = lk_malloc(total);
    lk_conn_set_owner(&f->conn, &echo_ops, f);
    for (int turns = 0; received < total; turns++) {
        LK_CHECK(turns < 100000);
        peer_send_all(f, &sent, total);
        if (sent == total)
            lk_conn_poke(&f->conn);
        lk_loop_turn(f->loop, 1);
        ssize_t got = recv(f->peer, echoed + received, LK_MIN(total - received, 10000u), MSG_DONTWAIT);
        received += got > 0 ? (size_t)got : 0;
    }
    check_pattern(echoed, total);
    lk_free(echoed);
    fixture_free(f);
}

static size_t on_data_with_trailer(struct lk_conn *conn, struct lk_span data)
{
    lk_buf_add_span(&conn->out, data);
    lk_buf_add_str(&conn->out, LK_STR("0123456789"));
    lk_conn_flush(conn);
    return data.len;
}

static const struct lk_conn_ops trailer_ops = {
    .on_data = on_data_with_trailer,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

/* Two connections read in the same turn, before anything is written. */
LK_TEST(conn_read, output_appended_to_a_span_survives_the_next_read_of_the_turn)
{
    struct conn_fixture *f = fixture_pair();
    struct lk_conn second;
    int fds[2];
    char data[3000], got[4000];
    memset(data, 'd', sizeof(data));
    LK_CHECK_EQ_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    lk_conn_init(&second, f->loop, fds[0], &trailer_ops, NULL);
    lk_conn_set_owner(&f->conn, &trailer_ops, f);
    test_turn_some(f->loop, 2);
    peer_send(f, data, sizeof(data));
    LK_CHECK_EQ_INT(send(fds[1], data, sizeof(data), 0), (int)sizeof(data));
    lk_loop_turn(f->loop, 1000);
    const int peers[] = {f->peer, fds[1]};
    for (int i = 0; i < 2; i++) {
        LK_CHECK_EQ_INT(recv(peers[i], got, sizeof(got), 0), 3010);
        LK_CHECK_MEM(got, data, 3000);
        LK_CHECK_MEM(got + 3000, "0123456789", 10);
    }
    lk_conn_close(&second, LK_CLOSE_NOW, NULL);
    test_turn_some(f->loop, 1);
    close(fds[1]);
    fixture_free(f);
}

/* Appends behind what it consumed in part: the rest, which lies behind it in the same chunk, must not suffer. */
static size_t on_data_take_half(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    size_t taken = data.len / 2;
    if (f->data_calls++ == 0) {
        lk_buf_add_span(&conn->out, lk_span(data.chunk, data.ptr, taken));
        lk_buf_add_str(&conn->out, LK_STR("0123456789"));
        return taken;
    }
    memcpy(f->got, data.ptr, data.len);
    f->got_len = data.len;
    return data.len;
}

static const struct lk_conn_ops half_ops = {
    .on_data = on_data_take_half,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

LK_TEST(conn_read, output_appended_to_a_span_does_not_spoil_the_rest_of_the_input)
{
    struct conn_fixture *f = fixture_pair();
    char data[12000];
    fill_pattern(data, 0, sizeof(data));
    lk_conn_set_owner(&f->conn, &half_ops, f);
    peer_send(f, data, sizeof(data));
    TURN_UNTIL(f->loop, f->data_calls == 1);
    lk_conn_poke(&f->conn);
    TURN_UNTIL(f->loop, f->data_calls == 2);
    LK_CHECK_EQ_UINT(f->got_len, sizeof(data) / 2);
    LK_CHECK_MEM(f->got, data + sizeof(data) / 2, sizeof(data) / 2);
    lk_buf_clear(&f->conn.out);
    fixture_free(f);
}

LK_TEST(conn_read, a_small_rest_of_a_long_tail_gives_the_large_chunk_back)
{
    struct conn_fixture *f = fixture_pair();
    size_t in_use, cached;
    char data[30000];
    fill_pattern(data, 0, sizeof(data));
    f->take = 0;
    peer_send(f, data, sizeof(data));
    TURN_UNTIL(f->loop, f->offered == sizeof(data));
    f->take = sizeof(data) - 100;
    lk_conn_poke(&f->conn);
    TURN_UNTIL(f->loop, f->got_len > 0);
    lk_chunk_pool_usage(lk_loop_pool(f->loop), &in_use, &cached);
    LK_CHECK_EQ_UINT(in_use, LK_CHUNK_LARGE + 512);
    LK_CHECK_MEM(lk_conn_input(&f->conn).ptr, data + sizeof(data) - 100, 100);
    fixture_free(f);
}

/* First nothing, then a large part by reference, then nothing again: the kept rest must not move over the part. */
static size_t on_data_in_steps(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    f->offered = data.len;
    if (f->data_calls++ != 1)
        return 0;
    lk_buf_add_span(&conn->out, lk_span(data.chunk, data.ptr, 5907));
    return 5907;
}

static const struct lk_conn_ops step_ops = {
    .on_data = on_data_in_steps,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

/* The rest, 4093 bytes, is just short enough to be read in front of and just long enough to stay in its chunk. */
LK_TEST(conn_read, output_that_refers_to_kept_input_is_not_overwritten)
{
    struct conn_fixture *f = fixture_pair();
    char data[10200], out[5907];
    fill_pattern(data, 0, sizeof(data));
    lk_conn_set_owner(&f->conn, &step_ops, f);
    peer_send(f, data, 10000);
    TURN_UNTIL(f->loop, f->data_calls == 1);
    lk_conn_poke(&f->conn);
    TURN_UNTIL(f->loop, f->data_calls == 2);
    peer_send(f, data + 10000, 200);
    TURN_UNTIL(f->loop, f->data_calls == 3);
    LK_CHECK_EQ_UINT(f->offered, 4293);
    LK_CHECK_EQ_UINT(lk_buf_peek(&f->conn.out, out, sizeof(out)), sizeof(out));
    LK_CHECK_MEM(out, data, sizeof(out));
    LK_CHECK_MEM(lk_conn_input(&f->conn).ptr, data + 5907, 4293);
    lk_buf_clear(&f->conn.out);
    fixture_free(f);
}

LK_TEST(conn_read, a_reset_is_a_failure_and_reported_once)
{
    struct conn_fixture *f = fixture_tcp(0, 0);
    test_turn_some(f->loop, 2);
    peer_reset(f);
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_RESET);
    LK_CHECK_STR(lk_conn_failure_text(&f->conn), "connection reset by peer");
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->failures, 1);
    LK_CHECK_EQ_INT(f->eof, 0);
    fixture_free(f);
}

LK_TEST(conn_read, counts_bytes_and_notes_the_time)
{
    struct conn_fixture *f = fixture_pair();
    LK_CHECK_EQ_UINT(f->conn.last_read_us, 0);
    peer_say(f, "12345");
    TURN_UNTIL(f->loop, f->got_len == 5);
    LK_CHECK_EQ_UINT(f->conn.bytes_read, 5);
    LK_CHECK(f->conn.last_read_us > 0);
    peer_say(f, "678");
    TURN_UNTIL(f->loop, f->got_len == 8);
    LK_CHECK_EQ_UINT(f->conn.bytes_read, 8);
    fixture_free(f);
}

LK_TEST(conn_read, an_idle_connection_holds_no_chunk_and_is_small)
{
    struct conn_fixture *f = fixture_pair();
    peer_say(f, "ping");
    TURN_UNTIL(f->loop, f->got_len == 4);
    LK_CHECK_NULL(f->conn.rx);
    LK_CHECK_NULL(f->conn.out.segs);
    LK_CHECK_MSG(sizeof(struct lk_conn) <= 400, "struct lk_conn has %zu bytes", sizeof(struct lk_conn));
    fixture_free(f);
}
