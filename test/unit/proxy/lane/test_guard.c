/* The guard of a lane, over simulated traffic: what trips it, when, and what does not; revisions; threads. */
#include "proxy/lane/guard.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define WINDOW 10000
#define NEVER UINT64_MAX

static const struct lk_guard_config usual = {
    .max_5xx_delta = 0.1, .max_p99_ratio = 2, .min_requests = 50, .window_ms = WINDOW};

/* How one side behaves. */
struct nature {
    double share_5xx;
    uint64_t latency_us; /* the middle; samples spread by half of it to both sides */
};

struct traffic {
    struct lk_guards *guards;
    struct lk_guard *guard;
    uint64_t revision;
    double lane_share; /* of 1000 requests a second */
    struct nature natures[LK_GUARD_SIDES];
    double owed_5xx[LK_GUARD_SIDES];
    uint64_t now_ms;
};

static struct traffic traffic_new(const struct lk_guard_config *config)
{
    struct traffic traffic = {
        .guards = lk_guards_new(1),
        .revision = 41,
        .lane_share = 0.05,
        .natures = {{0.001, 20000}, {0.001, 20000}},
        .now_ms = 5000,
    };

    lk_rand_seed(11);
    traffic.guard = lk_guard_arm(traffic.guards, LK_STR("gray"), 41, config, traffic.now_ms);
    return traffic;
}

static void traffic_end(struct traffic *traffic)
{
    lk_guard_unref(traffic->guard);
    lk_guards_free(traffic->guards);
}

static void one_request(struct traffic *traffic)
{
    bool to_lane = lk_rand_unit() < traffic->lane_share && !lk_guard_is_tripped(traffic->guard, traffic->revision);
    enum lk_guard_side side = to_lane ? LK_GUARD_LANE : LK_GUARD_BASE;
    const struct nature *nature = &traffic->natures[side];
    uint64_t latency_us = nature->latency_us / 2 + lk_rand_below(nature->latency_us);
    bool is_5xx;

    /* Failures come evenly, so that a test tells the share exactly. */
    traffic->owed_5xx[side] += nature->share_5xx;
    is_5xx = traffic->owed_5xx[side] >= 1;
    if (is_5xx)
        traffic->owed_5xx[side] -= 1;
    lk_guard_record(traffic->guard, side, traffic->revision, is_5xx, latency_us);
}

/* Goes on until the guard trips or the time is over; returns how long it took to trip, or NEVER. */
static uint64_t run(struct traffic *traffic, uint64_t for_ms)
{
    uint64_t from = traffic->now_ms;

    while (traffic->now_ms < from + for_ms) {
        traffic->now_ms++;
        one_request(traffic);
        if (traffic->now_ms % LK_GUARD_PERIOD_MS == 0 && lk_guard_evaluate(traffic->guard, traffic->now_ms))
            return traffic->now_ms - from;
    }
    return NEVER;
}

LK_TEST(guard, healthy_traffic_never_trips)
{
    struct traffic traffic = traffic_new(&usual);

    LK_CHECK_EQ_UINT(run(&traffic, 300000), NEVER);
    LK_CHECK(!lk_guard_is_tripped(traffic.guard, 41));
    LK_CHECK_EQ_INT(lk_guard_verdict(traffic.guard)->reason, LK_GUARD_FINE);
    traffic_end(&traffic);
}

LK_TEST(guard, half_of_a_twentieth_failing_trips_in_time)
{
    struct traffic traffic = traffic_new(&usual);
    const struct lk_guard_verdict *verdict;
    uint64_t took;

    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    traffic.natures[LK_GUARD_LANE].share_5xx = 0.5;
    took = run(&traffic, 60000);
    LK_CHECK_MSG(took <= WINDOW + 1000, "took %llu ms", (unsigned long long)took);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    verdict = lk_guard_verdict(traffic.guard);
    LK_CHECK(verdict->tripped && verdict->reason == LK_GUARD_5XX);
    LK_CHECK_EQ_UINT(verdict->revision, 41);
    LK_CHECK_EQ_UINT(verdict->at_ms, traffic.now_ms);
    LK_CHECK(verdict->sides[LK_GUARD_LANE].failed * 10 > verdict->sides[LK_GUARD_LANE].requests);
    LK_CHECK(verdict->sides[LK_GUARD_BASE].failed * 100 < verdict->sides[LK_GUARD_BASE].requests);
    /* It stays so, whatever comes. */
    traffic.natures[LK_GUARD_LANE].share_5xx = 0;
    LK_CHECK_EQ_UINT(run(&traffic, 60000), NEVER);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 40)); /* a worker that is still on an older table */
    traffic_end(&traffic);
}

