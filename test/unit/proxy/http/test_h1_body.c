/* The body machine: every byte of chunk framing, in every split. */
#include "proxy/base/mem.h"
#include "proxy/http/h1_body.h"
#include "test/support/lk_test.h"

struct outcome {
    enum lk_h1_body_event event;
    char payload[4096];
    size_t payload_len;
    size_t used;
    const char *why;
};

/* Feeds in pieces until the body ends, breaks, or the input does. */
static struct outcome *run(enum lk_h1_body_kind kind, uint64_t length, const char *data, size_t len, size_t piece)
{
    struct outcome *o = lk_calloc(1, sizeof(*o));
    struct lk_h1_body body;
    lk_h1_body_begin(&body, kind, length);
    o->event = LK_H1_BODY_MORE;
    for (size_t at = 0; at < len; at += piece) {
        size_t have = LK_MIN(piece, len - at);
        char *copy = lk_malloc(have);
        memcpy(copy, data + at, have);
        for (size_t done = 0; done < have;) {
            size_t used;
            struct lk_str payload;
            o->event = lk_h1_body_next(&body, copy + done, have - done, &used, &payload, &o->why);
            memcpy(o->payload + o->payload_len, payload.ptr, payload.len);
            o->payload_len += payload.len;
            o->used += used;
            done += used;
            if (o->event == LK_H1_BODY_END || o->event == LK_H1_BODY_TRAILERS || o->event == LK_H1_BODY_BAD) {
                lk_free(copy);
                return o;
            }
        }
        lk_free(copy);
    }
    return o;
}

struct good {
    const char *data;
    const char *payload;
};

