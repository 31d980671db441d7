/* Values of format operators in text and JSON lines. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/route_config.h"
#include "proxy/filter/format_eval.h"

struct setup {
    struct lk_arena arena;
    struct lk_headers request, response, trailers;
    struct lk_conn_info conn;
    struct lk_stream_info info;
    struct lk_log_event event;
    struct lk_addr host_addr;
};

static void begin(struct setup *s)
{
    memset(s, 0, sizeof(*s));
    lk_arena_init(&s->arena);
    lk_headers_init(&s->request, &s->arena);
    lk_headers_init(&s->response, &s->arena);
    lk_headers_init(&s->trailers, &s->arena);
    s->info.conn = &s->conn;
    s->event = (struct lk_log_event){.info = &s->info,
                                     .request = &s->request,
                                     .response = &s->response,
                                     .trailers = &s->trailers,
                                     .arena = &s->arena,
                                     .type = "DownstreamEnd"};
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->arena);
}

static void have(struct setup *s, struct lk_headers *headers, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&s->arena, lk_str_from(name));
    lk_headers_add_key(headers, &key, lk_str_from(value));
}

static struct lk_format *compiled(struct setup *s, const char *text)
{
    struct lk_error error;
    struct lk_format *format = lk_format_compile(&s->arena, lk_str_from(text), lk_format_extension_names(), &error);
    LK_CHECK_MSG(format != NULL, "%s: %s", text, error.text);
    lk_format_prepare(format);
    return format;
}

static void check(struct setup *s, const char *format, const char *expected)
{
    struct lk_str text = lk_format_eval(compiled(s, format), &s->event, false);
    LK_CHECK_MSG(lk_str_eq(text, lk_str_from(expected)), "%s gives \"%.*s\" instead of \"%s\"", format,
                 LK_STR_ARG(text), expected);
}

static void set_addr(struct lk_addr *addr, const char *ip, uint16_t port)
{
    LK_CHECK(lk_addr_parse_ip(lk_str_from(ip), port, addr));
}

LK_TEST(format_eval, headers_with_alternatives_and_limits)
{
    struct setup s;
    begin(&s);
    have(&s, &s.request, ":method", "GET");
    have(&s, &s.request, "x-long", "abcdef");
    have(&s, &s.request, "x-long", "second");
    have(&s, &s.request, "x-empty", "");
    have(&s, &s.response, "server", "me");
    have(&s, &s.trailers, "grpc-status", "0");
    check(&s, "%REQ(:METHOD)%", "GET");
    check(&s, "%REQ(X-Long)%", "abcdef"); /* the first value */
    check(&s, "%REQ(X-LONG):3%", "abc");
    check(&s, "%REQ(X-NONE?X-LONG)%", "abcdef");
    check(&s, "%REQ(X-NONE?X-NEITHER)%", "-");
    check(&s, "<%REQ(X-EMPTY)%>", "<>");
    check(&s, "%RESP(SERVER)%|%TRAILER(grpc-status)%", "me|0");
    s.event.request = s.event.response = s.event.trailers = NULL; /* TCP */
    check(&s, "%REQ(:METHOD)%%RESP(SERVER)%%TRAILER(x)%", "---");
    finish(&s);
}

LK_TEST(format_eval, absent_values_are_a_dash_or_left_out)
{
    struct setup s;
    begin(&s);
    check(&s, "a%UPSTREAM_HOST%b", "a-b");
    LK_CHECK_LKSTR(lk_format_eval(compiled(&s, "a%UPSTREAM_HOST%b"), &s.event, true), "ab");
    LK_CHECK_LKSTR(lk_format_eval_header(compiled(&s, "a%UPSTREAM_HOST%b"), &s.event), "ab");
    LK_CHECK_LKSTR(lk_format_eval_header(compiled(&s, "plain"), &s.event), "plain");
    check(&s, "100%%", "100%");
    finish(&s);
}

