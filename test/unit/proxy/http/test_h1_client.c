/* The client side of HTTP/1: responses into events, however they arrive, and when a connection may be used again. */
#include "test/support/h1_fixture.h"

struct response {
    const char *name;
    const char *method;
    const char *input;
    const char *log;
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct response responses[] = {
    {"a fixed body", "GET", OK_HEAD "Content-Length: 2\r\n\r\nok",
     "headers :status=200 Content-Length=2\ndata ok\nEND\ndone keep\n"},
    {"an empty body", "GET", OK_HEAD "Content-Length: 0\r\n\r\n",
     "headers :status=200 Content-Length=0 END\ndone keep\n"},
    {"chunks and trailers", "GET", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
     "headers :status=200 Transfer-Encoding=chunked\ndata ok\ntrailers X-Sum=1 END\ndone keep\n"},
    {"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
     "headers :status=200 Content-Length=0 END\ndone keep\n"},
    {"HEAD with a length", "HEAD", OK_HEAD "Content-Length: 10\r\n\r\n",
     "headers :status=200 Content-Length=10 END\ndone keep\n"},
    {"HEAD with chunks", "HEAD", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n",
     "headers :status=200 Transfer-Encoding=chunked END\ndone keep\n"},
    {"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "headers :status=204 END\ndone keep\n"},
    {"204 with a length of none", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "headers :status=204 Content-Length=0 END\ndone keep\n"},
    {"304 with the length of what it does not send", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
     "headers :status=304 Content-Length=9 END\ndone keep\n"},
    {"interim responses", "GET",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
     "informational :status=100\ninformational :status=103 Link=x\nheaders :status=204 END\ndone keep\n"},
    {"connection: close", "GET", OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok",
     "headers :status=200 Connection=close Content-Length=2\ndata ok\nEND\ndone close\n"},
    {"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
     "headers :status=200 Content-Length=2\ndata ok\nEND\ndone close\n"},
    {"HTTP/1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
     "headers :status=200 Connection=keep-alive Content-Length=2\ndata ok\nEND\ndone keep\n"},
    {"204 with a body", "GET", "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok",
     "error: content-length in a 1xx or 204 response\n"},
    {"204 with chunks", "GET", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
     "error: transfer-encoding in a 1xx or 204 response\n"},
    {"100 with a body", "GET", "HTTP/1.1 100 Go\r\nContent-Length: 2\r\n\r\n",
     "error: content-length in a 1xx or 204 response\n"},
    {"101 unasked", "GET", "HTTP/1.1 101 Switching\r\n\r\n", "error: the peer switches protocols unasked\n"},
    {"a bad chunk", "GET", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     "headers :status=200 Transfer-Encoding=chunked\nerror: a chunk has no size\n"},
    {"an empty line in front", "GET", "\r\n" OK_HEAD "Content-Length: 0\r\n\r\n",
     "error: the version is not of the form HTTP/1.1\n"},
};

static void check_response(const struct response *r, size_t first, size_t piece)
{
    struct end *e = client_asked(r->method);
    size_t len = strlen(r->input);
    end_feed(e, r->input, first);
    end_feed_pieces(e, r->input + first, len - first, piece);
    if (strcmp(e->log, r->log) != 0)
        LK_FAIL("%s (first %zu, then pieces of %zu):\n%s\nexpected:\n%s", r->name, first, piece, e->log, r->log);
    end_free(e);
}

LK_TEST(h1_client, decodes_responses_in_one_piece)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(responses); i++)
        check_response(&responses[i], strlen(responses[i].input), 1);
}

LK_TEST(h1_client, decodes_responses_split_at_any_byte)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(responses); i++)
        for (size_t at = 1; at < strlen(responses[i].input); at++)
            check_response(&responses[i], at, SIZE_MAX / 2);
}

LK_TEST(h1_client, decodes_responses_byte_by_byte)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(responses); i++)
        for (size_t piece = 1; piece < 8; piece++)
            check_response(&responses[i], 0, piece);
}

LK_TEST(h1_client, a_body_without_length_ends_with_the_connection)
{
    struct end *e = client_asked("GET");
    end_feed_str(e, OK_HEAD "\r\nto the");
    end_feed_str(e, " end");
    end_eof(e);
    LK_CHECK_STR(e->log, "headers :status=200\ndata to the end\nEND\ndone close\n");
    end_free(e);
}

