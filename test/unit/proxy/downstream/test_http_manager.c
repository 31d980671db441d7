/* The HTTP manager over real sockets with a scripted terminal filter: order, keep-alive, back-pressure, timers, drain,
 * upgrades. */
#include "test/unit/proxy/downstream/manager_fixture.h"

/* --- messages
 * --------------------------------------------------------------------------------------------------------------------
 */

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
