/* The scanner: what is a head, what is not, and that it does not matter how the bytes arrive. */
#include "proxy/base/mem.h"
#include "proxy/http/h1_framing.h"
#include "proxy/http/headers.h"
#include "test/support/lk_test.h"

static const struct lk_h1_limits limits = {.bytes = 61440, .fields = 100};

struct scanned {
    enum lk_h1_result result;
    struct lk_h1_head head;
    struct lk_h1_field fields[128];
    struct lk_codec_error error;
};

/* One call on a heap copy of exactly this size, so that a read beyond it is seen. */
static enum lk_h1_result scan_once(struct lk_h1_scan *scan, const char *data, size_t len,
                                   const struct lk_h1_limits *lim, struct scanned *out)
{
    char *copy = lk_malloc(len);
    memcpy(copy, data, len);
    out->head.fields = out->fields;
    out->head.cap = LK_ARRAY_LEN(out->fields);
    out->result = lk_h1_scan(scan, copy, len, lim, &out->head, &out->error);
    lk_free(copy);
    return out->result;
}

/* Grows the input by `piece` bytes per call. */
static struct scanned *scan_pieces(enum lk_h1_part part, const char *data, size_t len, size_t piece,
                                   const struct lk_h1_limits *lim)
{
    struct scanned *s = lk_calloc(1, sizeof(*s));
    struct lk_h1_scan scan;
    lk_h1_scan_begin(&scan, part);
    s->result = LK_H1_MORE;
    for (size_t have = 0; have < len && s->result == LK_H1_MORE;) {
        have = LK_MIN(have + piece, len);
        scan_once(&scan, data, have, lim, s);
    }
    return s;
}

static struct scanned *scan_all(enum lk_h1_part part, const char *data)
{
    return scan_pieces(part, data, strlen(data), SIZE_MAX / 2, &limits);
}

struct good {
    enum lk_h1_part part;
    const char *data;
    uint32_t fields;
    unsigned flags;
    uint64_t length;
};

static const struct good good[] = {
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\n\r\n", 0, 0, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.0\r\n\r\n", 0, 0, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, LK_H1_HAS_HOST, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nHost:\r\n\r\n", 1, LK_H1_HAS_HOST, 0},
    {LK_H1_REQUEST, "POST /p HTTP/1.1\r\ncontent-LENGTH: \t 42 \t\r\n\r\n", 1, LK_H1_HAS_LENGTH, 42},
    {LK_H1_REQUEST, "POST /p HTTP/1.1\r\nContent-Length: 007\r\n\r\n", 1, LK_H1_HAS_LENGTH, 7},
    {LK_H1_REQUEST, "POST /p HTTP/1.1\r\nTransfer-Encoding: ChunkED\r\n\r\n", 1, LK_H1_CHUNKED, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 1, LK_H1_CLOSE, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nConnection: a, Keep-Alive ,upgrade\r\nUpgrade: x\r\n\r\n", 2,
     LK_H1_KEEP_ALIVE | LK_H1_UPGRADE | LK_H1_HAS_UPGRADE, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nProxy-Connection: close\r\n\r\n", 1, LK_H1_CLOSE, 0},
    {LK_H1_REQUEST, "GET / HTTP/1.1\r\nX: \xe9\tb\r\n!#$%&'*+-.^_`|~: 1\r\n\r\n", 2, 0, 0},
    {LK_H1_REQUEST, "UNSUBSCRIBE \"<>\\^`{|} HTTP/1.1\r\n\r\n", 0, 0, 0},
    {LK_H1_RESPONSE, "HTTP/1.1 200 OK\r\n\r\n", 0, 0, 0},
    {LK_H1_RESPONSE, "HTTP/1.1 200\r\n\r\n", 0, 0, 0},
    {LK_H1_RESPONSE, "HTTP/1.1 200 \r\n\r\n", 0, 0, 0},
    {LK_H1_RESPONSE, "HTTP/1.0 999 all sorts\tof \xe9\r\nKeep-Alive: timeout=5, max=9\r\n\r\n", 1, 0, 0},
    {LK_H1_RESPONSE, "HTTP/1.1 204 No\r\nHost: a b\r\nHost: c\r\nContent-Length: 0\r\n\r\n", 3, LK_H1_HAS_LENGTH, 0},
    {LK_H1_TRAILERS, "\r\n", 0, 0, 0},
    {LK_H1_TRAILERS, "A: b\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 3, 0, 0},
};

LK_TEST(h1_framing, accepts_what_is_well_formed_however_it_arrives)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(good); i++) {
        size_t len = strlen(good[i].data);
        for (size_t piece = 1; piece <= len; piece++) {
            struct scanned *s = scan_pieces(good[i].part, good[i].data, len, piece, &limits);
            LK_CHECK_MSG(s->result == LK_H1_DONE, "%s: %s", good[i].data, s->error.text ? s->error.text : "unfinished");
            LK_CHECK_EQ_UINT(s->head.size, len);
            LK_CHECK_EQ_UINT(s->head.count, good[i].fields);
            LK_CHECK_EQ_UINT(s->head.flags, good[i].flags);
            LK_CHECK_EQ_UINT(s->head.content_length, good[i].length);
            lk_free(s);
        }
    }
}

