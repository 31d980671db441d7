/*
 * A sparse array of numbers for a handful of keys out of many: response codes of a cluster, gauges set once. Cells are
 * added by one writer at a time and never removed; any thread may read meanwhile.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_CELLS_PER_CHUNK 4

struct lk_cells {
    struct lk_cells *_Atomic next;
    _Atomic uint16_t keys[LK_CELLS_PER_CHUNK]; /* 0: free; key + 1 otherwise */
    _Atomic uint64_t values[LK_CELLS_PER_CHUNK];
};

typedef void (*lk_cells_each_fn)(void *arg, unsigned key, uint64_t value);

/* The cell of a key (below 65535), or NULL. */
_Atomic uint64_t *lk_cells_find(struct lk_cells *cells, unsigned key);
/* Adds a cell for a key that has none; *head changes when there was no chunk. Returns the bytes allocated. */
size_t lk_cells_add(struct lk_cells *_Atomic *head, unsigned key, uint64_t value);
void lk_cells_each(struct lk_cells *cells, lk_cells_each_fn fn, void *arg);
void lk_cells_free(struct lk_cells *cells);
