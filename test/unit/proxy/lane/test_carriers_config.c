/* Which configurations of carriers and emit headers are accepted. */
#include "test/unit/proxy/lane/carriers_fixture.h"

/* The config is refused at exactly that field. */
static void check_refused(const struct lk_carriers_config *config, const char *path, const char *text)
{
    struct lk_arena arena;
    struct lk_errors errors;
    struct lk_lane_carriers carriers;
    lk_arena_init(&arena);
    lk_errors_init(&errors);
    LK_CHECK(!lk_carriers_compile(&carriers, &arena, config, &errors));
    LK_CHECK_EQ_UINT(errors.count, 1);
    LK_CHECK_STR(errors.items[0].path, path);
    LK_CHECK_CONTAINS(errors.items[0].text, text);
    lk_errors_fini(&errors);
    lk_arena_reset(&arena);
}

LK_TEST(carriers_config, defaults_are_x_lane_and_one_member_of_baggage)
{
    struct carriers c;
    carriers_default(&c);
    LK_CHECK_EQ_INT(c.compiled.header.id, LK_HEADER_X_LANE);
    LK_CHECK_LKSTR(c.compiled.baggage, "lane");
    LK_CHECK_EQ_UINT(c.compiled.tracestate.len, 0);
    LK_CHECK_EQ_UINT(c.compiled.sw8_correlation.len, 0);
    LK_CHECK_EQ_UINT(c.compiled.alias_count, 0);
    carriers_fini(&c);
}

LK_TEST(carriers_config, everything_can_be_named)
{
    struct lk_str aliases[] = {LK_STR("X-Mse-Tag"), LK_STR("x_lane_canary")};
    struct carriers c;
    carriers_compile(&c, &(struct lk_carriers_config){
                             .header = LK_STR("X-My-Lane"),
                             .baggage = LK_STR("my.lane"),
                             .tracestate = LK_STR("my@lane"),
                             .sw8_correlation = LK_STR("my lane"),
                             .aliases = aliases,
                             .alias_count = 2,
                         });
    LK_CHECK_LKSTR(c.compiled.header.name, "x-my-lane");
    LK_CHECK_LKSTR(c.compiled.baggage, "my.lane");
    LK_CHECK_LKSTR(c.compiled.tracestate, "my@lane");
    LK_CHECK_LKSTR(c.compiled.sw8_correlation, "my lane");
    LK_CHECK_EQ_INT(c.compiled.aliases[0].id, LK_HEADER_X_MSE_TAG);
    LK_CHECK_LKSTR(c.compiled.aliases[1].name, "x_lane_canary");
    carriers_fini(&c);
}

LK_TEST(carriers_config, baggage_can_be_off)
{
    struct carriers c;
    struct header_text t;
    carriers_compile(&c, &(struct lk_carriers_config){.no_baggage = true, .baggage = LK_STR("lane")});
    header_text_init(&t, "baggage: lane=g,a=1\n");
    LK_CHECK(!lk_carriers_read(&c.compiled, &t.headers).found);
    LK_CHECK(!lk_carriers_strip(&c.compiled, NULL, &t.headers));
    lk_carriers_write(&c.compiled, NULL, NULL, LK_STR("h"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, "baggage: lane=g,a=1\nx-lane: h\n");
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers_config, bad_names_are_refused_at_their_field)
{
    static const char *const headers[][2] = {
        {"x lane", "is not a header name"},  {":path", "is not a header name"},
        {"host", "another meaning"},         {"Baggage", "header baggage has another meaning"},
        {"tracestate", "another meaning"},   {"content-length", "another meaning"},
        {"x-request-id", "another meaning"}, {"p-pradar-cluster-test", "another meaning"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(headers); i++) {
        struct lk_str name = lk_str_from(headers[i][0]);
        struct lk_str aliases[] = {LK_STR("x-good"), name};
        check_refused(&(struct lk_carriers_config){.header = name}, "header", headers[i][1]);
        check_refused(&(struct lk_carriers_config){.aliases = aliases, .alias_count = 2}, "aliases[1]", headers[i][1]);
    }
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    check_refused(&(struct lk_carriers_config){.baggage = LK_STR("a b")}, "baggage", "token");
    check_refused(&(struct lk_carriers_config){.baggage = lk_str(longest, 257)}, "baggage", "256");
    check_refused(&(struct lk_carriers_config){.tracestate = LK_STR("LK")}, "tracestate", "\"LK\" is not a key");
    check_refused(&(struct lk_carriers_config){.sw8_correlation = lk_str(longest, 65)}, "sw8_correlation", "64");
}

LK_TEST(carriers_config, aliases_are_few_and_named_once)
{
    struct lk_str twice[] = {LK_STR("x-tag"), LK_STR("X-Tag")};
    struct lk_str self[] = {LK_STR("X-Lane")};
    struct lk_str many[LK_LANE_ALIASES_MAX + 1];
    char names[LK_LANE_ALIASES_MAX + 1][24];
    for (size_t i = 0; i < LK_ARRAY_LEN(many); i++) {
        snprintf(names[i], sizeof(names[i]), "x-%zu", i);
        many[i] = lk_str_from(names[i]);
    }
    check_refused(&(struct lk_carriers_config){.aliases = twice, .alias_count = 2}, "aliases[1]",
                  "x-tag is named twice");
    check_refused(&(struct lk_carriers_config){.aliases = self, .alias_count = 1}, "aliases[0]",
                  "x-lane is named twice");
    check_refused(&(struct lk_carriers_config){.aliases = many, .alias_count = LK_LANE_ALIASES_MAX + 1}, "aliases",
                  "17 aliases, at most 16");
    struct carriers c;
    carriers_compile(&c, &(struct lk_carriers_config){.aliases = many, .alias_count = LK_LANE_ALIASES_MAX});
    LK_CHECK_EQ_UINT(c.compiled.alias_count, LK_LANE_ALIASES_MAX);
    carriers_fini(&c);
}

LK_TEST(carriers_config, emit_headers_may_not_speak_against_the_mark)
{
    static const struct {
        const char *name, *value;
        const char *error; /* NULL: fine */
    } table[] = {
        {"p-pradar-cluster-test", "1", NULL},
        {"x-anything", "", NULL},
        {"user-agent", "PerfomanceTest", NULL},
        {"x-asm-prefer-tag", "gray", NULL},
        {"X-Tag", "gray", NULL},
        {"x-tag", "other", "its value must be gray"},
        {"x-lane", "gray", "carries the mark itself"},
        {"baggage", "a=b", "carries the mark itself"},
        {"tracestate", "a=b", "carries the mark itself"},
        {"sw8-correlation", "a", "carries the mark itself"},
        {"content-length", "1", "cannot be emitted"},
        {":path", "/", "cannot be emitted"},
        {"host", "x", "cannot be emitted"},
        {"x y", "1", "cannot be emitted"},
        {"", "1", "cannot be emitted"},
        {"x-anything", "a\nb", "control bytes"},
    };
    struct carriers c;
    carriers_full(&c);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct lk_error error = {0};
        struct lk_lane_emit emit = emit_of(&c.arena, table[i].name, table[i].value);
        bool good = lk_carriers_check_emit(&c.compiled, LK_STR("gray"), &emit, &error);
        LK_CHECK_MSG(good == (table[i].error == NULL), "%s: %s", table[i].name, error.text);
        if (table[i].error != NULL)
            LK_CHECK_CONTAINS(error.text, table[i].error);
    }
    carriers_fini(&c);
}
