/* The balancers' distributions over one group. */
#include "test/unit/proxy/upstream/hosts.h"

#include "proxy/base/rand.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/lb.h"

struct setup {
    struct lk_host_set *set;
    struct lk_host_view *view;
    struct lk_view_group *group;
    struct lk_cluster_config config;
    unsigned counts[16];
};

static void begin(struct setup *s, enum lk_lb_policy policy, const uint32_t *weights, size_t count)
{
    struct test_host specs[16];
    for (size_t i = 0; i < count; i++)
        specs[i] = (struct test_host){0, LK_HEALTH_HEALTHY, weights[i]};
    memset(s, 0, sizeof(*s));
    s->set = test_hosts(specs, count);
    s->view = lk_host_view_new(s->set, 50, NULL);
    s->group = &s->view->priorities[0].healthy;
    s->config = (struct lk_cluster_config){.lb = policy, .least_request_choices = 2, .least_request_active_bias = 1.0};
}

static void finish(struct setup *s)
{
    lk_host_view_free(s->view);
    lk_host_set_unref(s->set);
}

static size_t pick(struct setup *s)
{
    size_t index = (size_t)(lk_lb_pick(&s->config, s->group, lk_rand_u64()) - s->view->slots);
    s->counts[index]++;
    return index;
}

static const uint32_t equal[] = {1, 1, 1, 1};
static const uint32_t unequal[] = {1, 2, 3, 4};

LK_TEST(lb, round_robin_goes_round)
{
    struct setup s;
    begin(&s, LK_LB_ROUND_ROBIN, equal, 4);
    size_t first = pick(&s);
    for (size_t i = 1; i < 20; i++)
        LK_CHECK_EQ_UINT(pick(&s), (first + i) % 4);
    finish(&s);
}

LK_TEST(lb, round_robin_begins_somewhere)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct setup s;
        begin(&s, LK_LB_ROUND_ROBIN, equal, 4);
        seen |= 1u << pick(&s);
        finish(&s);
    }
    LK_CHECK_EQ_UINT(seen, 15);
}

LK_TEST(lb, weights_are_obeyed_by_every_policy)
{
    const enum lk_lb_policy policies[] = {LK_LB_ROUND_ROBIN, LK_LB_LEAST_REQUEST, LK_LB_RANDOM};
    for (unsigned p = 0; p < 3; p++) {
        struct setup s;
        begin(&s, policies[p], unequal, 4);
        for (unsigned i = 0; i < 10000; i++)
            pick(&s);
        for (unsigned i = 0; i < 4; i++)
            LK_CHECK_NEAR(s.counts[i], 1000.0 * (i + 1), policies[p] == LK_LB_RANDOM ? 300 : 5);
        finish(&s);
    }
}

LK_TEST(lb, random_is_even_over_equal_hosts)
{
    struct setup s;
    begin(&s, LK_LB_RANDOM, equal, 4);
    for (unsigned i = 0; i < 10000; i++)
        pick(&s);
    for (unsigned i = 0; i < 4; i++)
        LK_CHECK_NEAR(s.counts[i], 2500, 300);
    finish(&s);
}

LK_TEST(lb, least_request_avoids_the_busy_host)
{
    struct setup s;
    struct lk_worker_host busy = {.rq_active = 50};
    begin(&s, LK_LB_LEAST_REQUEST, equal, 4);
    s.view->slots[2].worker_host = &busy;
    for (unsigned i = 0; i < 4000; i++)
        pick(&s);
    /* only when both choices fall on it: 1 in 16 */
    LK_CHECK_NEAR(s.counts[2], 250, 100);
    finish(&s);
}

LK_TEST(lb, least_request_lowers_the_weight_of_a_busy_host)
{
    struct setup s;
    struct lk_worker_host busy = {.rq_active = 3};
    const uint32_t weights[] = {8, 4};
    begin(&s, LK_LB_LEAST_REQUEST, weights, 2);
    s.view->slots[0].worker_host = &busy;
    for (unsigned i = 0; i < 3000; i++)
        pick(&s);
    LK_CHECK_NEAR(s.counts[0], 1000, 10); /* 8 / (3 + 1) against 4 */
    finish(&s);
}

LK_TEST(lb, single_host_is_always_it)
{
    struct setup s;
    begin(&s, LK_LB_RANDOM, unequal, 1);
    LK_CHECK_EQ_UINT(pick(&s), 0);
    finish(&s);
}

/* --- asking without moving ---------------------------------------------------------------------------------------- */

LK_TEST(lb, what_is_peeked_at_is_what_is_picked_next)
{
    static const struct {
        enum lk_lb_policy policy;
        const uint32_t *weights;
        size_t count;
        enum lk_lb_method method;
    } cases[] = {
        {LK_LB_ROUND_ROBIN, equal, 4, LK_LB_IN_TURN},     {LK_LB_ROUND_ROBIN, unequal, 4, LK_LB_BY_SCHEDULE},
        {LK_LB_RANDOM, equal, 4, LK_LB_BY_RANDOM},        {LK_LB_RANDOM, unequal, 4, LK_LB_BY_RANDOM},
        {LK_LB_LEAST_REQUEST, equal, 4, LK_LB_BY_LOAD},   {LK_LB_LEAST_REQUEST, unequal, 4, LK_LB_BY_SCHEDULE},
        {LK_LB_ROUND_ROBIN, unequal, 1, LK_LB_ONLY_HOST},
    };
    for (size_t c = 0; c < LK_ARRAY_LEN(cases); c++) {
        struct setup s;
        begin(&s, cases[c].policy, cases[c].weights, cases[c].count);
        LK_CHECK_EQ_INT(lk_lb_method(&s.config, s.group), cases[c].method);
        pick(&s); /* a schedule begins */
        for (unsigned i = 0; i < 50; i++) {
            uint64_t random = lk_rand_u64();
            const struct lk_view_slot *told = lk_lb_peek(&s.config, s.group, random);
            LK_CHECK_EQ_PTR(lk_lb_peek(&s.config, s.group, random), told);
            LK_CHECK_EQ_PTR(lk_lb_pick(&s.config, s.group, random), told);
        }
        finish(&s);
    }
}

LK_TEST(lb, schedule_that_has_not_begun_is_not_begun_by_a_peek)
{
    struct setup s;
    begin(&s, LK_LB_ROUND_ROBIN, unequal, 4);
    LK_CHECK_NULL(lk_lb_peek(&s.config, s.group, 1));
    LK_CHECK(!s.group->edf_ready);
    finish(&s);
}
