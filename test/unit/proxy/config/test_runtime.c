/* Runtime values and fractions. */
#include "test/support/lk_test.h"

#include "proxy/config/runtime.h"

static struct lk_runtime *with(const char *key, const char *value)
{
    struct lk_runtime *runtime = lk_runtime_new();

    lk_runtime_set(runtime, lk_str_from(key), lk_str_from("first layer"));
    lk_runtime_set(runtime, lk_str_from(key), lk_str_from(value));
    lk_runtime_install(runtime);
    return runtime;
}

static void drop(struct lk_runtime *runtime)
{
    lk_runtime_install(NULL);
    lk_runtime_free(runtime);
}

LK_TEST(runtime, gives_defaults_without_layers)
{
    lk_runtime_install(NULL);
    LK_CHECK_EQ_UINT(lk_runtime_u64(LK_STR("a.b"), 7), 7);
    LK_CHECK(lk_runtime_bool(LK_STR("a.b"), true));
}

LK_TEST(runtime, takes_the_last_layer_and_ignores_values_of_the_wrong_kind)
{
    struct lk_runtime *runtime = with("a.b", "12");

    LK_CHECK_EQ_UINT(lk_runtime_u64(LK_STR("a.b"), 7), 12);
    LK_CHECK(lk_runtime_bool(LK_STR("a.b"), true));
    drop(runtime);
    runtime = with("a.b", "false");
    LK_CHECK(!lk_runtime_bool(LK_STR("a.b"), true));
    LK_CHECK_EQ_UINT(lk_runtime_u64(LK_STR("a.b"), 7), 7);
    drop(runtime);
}

static void count(void *arg, struct lk_str key, struct lk_str value)
{
    LK_CHECK_LKSTR(key, "a.b");
    LK_CHECK_LKSTR(value, "12");
    ++*(int *)arg;
}

LK_TEST(runtime, shows_every_key)
{
    struct lk_runtime *runtime = with("a.b", "12");
    int seen = 0;

    lk_runtime_each(count, &seen);
    LK_CHECK_EQ_INT(seen, 1);
    drop(runtime);
}

static unsigned hits(const struct lk_fraction *fraction)
{
    unsigned n = 0;

    for (uint64_t random = 0; random < 10000; random++)
        n += lk_fraction_hit(fraction, random);
    return n;
}

LK_TEST(runtime, hits_a_fraction_as_often_as_it_says)
{
    struct lk_fraction none = {.per_million = 0, .denominator = 100};
    struct lk_fraction all = {.per_million = 1000000, .denominator = 100};
    struct lk_fraction half = {.per_million = 500000, .denominator = 100};
    struct lk_fraction rare = {.per_million = 100, .denominator = 10000};

    LK_CHECK_EQ_UINT(hits(&none), 0);
    LK_CHECK_EQ_UINT(hits(&all), 10000);
    LK_CHECK_EQ_UINT(hits(&half), 5000);
    LK_CHECK_EQ_UINT(hits(&rare), 1);
}

LK_TEST(runtime, overrides_a_fraction_by_percent_or_by_a_fraction)
{
    struct lk_fraction fraction = {.per_million = 500000, .denominator = 10000, .runtime_key = LK_STR("k")};
    struct lk_runtime *runtime = with("k", "20");

    LK_CHECK_EQ_UINT(hits(&fraction), 2000);
    drop(runtime);
    runtime = with("k", "3/10000");
    LK_CHECK_EQ_UINT(hits(&fraction), 3);
    drop(runtime);
    runtime = with("k", "250");
    LK_CHECK_EQ_UINT(hits(&fraction), 10000);
    drop(runtime);
    runtime = with("k", "nonsense/0");
    LK_CHECK_EQ_UINT(hits(&fraction), 5000);
    drop(runtime);
}
