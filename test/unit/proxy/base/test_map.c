/* Hash map, checked against a plain array over long random histories. */
#include "proxy/base/map.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "test/support/lk_test.h"

#define NAMES 500

LK_TEST(map, empty_map_finds_nothing)
{
    struct lk_map map;
    size_t cursor = 0;

    lk_map_init(&map);
    LK_CHECK_NULL(lk_map_get(&map, LK_STR("a")));
    LK_CHECK_NULL(lk_map_remove(&map, LK_STR("a")));
    LK_CHECK_NULL(lk_map_next(&map, &cursor));
    lk_map_fini(&map);
}

LK_TEST(map, set_replaces_and_returns_the_old_value)
{
    struct lk_map map;
    int one = 1;
    int two = 2;

    lk_map_init(&map);
    LK_CHECK_NULL(lk_map_set(&map, LK_STR("key"), &one));
    LK_CHECK_EQ_PTR(lk_map_set(&map, LK_STR("key"), &two), &one);
    LK_CHECK_EQ_UINT(map.count, 1);
    LK_CHECK_EQ_PTR(lk_map_get(&map, LK_STR("key")), &two);
    LK_CHECK_EQ_PTR(lk_map_get_hashed(&map, LK_STR("key"), lk_str_hash(LK_STR("key"))), &two);
    LK_CHECK_EQ_PTR(lk_map_remove(&map, LK_STR("key")), &two);
    LK_CHECK_EQ_UINT(map.count, 0);
    lk_map_fini(&map);
}

LK_TEST(map, empty_key_is_a_key)
{
    struct lk_map map;
    int value = 1;

    lk_map_init(&map);
    lk_map_set(&map, lk_str(NULL, 0), &value);
    LK_CHECK_EQ_PTR(lk_map_get(&map, LK_STR("")), &value);
    LK_CHECK_EQ_PTR(lk_map_remove(&map, lk_str(NULL, 0)), &value);
    LK_CHECK_NULL(lk_map_get(&map, LK_STR("")));
    lk_map_fini(&map);
}

static void check_against(const struct lk_map *map, char names[NAMES][16], void *const *expected)
{
    size_t present = 0;
    size_t seen = 0;
    size_t cursor = 0;
    struct lk_map_slot *slot;

    for (size_t i = 0; i < NAMES; i++) {
        LK_CHECK_EQ_PTR(lk_map_get(map, lk_str_from(names[i])), expected[i]);
        present += expected[i] != NULL;
    }
    while ((slot = lk_map_next(map, &cursor)) != NULL)
        seen++;
    LK_CHECK_EQ_UINT(seen, present);
    LK_CHECK_EQ_UINT(map->count, present);
}

LK_TEST(map, long_history_of_sets_and_removals_keeps_every_key)
{
    static char names[NAMES][16];
    void *expected[NAMES] = {0};
    struct lk_map map;

    lk_rand_seed(3);
    lk_map_init(&map);
    for (size_t i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "name-%zu", i);
    for (int step = 0; step < 50000; step++) {
        size_t i = lk_rand_below(NAMES);
        struct lk_str key = lk_str_from(names[i]);
        /* phases in which the map mostly grows and mostly shrinks */
        bool set = lk_rand_below(10) < (step / 5000 % 2 ? 3u : 7u);
        void *value = set ? &names[lk_rand_below(NAMES)] : NULL;
        void *previous = set ? lk_map_set(&map, key, value) : lk_map_remove(&map, key);

        LK_CHECK_EQ_PTR(previous, expected[i]);
        expected[i] = value;
        if (step % 1000 == 0)
            check_against(&map, names, expected);
    }
    check_against(&map, names, expected);
    lk_map_fini(&map);
}