struct refused {
    const char *data;
    unsigned status;
    const char *details;
};

#define CODEC "http1.codec_error"
#define CHARACTERS "http1.invalid_characters"
#define CODING "http1.invalid_transfer_encoding"
#define HEAD "POST / HTTP/1.1\r\n"

static const struct refused bad_requests[] = {
    {" GET / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"\nGET / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET", 0, NULL},
    {"get / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"FOO / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GE(T / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"AAAAAAAAAAAAAAAAAA", 400, CODEC},
    {"\x16\x03\x01\x02", 400, CODEC},
    {"GET\t/ HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET  / HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET /  HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET /\tHTTP/1.1\r\n\r\n", 400, CHARACTERS},
    {"GET /a b HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET /\x01 HTTP/1.1\r\n\r\n", 400, CHARACTERS},
    {"GET /\x7f HTTP/1.1\r\n\r\n", 400, CHARACTERS},
    {"GET /\xe9 HTTP/1.1\r\n\r\n", 400, CODEC},
    {"GET /\r\n\r\n", 426, "low_version"},
    {"GET /\n\n", 400, CODEC},
    {"GET / \r\n\r\n", 400, CODEC},
    {"GET / HTTP/2.0\r\n\r\n", 426, "low_version"},
    {"GET / HTTP/1.2\r\n\r\n", 426, "low_version"},
    {"GET / HTTP/0.9\r\n\r\n", 426, "low_version"},
    {"GET / HTTP/1.10\r\n\r\n", 400, CODEC},
    {"GET / HTTP/1.\r\n\r\n", 400, CODEC},
    {"GET / HTTP/1,1\r\n\r\n", 400, CODEC},
    {"GET / http/1.1\r\n\r\n", 400, CODEC},
    {"GET / FOO/1.1\r\n\r\n", 400, CODEC},
    {"GET / HTTP/1.1 \r\n\r\n", 400, CODEC},
    {"GET / HTTP/1.1\n\n", 400, CODEC},
    {"GET / HTTP/1.1\rX", 400, CODEC},
    {HEAD " A: b\r\n\r\n", 400, CODEC},
    {HEAD "\tA: b\r\n\r\n", 400, CODEC},
    {HEAD "A: b\r\n c\r\n\r\n", 400, CODEC},
    {HEAD "A: b\r\n\r X\r\n", 400, CODEC},
    {HEAD "A : b\r\n\r\n", 400, CODEC},
    {HEAD "A\t: b\r\n\r\n", 400, CODEC},
    {HEAD "A\r\n\r\n", 400, CODEC},
    {HEAD ": b\r\n\r\n", 400, CODEC},
    {HEAD ":path: b\r\n\r\n", 400, CODEC},
    {HEAD "A(: b\r\n\r\n", 400, CODEC},
    {HEAD "A\x80: b\r\n\r\n", 400, CODEC},
    {HEAD "A\x01: b\r\n\r\n", 400, CHARACTERS},
    {HEAD "A: b\n\r\n", 400, CODEC},
    {HEAD "A: b\rc\r\n\r\n", 400, CODEC},
    {HEAD "A: b\r\rc\r\n\r\n", 400, CODEC},
    {HEAD "A: \x01\r\n\r\n", 400, CHARACTERS},
    {HEAD "A: \x7f\r\n\r\n", 400, CHARACTERS},
    {HEAD "A: b\r\n\n", 400, CODEC},
    {HEAD "Host: a\r\nhost: b\r\n\r\n", 400, CODEC},
    {HEAD "Host: a b\r\n\r\n", 400, "http.invalid_authority"},
    {HEAD "Host: a/b\r\n\r\n", 400, "http.invalid_authority"},
    {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: 5, 5\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: 4 2\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length:\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: -1\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: +1\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: 0x1\r\n\r\n", 400, CODEC},
    {HEAD "Content-Length: 18446744073709551617\r\n\r\n", 400, CODEC},
    {HEAD "Transfer-Encoding: gzip\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding:\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: identity\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: xchunked\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: chunked;a=b\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501, CODING},
    {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400,
     "http1.content_length_and_chunked_not_allowed"},
    {HEAD "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "http1.content_length_and_chunked_not_allowed"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, CODING},
};

static const struct refused bad_responses[] = {
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", 400, CODEC},
    {" HTTP/1.1 200 OK\r\n\r\n", 400, CODEC},
    {"nonsense", 400, CODEC},
    {"HTTP/1.1", 0, NULL},
    {"HTTP/1.1  200 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 20 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 2000 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 099 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 2x0 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 \r\n\r\n", 400, CODEC},
    {"HTTP/1.1\r\n\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 200OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.2 200 OK\r\n\r\n", 426, "low_version"},
    {"HTTP/2.0 200 OK\r\n\r\n", 426, "low_version"},
    {"http/1.1 200 OK\r\n\r\n", 400, CODEC},
    {"ICY 200 OK\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", 400, CHARACTERS},
    {"HTTP/1.1 200 OK\n\n", 400, CODEC},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, CODEC},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, CODING},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400,
     "http1.content_length_and_chunked_not_allowed"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 400, CODING},
};

static void check_refused(enum lk_h1_part part, const struct refused *r)
{
    size_t len = strlen(r->data);
    for (size_t piece = 1; piece <= len; piece++) {
        struct scanned *s = scan_pieces(part, r->data, len, piece, &limits);
        LK_CHECK_MSG((s->result == LK_H1_BAD) == (r->status != 0), "%s in pieces of %zu", r->data, piece);
        if (r->status != 0) {
            LK_CHECK_MSG(s->error.status == r->status, "%s: %u", r->data, s->error.status);
            LK_CHECK_MSG(strcmp(s->error.details, r->details) == 0, "%s: %s", r->data, s->error.details);
            LK_CHECK_NOT_NULL(s->error.text);
        }
        lk_free(s);
    }
}

LK_TEST(h1_framing, refuses_requests_that_could_be_read_in_two_ways)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(bad_requests); i++)
        check_refused(LK_H1_REQUEST, &bad_requests[i]);
}