LK_TEST(h1_body, decodes_chunks_however_they_arrive)
{
    static const struct good table[] = {
        {"0\r\n", ""},
        {"3\r\nabc\r\n0\r\n", "abc"},
        {"0003\r\nabc\r\n000\r\n", "abc"},
        {"0000000000000003\r\nabc\r\n0\r\n", "abc"},
        {"A\r\n0123456789\r\n1\r\nx\r\n0\r\n", "0123456789x"},
        {"a\r\n0123456789\r\n0\r\n", "0123456789"},
        {"3;a\r\nabc\r\n0;b\r\n", "abc"},
        {"3;a=b;c=\"d;\\\" \xe9\";e\r\nabc\r\n0\r\n", "abc"},
        {"3 ; a = b ; c\r\nabc\r\n0\r\n", "abc"},
        {"3\t;\ta\r\nabc\r\n0\r\n", "abc"},
        {"3;a=\"\" ;b\r\nabc\r\n0\r\n", "abc"},
        {"4\r\n\r\n\r\n\r\n0\r\n", "\r\n\r\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        size_t len = strlen(table[i].data);
        for (size_t piece = 1; piece <= len; piece++) {
            struct outcome *o = run(LK_H1_BODY_CHUNKED, 0, table[i].data, len, piece);
            LK_CHECK_MSG(o->event == LK_H1_BODY_TRAILERS, "%s: %s", table[i].data, o->why ? o->why : "unfinished");
            LK_CHECK_LKSTR(lk_str(o->payload, o->payload_len), table[i].payload);
            LK_CHECK_EQ_UINT(o->used, len);
            lk_free(o);
        }
    }
}

LK_TEST(h1_body, refuses_bad_chunk_framing_however_it_arrives)
{
    static const char *const table[] = {
        "\r\n",
        "xyz\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "0x1\r\n",
        "1 2\r\n",
        "3 \r\n",
        "3\t\r\n",
        "3\n",
        "3\rX",
        "3\r\r\n",
        "3;\r\n",
        "3;;a\r\n",
        "3;=a\r\n",
        "3;a=\r\n",
        "3;a=;b\r\n",
        "3;a \r\n",
        "3;a b\r\n",
        "3;a=b c\r\n",
        "3;a=\"b\r\n",
        "3;a=\"b\"c\r\n",
        "3;a=\x01\r\n",
        "3;a=\"\x01\"\r\n",
        "3;a\n",
        "3;a\rb",
        "3;a=\"\\\n\"",
        "3;a=b \r\n",
        "3;\xe9\r\n",
        "3;a\"\r\n",
        "3\r\nabcX",
        "3\r\nabc\n",
        "3\r\nabc\rX",
        "3\r\nabcdef",
        "3\r\nabc\r\n\r\n",
        "11111111111111111\r\n",
        "00000000000000000\r\n",
        "g\r\n",
        ";a\r\n",
        "3,a\r\n",
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        size_t len = strlen(table[i]);
        for (size_t piece = 1; piece <= len; piece++) {
            struct outcome *o = run(LK_H1_BODY_CHUNKED, 0, table[i], len, piece);
            LK_CHECK_MSG(o->event == LK_H1_BODY_BAD, "%s in pieces of %zu", table[i], piece);
            LK_CHECK_NOT_NULL(o->why);
            lk_free(o);
        }
    }
}

LK_TEST(h1_body, bounds_a_chunk_line)
{
    char data[LK_H1_CHUNK_LINE_MAX + 8];
    memset(data, 'e', sizeof(data));
    memcpy(data, "1;", 2);
    memcpy(data + LK_H1_CHUNK_LINE_MAX - 2, "\r\n", 2);
    struct outcome *o = run(LK_H1_BODY_CHUNKED, 0, data, LK_H1_CHUNK_LINE_MAX, SIZE_MAX / 2);
    LK_CHECK_EQ_INT(o->event, LK_H1_BODY_MORE);
    lk_free(o);
    memset(data + 2, 'e', sizeof(data) - 2);
    o = run(LK_H1_BODY_CHUNKED, 0, data, sizeof(data), 1);
    LK_CHECK_EQ_INT(o->event, LK_H1_BODY_BAD);
    LK_CHECK_EQ_UINT(o->used, LK_H1_CHUNK_LINE_MAX + 1);
    lk_free(o);
}

LK_TEST(h1_body, takes_the_largest_chunk_size)
{
    struct lk_h1_body body;
    size_t used;
    struct lk_str payload;
    const char *why = NULL;
    lk_h1_body_begin(&body, LK_H1_BODY_CHUNKED, 0);
    LK_CHECK_EQ_INT(lk_h1_body_next(&body, "ffffffffffffffff\r\nab", 20, &used, &payload, &why), LK_H1_BODY_DATA);
    LK_CHECK_LKSTR(payload, "ab");
    LK_CHECK_EQ_UINT(body.left, UINT64_MAX - 2);
}

LK_TEST(h1_body, a_length_is_kept_to_the_byte)
{
    for (size_t piece = 1; piece < 9; piece++) {
        struct outcome *o = run(LK_H1_BODY_LENGTH, 5, "helloGET", 8, piece);
        LK_CHECK_EQ_INT(o->event, LK_H1_BODY_END);
        LK_CHECK_LKSTR(lk_str(o->payload, o->payload_len), "hello");
        LK_CHECK_EQ_UINT(o->used, 5);
        lk_free(o);
    }
    struct outcome *o = run(LK_H1_BODY_LENGTH, 5, "hell", 4, 2);
    LK_CHECK_EQ_INT(o->event, LK_H1_BODY_DATA);
    lk_free(o);
}

LK_TEST(h1_body, without_a_length_it_goes_on)
{
    struct outcome *o = run(LK_H1_BODY_UNTIL_CLOSE, 0, "0\r\n\r\nany", 8, 3);
    LK_CHECK_EQ_INT(o->event, LK_H1_BODY_DATA);
    LK_CHECK_EQ_UINT(o->payload_len, 8);
    lk_free(o);
    o = run(LK_H1_BODY_NONE, 0, "x", 1, 1);
    LK_CHECK_EQ_INT(o->event, LK_H1_BODY_END);
    LK_CHECK_EQ_UINT(o->used, 0);
    lk_free(o);
}
