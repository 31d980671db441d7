/* Metadata from short texts, for tests: "lane=gray zone=a|b" is envoy.lb: {lane: gray, zone: [a, b]}. */
#pragma once

#include "proxy/config/match_criteria.h"
#include "test/support/lk_test.h"

static inline void test_value(struct lk_arena *arena, struct lk_str text, struct lk_value *out)
{
    out->kind = LK_VALUE_TEXT;
    out->text = lk_arena_str(arena, text);
    if (lk_str_find_byte(text, '|') == text.len)
        return;
    struct lk_value *children = lk_arena_array(arena, text.len + 1, sizeof(*children));
    out->kind = LK_VALUE_LIST;
    out->children = children;
    while (text.ptr != NULL)
        test_value(arena, lk_str_split(&text, '|'), &children[out->child_count++]);
}

/* "[]" is the empty list. */
static inline struct lk_value *test_object(struct lk_arena *arena, const char *spec)
{
    struct lk_value *object = lk_arena_zalloc(arena, sizeof(*object));
    struct lk_value *members = lk_arena_array(arena, 16, sizeof(*members));
    struct lk_str rest = lk_str_from(spec);
    object->kind = LK_VALUE_OBJECT;
    object->children = members;
    while (rest.ptr != NULL && rest.len > 0) {
        struct lk_str pair = lk_str_split(&rest, ' ');
        struct lk_value *member = &members[object->child_count++];
        struct lk_str name = lk_arena_str(arena, lk_str_split(&pair, '='));
        if (lk_str_eq(pair, LK_STR("[]")))
            member->kind = LK_VALUE_LIST;
        else
            test_value(arena, pair, member);
        member->name = name;
    }
    return object;
}

static inline const struct lk_metadata *test_metadata(struct lk_arena *arena, const char *spec)
{
    struct lk_metadata *metadata = lk_arena_zalloc(arena, sizeof(*metadata));
    struct lk_value *own = test_object(arena, spec);
    own->name = LK_STR("envoy.lb");
    metadata->root = (struct lk_value){.kind = LK_VALUE_OBJECT, .children = own, .child_count = 1};
    return metadata;
}

static inline const struct lk_match_criteria *test_criteria(struct lk_arena *arena, const char *spec)
{
    return lk_match_criteria_merge(arena, NULL, test_object(arena, spec));
}
