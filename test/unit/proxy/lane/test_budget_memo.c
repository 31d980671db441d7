/* Budgets found again without the lock, and given back when nobody uses them. */
#include "proxy/lane/budget_memo.h"

#include "test/support/lk_test.h"

LK_TEST(budget_memo, finds_the_budgets_of_the_process)
{
    struct lk_budgets *budgets = lk_budgets_new(1);
    struct lk_budget_memo memo;
    struct lk_budget *budget = lk_budget_ref(budgets, LK_STR("orders"), LK_STR("g"));
    struct lk_budget_cluster *cluster = lk_budget_cluster_ref(budgets, LK_STR("orders"));

    lk_budget_memo_init(&memo, budgets);
    for (unsigned i = 0; i < 2; i++) {
        LK_CHECK(lk_budget_memo_lane(&memo, LK_STR("orders"), LK_STR("g"), 5) == budget);
        LK_CHECK(lk_budget_memo_cluster(&memo, LK_STR("orders"), 5) == cluster);
    }
    LK_CHECK(lk_budget_memo_lane(&memo, LK_STR("orders"), LK_STR("h"), 5) != budget);
    LK_CHECK(lk_budget_memo_lane(&memo, LK_STR("users"), LK_STR("g"), 5) != budget);
    LK_CHECK_EQ_UINT(lk_budget_memo_count(&memo), 3);
    lk_budget_unref(budget, 5);
    lk_budget_cluster_unref(cluster, 5);
    lk_budget_memo_fini(&memo, 5);
    lk_budgets_free(budgets); /* asserts that all were given back */
}

LK_TEST(budget_memo, gives_back_what_was_not_used_for_long)
{
    struct lk_budgets *budgets = lk_budgets_new(1);
    struct lk_budget_memo memo;
    uint64_t now = 1000;

    lk_budget_memo_init(&memo, budgets);
    for (unsigned i = 0; i < 300; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "lane-%u", i);
        lk_budget_memo_lane(&memo, LK_STR("orders"), lk_str(name, (size_t)len), now);
        lk_budget_memo_lane(&memo, lk_str(name, (size_t)len), LK_STR("g"), now);
    }
    LK_CHECK_EQ_UINT(lk_budget_memo_count(&memo), 600);
    now += LK_BUDGET_KEEP_MS + 1;
    lk_budget_memo_lane(&memo, LK_STR("orders"), LK_STR("lane-7"), now);
    lk_budget_memo_lane(&memo, LK_STR("orders"), LK_STR("lane-8"), now);
    LK_CHECK_EQ_UINT(lk_budget_memo_count(&memo), 2);
    lk_budget_memo_fini(&memo, now);
    lk_budgets_free(budgets);
}
