/* Outgoing connections and transports that need a handshake. */
#include "test/unit/proxy/io/conn_fixture.h"

static struct conn_fixture *start(const struct lk_addr *addr, const struct lk_connect_options *options)
{
    struct conn_fixture *f = fixture_new();
    struct lk_error error = {0};
    f->lives = true;
    LK_CHECK_MSG(lk_conn_connect(&f->conn, f->loop, addr, options, &fixture_ops, f, &error), "%s", error.text);
    return f;
}

static int accept_peer(struct conn_fixture *f, int listener)
{
    f->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    LK_CHECK(f->peer >= 0);
    return f->peer;
}

LK_TEST(conn_connect, output_queued_before_it_is_up_follows_the_connect)
{
    struct lk_addr addr;
    int listener = tcp_listener(&addr);
    struct conn_fixture *f = start(&addr, NULL);
    char got[16];
    lk_buf_add_str(&f->conn.out, LK_STR("early"));
    lk_conn_flush(&f->conn);
    LK_CHECK_EQ_INT(f->connected, 0);
    TURN_UNTIL(f->loop, f->flushed == 1);
    LK_CHECK_EQ_INT(f->connected, 1);
    LK_CHECK(!f->conn.connecting);
    accept_peer(f, listener);
    LK_CHECK_EQ_INT(recv(f->peer, got, sizeof(got), 0), 5);
    peer_say(f, "welcome");
    TURN_UNTIL(f->loop, f->got_len == 7);
    close(listener);
    f->fds_before--;
    fixture_free(f);
}

LK_TEST(conn_connect, a_refused_connect_is_a_failure_with_its_reason)
{
    struct lk_addr addr;
    close(tcp_listener(&addr));
    struct conn_fixture *f = start(&addr, NULL);
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_CONNECT_REFUSED);
    LK_CHECK_EQ_INT(f->conn.error, ECONNREFUSED);
    LK_CHECK_STR(lk_conn_failure_text(&f->conn), "connection refused");
    LK_CHECK_EQ_INT(f->connected, 0);
    fixture_free(f);
}

LK_TEST(conn_connect, an_error_at_once_is_returned_and_leaks_nothing)
{
    struct conn_fixture *f = fixture_new();
    struct lk_arena arena;
    struct lk_addr addr;
    struct lk_error error = {0};
    lk_arena_init(&arena);
    LK_CHECK(lk_addr_set_pipe(&addr, &arena, LK_STR("/nonexistent/dir/socket"), &error));
    LK_CHECK(!lk_conn_connect(&f->conn, f->loop, &addr, NULL, &fixture_ops, f, &error));
    LK_CHECK_EQ_INT(f->conn.error, ENOENT);
    LK_CHECK_CONTAINS(error.text, "/nonexistent/dir/socket");
    LK_CHECK_STR(lk_conn_failure_text(&f->conn), "no such file or directory");
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->failures, 0);
    lk_arena_reset(&arena);
    lk_loop_free(f->loop);
    LK_CHECK_EQ_INT(test_open_fds(), f->fds_before);
    lk_free(f);
}

LK_TEST(conn_connect, a_unix_socket_can_be_connected)
{
    struct lk_arena arena;
    struct lk_addr addr;
    struct lk_error error = {0};
    socklen_t len;
    lk_arena_init(&arena);
    struct lk_str path = lk_arena_printf(&arena, "@lk-test-%d", (int)getpid());
    LK_CHECK(lk_addr_set_pipe(&addr, &arena, path, &error));
    const struct sockaddr *sa = lk_addr_sockaddr(&addr, &len);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK_EQ_INT(bind(listener, sa, len), 0);
    LK_CHECK_EQ_INT(listen(listener, 4), 0);
    struct conn_fixture *f = start(&addr, NULL);
    TURN_UNTIL(f->loop, f->connected == 1);
    accept_peer(f, listener);
    peer_say(f, "hi");
    TURN_UNTIL(f->loop, f->got_len == 2);
    close(listener);
    f->fds_before--;
    fixture_free(f);
    lk_arena_reset(&arena);
}

LK_TEST(conn_connect, the_source_address_is_used)
{
    struct lk_addr addr, source, seen;
    int listener = tcp_listener(&addr);
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.77"), 0, &source));
    const struct lk_connect_options options = {.source = &source, .keepalive = true, .keepalive_time = 11};
    struct conn_fixture *f = start(&addr, &options);
    TURN_UNTIL(f->loop, f->connected == 1);
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    f->peer = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
    lk_addr_from_sockaddr(&seen, (struct sockaddr *)&from, len);
    LK_CHECK(lk_addr_ip_eq(&seen, &source));
    int value = 0;
    len = sizeof(value);
    getsockopt(f->conn.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len);
    LK_CHECK_EQ_INT(value, 1);
    close(listener);
    f->fds_before--;
    fixture_free(f);
}

