/* What the pool believes of a server's keep-alive limit, from its FINs and its hints. */
#include "test/support/lk_test.h"

#include "proxy/upstream/idle_learner.h"

static struct lk_host_state *new_state(void)
{
    struct lk_addr addr;
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 80, &addr));
    return lk_host_state_new(&addr);
}

LK_TEST(idle_learner, knows_no_limit_at_first)
{
    struct lk_host_state *state = new_state();
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 1000), UINT32_MAX);
    lk_host_state_unref(state);
}

LK_TEST(idle_learner, one_fin_proves_nothing_and_two_that_agree_do)
{
    struct lk_host_state *state = new_state();
    lk_idle_learner_closed(state, 5003, 10000);
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 10000), UINT32_MAX);
    lk_idle_learner_closed(state, 5000, 20000);
    uint32_t limit = lk_idle_learner_limit(state, 20000);
    LK_CHECK_MSG(limit >= 4000 && limit <= 4960, "limit %u", limit);
    lk_host_state_unref(state);
}

LK_TEST(idle_learner, fins_at_unlike_ages_are_restarts)
{
    struct lk_host_state *state = new_state();
    const uint32_t ages[] = {5000, 900, 30000, 90, 7000, 2000};
    for (unsigned i = 0; i < 6; i++)
        lk_idle_learner_closed(state, ages[i], 1000);
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 1000), UINT32_MAX);
    lk_host_state_unref(state);
}

LK_TEST(idle_learner, fin_right_after_use_is_no_idle_limit)
{
    struct lk_host_state *state = new_state();
    for (unsigned i = 0; i < 5; i++)
        lk_idle_learner_closed(state, 3, 1000);
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 1000), UINT32_MAX);
    lk_host_state_unref(state);
}

LK_TEST(idle_learner, hint_is_believed_at_once)
{
    struct lk_host_state *state = new_state();
    lk_idle_learner_hint(state, 5000, 1000);
    uint32_t limit = lk_idle_learner_limit(state, 1000);
    LK_CHECK_MSG(limit >= 4000 && limit < 5000, "limit %u", limit);
    lk_idle_learner_hint(state, 0, 1000); /* "timeout=0" is no limit that one could stay below */
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 1000), limit);
    lk_host_state_unref(state);
}

LK_TEST(idle_learner, limit_is_always_below_what_was_seen)
{
    for (uint32_t age = 20; age < 400000; age = age * 3 / 2) {
        struct lk_host_state *state = new_state();
        lk_idle_learner_closed(state, age, 1000);
        lk_idle_learner_closed(state, age, 1000);
        uint32_t limit = lk_idle_learner_limit(state, 1000);
        LK_CHECK_MSG(limit > 0 && limit < age, "age %u gives %u", age, limit);
        lk_host_state_unref(state);
    }
}

LK_TEST(idle_learner, evidence_grows_old)
{
    struct lk_host_state *state = new_state();
    lk_idle_learner_hint(state, 5000, 1000);
    LK_CHECK(lk_idle_learner_limit(state, 1000 + 299 * 1000) != UINT32_MAX);
    LK_CHECK_EQ_UINT(lk_idle_learner_limit(state, 1000 + 301 * 1000), UINT32_MAX);
    lk_host_state_unref(state);
}
