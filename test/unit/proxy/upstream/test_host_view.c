/* Load over priorities and health: the cases of Envoy's documents on priority levels, degraded hosts and panic. */
#include "test/unit/proxy/upstream/hosts.h"

#define UP LK_HEALTH_HEALTHY
#define DOWN LK_HEALTH_UNHEALTHY
#define WEAK LK_HEALTH_DEGRADED

/* A view of `healthy`, `degraded` and unhealthy hosts, ten at each priority. */
static struct lk_host_view *view_of_tens(const unsigned (*mix)[2], uint16_t priorities, uint32_t panic_percent)
{
    struct test_host specs[100];
    size_t count = 0;
    for (uint16_t p = 0; p < priorities; p++) {
        for (unsigned i = 0; i < 10; i++)
            specs[count++] = (struct test_host){p, i < mix[p][0] ? UP : i < mix[p][0] + mix[p][1] ? WEAK : DOWN, 1};
    }
    struct lk_host_set *set = test_hosts(specs, count);
    struct lk_host_view *view = lk_host_view_new(set, panic_percent, NULL);
    lk_host_set_unref(set);
    return view;
}

static void check_loads(const unsigned (*mix)[2], uint16_t priorities, const unsigned (*loads)[2])
{
    struct lk_host_view *view = view_of_tens(mix, priorities, 50);
    unsigned sum = 0;
    for (uint16_t p = 0; p < priorities; p++) {
        LK_CHECK_EQ_UINT(view->priorities[p].load, loads[p][0]);
        LK_CHECK_EQ_UINT(view->priorities[p].degraded_load, loads[p][1]);
        sum += loads[p][0] + loads[p][1];
    }
    LK_CHECK_EQ_UINT(sum, 100);
    lk_host_view_free(view);
}

LK_TEST(host_view, healthy_first_priority_takes_everything)
{
    check_loads((const unsigned[][2]){{10, 0}, {10, 0}}, 2, (const unsigned[][2]){{100, 0}, {0, 0}});
    check_loads((const unsigned[][2]){{8, 0}, {10, 0}}, 2, (const unsigned[][2]){{100, 0}, {0, 0}}); /* 80 % x 1.4 */
}

LK_TEST(host_view, load_spills_over_as_health_goes)
{
    check_loads((const unsigned[][2]){{5, 0}, {10, 0}}, 2, (const unsigned[][2]){{70, 0}, {30, 0}});
    check_loads((const unsigned[][2]){{0, 0}, {10, 0}}, 2, (const unsigned[][2]){{0, 0}, {100, 0}});
    check_loads((const unsigned[][2]){{2, 0}, {2, 0}, {10, 0}}, 3, (const unsigned[][2]){{28, 0}, {28, 0}, {44, 0}});
}

LK_TEST(host_view, too_little_health_everywhere_is_scaled_up)
{
    check_loads((const unsigned[][2]){{5, 0}, {1, 0}}, 2, (const unsigned[][2]){{84, 0}, {16, 0}}); /* 70 : 14 */
}

LK_TEST(host_view, degraded_hosts_take_what_healthy_ones_leave)
{
    check_loads((const unsigned[][2]){{5, 5}}, 1, (const unsigned[][2]){{70, 30}});
    check_loads((const unsigned[][2]){{3, 5}, {2, 0}}, 2, (const unsigned[][2]){{42, 30}, {28, 0}});
}

LK_TEST(host_view, picks_follow_the_loads)
{
    struct lk_host_view *view = view_of_tens((const unsigned[][2]){{5, 3}, {0, 10}}, 2, 50);
    unsigned healthy = 0, weak = 0, other = 0;
    for (uint64_t random = 0; random < 100; random++) {
        bool panic;
        const struct lk_view_group *group = lk_host_view_group(view, random, &panic);
        LK_CHECK(!panic);
        healthy += group == &view->priorities[0].healthy;
        weak += group == &view->priorities[0].degraded;
        other += group == &view->priorities[1].degraded;
    }
    LK_CHECK_EQ_UINT(healthy, 70);
    LK_CHECK_EQ_UINT(weak, 30);
    LK_CHECK_EQ_UINT(other, 0);
    lk_host_view_free(view);
}

LK_TEST(host_view, panic_uses_all_hosts_of_the_priority)
{
    struct lk_host_view *view = view_of_tens((const unsigned[][2]){{3, 0}}, 1, 50);
    bool panic;
    const struct lk_view_group *group = lk_host_view_group(view, 5, &panic);
    LK_CHECK(panic);
    LK_CHECK_EQ_UINT(group->count, 10);
    lk_host_view_free(view);
}

LK_TEST(host_view, healthy_fallback_keeps_a_bad_priority_out_of_panic)
{
    struct lk_host_view *view = view_of_tens((const unsigned[][2]){{1, 0}, {10, 0}}, 2, 50);
    LK_CHECK(!view->priorities[0].panic);
    LK_CHECK_EQ_UINT(view->priorities[0].load, 14);
    bool panic;
    LK_CHECK_EQ_UINT(lk_host_view_group(view, 3, &panic)->count, 1);
    LK_CHECK(!panic);
    lk_host_view_free(view);
}

LK_TEST(host_view, panic_everywhere_spreads_by_host_counts)
{
    const struct test_host specs[] = {{0, DOWN, 1}, {0, DOWN, 1}, {0, UP, 1}, {1, DOWN, 1}, {1, DOWN, 1}};
    struct lk_host_set *set = test_hosts(specs, 3); /* first: one priority, one of three */
    struct lk_host_view *view = lk_host_view_new(set, 50, NULL);
    LK_CHECK(view->total_panic);
    lk_host_view_free(view);
    lk_host_set_unref(set);
    set = test_hosts(specs, 5);
    view = lk_host_view_new(set, 50, NULL);
    LK_CHECK(view->total_panic);
    LK_CHECK_EQ_UINT(view->priorities[0].load, 60);
    LK_CHECK_EQ_UINT(view->priorities[1].load, 40);
    lk_host_view_free(view);
    lk_host_set_unref(set);
}

