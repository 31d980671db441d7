/* The TCP relay: bytes both ways, half-close, back-pressure, failures, timers, splice. */
#include "test/unit/proxy/downstream/tunnel_fixture.h"

LK_TEST(tcp_tunnel, relays_both_ways_and_logs_once)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    connect_through(&t, &client, &server);
    upstream_write(server, "server first");
    LK_CHECK_STR(session_read(t.f, client, "first"), "server first");
    upstream_write(client, "hello");
    LK_CHECK_STR(session_read(t.f, server, "hello"), "hello");
    close(client);
    session_expect_end(t.f, server);
    close(server);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.lines, 1);
    LK_CHECK_EQ_UINT(logged.received, 5);
    LK_CHECK_EQ_UINT(logged.sent, 12);
    LK_CHECK_EQ_UINT(logged.flags, 0);
    LK_CHECK_STR(logged.cluster, "upstream");
}

LK_TEST(tcp_tunnel, bytes_sent_before_the_upstream_is_there_are_kept)
{
    struct tunnel_test t;
    begin(&t);
    session_start(t.f);
    int client = session_connect(t.f, 0);
    upstream_write(client, "early");
    shutdown(client, SHUT_WR);
    int server = upstream_accept(t.f->up, 0);
    LK_CHECK_STR(session_read(t.f, server, NULL), "early");
    upstream_write(server, "late");
    close(server);
    LK_CHECK_STR(session_read(t.f, client, NULL), "late");
    close(client);
    finish(&t);
}

LK_TEST(tcp_tunnel, each_direction_ends_by_itself)
{
    struct tunnel_test t;
    int client, server;
    begin(&t);
    connect_through(&t, &client, &server);
    upstream_write(server, "bye");
    shutdown(server, SHUT_WR);
    LK_CHECK_STR(session_read(t.f, client, NULL), "bye");
    upstream_write(client, "still here");
    LK_CHECK_STR(session_read(t.f, server, "here"), "still here");
    close(client);
    session_expect_end(t.f, server);
    close(server);
    finish(&t);
}

LK_TEST(tcp_tunnel, reset_of_the_server_does_not_take_away_what_it_sent)
{
    struct tunnel_test t;
    size_t total = 0;
    char block[65536];
    begin(&t);
    session_start(t.f);
    int client = narrow_client(&t);
    int server = upstream_accept(t.f->up, 0);
    memset(block, 'x', sizeof(block));
    for (unsigned i = 0; i < 4; i++) {
        LK_CHECK_EQ_INT(send(server, block, sizeof(block), 0), (long long)sizeof(block));
        upstream_turn(t.f->up, 3);
    }
    /* all of it is in our hands before the reset */
    UPSTREAM_UNTIL(t.f->up, upstream_stat(t.f->up, LK_CLUSTER_CX_ACTIVE) == 1);
    upstream_turn(t.f->up, 5);
    upstream_reset(server);
    upstream_turn(t.f->up, 2);
    for (int turns = 0; turns < 4000; turns++) {
        ssize_t n = recv(client, block, sizeof(block), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            break;
        total += n > 0 ? (size_t)n : 0;
        lk_loop_turn(t.f->loop, 1);
    }
    LK_CHECK_EQ_UINT(total, 4 * 65536);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(UPSTREAM_CONNECTION_TERMINATION));
}

