/* envoy.filters.http.header_to_metadata: rules, what they write, mistakes in them. */
#include "proxy/config/metadata.h"
#include "proxy/filter/http_stream.h"
#include "test/support/chain_harness.h"
#include "test/unit/filters/typed.h"

#define TYPE "envoy.extensions.filters.http.header_to_metadata.v3.Config"

static const void *configure(struct typed_test *t, const char *yaml)
{
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_header_to_metadata_filter.config_new(&t->context, &t->any, &t->errors);
}

struct setup {
    struct typed_test t;
    struct chain_harness *h;
};

static void begin(struct setup *s, const char *yaml)
{
    typed_init(&s->t);
    const void *config = configure(&s->t, yaml);
    LK_CHECK_MSG(config != NULL, "%s: %s", s->t.errors.items[0].path, s->t.errors.items[0].text);
    const struct lk_http_filter_entry entry = {
        .filter = &lk_header_to_metadata_filter, .name = LK_STR("h2m"), .config = config};
    s->h = chain_harness_on(s->t.loop, &entry, 1);
}

static void finish(struct setup *s)
{
    chain_harness_free(s->h);
    typed_fini(&s->t);
}

/* The namespace as JSON, "" when nothing is in it. */
static void check(struct setup *s, const char *ns, const char *json)
{
    struct lk_arena *arena = &s->h->stream.arena;
    const struct lk_value *value = lk_stream_info_metadata(&s->h->stream.info, arena, lk_str_from(ns));
    LK_CHECK_LKSTR(value != NULL ? lk_value_text(value, arena) : LK_STR(""), json);
}

/* What one rule writes for one header's value; NULL: the header is absent. */
static void check_rule(const char *present, const char *value, const char *json)
{
    char yaml[1024];
    struct setup s;
    snprintf(yaml, sizeof(yaml),
             "{request_rules: [{header: x, on_header_present: {metadata_namespace: ns, key: k%s}}]}", present);
    begin(&s, yaml);
    if (value != NULL)
        chain_set(s.h, "x", value);
    chain_request(s.h, true);
    check(&s, "ns", json);
    finish(&s);
}

LK_TEST(header_to_metadata, header_becomes_a_value)
{
    check_rule("", "gray", "{\"k\":\"gray\"}");
    check_rule("", "", "");
    check_rule("", NULL, "");
    check_rule(", value: fixed", "gray", "{\"k\":\"fixed\"}");
    check_rule(", value: fixed", "", "{\"k\":\"fixed\"}");
}

LK_TEST(header_to_metadata, value_has_a_type)
{
    check_rule(", type: NUMBER", " -1.5e1 ", "{\"k\":-15}");
    check_rule(", type: NUMBER", "0x10", "{\"k\":16}");
    check_rule(", type: NUMBER", "0x10 x", "");
    check_rule(", type: NUMBER", " ", "");
    check_rule(", type: NUMBER", "1 2", "");
    check_rule(", type: NUMBER", "one", "");
    check_rule(", encode: BASE64", "Z3JheQ==", "{\"k\":\"gray\"}");
    check_rule(", encode: BASE64", "Z3JheQ", "{\"k\":\"gray\"}");
    check_rule(", encode: BASE64", "Z3JheQ=", "{\"k\":\"gray\"}");
    check_rule(", encode: BASE64", "Z3JheR", ""); /* bits beyond the last byte */
    check_rule(", encode: BASE64", "Z3JheQ===", "");
    check_rule(", encode: BASE64", "=", "");
    check_rule(", encode: BASE64", "*", "");
    check_rule(", encode: BASE64", "_-_-", ""); /* of the other alphabet */
    check_rule(", encode: BASE64, type: NUMBER", "NDI=", "{\"k\":42}");
    check_rule(", encode: BASE64, type: PROTOBUF_VALUE", "MigKEioQCg4KBGxhbmUSBhoEZ3JheQoSKhAKDgoEbGFuZRIGGgRiYXNl",
               "{\"k\":[{\"lane\":\"gray\"},{\"lane\":\"base\"}]}");
    check_rule(", type: PROTOBUF_VALUE", "gray", "");
}

