/* The HTTP/1 pool over real sockets: reuse, waiting, limits, and what happens when servers leave. */
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/idle_learner.h"

#include <sys/socket.h>
#include <unistd.h>

/* One request as the router would make it. */
struct client {
    struct upstream_fixture *f;
    struct lk_pool_waiter waiter;
    struct lk_upstream_conn *uc;
    struct lk_codec_stream *stream;
    struct lk_arena arena;
    struct lk_headers head;
    unsigned status;
    size_t body;
    bool waiting, ended, failed, reset;
    enum lk_reset_reason reason;
    enum lk_progress progress;
    char text[128];
    struct client *again; /* asked for when this one fails */
    struct lk_worker_host *wh;
};

static enum lk_pool_result ask(struct client *c, bool careful, bool fresh);

static void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end)
{
    struct client *c = stream->arg;
    c->status = lk_headers_status(headers);
    c->ended = end;
}

static void on_data(struct lk_codec_stream *stream, struct lk_span data, bool end)
{
    struct client *c = stream->arg;
    c->body += data.len;
    c->ended = end;
}

static void on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    struct client *c = stream->arg;
    LK_CHECK(!c->reset);
    c->reset = true;
    c->reason = reason;
    c->progress = lk_upstream_conn_progress(c->uc);
}

static const struct lk_stream_events events = {.on_headers = on_headers, .on_data = on_data, .on_reset = on_reset};

static void on_ready(struct lk_pool_waiter *waiter, struct lk_upstream_conn *uc)
{
    struct client *c = LK_CONTAINER_OF(waiter, struct client, waiter);
    LK_CHECK(c->waiting);
    c->waiting = false;
    c->uc = uc;
    c->stream = lk_upstream_conn_begin(uc);
    c->stream->events = &events;
    c->stream->arg = c;
    c->stream->arena = &c->arena;
}

static void on_failure(struct lk_pool_waiter *waiter, enum lk_reset_reason reason, struct lk_str text)
{
    struct client *c = LK_CONTAINER_OF(waiter, struct client, waiter);
    LK_CHECK(c->waiting);
    c->waiting = false;
    c->failed = true;
    c->reason = reason;
    snprintf(c->text, sizeof(c->text), "%.*s", LK_STR_ARG(text));
    if (c->again != NULL)
        LK_CHECK_EQ_INT(ask(c->again, false, false), LK_POOL_WAITING);
}

static const struct lk_pool_waiter_ops ops = {.on_ready = on_ready, .on_failure = on_failure};

static void client_init(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    memset(c, 0, sizeof(*c));
    c->f = f;
    c->wh = wh;
    lk_arena_init(&c->arena);
    lk_pool_waiter_init(&c->waiter, &ops);
}

static void client_fini(struct client *c)
{
    lk_arena_reset(&c->arena);
}

static enum lk_pool_result ask(struct client *c, bool careful, bool fresh)
{
    struct lk_upstream_conn *uc = NULL;
    c->waiting = true;
    enum lk_pool_result result = lk_pool_acquire(c->wh, 0, careful, fresh, &c->waiter, &uc);
    if (result == LK_POOL_READY)
        on_ready(&c->waiter, uc);
    else if (result != LK_POOL_WAITING)
        c->waiting = false;
    return result;
}

static void send_request(struct client *c, const char *method, bool end)
{
    lk_headers_init(&c->head, &c->arena);
    lk_headers_add(&c->head, LK_HEADER_METHOD, lk_str_from(method));
    lk_headers_add(&c->head, LK_HEADER_AUTHORITY, LK_STR("h"));
    lk_headers_add(&c->head, LK_HEADER_PATH, LK_STR("/"));
    lk_codec_send_headers(c->stream, &c->head, end);
}

#define OK_EMPTY "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

/* Sends a request on the client's connection and has it answered on `server`. */
static void exchange(struct client *c, int server, const char *answer)
{
    send_request(c, "GET", true);
    upstream_read(c->f, server, "\r\n\r\n");
    upstream_write(server, answer);
    UPSTREAM_UNTIL(c->f, c->ended || c->reset);
    upstream_turn(c->f, 2);
}

