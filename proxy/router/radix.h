/*
 * Radix tree over byte strings: finds every stored prefix of a key in one pass. Filled on one thread, then read by
 * many. The tree lives in an arena; keys are not copied.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_radix_node {
    struct lk_str label;             /* the bytes between the parent and this node */
    void *value;                     /* NULL: no key ends here */
    struct lk_radix_node **children; /* parallel to firsts */
    unsigned char *firsts;           /* first byte of each child's label */
    unsigned child_count;
    unsigned child_cap;
};

/* The value slot of a key, made when it is new. */
void **lk_radix_slot(struct lk_radix_node *root, struct lk_arena *arena, struct lk_str key);

/* Walks the stored prefixes of a key from the shortest. */
struct lk_radix_walk {
    const struct lk_radix_node *node;
    struct lk_str rest;
};

void lk_radix_walk_init(struct lk_radix_walk *walk, const struct lk_radix_node *root, struct lk_str key);
/* The next stored prefix's value, NULL at the end; *rest is what of the key follows it. */
void *lk_radix_walk_next(struct lk_radix_walk *walk, struct lk_str *rest);