LK_TEST(conn_connect, closing_while_connecting_is_quiet)
{
    struct lk_addr addr;
    int listener = tcp_listener(&addr);
    const enum lk_close_mode modes[] = {LK_CLOSE_NOW, LK_CLOSE_ABORT, LK_CLOSE_FLUSH, LK_CLOSE_LINGER};
    for (size_t i = 0; i < LK_ARRAY_LEN(modes); i++) {
        struct conn_fixture *f = start(&addr, NULL);
        lk_buf_add_str(&f->conn.out, LK_STR("never sent"));
        lk_conn_flush(&f->conn);
        fixture_close(f, modes[i]);
        TURN_UNTIL(f->loop, f->gone == 1);
        LK_CHECK_EQ_INT(f->connected + f->failures, 0);
        fixture_free(f);
    }
    close(listener);
}

/*
 * A transport with a handshake: each side sends one byte '!' first, and every byte is flipped in its lowest bit.
 */
struct flip {
    bool sent;
    bool freed;
    struct lk_transport_info info;
};

static struct lk_io_result flip_handshake(struct lk_conn *conn)
{
    struct flip *flip = conn->transport_state;
    char byte;
    if (!flip->sent) {
        flip->sent = true;
        struct lk_buf hello;
        lk_buf_init(&hello, lk_loop_pool(conn->loop));
        lk_buf_add(&hello, "!", 1);
        lk_transport_raw.write(conn, &hello);
        lk_buf_clear(&hello);
    }
    struct lk_io_result result = lk_transport_raw.read(conn, &byte, 1);
    if (result.status == LK_IO_OK && byte != '!') {
        conn->failure_text = "flip: bad greeting";
        return (struct lk_io_result){LK_IO_ERROR, 0};
    }
    return result;
}

static struct lk_io_result flip_read(struct lk_conn *conn, char *data, size_t cap)
{
    struct lk_io_result result = lk_transport_raw.read(conn, data, cap);
    for (size_t i = 0; i < result.bytes; i++)
        data[i] ^= 1;
    return result;
}

static struct lk_io_result flip_write(struct lk_conn *conn, struct lk_buf *out)
{
    struct lk_buf flipped;
    lk_buf_init(&flipped, lk_loop_pool(conn->loop));
    char *room = lk_buf_reserve(&flipped, out->len);
    size_t len = lk_buf_peek(out, room, out->len);
    for (size_t i = 0; i < len; i++)
        room[i] ^= 1;
    lk_buf_commit(&flipped, len);
    struct lk_io_result result = lk_transport_raw.write(conn, &flipped);
    lk_buf_drain(out, result.bytes);
    lk_buf_clear(&flipped);
    return result;
}

static void flip_free(struct lk_conn *conn)
{
    ((struct flip *)conn->transport_state)->freed = true;
}

static const struct lk_transport_info *flip_info(const struct lk_conn *conn)
{
    return &((struct flip *)conn->transport_state)->info;
}

static bool flip_shutdown(struct lk_conn *conn)
{
    return lk_transport_raw.shutdown(conn);
}

static const struct lk_transport_ops flip_transport = {
    .name = "flip",
    .handshake = flip_handshake,
    .read = flip_read,
    .write = flip_write,
    .shutdown = flip_shutdown,
    .free = flip_free,
    .info = flip_info,
};

static void flip_text(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] ^= 1;
}

LK_TEST(conn_transport, connected_comes_after_the_handshake_and_output_waits_for_it)
{
    struct lk_addr addr;
    int listener = tcp_listener(&addr);
    struct flip flip = {.info.secure = true};
    struct conn_fixture *f = start(&addr, NULL);
    char got[16];
    lk_conn_set_transport(&f->conn, &flip_transport, &flip);
    LK_CHECK(lk_conn_secure_info(&f->conn)->secure);
    lk_buf_add_str(&f->conn.out, LK_STR("hello"));
    lk_conn_flush(&f->conn);
    TURN_UNTIL(f->loop, flip.sent);
    accept_peer(f, listener);
    test_turn_some(f->loop, 3);
    LK_CHECK_EQ_INT(f->connected, 0);
    LK_CHECK_EQ_INT(recv(f->peer, got, sizeof(got), MSG_DONTWAIT), 1);
    peer_say(f, "!");
    TURN_UNTIL(f->loop, f->flushed == 1);
    LK_CHECK_EQ_INT(f->connected, 1);
    LK_CHECK_EQ_INT(recv(f->peer, got, sizeof(got), 0), 5);
    flip_text(got, 5);
    LK_CHECK_LKSTR(lk_str(got, 5), "hello");
    close(listener);
    f->fds_before--;
    fixture_free(f);
    LK_CHECK(flip.freed);
}