LK_TEST(format_eval, stream_facts)
{
    struct setup s;
    begin(&s);
    s.info.response_code = 503;
    s.info.bytes_received = 7;
    s.info.bytes_sent = UINT64_MAX;
    s.info.protocol = LK_HTTP11;
    s.info.has_protocol = true;
    s.info.details = LK_STR("a detail");
    s.info.route_name = LK_STR("route");
    s.info.id = 9;
    check(&s, "%RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT%", "503 7 18446744073709551615");
    check(&s, "%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.1 -");
    check(&s, "%RESPONSE_CODE_DETAILS%", "a_detail");
    check(&s, "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "a detail");
    check(&s, "%ROUTE_NAME% %STREAM_ID% %ACCESS_LOG_TYPE%", "route 9 DownstreamEnd");
    check(&s, "%RESPONSE_FLAGS%", "-");
    s.info.flags = LK_FLAG_BIT(UPSTREAM_CONNECTION_FAILURE) | LK_FLAG_BIT(UPSTREAM_RETRY_LIMIT_EXCEEDED);
    check(&s, "%RESPONSE_FLAGS%", "UF,URX");
    check(&s, "%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded");
    finish(&s);
}

LK_TEST(format_eval, every_flag_has_its_names)
{
    for (unsigned i = 0; i < LK_FLAG_COUNT; i++) {
        const char *name = lk_response_flag_name((enum lk_response_flag)i, false);
        LK_CHECK_EQ_INT(lk_response_flag_find(lk_str_from(name)), i);
        LK_CHECK(strlen(lk_response_flag_name((enum lk_response_flag)i, true)) > strlen(name));
    }
    LK_CHECK_EQ_INT(lk_response_flag_find(LK_STR("ZZ")), LK_FLAG_COUNT);
}

LK_TEST(format_eval, addresses)
{
    struct setup s;
    begin(&s);
    set_addr(&s.conn.remote, "10.0.0.1", 1234);
    set_addr(&s.conn.local, "10.0.0.2", 80);
    set_addr(&s.conn.direct_local, "127.0.0.1", 15001);
    set_addr(&s.host_addr, "fd00::1", 8080);
    s.info.upstream.host_addr = &s.host_addr;
    check(&s, "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%", "10.0.0.1:1234 1234");
    check(&s, "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%", "10.0.0.2 127.0.0.1:15001");
    check(&s, "%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%",
          "[fd00::1]:8080 fd00::1 8080");
    check(&s, "%UPSTREAM_LOCAL_ADDRESS%", "-");
    set_addr(&s.info.remote, "192.168.0.1", 0); /* of x-forwarded-for */
    check(&s, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
          "192.168.0.1 10.0.0.1:1234");
    finish(&s);
}

LK_TEST(format_eval, durations_between_moments)
{
    struct setup s;
    begin(&s);
    check(&s, "%REQUEST_DURATION%%RESPONSE_DURATION%%RESPONSE_TX_DURATION%", "---");
    s.info.start_us = 1000000;
    s.info.last_downstream_rx_us = 1002500;
    s.info.upstream.first_tx_us = 1003000;
    s.info.upstream.first_rx_us = 1010000;
    s.info.last_downstream_tx_us = 1014000;
    s.info.end_us = 1015999;
    check(&s, "%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "15 2 10 4");
    check(&s, "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%", "3000");
    check(&s, "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ms)%", "10");
    check(&s, "%COMMON_DURATION(US_RX_BEG:DS_RX_BEG:ms)%", "-"); /* backwards */
    finish(&s);
}

LK_TEST(format_eval, times)
{
    struct setup s;
    begin(&s);
    s.info.start_wall_us = 1767182400123456; /* 2025-12-31T12:00:00.123456Z */
    check(&s, "%START_TIME%", "2025-12-31T12:00:00.123Z");
    check(&s, "%START_TIME(%Y/%m/%d)%", "2025/12/31");
    check(&s, "%START_TIME(%s.%3f %6f %f)%", "1767182400.123 123456 123456000");
    s.info.start_us = 10;
    s.info.end_us = 10 + 2000000;
    check(&s, "%EMIT_TIME(%s)%", "1767182402");
    finish(&s);
}

LK_TEST(format_eval, paths_and_queries)
{
    struct setup s;
    begin(&s);
    have(&s, &s.request, ":path", "/new?a=1&b=two");
    check(&s, "%REQ(:PATH)% %PATH(NQ)% %PATH(WQ)%", "/new?a=1&b=two /new /new?a=1&b=two");
    check(&s, "%QUERY_PARAM(b)% %QUERY_PARAM(c)%", "two -");
    check(&s, "%REQ_WITHOUT_QUERY(:PATH)%", "/new");
    check(&s, "%PATH(WQ:ORIG)%", "-");
    have(&s, &s.request, "x-envoy-original-path", "/old?x");
    check(&s, "%PATH(NQ:ORIG)% %PATH(NQ:PATH)% %PATH(WQ)%", "/old /new /old?x");
    finish(&s);
}

LK_TEST(format_eval, metadata_as_text_and_json)
{
    struct setup s;
    static const struct lk_value leaves[] = {
        {.kind = LK_VALUE_TEXT, .name = LK_STR_INIT("zone"), .text = LK_STR_INIT("z")},
        {.kind = LK_VALUE_NUMBER, .name = LK_STR_INIT("n"), .number = 3}};
    static const struct lk_value space = {
        .kind = LK_VALUE_OBJECT, .name = LK_STR_INIT("ns"), .children = leaves, .child_count = 2};
    static const struct lk_metadata metadata = {{.kind = LK_VALUE_OBJECT, .children = &space, .child_count = 1}};
    begin(&s);
    s.info.upstream.host_metadata = &metadata;
    check(&s, "%UPSTREAM_METADATA(ns:zone)% %UPSTREAM_METADATA(ns:n)% %UPSTREAM_METADATA(ns:none)%", "z 3 -");
    check(&s, "%CLUSTER_METADATA(ns:zone)%", "-");
    finish(&s);
}

LK_TEST(format_eval, grpc_status_by_name_and_number)
{
    struct setup s;
    begin(&s);
    check(&s, "%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "- -");
    have(&s, &s.response, "grpc-status", "14");
    check(&s, "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%",
          "Unavailable UNAVAILABLE 14 14");
    have(&s, &s.trailers, "grpc-status", "99"); /* trailers count first */
    check(&s, "%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "99 99");
    finish(&s);
}

/* --- JSON
 * -------------------------------------------------------------------------------------------------------------------
 */

static void check_json(struct setup *s, const char *format, bool omit, const char *expected)
{
    struct lk_json_format leaf = {.kind = LK_JSON_FORMAT_VALUE, .name = LK_STR("k"), .format = compiled(s, format)};
    struct lk_json_format object = {.kind = LK_JSON_FORMAT_OBJECT, .children = &leaf, .child_count = 1};
    lk_json_format_prepare(&object);
    struct lk_str text = lk_json_format_eval(&object, &s->event, omit);
    LK_CHECK_MSG(lk_str_eq(text, lk_str_from(expected)), "%s gives %.*s instead of %s", format, LK_STR_ARG(text),
                 expected);
}

LK_TEST(format_eval, json_keeps_numbers_and_says_null)
{
    struct setup s;
    begin(&s);
    s.info.response_code = 200;
    check_json(&s, "%RESPONSE_CODE%", false, "{\"k\":200}");
    check_json(&s, "code %RESPONSE_CODE%", false, "{\"k\":\"code 200\"}");
    check_json(&s, "%ROUTE_NAME%", false, "{\"k\":null}");
    check_json(&s, "%ROUTE_NAME%", true, "{}");
    check_json(&s, "a%ROUTE_NAME%", false, "{\"k\":\"a-\"}");
    finish(&s);
}

LK_TEST(format_eval, json_escapes_what_the_peer_sends)
{
    struct setup s;
    begin(&s);
    have(&s, &s.request, "x", "a\"b\\c\td\x01\x7f");
    check_json(&s, "%REQ(X)%", false, "{\"k\":\"a\\\"b\\\\c\\td\\u0001\\u007f\"}");
    finish(&s);
}

LK_TEST(format_eval, json_is_utf8_whatever_bytes_the_peer_sends)
{
    struct setup s;
    begin(&s);
    have(&s, &s.request, "x", "\xc3\xa9\"");
    have(&s, &s.request, "y", "\xc3\xa9\xff\"");
    check_json(&s, "%REQ(X)%", false, "{\"k\":\"\xc3\xa9\\\"\"}");
    check_json(&s, "%REQ(Y)%", false, "{\"k\":\"\\u00c3\\u00a9\\u00ff\\u0022\"}");
    finish(&s);
}

LK_TEST(format_eval, peer_cannot_put_anything_but_a_number_in_place_of_a_number)
{
    static const char *const bad[] = {"x", "1,\"evil\":1", "", "007", "-1", "1e5"};
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++) {
        struct setup s;
        char expected[64];
        begin(&s);
        have(&s, &s.response, "grpc-status", bad[i]);
        struct lk_json_format leaf = {
            .kind = LK_JSON_FORMAT_VALUE, .name = LK_STR("k"), .format = compiled(&s, "%GRPC_STATUS_NUMBER%")};
        lk_json_format_prepare(&leaf);
        struct lk_str text = lk_json_format_eval(&leaf, &s.event, false);
        snprintf(expected, sizeof(expected),
                 i == 1              ? "\"1,\\\"evil\\\":1\""
                 : bad[i][0] == '\0' ? "null"
                                     : "\"%s\"",
                 bad[i]);
        LK_CHECK_LKSTR(text, expected);
        finish(&s);
    }
}

LK_TEST(format_eval, json_nests_lists_and_literals)
{
    struct setup s;
    begin(&s);
    struct lk_json_format items[] = {
        {.kind = LK_JSON_FORMAT_LITERAL, .literal = LK_STR("true")},
        {.kind = LK_JSON_FORMAT_VALUE, .format = compiled(&s, "%ROUTE_NAME%")},
        {.kind = LK_JSON_FORMAT_VALUE, .format = compiled(&s, "x")},
    };
    struct lk_json_format list = {
        .kind = LK_JSON_FORMAT_LIST, .name = LK_STR("list"), .children = items, .child_count = 3};
    struct lk_json_format object = {.kind = LK_JSON_FORMAT_OBJECT, .children = &list, .child_count = 1};
    lk_json_format_prepare(&object);
    LK_CHECK_LKSTR(lk_json_format_eval(&object, &s.event, false), "{\"list\":[true,null,\"x\"]}");
    LK_CHECK_LKSTR(lk_json_format_eval(&object, &s.event, true), "{\"list\":[true,\"x\"]}");
    finish(&s);
}

/* --- extensions
 * -------------------------------------------------------------------------------------------------------------- */

static struct lk_str extension(const struct lk_log_event *event, struct lk_str argument)
{
    return lk_arena_printf(event->arena, "<%.*s>", LK_STR_ARG(argument));
}

LK_TEST(format_eval, filters_may_register_operators)
{
    struct setup s;
    begin(&s);
    lk_format_register("TEST_OPERATOR", extension);
    check(&s, "%TEST_OPERATOR(arg)%", "<arg>");
    finish(&s);
}