/* A fixture with one host, and its per-loop state. */
static struct lk_worker_host *begin(struct upstream_fixture **f)
{
    *f = upstream_new(1);
    upstream_start(*f);
    return upstream_pick(*f);
}

static void finish(struct upstream_fixture *f, struct lk_worker_host *wh)
{
    lk_worker_host_unref(wh);
    upstream_turn(f, 2);
    for (unsigned r = 0; r < LK_RESOURCE_COUNT; r++) {
        if (r != LK_RESOURCE_CONNECTIONS)
            LK_CHECK_EQ_UINT(lk_breaker_used(&f->cluster->breakers[0], (enum lk_resource)r), 0);
    }
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_RQ_PENDING_ACTIVE), 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_ACTIVE),
                     lk_breaker_used(&f->cluster->breakers[0], LK_RESOURCE_CONNECTIONS));
    upstream_free(f);
}

/* A client with a new connection to the only host; returns the server's end. */
static int connect_one(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    client_init(c, f, wh);
    LK_CHECK_EQ_INT(ask(c, false, true), LK_POOL_WAITING);
    int server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, c->uc != NULL);
    return server;
}

static int idle_one(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    int server = connect_one(c, f, wh);
    exchange(c, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(c->status, 200);
    return server;
}

/* --- reuse ------------------------------------------------------------------------------------------------------------ */

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

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

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

/* --- connects that fail ----------------------------------------------------------------------------------------------- */

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

/* --- servers that leave ------------------------------------------------------------------------------------------------ */

LK_TEST(pool_h1, fin_on_an_idle_connection_is_noticed_and_teaches)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    for (unsigned i = 0; i < 2; i++) {
        struct client a;
        int server = idle_one(&a, f, wh);
        usleep(60000);
        close(server);
        UPSTREAM_UNTIL(f, wh->idle_count == 0);
        client_fini(&a);
    }
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE), 2);
    uint32_t limit = lk_idle_learner_limit(wh->state, lk_loop_now_ms(f->loop));
    LK_CHECK_MSG(limit < 60, "limit %u", limit);
    finish(f, wh);
}

LK_TEST(pool_h1, connection_is_retired_before_the_limit_that_the_server_announced)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    lk_idle_learner_hint(wh->state, 100, lk_loop_now_ms(f->loop));
    int server = idle_one(&a, f, wh);
    UPSTREAM_UNTIL(f, wh->idle_count == 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_EARLY_RETIRED), 1);
    char byte;
    LK_CHECK_EQ_INT(recv(server, &byte, 1, 0), 0); /* we closed first */
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, keep_alive_header_of_a_response_is_the_limit)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    exchange(&a, server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=7\r\n\r\n");
    uint32_t limit = lk_idle_learner_limit(wh->state, lk_loop_now_ms(f->loop));
    LK_CHECK_MSG(limit > 6000 && limit < 7000, "limit %u", limit);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, careful_request_does_not_take_a_connection_that_is_closing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int server = idle_one(&a, f, wh);
    usleep(2000);
    close(server); /* the loop has not seen it yet */
    lk_loop_turn(f->loop, 0);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, true, false), LK_POOL_WAITING);
    server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, b.uc != NULL);
    exchange(&b, server, OK_EMPTY);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, close_that_is_seen_before_the_flush_finds_nothing_sent)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int server = idle_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_READY);
    close(server);
    send_request(&b, "POST", true);
    UPSTREAM_UNTIL(f, b.reset);
    LK_CHECK_EQ_INT(b.progress, LK_PROGRESS_NOT_SENT);
    LK_CHECK_EQ_INT(b.reason, LK_RESET_CONNECTION_TERMINATION);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE_WITH_RQ), 1);
    client_fini(&a);
    client_fini(&b);
    finish(f, wh);
}

