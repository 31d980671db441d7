/* Earliest-deadline-first schedule as a binary heap. */
#include "proxy/upstream/edf.h"

#include "proxy/base/mem.h"

#include <stdbool.h>
#include <string.h>

static bool before(const struct lk_edf_entry *a, const struct lk_edf_entry *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static void swap(struct lk_edf_entry *a, struct lk_edf_entry *b)
{
    struct lk_edf_entry t = *a;
    *a = *b;
    *b = t;
}

void lk_edf_init(struct lk_edf *edf, size_t capacity)
{
    memset(edf, 0, sizeof(*edf));
    edf->heap = lk_calloc(capacity > 0 ? capacity : 1, sizeof(*edf->heap));
}

void lk_edf_fini(struct lk_edf *edf)
{
    lk_free(edf->heap);
    memset(edf, 0, sizeof(*edf));
}

void lk_edf_add(struct lk_edf *edf, uint32_t index, double weight)
{
    size_t at = edf->count++;
    edf->heap[at] = (struct lk_edf_entry){edf->now + 1.0 / weight, edf->next_order++, index};
    while (at > 0 && before(&edf->heap[at], &edf->heap[(at - 1) / 2])) {
        swap(&edf->heap[at], &edf->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

uint32_t lk_edf_take(struct lk_edf *edf)
{
    uint32_t index = edf->heap[0].index;
    edf->now = edf->heap[0].deadline;
    edf->heap[0] = edf->heap[--edf->count];
    for (size_t at = 0;;) {
        size_t best = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < edf->count; child++)
            best = before(&edf->heap[child], &edf->heap[best]) ? child : best;
        if (best == at)
            return index;
        swap(&edf->heap[at], &edf->heap[best]);
        at = best;
    }
}
