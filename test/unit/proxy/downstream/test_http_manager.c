/* The HTTP manager over real sockets with a scripted terminal filter: order, keep-alive, back-pressure, timers, drain, upgrades. */
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"

#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the application behind the chain ---------------------------------------------------------------------------------- */

/* One request at the terminal filter. /hello answers; /big sends BIG bytes as fast as it may; /echo gives back the body; /ws
 * is a tunnel that gives back what it gets, once the test has granted it; /wait leaves the answer to the test; /early answers before the body. */
#define BIG (2u << 20)

struct call {
    struct lk_http_slot *slot;
    size_t sent; /* of /big */
    bool big, echo, blocked;
    char early[64]; /* payload before the upgrade was granted */
    size_t early_len;
    struct lk_deferred again;
};

static struct {
    struct call *last;
    unsigned created, destroyed, blocked, heads;
    char head[4096]; /* of the last request, "name: value" lines */
    uint64_t flags;  /* of the last stream, at its end */
    char details[128];
    unsigned code;
} app;

static struct lk_headers *make_head(struct lk_http_slot *slot, unsigned status)
{
    struct lk_headers *headers = lk_arena_zalloc(lk_http_arena(slot), sizeof(*headers));
    lk_headers_init(headers, lk_http_arena(slot));
    lk_headers_set_status(headers, status);
    return headers;
}

static void answer(struct call *call, unsigned status, const char *body)
{
    struct lk_headers *headers = make_head(call->slot, status);
    lk_headers_add(headers, LK_HEADER_CONTENT_LENGTH, lk_arena_printf(lk_http_arena(call->slot), "%zu", strlen(body)));
    lk_http_respond_headers(call->slot, headers, body[0] == '\0');
    if (body[0] != '\0')
        lk_http_respond_data(call->slot, lk_span(NULL, body, strlen(body)), true);
}

static void pump(struct lk_deferred *deferred)
{
    static char block[16384];
    struct call *call = LK_CONTAINER_OF(deferred, struct call, again);
    memset(block, 'b', sizeof(block));
    if (call->blocked)
        return;
    call->sent += sizeof(block);
    bool end = call->sent >= BIG;
    struct lk_loop *loop = lk_http_loop(call->slot);
    if (!end)
        lk_loop_defer(loop, &call->again);
    lk_http_respond_data(call->slot, lk_span(NULL, block, sizeof(block)), end);
}

static void *call_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct call *call = lk_arena_zalloc(lk_http_arena(slot), sizeof(*call));
    (void)config;
    (void)worker;
    call->slot = slot;
    lk_deferred_init(&call->again, pump);
    app.last = call;
    app.created++;
    return call;
}

static void write_head(const struct lk_headers *headers)
{
    size_t len = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        len += (size_t)snprintf(app.head + len, sizeof(app.head) - len, "%.*s: %.*s\n", LK_STR_ARG(h->name),
                                LK_STR_ARG(h->value));
    }
    app.heads++;
}

static enum lk_filter_status call_headers(void *self, struct lk_headers *headers, bool end)
{
    struct call *call = self;
    struct lk_str path = lk_headers_get(headers, LK_HEADER_PATH);
    write_head(headers);
    if (lk_str_eq(path, LK_STR("/hello"))) {
        if (end)
            answer(call, 200, "hello");
    } else if (lk_str_eq(path, LK_STR("/early"))) {
        answer(call, 200, "early");
    } else if (lk_str_eq(path, LK_STR("/big"))) {
        call->big = true;
        lk_http_respond_headers(call->slot, make_head(call->slot, 200), false);
        lk_loop_defer(lk_http_loop(call->slot), &call->again);
    } else if (lk_str_eq(path, LK_STR("/echo"))) {
        call->echo = true;
        lk_http_respond_headers(call->slot, make_head(call->slot, 200), end);
    } else if (lk_str_eq(path, LK_STR("/ws"))) {
        call->echo = true; /* granted by the test */
    }
    return LK_FILTER_CONTINUE;
}