LK_TEST(h1_client, one_request_at_a_time)
{
    struct end *e = client_asked("GET");
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    struct lk_codec_stream *next = lk_codec_new_stream(e->codec);
    end_adopt(e, next);
    LK_CHECK_EQ_UINT(next->id, 2);
    end_free(e);
}

LK_TEST(h1_client, takes_no_request_after_goaway_or_close)
{
    struct end *e = client_new();
    lk_codec_goaway(e->codec);
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_free(e);
    e = client_asked("GET");
    end_feed_str(e, OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n");
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_free(e);
}

LK_TEST(h1_client, bytes_behind_a_response_are_never_the_next_one)
{
    static const char *const bodies[] = {"Content-Length: 0\r\n\r\n", "Content-Length: 2\r\n\r\nok",
                                         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
    for (size_t i = 0; i < LK_ARRAY_LEN(bodies); i++) {
        struct end *e = client_asked("GET");
        char input[256];
        snprintf(input, sizeof(input), "%s%s%s", OK_HEAD, bodies[i], OK_HEAD "Content-Length: 0\r\n\r\n");
        end_feed_str(e, input);
        LK_CHECK_CONTAINS(e->log, "done close\n");
        LK_CHECK_NULL(lk_codec_new_stream(e->codec));
        LK_CHECK_EQ_UINT(e->input_len, 0);
        end_free(e);
    }
}

LK_TEST(h1_client, bytes_without_a_request_are_an_error)
{
    struct end *e = client_new();
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    LK_CHECK_STR(e->log, "error: bytes without a request\n");
    LK_CHECK_EQ_UINT(e->error.status, 0);
    end_free(e);
    e = client_asked("GET");
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    end_feed_str(e, "\r\n");
    LK_CHECK_CONTAINS(e->log, "error: bytes without a request\n");
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_free(e);
}

LK_TEST(h1_client, a_response_before_its_request_is_an_error)
{
    struct end *e = client_new();
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    LK_CHECK_STR(e->log, "error: bytes without a request\n");
    end_free(e);
}

LK_TEST(h1_client, a_response_may_come_before_the_request_is_complete)
{
    struct end *e = client_new();
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":method", "POST", ":path", "/", "content-length", "6"), false);
    end_send_data(e, "abc", false);
    end_feed_str(e, OK_HEAD "Content-Length: 2\r\n\r\nok");
    LK_CHECK_STR(e->log, "headers :status=200 Content-Length=2\ndata ok\nEND\n");
    LK_CHECK(e->stream->remote_done && !e->stream->local_done);
    end_send_data(e, "def", true);
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
}

LK_TEST(h1_client, giving_up_an_incomplete_request_ends_the_connection)
{
    struct end *e = client_new();
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":method", "POST", ":path", "/"), false);
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    lk_codec_reset(e->stream, LK_RESET_LOCAL);
    LK_CHECK_STR(e->log, "headers :status=200 Content-Length=0 END\ndone close\n");
    end_free(e);
}

LK_TEST(h1_client, a_paused_response_gets_no_data)
{
    struct end *e = client_asked("GET");
    end_feed_str(e, OK_HEAD "Content-Length: 4\r\n\r\nab");
    lk_codec_pause(e->stream);
    end_feed_str(e, "cd");
    LK_CHECK_STR(e->log, "headers :status=200 Content-Length=4\ndata ab");
    lk_codec_resume(e->stream);
    end_offer(e);
    LK_CHECK_CONTAINS(e->log, "data abcd\nEND\ndone keep\n");
    end_free(e);
}

LK_TEST(h1_client, a_connection_lost_before_any_answer_resets_the_stream)
{
    struct end *e = client_asked("GET");
    end_eof(e);
    LK_CHECK_STR(e->log, "reset: connection termination\ndone close\n");
    end_free(e);
}

