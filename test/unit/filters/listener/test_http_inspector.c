/* envoy.filters.listener.http_inspector: the first line tells. */
#include "test/unit/filters/inspected.h"

#define TYPE "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"

/* What is found out when the text comes in two parts, split anywhere. */
static void check_found(const char *text, const char *alpn)
{
    size_t len = strlen(text);
    struct inspected seen;
    inspected_begin(&seen, TYPE, 15000);
    for (size_t cut = 1; cut <= len; cut += cut < 5 ? 1 : 7) {
        int client = session_connect(seen.f, 0);
        unsigned before = seen.started;
        LK_CHECK_EQ_INT(send(client, text, cut, 0), (long long)cut);
        upstream_turn(seen.f->up, 3);
        if (cut < len)
            (void)!send(client, text + cut, len - cut, MSG_NOSIGNAL);
        UPSTREAM_UNTIL(seen.f->up, seen.started > before);
        LK_CHECK_MSG(strcmp(seen.alpn, alpn) == 0, "\"%s\" split at %zu gives \"%s\"", text, cut, seen.alpn);
        close(client);
    }
    inspected_end(&seen);
}

LK_TEST(http_inspector, tells_the_versions_of_http)
{
    check_found("GET / HTTP/1.1\r\n", "http/1.1");
    check_found("POST /x?y=z HTTP/1.0\r\n", "http/1.0");
    check_found("OPTIONS * HTTP/1.1\n", "http/1.1");
    check_found("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2c");
}

LK_TEST(http_inspector, everything_else_is_not_http)
{
    check_found("SSH-2.0-OpenSSH_9.2\r\n", "");
    check_found("GET / HTTP/3.0\r\n", "");
    check_found("GET /\r\n", "");
    check_found("HELO mail.test\r\n", "");
    check_found("\x16\x03\x01\x02", "");
    check_found("PRIVET something\r\n", "");
}

LK_TEST(http_inspector, undecided_client_goes_on_at_the_timeout)
{
    struct inspected seen;
    inspected_begin(&seen, TYPE, 30);
    int client = session_connect(seen.f, 0);
    LK_CHECK_EQ_INT(send(client, "GE", 2, 0), 2);
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK_STR(seen.alpn, "");
    LK_CHECK_EQ_UINT(session_stat(seen.f, 0, LK_LISTENER_PRE_CX_TIMEOUT), 1);
    close(client);
    inspected_end(&seen);
}

LK_TEST(http_inspector, endless_first_line_is_given_up)
{
    struct inspected seen;
    char block[8192];
    inspected_begin(&seen, TYPE, 15000);
    int client = session_connect(seen.f, 0);
    memset(block, 'a', sizeof(block));
    memcpy(block, "GET /", 5);
    for (unsigned i = 0; i < 20 && seen.started == 0; i++) {
        (void)!send(client, block, sizeof(block), MSG_DONTWAIT);
        memset(block, 'a', 5);
        upstream_turn(seen.f->up, 5);
    }
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK_STR(seen.alpn, "");
    close(client);
    inspected_end(&seen);
}
