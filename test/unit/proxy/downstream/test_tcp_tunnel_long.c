/* TCP tunnels: timers and long streams. */
#include "test/unit/proxy/downstream/tunnel_fixture.h"

/* --- timers
 * ------------------------------------------------------------------------------------------------------------------ */

LK_TEST(tcp_tunnel, idle_timeout_ends_it_and_bytes_put_it_off)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    t.config.idle_timeout_ms = 100;
    connect_through(&t, &client, &server);
    for (unsigned i = 0; i < 8; i++) {
        upstream_write(client, "x");
        session_read(t.f, server, "x");
        uint64_t until = lk_loop_now_ms(t.f->loop) + 25;
        while (lk_loop_now_ms(t.f->loop) < until)
            lk_loop_turn(t.f->loop, 5);
    }
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_IDLE_TIMEOUT), 0);
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_IDLE_TIMEOUT), 1);
    close(client);
    close(server);
    finish(&t);
}

LK_TEST(tcp_tunnel, longest_duration_ends_a_busy_one)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    t.config.max_duration_ms = 30;
    connect_through(&t, &client, &server);
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_MAX_DURATION), 1);
    close(client);
    close(server);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(DURATION_TIMEOUT));
}

/* An end with bytes for a client that reads them only now: what drains meanwhile must not touch what is being freed. */
LK_TEST(tcp_tunnel, client_that_drains_after_the_end_wakes_nothing)
{
    struct tunnel_test t;
    char block[65536];
    begin(&t);
    t.f->config[0].buffer_limit = 65536;
    t.config.idle_timeout_ms = 60000;
    session_start(t.f);
    int client = narrow_client(&t);
    int server = upstream_accept(t.f->up, 0);
    memset(block, 'x', sizeof(block));
    for (unsigned idle = 0; idle < 20;) {
        ssize_t n = send(server, block, sizeof(block), MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        lk_loop_turn(t.f->loop, 2);
    }
    upstream_reset(server); /* not seen: reading is paused */
    shutdown(client, SHUT_WR);
    for (int turns = 0; turns < 4000 && t.f->acceptor->session_count > 0; turns++) {
        (void)!recv(client, block, sizeof(block), MSG_DONTWAIT);
        lk_loop_turn(t.f->loop, 1);
    }
    close(client);
    finish(&t);
}

/* --- long streams
 * --------------------------------------------------------------------------------------------------------------- */

static void push_through(struct tunnel_test *t, int from, int to, size_t total)
{
    char *out = lk_malloc(65536);
    char *in = lk_malloc(65536);
    size_t sent = 0, got = 0;
    while (got < total) {
        if (sent < total) {
            size_t want = LK_MIN(total - sent, 65536u);
            for (size_t i = 0; i < want; i++)
                out[i] = (char)((sent + i) * 31 + (sent + i) / 4096);
            ssize_t n = send(from, out, want, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        ssize_t n = recv(to, in, 65536, MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++) {
            size_t at = got + (size_t)i;
            LK_CHECK_MSG(in[i] == (char)(at * 31 + at / 4096), "byte %zu differs", at);
        }
        got += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            lk_loop_turn(t->f->loop, 2);
    }
    lk_free(out);
    lk_free(in);
}

LK_TEST(tcp_tunnel, long_stream_goes_on_with_splice_and_no_byte_is_lost)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    t.config.idle_timeout_ms = 60000;
    connect_through(&t, &client, &server);
    push_through(&t, client, server, 6u << 20);
    push_through(&t, server, client, 6u << 20);
    shutdown(client, SHUT_WR);
    session_expect_end(t.f, server);
    upstream_write(server, "last words");
    close(server);
    LK_CHECK_STR(session_read(t.f, client, NULL), "last words");
    close(client);
    UPSTREAM_UNTIL(t.f->up, t.f->acceptor->session_count == 0);
    LK_CHECK_MSG(tcp_stat(&t, LK_TCP_SPLICED) > (6u << 20), "only %llu bytes were spliced",
                 (unsigned long long)tcp_stat(&t, LK_TCP_SPLICED));
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_CX_RX_BYTES), 6u << 20);
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_CX_TX_BYTES), (6u << 20) + 10);
    LK_CHECK_EQ_UINT(upstream_stat(t.f->up, LK_CLUSTER_CX_TX_BYTES), 6u << 20);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.received, 6u << 20);
    LK_CHECK_EQ_UINT(logged.flags, 0);
}

LK_TEST(tcp_tunnel, reset_while_spliced_names_who_did_it)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    connect_through(&t, &client, &server);
    push_through(&t, client, server, 3u << 20);
    upstream_reset(server);
    session_expect_end(t.f, client);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(UPSTREAM_CONNECTION_TERMINATION));

    begin(&t);
    connect_through(&t, &client, &server);
    push_through(&t, client, server, 3u << 20);
    upstream_reset(client);
    session_expect_end(t.f, server);
    close(server);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(DOWNSTREAM_CONNECTION_TERMINATION));
}

LK_TEST(tcp_tunnel, abort_while_spliced_closes_both_sides)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    connect_through(&t, &client, &server);
    push_through(&t, client, server, 3u << 20);
    lk_acceptor_abort(t.f->acceptor);
    session_expect_end(t.f, client);
    session_expect_end(t.f, server);
    close(client);
    close(server);
    finish(&t);
}
