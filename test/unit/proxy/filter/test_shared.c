/* Objects that survive configuration versions, by key. */
#include "proxy/filter/filter_context.h"
#include "test/support/lk_test.h"

static unsigned made, dropped;

static void *make(void *arg)
{
    made++;
    return arg;
}

static void drop(void *object)
{
    (void)object;
    dropped++;
}

LK_TEST(shared, one_object_by_key_until_the_last_reference)
{
    int a, b;

    made = dropped = 0;
    LK_CHECK_NULL(lk_shared_find("a"));
    LK_CHECK_EQ_PTR(lk_shared_ref("a", make, &a, drop), &a);
    LK_CHECK_EQ_PTR(lk_shared_ref("a", make, &b, drop), &a);
    LK_CHECK_EQ_PTR(lk_shared_ref("b", make, &b, drop), &b);
    LK_CHECK_EQ_UINT(made, 2);
    LK_CHECK_EQ_PTR(lk_shared_find("a"), &a);
    lk_shared_unref(&a);
    LK_CHECK_EQ_PTR(lk_shared_find("a"), &a);
    lk_shared_unref(&a);
    LK_CHECK_NULL(lk_shared_find("a"));
    LK_CHECK_EQ_UINT(dropped, 1);
    lk_shared_unref(&b);
    LK_CHECK_EQ_UINT(dropped, 2);
}
