/* Metadata trees. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/metadata.h"

static const struct lk_value numbers[] = {
    {.kind = LK_VALUE_NUMBER, .number = 1},
    {.kind = LK_VALUE_NUMBER, .number = 2.5},
    {.kind = LK_VALUE_NUMBER, .number = 0.1},
};
static const struct lk_value inner[] = {
    {.kind = LK_VALUE_TEXT, .name = LK_STR_INIT("lane"), .text = LK_STR_INIT("gray\"\n")},
    {.kind = LK_VALUE_BOOL, .name = LK_STR_INIT("canary"), .boolean = true},
    {.kind = LK_VALUE_NULL, .name = LK_STR_INIT("nothing")},
    {.kind = LK_VALUE_LIST, .name = LK_STR_INIT("list"), .children = numbers, .child_count = 3},
};
static const struct lk_value namespaces[] = {
    {.kind = LK_VALUE_OBJECT, .name = LK_STR_INIT("envoy.lb"), .children = inner, .child_count = 4},
};
static const struct lk_metadata metadata = {
    .root = {.kind = LK_VALUE_OBJECT, .children = namespaces, .child_count = 1}};

LK_TEST(metadata, finds_a_path_in_a_namespace)
{
    struct lk_str path[] = {LK_STR("canary")};
    struct lk_str deep[] = {LK_STR("canary"), LK_STR("x")};

    LK_CHECK(lk_metadata_get(&metadata, LK_STR("envoy.lb"), path, 1)->boolean);
    LK_CHECK_NULL(lk_metadata_get(&metadata, LK_STR("other"), path, 1));
    LK_CHECK_NULL(lk_metadata_get(&metadata, LK_STR("envoy.lb"), deep, 2));
    LK_CHECK_NULL(lk_metadata_get(NULL, LK_STR("envoy.lb"), path, 1));
    LK_CHECK_EQ_PTR(lk_metadata_get(&metadata, LK_STR("envoy.lb"), NULL, 0), &namespaces[0]);
}

LK_TEST(metadata, compares_objects_in_any_order)
{
    struct lk_value swapped[] = {inner[3], inner[2], inner[1], inner[0]};
    struct lk_value other = {.kind = LK_VALUE_OBJECT, .children = swapped, .child_count = 4};

    LK_CHECK(lk_value_eq(&namespaces[0], &other));
    swapped[2].boolean = false;
    LK_CHECK(!lk_value_eq(&namespaces[0], &other));
    LK_CHECK(!lk_value_eq(&namespaces[0], NULL));
    LK_CHECK(!lk_value_eq(&inner[0], &inner[1]));
}

LK_TEST(metadata, equal_values_have_equal_hashes)
{
    struct lk_value swapped[] = {inner[3], inner[2], inner[1], inner[0]};
    struct lk_value other = {.kind = LK_VALUE_OBJECT, .children = swapped, .child_count = 4};
    struct lk_value reversed[] = {numbers[2], numbers[1], numbers[0]};
    struct lk_value list = inner[3];
    const struct lk_value zeros[] = {{.kind = LK_VALUE_NUMBER, .number = 0.0},
                                     {.kind = LK_VALUE_NUMBER, .number = -0.0}};

    LK_CHECK_EQ_UINT(lk_value_hash(&namespaces[0]), lk_value_hash(&other));
    swapped[2].boolean = false;
    LK_CHECK(lk_value_hash(&namespaces[0]) != lk_value_hash(&other));
    list.children = reversed;
    LK_CHECK(lk_value_hash(&list) != lk_value_hash(&inner[3]));
    LK_CHECK_EQ_UINT(lk_value_hash(&zeros[0]), lk_value_hash(&zeros[1]));
    LK_CHECK(lk_value_hash(&numbers[0]) != lk_value_hash(&numbers[1]));
}

LK_TEST(metadata, prints_json_but_a_lone_string_as_it_is)
{
    struct lk_arena *arena = lk_arena_new();

    LK_CHECK_LKSTR(lk_value_text(&inner[0], arena), "gray\"\n");
    LK_CHECK_LKSTR(lk_value_text(&namespaces[0], arena),
                   "{\"lane\":\"gray\\\"\\u000a\",\"canary\":true,\"nothing\":null,\"list\":[1,2.5,0.1]}");
    lk_arena_free(arena);
}
