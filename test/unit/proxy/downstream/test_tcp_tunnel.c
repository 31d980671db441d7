/* The TCP relay: bytes both ways, half-close, back-pressure, failures, timers, splice. */
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"

#include "proxy/base/mem.h"
#include "proxy/downstream/tcp_tunnel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct tunnel_test {
    struct session_fixture *f;
    struct lk_tcp_proxy_config config;
    struct lk_access_log_config log;
};

/* What the last session logged. */
static struct {
    unsigned lines;
    uint64_t flags, received, sent;
    char cluster[32];
    uint32_t attempts;
} logged;

static void log_session(const void *config, const struct lk_log_event *event)
{
    (void)config;
    logged.lines++;
    logged.flags = event->info->flags;
    logged.received = event->info->bytes_received;
    logged.sent = event->info->bytes_sent;
    logged.attempts = event->info->upstream.attempts;
    snprintf(logged.cluster, sizeof(logged.cluster), "%.*s", LK_STR_ARG(event->info->upstream.cluster));
}

static const struct lk_access_logger logger = {.name = "test.log", .type = "test.Log", .log = log_session};

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_tcp_proxy_config *config = (struct lk_tcp_proxy_config *)session_pointer(any);
    (void)errors;
    config->clusters = context->clusters;
    config->stats = lk_stats_scope_ref(context->stats, &lk_tcp_stat_block, LK_STR("tcp.test."));
    return config;
}

static const struct lk_network_filter tunnel_filter = {
    .name = "test.tunnel",
    .type = "test.Tunnel",
    .terminal = true,
    .config_new = config_new,
    .start = lk_tcp_tunnel_start,
    .on_drain = lk_tcp_tunnel_on_drain,
    .on_abort = lk_tcp_tunnel_on_abort,
};
static const struct lk_listener_filter *const listener_filters[] = {NULL};
static const struct lk_network_filter *const network_filters[] = {&tunnel_filter, NULL};
static const struct lk_http_filter *const http_filters[] = {NULL};
static const struct lk_access_logger *const access_loggers[] = {NULL};
static const struct lk_registry registry = {listener_filters, network_filters, http_filters, access_loggers};

static void begin(struct tunnel_test *t)
{
    memset(t, 0, sizeof(*t));
    memset(&logged, 0, sizeof(logged));
    t->f = session_new(&registry, 1);
    t->log.logger = &logger;
    t->config = (struct lk_tcp_proxy_config){
        .cluster = LK_STR("upstream"), .max_connect_attempts = 1, .access_logs = &t->log, .access_log_count = 1};
    session_network_filter(t->f, 0, "test.tunnel", &t->config);
}

static uint64_t tcp_stat(const struct tunnel_test *t, unsigned index)
{
    return lk_stats_value(t->config.stats, index);
}

static void finish(struct tunnel_test *t)
{
    struct lk_stats_scope *stats = t->config.stats;
    UPSTREAM_UNTIL(t->f->up, t->f->acceptor->session_count == 0);
    upstream_turn(t->f->up, 3);
    LK_CHECK_EQ_UINT(upstream_stat(t->f->up, LK_CLUSTER_CX_ACTIVE), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&t->f->up->cluster->breakers[0], LK_RESOURCE_CONNECTIONS), 0);
    lk_stats_scope_unref(stats);
    session_free(t->f);
}

/* A client and the server that it was connected to. */
static void connect_through(struct tunnel_test *t, int *client, int *server)
{
    session_start(t->f);
    *client = session_connect(t->f, 0);
    *server = upstream_accept(t->f->up, 0);
}

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

/* A client whose system, and ours towards it, hold next to nothing that it does not read. */
static int narrow_client(struct tunnel_test *t)
{
    const struct lk_addr *addr = &t->f->listeners->all[0]->bound[0];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    setsockopt(t->f->listeners->all[0]->fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)); /* accepted ones inherit it */
    LK_CHECK_EQ_INT(connect(fd, &addr->sa, addr->len), 0);
    return fd;
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

/* --- connecting ---------------------------------------------------------------------------------------------------------- */

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
    LK_CHECK_EQ_UINT(logged.flags, LK_FLAG_BIT(UPSTREAM_CONNECTION_FAILURE) | LK_FLAG_BIT(UPSTREAM_RETRY_LIMIT_EXCEEDED));
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
    const struct lk_tcp_weighted weighted[] = {{LK_STR_INIT("nowhere"), 1}, {LK_STR_INIT("upstream"), 3}};
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

/* --- timers ------------------------------------------------------------------------------------------------------------------ */

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

/* --- long streams --------------------------------------------------------------------------------------------------------------- */

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
