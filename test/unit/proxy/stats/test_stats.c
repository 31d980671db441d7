/* Scopes, counting, sums, resets, and counting by many threads. */
#include "proxy/base/mem.h"
#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

#include <pthread.h>

enum { HITS, OPEN, TIME, STATUS, LIMIT };

static const struct lk_stat_def defs[] = {
    {"hits", LK_STAT_COUNTER}, {"open", LK_STAT_GAUGE},  {"time_ms", LK_STAT_HISTOGRAM},
    {"rq", LK_STAT_CODES},     {"limit", LK_STAT_GAUGE},
};
static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};
static const struct lk_stat_block other_block = {defs, 1};

static struct lk_stats *start(void)
{
    lk_stats_thread = 0;
    return lk_stats_new(3);
}

static uint64_t find(struct lk_stats *stats, const char *name)
{
    uint64_t value = 0;

    LK_CHECK_MSG(lk_stats_find(stats, lk_str_from(name), &value), "%s is not there", name);
    return value;
}

static bool exists(struct lk_stats *stats, const char *name)
{
    uint64_t value;

    return lk_stats_find(stats, lk_str_from(name), &value);
}

LK_TEST(stats, same_prefix_and_block_is_the_same_scope)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *a = lk_stats_scope_ref(stats, &block, LK_STR("cluster.a."));

    LK_CHECK_EQ_PTR(lk_stats_scope_ref(stats, &block, LK_STR("cluster.a.")), a);
    LK_CHECK(lk_stats_scope_ref(stats, &other_block, LK_STR("cluster.a.")) != a);
    LK_CHECK(lk_stats_scope_ref(stats, &block, LK_STR("cluster.b.")) != a);
    lk_stats_free(stats);
}

LK_TEST(stats, values_survive_the_last_reference)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    lk_stats_inc(scope, HITS);
    lk_stats_scope_unref(scope);
    lk_stats_prune(stats);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 1);
    lk_stats_inc(lk_stats_scope_ref(stats, &block, LK_STR("x.")), HITS);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 2);
    lk_stats_free(stats);
}

LK_TEST(stats, prune_drops_what_nobody_references_or_used)
{
    struct lk_stats *stats = start();
    size_t empty = lk_stats_memory(stats);
    struct lk_stats_scope *unused = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    struct lk_stats_scope *kept = lk_stats_scope_ref(stats, &other_block, LK_STR("x."));

    lk_stats_scope_unref(unused);
    lk_stats_prune(stats);
    LK_CHECK(exists(stats, "x.hits"));
    LK_CHECK(!exists(stats, "x.open"));
    lk_stats_scope_unref(kept);
    lk_stats_prune(stats);
    LK_CHECK(!exists(stats, "x.hits"));
    LK_CHECK(lk_stats_memory(stats) >= empty);
    lk_stats_free(stats);
}

LK_TEST(stats, counters_and_gauges_sum_over_threads)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    lk_stats_add(scope, HITS, 5);
    lk_stats_inc(scope, OPEN);
    lk_stats_inc(scope, OPEN);
    lk_stats_thread = 2;
    lk_stats_add(scope, HITS, 7);
    lk_stats_dec(scope, OPEN);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, HITS), 12);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, OPEN), 1);
    lk_stats_dec(scope, OPEN);
    lk_stats_dec(scope, OPEN);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, OPEN), 0);
    lk_stats_free(stats);
}

LK_TEST(stats, set_gauge_costs_no_slab_and_is_replaced)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    lk_stats_set(scope, LIMIT, 10);
    lk_stats_set(scope, OPEN, 3);
    lk_stats_set(scope, LIMIT, 4);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, LIMIT), 4);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, OPEN), 3);
    LK_CHECK_NULL(atomic_load(&scope->slabs[0]));
    lk_stats_free(stats);
}

LK_TEST(stats, codes_appear_when_they_are_first_counted)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    LK_CHECK(!exists(stats, "x.rq_200"));
    for (unsigned status = 0; status < 1000; status++)
        lk_stats_code(scope, STATUS, status);
    lk_stats_code(scope, STATUS, 200);
    lk_stats_thread = 1;
    lk_stats_code(scope, STATUS, 200);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_200"), 3);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_100"), 1);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_599"), 1);
    LK_CHECK(!exists(stats, "x.rq_99"));
    LK_CHECK(!exists(stats, "x.rq_600"));
    LK_CHECK(!exists(stats, "x.rq_2000"));
    LK_CHECK(!exists(stats, "x.rq"));
    lk_stats_free(stats);
}

LK_TEST(stats, find_tells_apart_prefixes_that_contain_each_other)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *inner = lk_stats_scope_ref(stats, &block, LK_STR("a.b.c."));
    struct lk_stats_scope *bare = lk_stats_scope_ref(stats, &block, LK_STR(""));

    lk_stats_scope_ref(stats, &block, LK_STR("a.b."));
    lk_stats_inc(inner, HITS);
    lk_stats_add(bare, HITS, 9);
    LK_CHECK_EQ_UINT(find(stats, "a.b.c.hits"), 1);
    LK_CHECK_EQ_UINT(find(stats, "a.b.hits"), 0);
    LK_CHECK_EQ_UINT(find(stats, "hits"), 9);
    LK_CHECK(!exists(stats, "a.hits"));
    LK_CHECK(!exists(stats, "a.b.c.time_ms"));
    LK_CHECK(!exists(stats, ""));
    lk_stats_free(stats);
}