LK_TEST(conn_transport, a_failed_handshake_is_its_own_failure)
{
    struct conn_fixture *f = fixture_pair();
    struct flip flip = {0};
    lk_conn_set_transport(&f->conn, &flip_transport, &flip);
    peer_say(f, "nonsense");
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_HANDSHAKE);
    LK_CHECK_STR(lk_conn_failure_text(&f->conn), "flip: bad greeting");
    LK_CHECK_EQ_INT(f->connected, 0);
    fixture_free(f);
    LK_CHECK(flip.freed);
}

LK_TEST(conn_transport, an_eof_in_the_handshake_is_a_failed_handshake)
{
    struct conn_fixture *f = fixture_pair();
    struct flip flip = {0};
    lk_conn_set_transport(&f->conn, &flip_transport, &flip);
    peer_close(f);
    TURN_UNTIL(f->loop, f->failures == 1);
    LK_CHECK_EQ_INT(f->failure, LK_CONN_HANDSHAKE);
    LK_CHECK_EQ_INT(f->eof, 0);
    fixture_free(f);
}

/* An inspector looks at the first bytes, then the transport that it chose reads the same bytes again. */
LK_TEST(conn_transport, bytes_peeked_at_before_belong_to_the_new_transport)
{
    struct conn_fixture *f = fixture_pair();
    struct flip flip = {0};
    char text[] = "!secret";
    flip_text(text + 1, 6);
    f->take = 0;
    peer_say(f, text);
    TURN_UNTIL(f->loop, f->offered == 7);
    LK_CHECK_EQ_INT(lk_conn_input(&f->conn).ptr[0], '!');
    f->take = SIZE_MAX;
    lk_conn_set_transport(&f->conn, &flip_transport, &flip);
    LK_CHECK_EQ_UINT(lk_conn_input(&f->conn).len, 0);
    TURN_UNTIL(f->loop, f->got_len == 6);
    LK_CHECK_EQ_INT(f->connected, 1);
    LK_CHECK_LKSTR(lk_str(f->got, 6), "secret");
    fixture_free(f);
}

LK_TEST(conn_transport, what_waits_in_the_socket_behind_peeked_bytes_is_read_too)
{
    struct conn_fixture *f = fixture_pair();
    struct flip flip = {0};
    char text[] = "!secret";
    flip_text(text + 1, 6);
    f->take = 0;
    peer_send(f, text, 4);
    TURN_UNTIL(f->loop, f->offered == 4);
    lk_conn_pause(&f->conn);
    peer_send(f, text + 4, 3);
    test_turn_some(f->loop, 3); /* the only event of these bytes */
    f->take = SIZE_MAX;
    lk_conn_set_transport(&f->conn, &flip_transport, &flip);
    lk_conn_resume(&f->conn);
    TURN_UNTIL(f->loop, f->got_len == 6);
    LK_CHECK_LKSTR(lk_str(f->got, 6), "secret");
    fixture_close(f, LK_CLOSE_FLUSH);
    fixture_free(f);
}

static struct flip flip_in_callback;

static void change_transport(struct conn_fixture *f)
{
    if (f->data_calls != 1 || f->take != 0)
        return;
    f->take = SIZE_MAX;
    flip_in_callback = (struct flip){0};
    lk_conn_set_transport(&f->conn, &flip_transport, &flip_in_callback);
}

static size_t on_data_inspect(struct lk_conn *conn, struct lk_span data)
{
    struct conn_fixture *f = conn->owner;
    fixture_on_data(conn, data);
    lk_conn_set_owner(conn, &fixture_ops, f);
    return 0;
}

static const struct lk_conn_ops inspect_ops = {
    .on_data = on_data_inspect,
    .on_eof = fixture_on_eof,
    .on_failure = fixture_on_failure,
};

LK_TEST(conn_transport, it_may_be_set_inside_on_data)
{
    struct conn_fixture *f = fixture_pair();
    char text[] = "!secret";
    flip_text(text + 1, 6);
    f->take = 0;
    f->hook = change_transport;
    lk_conn_set_owner(&f->conn, &inspect_ops, f);
    peer_say(f, text);
    TURN_UNTIL(f->loop, f->got_len == 6);
    LK_CHECK_LKSTR(lk_str(f->got, 6), "secret");
    fixture_free(f);
}
