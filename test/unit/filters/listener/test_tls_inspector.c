/* envoy.filters.listener.tls_inspector on real connections. */
#include "test/unit/filters/hello.h"
#include "test/unit/filters/inspected.h"

#define TYPE "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"

static int say(struct inspected *seen, const void *data, size_t len)
{
    int client = session_connect(seen->f, 0);
    LK_CHECK_EQ_INT(send(client, data, len, 0), (long long)len);
    return client;
}

LK_TEST(tls_inspector, finds_name_and_protocols_and_leaves_the_bytes)
{
    struct inspected seen;
    unsigned char hello[1024];
    const char *const alpn[] = {"h2", "http/1.1", NULL};
    inspected_begin(&seen, TYPE, 15000);
    size_t len = hello_make(hello, "WWW.Example.com", alpn, 16384);
    int client = say(&seen, hello, len);
    UPSTREAM_UNTIL(seen.f->up, seen.byte_count == len);
    LK_CHECK_STR(seen.transport, "tls");
    LK_CHECK_STR(seen.sni, "www.example.com");
    LK_CHECK_STR(seen.alpn, "h2 http/1.1");
    LK_CHECK_MEM(seen.bytes, hello, len);
    close(client);
    inspected_end(&seen);
}

LK_TEST(tls_inspector, waits_for_the_last_byte_of_a_hello)
{
    struct inspected seen;
    unsigned char hello[1024];
    inspected_begin(&seen, TYPE, 15000);
    size_t len = hello_make(hello, "a.test", NULL, 50);
    int client = say(&seen, hello, 1);
    for (size_t at = 1; at < len; at++) {
        upstream_turn(seen.f->up, 2);
        LK_CHECK_EQ_UINT(seen.started, 0);
        LK_CHECK_EQ_INT(send(client, hello + at, 1, 0), 1);
    }
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK_STR(seen.sni, "a.test");
    close(client);
    inspected_end(&seen);
}

LK_TEST(tls_inspector, plaintext_goes_on_at_once)
{
    struct inspected seen;
    inspected_begin(&seen, TYPE, 15000);
    int client = say(&seen, "GET / HTTP/1.1\r\n", 16);
    UPSTREAM_UNTIL(seen.f->up, seen.byte_count == 16);
    LK_CHECK_STR(seen.transport, "raw_buffer");
    LK_CHECK_STR(seen.alpn, "");
    close(client);
    inspected_end(&seen);
}

LK_TEST(tls_inspector, endless_hello_is_given_up)
{
    struct inspected seen;
    char record[64 + 5];
    inspected_begin(&seen, TYPE, 15000);
    memset(record, 0, sizeof(record));
    /* a message of 65,532 bytes, which in records of 64 is more than the inspector is willing to see */
    memcpy(record, "\x16\x03\x01\x00\x40\x01\x00\xff\xfc", 9);
    int client = session_connect(seen.f, 0);
    for (unsigned i = 0; i < 1100 && seen.started == 0; i++) {
        (void)!send(client, record, sizeof(record), MSG_DONTWAIT);
        if (i == 0)
            memcpy(record + 5, "\0\0\0\0", 4);
        upstream_turn(seen.f->up, 1);
    }
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK_STR(seen.transport, "raw_buffer");
    close(client);
    inspected_end(&seen);
}

LK_TEST(tls_inspector, configuration_is_checked)
{
    struct typed_test t;
    typed_init(&t);
    struct lk_any bad = {LK_STR_INIT(TYPE), LK_STR_INIT("\xff\xff\xff")};
    LK_CHECK_NULL(lk_tls_inspector_filter.config_new(&t.context, &bad, &t.errors));
    LK_CHECK(t.errors.count > 0);
    typed_fini(&t);
    LK_CHECK_EQ_UINT(lk_tls_inspector_filter.max_read(NULL), 65536);
    LK_CHECK(lk_tls_inspector_filter.needs_data);
}