static enum lk_filter_status call_data(void *self, struct lk_span data, bool end)
{
    struct call *call = self;
    if (call->echo && !lk_http_slot_stream(call->slot)->response_started)
        call->early_len += (size_t)snprintf(call->early + call->early_len, sizeof(call->early) - call->early_len, "%.*s",
                                            (int)data.len, data.ptr);
    else if (call->echo)
        lk_http_respond_data(call->slot, data, end);
    else if (end && !lk_http_slot_stream(call->slot)->response_started)
        answer(call, 200, "hello");
    return LK_FILTER_CONTINUE;
}

static void call_blocked(void *self, bool blocked)
{
    struct call *call = self;
    app.blocked += blocked;
    call->blocked = blocked;
    if (!blocked && call->big)
        lk_loop_defer(lk_http_loop(call->slot), &call->again);
}

static void call_destroy(void *self)
{
    struct call *call = self;
    const struct lk_stream_info *info = lk_http_info(call->slot);
    lk_list_remove(&call->again.node);
    app.destroyed++;
    app.flags = info->flags;
    app.code = info->response_code;
    snprintf(app.details, sizeof(app.details), "%.*s", LK_STR_ARG(info->details));
    if (app.last == call)
        app.last = NULL;
}

static const struct lk_http_filter app_filter = {
    .name = "test.app",
    .type = "test.App",
    .terminal = true,
    .stream_new = call_new,
    .on_request_headers = call_headers,
    .on_request_data = call_data,
    .on_response_blocked = call_blocked,
    .on_destroy = call_destroy,
};

/* --- the manager -------------------------------------------------------------------------------------------------------------- */

struct manager_test {
    struct session_fixture *f;
    struct lk_http_manager_config config;
    struct lk_http_filter_entry entry;
    struct lk_upgrade_config upgrade;
};

static void unref_stats(void *stats)
{
    lk_stats_scope_unref(stats);
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_http_manager_config *config = (struct lk_http_manager_config *)session_pointer(any);
    (void)errors;
    config->stats = lk_stats_scope_ref(context->stats, &lk_http_stat_block, LK_STR("http.test."));
    config->listener_stats =
        lk_stats_scope_ref(context->stats, &lk_listener_http_stat_block, LK_STR("listener.test.http.test."));
    lk_arena_on_free(context->arena, unref_stats, config->stats);
    lk_arena_on_free(context->arena, unref_stats, config->listener_stats);
    return config;
}

static void *worker_new(const void *config, struct lk_loop *loop)
{
    return lk_http_manager_worker_new(config, loop);
}

static void worker_free(void *worker)
{
    lk_http_manager_worker_free(worker);
}

static const struct lk_network_filter manager_filter = {
    .name = "test.manager",
    .type = "test.Manager",
    .terminal = true,
    .config_new = config_new,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .start = lk_http_manager_start,
    .on_drain = lk_http_manager_on_drain,
    .on_abort = lk_http_manager_on_abort,
};
static const struct lk_listener_filter *const listener_filters[] = {NULL};
static const struct lk_network_filter *const network_filters[] = {&manager_filter, NULL};
static const struct lk_http_filter *const http_filters[] = {NULL};
static const struct lk_access_logger *const access_loggers[] = {NULL};
static const struct lk_registry registry = {listener_filters, network_filters, http_filters, access_loggers};

/* One virtual host for every name with one route for every path. */
static struct lk_route_table *all_routes(void)
{
    static const struct lk_str any[] = {LK_STR_INIT("*")};
    struct lk_arena *arena = lk_arena_new();
    struct lk_route_config *config = lk_arena_zalloc(arena, sizeof(*config));
    struct lk_virtual_host *host = lk_arena_zalloc(arena, sizeof(*host));
    struct lk_route *route = lk_arena_zalloc(arena, sizeof(*route));
    struct lk_error error;
    lk_ref_init(&config->ref);
    config->arena = arena;
    config->virtual_hosts = host;
    config->virtual_host_count = 1;
    host->domains = any;
    host->domain_count = 1;
    host->routes = route;
    host->route_count = 1;
    route->virtual_host = host;
    route->match.case_sensitive = true;
    route->match.path = LK_STR("/");
    route->action.cluster = LK_STR("upstream");
    struct lk_route_table *table = lk_route_table_new(config, &error);
    LK_CHECK_NOT_NULL(table);
    return table;
}