/* The slowest case: the limit is so near to the fault that hardly anything else may be in the window. */
LK_TEST(guard, a_fault_little_above_the_limit_trips_within_a_window_and_a_second)
{
    struct lk_guard_config config = usual;
    struct traffic traffic;
    uint64_t took;

    config.max_5xx_delta = 0.49;
    for (config.window_ms = 2000; config.window_ms <= 60000; config.window_ms *= 2) {
        traffic = traffic_new(&config);
        LK_CHECK_EQ_UINT(run(&traffic, 2 * config.window_ms + 137), NEVER);
        traffic.natures[LK_GUARD_LANE].share_5xx = 0.5;
        took = run(&traffic, 2 * config.window_ms);
        LK_CHECK_MSG(took <= config.window_ms + 1000, "window %u took %llu ms", config.window_ms,
                     (unsigned long long)took);
        LK_CHECK(took > config.window_ms * 8 / 10);
        traffic_end(&traffic);
    }
}

LK_TEST(guard, a_difference_below_the_limit_is_borne)
{
    struct traffic traffic = traffic_new(&usual);

    traffic.natures[LK_GUARD_LANE].share_5xx = 0.09;
    LK_CHECK_EQ_UINT(run(&traffic, 120000), NEVER);
    traffic_end(&traffic);
}

LK_TEST(guard, what_hits_base_as_much_trips_nothing)
{
    struct traffic traffic = traffic_new(&usual);

    LK_CHECK_EQ_UINT(run(&traffic, 20000), NEVER);
    for (unsigned side = 0; side < LK_GUARD_SIDES; side++)
        traffic.natures[side] = (struct nature){0.5, 200000};
    LK_CHECK_EQ_UINT(run(&traffic, 60000), NEVER);
    for (unsigned side = 0; side < LK_GUARD_SIDES; side++)
        traffic.natures[side] = (struct nature){0, 20000};
    LK_CHECK_EQ_UINT(run(&traffic, 60000), NEVER);
    traffic_end(&traffic);
}

LK_TEST(guard, a_lane_that_is_better_than_base_is_fine)
{
    struct traffic traffic = traffic_new(&usual);

    traffic.natures[LK_GUARD_BASE] = (struct nature){0.5, 200000};
    LK_CHECK_EQ_UINT(run(&traffic, 60000), NEVER);
    traffic_end(&traffic);
}

LK_TEST(guard, a_slow_lane_trips_by_its_p99)
{
    struct traffic traffic = traffic_new(&usual);
    const struct lk_guard_verdict *verdict;
    uint64_t took;

    LK_CHECK_EQ_UINT(run(&traffic, 20000), NEVER);
    traffic.natures[LK_GUARD_LANE].latency_us = 60000;
    took = run(&traffic, 60000);
    LK_CHECK_MSG(took <= WINDOW + 1000, "took %llu ms", (unsigned long long)took);
    verdict = lk_guard_verdict(traffic.guard);
    LK_CHECK_EQ_INT(verdict->reason, LK_GUARD_LATENCY);
    LK_CHECK_NEAR((double)verdict->sides[LK_GUARD_BASE].p99_us, 29800, 29800.0 / 8);
    LK_CHECK(verdict->sides[LK_GUARD_LANE].p99_us > 2 * verdict->sides[LK_GUARD_BASE].p99_us);
    traffic_end(&traffic);
}

LK_TEST(guard, a_limit_of_zero_is_off)
{
    struct lk_guard_config config = usual;
    struct traffic traffic;

    config.max_5xx_delta = 0;
    traffic = traffic_new(&config);
    traffic.natures[LK_GUARD_LANE].share_5xx = 0.5;
    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    traffic_end(&traffic);
    config = usual;
    config.max_p99_ratio = 0;
    traffic = traffic_new(&config);
    traffic.natures[LK_GUARD_LANE].latency_us = 2000000;
    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    traffic_end(&traffic);
}

