/* The server side of HTTP/1: requests into events, however they arrive, and the life of the connection. */
#include "test/support/h1_fixture.h"

struct exchange {
    const char *name;
    const char *input;
    const char *log;
};

/* Every request is answered once it is complete. */
static const struct exchange exchanges[] = {
    {"the simplest", "GET / HTTP/1.1\r\n\r\n", "headers :method=GET :path=/ END\ndone keep\n"},
    {"header case and order", "GET /a?b=c HTTP/1.1\r\nX-One: 1\r\nHOST: h:80\r\nx-one:  2 \r\n\r\n",
     "headers :method=GET :path=/a?b=c X-One=1 HOST=h:80 x-one=2 END\ndone keep\n"},
    {"a fixed body", "POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
     "headers :method=POST :path=/p Content-Length=5\ndata hello\nEND\ndone keep\n"},
    {"an empty body", "POST /p HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
     "headers :method=POST :path=/p Content-Length=0 END\ndone keep\n"},
    {"a body of a GET", "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
     "headers :method=GET :path=/ Content-Length=2\ndata hi\nEND\ndone keep\n"},
    {"chunks", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ndata hello world\nEND\ndone keep\n"},
    {"chunks without data", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ndata \nEND\ndone keep\n"},
    {"trailers", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 42\r\nY:\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ndata x\ntrailers X-Sum=42 Y= END\ndone keep\n"},
    {"trailers that frame or route are dropped",
     "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\nHost: x\r\nA: b\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ntrailers A=b END\ndone keep\n"},
    {"only trailers that are dropped",
     "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ndata \nEND\ndone keep\n"},
    {"pipelining",
     "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\r\n\r\nGET /3 HTTP/1.1\r\n\r\n",
     "headers :method=GET :path=/1 END\ndone keep\nheaders :method=POST :path=/2 Content-Length=3\ndata abc\nEND\n"
     "done keep\nheaders :method=GET :path=/3 END\ndone keep\n"},
    {"empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "headers :method=GET :path=/ END\ndone keep\n"},
    {"nothing is read behind connection: close",
     "GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
     "headers :method=GET :path=/ Connection=close END\ndone close\n"},
    {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\nGET /evil HTTP/1.0\r\n\r\n",
     "headers :method=GET :path=/ END\ndone close\n"},
    {"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "headers :method=GET :path=/ Connection=keep-alive END\ndone keep\n"},
    {"an absolute target replaces Host", "GET HTTP://u:p@other:80/p?q HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n",
     "headers :method=GET :path=/p?q :scheme=http Host=other:80 A=b END\ndone keep\n"},
    {"an absolute target without Host", "GET https://other HTTP/1.1\r\n\r\n",
     "headers :method=GET :path=/ :scheme=https :authority=other END\ndone keep\n"},
    {"the asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
     "headers :method=OPTIONS :path=* Host=h END\ndone keep\n"},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: h\r\n\r\n", "headers :method=CONNECT Host=a:443 END\ndone keep\n"},
    {"bad target: relative", "GET abc HTTP/1.1\r\n\r\n",
     "error: the request target is neither a path nor an absolute URI\n"},
    {"bad target: asterisk", "GET * HTTP/1.1\r\n\r\n", "error: the target * is for OPTIONS only\n"},
    {"bad target: scheme", "GET ftp://a/ HTTP/1.1\r\n\r\n",
     "error: the scheme of the request target is neither http nor https\n"},
    {"bad target: host", "GET http://a_b/ HTTP/1.1\r\n\r\n",
     "error: the authority of the request target is not host[:port]\n"},
    {"bad target: no host", "GET http:///p HTTP/1.1\r\n\r\n",
     "error: the authority of the request target is not host[:port]\n"},
    {"bad target: CONNECT without port", "CONNECT a HTTP/1.1\r\n\r\n",
     "error: the target of CONNECT is not host:port\n"},
    {"bad target: CONNECT to a path", "CONNECT /a:1 HTTP/1.1\r\n\r\n",
     "error: the target of CONNECT is not host:port\n"},
    {"a bad request behind a good one", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nA : b\r\n\r\n",
     "headers :method=GET :path=/ END\ndone keep\nerror: a field name is a token followed by a colon\n"},
    {"a bad chunk", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\ndata abc\nerror: chunk data is not followed by CRLF\n"},
    {"a bad trailer", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n",
     "headers :method=PUT :path=/ Transfer-Encoding=chunked\nerror: a field name is a token followed by a colon\n"},
};

static void check_exchange(const struct exchange *x, size_t first, size_t piece)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    size_t len = strlen(x->input);
    end_feed(e, x->input, first);
    end_feed_pieces(e, x->input + first, len - first, piece);
    if (strcmp(e->log, x->log) != 0)
        LK_FAIL("%s (first %zu, then pieces of %zu):\n%s\nexpected:\n%s", x->name, first, piece, e->log, x->log);
    end_free(e);
}

LK_TEST(h1_server, decodes_requests_in_one_piece)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(exchanges); i++)
        check_exchange(&exchanges[i], strlen(exchanges[i].input), 1);
}

LK_TEST(h1_server, decodes_requests_split_at_any_byte)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(exchanges); i++)
        for (size_t at = 1; at < strlen(exchanges[i].input); at++)
            check_exchange(&exchanges[i], at, SIZE_MAX / 2);
}

LK_TEST(h1_server, decodes_requests_byte_by_byte)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(exchanges); i++)
        for (size_t piece = 1; piece < 8; piece++)
            check_exchange(&exchanges[i], 0, piece);
}