static void begin(struct manager_test *t)
{
    memset(t, 0, sizeof(*t));
    memset(&app, 0, sizeof(app));
    t->f = session_new(&registry, 1);
    t->entry = (struct lk_http_filter_entry){.filter = &app_filter, .name = LK_STR("app")};
    t->upgrade = (struct lk_upgrade_config){.type = LK_STR("websocket"), .enabled = true};
    t->config = (struct lk_http_manager_config){
        .stat_prefix = LK_STR("test"),
        .routes = all_routes(),
        .chain = {&t->entry, 1},
        .generate_request_id = true,
        .server_name = LK_STR("test"),
        .drain_timeout_ms = 5000,
        .delayed_close_timeout_ms = 100,
        .h1 = {.max_headers_kb = 60, .max_headers_count = 100, .accept_http10 = true, .allow_absolute_url = true},
        .upgrades = &t->upgrade,
        .upgrade_count = 1,
    };
    session_network_filter(t->f, 0, "test.manager", &t->config);
}

static int start(struct manager_test *t)
{
    session_start(t->f);
    return session_connect(t->f, 0);
}

static uint64_t http_stat(const struct manager_test *t, unsigned index)
{
    return lk_stats_value(t->config.stats, index);
}

static void finish(struct manager_test *t)
{
    struct lk_route_table *routes = t->config.routes;
    lk_acceptor_abort(t->f->acceptor);
    UPSTREAM_UNTIL(t->f->up, t->f->acceptor->session_count == 0);
    upstream_turn(t->f->up, 3);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_HTTP1_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_RQ_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_UPGRADES_ACTIVE), 0);
    LK_CHECK_EQ_UINT(app.destroyed, app.created);
    session_free(t->f);
    lk_route_table_unref(routes);
}

#define GET(path) "GET " path " HTTP/1.1\r\nhost: h\r\n\r\n"

/* How often a text occurs in what was read last. */
static unsigned count_of(const struct manager_test *t, const char *part)
{
    unsigned count = 0;
    for (const char *p = t->f->got; (p = strstr(p, part)) != NULL; p++)
        count++;
    return count;
}

/* --- messages -------------------------------------------------------------------------------------------------------------------- */

LK_TEST(http_manager, answers_requests_one_after_the_other_on_one_connection)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    for (unsigned i = 0; i < 3; i++) {
        upstream_write(client, GET("/hello"));
        LK_CHECK_CONTAINS(session_read(t.f, client, "\r\n\r\nhello"), "HTTP/1.1 200 OK\r\n");
    }
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_TOTAL), 1);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_2XX), 3);
    LK_CHECK_CONTAINS(app.head, "x-request-id: ");
    LK_CHECK_CONTAINS(app.head, "x-forwarded-proto: http\n");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, pipelined_requests_are_answered_in_order)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/wait") GET("/hello") GET("/hello"));
    LK_CHECK(session_silent(t.f, client));
    LK_CHECK_EQ_UINT(app.created, 1);
    answer(app.last, 201, "first");
    session_read(t.f, client, "hello");
    if (count_of(&t, "hello") < 2)
        session_read(t.f, client, "hello");
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 3);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, body_passes_both_ways_as_it_comes)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nabc");
    session_read(t.f, client, "abc");
    upstream_write(client, "def");
    LK_CHECK_CONTAINS(session_read(t.f, client, "\r\n0\r\n\r\n"), "3\r\ndef\r\n0\r\n\r\n");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, headers_of_this_hop_are_removed_in_however_many_lines)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "GET /hello HTTP/1.1\r\nhost: h\r\nconnection: x-one\r\nconnection: keep-alive, x-two\r\n"
                           "keep-alive: 5\r\nx-one: 1\r\nx-two: 2\r\nx-three: 3\r\nte: gzip, trailers\r\n\r\n");
    session_read(t.f, client, "hello");
    LK_CHECK_NULL(strstr(app.head, "x-one"));
    LK_CHECK_NULL(strstr(app.head, "x-two"));
    LK_CHECK_NULL(strstr(app.head, "keep-alive"));
    LK_CHECK_NULL(strstr(app.head, "connection"));
    LK_CHECK_CONTAINS(app.head, "x-three: 3\n");
    LK_CHECK_CONTAINS(app.head, "te: trailers\n");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, expectation_is_answered_here)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "POST /hello HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    session_read(t.f, client, "HTTP/1.1 100 Continue\r\n\r\n");
    LK_CHECK_NULL(strstr(app.head, "expect"));
    upstream_write(client, "ok");
    session_read(t.f, client, "hello");
    close(client);
    finish(&t);
}

