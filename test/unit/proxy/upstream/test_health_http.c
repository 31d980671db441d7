/* Checks over HTTP/1.1: the request, the connection, how a response is judged. */
#include "test/unit/proxy/upstream/health_fixture.h"

#include "proxy/base/mem.h"
#include "proxy/config/format.h"

#include <errno.h>
#include <sys/socket.h>

/* What the host of a fresh cluster gets as its first check. */
static int first_check(struct health *h, char *request, size_t size)
{
    upstream_start(h->f);
    int fd = upstream_accept(h->f, 0);
    size_t len = 0;
    for (int turns = 0; turns < 2000; turns++) {
        ssize_t n = recv(fd, request + len, size - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            return fd;
        lk_loop_turn(h->f->loop, 5);
    }
    LK_FAIL("no request, only \"%s\"", request);
}

static void judged(struct health *h, const char *answer, uint32_t flags)
{
    upstream_start(h->f);
    int fd = upstream_accept(h->f, 0);
    upstream_read(h->f, fd, "\r\n\r\n");
    upstream_write(fd, answer);
    UPSTREAM_UNTIL(h->f, h->f->ready);
    LK_CHECK_EQ_UINT(health_flags(h, 0), flags);
    close(fd);
    upstream_free(h->f);
}

LK_TEST(health_http, sends_what_envoy_sends)
{
    struct health h;
    char request[4096];
    health_new(&h, 1);
    int fd = first_check(&h, request, sizeof(request));
    LK_CHECK_STR(request, "GET /healthz HTTP/1.1\r\nhost: upstream\r\nuser-agent: Envoy/HC\r\n\r\n");
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, sends_what_is_configured)
{
    struct health h;
    char request[4096];
    struct lk_error error;
    health_new(&h, 1);
    const struct lk_str removed[] = {LK_STR_INIT("user-agent")};
    const struct lk_header_mutation added[] = {
        {.name = LK_STR("x-who"), .value = lk_format_compile(&h.f->arena, LK_STR("one"), NULL, &error)},
        {.name = LK_STR("x-who"), .value = lk_format_compile(&h.f->arena, LK_STR("two"), NULL, &error)},
        {.name = LK_STR("x-late"),
         .value = lk_format_compile(&h.f->arena, LK_STR("never"), NULL, &error),
         .action = LK_APPEND_OVERWRITE_IF_EXISTS},
    };
    h.check.http.host = LK_STR("web.example");
    h.check.http.method = LK_STR("POST");
    h.check.http.headers = (struct lk_header_mutations){added, 3, removed, 1};
    h.check.payload.send = LK_STR("are you well?");
    int fd = first_check(&h, request, sizeof(request));
    upstream_turn(h.f, 2);
    LK_CHECK_CONTAINS(request, "POST /healthz HTTP/1.1\r\nhost: web.example\r\n");
    LK_CHECK_CONTAINS(request, "content-length: 13\r\n");
    LK_CHECK_CONTAINS(request, "x-who: one\r\nx-who: two\r\n");
    LK_CHECK_CONTAINS(request, "\r\n\r\nare you well?");
    LK_CHECK(strstr(request, "user-agent") == NULL && strstr(request, "x-late") == NULL);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, connection_serves_many_checks)
{
    struct health h;
    health_new(&h, 1);
    int fd = health_start_healthy(&h);
    for (unsigned i = 0; i < 3; i++)
        health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 4);
    LK_CHECK(!upstream_pending(h.f, 0));
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, connection_is_new_for_each_check_when_configured_so)
{
    struct health h;
    health_new(&h, 1);
    h.check.reuse_connection = false;
    int fd = health_start_healthy(&h);
    char byte;
    LK_CHECK_EQ_INT(read(fd, &byte, 1), 0);
    close(fd);
    fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 2);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, host_may_close_between_checks)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_healthy_interval_ms = 30;
    int fd = health_start_healthy(&h);
    close(fd);
    fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    close(fd);
    fd = upstream_accept(h.f, 0);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.success"), 2);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.failure"), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, kept_connection_that_ends_without_an_answer_is_replaced)
{
    struct health h;
    health_new(&h, 1);
    int fd = health_start_healthy(&h);
    upstream_read(h.f, fd, "\r\n\r\n");
    upstream_reset(fd); /* as a server's idle timeout may hit the check */
    fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 2);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.failure"), 0);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), 2);
    /* one that ends in the middle of an answer is no such thing */
    upstream_read(h.f, fd, "\r\n\r\n");
    upstream_write(fd, "HTTP/1.1 2");
    upstream_turn(h.f, 2);
    close(fd);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.network_failure") == 1);
    upstream_free(h.f);
}

