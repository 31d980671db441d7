/* Chunks of cells in a list that only grows; a key is published after its value. */
#include "proxy/stats/cells.h"

#include "proxy/base/mem.h"

static struct lk_cells *next_of(struct lk_cells *cells)
{
    return atomic_load_explicit(&cells->next, memory_order_acquire);
}

_Atomic uint64_t *lk_cells_find(struct lk_cells *cells, unsigned key)
{
    for (; cells != NULL; cells = next_of(cells)) {
        for (unsigned i = 0; i < LK_CELLS_PER_CHUNK; i++) {
            unsigned stored = atomic_load_explicit(&cells->keys[i], memory_order_acquire);

            if (stored == key + 1)
                return &cells->values[i];
            if (stored == 0)
                return NULL;
        }
    }
    return NULL;
}

static bool fill(struct lk_cells *cells, unsigned key, uint64_t value)
{
    for (unsigned i = 0; i < LK_CELLS_PER_CHUNK; i++) {
        if (atomic_load_explicit(&cells->keys[i], memory_order_relaxed) != 0)
            continue;
        atomic_store_explicit(&cells->values[i], value, memory_order_relaxed);
        atomic_store_explicit(&cells->keys[i], (uint16_t)(key + 1), memory_order_release);
        return true;
    }
    return false;
}

size_t lk_cells_add(struct lk_cells *_Atomic *head, unsigned key, uint64_t value)
{
    struct lk_cells *_Atomic *at = head;
    struct lk_cells *cells;

    LK_ASSERT(key < UINT16_MAX);
    while ((cells = atomic_load_explicit(at, memory_order_acquire)) != NULL) {
        if (fill(cells, key, value))
            return 0;
        at = &cells->next;
    }
    cells = lk_calloc(1, sizeof(*cells));
    fill(cells, key, value);
    atomic_store_explicit(at, cells, memory_order_release);
    return sizeof(*cells);
}

void lk_cells_each(struct lk_cells *cells, lk_cells_each_fn fn, void *arg)
{
    for (; cells != NULL; cells = next_of(cells)) {
        for (unsigned i = 0; i < LK_CELLS_PER_CHUNK; i++) {
            unsigned stored = atomic_load_explicit(&cells->keys[i], memory_order_acquire);

            if (stored == 0)
                return;
            fn(arg, stored - 1, atomic_load_explicit(&cells->values[i], memory_order_relaxed));
        }
    }
}

void lk_cells_free(struct lk_cells *cells)
{
    while (cells != NULL) {
        struct lk_cells *next = next_of(cells);

        lk_free(cells);
        cells = next;
    }
}
