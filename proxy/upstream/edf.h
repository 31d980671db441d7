/* Earliest-deadline-first schedule: picks entries in proportion to their weights, O(log n), without bursts. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct lk_edf_entry {
    double deadline;
    uint64_t order; /* breaks ties in insertion order */
    uint32_t index;
};

struct lk_edf {
    struct lk_edf_entry *heap;
    size_t count;
    double now;
    uint64_t next_order;
};

void lk_edf_init(struct lk_edf *edf, size_t capacity);
void lk_edf_fini(struct lk_edf *edf);
void lk_edf_add(struct lk_edf *edf, uint32_t index, double weight);
/* Takes the next index; the caller adds it again with its present weight. At least one entry. */
uint32_t lk_edf_take(struct lk_edf *edf);
