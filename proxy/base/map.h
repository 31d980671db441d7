/*
 * Open-addressing hash map from a string slice to a pointer. Keys are not copied: they must live as
 * long as the entry (usually they lie in the value or in the same arena). Single-threaded; safe to
 * read from many threads once it no longer changes.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_map_slot {
    struct lk_str key; /* key.ptr NULL: free */
    void *value;
    uint32_t hash;
};

struct lk_map {
    struct lk_map_slot *slots;
    size_t cap; /* power of two or 0 */
    size_t count;
};

void lk_map_init(struct lk_map *map);
void lk_map_fini(struct lk_map *map);
/* NULL when absent. */
void *lk_map_get(const struct lk_map *map, struct lk_str key);
/* With a hash the caller already has (lk_str_hash). */
void *lk_map_get_hashed(const struct lk_map *map, struct lk_str key, uint64_t hash);
/* Inserts or replaces; returns the previous value or NULL. */
void *lk_map_set(struct lk_map *map, struct lk_str key, void *value);
/* Returns the removed value or NULL. */
void *lk_map_remove(struct lk_map *map, struct lk_str key);

/* Iteration in no order: for (size_t i = 0; (slot = lk_map_next(map, &i));) ... ; no changes meanwhile. */
struct lk_map_slot *lk_map_next(const struct lk_map *map, size_t *cursor);