LK_TEST(header_to_metadata, value_may_be_rewritten)
{
    const char *rewrite =
        ", regex_value_rewrite: {pattern: {regex: '^/(cluster[\\d\\w-]+)/?.*$'}, substitution: '\\1'}";
    check_rule(rewrite, "/cluster-prod-001/x", "{\"k\":\"cluster-prod-001\"}");
    check_rule(rewrite, "/other", "{\"k\":\"/other\"}");
    check_rule(", regex_value_rewrite: {pattern: {regex: '.*'}, substitution: ''}", "gray", "");
}

LK_TEST(header_to_metadata, too_long_a_value_is_ignored)
{
    char value[8193];
    memset(value, 'x', 8192);
    value[8192] = 0;
    check_rule("", value, "");
    value[8191] = 0;
    struct setup s;
    begin(&s, "{request_rules: [{header: x, on_header_present: {metadata_namespace: ns, key: k}}]}");
    chain_set(s.h, "x", value);
    chain_request(s.h, true);
    LK_CHECK_NOT_NULL(lk_stream_info_metadata(&s.h->stream.info, &s.h->stream.arena, LK_STR("ns")));
    finish(&s);
}

LK_TEST(header_to_metadata, absence_has_a_value_of_its_own)
{
    const char *yaml = "{stat_prefix: h, request_rules: [{header: x-lane, on_header_present: {metadata_namespace: "
                       "envoy.lb, key: lane}, on_header_missing: {metadata_namespace: envoy.lb, key: lane, value: "
                       "base}, remove: true}, {header: X-Lane, on_header_missing: {key: again, value: 'yes'}}]}";
    uint64_t value;
    struct setup s;
    begin(&s, yaml);
    chain_set(s.h, "X-Lane", "gray");
    chain_request(s.h, true);
    check(&s, "envoy.lb", "{\"lane\":\"gray\"}");
    check(&s, "envoy.filters.http.header_to_metadata", "{\"again\":\"yes\"}"); /* the first rule removed it */
    LK_CHECK_NULL(lk_headers_find_name(s.h->stream.request, LK_STR("x-lane")));
    LK_CHECK(lk_stats_find(s.t.context.stats, LK_STR("http_filter_name.h.request_rules_processed"), &value));
    LK_CHECK_EQ_UINT(value, 2);
    LK_CHECK(lk_stats_find(s.t.context.stats, LK_STR("http_filter_name.h.request_metadata_added"), &value));
    LK_CHECK_EQ_UINT(value, 2);
    LK_CHECK(lk_stats_find(s.t.context.stats, LK_STR("http_filter_name.h.request_header_not_found"), &value));
    LK_CHECK_EQ_UINT(value, 1);
    finish(&s);
    begin(&s, yaml);
    chain_request(s.h, true);
    check(&s, "envoy.lb", "{\"lane\":\"base\"}");
    finish(&s);
}

