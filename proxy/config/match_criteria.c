/* Merging and looking up match criteria. Pure; main thread for configuration, any worker for requests. */
#include "proxy/config/match_criteria.h"

#include <stdlib.h>

static int by_name(const void *a, const void *b)
{
    return lk_str_cmp(((const struct lk_value *)a)->name, ((const struct lk_value *)b)->name);
}

/* Into its place; of two equal names the later wins. */
static size_t put(struct lk_value *items, size_t count, const struct lk_value *item)
{
    size_t at = count;

    while (at > 0 && lk_str_cmp(items[at - 1].name, item->name) > 0)
        at--;
    if (at > 0 && lk_str_eq(items[at - 1].name, item->name)) {
        items[at - 1] = *item;
        return count;
    }
    memmove(items + at + 1, items + at, (count - at) * sizeof(*items));
    items[at] = *item;
    return count + 1;
}

const struct lk_match_criteria *lk_match_criteria_merge(struct lk_arena *arena, const struct lk_match_criteria *parent,
                                                        const struct lk_value *object)
{
    struct lk_match_criteria *out = lk_arena_zalloc(arena, sizeof(*out));
    size_t inherited = parent != NULL ? parent->count : 0;
    size_t own = object != NULL && object->kind == LK_VALUE_OBJECT ? object->child_count : 0;
    struct lk_value *items = lk_arena_array(arena, inherited + own + 1, sizeof(*items));

    if (inherited > 0)
        memcpy(items, parent->items, inherited * sizeof(*items));
    out->count = inherited;
    for (size_t i = 0; i < own; i++)
        out->count = put(items, out->count, &object->children[i]);
    out->items = items;
    return out;
}

const struct lk_match_criteria *lk_match_criteria_of(struct lk_arena *arena, const struct lk_match_criteria *parent,
                                                     const struct lk_metadata *metadata)
{
    const struct lk_value *own = metadata != NULL ? lk_value_get(&metadata->root, LK_STR("envoy.lb")) : NULL;

    return own != NULL ? lk_match_criteria_merge(arena, parent, own) : parent;
}

const struct lk_value *lk_match_criteria_get(const struct lk_match_criteria *criteria, struct lk_str name)
{
    struct lk_value key = {.name = name};

    if (criteria == NULL || criteria->count == 0)
        return NULL;
    return bsearch(&key, criteria->items, criteria->count, sizeof(key), by_name);
}
