/* The body of POST /explain: the head that comes of it, and what is refused. */
#include "proxy/server/explain_request.h"

#include "test/support/lk_test.h"

struct setup {
    struct lk_arena arena;
    struct lk_errors errors;
    struct lk_explain_request request;
    bool ok;
};

static void parse(struct setup *s, const char *body)
{
    lk_arena_init(&s->arena);
    lk_errors_init(&s->errors);
    s->ok = lk_explain_request_parse(&s->request, &s->arena, lk_str_from(body), &s->errors);
}

static void finish(struct setup *s)
{
    lk_errors_fini(&s->errors);
    lk_arena_reset(&s->arena);
}

static void check_wire(const char *body, const char *wire)
{
    struct setup s;

    parse(&s, body);
    LK_CHECK_MSG(s.ok, "%s: %s: %s", body, s.errors.count > 0 ? s.errors.items[0].path : "",
                 s.errors.count > 0 ? s.errors.items[0].text : "");
    LK_CHECK_LKSTR(s.request.wire, wire);
    finish(&s);
}

LK_TEST(explain_request, head_is_what_a_client_would_send)
{
    check_wire("{\"listener\":\"in\"}", "GET / HTTP/1.1\r\n\r\n");
    check_wire("{\"listener\":\"in\",\"authority\":\"\"}", "GET / HTTP/1.1\r\nhost: \r\n\r\n");
    check_wire(
        "{\"listener\":\"in\",\"headers\":{\"b\":[\"1\",\"2\"],\"a\":\"3\"},\"authority\":\"h\",\"method\":\"PUT\","
        "\"path\":\"/p?q\",\"protocol\":\"HTTP/1.0\"}",
        "PUT /p?q HTTP/1.0\r\nhost: h\r\nb: 1\r\nb: 2\r\na: 3\r\n\r\n");
    check_wire("{\"listener\":\"in\",\"headers\":[[\"Host\",\"h\"],[\"a\",\"\"],[\"a\",\"2\"]]}",
               "GET / HTTP/1.1\r\nHost: h\r\na: \r\na: 2\r\n\r\n");
    check_wire("{\"listener\":\"in\",\"head_base64\":\"R0VUIC8KCg==\"}", "GET /\n\n");
}

LK_TEST(explain_request, facts_of_the_connection)
{
    struct setup s;
    char text[LK_ADDR_TEXT_MAX];

    parse(&s, "{\"original_destination\":\"[fd00::1]:443\",\"source\":\"10.0.0.9:65535\",\"sni\":\"a.example\","
              "\"alpn\":[\"h2\",\"x\"],\"peer_identity\":\"spiffe://td/a\",\"random\":\"18446744073709551615\","
              "\"worker\":3}");
    LK_CHECK(s.ok);
    LK_CHECK_LKSTR(lk_addr_text(&s.request.destination, text), "[fd00::1]:443");
    LK_CHECK_LKSTR(lk_addr_text(&s.request.source, text), "10.0.0.9:65535");
    LK_CHECK_LKSTR(s.request.transport, "tls");
    LK_CHECK_EQ_UINT(s.request.alpn_count, 2);
    LK_CHECK_LKSTR(s.request.alpn[1], "x");
    LK_CHECK_EQ_UINT(s.request.random, UINT64_MAX);
    LK_CHECK_EQ_UINT(s.request.worker, 3);
    finish(&s);
    parse(&s, "{\"listener\":\"in\"}");
    LK_CHECK_LKSTR(s.request.transport, "raw_buffer");
    LK_CHECK(!s.request.has_alpn);
    finish(&s);
}

LK_TEST(explain_request, metadata_of_every_kind)
{
    struct setup s;
    const struct lk_value *lane, *list;

    parse(&s, "{\"listener\":\"in\",\"metadata\":{\"envoy.lb\":{\"lane\":\"g\",\"n\":1.5,\"b\":true,\"z\":null,"
              "\"l\":[1,{\"k\":\"v\"}]}}}");
    LK_CHECK(s.ok);
    lane = lk_value_get(lk_value_get(s.request.metadata, LK_STR("envoy.lb")), LK_STR("lane"));
    LK_CHECK_LKSTR(lane->text, "g");
    list = lk_value_get(lk_value_get(s.request.metadata, LK_STR("envoy.lb")), LK_STR("l"));
    LK_CHECK_EQ_UINT(list->child_count, 2);
    LK_CHECK_LKSTR(lk_value_get(&list->children[1], LK_STR("k"))->text, "v");
    finish(&s);
}

LK_TEST(explain_request, refuses_at_the_path_of_the_mistake)
{
    static const struct {
        const char *body, *path, *text;
    } cases[] = {
        {"", "", "got nothing"},
        {"{", "", "line 1"},
        {"\"x\"", "", "expected a JSON object"},
        {"{}", "", "expected listener or original_destination"},
        {"{\"listener\":\"in\",\"haeders\":{}}", "haeders", "did you mean \"headers\"?"},
        {"{\"listener\":\"in\",\"SOURCE\":\"1.2.3.4:5\"}", "SOURCE", "did you mean \"source\"?"},
        {"{\"listener\":\"in\",\"qqqqqq\":1}", "qqqqqq", "unknown"},
        {"{\"listener\":1}", "listener", "got a number"},
        {"{\"listener\":\"in\",\"source\":\"1.2.3.4\"}", "source", "expected an address and port"},
        {"{\"listener\":\"in\",\"source\":\"1.2.3.4:65536\"}", "source", "expected an address and port"},
        {"{\"listener\":\"in\",\"source\":\"fd00::1:80\"}", "source", "expected an address and port"},
        {"{\"listener\":\"in\",\"headers\":{\"a:b\":\"c\"}}", "headers[\"a:b\"]", "expected the name of a header"},
        {"{\"listener\":\"in\",\"headers\":{\"\":\"c\"}}", "headers[\"\"]", "expected the name of a header"},
        {"{\"listener\":\"in\",\"headers\":[[\"a\\n\",\"c\"]]}", "headers[0]", "without line breaks"},
        {"{\"listener\":\"in\",\"headers\":[[\"a\",\"c\\r\"]]}", "headers[0]", "without line breaks"},
        {"{\"listener\":\"in\",\"random\":-1}", "random", "expected a whole number"},
        {"{\"listener\":\"in\",\"random\":\"18446744073709551616\"}", "random", "expected a whole number"},
        {"{\"listener\":\"in\",\"alpn\":[1]}", "alpn[0]", "expected a protocol"},
        {"{\"listener\":\"in\",\"head_base64\":\"R0VU\",\"method\":\"GET\"}", "method", "got both"},
        {"{\"listener\":\"in\",\"path\":\"/\\u0000\"}", "", "NUL"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup s;

        parse(&s, cases[i].body);
        LK_CHECK_MSG(!s.ok && s.errors.count == 1, "%s: %zu mistakes", cases[i].body, s.errors.count);
        LK_CHECK_STR(s.errors.items[0].path, cases[i].path);
        LK_CHECK_CONTAINS(s.errors.items[0].text, cases[i].text);
        finish(&s);
    }
}
