/* The HTTP/1 pool over real sockets: reuse, waiting, limits, and what happens when servers leave. */
#include "test/unit/proxy/upstream/pool_client.h"

/* --- reuse
 * ------------------------------------------------------------------------------------------------------------ */

LK_TEST(pool_h1, connection_is_used_again)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int server = idle_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, true, false), LK_POOL_READY);
    LK_CHECK_EQ_PTR(b.uc, a.uc);
    exchange(&b, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(b.status, 200);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_TOTAL), 1);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, last_used_connection_comes_first)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b, c;
    int server_a = connect_one(&a, f, wh);
    int server_b = connect_one(&b, f, wh);
    exchange(&b, server_b, OK_EMPTY);
    exchange(&a, server_a, OK_EMPTY);
    LK_CHECK_EQ_UINT(wh->idle_count, 2);
    client_init(&c, f, wh);
    LK_CHECK_EQ_INT(ask(&c, false, false), LK_POOL_READY);
    LK_CHECK_EQ_PTR(c.uc, a.uc);
    exchange(&c, server_a, OK_EMPTY);
    client_fini(&a);
    client_fini(&b);
    client_fini(&c);
    close(server_a);
    close(server_b);
    finish(f, wh);
}

LK_TEST(pool_h1, fresh_request_does_not_take_an_idle_connection)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int first = idle_one(&a, f, wh);
    int second = connect_one(&b, f, wh);
    LK_CHECK(b.uc != a.uc);
    exchange(&b, second, OK_EMPTY);
    client_fini(&a);
    client_fini(&b);
    close(first);
    close(second);
    finish(f, wh);
}

static void check_not_reused(const char *answer)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    exchange(&a, server, answer);
    LK_CHECK_EQ_UINT(a.status, 200);
    LK_CHECK_EQ_UINT(wh->idle_count + wh->busy_count, 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_WITH_RQ), 0);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, connection_is_not_used_again_when_the_server_says_so_or_says_too_much)
{
    check_not_reused("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    check_not_reused("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
    check_not_reused("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    check_not_reused("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nx");
}

LK_TEST(pool_h1, bytes_on_an_idle_connection_end_it)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = idle_one(&a, f, wh);
    upstream_write(server, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(f, wh->idle_count == 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_PROTOCOL_ERROR), 1);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, max_requests_per_connection_retires_it)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    f->config.max_requests_per_connection = 2;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = idle_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_READY);
    exchange(&b, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_MAX_REQUESTS), 1);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, idle_timeout_closes)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a;
    f->config.idle_timeout_ms = 20;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = idle_one(&a, f, wh);
    UPSTREAM_UNTIL(f, wh->idle_count == 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_IDLE_TIMEOUT), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL), 1);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, max_connection_duration_closes_an_idle_connection)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a;
    f->config.max_connection_duration_ms = 30;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = idle_one(&a, f, wh);
    UPSTREAM_UNTIL(f, wh->idle_count == 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_MAX_DURATION), 1);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

/* --- waiting
 * ---------------------------------------------------------------------------------------------------------- */

LK_TEST(pool_h1, waiter_gets_the_connection_that_comes_free_first)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    f->limits[0].max_connections = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_OVERFLOW), 1);
    upstream_turn(f, 3);
    LK_CHECK(b.waiting);
    exchange(&a, server, OK_EMPTY);
    LK_CHECK(!b.waiting);
    LK_CHECK_EQ_PTR(b.uc, a.uc);
    exchange(&b, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(b.status, 200);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_TOTAL), 1);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, cancelled_waiter_hears_nothing_and_the_connection_stays)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    client_init(&a, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    lk_pool_cancel(&a.waiter);
    lk_pool_cancel(&a.waiter); /* twice is fine */
    int server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, wh->idle_count == 1);
    LK_CHECK(a.waiting && !a.failed);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, pending_limit_refuses)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    f->limits[0].max_pending = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    client_init(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_OVERFLOW);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_RQ_PENDING_OVERFLOW), 1);
    lk_pool_cancel(&a.waiter);
    client_fini(&a);
    client_fini(&b);
    finish(f, wh);
}