LK_TEST(h1_framing, refuses_responses_that_could_be_read_in_two_ways)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(bad_responses); i++)
        check_refused(LK_H1_RESPONSE, &bad_responses[i]);
}

LK_TEST(h1_framing, refuses_a_nul_wherever_it_stands)
{
    static const char head[] = "GET /a HTTP/1.1\r\nHost: a\r\nX-Long-Enough-For-Blocks: 0123456789abcdef0123\r\n\r\n";
    for (size_t at = 0; at < sizeof(head) - 1; at++) {
        char changed[sizeof(head)];
        memcpy(changed, head, sizeof(head));
        changed[at] = '\0';
        struct scanned *s = scan_pieces(LK_H1_REQUEST, changed, sizeof(head) - 1, SIZE_MAX / 2, &limits);
        LK_CHECK_MSG(s->result == LK_H1_BAD, "NUL at %zu", at);
        lk_free(s);
    }
}

LK_TEST(h1_framing, refuses_garbage_without_waiting_for_the_end_of_a_line)
{
    static const char *const garbage[] = {"\x16", "GET /\x01", "GET / X", "GET / HTTP/1.1\r\nHo st", HEAD "A: \x02"};
    for (size_t i = 0; i < LK_ARRAY_LEN(garbage); i++) {
        struct scanned *s = scan_all(LK_H1_REQUEST, garbage[i]);
        LK_CHECK_MSG(s->result == LK_H1_BAD, "%s", garbage[i]);
        lk_free(s);
    }
}