LK_TEST(stats, reset_zeroes_counters_and_keeps_gauges)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    lk_stats_add(scope, HITS, 5);
    lk_stats_inc(scope, OPEN);
    lk_stats_set(scope, LIMIT, 8);
    lk_stats_code(scope, STATUS, 404);
    lk_stats_reset(stats);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 0);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_404"), 0);
    LK_CHECK_EQ_UINT(find(stats, "x.open"), 1);
    LK_CHECK_EQ_UINT(find(stats, "x.limit"), 8);
    lk_stats_inc(scope, HITS);
    lk_stats_code(scope, STATUS, 404);
    lk_stats_code(scope, STATUS, 500);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 1);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_404"), 1);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_500"), 1);
    lk_stats_reset(stats);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 0);
    lk_stats_free(stats);
}

LK_TEST(stats, idle_scope_is_small_and_a_used_one_bounded)
{
    struct lk_stats *stats = start();
    size_t before = lk_stats_memory(stats);
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("cluster.orders."));
    size_t idle = lk_stats_memory(stats);

    LK_CHECK(idle - before < 1024); /* with the first table of the map and the list */
    lk_stats_inc(scope, HITS);
    lk_stats_record(scope, TIME, 3);
    lk_stats_code(scope, STATUS, 200);
    LK_CHECK(lk_stats_memory(stats) - idle > 0);
    LK_CHECK(lk_stats_memory(stats) - idle < 512);
    lk_stats_free(stats);
}

#define ROUNDS 20000

struct crew {
    struct lk_stats *stats;
    struct lk_stats_scope *scope;
    unsigned thread;
};

static void *count(void *arg)
{
    struct crew *crew = arg;

    lk_stats_thread = crew->thread;
    for (unsigned i = 0; i < ROUNDS; i++) {
        lk_stats_inc(crew->scope, HITS);
        lk_stats_inc(crew->scope, OPEN);
        lk_stats_record(crew->scope, TIME, i % 5000);
        lk_stats_code(crew->scope, STATUS, 200 + i % 7);
        lk_stats_set(crew->scope, crew->thread == 0 ? LIMIT : HITS, 0);
        lk_stats_dec(crew->scope, OPEN);
        if (i % 1000 == 0)
            lk_stats_scope_unref(lk_stats_scope_ref(crew->stats, &block, LK_STR("made.meanwhile.")));
    }
    return NULL;
}

static void discard(void *arg, const char *data LK_UNUSED, size_t len)
{
    *(size_t *)arg += len;
}

LK_TEST(stats, counting_needs_no_lock_against_reading)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    struct crew crews[2] = {{stats, scope, 0}, {stats, scope, 1}};
    struct lk_stats_filter filter = {0};
    size_t written = 0;
    struct lk_stats_out out = {discard, &written};
    struct lk_error error;
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++)
        LK_CHECK(pthread_create(&threads[i], NULL, count, &crews[i]) == 0);
    lk_stats_thread = 2;
    while (lk_stats_value(scope, HITS) < 2 * ROUNDS) {
        LK_CHECK(lk_stats_write_text(stats, &filter, &out, &error));
        LK_CHECK(lk_stats_write_prometheus(stats, &filter, &out, &error));
        lk_stats_flush_interval(stats);
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, HITS), 2 * ROUNDS);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, OPEN), 0);
    LK_CHECK_EQ_UINT(find(stats, "x.rq_200"), 2 * ((ROUNDS + 6) / 7));
    lk_stats_free(stats);
}

LK_TEST(stats, reset_while_counting_loses_nothing_that_comes_after)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    struct crew crew = {stats, scope, 0};
    pthread_t thread;
    uint64_t last;

    LK_CHECK(pthread_create(&thread, NULL, count, &crew) == 0);
    lk_stats_thread = 2;
    for (int i = 0; i < 50; i++) {
        lk_stats_reset(stats);
        last = lk_stats_value(scope, HITS);
        LK_CHECK(last <= ROUNDS);
    }
    pthread_join(thread, NULL);
    lk_stats_reset(stats);
    crew.thread = 1;
    LK_CHECK(pthread_create(&thread, NULL, count, &crew) == 0);
    pthread_join(thread, NULL);
    LK_CHECK_EQ_UINT(lk_stats_value(scope, HITS), ROUNDS);
    lk_stats_free(stats);
}

LK_TEST(stats, what_is_counted_in_a_rehearsal_is_never_seen)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));
    unsigned thread;

    lk_stats_thread = 1;
    lk_stats_inc(scope, HITS);
    thread = lk_stats_mute(stats);
    LK_CHECK_EQ_UINT(thread, 1);
    lk_stats_add(scope, HITS, 100);
    lk_stats_dec(scope, OPEN);
    lk_stats_record(scope, TIME, 5);
    lk_stats_code(scope, STATUS, 503);
    lk_stats_thread = thread;
    lk_stats_inc(scope, HITS);
    LK_CHECK_EQ_UINT(find(stats, "x.hits"), 2);
    LK_CHECK_EQ_UINT(find(stats, "x.open"), 0);
    LK_CHECK(!exists(stats, "x.rq_503"));
    lk_stats_thread = 0;
    lk_stats_free(stats); /* with what the rehearsal counted */
}

LK_TEST(stats, scope_that_was_only_rehearsed_was_never_used)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("y."));
    unsigned thread = lk_stats_mute(stats);

    lk_stats_inc(scope, HITS);
    lk_stats_thread = thread;
    lk_stats_scope_unref(scope);
    lk_stats_prune(stats);
    LK_CHECK(!exists(stats, "y.hits"));
    lk_stats_free(stats);
}
