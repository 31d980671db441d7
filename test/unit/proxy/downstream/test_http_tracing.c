/* Tracing in the HTTP manager over real sockets: marks, and spans that are handed over however an exchange ends. */
#include "test/unit/proxy/downstream/manager_fixture.h"

#define ID "00001387-0000-4000-8000-000000000000"
#define TRACED_GET(path, more) "GET " path " HTTP/1.1\r\nhost: h\r\nx-request-id: " ID "\r\n" more "\r\n"

/* What is left of the spans that were handed over. */
static struct {
    unsigned count;
    char name[64];
    bool error;
    uint64_t parent;
    unsigned tags;
} recorded;

static void on_span_end(const struct lk_trace_provider *provider, const struct lk_trace_span *span,
                        struct lk_loop *loop)
{
    (void)provider;
    (void)loop;
    recorded.count++;
    snprintf(recorded.name, sizeof(recorded.name), "%.*s", LK_STR_ARG(span->name));
    recorded.error = span->error;
    recorded.parent = span->context.parent;
    recorded.tags = span->tag_count;
    LK_CHECK(span->end_wall_us >= span->start_wall_us);
}

static const struct lk_tracer recorder = {.name = "test", .type = "test", .on_span_end = on_span_end};
static const struct lk_trace_provider provider = {.formats = {1, {LK_TRACE_W3C}}};
static struct lk_tracing_config tracing;

/* `percent` of random requests are sampled. */
static int trace(struct manager_test *t, uint32_t percent)
{
    static const struct lk_fraction all = {.per_million = 1000000, .denominator = 100};
    begin(t);
    memset(&recorded, 0, sizeof(recorded));
    tracing = (struct lk_tracing_config){
        .tracer = &recorder,
        .provider = &provider,
        .sampling = {.client = all, .random = {.per_million = percent * 10000, .denominator = 10000}, .overall = all},
        .max_path_tag_length = 256,
    };
    t->config.tracing = &tracing;
    t->config.pack_trace_reason = true;
    t->config.sample_by_request_id = true;
    return start(t);
}

LK_TEST(http_tracing, a_sampled_request_is_marked_counted_and_handed_over)
{
    struct manager_test t;
    int client = trace(&t, 50);
    upstream_write(client, TRACED_GET("/hello", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                                                "\r\nx-envoy-decorator-operation: told\r\n"));
    session_read(t.f, client, "hello");
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    LK_CHECK_CONTAINS(app.head, "x-request-id: 00001387-0000-9000-8000-000000000000\n");
    LK_CHECK_NULL(strstr(app.head, "x-envoy-decorator-operation"));
    LK_CHECK_EQ_UINT(recorded.count, 1);
    LK_CHECK_STR(recorded.name, "told");
    LK_CHECK_EQ_UINT(recorded.parent, 0xb7ad6b7169203331);
    LK_CHECK(!recorded.error);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_TRACING_RANDOM), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_tracing, an_unsampled_request_is_counted_only)
{
    struct manager_test t;
    int client = trace(&t, 49);
    upstream_write(client, TRACED_GET("/hello", ""));
    session_read(t.f, client, "hello");
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    LK_CHECK_CONTAINS(app.head, "x-request-id: " ID "\n");
    LK_CHECK_EQ_UINT(recorded.count, 0);
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_TRACING_NONE), 1);
    close(client);
    finish(&t);
}

LK_TEST(http_tracing, the_span_of_a_request_whose_client_left_is_an_error)
{
    struct manager_test t;
    int client = trace(&t, 100);
    upstream_write(client, TRACED_GET("/wait", ""));
    LK_CHECK(session_silent(t.f, client));
    LK_CHECK_EQ_UINT(recorded.count, 0);
    close(client);
    UPSTREAM_UNTIL(t.f->up, app.destroyed == 1);
    LK_CHECK_EQ_UINT(recorded.count, 1);
    LK_CHECK(recorded.error);
    LK_CHECK(recorded.tags > 0);
    finish(&t);
}

LK_TEST(http_tracing, a_request_that_cannot_be_read_is_in_no_trace)
{
    struct manager_test t;
    int client = trace(&t, 100);
    upstream_write(client, "GET /\x01 HTTP/1.1\r\nhost: h\r\n\r\n");
    LK_CHECK_CONTAINS(session_read(t.f, client, "\r\n\r\n"), "HTTP/1.1 400 ");
    session_expect_end(t.f, client);
    LK_CHECK_EQ_UINT(recorded.count, 0);
    close(client);
    finish(&t);
}

LK_TEST(http_tracing, without_configuration_nothing_is_marked)
{
    struct manager_test t;
    begin(&t);
    int client = start(&t);
    upstream_write(client, TRACED_GET("/hello", "x-client-trace-id: c\r\n"));
    session_read(t.f, client, "hello");
    LK_CHECK_CONTAINS(app.head, "x-request-id: " ID "\n");
    LK_CHECK_EQ_UINT(http_stat(&t, LK_HTTP_TRACING_NONE), 0);
    close(client);
    finish(&t);
}