LK_TEST(h1_framing, tells_where_the_pieces_are)
{
    static const char data[] = "DELETE /a?b HTTP/1.1\r\nHost: h:80\r\nX-Mixed:  \t v w \t\r\nEmpty:\r\n\r\nrest";
    struct scanned *s = scan_all(LK_H1_REQUEST, data);
    LK_CHECK_EQ_INT(s->result, LK_H1_DONE);
    LK_CHECK_EQ_UINT(s->head.size, sizeof(data) - 1 - 4);
    LK_CHECK_LKSTR(lk_str(data, s->head.method_len), "DELETE");
    LK_CHECK_LKSTR(lk_str(data + s->head.target, s->head.target_len), "/a?b");
    LK_CHECK_EQ_INT(s->head.minor, 1);
    LK_CHECK_EQ_UINT(s->head.count, 3);
    static const char *const expected[][2] = {{"Host", "h:80"}, {"X-Mixed", "v w"}, {"Empty", ""}};
    for (size_t i = 0; i < 3; i++) {
        const struct lk_h1_field *f = &s->fields[i];
        LK_CHECK_LKSTR(lk_str(data + f->name, f->name_len), expected[i][0]);
        LK_CHECK_LKSTR(lk_str(data + f->value, f->value_len), expected[i][1]);
    }
    LK_CHECK_EQ_INT(s->fields[0].id, LK_HEADER_AUTHORITY);
    LK_CHECK_EQ_INT(s->fields[1].id, LK_HEADER_OTHER);
    lk_free(s);
}