LK_TEST(h1_server, a_codec_is_small_while_idle)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    end_feed_str(e, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    LK_CHECK_NULL(e->stream);
    LK_CHECK_EQ_UINT(e->arena.bytes, 0);
    LK_CHECK_EQ_UINT(e->input_len, 0);
    end_free(e);
}

LK_TEST(h1_server, a_pipelined_request_waits_for_the_response)
{
    struct end *e = server_new();
    end_feed_str(e, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    LK_CHECK_STR(e->log, "headers :method=GET :path=/1 END\n");
    LK_CHECK_EQ_UINT(e->input_len, strlen("GET /2 HTTP/1.1\r\n\r\n"));
    answer_ok(e);
    LK_CHECK_NULL(e->stream);
    end_offer(e);
    LK_CHECK_CONTAINS(e->log, "done keep\nheaders :method=GET :path=/2 END\n");
    LK_CHECK_EQ_UINT(e->stream->id, 2);
    end_free(e);
}

LK_TEST(h1_server, marks_what_matters_for_the_response)
{
    struct end *e = server_new();
    end_feed_str(e, "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    LK_CHECK(e->stream->is_head && e->stream->http10 && !e->stream->is_connect && e->stream->remote_done);
    end_send(e, HEADERS(e, ":status", "200", "content-length", "9"), true);
    end_feed_str(e, "CONNECT a:1 HTTP/1.1\r\n\r\n");
    LK_CHECK(!e->stream->is_head && !e->stream->http10 && e->stream->is_connect);
    end_free(e);
}

LK_TEST(h1_server, tells_once_that_a_head_is_pending)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    end_feed_str(e, "\r\n");
    LK_CHECK_EQ_UINT(e->pending_calls, 0);
    end_feed_pieces(e, "GET / HTTP/1.1\r\n\r\n", 18, 3);
    LK_CHECK_EQ_UINT(e->pending_calls, 1);
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    LK_CHECK_EQ_UINT(e->pending_calls, 1);
    end_feed_str(e, "G");
    LK_CHECK_EQ_UINT(e->pending_calls, 2);
    end_free(e);
}

LK_TEST(h1_server, an_owner_that_refuses_a_stream_stops_the_codec)
{
    struct end *e = server_new();
    e->refuse = true;
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    LK_CHECK_STR(e->log, "");
    LK_CHECK(e->codec->failed);
    LK_CHECK_NULL(e->error.details);
    end_free(e);
}

LK_TEST(h1_server, a_paused_stream_gets_no_data_until_resumed_as_often)
{
    struct end *e = server_new();
    end_feed_str(e, "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc");
    lk_codec_pause(e->stream);
    lk_codec_pause(e->stream);
    LK_CHECK_EQ_INT(e->read_pauses, 1);
    end_feed_str(e, "def");
    lk_codec_resume(e->stream);
    end_offer(e);
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Content-Length=6\ndata abc");
    lk_codec_resume(e->stream);
    LK_CHECK_EQ_INT(e->read_pauses, 0);
    end_offer(e);
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Content-Length=6\ndata abcdef\nEND\n");
    end_free(e);
}

static void pause_it(struct end *e)
{
    lk_codec_pause(e->stream);
}

LK_TEST(h1_server, a_stream_may_pause_inside_its_own_events)
{
    struct end *e = server_new();
    e->on_headers = pause_it;
    end_feed_str(e, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Transfer-Encoding=chunked\n");
    e->on_data = pause_it;
    lk_codec_resume(e->stream);
    end_offer(e);
    LK_CHECK_CONTAINS(e->log, "data abc");
    LK_CHECK_EQ_UINT(e->input_len, strlen("\r\n0\r\n\r\n"));
    e->on_data = NULL;
    lk_codec_resume(e->stream);
    while (end_offer(e))
        ;
    LK_CHECK_CONTAINS(e->log, "data abc\nEND\n");
    end_free(e);
}

LK_TEST(h1_server, a_pause_ends_with_the_stream)
{
    struct end *e = server_new();
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    lk_codec_pause(e->stream);
    answer_ok(e);
    LK_CHECK_EQ_INT(e->read_pauses, 0);
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
}

LK_TEST(h1_server, an_early_response_ends_the_connection)
{
    struct end *e = server_new();
    end_feed_str(e, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    answer_ok(e);
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    end_feed_str(e, "more of the body, GET /evil HTTP/1.1\r\n\r\n");
    LK_CHECK_EQ_UINT(e->input_len, 0);
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Content-Length=100\ndata abc\ndone close\n");
    end_free(e);
}

LK_TEST(h1_server, a_response_begun_early_may_end_after_the_request)
{
    struct end *e = server_new();
    end_feed_str(e, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_feed_str(e, "abc");
    LK_CHECK_CONTAINS(e->log, "data abc\nEND\n");
    end_send_data(e, "x", true);
    LK_CHECK_CONTAINS(e->log, "done close\n");
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                                  "1\r\nx\r\n0\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_server, goaway_makes_the_next_response_the_last)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    lk_codec_goaway(e->codec);
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    LK_CHECK_STR(e->log, "headers :method=GET :path=/ END\ndone close\n");
    LK_CHECK_CONTAINS(end_output(e).ptr, "connection: close\r\n");
    end_free(e);
}

LK_TEST(h1_server, goaway_behind_the_head_of_a_response_still_ends_the_connection)
{
    struct end *e = server_new();
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    end_send(e, HEADERS(e, ":status", "200"), false);
    lk_codec_goaway(e->codec);
    end_send_data(e, "x", true);
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_server, close_after_is_said_and_done)
{
    struct end *e = server_new();
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    e->stream->close_after = true;
    answer_ok(e);
    LK_CHECK_CONTAINS(end_output(e).ptr, "connection: close\r\n");
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_server, a_reset_ends_the_exchange_without_events)
{
    struct end *e = server_new();
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    lk_codec_reset(e->stream, LK_RESET_LOCAL);
    end_offer(e);
    LK_CHECK_STR(e->log, "headers :method=GET :path=/ END\ndone close\n");
    LK_CHECK_EQ_UINT(e->input_len, 0);
    end_free(e);
}

static void reset_it(struct end *e)
{
    lk_codec_reset(e->stream, LK_RESET_LOCAL);
}

LK_TEST(h1_server, a_stream_may_be_reset_inside_its_own_events)
{
    static const char input[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    struct end *e = server_new();
    e->on_headers = reset_it;
    end_feed_str(e, input);
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Transfer-Encoding=chunked\ndone close\n");
    end_free(e);
    e = server_new();
    e->on_data = reset_it;
    end_feed_str(e, input);
    LK_CHECK_STR(e->log, "headers :method=POST :path=/ Transfer-Encoding=chunked\ndata abc\ndone close\n");
    end_free(e);
    e = server_new();
    e->on_end = reset_it;
    end_feed_str(e, input);
    LK_CHECK_CONTAINS(e->log, "trailers A=b END\ndone close\n");
    end_free(e);
}

LK_TEST(h1_server, after_a_protocol_error_there_is_a_stream_to_answer_on)
{
    struct end *e = server_new();
    LK_CHECK_NULL(lk_codec_new_stream(e->codec));
    end_feed_str(e, "BAD\r\n\r\n");
    LK_CHECK_EQ_UINT(e->error.status, 400);
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":status", "400", "content-length", "3"), false);
    end_send_data(e, "bad", true);
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad");
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_server, a_protocol_error_in_a_body_leaves_the_stream_to_answer_on)
{
    struct end *e = server_new();
    end_feed_str(e, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    LK_CHECK_NOT_NULL(e->stream);
    answer_ok(e);
    LK_CHECK_CONTAINS(end_output(e).ptr, "connection: close\r\n");
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_server, the_end_of_input_is_clean_only_between_messages)
{
    static const char *const clean[] = {"", "\r\n", "GET / HTTP/1.1\r\n\r\n"};
    static const char *const cut[] = {"G", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
                                      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"};
    for (size_t i = 0; i < LK_ARRAY_LEN(clean); i++) {
        struct end *e = server_new();
        e->on_end = answer_ok;
        end_feed_str(e, clean[i]);
        end_eof(e);
        LK_CHECK_NULL(e->error.text);
        end_free(e);
    }
    for (size_t i = 0; i < LK_ARRAY_LEN(cut); i++) {
        struct end *e = server_new();
        end_feed_str(e, cut[i]);
        end_eof(e);
        LK_CHECK_STR(e->error.text, "the connection ended inside a message");
        LK_CHECK(strstr(e->log, "done") == NULL);
        end_free(e);
    }
}

LK_TEST(h1_server, after_the_end_of_input_the_response_is_the_last)
{
    struct end *e = server_new();
    end_feed_str(e, "GET / HTTP/1.1\r\n\r\n");
    end_eof(e);
    answer_ok(e);
    LK_CHECK_CONTAINS(end_output(e).ptr, "connection: close\r\n");
    end_free(e);
}
