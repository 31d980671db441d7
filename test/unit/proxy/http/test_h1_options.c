/* Limits and choices of the HTTP/1 codec: what struct lk_h1_options says is what happens. */
#include "test/support/h1_fixture.h"

LK_TEST(h1_options, limits_are_those_of_the_options)
{
    struct lk_h1_options options = end_options;
    options.max_headers_kb = 1;
    options.max_headers_count = 2;
    struct end *e = end_new(false, &options);
    e->on_end = answer_ok;
    end_feed_str(e, "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\nGET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    LK_CHECK_EQ_UINT(e->done_calls, 1);
    LK_CHECK_EQ_UINT(e->error.status, 431);
    LK_CHECK_STR(e->error.details, "http1.too_many_headers");
    end_free(e);
    e = end_new(false, &options);
    for (int i = 0; i < 200 && !e->codec->failed; i++)
        end_feed_str(e, i == 0 ? "GET / HTTP/1.1\r\nA: " : "0123456789");
    LK_CHECK_EQ_UINT(e->error.status, 431);
    LK_CHECK_STR(e->error.details, "http1.headers_too_large");
    LK_CHECK(e->input_len >= 1024 && e->input_len < 1034);
    end_free(e);
}

LK_TEST(h1_options, takes_as_many_headers_as_are_allowed)
{
    struct lk_h1_options options = end_options;
    options.max_headers_count = 1000;
    struct end *e = end_new(false, &options);
    e->on_end = answer_ok;
    for (int round = 0; round < 2; round++) {
        end_feed_str(e, "GET / HTTP/1.1\r\n");
        for (int i = 0; i < 1000; i++)
            end_feed_str(e, round == 0 ? "A: b\r\n" : "Some: thing\r\n");
        end_feed_str(e, "\r\n");
    }
    LK_CHECK_EQ_UINT(e->done_calls, 2);
    end_free(e);
}

LK_TEST(h1_options, trailers_are_bounded_too)
{
    struct lk_h1_options options = end_options;
    options.max_headers_count = 2;
    struct end *e = end_new(false, &options);
    end_feed_str(e, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    LK_CHECK_EQ_UINT(e->error.status, 431);
    end_free(e);
}

LK_TEST(h1_options, trailers_are_checked_and_dropped_where_not_enabled)
{
    struct lk_h1_options options = end_options;
    options.enable_trailers = false;
    struct end *e = end_new(false, &options);
    end_feed_str(e, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: 1\r\n\r\n");
    LK_CHECK_CONTAINS(e->log, "data x\nEND\n");
    end_free(e);
    e = end_new(false, &options);
    end_feed_str(e, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA : 1\r\n\r\n");
    LK_CHECK_EQ_UINT(e->error.status, 400);
    end_free(e);
}

LK_TEST(h1_options, http_10_can_be_refused)
{
    struct lk_h1_options options = end_options;
    options.accept_http10 = false;
    struct end *e = end_new(false, &options);
    end_feed_str(e, "GET / HTTP/1.0\r\n\r\n");
    LK_CHECK_EQ_UINT(e->error.status, 426);
    LK_CHECK_STR(e->error.details, "low_version");
    LK_CHECK_STR(e->log, "error: HTTP/1.0 is not accepted\n");
    end_free(e);
}

LK_TEST(h1_options, http_10_without_host_gets_the_default)
{
    struct lk_h1_options options = end_options;
    options.default_host_for_http10 = LK_STR("old.example");
    struct end *e = end_new(false, &options);
    e->on_end = answer_ok;
    end_feed_str(e, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    end_feed_str(e, "GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: own\r\n\r\n");
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    LK_CHECK_STR(e->log, "headers :method=GET :path=/ Connection=keep-alive :authority=old.example END\ndone keep\n"
                         "headers :method=GET :path=/ Connection=keep-alive Host=own END\ndone keep\n"
                         "headers :method=GET :path=/ END\ndone keep\n");
    end_free(e);
}

LK_TEST(h1_options, absolute_targets_can_be_left_as_they_are)
{
    struct lk_h1_options options = end_options;
    options.allow_absolute_url = false;
    struct end *e = end_new(false, &options);
    end_feed_str(e, "GET http://a/p HTTP/1.1\r\nHost: h\r\n\r\n");
    LK_CHECK_STR(e->log, "headers :method=GET :path=http://a/p Host=h END\n");
    end_free(e);
}
