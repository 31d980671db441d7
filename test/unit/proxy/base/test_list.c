/* Intrusive list and reference count. */
#include "proxy/base/list.h"
#include "proxy/base/ref.h"
#include "test/support/lk_test.h"

struct item {
    int number;
    struct lk_list node;
};

static int digits_of(const struct lk_list *head)
{
    int digits = 0;

    LK_LIST_FOREACH(node, head)
    digits = digits * 10 + LK_LIST_ENTRY(node, struct item, node)->number;
    return digits;
}

LK_TEST(list, order_is_as_pushed)
{
    struct lk_list head;
    struct item items[4] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}};

    lk_list_init(&head);
    LK_CHECK(lk_list_empty(&head));
    lk_list_push_back(&head, &items[1].node);
    lk_list_push_back(&head, &items[2].node);
    lk_list_push_front(&head, &items[0].node);
    lk_list_insert_after(&items[0].node, &items[3].node);
    LK_CHECK_EQ_INT(digits_of(&head), 1423);
}

LK_TEST(list, removal_is_safe_twice_and_while_walking)
{
    struct lk_list head;
    struct item items[3] = {{1, {0}}, {2, {0}}, {3, {0}}};

    lk_list_init(&head);
    for (size_t i = 0; i < 3; i++)
        lk_list_push_back(&head, &items[i].node);
    LK_LIST_FOREACH_SAFE(node, &head)
    {
        if (LK_LIST_ENTRY(node, struct item, node)->number == 2)
            lk_list_remove(node);
    }
    LK_CHECK(!lk_list_linked(&items[1].node));
    lk_list_remove(&items[1].node);
    LK_CHECK_EQ_INT(digits_of(&head), 13);
}

LK_TEST(list, splice_moves_all_to_the_end)
{
    struct lk_list a;
    struct lk_list b;
    struct item items[4] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}};

    lk_list_init(&a);
    lk_list_init(&b);
    lk_list_splice(&a, &b);
    LK_CHECK(lk_list_empty(&a));
    for (size_t i = 0; i < 4; i++)
        lk_list_push_back(i < 2 ? &a : &b, &items[i].node);
    lk_list_splice(&a, &b);
    LK_CHECK_EQ_INT(digits_of(&a), 1234);
    LK_CHECK(lk_list_empty(&b));
}

LK_TEST(ref, last_put_frees)
{
    struct lk_ref ref;

    lk_ref_init(&ref);
    lk_ref_get(&ref);
    LK_CHECK(!lk_ref_put(&ref));
    LK_CHECK(lk_ref_put(&ref));
}
