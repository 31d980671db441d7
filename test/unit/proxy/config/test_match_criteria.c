/* Match criteria: order, and which of two values for one name wins. */
#include "test/support/lk_test.h"

#include "proxy/config/match_criteria.h"

static const struct lk_value own[] = {
    {.kind = LK_VALUE_TEXT, .name = LK_STR_INIT("zone"), .text = LK_STR_INIT("z")},
    {.kind = LK_VALUE_TEXT, .name = LK_STR_INIT("lane"), .text = LK_STR_INIT("gray")},
    {.kind = LK_VALUE_NUMBER, .name = LK_STR_INIT("stage"), .number = 1},
    {.kind = LK_VALUE_TEXT, .name = LK_STR_INIT("lane"), .text = LK_STR_INIT("blue")},
};
static const struct lk_value object = {.kind = LK_VALUE_OBJECT, .children = own, .child_count = 4};
static const struct lk_value namespaces[] = {
    {.kind = LK_VALUE_OBJECT, .name = LK_STR_INIT("envoy.lb"), .children = own, .child_count = 2},
};
static const struct lk_metadata metadata = {
    .root = {.kind = LK_VALUE_OBJECT, .children = namespaces, .child_count = 1}};
static const struct lk_metadata elsewhere = {.root = {.kind = LK_VALUE_OBJECT}};

LK_TEST(match_criteria, are_sorted_and_the_later_of_two_names_wins)
{
    struct lk_arena arena;
    lk_arena_init(&arena);
    const struct lk_match_criteria *criteria = lk_match_criteria_merge(&arena, NULL, &object);
    LK_CHECK_EQ_UINT(criteria->count, 3);
    LK_CHECK_LKSTR(criteria->items[0].name, "lane");
    LK_CHECK_LKSTR(criteria->items[0].text, "blue");
    LK_CHECK_LKSTR(criteria->items[1].name, "stage");
    LK_CHECK_LKSTR(criteria->items[2].name, "zone");
    LK_CHECK_EQ_PTR(lk_match_criteria_get(criteria, LK_STR("stage")), &criteria->items[1]);
    LK_CHECK_NULL(lk_match_criteria_get(criteria, LK_STR("stag")));
    LK_CHECK_NULL(lk_match_criteria_get(NULL, LK_STR("stage")));
    lk_arena_reset(&arena);
}

LK_TEST(match_criteria, lie_over_those_of_the_parent)
{
    struct lk_arena arena;
    lk_arena_init(&arena);
    const struct lk_match_criteria *parent = lk_match_criteria_of(&arena, NULL, &metadata);
    const struct lk_match_criteria *child = lk_match_criteria_merge(&arena, parent, &object);
    LK_CHECK_EQ_UINT(parent->count, 2);
    LK_CHECK_LKSTR(lk_match_criteria_get(parent, LK_STR("lane"))->text, "gray");
    LK_CHECK_EQ_UINT(child->count, 3);
    LK_CHECK_LKSTR(lk_match_criteria_get(child, LK_STR("lane"))->text, "blue");
    LK_CHECK_EQ_UINT(lk_match_criteria_merge(&arena, parent, NULL)->count, 2);
    LK_CHECK_EQ_UINT(lk_match_criteria_merge(&arena, parent, &own[0])->count, 2); /* no object */
    lk_arena_reset(&arena);
}

LK_TEST(match_criteria, metadata_of_other_namespaces_has_none)
{
    struct lk_arena arena;
    lk_arena_init(&arena);
    const struct lk_match_criteria *parent = lk_match_criteria_of(&arena, NULL, &metadata);
    LK_CHECK_EQ_PTR(lk_match_criteria_of(&arena, parent, &elsewhere), parent);
    LK_CHECK_EQ_PTR(lk_match_criteria_of(&arena, parent, NULL), parent);
    LK_CHECK_NULL(lk_match_criteria_of(&arena, NULL, &elsewhere));
    lk_arena_reset(&arena);
}