LK_TEST(guard, too_few_requests_never_trip)
{
    /* About 30 in a window of the lane, then of base. */
    static const double shares[] = {0.003, 0.997};

    for (size_t i = 0; i < LK_ARRAY_LEN(shares); i++) {
        struct traffic traffic = traffic_new(&usual);

        traffic.lane_share = shares[i];
        traffic.natures[LK_GUARD_LANE] = (struct nature){1, 2000000};
        LK_CHECK_EQ_UINT(run(&traffic, 120000), NEVER);
        LK_CHECK_EQ_INT(lk_guard_verdict(traffic.guard)->reason, LK_GUARD_TOO_FEW);
        traffic_end(&traffic);
    }
}

LK_TEST(guard, nothing_recorded_says_nothing)
{
    struct lk_guard_config config = {.max_5xx_delta = 0.1, .max_p99_ratio = 2};
    struct traffic traffic = traffic_new(&config);

    LK_CHECK(!lk_guard_verdict(traffic.guard)->tripped);
    for (uint64_t now = 0; now < 100000; now += 5000)
        LK_CHECK(!lk_guard_evaluate(traffic.guard, 5000 + now));
    lk_guard_record(traffic.guard, LK_GUARD_LANE, 41, true, 1);
    LK_CHECK(!lk_guard_evaluate(traffic.guard, 100100));
    lk_guard_record(traffic.guard, LK_GUARD_BASE, 41, false, 1);
    LK_CHECK(lk_guard_evaluate(traffic.guard, 100200)); /* one of each is enough when nothing is asked for */
    traffic_end(&traffic);
}

/* --- revisions -------------------------------------------------------------------------------------------------- */

static void trip(struct traffic *traffic)
{
    traffic->natures[LK_GUARD_LANE].share_5xx = 0.5;
    LK_CHECK(run(traffic, 30000) != NEVER);
}

/* A table of this revision comes into force. */
static void push(struct traffic *traffic, uint64_t revision, const struct lk_guard_config *config)
{
    struct lk_guard *guard = lk_guard_arm(traffic->guards, LK_STR("gray"), revision, config, traffic->now_ms);

    LK_CHECK_EQ_PTR(guard, traffic->guard);
    lk_guard_unref(guard);
    traffic->revision = revision;
}

LK_TEST(guard, only_a_higher_revision_arms_it_again)
{
    struct traffic traffic = traffic_new(&usual);

    trip(&traffic);
    push(&traffic, 41, &usual);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    push(&traffic, 7, &usual);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 7));
    LK_CHECK(lk_guard_verdict(traffic.guard)->tripped);
    LK_CHECK_EQ_UINT(lk_guard_verdict(traffic.guard)->revision, 41);
    push(&traffic, 42, &usual);
    LK_CHECK(!lk_guard_is_tripped(traffic.guard, 42));
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    LK_CHECK(!lk_guard_verdict(traffic.guard)->tripped);
    LK_CHECK_EQ_UINT(lk_guard_verdict(traffic.guard)->revision, 42);

    traffic.natures[LK_GUARD_LANE].share_5xx = 0; /* mended: nothing of the old window is left */
    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    trip(&traffic); /* and it works again */
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 42));
    traffic_end(&traffic);
}

LK_TEST(guard, what_was_assigned_before_and_fails_late_does_not_count)
{
    struct traffic traffic = traffic_new(&usual);

    trip(&traffic);
    push(&traffic, 42, &usual);
    traffic.natures[LK_GUARD_LANE].share_5xx = 0;
    for (unsigned i = 0; i < 1000; i++)
        lk_guard_record(traffic.guard, LK_GUARD_LANE, 41, true, 15000000);
    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    traffic_end(&traffic);
}

LK_TEST(guard, tables_in_quick_succession_do_not_blind_it)
{
    struct traffic traffic = traffic_new(&usual);
    uint64_t from = traffic.now_ms;
    bool tripped = false;

    traffic.natures[LK_GUARD_LANE].share_5xx = 0.5;
    while (!tripped && traffic.now_ms < from + WINDOW + 1000) {
        push(&traffic, traffic.revision + 1, &usual);
        tripped = run(&traffic, 100) != NEVER;
    }
    LK_CHECK(tripped);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, traffic.revision));
    traffic_end(&traffic);
}