LK_TEST(host_view, without_panic_unhealthy_hosts_get_nothing)
{
    struct lk_host_view *view = view_of_tens((const unsigned[][2]){{0, 0}}, 1, 0);
    bool panic;
    for (uint64_t random = 0; random < 100; random++)
        LK_CHECK_NULL(lk_host_view_group(view, random, &panic));
    lk_host_view_free(view);
    view = view_of_tens((const unsigned[][2]){{1, 0}}, 1, 0);
    for (uint64_t random = 0; random < 100; random++)
        LK_CHECK_EQ_UINT(lk_host_view_group(view, random, &panic)->count, 1);
    LK_CHECK(!panic);
    lk_host_view_free(view);
}

LK_TEST(host_view, empty_set_has_no_group)
{
    struct lk_host_set *set = test_hosts(NULL, 0);
    struct lk_host_view *view = lk_host_view_new(set, 50, NULL);
    bool panic;
    LK_CHECK_NULL(lk_host_view_group(view, 42, &panic));
    lk_host_view_free(view);
    lk_host_set_unref(set);
}

LK_TEST(host_view, priorities_may_have_gaps)
{
    const struct test_host specs[] = {{2, UP, 1}, {128, UP, 1}};
    struct lk_host_set *set = test_hosts(specs, 2);
    struct lk_host_view *view = lk_host_view_new(set, 50, NULL);
    bool panic;
    LK_CHECK_EQ_UINT(view->priority_count, 129);
    LK_CHECK_EQ_PTR(lk_host_view_group(view, 99, &panic), &view->priorities[2].healthy);
    lk_host_view_free(view);
    lk_host_set_unref(set);
}

static bool is_heavy(const void *arg, const struct lk_host *host)
{
    return host->weight == *(const uint32_t *)arg;
}

LK_TEST(host_view, predicate_narrows_before_health_counts)
{
    const struct test_host specs[] = {{0, UP, 1}, {0, UP, 9}, {0, DOWN, 9}, {0, UP, 1}};
    const uint32_t nine = 9;
    struct lk_host_set *set = test_hosts(specs, 4);
    struct lk_narrowing narrowing = {.predicate = is_heavy, .arg = &nine};
    struct lk_host_view *view = lk_host_view_new(set, 50, &narrowing);
    bool panic;
    const struct lk_view_group *group = lk_host_view_group(view, 0, &panic);
    LK_CHECK_EQ_UINT(view->priorities[0].all.count, 2);
    LK_CHECK_EQ_UINT(group->count, 1);
    LK_CHECK_EQ_UINT(group->slots[0]->host->weight, 9);
    lk_host_view_free(view);
    lk_host_set_unref(set);
}

LK_TEST(host_view, entries_are_united_in_the_order_of_the_set)
{
    const struct test_host specs[] = {{0, UP, 1}, {0, UP, 2}, {0, DOWN, 3}, {1, UP, 9}};
    const struct lk_host_index_entry one = {.positions = (const uint32_t[]){1, 3}, .count = 2};
    const struct lk_host_index_entry two = {.positions = (const uint32_t[]){1, 2}, .count = 2};
    const struct lk_host_index_entry *entries[] = {&one, &two};
    const uint32_t nine = 9;
    struct lk_host_set *set = test_hosts(specs, 4);
    struct lk_narrowing narrowing = {.entries = entries, .entry_count = 1};
    struct lk_host_view *view = lk_host_view_new(set, 50, &narrowing);
    LK_CHECK_EQ_PTR(view->slots[0].host, set->hosts[1]);
    LK_CHECK_EQ_PTR(view->slots[1].host, set->hosts[3]);
    LK_CHECK_EQ_UINT(view->priorities[0].all.count, 1);
    LK_CHECK_EQ_UINT(view->priorities[1].all.count, 1);
    lk_host_view_free(view);
    narrowing.entry_count = 2;
    view = lk_host_view_new(set, 50, &narrowing);
    for (size_t i = 0; i < 3; i++)
        LK_CHECK_EQ_PTR(view->slots[i].host, set->hosts[i + 1]);
    LK_CHECK_EQ_UINT(view->priorities[0].all.count, 2);
    LK_CHECK_EQ_UINT(view->priorities[0].healthy.count, 1);
    lk_host_view_free(view);
    narrowing = (struct lk_narrowing){.entries = entries, .entry_count = 2, .predicate = is_heavy, .arg = &nine};
    view = lk_host_view_new(set, 50, &narrowing);
    LK_CHECK_EQ_PTR(view->slots[0].host, set->hosts[3]);
    LK_CHECK_EQ_UINT(view->priorities[0].all.count, 0);
    LK_CHECK_EQ_UINT(view->priorities[1].load, 100);
    lk_host_view_free(view);
    lk_host_set_unref(set);
}

LK_TEST(host_set, sorts_by_priority_and_keeps_the_configured_order)
{
    const struct test_host specs[] = {{1, UP, 1}, {0, UP, 2}, {1, UP, 3}, {0, UP, 4}};
    const uint32_t expected[] = {2, 4, 1, 3};
    struct lk_host_set *set = test_hosts(specs, 4);
    for (size_t i = 0; i < 4; i++)
        LK_CHECK_EQ_UINT(set->hosts[i]->weight, expected[i]);
    struct lk_host_set *next = test_hosts(specs, 1);
    LK_CHECK(next->version > set->version);
    lk_host_set_unref(set);
    lk_host_set_unref(next);
}
