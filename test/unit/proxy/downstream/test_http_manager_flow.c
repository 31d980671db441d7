/* HTTP connections downstream: back-pressure, timers and drain. */
#include "test/unit/proxy/downstream/manager_fixture.h"

/* --- back-pressure
 * -------------------------------------------------------------------------------------------------------------------
 */

static size_t memory_in_use(const struct manager_test *t)
{
    size_t in_use, cached;
    lk_chunk_pool_usage(lk_loop_pool(t->f->loop), &in_use, &cached);
    return in_use;
}

/* A client that holds next to nothing in the kernel. */
static int narrow_client(struct manager_test *t)
{
    int small = 65536; /* below that the system waits for acknowledgements */
    session_start(t->f);
    setsockopt(t->f->listeners->all[0]->fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    int fd = session_connect(t->f, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    return fd;
}

/* Without waiting for more, as small windows would make the system do. */
static void acknowledge(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static size_t read_all(struct manager_test *t, int fd, size_t want)
{
    static char block[65536];
    size_t got = 0;
    for (unsigned idle = 0; got < want && idle < 2000;) {
        acknowledge(fd);
        ssize_t n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        got += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            lk_loop_turn(t->f->loop, 1);
    }
    return got;
}

LK_TEST(http_manager, slow_reader_blocks_the_producer)
{
    struct manager_test t;
    begin(&t);
    t.f->config[0].buffer_limit = 100000;
    int client = narrow_client(&t);
    upstream_write(client, GET("/big"));
    for (unsigned i = 0; i < 100; i++)
        lk_loop_turn(t.f->loop, 1);
    LK_CHECK(app.blocked > 0);
    LK_CHECK_MSG(app.last->sent < 600000, "%zu bytes were produced", app.last->sent);
    LK_CHECK(read_all(&t, client, BIG) >= BIG);
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, stream_that_begins_behind_a_full_output_is_blocked_too)
{
    struct manager_test t;
    begin(&t);
    t.f->config[0].buffer_limit = 20000;
    int client = narrow_client(&t);
    upstream_write(client, GET("/wait") GET("/big"));
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    char *big = lk_calloc(1, 60001);
    memset(big, 'f', 60000);
    answer(app.last, 200, big); /* more than the watermark, and complete */
    for (unsigned i = 0; i < 100; i++)
        lk_loop_turn(t.f->loop, 1);
    LK_CHECK_MSG(memory_in_use(&t) < 400000, "%zu bytes in use", memory_in_use(&t));
    LK_CHECK(read_all(&t, client, 60000 + BIG) >= 60000 + BIG);
    lk_free(big);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, client_that_sends_requests_and_reads_nothing_is_not_served_for_ever)
{
    struct manager_test t;
    char requests[64 * sizeof(GET("/hello"))];
    size_t len = 0, total = 0;
    begin(&t);
    t.f->config[0].buffer_limit = 20000;
    int client = narrow_client(&t);
    for (unsigned i = 0; i < 64; i++)
        len += (size_t)snprintf(requests + len, sizeof(requests) - len, "%s", GET("/hello"));
    for (unsigned idle = 0; idle < 60;) {
        ssize_t n = send(client, requests + total % len, len - total % len, MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        total += n > 0 ? (size_t)n : 0;
        lk_loop_turn(t.f->loop, 1);
    }
    LK_CHECK_MSG(memory_in_use(&t) < 2u << 20, "%zu bytes in use", memory_in_use(&t));
    unsigned before = app.created;
    LK_CHECK(before < total / 35);                        /* not all of them */
    for (int turns = 0; app.created == before; turns++) { /* and those that read go on being served */
        static char block[65536];
        LK_CHECK(turns < 10000);
        acknowledge(client);
        (void)!recv(client, block, sizeof(block), MSG_DONTWAIT);
        lk_loop_turn(t.f->loop, 1);
    }
    close(client);
    finish(&t);
}

LK_TEST(http_manager, filter_slows_the_client_down_by_count)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n");
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    session_read(t.f, client, "\r\n\r\n");
    lk_http_pause_request(app.last->slot);
    lk_http_pause_request(app.last->slot);
    upstream_write(client, "abc");
    LK_CHECK(session_silent(t.f, client));
    lk_http_resume_request(app.last->slot);
    LK_CHECK(session_silent(t.f, client));
    lk_http_resume_request(app.last->slot);
    session_read(t.f, client, "abc");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, pause_at_the_end_of_a_request_does_not_outlive_it)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    lk_http_pause_request(app.last->slot);
    answer(app.last, 200, "one");
    session_read(t.f, client, "one");
    upstream_write(client, GET("/hello"));
    session_read(t.f, client, "hello");
    close(client);
    finish(&t);
}

/* --- timers
 * -----------------------------------------------------------------------------------------------------------------------------
 */

LK_TEST(http_manager, idle_connection_is_closed)
{
    struct manager_test t;
    begin(&t);
    t.config.idle_timeout_ms = 30;
    int client = start(&t);
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_IDLE_TIMEOUT), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, head_that_takes_too_long_is_a_408)
{
    struct manager_test t;
    begin(&t);
    t.config.request_headers_timeout_ms = 30;
    int client = start(&t);
    upstream_write(client, "GET / HTT");
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "HTTP/1.1 408 ");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_HEADER_TIMEOUT), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, request_that_takes_too_long_is_a_408)
{
    struct manager_test t;
    begin(&t);
    t.config.request_timeout_ms = 30;
    int client = start(&t);
    upstream_write(client, "POST /hello HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nabc");
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "HTTP/1.1 408 ");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_TIMEOUT), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, stream_without_a_sign_of_life_is_answered_or_cut)
{
    struct manager_test t;
    begin(&t);
    t.config.stream_idle_timeout_ms = 30;
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    LK_CHECK_CONTAINS(session_read(t.f, client, "stream timeout"), "HTTP/1.1 504 ");
    LK_CHECK(app.flags & LK_FLAG_BIT(STREAM_IDLE_TIMEOUT));
    close(client);
    client = session_connect(t.f, 0);
    upstream_write(client, GET("/wait"));
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    lk_http_respond_headers(app.last->slot, make_head(app.last->slot, 200), false);
    LK_CHECK_NULL(strstr(session_read(t.f, client, NULL), "0\r\n\r\n"));
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_IDLE_TIMEOUT), 2);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, longest_stream_is_answered)
{
    struct manager_test t;
    begin(&t);
    t.config.max_stream_duration_ms = 30;
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    session_read(t.f, client, "HTTP/1.1 504 ");
    LK_CHECK_STR(app.details, "max_duration_timeout");
    close(client);
    finish(&t);
}