LK_TEST(guard, a_new_revision_brings_its_configuration)
{
    struct lk_guard_config strict = usual;
    struct traffic traffic = traffic_new(&usual);

    traffic.natures[LK_GUARD_LANE].share_5xx = 0.09;
    LK_CHECK_EQ_UINT(run(&traffic, 30000), NEVER);
    strict.max_5xx_delta = 0.05;
    push(&traffic, 41, &strict); /* not by the same revision */
    LK_CHECK_EQ_UINT(run(&traffic, 10000), NEVER);
    push(&traffic, 42, &strict);
    LK_CHECK(run(&traffic, 1000) != NEVER);
    LK_CHECK_NEAR(lk_guard_verdict(traffic.guard)->config.max_5xx_delta, 0.05, 0);
    traffic_end(&traffic);
}

/* --- the set of guards ------------------------------------------------------------------------------------------ */

struct told {
    unsigned count;
    char lane[32];
    struct lk_guard_verdict verdict;
};

static void on_tripped(void *arg, struct lk_str lane, const struct lk_guard_verdict *verdict)
{
    struct told *told = arg;

    told->count++;
    snprintf(told->lane, sizeof(told->lane), "%.*s", LK_STR_ARG(lane));
    told->verdict = *verdict;
}

LK_TEST(guard, each_lane_is_judged_by_itself_and_told_once)
{
    struct lk_guards *guards = lk_guards_new(1);
    struct lk_guard *a = lk_guard_arm(guards, LK_STR("a"), 1, &usual, 0);
    struct lk_guard *b = lk_guard_arm(guards, LK_STR("b"), 1, &usual, 0);
    struct told told = {0};

    for (unsigned i = 0; i < 100; i++) {
        lk_guard_record(a, LK_GUARD_LANE, 1, false, 100);
        lk_guard_record(a, LK_GUARD_BASE, 1, false, 100);
        lk_guard_record(b, LK_GUARD_LANE, 1, true, 100);
        lk_guard_record(b, LK_GUARD_BASE, 1, false, 100);
    }
    lk_guards_evaluate(guards, 250, on_tripped, &told);
    lk_guards_evaluate(guards, 500, on_tripped, &told);
    LK_CHECK_EQ_UINT(told.count, 1);
    LK_CHECK_STR(told.lane, "b");
    LK_CHECK_EQ_UINT(told.verdict.sides[LK_GUARD_LANE].failed, 100);
    LK_CHECK(!lk_guard_is_tripped(a, 1) && lk_guard_is_tripped(b, 1));
    lk_guard_unref(a);
    lk_guard_unref(b);
    lk_guard_unref(NULL);
    lk_guards_free(guards);
    lk_guards_free(NULL);
}

LK_TEST(guard, state_outlives_references_until_a_higher_revision)
{
    struct traffic traffic = traffic_new(&usual);
    struct told told = {0};

    trip(&traffic);
    lk_guard_unref(traffic.guard);
    lk_guards_prune(traffic.guards, 41);
    traffic.guard = lk_guard_arm(traffic.guards, LK_STR("gray"), 41, &usual, traffic.now_ms);
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    lk_guards_prune(traffic.guards, 50); /* in use: kept */
    LK_CHECK(lk_guard_is_tripped(traffic.guard, 41));
    lk_guard_unref(traffic.guard);
    lk_guards_evaluate(traffic.guards, traffic.now_ms, on_tripped, &told); /* unused: not judged */
    lk_guards_prune(traffic.guards, 50);
    traffic.guard = lk_guard_arm(traffic.guards, LK_STR("gray"), 41, &usual, traffic.now_ms);
    LK_CHECK(!lk_guard_is_tripped(traffic.guard, 41));
    LK_CHECK_EQ_UINT(told.count, 0);
    traffic_end(&traffic);
}