LK_TEST(tcp_tunnel, slow_reader_slows_the_sender_with_bounded_memory)
{
    struct tunnel_test t;
    char block[65536];
    size_t sent = 0;
    begin(&t);
    t.f->config[0].buffer_limit = 100000;
    t.f->up->config.buffer_limit = 100000;
    session_start(t.f);
    int client = narrow_client(&t);
    int server = upstream_accept(t.f->up, 0);
    memset(block, 'x', sizeof(block));
    for (unsigned idle = 0; idle < 20;) {
        ssize_t n = send(server, block, sizeof(block), MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        lk_loop_turn(t.f->loop, 2);
        size_t in_use, cached;
        lk_chunk_pool_usage(lk_loop_pool(t.f->loop), &in_use, &cached);
        LK_CHECK_MSG(in_use < 600000, "%zu bytes in use", in_use);
    }
    LK_CHECK(tcp_stat(&t, LK_TCP_FLOW_PAUSED) > 0);
    for (size_t got = 0; got < sent;) {
        ssize_t n = recv(client, block, sizeof(block), MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        lk_loop_turn(t.f->loop, 1);
    }
    LK_CHECK(tcp_stat(&t, LK_TCP_FLOW_RESUMED) > 0);
    close(client);
    session_expect_end(t.f, server);
    close(server);
    finish(&t);
}

/* --- connecting
 * ---------------------------------------------------------------------------------------------------------- */

LK_TEST(tcp_tunnel, refused_connect_is_tried_again_as_often_as_allowed)
{
    struct tunnel_test t;
    begin(&t);
    t.config.max_connect_attempts = 3;
    session_start(t.f);
    close(t.f->up->listeners[0]);
    t.f->up->listeners[0] = -1;
    int client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    close(client);
    LK_CHECK_EQ_UINT(upstream_stat(t.f->up, LK_CLUSTER_CX_CONNECT_FAIL), 3);
    LK_CHECK_EQ_UINT(upstream_stat(t.f->up, LK_CLUSTER_CX_ATTEMPTS_EXCEEDED), 1);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.attempts, 3);
    LK_CHECK_EQ_UINT(logged.flags,
                     LK_FLAG_BIT(UPSTREAM_CONNECTION_FAILURE) | LK_FLAG_BIT(UPSTREAM_RETRY_LIMIT_EXCEEDED));
}

LK_TEST(tcp_tunnel, abort_between_two_attempts_is_clean)
{
    struct tunnel_test t;
    begin(&t);
    t.config.max_connect_attempts = 1000000;
    session_start(t.f);
    close(t.f->up->listeners[0]);
    t.f->up->listeners[0] = -1;
    int client = session_connect(t.f, 0);
    UPSTREAM_UNTIL(t.f->up, upstream_stat(t.f->up, LK_CLUSTER_CX_CONNECT_FAIL) > 5);
    lk_acceptor_abort(t.f->acceptor);
    session_expect_end(t.f, client);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.lines, 1);
}

LK_TEST(tcp_tunnel, client_that_is_given_up_while_connecting_leaves_no_count_behind)
{
    struct tunnel_test t;
    begin(&t);
    t.config.idle_timeout_ms = 30;
    session_start(t.f);
    LK_CHECK_EQ_INT(listen(t.f->up->listeners[0], 0), 0);
    int fillers[8];
    for (unsigned i = 0; i < 8; i++) { /* a full backlog swallows connects */
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], &t.f->up->addrs[0].sa, t.f->up->addrs[0].len);
    }
    usleep(20000);
    int client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_IDLE_TIMEOUT), 1);
    for (unsigned i = 0; i < 8; i++)
        close(fillers[i]);
    close(client);
    finish(&t); /* checks CX_ACTIVE and the breaker */
}

LK_TEST(tcp_tunnel, without_cluster_or_host_the_client_is_closed)
{
    struct tunnel_test t;
    begin(&t);
    t.config.cluster = LK_STR("nowhere");
    session_start(t.f);
    int client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(tcp_stat(&t, LK_TCP_NO_ROUTE), 1);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(NO_CLUSTER_FOUND));

    begin(&t);
    session_start(t.f);
    lk_cluster_set_hosts(t.f->up->cluster, upstream_hosts(t.f->up, NULL, 0));
    upstream_turn(t.f->up, 2);
    client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(NO_HEALTHY_UPSTREAM));
}

LK_TEST(tcp_tunnel, connection_limit_of_the_cluster_refuses)
{
    struct tunnel_test t;
    begin(&t);
    t.f->up->limits[0].max_connections = 0;
    session_start(t.f);
    int client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    close(client);
    LK_CHECK_EQ_UINT(upstream_stat(t.f->up, LK_CLUSTER_CX_OVERFLOW), 1);
    finish(&t);
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(UPSTREAM_OVERFLOW));
}

LK_TEST(tcp_tunnel, weights_choose_among_clusters)
{
    struct tunnel_test t;
    const struct lk_tcp_weighted weighted[] = {{LK_STR_INIT("nowhere"), 1, NULL}, {LK_STR_INIT("upstream"), 3, NULL}};
    unsigned there = 0;
    begin(&t);
    t.config.weighted = weighted;
    t.config.weighted_count = 2;
    t.config.total_weight = 4;
    session_start(t.f);
    for (unsigned i = 0; i < 200; i++) {
        int client = session_connect(t.f, 0);
        unsigned before = logged.lines;
        close(client);
        UPSTREAM_UNTIL(t.f->up, logged.lines > before || upstream_pending(t.f->up, 0));
        if (upstream_pending(t.f->up, 0)) {
            there++;
            close(upstream_accept(t.f->up, 0));
            UPSTREAM_UNTIL(t.f->up, logged.lines > before);
        }
    }
    LK_CHECK_NEAR(there, 150, 35);
    finish(&t);
}