LK_TEST(http_manager, garbage_is_a_400_and_the_end)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "GET / HTTP/1.1\r\nhost : h\r\n\r\n" GET("/hello"));
    const char *got = session_read(t.f, client, NULL);
    LK_CHECK_CONTAINS(got, "HTTP/1.1 400 Bad Request\r\n");
    LK_CHECK_CONTAINS(got, "connection: close\r\n");
    LK_CHECK_EQ_UINT(app.created, 0);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_PROTOCOL_ERROR), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, broken_body_of_a_request_in_progress_ends_it)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "POST /wait HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
    LK_CHECK_CONTAINS(session_read(t.f, client, NULL), "HTTP/1.1 400 ");
    LK_CHECK_EQ_UINT(app.destroyed, 1);
    LK_CHECK(app.flags & LK_FLAG_BIT(DOWNSTREAM_PROTOCOL_ERROR));
    close(client);
    finish(&t);
}

LK_TEST(http_manager, answer_before_the_end_of_the_request_ends_the_connection)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, "POST /early HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nabc");
    session_read(t.f, client, "early");
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_RQ_RESPONSE_BEFORE_COMPLETE), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_manager, client_that_leaves_ends_its_stream)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    UPSTREAM_UNTIL(t.f->up, app.created == 1);
    close(client);
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    LK_CHECK_EQ_UINT(app.flags, LK_FLAG_BIT(DOWNSTREAM_CONNECTION_TERMINATION));
    LK_CHECK_STR(app.details, "downstream_remote_disconnect");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_CX_DESTROY_REMOTE_ACTIVE_RQ), 1);
    finish(&t);
}

LK_TEST(http_manager, reset_by_a_filter_cuts_a_response_that_began)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, GET("/wait"));
    UPSTREAM_UNTIL(t.f->up, app.last != NULL);
    lk_http_respond_headers(app.last->slot, make_head(app.last->slot, 200), false);
    lk_http_respond_data(app.last->slot, lk_span(NULL, "part", 4), false);
    session_read(t.f, client, "part");
    lk_http_reset(app.last->slot, LK_RESET_LOCAL);
    LK_CHECK_NULL(strstr(session_read(t.f, client, NULL), "0\r\n\r\n"));
    LK_CHECK_EQ_UINT(app.destroyed, 1);
    close(client);
    finish(&t);
}

/* --- back-pressure ------------------------------------------------------------------------------------------------------------------- */

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
    LK_CHECK(before < total / 35); /* not all of them */
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

/* --- timers ----------------------------------------------------------------------------------------------------------------------------- */

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

/* --- drain --------------------------------------------------------------------------------------------------------------------------------- */

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

/* --- upgrades -------------------------------------------------------------------------------------------------------------------------------- */

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