LK_TEST(guard, the_verdict_reads_as_a_line)
{
    struct lk_guard_verdict verdict = {
        .tripped = true,
        .reason = LK_GUARD_5XX,
        .seen_ms = 9750,
        .sides = {{120, 60, 20500}, {2280, 2, 18000}},
        .config = {.max_5xx_delta = 0.05, .max_p99_ratio = 2},
    };
    char text[LK_GUARD_TEXT_MAX];
    size_t length = lk_guard_verdict_text(&verdict, text);

    LK_CHECK_STR(text, "5xx 50.0% of 120 (base 0.1% of 2280, limit +5.0%), p99 20.5 ms (base 18.0 ms, limit x2.0) in "
                       "9.8 s");
    LK_CHECK_EQ_UINT(length, strlen(text));
    verdict.config.max_p99_ratio = 0;
    lk_guard_verdict_text(&verdict, text);
    LK_CHECK_NOT_NULL(strstr(text, "limit +5.0%), p99 20.5 ms (base 18.0 ms, no limit) in"));
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

#define THREADS 4
#define RECORDS 20000

struct worker {
    struct lk_guard *guard;
    unsigned index;
    unsigned refused; /* requests not assigned since the guard had tripped */
    atomic_bool *stop;
    pthread_t thread;
};

static void *record_many(void *arg)
{
    struct worker *worker = arg;

    lk_stats_thread = worker->index;
    for (unsigned i = 0; i < RECORDS; i++) {
        lk_guard_record(worker->guard, LK_GUARD_BASE, 1, i % 100 == 0, 1000);
        lk_guard_record(worker->guard, LK_GUARD_LANE, 1, i % 50 == 0, 1500);
    }
    return NULL;
}

LK_TEST(guard, nothing_is_lost_between_threads)
{
    struct lk_guards *guards = lk_guards_new(THREADS + 1);
    struct lk_guard *guard = lk_guard_arm(guards, LK_STR("gray"), 1, &usual, 0);
    const struct lk_guard_verdict *verdict = lk_guard_verdict(guard);
    struct worker workers[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.guard = guard, .index = i};
        LK_CHECK(pthread_create(&workers[i].thread, NULL, record_many, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < 50; i++)
        LK_CHECK(!lk_guard_evaluate(guard, i));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    LK_CHECK(!lk_guard_evaluate(guard, 100));
    LK_CHECK_EQ_UINT(verdict->sides[LK_GUARD_LANE].requests, THREADS * RECORDS);
    LK_CHECK_EQ_UINT(verdict->sides[LK_GUARD_LANE].failed, THREADS * RECORDS / 50);
    LK_CHECK_EQ_UINT(verdict->sides[LK_GUARD_BASE].requests, THREADS * RECORDS);
    LK_CHECK_EQ_UINT(verdict->sides[LK_GUARD_BASE].failed, THREADS * RECORDS / 100);
    LK_CHECK_NEAR((double)verdict->sides[LK_GUARD_LANE].p99_us, 1500, 1500.0 / 8);
    lk_guard_unref(guard);
    lk_guards_free(guards);
}

/* A worker goes on until it learns that the lane is closed. */
static void *serve_until_tripped(void *arg)
{
    struct worker *worker = arg;

    lk_stats_thread = worker->index;
    while (!lk_guard_is_tripped(worker->guard, 1) && !atomic_load(worker->stop)) {
        lk_guard_record(worker->guard, LK_GUARD_BASE, 1, false, 1000);
        lk_guard_record(worker->guard, LK_GUARD_LANE, 1, true, 1000);
    }
    worker->refused = lk_guard_is_tripped(worker->guard, 1);
    return NULL;
}

LK_TEST(guard, every_worker_learns_of_a_trip)
{
    struct lk_guards *guards = lk_guards_new(THREADS + 1);
    struct lk_guard *guard = lk_guard_arm(guards, LK_STR("gray"), 1, &usual, 0);
    struct worker workers[THREADS];
    atomic_bool stop = false;
    uint64_t now = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.guard = guard, .index = i, .stop = &stop};
        LK_CHECK(pthread_create(&workers[i].thread, NULL, serve_until_tripped, &workers[i]) == 0);
    }
    while (!lk_guard_evaluate(guard, now) && now < 100000000)
        now++;
    if (!lk_guard_is_tripped(guard, 1))
        atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        LK_CHECK_EQ_UINT(workers[i].refused, 1);
    }
    lk_guard_unref(guard);
    lk_guards_free(guards);
}