LK_TEST(h1_framing, reads_status_and_keep_alive_of_a_response)
{
    struct scanned *s = scan_all(LK_H1_RESPONSE, "HTTP/1.0 503 No\r\nKeep-Alive: max=5, Timeout=17\r\n\r\n");
    LK_CHECK_EQ_INT(s->result, LK_H1_DONE);
    LK_CHECK_EQ_UINT(s->head.status, 503);
    LK_CHECK_EQ_UINT(s->head.minor, 0);
    LK_CHECK_EQ_UINT(s->head.keep_alive_s, 17);
    lk_free(s);
    s = scan_all(LK_H1_RESPONSE, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=x, timeout=99999999999\r\n\r\n");
    LK_CHECK_EQ_UINT(s->head.keep_alive_s, UINT32_MAX);
    lk_free(s);
}

/* A request head of exactly `size` bytes. */
static char *head_of_size(size_t size)
{
    static const char begin[] = "GET / HTTP/1.1\r\nX: ";
    char *data = lk_malloc(size);
    memset(data, 'v', size);
    memcpy(data, begin, sizeof(begin) - 1);
    memcpy(data + size - 4, "\r\n\r\n", 4);
    return data;
}

LK_TEST(h1_framing, bounds_the_size_of_a_head)
{
    const struct lk_h1_limits small = {.bytes = 100, .fields = 10};
    for (size_t size = 98; size <= 103; size++) {
        char *data = head_of_size(size);
        for (size_t piece = 1; piece <= size; piece += 9) {
            struct scanned *s = scan_pieces(LK_H1_REQUEST, data, size, piece, &small);
            LK_CHECK_MSG((s->result == LK_H1_DONE) == (size <= 100), "size %zu", size);
            if (size > 100) {
                LK_CHECK_EQ_UINT(s->error.status, 431);
                LK_CHECK_STR(s->error.details, "http1.headers_too_large");
            }
            lk_free(s);
        }
        lk_free(data);
    }
}

LK_TEST(h1_framing, an_endless_head_is_refused_at_the_limit)
{
    const struct lk_h1_limits small = {.bytes = 100, .fields = 10};
    char data[101];
    memset(data, 'a', sizeof(data));
    memcpy(data, "GET /", 5);
    struct scanned *s = scan_pieces(LK_H1_REQUEST, data, 99, 1, &small);
    LK_CHECK_EQ_INT(s->result, LK_H1_MORE);
    lk_free(s);
    s = scan_pieces(LK_H1_REQUEST, data, 100, 1, &small);
    LK_CHECK_EQ_INT(s->result, LK_H1_BAD);
    LK_CHECK_EQ_UINT(s->error.status, 431);
    lk_free(s);
}

LK_TEST(h1_framing, bounds_the_number_of_fields)
{
    const struct lk_h1_limits few = {.bytes = 1000, .fields = 3};
    static const char *const three = HEAD "A: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    static const char *const four = HEAD "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n";
    for (size_t piece = 1; piece < 50; piece += 7) {
        struct scanned *s = scan_pieces(LK_H1_REQUEST, three, strlen(three), piece, &few);
        LK_CHECK_EQ_INT(s->result, LK_H1_DONE);
        lk_free(s);
        s = scan_pieces(LK_H1_REQUEST, four, strlen(four), piece, &few);
        LK_CHECK_EQ_INT(s->result, LK_H1_BAD);
        LK_CHECK_EQ_UINT(s->error.status, 431);
        LK_CHECK_STR(s->error.details, "http1.too_many_headers");
        lk_free(s);
    }
}

LK_TEST(h1_framing, counts_fields_beyond_the_given_room)
{
    struct lk_h1_scan scan;
    struct lk_h1_field field;
    struct lk_h1_head head = {.fields = &field, .cap = 1};
    struct lk_codec_error error;
    static const char data[] = HEAD "A: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    lk_h1_scan_begin(&scan, LK_H1_REQUEST);
    LK_CHECK_EQ_INT(lk_h1_scan(&scan, data, sizeof(data) - 1, &limits, &head, &error), LK_H1_DONE);
    LK_CHECK_EQ_UINT(head.count, 3);
}

LK_TEST(h1_framing, a_head_of_single_bytes_costs_little_more_than_its_length)
{
    size_t size = 60000;
    char *data = head_of_size(size);
    struct lk_h1_scan scan;
    struct lk_h1_field field;
    struct lk_codec_error error;
    lk_h1_scan_begin(&scan, LK_H1_REQUEST);
    for (size_t have = 1; have < size; have++) {
        struct lk_h1_head head = {.fields = &field, .cap = 1};
        LK_CHECK_EQ_INT(lk_h1_scan(&scan, data, have, &limits, &head, &error), LK_H1_MORE);
        LK_CHECK_MSG(scan.pos + 10 >= have, "only %u of %zu bytes were looked at for good", scan.pos, have);
    }
    lk_free(data);
}

LK_TEST(h1_framing, skips_empty_lines_in_front_of_a_request)
{
    struct lk_codec_error error;
    size_t skipped;
    LK_CHECK(lk_h1_skip_empty_lines("\r\n\r\nGET", 7, &skipped, &error));
    LK_CHECK_EQ_UINT(skipped, 4);
    LK_CHECK(lk_h1_skip_empty_lines("\r\n\r", 3, &skipped, &error));
    LK_CHECK_EQ_UINT(skipped, 2);
    LK_CHECK(lk_h1_skip_empty_lines("GET", 3, &skipped, &error));
    LK_CHECK_EQ_UINT(skipped, 0);
    LK_CHECK(!lk_h1_skip_empty_lines("\nGET", 4, &skipped, &error));
    LK_CHECK(!lk_h1_skip_empty_lines("\r\r\n", 3, &skipped, &error));
    LK_CHECK(!lk_h1_skip_empty_lines("\r\n\n", 3, &skipped, &error));
    LK_CHECK_EQ_UINT(error.status, 400);
}
