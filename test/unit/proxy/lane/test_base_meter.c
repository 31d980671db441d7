/* The rate of base requests: windows, a ring that turns, threads. */
#include "proxy/lane/base_meter.h"

#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

#include <pthread.h>

#define THREADS 4

static void count_every(struct lk_base_meter *meter, uint64_t from_ms, uint64_t to_ms, uint64_t step_ms)
{
    for (uint64_t now = from_ms; now < to_ms; now += step_ms)
        lk_base_meter_count(meter, now);
}

LK_TEST(base_meter, nothing_counted_is_a_rate_of_zero)
{
    struct lk_base_meter *meter = lk_base_meter_new(1);

    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 0), 0, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 123456789), 0, 0);
    lk_base_meter_free(meter);
    lk_base_meter_free(NULL);
}

LK_TEST(base_meter, rate_is_that_of_the_complete_half_seconds_in_the_window)
{
    struct lk_base_meter *meter = lk_base_meter_new(1);

    count_every(meter, 0, 20000, 10);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 20000), 100, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1000, 20000), 100, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1, 20000), 100, 0); /* one half second at least */
    count_every(meter, 20000, 20499, 1);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1000, 20499), 100, 0); /* this half second is not over */
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1000, 20500), (50 + 499) / 1.0, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 20500), (950 + 499) / 10.0, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 3600000, 20500), (2000 + 499) / 30.0, 1e-9); /* the longest window */
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 25000), (500 + 499) / 10.0, 0);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 31000), 0, 0);
    lk_base_meter_free(meter);
}

LK_TEST(base_meter, what_the_ring_held_a_turn_ago_does_not_count)
{
    struct lk_base_meter *meter = lk_base_meter_new(1);
    const uint64_t turn = (uint64_t)LK_BASE_METER_SLOTS * LK_BASE_METER_SLOT_MS;

    count_every(meter, 0, 1000, 1);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1000, turn + 1000), 0, 0);
    lk_base_meter_count(meter, turn + 3);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 1000, turn + 1000), 1, 0);
    lk_base_meter_free(meter);
}

struct counter {
    struct lk_base_meter *meter;
    unsigned index;
    pthread_t thread;
};

static void *count_thread(void *arg)
{
    struct counter *counter = arg;

    lk_stats_thread = counter->index;
    count_every(counter->meter, 0, 10000, 1);
    return NULL;
}

LK_TEST(base_meter, threads_add_up_while_someone_reads)
{
    struct lk_base_meter *meter = lk_base_meter_new(THREADS);
    struct counter counters[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        counters[i] = (struct counter){.meter = meter, .index = i};
        LK_CHECK(pthread_create(&counters[i].thread, NULL, count_thread, &counters[i]) == 0);
    }
    for (unsigned i = 0; i < 1000; i++)
        LK_CHECK(lk_base_meter_rate(meter, 10000, 10000) <= 1000 * THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(counters[i].thread, NULL);
    LK_CHECK_NEAR(lk_base_meter_rate(meter, 10000, 10000), 1000 * THREADS, 0);
    lk_base_meter_free(meter);
}
