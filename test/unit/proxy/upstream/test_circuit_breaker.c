/* Limits of a cluster's resources, and the retry budget in their place. */
#include "test/support/lk_test.h"

#include "proxy/upstream/circuit_breaker.h"

static const struct lk_circuit_limits limits = {
    .max_connections = 1, .max_pending = 2, .max_requests = 3, .max_retries = 1};

LK_TEST(circuit_breaker, each_resource_has_its_own_limit)
{
    struct lk_breaker breaker = {.has_budget = false};
    lk_breaker_init(&breaker, &limits);
    for (unsigned r = 0; r < LK_RESOURCE_COUNT; r++) {
        const unsigned expected[] = {1, 2, 3, 1};
        unsigned taken = 0;
        while (taken < 10 && lk_breaker_has_room(&breaker, (enum lk_resource)r)) {
            lk_breaker_take(&breaker, (enum lk_resource)r);
            taken++;
        }
        LK_CHECK_EQ_UINT(taken, expected[r]);
        lk_breaker_give(&breaker, (enum lk_resource)r);
        LK_CHECK(lk_breaker_has_room(&breaker, (enum lk_resource)r));
        LK_CHECK_EQ_UINT(lk_breaker_used(&breaker, (enum lk_resource)r), expected[r] - 1);
    }
}

LK_TEST(circuit_breaker, limit_of_zero_admits_nothing)
{
    const struct lk_circuit_limits none = {.max_requests = 0};
    struct lk_breaker breaker = {.has_budget = false};
    lk_breaker_init(&breaker, &none);
    LK_CHECK(!lk_breaker_has_room(&breaker, LK_RESOURCE_REQUESTS));
}

LK_TEST(circuit_breaker, budget_bounds_retries_by_active_and_pending_requests)
{
    struct lk_circuit_limits with_budget = limits;
    struct lk_breaker breaker = {.has_budget = false};
    with_budget.has_retry_budget = true;
    with_budget.budget_percent = 20;
    with_budget.min_retry_concurrency = 3;
    lk_breaker_init(&breaker, &with_budget);
    for (unsigned i = 0; i < 3; i++)
        lk_breaker_take(&breaker, LK_RESOURCE_RETRIES);
    LK_CHECK(!lk_breaker_has_room(&breaker, LK_RESOURCE_RETRIES)); /* the least that a budget is */
    for (unsigned i = 0; i < 20; i++)
        lk_breaker_take(&breaker, i % 2 ? LK_RESOURCE_REQUESTS : LK_RESOURCE_PENDING);
    LK_CHECK(lk_breaker_has_room(&breaker, LK_RESOURCE_RETRIES)); /* 20 % of 20 is 4 */
    lk_breaker_take(&breaker, LK_RESOURCE_RETRIES);
    LK_CHECK(!lk_breaker_has_room(&breaker, LK_RESOURCE_RETRIES));
}

LK_TEST(circuit_breaker, gauges_are_up_while_a_limit_is_reached)
{
    static const struct lk_stat_def defs[] = {{"other", LK_STAT_GAUGE},
                                              {"cx", LK_STAT_GAUGE},
                                              {"pending", LK_STAT_GAUGE},
                                              {"rq", LK_STAT_GAUGE},
                                              {"retry", LK_STAT_GAUGE}};
    static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};
    struct lk_stats *stats = lk_stats_new(1);
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    struct lk_breaker breaker = {.has_budget = false};

    lk_stats_thread = 0;
    lk_breaker_init(&breaker, &limits);
    lk_breaker_show(&breaker, scope, 1);
    for (unsigned i = 0; i < 4; i++)
        lk_breaker_take(&breaker, LK_RESOURCE_REQUESTS); /* one too many, as racing workers may */
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 3), 1);
    lk_breaker_give(&breaker, LK_RESOURCE_REQUESTS);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 3), 1);
    lk_breaker_give(&breaker, LK_RESOURCE_REQUESTS);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 3), 0);
    lk_breaker_take(&breaker, LK_RESOURCE_RETRIES);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 4), 1);
    for (unsigned i = 0; i < 3; i++)
        LK_CHECK_EQ_UINT(lk_stats_value(scope, i), 0);
    lk_stats_scope_unref(scope);
    lk_stats_free(stats);
}

LK_TEST(circuit_breaker, a_limit_of_zero_is_always_reached_and_a_budget_has_no_gauge)
{
    static const struct lk_stat_def defs[] = {
        {"cx", LK_STAT_GAUGE}, {"pending", LK_STAT_GAUGE}, {"rq", LK_STAT_GAUGE}, {"retry", LK_STAT_GAUGE}};
    static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};
    const struct lk_circuit_limits with_budget = {
        .max_requests = 5, .max_retries = 0, .has_retry_budget = true, .budget_percent = 100};
    struct lk_stats *stats = lk_stats_new(1);
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    struct lk_breaker breaker = {.has_budget = false};

    lk_stats_thread = 0;
    lk_breaker_init(&breaker, &with_budget);
    lk_breaker_show(&breaker, scope, 0);
    lk_breaker_take(&breaker, LK_RESOURCE_CONNECTIONS); /* a host's first one is let through */
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 0), 1);
    lk_breaker_give(&breaker, LK_RESOURCE_CONNECTIONS);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 0), 1);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 1), 1);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 2), 0);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, 3), 0);
    lk_stats_scope_unref(scope);
    lk_stats_free(stats);
}
