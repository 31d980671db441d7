/* Sparse arrays of numbers. */
#include "proxy/stats/cells.h"
#include "test/support/lk_test.h"

static void add_up(void *arg, unsigned key, uint64_t value)
{
    *(uint64_t *)arg += key * 1000 + value;
}

LK_TEST(cells, every_key_keeps_its_value)
{
    struct lk_cells *_Atomic head = NULL;
    uint64_t total = 0;

    LK_CHECK_NULL(lk_cells_find(atomic_load(&head), 0));
    for (unsigned key = 0; key < 50; key++)
        LK_CHECK_EQ_INT(lk_cells_add(&head, key, key + 7) > 0, key % LK_CELLS_PER_CHUNK == 0);
    for (unsigned key = 0; key < 50; key++)
        LK_CHECK_EQ_UINT(atomic_load(lk_cells_find(atomic_load(&head), key)), key + 7);
    LK_CHECK_NULL(lk_cells_find(atomic_load(&head), 50));
    atomic_fetch_add(lk_cells_find(atomic_load(&head), 3), 1);
    lk_cells_each(atomic_load(&head), add_up, &total);
    LK_CHECK_EQ_UINT(total, 1225 * 1000 + 1225 + 50 * 7 + 1);
    lk_cells_free(atomic_load(&head));
}
