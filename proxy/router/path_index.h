/*
 * The routes of one virtual host by path. A look-up yields the routes whose path condition holds, in the order of the
 * configuration, without touching the others; regex routes are yielded in their turn, untested. Part of the route
 * table.
 */
#pragma once

#include "proxy/base/map.h"
#include "proxy/config/route_config.h"
#include "proxy/router/radix.h"

#define LK_PATH_NONE UINT32_MAX

/* Routes with the same path condition, linked by index in ascending order. */
struct lk_path_list {
    uint32_t first, last;
};

struct lk_path_prefix { /* value in the radix trees */
    struct lk_path_list plain, separated;
};

/* One for each case sensitivity: with any case, keys and path are lower case. */
struct lk_path_tree {
    struct lk_map exact; /* path -> struct lk_path_list */
    struct lk_radix_node prefixes;
    bool used;
};

struct lk_path_index {
    const struct lk_route *routes;
    uint32_t *next;               /* by route: the next of its list */
    struct lk_path_tree trees[2]; /* case sensitive, any case */
    struct lk_path_list regexes;
    unsigned max_lists;
};

void lk_path_index_init(struct lk_path_index *index, struct lk_arena *arena, const struct lk_route *routes,
                        size_t count);
void lk_path_index_fini(struct lk_path_index *index);

#define LK_PATH_CURSORS_INLINE 24

struct lk_path_cursor {
    const struct lk_path_index *index;
    uint32_t *heads;
    unsigned count;
    uint32_t inline_heads[LK_PATH_CURSORS_INLINE];
};

/* path: without query. scratch: for a lower-case copy, and for more lists than fit inline. */
void lk_path_cursor_init(struct lk_path_cursor *cursor, const struct lk_path_index *index, struct lk_arena *scratch,
                         struct lk_str path);
/* Index of the next candidate, LK_PATH_NONE at the end. */
uint32_t lk_path_cursor_next(struct lk_path_cursor *cursor);
