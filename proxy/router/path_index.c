/* Path look-up: exact by hash, prefixes by radix tree, regexes as one list; lists are merged by taking the smallest
 * index. */
#include "proxy/router/path_index.h"

#include "proxy/base/mem.h"

static struct lk_str lowered(struct lk_arena *arena, struct lk_str s)
{
    char *out = lk_arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        out[i] = (char)lk_ascii_lower((unsigned char)s.ptr[i]);
    return lk_str(out, s.len);
}

static void list_add(struct lk_path_index *index, struct lk_path_list *list, uint32_t route)
{
    index->next[route] = LK_PATH_NONE;
    if (list->first == LK_PATH_NONE)
        list->first = route;
    else
        index->next[list->last] = route;
    list->last = route;
}

static struct lk_path_list *exact_list(struct lk_path_tree *tree, struct lk_arena *arena, struct lk_str path)
{
    struct lk_path_list *list = lk_map_get(&tree->exact, path);

    if (list == NULL) {
        list = lk_arena_alloc(arena, sizeof(*list));
        *list = (struct lk_path_list){LK_PATH_NONE, LK_PATH_NONE};
        lk_map_set(&tree->exact, path, list);
    }
    return list;
}

static struct lk_path_list *prefix_list(struct lk_path_tree *tree, struct lk_arena *arena, struct lk_str path,
                                        bool separated)
{
    void **slot = lk_radix_slot(&tree->prefixes, arena, path);
    struct lk_path_prefix *prefix = *slot;

    if (prefix == NULL) {
        prefix = *slot = lk_arena_alloc(arena, sizeof(*prefix));
        prefix->plain = prefix->separated = (struct lk_path_list){LK_PATH_NONE, LK_PATH_NONE};
    }
    return separated ? &prefix->separated : &prefix->plain;
}

static void add(struct lk_path_index *index, struct lk_arena *arena, uint32_t i)
{
    const struct lk_route_match *match = &index->routes[i].match;
    struct lk_path_tree *tree = &index->trees[!match->case_sensitive];
    struct lk_str path = match->case_sensitive ? match->path : lowered(arena, match->path);

    switch (match->kind) {
    case LK_PATH_MATCH_REGEX:
        list_add(index, &index->regexes, i);
        return;
    case LK_PATH_MATCH_CONNECT:
        return;
    case LK_PATH_MATCH_EXACT:
        list_add(index, exact_list(tree, arena, path), i);
        break;
    case LK_PATH_MATCH_PREFIX:
    case LK_PATH_MATCH_SEPARATED_PREFIX:
        list_add(index, prefix_list(tree, arena, path, match->kind == LK_PATH_MATCH_SEPARATED_PREFIX), i);
        break;
    }
    tree->used = true;
}

/* The most lists that one key can meet on its way down. */
static unsigned deepest(const struct lk_radix_node *node)
{
    const struct lk_path_prefix *prefix = node->value;
    unsigned below = 0;

    for (unsigned i = 0; i < node->child_count; i++) {
        unsigned lists = deepest(node->children[i]);

        below = LK_MAX(below, lists);
    }
    if (prefix == NULL)
        return below;
    return below + (prefix->plain.first != LK_PATH_NONE) + (prefix->separated.first != LK_PATH_NONE);
}

void lk_path_index_init(struct lk_path_index *index, struct lk_arena *arena, const struct lk_route *routes,
                        size_t count)
{
    *index = (struct lk_path_index){.routes = routes, .regexes = {LK_PATH_NONE, LK_PATH_NONE}};
    index->next = lk_arena_array(arena, count, sizeof(*index->next));
    for (int i = 0; i < 2; i++)
        lk_map_init(&index->trees[i].exact);
    for (size_t i = 0; i < count; i++)
        add(index, arena, (uint32_t)i);
    index->max_lists = 1;
    for (int i = 0; i < 2; i++)
        index->max_lists += 1 + deepest(&index->trees[i].prefixes);
}

void lk_path_index_fini(struct lk_path_index *index)
{
    for (int i = 0; i < 2; i++)
        lk_map_fini(&index->trees[i].exact);
}

static void cursor_add(struct lk_path_cursor *cursor, uint32_t first)
{
    if (first != LK_PATH_NONE)
        cursor->heads[cursor->count++] = first;
}

static void cursor_add_tree(struct lk_path_cursor *cursor, const struct lk_path_tree *tree, struct lk_str path)
{
    const struct lk_path_list *exact = tree->exact.count > 0 ? lk_map_get(&tree->exact, path) : NULL;
    const struct lk_path_prefix *prefix;
    struct lk_radix_walk walk;
    struct lk_str rest;

    if (exact != NULL)
        cursor_add(cursor, exact->first);
    lk_radix_walk_init(&walk, &tree->prefixes, path);
    while ((prefix = lk_radix_walk_next(&walk, &rest)) != NULL) {
        cursor_add(cursor, prefix->plain.first);
        if (rest.len == 0 || rest.ptr[0] == '/')
            cursor_add(cursor, prefix->separated.first);
    }
}

void lk_path_cursor_init(struct lk_path_cursor *cursor, const struct lk_path_index *index, struct lk_arena *scratch,
                         struct lk_str path)
{
    cursor->index = index;
    cursor->count = 0;
    cursor->heads = cursor->inline_heads;
    if (index->max_lists > LK_PATH_CURSORS_INLINE)
        cursor->heads = lk_arena_alloc(scratch, index->max_lists * sizeof(*cursor->heads));
    if (index->trees[0].used)
        cursor_add_tree(cursor, &index->trees[0], path);
    if (index->trees[1].used)
        cursor_add_tree(cursor, &index->trees[1], lowered(scratch, path));
    cursor_add(cursor, index->regexes.first);
}

uint32_t lk_path_cursor_next(struct lk_path_cursor *cursor)
{
    unsigned best = 0;
    uint32_t route;

    if (cursor->count == 0)
        return LK_PATH_NONE;
    for (unsigned i = 1; i < cursor->count; i++)
        if (cursor->heads[i] < cursor->heads[best])
            best = i;
    route = cursor->heads[best];
    cursor->heads[best] = cursor->index->next[route];
    if (cursor->heads[best] == LK_PATH_NONE)
        cursor->heads[best] = cursor->heads[--cursor->count];
    return route;
}