LK_TEST(health_http, body_may_end_with_the_connection)
{
    struct health h;
    health_new(&h, 1);
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, "HTTP/1.0 200 OK\r\n\r\nfine");
    close(fd);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.success"), 1);
    upstream_free(h.f);
}

LK_TEST(health_http, response_that_is_cut_short_or_garbage_is_a_network_failure)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "HTTP/1.1 200",
                                          "garbage\r\n\r\n", ""};
    for (size_t i = 0; i < LK_ARRAY_LEN(answers); i++) {
        struct health h;
        health_new(&h, 1);
        h.check.no_traffic_interval_ms = 60000;
        upstream_start(h.f);
        int fd = upstream_accept(h.f, 0);
        health_answer(&h, fd, answers[i]);
        close(fd);
        UPSTREAM_UNTIL(h.f, h.f->ready);
        LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK);
        LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 1);
        upstream_free(h.f);
    }
}

LK_TEST(health_http, host_can_say_that_it_is_degraded)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, "HTTP/1.1 200 OK\r\nx-envoy-degraded: yes\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(h.f, h.f->ready);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_DEGRADED_CHECK);
    LK_CHECK_EQ_INT(lk_host_availability(health_host(&h, 0)), LK_HOST_DEGRADED);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_DEGRADED), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.degraded"), 1);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, refusing_host_can_ask_to_be_left_out_of_the_count)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_interval_ms = 60000;
    judged(&h, "HTTP/1.1 503 No\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n",
           LK_HOST_FAILED_CHECK | LK_HOST_EXCLUDED);
}

LK_TEST(health_http, host_that_is_left_out_counts_again_once_it_passes)
{
    const struct lk_status_range busy = {.start = 503, .end = 504};
    struct health h;
    health_new(&h, 1);
    h.check.http.retriable = (struct lk_status_ranges){&busy, 1};
    h.check.unhealthy_threshold = 9;
    int fd = health_start_healthy(&h);
    health_answer(&h, fd, "HTTP/1.1 503 No\r\nx-envoy-immediate-health-check-fail: 1\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_EXCLUDED);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_EXCLUDED), 1);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_EXCLUDED), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, statuses_are_expected_or_retriable_by_configuration)
{
    const struct lk_status_range redirects = {.start = 300, .end = 400};
    const struct lk_status_range limits = {.start = 429, .end = 430};
    struct health h;
    health_new(&h, 1);
    h.check.http.expected = (struct lk_status_ranges){&redirects, 1};
    h.check.http.retriable = (struct lk_status_ranges){&limits, 1};
    h.check.unhealthy_threshold = 2;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    health_answer(&h, fd, "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.failure") == 1);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    health_answer(&h, fd, "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n");
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_http, body_is_compared_with_the_payload)
{
    static const struct lk_str blocks[] = {LK_STR_INIT("ready"), LK_STR_INIT("db")};
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\nis ready: db, ok",
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\ndb, is ready",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nrea\r\n5\r\ndy db\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\nxxxxxxxxxxxxxxxxxx ready db", /* too far behind */
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(answers); i++) {
        struct health h;
        health_new(&h, 1);
        h.check.no_traffic_interval_ms = 60000;
        h.check.no_traffic_healthy_interval_ms = 60000;
        h.check.http.buffer_size = 16;
        h.check.payload.receive = blocks;
        h.check.payload.receive_count = 2;
        judged(&h, answers[i], i % 2 == 0 ? 0 : LK_HOST_FAILED_CHECK);
    }
}

LK_TEST(health_http, response_must_come_from_the_service_that_is_meant)
{
    const struct lk_string_matcher matcher = {.kind = LK_STRING_PREFIX, .text = LK_STR("web")};
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: web-1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: db\r\ncontent-length: 0\r\n\r\n",
        OK_ANSWER,
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(answers); i++) {
        struct health h;
        health_new(&h, 1);
        h.check.no_traffic_interval_ms = 60000;
        h.check.no_traffic_healthy_interval_ms = 60000;
        h.check.http.service_name = &matcher;
        judged(&h, answers[i], i == 0 ? 0 : LK_HOST_FAILED_CHECK);
    }
}

LK_TEST(health_http, bytes_that_nobody_asked_for_close_the_connection)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_healthy_interval_ms = 50;
    int fd = health_start_healthy(&h);
    upstream_write(fd, "surprise");
    char byte;
    UPSTREAM_UNTIL(h.f, recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
    close(fd);
    fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 2);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.failure"), 0);
    close(fd);
    upstream_free(h.f);
}