/* A server that takes no bytes (its window is shut) and then ends: TCP's counters prove that it never had the request. */
LK_TEST(pool_h1, fin_of_a_server_that_acknowledged_nothing_proves_that_it_did_nothing)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    char body[40000];
    int small = 1;
    setsockopt(f->listeners[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    /* the first request fills the window; the server answers without reading it */
    memset(body, 'x', sizeof(body));
    send_request(&a, "POST", false);
    lk_codec_send_data(a.stream, lk_span(NULL, body, sizeof(body)), true);
    UPSTREAM_UNTIL(f, a.uc->conn.out.len == 0);
    upstream_write(server, OK_EMPTY);
    UPSTREAM_UNTIL(f, a.ended);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_READY);
    LK_CHECK_EQ_PTR(b.uc, a.uc);
    send_request(&b, "POST", true);
    upstream_turn(f, 2);
    LK_CHECK_MSG(b.uc->conn.bytes_written > b.uc->request_start, "the request must have left the process");
    LK_CHECK_EQ_INT(lk_upstream_conn_progress(b.uc), LK_PROGRESS_UNKNOWN); /* no FIN yet */
    shutdown(server, SHUT_WR);
    UPSTREAM_UNTIL(f, b.reset);
    LK_CHECK_EQ_INT(b.progress, LK_PROGRESS_NOT_PROCESSED);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, fin_of_a_server_that_had_the_request_proves_nothing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "POST", true);
    upstream_read(f, server, "\r\n\r\n");
    close(server);
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_UNKNOWN);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, reset_proves_nothing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "POST", true);
    upstream_turn(f, 2);
    upstream_reset(server);
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_UNKNOWN);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, part_of_an_answer_counts_as_answered)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "HTTP/1.1 200 OK\r\ncontent-le");
    upstream_turn(f, 3);
    close(server);
    UPSTREAM_UNTIL(f, a.reset); /* once: on_reset checks */
    upstream_turn(f, 3);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_ANSWERED);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, body_until_close_ends_well)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "HTTP/1.1 200 OK\r\n\r\nabc");
    close(server);
    UPSTREAM_UNTIL(f, a.ended);
    LK_CHECK(!a.reset);
    LK_CHECK_EQ_UINT(a.body, 3);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_WITH_RQ), 0);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, garbage_is_a_protocol_error)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "SSH-2.0-OpenSSH_9.2\r\n");
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.reason, LK_RESET_PROTOCOL_ERROR);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_PROTOCOL_ERROR), 1);
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(wh->busy_count, 0);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

/* --- our own endings ---------------------------------------------------------------------------------------------------- */

LK_TEST(pool_h1, request_that_is_given_up_takes_its_connection_along)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    lk_codec_reset(a.stream, LK_RESET_LOCAL);
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(wh->busy_count + wh->idle_count, 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL_WITH_RQ), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL), 1);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, drain_closes_what_is_idle_and_lets_the_rest_finish)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int busy = connect_one(&a, f, wh);
    int idle = idle_one(&b, f, wh);
    lk_pool_drain(wh);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    LK_CHECK_EQ_UINT(wh->busy_count, 1);
    exchange(&a, busy, OK_EMPTY);
    LK_CHECK_EQ_UINT(a.status, 200);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    close(busy);
    close(idle);
    finish(f, wh);
}

LK_TEST(pool_h1, close_fails_requests_and_waiters_and_opens_nothing_new)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b, c;
    f->limits[0].max_connections = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    client_init(&b, f, wh);
    client_init(&c, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    send_request(&a, "GET", true);
    lk_pool_close(wh);
    LK_CHECK(a.reset && b.failed);
    LK_CHECK_EQ_INT(b.reason, LK_RESET_LOCAL);
    LK_CHECK_EQ_UINT(wh->connecting_count + wh->busy_count + wh->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    client_fini(&c);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, connect_to_a_host_that_retired_meanwhile_is_not_kept)
{
    struct upstream_fixture *f = upstream_new(2);
    struct client a;
    upstream_start(f);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, (const unsigned[]){0}, 1));
    upstream_turn(f, 1);
    struct lk_worker_host *wh = upstream_pick(f);
    client_init(&a, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    lk_pool_cancel(&a.waiter);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, (const unsigned[]){1}, 1));
    int server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, wh->retired && wh->connecting_count == 0);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    client_fini(&a);
    close(server);
    finish(f, wh);
}
