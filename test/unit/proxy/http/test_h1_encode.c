/* What HTTP/1 heads, bodies and trailers look like on the wire. */
#include "test/support/h1_fixture.h"

/* A server that got one request and has not answered. */
static struct end *server_asked(const char *request)
{
    struct end *e = server_new();
    end_feed_str(e, request);
    LK_CHECK_NOT_NULL(e->stream);
    return e;
}

#define GET11 "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define HEAD11 "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET10 "GET / HTTP/1.0\r\n\r\n"

struct response {
    const char *request;
    const char *headers[12];
    const char *body; /* NULL: end_stream with the head */
    const char *wire;
};

static const struct response responses[] = {
    {GET11,
     {":status", "200", "X-Case", "Kept", "content-length", "2"},
     "ok",
     "HTTP/1.1 200 OK\r\nX-Case: Kept\r\ncontent-length: 2\r\n\r\nok"},
    {GET11, {":status", "200"}, "abc", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
    {GET11, {":status", "200"}, "", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
    {GET11, {":status", "404"}, NULL, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"},
    {GET11, {":status", "404", "content-length", "0"}, NULL, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"},
    {GET11, {":status", "299", "a", ""}, NULL, "HTTP/1.1 299 Unknown\r\na: \r\ncontent-length: 0\r\n\r\n"},
    {GET11, {":status", "204", "content-length", "0"}, NULL, "HTTP/1.1 204 No Content\r\n\r\n"},
    {GET11, {":status", "204"}, "dropped", "HTTP/1.1 204 No Content\r\n\r\n"},
    {GET11, {":status", "304", "content-length", "7"}, NULL, "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"},
    {GET11, {":status", "304"}, NULL, "HTTP/1.1 304 Not Modified\r\n\r\n"},
    {GET11,
     {":status", "200", "transfer-encoding", "chunked", "connection", "x", "content-length", "1"},
     "x",
     "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"},
    {GET11,
     {":status", "200", "content-length", "1", "content-length", "2"},
     "x",
     "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"},
    {GET11,
     {":status", "200", "content-length", "x"},
     "y",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n"},
    {GET11,
     {":status", "200", "host", "a", "content-length", "0"},
     NULL,
     "HTTP/1.1 200 OK\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
    {GET11,
     {":status", "200", "connection", "close", "content-length", "0"},
     NULL,
     "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"},
    {HEAD11, {":status", "200", "content-length", "9"}, NULL, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"},
    {HEAD11, {":status", "200", "content-length", "9"}, "dropped", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"},
    {HEAD11, {":status", "200"}, NULL, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"},
    {GET10,
     {":status", "200", "content-length", "2"},
     "ok",
     "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"},
    {GET10, {":status", "200"}, "to the end", "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nto the end"},
    {"HEAD / HTTP/1.0\r\n\r\n", {":status", "200"}, NULL, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     {":status", "200", "content-length", "2"},
     "ok",
     "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     {":status", "200"},
     "x",
     "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nx"},
    {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
     {":status", "200"},
     "x",
     "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
};

LK_TEST(h1_encode, responses)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(responses); i++) {
        const struct response *r = &responses[i];
        struct end *e = server_asked(r->request);
        end_send(e, end_headers(e, r->headers), r->body == NULL);
        if (r->body != NULL)
            end_send_data(e, r->body, true);
        LK_CHECK_LKSTR(end_output(e), r->wire);
        bool close = strstr(r->wire, "connection: close") != NULL;
        LK_CHECK_CONTAINS(e->log, close ? "done close\n" : "done keep\n");
        LK_CHECK(e->output_calls > 0);
        end_free(e);
    }
}

struct request {
    const char *headers[14];
    const char *body;
    const char *wire;
};

static const struct request requests[] = {
    {{":method", "GET", ":path", "/a?b", "X-A", "1", "HOST", "h:80", "x-b", "2"},
     NULL,
     "GET /a?b HTTP/1.1\r\nHOST: h:80\r\nX-A: 1\r\nx-b: 2\r\n\r\n"},
    {{":method", "GET", ":path", "/", ":scheme", "http", "x-a", "1", ":authority", "h"},
     NULL,
     "GET / HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n\r\n"},
    {{":method", "GET", ":path", "/", "host", "a", "host", "b"}, NULL, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
    {{":method", "POST", ":path", "/", "content-length", "2"}, "ok", "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nok"},
    {{":method", "POST", ":path", "/"},
     "ok",
     "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {{":method", "POST", ":path", "/"}, NULL, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"},
    {{":method", "OPTIONS", ":path", "*"}, NULL, "OPTIONS * HTTP/1.1\r\ncontent-length: 0\r\n\r\n"},
    {{":method", "DELETE", ":path", "/"}, NULL, "DELETE / HTTP/1.1\r\n\r\n"},
    {{":method", "HEAD", ":path", "/"}, NULL, "HEAD / HTTP/1.1\r\n\r\n"},
    {{":method", "GET", ":path", "/"}, "x", "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
    {{":method", "CONNECT", ":authority", "a:443"}, NULL, "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"},
    {{":method", "GET", ":path", "/", "transfer-encoding", "chunked", "te", "trailers"},
     NULL,
     "GET / HTTP/1.1\r\nte: trailers\r\n\r\n"},
};

LK_TEST(h1_encode, requests)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(requests); i++) {
        const struct request *r = &requests[i];
        struct end *e = client_new();
        end_adopt(e, lk_codec_new_stream(e->codec));
        end_send(e, end_headers(e, r->headers), r->body == NULL);
        if (r->body != NULL)
            end_send_data(e, r->body, true);
        LK_CHECK_LKSTR(end_output(e), r->wire);
        end_free(e);
    }
}

LK_TEST(h1_encode, removed_entries_do_not_leave)
{
    struct end *e = server_asked(GET11);
    struct lk_headers *headers = HEADERS(e, ":status", "200", "x-a", "1", "x-b", "2", "content-length", "0");
    lk_headers_remove_entry(headers, lk_headers_find_name(headers, LK_STR("x-a")));
    end_send(e, headers, true);
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 200 OK\r\nx-b: 2\r\ncontent-length: 0\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, names_can_leave_in_lower_case)
{
    struct lk_h1_options options = end_options;
    options.lowercase_names = true;
    struct end *e = end_new(true, &options);
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(e, HEADERS(e, ":method", "GET", ":path", "/", "Host", "H", "X-Mixed_Case", "V"), true);
    LK_CHECK_LKSTR(end_output(e), "GET / HTTP/1.1\r\nhost: H\r\nx-mixed_case: V\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, names_can_leave_in_proper_case)
{
    struct lk_h1_options options = end_options;
    options.proper_case_words = true;
    struct end *e = end_new(true, &options);
    end_adopt(e, lk_codec_new_stream(e->codec));
    end_send(
        e, HEADERS(e, ":method", "POST", ":path", "/", ":authority", "h", "foo$b#$are", "1", "ETAG", "2", "x-1a", "3"),
        false);
    LK_CHECK_LKSTR(end_output(e), "POST / HTTP/1.1\r\nHost: h\r\nFoo$B#$Are: 1\r\nEtag: 2\r\nX-1a: 3\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, interim_responses_go_before_the_final_one)
{
    struct end *e = server_asked("POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    lk_codec_send_informational(e->stream, HEADERS(e, ":status", "100"));
    lk_codec_send_informational(e->stream, HEADERS(e, ":status", "103", "link", "x"));
    LK_CHECK_LKSTR(end_output(e), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    end_feed_str(e, "x");
    answer_ok(e);
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
}

LK_TEST(h1_encode, http_10_gets_no_interim_responses)
{
    struct end *e = server_asked("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n");
    lk_codec_send_informational(e->stream, HEADERS(e, ":status", "100"));
    LK_CHECK_LKSTR(end_output(e), "");
    end_free(e);
}

LK_TEST(h1_encode, each_piece_of_a_chunked_body_is_a_chunk)
{
    struct end *e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_output(e);
    end_send_data(e, "", false);
    end_send_data(e, "0123456789abcdef", false);
    end_send_data(e, "x", false);
    LK_CHECK_LKSTR(end_output(e), "10\r\n0123456789abcdef\r\n1\r\nx\r\n");
    end_send_data(e, "", true);
    LK_CHECK_LKSTR(end_output(e), "0\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, large_payloads_go_by_reference)
{
    struct end *e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_output(e);
    struct lk_chunk *chunk = lk_chunk_new(e->pool, 10000);
    memset(chunk->data, 'x', 10000);
    chunk->used = 10000;
    lk_codec_send_data(e->stream, lk_span(chunk, chunk->data, 10000), true);
    LK_CHECK_EQ_UINT(chunk->refs, 2);
    LK_CHECK_EQ_UINT(e->out.len, 6 + 10000 + 7);
    lk_chunk_unref(chunk);
    struct lk_str wire = end_output(e);
    LK_CHECK(lk_str_has_prefix(wire, LK_STR("2710\r\nxxx")) && lk_str_has_suffix(wire, LK_STR("xxx\r\n0\r\n\r\n")));
    end_free(e);
}

LK_TEST(h1_encode, whole_buffers_are_one_chunk)
{
    struct end *e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_output(e);
    struct lk_buf body;
    lk_buf_init(&body, e->pool);
    lk_buf_add_static(&body, "static ", 7);
    lk_buf_add(&body, "and copied", 10);
    lk_codec_send_buf(e->stream, &body, false);
    LK_CHECK_EQ_UINT(body.len, 0);
    LK_CHECK_LKSTR(end_output(e), "11\r\nstatic and copied\r\n");
    lk_codec_send_buf(e->stream, &body, true);
    LK_CHECK_LKSTR(end_output(e), "0\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, a_body_is_held_to_its_length)
{
    static const char *const pieces[][2] = {{"ab", "cdef"}, {"abcdef", ""}, {"abc", "def"}};
    for (size_t i = 0; i < LK_ARRAY_LEN(pieces); i++) {
        for (int by_buf = 0; by_buf < 2; by_buf++) {
            struct end *e = server_asked(GET11);
            end_send(e, HEADERS(e, ":status", "200", "content-length", "3"), false);
            end_output(e);
            for (size_t k = 0; k < 2; k++) {
                struct lk_buf body;
                lk_buf_init(&body, e->pool);
                lk_buf_add_str(&body, lk_str_from(pieces[i][k]));
                if (by_buf)
                    lk_codec_send_buf(e->stream, &body, k == 1);
                else
                    end_send_data(e, pieces[i][k], k == 1);
                lk_buf_clear(&body);
            }
            LK_CHECK_LKSTR(end_output(e), "abc");
            LK_CHECK_CONTAINS(e->log, "done close\n");
            end_free(e);
        }
    }
}

LK_TEST(h1_encode, a_body_shorter_than_its_length_ends_the_connection)
{
    struct end *e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200", "content-length", "3"), false);
    end_send_data(e, "ab", true);
    LK_CHECK_CONTAINS(e->log, "done close\n");
    end_free(e);
}

LK_TEST(h1_encode, trailers_follow_chunks_only)
{
    struct end *e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_send_data(e, "x", false);
    end_output(e);
    lk_codec_send_trailers(e->stream, HEADERS(e, "X-Sum", "1", "y", "2"));
    LK_CHECK_LKSTR(end_output(e), "0\r\nX-Sum: 1\r\ny: 2\r\n\r\n");
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
    e = server_asked(GET11);
    end_send(e, HEADERS(e, ":status", "200", "content-length", "1"), false);
    end_send_data(e, "x", false);
    end_output(e);
    lk_codec_send_trailers(e->stream, HEADERS(e, "X-Sum", "1"));
    LK_CHECK_LKSTR(end_output(e), "");
    LK_CHECK_CONTAINS(e->log, "done keep\n");
    end_free(e);
}

LK_TEST(h1_encode, trailers_that_are_not_enabled_do_not_leave)
{
    struct lk_h1_options options = end_options;
    options.enable_trailers = false;
    struct end *e = end_new(false, &options);
    end_feed_str(e, GET11);
    end_send(e, HEADERS(e, ":status", "200"), false);
    end_output(e);
    lk_codec_send_trailers(e->stream, HEADERS(e, "X-Sum", "1"));
    LK_CHECK_LKSTR(end_output(e), "0\r\n\r\n");
    end_free(e);
}

LK_TEST(h1_encode, a_large_head_leaves_whole)
{
    struct end *e = server_asked(GET11);
    char *value = lk_malloc(50001);
    memset(value, 'v', 50000);
    value[50000] = '\0';
    end_send(e, HEADERS(e, ":status", "200", "x-large", value, "content-length", "0"), true);
    struct lk_str wire = end_output(e);
    LK_CHECK_EQ_UINT(wire.len, strlen("HTTP/1.1 200 OK\r\nx-large: \r\ncontent-length: 0\r\n\r\n") + 50000);
    lk_free(value);
    end_free(e);
}

static void pass_on(struct lk_codec_stream *stream, struct lk_headers *headers, bool end_stream)
{
    struct end *client = stream->arg;
    lk_headers_remove(headers, LK_HEADER_CACHE_CONTROL);
    lk_headers_set(headers, LK_HEADER_VIA, LK_STR("changed"));
    lk_headers_add(headers, LK_HEADER_X_REQUEST_ID, LK_STR("added"));
    end_send(client, headers, end_stream);
}

static bool on_stream_to_pass(void *owner, struct lk_codec_stream *stream)
{
    static const struct lk_stream_events events = {.on_headers = pass_on};
    struct end *server = owner;
    stream->events = &events;
    stream->arg = server->stream->arg;
    stream->arena = &server->arena;
    return true;
}

/* Lines leave as they came, whatever white space they came with. */
LK_TEST(h1_encode, a_head_passed_on_is_written_with_single_spaces)
{
    static const char request[] =
        "GET /p HTTP/1.1\r\nHost: h\r\nA: 1\r\nB:2\r\nC:\t3\r\nD:  4\r\nE: 5 \r\nF: 6\t\r\nG:\r\nH: \r\n"
        "Cache-Control: no\r\nI: 7\r\nVia: x\r\nJ: 8\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        "K: 9\r\nL: 10\r\n\r\n0\r\n\r\n";
    struct end *client = client_new();
    struct lk_codec_callbacks callbacks = end_callbacks;
    callbacks.on_stream = on_stream_to_pass;
    end_adopt(client, lk_codec_new_stream(client->codec));
    struct end *server = server_new();
    server->codec->callbacks = &callbacks;
    server->stream = client->stream;
    struct lk_codec_error error = {0};
    lk_codec_feed(server->codec, lk_span(NULL, request, sizeof(request) - 1 - 5), &error);
    LK_CHECK_LKSTR(end_output(client),
                   "GET /p HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: \r\nH: \r\n"
                   "I: 7\r\nVia: changed\r\nJ: 8\r\nConnection: close\r\nK: 9\r\nL: 10\r\nx-request-id: added\r\n"
                   "transfer-encoding: chunked\r\n\r\n");
    end_free(server);
    end_free(client);
}

/* What one side writes, the other one reads. */
LK_TEST(h1_encode, a_round_trip_keeps_everything)
{
    struct end *client = client_new();
    struct end *server = server_new();
    for (int round = 0; round < 3; round++) {
        end_adopt(client, lk_codec_new_stream(client->codec));
        end_send(client, HEADERS(client, ":method", "PUT", ":path", "/p?q", "Host", "h", "X-Odd", "a, b", "x-odd", "c"),
                 false);
        end_send_data(client, "some ", false);
        end_send_data(client, "data", false);
        lk_codec_send_trailers(client->stream, HEADERS(client, "X-T", "1"));
        struct lk_str up = end_output(client);
        end_feed_pieces(server, up.ptr, up.len, (size_t)round + 1);
        LK_CHECK_STR(server->log, "headers :method=PUT :path=/p?q Host=h X-Odd=a, b x-odd=c transfer-encoding=chunked\n"
                                  "data some data\ntrailers X-T=1 END\n");
        answer_ok(server);
        struct lk_str down = end_output(server);
        end_feed_pieces(client, down.ptr, down.len, (size_t)round + 1);
        LK_CHECK_STR(client->log, "headers :status=200 content-length=2\ndata ok\nEND\ndone keep\n");
        server->log_len = client->log_len = 0;
    }
    end_free(client);
    end_free(server);
}