LK_TEST(h1_client, a_response_cut_short_is_an_error)
{
    static const char *const cut[] = {"H", OK_HEAD, OK_HEAD "Content-Length: 3\r\n\r\nab",
                                      OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
                                      OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n"};
    for (size_t i = 0; i < LK_ARRAY_LEN(cut); i++) {
        struct end *e = client_asked("GET");
        end_feed_str(e, cut[i]);
        end_eof(e);
        LK_CHECK_CONTAINS(e->log, "error: the connection ended inside a message\n");
        LK_CHECK_NOT_NULL(e->stream);
        end_free(e);
    }
}

LK_TEST(h1_client, an_idle_connection_may_end)
{
    struct end *e = client_asked("GET");
    end_feed_str(e, OK_HEAD "Content-Length: 0\r\n\r\n");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_free(e);
}

LK_TEST(h1_client, remembers_the_idle_limit_of_the_server)
{
    struct end *e = client_asked("GET");
    LK_CHECK_EQ_UINT(lk_h1_keep_alive_timeout_s(e->codec), 0);
    end_feed_str(e, OK_HEAD "Keep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n\r\n");
    LK_CHECK_EQ_UINT(lk_h1_keep_alive_timeout_s(e->codec), 5);
    end_free(e);
}

LK_TEST(h1_client, interim_responses_are_bounded)
{
    struct end *e = client_asked("GET");
    for (int i = 0; i < 100 && !e->codec->failed; i++)
        end_feed_str(e, "HTTP/1.1 100 Continue\r\n\r\n");
    LK_CHECK_CONTAINS(e->log, "error: too many interim responses\n");
    end_free(e);
}

LK_TEST(h1_client, limits_are_those_of_the_options)
{
    struct lk_h1_options options = end_options;
    options.max_headers_count = 1;
    struct end *e = end_new(true, &options);
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":method", "GET", ":path", "/"), true);
    end_feed_str(e, OK_HEAD "A: 1\r\nB: 2\r\n\r\n");
    LK_CHECK_STR(e->error.details, "http1.too_many_headers");
    end_free(e);
}

static struct end *client_upgrading(void)
{
    struct end *e = client_new();
    end_adopt(e, lk_codec_new_stream(e->codec));
    e->stream->upgrade = true;
    end_send(e,
             HEADERS(e, ":method", "GET", ":path", "/ws", "Host", "h", "connection", "Upgrade", "upgrade", "websocket"),
             false);
    LK_CHECK_LKSTR(end_output(e), "GET /ws HTTP/1.1\r\nHost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    return e;
}

LK_TEST(h1_client, an_upgrade_turns_both_directions_into_plain_bytes)
{
    struct end *e = client_upgrading();
    end_feed_str(e, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\ndown");
    LK_CHECK_STR(e->log, "headers :status=101 Upgrade=websocket\ndata down");
    end_send_data(e, "up", false);
    LK_CHECK_LKSTR(end_output(e), "up");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "data down\nEND\n");
    end_send_data(e, "", true);
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_client, payload_is_held_back_until_the_upgrade_is_granted)
{
    struct end *e = client_upgrading();
    end_send_data(e, "early ", false);
    end_send_data(e, "payload", false);
    LK_CHECK_LKSTR(end_output(e), "");
    end_feed_str(e, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    LK_CHECK_LKSTR(end_output(e), "early payload");
    end_free(e);
}

LK_TEST(h1_client, payload_of_a_declined_upgrade_is_never_sent)
{
    struct end *e = client_upgrading();
    end_send_data(e, "GET /evil HTTP/1.1\r\n\r\n", false);
    end_feed_str(e, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    LK_CHECK_LKSTR(end_output(e), "");
    LK_CHECK_STR(e->log, "headers :status=404 Content-Length=2\ndata no\nEND\ndone close\n");
    end_free(e);
}

LK_TEST(h1_client, interim_responses_may_precede_an_upgrade)
{
    struct end *e = client_upgrading();
    end_feed_str(e, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 101 Go\r\n\r\nx");
    LK_CHECK_STR(e->log, "informational :status=102\nheaders :status=101\ndata x");
    end_free(e);
}

LK_TEST(h1_client, our_end_of_a_tunnel_half_closes_it)
{
    struct end *e = client_upgrading();
    end_feed_str(e, "HTTP/1.1 101 Go\r\n\r\n");
    end_send_data(e, "bye", true);
    LK_CHECK_CONTAINS(e->log, "output end\n");
    end_feed_str(e, "answer");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "data answer\nEND\ndone close\n");
    end_free(e);
}

LK_TEST(h1_client, without_half_close_a_tunnel_ends_with_the_peer)
{
    struct lk_codec_callbacks callbacks = end_callbacks;
    callbacks.on_output_end = NULL;
    struct end *e = client_upgrading();
    e->codec->callbacks = &callbacks;
    end_feed_str(e, "HTTP/1.1 101 Go\r\n\r\n");
    end_send_data(e, "bye", true);
    LK_CHECK_STR(e->log, "headers :status=101\n");
    end_eof(e);
    LK_CHECK_CONTAINS(e->log, "END\ndone close\n");
    end_free(e);
}