LK_TEST(header_to_metadata, cookies_are_found_by_name)
{
    const char *yaml = "{request_rules: [{cookie: lane, on_header_present: {metadata_namespace: ns, key: k}, "
                       "on_header_missing: {metadata_namespace: ns, key: k, value: none}}]}";
    static const struct {
        const char *cookie, *json;
    } cases[] = {
        {"a=b; lane=gray; lane=blue", "{\"k\":\"gray\"}"},
        {"lane=\"quoted\"", "{\"k\":\"quoted\"}"},
        {"xlane=1;lane =2;lanes=3", "{\"k\":\"none\"}"},
        {"lane", "{\"k\":\"none\"}"},
        {"lane=", "{\"k\":\"none\"}"},
        {"lane=a=b", "{\"k\":\"a=b\"}"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct setup s;
        begin(&s, yaml);
        chain_set(s.h, "cookie", cases[i].cookie);
        chain_request(s.h, true);
        check(&s, "ns", cases[i].json);
        finish(&s);
    }
}

LK_TEST(header_to_metadata, response_has_rules_too)
{
    struct setup s;
    begin(&s, "{response_rules: [{header: ':status', on_header_present: {metadata_namespace: ns, key: status, type: "
              "NUMBER}}]}");
    chain_request(s.h, true);
    check(&s, "ns", "");
    chain_answer(s.h, 204, true);
    check(&s, "ns", "{\"status\":204}");
    finish(&s);
}

LK_TEST(header_to_metadata, route_brings_rules_instead)
{
    struct setup s;
    begin(&s, "{request_rules: [{header: x, on_header_present: {metadata_namespace: ns, key: k}}]}");
    s.t.any = typed_any(s.t.context.arena, TYPE,
                        "{request_rules: [{header: other, on_header_present: {metadata_namespace: ns, key: l}}]}");
    s.h->route_config = lk_header_to_metadata_filter.route_config_new(&s.t.context, &s.t.any, &s.t.errors);
    LK_CHECK_NOT_NULL(s.h->route_config);
    chain_set(s.h, "x", "1");
    chain_set(s.h, "other", "2");
    chain_request(s.h, true);
    check(&s, "ns", "{\"l\":\"2\"}");
    s.t.any = typed_any(s.t.context.arena, TYPE, "{}");
    LK_CHECK_NULL(lk_header_to_metadata_filter.route_config_new(&s.t.context, &s.t.any, &s.t.errors));
    typed_check_error(&s.t, "", "needs request_rules or response_rules");
    finish(&s);
}

static void mistake(const char *rule, const char *path, const char *part)
{
    char yaml[1024];
    struct typed_test t;
    typed_init(&t);
    snprintf(yaml, sizeof(yaml), "{request_rules: [%s]}", rule);
    LK_CHECK_NULL(configure(&t, yaml));
    typed_check_error(&t, path, part);
    typed_fini(&t);
}

LK_TEST(header_to_metadata, mistakes_are_named)
{
    mistake("{on_header_present: {key: k}}", "request_rules[0]", "exactly one of header, cookie");
    mistake("{header: x, cookie: c, on_header_present: {key: k}}", "request_rules[0]", "exactly one of header, cookie");
    mistake("{header: x}", "request_rules[0]", "at least one of on_header_present");
    mistake("{header: 'x y', on_header_present: {key: k}}", "request_rules[0].header", "");
    mistake("{cookie: x, remove: true, on_header_present: {key: k}}", "request_rules[0].remove", "not for cookies");
    mistake("{header: x, on_header_present: {}}", "request_rules[0].on_header_present.key", "");
    mistake("{header: x, on_header_missing: {key: k}}", "request_rules[0].on_header_missing.value", "is required");
    mistake("{header: x, on_header_present: {key: k, value: v, regex_value_rewrite: {pattern: {regex: a}}}}",
            "request_rules[0].on_header_present.regex_value_rewrite", "excludes value");
    mistake("{header: x, on_header_present: {key: k, regex_value_rewrite: {pattern: {regex: '('}}}}",
            "request_rules[0].on_header_present.regex_value_rewrite.pattern.regex", "");
}

LK_TEST(header_to_metadata, type_that_is_none_is_refused)
{
    struct typed_test t;
    typed_init(&t);
    t.any = (struct lk_any){LK_STR(TYPE), LK_STR("\x0a\x0a\x0a\x01x\x12\x05\x12\x01k\x20\x09")};
    LK_CHECK_NULL(lk_header_to_metadata_filter.config_new(&t.context, &t.any, &t.errors));
    typed_check_error(&t, "request_rules[0].on_header_present.type", "9 is no value");
    typed_fini(&t);
}
