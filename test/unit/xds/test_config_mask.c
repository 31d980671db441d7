/* Field masks over JSON. */
#include "xds/config_mask.h"

#include "test/support/lk_test.h"

static void check_mask(const char *mask_text, const char *value_text, const char *expected_text)
{
    struct lk_arena arena;
    struct lk_config_mask mask;
    json_t *value = json_loads(value_text, 0, NULL), *expected = json_loads(expected_text, 0, NULL), *found;
    char *text;

    LK_CHECK(value != NULL && expected != NULL);
    lk_arena_init(&arena);
    mask = lk_config_mask_parse(&arena, lk_str_from(mask_text));
    found = lk_config_mask_apply(&mask, value);
    text = json_dumps(found, 0);
    LK_CHECK_MSG(json_equal(found, expected), "mask %s of %s gave %s", mask_text, value_text, text);
    free(text);
    json_decref(found);
    json_decref(value);
    json_decref(expected);
    lk_arena_reset(&arena);
}

LK_TEST(config_mask, keeps_named_fields_and_types)
{
    check_mask("a", "{\"@type\":\"t\",\"a\":{\"x\":1,\"@type\":\"u\"},\"b\":2}",
               "{\"@type\":\"t\",\"a\":{\"x\":1,\"@type\":\"u\"}}");
    check_mask("a.x", "{\"a\":{\"x\":1,\"y\":2,\"@type\":\"u\"},\"b\":2}", "{\"a\":{\"x\":1,\"@type\":\"u\"}}");
    check_mask("a,b.c", "{\"a\":1,\"b\":{\"c\":2,\"d\":3},\"e\":4}", "{\"a\":1,\"b\":{\"c\":2}}");
}

LK_TEST(config_mask, joins_paths_below_the_same_field)
{
    check_mask("a.x,a.z", "{\"a\":{\"x\":1,\"y\":2,\"z\":3}}", "{\"a\":{\"x\":1,\"z\":3}}");
    check_mask("a.x,a", "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1,\"y\":2}}");
}

LK_TEST(config_mask, passes_through_lists)
{
    check_mask("l.n", "{\"l\":[{\"n\":1,\"m\":2},{\"n\":3},{}]}", "{\"l\":[{\"n\":1},{\"n\":3},{}]}");
}

LK_TEST(config_mask, finds_nothing_below_a_scalar_or_where_nothing_is)
{
    check_mask("a.b", "{\"a\":1,\"c\":2}", "{}");
    check_mask("z", "{\"a\":1}", "{}");
    check_mask("a.b", "{\"a\":[1,2]}", "{\"a\":[]}");
}

LK_TEST(config_mask, ignores_spaces_and_empty_paths)
{
    struct lk_arena arena;

    lk_arena_init(&arena);
    LK_CHECK_EQ_UINT(lk_config_mask_parse(&arena, LK_STR(" a , ,b,")).count, 2);
    LK_CHECK_EQ_UINT(lk_config_mask_parse(&arena, LK_STR("")).count, 0);
    lk_arena_reset(&arena);
}