/* --- drain
 * ---------------------------------------------------------------------------------------------------------------------------------
 */

LK_TEST(http_manager, draining_connection_ends_with_its_next_response)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    lk_acceptor_drain(t.f->acceptor, false);
    answer(app.last, 200, "last");
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "connection: close\r\n");
    LK_CHECK_CONTAINS(t.f->got, "last");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_DRAIN_CLOSE), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, request_that_comes_just_after_the_drain_is_answered)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/hello"));
    session_read(t.f, client, "hello");
    lk_acceptor_drain(t.f->acceptor, false);
    upstream_write(client, GET("/hello"));
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "connection: close\r\n");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, idle_connection_is_closed_soon_after_the_drain)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    UPSTREAM_UNTIL(t.f->up, t.f->acceptor->session_count == 1);
    lk_acceptor_drain(t.f->acceptor, false);
    session_expect_end(t.f, client);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, last_of_the_allowed_requests_closes)
{
    struct manager_test t;
    begin(&t);
    t.config.max_requests_per_connection = 2;
    int client = start(&t);
    upstream_write(client, GET("/hello"));
    LK_CHECK_NULL(strstr(session_read(t.f, client, "\r\n\r\nhello"), "connection: close"));
    upstream_write(client, GET("/hello"));
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "connection: close");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_MAX_REQUESTS), 1);
    close(client);
    finish(&t);
}

/* --- upgrades
 * --------------------------------------------------------------------------------------------------------------------------------
 */

#define UPGRADE "GET /ws HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"

LK_TEST(http_manager, upgraded_stream_is_a_tunnel_and_early_payload_is_not_lost)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, UPGRADE "early");
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    struct lk_headers *head = make_head(app.last->slot, 101);
    lk_headers_add(head, LK_HEADER_CONNECTION, LK_STR("Upgrade"));
    lk_headers_add(head, LK_HEADER_UPGRADE, LK_STR("websocket"));
    lk_http_respond_headers(app.last->slot, head, false);
    LK_CHECK_STR(app.last->early, "early");
    lk_http_respond_data(app.last->slot, lk_span(NULL, "early", 5), false);
    LK_CHECK_CONTAINS(session_read(t.f, client, "early"), "HTTP/1.1 101 ");
    upstream_write(client, "more");
    session_read(t.f, client, "more");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_UPGRADES_ACTIVE), 1);
    shutdown(client, SHUT_WR);
    session_expect_end(t.f, client);
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, upgrade_that_is_not_enabled_is_refused)
{
    struct manager_test t;
    begin(&t);
    t.upgrade.enabled = false;
    int client = start(&t);
    upstream_write(client, UPGRADE);
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "HTTP/1.1 403 ");
    LK_CHECK_EQ_UINT(app.created, 0);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_WS_ON_NON_WS), 1);
    close(client);
    finish(&t);
}