LK_TEST(pool_h1, request_limit_refuses_and_keeps_the_connection)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    f->limits[0].max_requests = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = idle_one(&a, f, wh);
    lk_breaker_take(&f->cluster->breakers[0], LK_RESOURCE_REQUESTS); /* a request elsewhere */
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_OVERFLOW);
    LK_CHECK_EQ_UINT(wh->idle_count, 1);
    LK_CHECK_EQ_INT(ask(&b, false, true), LK_POOL_WAITING);
    int other = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, b.failed);
    LK_CHECK_EQ_INT(b.reason, LK_RESET_OVERFLOW);
    LK_CHECK_EQ_UINT(wh->idle_count, 2);
    lk_breaker_give(&f->cluster->breakers[0], LK_RESOURCE_REQUESTS);
    client_fini(&a);
    client_fini(&b);
    close(server);
    close(other);
    finish(f, wh);
}

/* --- connects that fail
 * ----------------------------------------------------------------------------------------------- */

LK_TEST(pool_h1, refused_connect_fails_everyone_who_waits)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    close(f->listeners[0]);
    f->listeners[0] = -1;
    client_init(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    UPSTREAM_UNTIL(f, a.failed && b.failed);
    LK_CHECK_EQ_INT(a.reason, LK_RESET_CONNECTION_FAILURE);
    LK_CHECK_CONTAINS(a.text, "refused");
    upstream_turn(f, 3);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_CONNECT_FAIL), 2);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE), 2);
    LK_CHECK_EQ_UINT(wh->connecting_count, 0);
    client_fini(&a);
    client_fini(&b);
    finish(f, wh);
}

LK_TEST(pool_h1, who_asks_again_while_failing_waits_for_a_new_connect)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    close(f->listeners[0]);
    f->listeners[0] = -1;
    client_init(&a, f, wh);
    client_init(&b, f, wh);
    a.again = &b;
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    UPSTREAM_UNTIL(f, a.failed);
    LK_CHECK(!b.failed);
    UPSTREAM_UNTIL(f, b.failed);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_TOTAL), 2);
    client_fini(&a);
    client_fini(&b);
    finish(f, wh);
}

/* A listener whose backlog is full swallows connects: they time out. */
LK_TEST(pool_h1, connect_timeout_fails_everyone_who_waits)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a;
    int fillers[8];
    f->config.connect_timeout_ms = 50;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    LK_CHECK_EQ_INT(listen(f->listeners[0], 0), 0);
    for (unsigned i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], &f->addrs[0].sa, f->addrs[0].len);
    }
    usleep(20000);
    client_init(&a, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    UPSTREAM_UNTIL(f, a.failed);
    LK_CHECK_EQ_INT(a.reason, LK_RESET_CONNECTION_TIMEOUT);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_CONNECT_TIMEOUT), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_CONNECT_FAIL), 1);
    for (unsigned i = 0; i < 8; i++)
        close(fillers[i]);
    client_fini(&a);
    finish(f, wh);
}

/* A Unix socket that does not exist refuses inside connect(2). */
LK_TEST(pool_h1, connect_that_fails_at_once_is_told_at_once)
{
    struct upstream_fixture *f = upstream_new(1);
    struct lk_error error;
    struct client a;
    LK_CHECK(lk_addr_set_pipe(&f->addrs[0], &f->arena, LK_STR("/nonexistent/socket"), &error));
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    client_init(&a, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_FAILED);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_CONNECT_FAIL), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_ACTIVE), 0);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, waiters_behind_a_connection_that_dies_get_another_one)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    f->limits[0].max_connections = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_reset(server);
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.reason, LK_RESET_CONNECTION_TERMINATION);
    server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, b.uc != NULL);
    exchange(&b, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(b.status, 200);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}
