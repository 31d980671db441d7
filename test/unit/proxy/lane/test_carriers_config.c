/* Which configurations of carriers and emit headers go together. */
#include "test/unit/proxy/lane/carriers_fixture.h"

/* The config is refused at exactly that field. */
static void check_refused(const struct lk_lane_filter_carriers *config, const char *path, const char *text)
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

LK_TEST(carriers_config, names_become_keys)
{
    struct lk_str aliases[] = {LK_STR("x-mse-tag"), LK_STR("x_lane_canary")};
    struct carriers c;
    carriers_compile(&c, &(struct lk_lane_filter_carriers){
                             .header = LK_STR("x-my-lane"),
                             .baggage_key = LK_STR("my.lane"),
                             .tracestate_key = LK_STR("my@lane"),
                             .sw8_correlation_key = LK_STR("my-lane"),
                             .aliases = aliases,
                             .alias_count = 2,
                         });
    LK_CHECK_EQ_INT(c.compiled.header.id, LK_HEADER_OTHER);
    LK_CHECK_LKSTR(c.compiled.header.name, "x-my-lane");
    LK_CHECK_LKSTR(c.compiled.baggage, "my.lane");
    LK_CHECK_LKSTR(c.compiled.tracestate, "my@lane");
    LK_CHECK_LKSTR(c.compiled.sw8_correlation, "my-lane");
    LK_CHECK_EQ_UINT(c.compiled.alias_count, 2);
    LK_CHECK_EQ_INT(c.compiled.aliases[0].id, LK_HEADER_X_MSE_TAG);
    LK_CHECK_LKSTR(c.compiled.aliases[1].name, "x_lane_canary");
    struct header_text t;
    header_text_init(&t, "x-lane: g\n");
    lk_carriers_write(&c.compiled, NULL, NULL, LK_STR("h"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, "x-lane: g\nx-my-lane: h\nbaggage: my.lane=h\nsw8-correlation: bXktbGFuZQ==:aA==\n");
    LK_CHECK_LKSTR(lk_carriers_read(&c.compiled, &t.headers).name, "h");
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers_config, without_a_key_baggage_is_left_alone)
{
    struct carriers c;
    struct header_text t;
    carriers_compile(&c, &(struct lk_lane_filter_carriers){.header = LK_STR("x-lane")});
    header_text_init(&t, "baggage: lane=g,a=1\n");
    LK_CHECK(!lk_carriers_read(&c.compiled, &t.headers).found);
    LK_CHECK(!lk_carriers_strip(&c.compiled, NULL, &t.headers));
    lk_carriers_write(&c.compiled, NULL, NULL, LK_STR("h"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, "baggage: lane=g,a=1\nx-lane: h\n");
    LK_CHECK(lk_carriers_read(&c.compiled, &t.headers).settled);
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers_config, names_with_another_meaning_are_refused)
{
    static const char *const names[] = {
        ":path", "host", "baggage", "tracestate", "content-length", "x-request-id", "p-pradar-cluster-test", "cookie",
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        struct lk_str name = lk_str_from(names[i]);
        struct lk_str aliases[] = {LK_STR("x-good"), name};
        check_refused(&(struct lk_lane_filter_carriers){.header = name}, "header", "another meaning");
        check_refused(&(struct lk_lane_filter_carriers){DEFAULTS, .aliases = aliases, .alias_count = 2}, "aliases[1]",
                      "another meaning");
    }
}

LK_TEST(carriers_config, a_name_occurs_once)
{
    struct lk_str twice[] = {LK_STR("x-tag"), LK_STR("x-mse-tag"), LK_STR("x-tag")};
    struct lk_str self[] = {LK_STR("x-lane")};
    check_refused(&(struct lk_lane_filter_carriers){DEFAULTS, .aliases = twice, .alias_count = 3}, "aliases[2]",
                  "'x-tag' is named twice");
    check_refused(&(struct lk_lane_filter_carriers){DEFAULTS, .aliases = self, .alias_count = 1}, "aliases[0]",
                  "'x-lane' is named twice");
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
        {"x-tag", "gray", NULL},
        {"x-tag", "other", "expected the value 'gray'"},
        {"x-lane", "gray", "carries the mark itself"},
        {"baggage", "a=b", "carries the mark itself"},
        {"tracestate", "a=b", "carries the mark itself"},
        {"sw8-correlation", "a", "carries the mark itself"},
    };
    struct carriers c;
    carriers_full(&c);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct lk_errors errors;
        struct lk_lane_header emit[] = {{LK_STR("a"), LK_STR("b")},
                                        {lk_str_from(table[i].name), lk_str_from(table[i].value)}};
        struct lk_lane lanes[] = {{.name = LK_STR("base")},
                                  {.name = LK_STR("other")},
                                  {.name = LK_STR("gray"), .emit = emit, .emit_count = 2}};
        struct lk_lane_table lane_table = {.lanes = lanes, .lane_count = 3};
        char path[100];
        snprintf(path, sizeof(path), "lanes[1].emit_headers[\"%s\"]", table[i].name);
        lk_errors_init(&errors);
        LK_CHECK_EQ_INT(lk_carriers_check_table(&c.compiled, &lane_table, &errors), table[i].error == NULL);
        LK_CHECK_EQ_UINT(errors.count, table[i].error != NULL);
        if (table[i].error != NULL) {
            LK_CHECK_STR(errors.items[0].path, path);
            LK_CHECK_CONTAINS(errors.items[0].text, table[i].error);
        }
        lk_errors_fini(&errors);
    }
    carriers_fini(&c);
}

LK_TEST(carriers_config, the_emit_names_of_a_table_are_those_of_all_lanes)
{
    struct lk_lane_header red[] = {{LK_STR("x-color"), LK_STR("red")}, {LK_STR("x-mse-tag"), LK_STR("red")}};
    struct lk_lane_header blue[] = {{LK_STR("x-color"), LK_STR("blue")}, {LK_STR("x-hot"), LK_STR("no")}};
    struct lk_lane lanes[] = {{.name = LK_STR("base")},
                              {.name = LK_STR("red"), .emit = red, .emit_count = 2},
                              {.name = LK_STR("blue"), .emit = blue, .emit_count = 2}};
    struct lk_lane_table table = {.lanes = lanes, .lane_count = 3};
    struct lk_header_set names;
    struct header_text t;
    header_text_init(&t, "x-color: 1\nX-MSE-Tag: 2\nx-cold: 3\nx-hot: 4\n");
    lk_carriers_emit_names(&names, &t.arena, &table);
    LK_CHECK_EQ_UINT(names.other_count, 2);
    LK_CHECK_EQ_UINT(lk_header_set_remove(&names, &t.headers), 3);
    CHECK_HEADERS(&t, "x-cold: 3\n");
    table.lane_count = 1;
    lk_carriers_emit_names(&names, &t.arena, &table);
    LK_CHECK(!lk_header_set_any(&names, &t.headers));
    header_text_fini(&t);
}
