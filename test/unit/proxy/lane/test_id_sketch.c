/* The sketch of ids: counts, and what it says of ids in all their forms. */
#include "proxy/lane/id_sketch.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

LK_TEST(id_sketch, holds_a_print_as_long_as_one_id_has_it)
{
    struct lk_id_sketch *sketch = lk_calloc(1, sizeof(*sketch));
    uint16_t print = lk_id_print(7);

    LK_CHECK(!lk_id_sketch_may_hold(sketch, print));
    lk_id_sketch_add(sketch, print);
    lk_id_sketch_add(sketch, print);
    LK_CHECK(lk_id_sketch_may_hold(sketch, print));
    LK_CHECK(!lk_id_sketch_may_hold(sketch, lk_id_print(8)));
    lk_id_sketch_drop(sketch, print);
    LK_CHECK(lk_id_sketch_may_hold(sketch, print));
    lk_id_sketch_drop(sketch, print);
    LK_CHECK(!lk_id_sketch_may_hold(sketch, print));
    lk_free(sketch);
}

LK_TEST(id_sketch, a_count_that_is_full_never_says_no_again)
{
    struct lk_id_sketch *sketch = lk_calloc(1, sizeof(*sketch));

    for (unsigned i = 0; i < 300; i++)
        lk_id_sketch_add(sketch, 9);
    for (unsigned i = 0; i < 300; i++)
        lk_id_sketch_drop(sketch, 9);
    LK_CHECK(lk_id_sketch_may_hold(sketch, 9));
    lk_free(sketch);
}

LK_TEST(id_sketch, numbers_that_follow_each_other_have_different_prints)
{
    unsigned equal = 0;

    for (uint32_t n = 0; n < 10000; n++)
        equal += lk_id_print(n) == lk_id_print(n + 1);
    LK_CHECK_EQ_UINT(equal, 0);
}
