/* The ClientHello reader: split anywhere, spread over records, cut short, and garbage. */
#include "test/support/lk_test.h"
#include "test/unit/filters/hello.h"

#include "filters/common/tls_hello.h"
#include "proxy/base/mem.h"

static enum lk_hello_result parse(const unsigned char *data, size_t len, struct lk_hello *hello, char *scratch)
{
    /* a block of exactly this size, so that the sanitizer sees every byte read behind it */
    char *copy = lk_malloc(len + 1);
    memcpy(copy, data, len);
    enum lk_hello_result result = lk_hello_parse(lk_str(copy, len), scratch, hello);
    lk_free(copy);
    return result;
}

LK_TEST(tls_hello, reads_name_and_protocols)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    const char *const alpn[] = {"h2", "http/1.1", NULL};
    size_t len = hello_make(data, "www.Example.com", alpn, 16384);
    LK_CHECK_EQ_INT(lk_hello_parse(lk_str((const char *)data, len), scratch, &hello), LK_HELLO_OK);
    LK_CHECK_LKSTR(hello.sni, "www.Example.com");
    LK_CHECK_EQ_UINT(hello.alpn_count, 2);
    LK_CHECK_LKSTR(hello.alpn[0], "h2");
    LK_CHECK_LKSTR(hello.alpn[1], "http/1.1");
    LK_CHECK_EQ_UINT(hello.size, len);
}

LK_TEST(tls_hello, neither_name_nor_protocols_is_fine)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    size_t len = hello_make(data, NULL, NULL, 16384);
    LK_CHECK_EQ_INT(lk_hello_parse(lk_str((const char *)data, len), scratch, &hello), LK_HELLO_OK);
    LK_CHECK_EQ_UINT(hello.sni.len, 0);
    LK_CHECK_EQ_UINT(hello.alpn_count, 0);
}

LK_TEST(tls_hello, every_prefix_wants_more_and_the_whole_is_enough)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    const char *const alpn[] = {"h2", NULL};
    size_t len = hello_make(data, "a.test", alpn, 16384);
    for (size_t cut = 0; cut < len; cut++)
        LK_CHECK_MSG(parse(data, cut, &hello, scratch) == LK_HELLO_MORE, "prefix of %zu bytes", cut);
    LK_CHECK_EQ_INT(parse(data, len, &hello, scratch), LK_HELLO_OK);
}

LK_TEST(tls_hello, records_of_any_size_give_the_same)
{
    unsigned char data[8192];
    char scratch[8192];
    const char *const alpn[] = {"h2", "http/1.1", NULL};
    for (size_t record = 1; record < 300; record += record < 20 ? 1 : 37) {
        struct lk_hello hello;
        size_t len = hello_make(data, "spread.test", alpn, record);
        LK_CHECK_EQ_INT(lk_hello_parse(lk_str((const char *)data, len), scratch, &hello), LK_HELLO_OK);
        LK_CHECK_LKSTR(hello.sni, "spread.test");
        LK_CHECK_EQ_UINT(hello.alpn_count, 2);
        for (size_t cut = 0; cut < len; cut += 7)
            LK_CHECK_EQ_INT(parse(data, cut, &hello, scratch), LK_HELLO_MORE);
    }
}

LK_TEST(tls_hello, bytes_behind_the_hello_do_not_matter)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    size_t len = hello_make(data, "a.test", NULL, 16384);
    memset(data + len, 0xff, 100);
    LK_CHECK_EQ_INT(parse(data, len + 100, &hello, scratch), LK_HELLO_OK);
    LK_CHECK_EQ_UINT(hello.size, len);
}

LK_TEST(tls_hello, what_is_not_tls_is_known_by_its_first_bytes)
{
    static const char *const others[] = {
        "G",    "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0",  "SSH-2.0-x\r\n", "\r\n",
        "\x80", "\x16\x02\x01",           "\x16\x03garbage", "\x15\x03\x01",  "\x17\x03\x03"};
    char scratch[64];
    struct lk_hello hello;
    for (size_t i = 0; i < LK_ARRAY_LEN(others); i++)
        LK_CHECK_MSG(lk_hello_parse(lk_str_from(others[i]), scratch, &hello) == LK_HELLO_NOT_TLS, "case %zu", i);
    LK_CHECK_EQ_INT(lk_hello_parse(lk_str("\x16\x03\x01\x00\x00", 5), scratch, &hello),
                    LK_HELLO_NOT_TLS); /* empty record */
    LK_CHECK_EQ_INT(lk_hello_parse(lk_str("\x16\x03\x01\x00\x01\x02", 6), scratch, &hello),
                    LK_HELLO_NOT_TLS); /* ServerHello */
}

LK_TEST(tls_hello, lengths_that_lie_are_refused)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    size_t len = hello_make(data, "a.test", NULL, 16384);
    data[6] = 1; /* a message of 64 kB and more */
    LK_CHECK_EQ_INT(parse(data, len, &hello, scratch), LK_HELLO_NOT_TLS);
    for (size_t at = 9 + 34; at < len; at++) {
        /* a length inside the message that points behind it is never followed */
        hello_make(data, "a.test", NULL, 16384);
        data[at] = 0xff;
        enum lk_hello_result result = parse(data, len, &hello, scratch);
        LK_CHECK(result == LK_HELLO_OK || result == LK_HELLO_NOT_TLS);
    }
}

LK_TEST(tls_hello, bytes_behind_the_extensions_are_refused)
{
    unsigned char data[1024];
    char scratch[1024];
    struct lk_hello hello;
    size_t len = hello_make(data, "a.test", NULL, 16384);
    data[len] = 0;
    data[4]++; /* record and message are a byte longer than what they hold */
    data[8]++;
    LK_CHECK_EQ_INT(parse(data, len + 1, &hello, scratch), LK_HELLO_NOT_TLS);
}

LK_TEST(tls_hello, more_protocols_than_room_are_left_out)
{
    unsigned char data[2048];
    char scratch[2048];
    struct lk_hello hello;
    const char *alpn[LK_HELLO_ALPN_MAX + 5] = {NULL};
    for (unsigned i = 0; i < LK_HELLO_ALPN_MAX + 4; i++)
        alpn[i] = "proto";
    size_t len = hello_make(data, NULL, alpn, 16384);
    LK_CHECK_EQ_INT(parse(data, len, &hello, scratch), LK_HELLO_OK);
    LK_CHECK_EQ_UINT(hello.alpn_count, LK_HELLO_ALPN_MAX);
}
