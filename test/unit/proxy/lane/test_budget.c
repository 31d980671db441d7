/* Fallback budgets: the cap holds in every stretch of a window, alone and with threads; identity and grace. */
#include "proxy/lane/budget.h"

#include "proxy/base/mem.h"
#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4
#define WINDOW 10000
#define STEP 10

static const struct lk_fallback_cap usual = {.percent = 20, .min_rps = 10, .window_ms = WINDOW};

struct scene {
    struct lk_budgets *budgets;
    struct lk_budget_cluster *cluster;
    struct lk_budget *budget;
};

static struct scene scene_new(void)
{
    struct scene scene = {.budgets = lk_budgets_new(THREADS)};

    scene.cluster = lk_budget_cluster_ref(scene.budgets, LK_STR("orders"));
    scene.budget = lk_budget_ref(scene.budgets, LK_STR("orders"), LK_STR("gray"));
    return scene;
}

static void scene_end(struct scene *scene)
{
    lk_budget_unref(scene->budget, 0);
    lk_budget_cluster_unref(scene->cluster, 0);
    lk_budgets_free(scene->budgets);
}

/* Tries `tries` times at once; returns what was granted. */
static unsigned burst(struct lk_budget *budget, const struct lk_fallback_cap *cap, unsigned tries, uint64_t now_ms)
{
    unsigned granted = 0;

    for (unsigned i = 0; i < tries; i++)
        granted += lk_budget_take(budget, cap, now_ms);
    return granted;
}

/* The most that any stretch of `width` values sums up to. */
static unsigned most_within(const unsigned *granted, unsigned count, unsigned width)
{
    unsigned most = 0;
    unsigned sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum += granted[i];
        if (i >= width)
            sum -= granted[i - width];
        most = LK_MAX(most, sum);
    }
    return most;
}

static unsigned total(const unsigned *granted, unsigned from, unsigned to)
{
    unsigned sum = 0;

    for (unsigned i = from; i < to; i++)
        sum += granted[i];
    return sum;
}

/* Runs over [0, count) steps: base requests at base_rps before the step `until`, and ten tries for each fallback that
 * the cap could let through. */
static void drive(struct scene *scene, const struct lk_fallback_cap *cap, unsigned base_rps, unsigned until,
                  unsigned *granted, unsigned count)
{
    for (unsigned step = 0; step < count; step++) {
        uint64_t now = 1000 + (uint64_t)step * STEP;

        for (unsigned i = 0; step < until && i < base_rps * STEP / 1000; i++)
            lk_budget_cluster_count(scene->cluster, now);
        granted[step] = burst(scene->budget, cap, 40, now);
    }
}

LK_TEST(budget, a_share_of_a_steady_base_is_never_exceeded_in_any_window)
{
    enum { STEPS = 60000 / STEP };
    static unsigned granted[STEPS];
    struct scene scene = scene_new();
    unsigned most;

    drive(&scene, &usual, 1000, STEPS, granted, STEPS);
    most = most_within(granted, STEPS, WINDOW / STEP);
    LK_CHECK_MSG(most <= 2000, "%u in a window", most);
    LK_CHECK_MSG(most > 1850, "%u in a window: too few", most);
    /* and none of it in one go */
    LK_CHECK(most_within(granted, STEPS, 1000 / STEP) <= 300);
    scene_end(&scene);
}

LK_TEST(budget, a_base_that_stops_leaves_the_least)
{
    enum { STEPS = 60000 / STEP, STOP = 30000 / STEP };
    static unsigned granted[STEPS];
    struct scene scene = scene_new();

    drive(&scene, &usual, 1000, STOP, granted, STEPS);
    LK_CHECK(most_within(granted, STEPS, WINDOW / STEP) <= 2000 + 100);
    LK_CHECK(total(granted, 0, STOP) > 3000);
    /* A window and half a second later nothing is left of the base. */
    LK_CHECK(most_within(granted + STOP + WINDOW / STEP + 50, WINDOW / STEP, WINDOW / STEP) <= 100);
    LK_CHECK(total(granted, STEPS - WINDOW / STEP, STEPS) > 85);
    scene_end(&scene);
}

LK_TEST(budget, a_share_of_nothing_is_the_least)
{
    enum { STEPS = 40000 / STEP };
    static unsigned granted[STEPS];
    struct scene scene = scene_new();
    unsigned most;

    drive(&scene, &usual, 0, 0, granted, STEPS);
    most = most_within(granted, STEPS, WINDOW / STEP);
    LK_CHECK_MSG(most <= 100 && most > 90, "%u in a window", most);
    scene_end(&scene);
}

LK_TEST(budget, idle_time_saves_nothing_up)
{
    struct scene scene = scene_new();

    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 1000, 1000), 4);
    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 1000, 3600000), 4);
    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 1000, 3600000), 0);
    scene_end(&scene);
}

LK_TEST(budget, caps_of_a_few_requests_hold_exactly)
{
    static const struct {
        struct lk_fallback_cap cap;
        unsigned at_once;
        unsigned in_window; /* of those granted in the closed stretch [0, window] */
    } rows[] = {
        {{.percent = 20, .min_rps = 0, .window_ms = 10000}, 0, 0},
        {{.percent = 0, .min_rps = 0, .window_ms = 10000}, 0, 0},
        {{.percent = 20, .min_rps = 1, .window_ms = 1000}, 1, 1},
        {{.percent = 20, .min_rps = 1, .window_ms = 2000}, 1, 1},
        {{.percent = 20, .min_rps = 1, .window_ms = 10000}, 1, 9},
        {{.percent = 20, .min_rps = 1, .window_ms = 500}, 0, 0},
        {{.percent = 20, .min_rps = 3, .window_ms = 0}, 1, 2},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        uint32_t window = rows[i].cap.window_ms != 0 ? rows[i].cap.window_ms : 1000;
        struct scene scene = scene_new();
        unsigned granted = burst(scene.budget, &rows[i].cap, 10, 5000);

        LK_CHECK_MSG(granted == rows[i].at_once, "row %zu: %u at once", i, granted);
        for (uint64_t now = 5001; now <= 5000 + window; now++)
            granted += lk_budget_take(scene.budget, &rows[i].cap, now);
        LK_CHECK_MSG(granted <= rows[i].cap.min_rps * window / 1000, "row %zu: %u", i, granted);
        LK_CHECK_MSG(granted == rows[i].in_window, "row %zu: %u", i, granted);
        scene_end(&scene);
    }
}

LK_TEST(budget, a_caller_whose_clock_lags_gains_nothing)
{
    struct scene scene = scene_new();

    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 10, 20000), 4);
    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 10, 19000), 0);
    scene_end(&scene);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

enum { RACE_STEPS = 30000 / STEP };

struct race {
    struct scene scene;
    pthread_barrier_t barrier;
    atomic_uint granted[RACE_STEPS];
};

struct racer {
    struct race *race;
    unsigned index;
    pthread_t thread;
};

/* All threads go through the same steps; each makes 500 base requests a second. */
static void *run_race(void *arg)
{
    struct racer *racer = arg;
    struct race *race = racer->race;

    lk_stats_thread = racer->index;
    for (unsigned step = 0; step < RACE_STEPS; step++) {
        uint64_t now = 1000 + (uint64_t)step * STEP;

        pthread_barrier_wait(&race->barrier);
        for (unsigned i = 0; i < 5; i++)
            lk_budget_cluster_count(race->scene.cluster, now);
        atomic_fetch_add(&race->granted[step], burst(race->scene.budget, &usual, 10, now));
    }
    return NULL;
}

LK_TEST(budget, threads_share_one_cap)
{
    static struct race race;
    static unsigned granted[RACE_STEPS];
    struct racer racers[THREADS];
    unsigned most;

    race.scene = scene_new();
    LK_CHECK(pthread_barrier_init(&race.barrier, NULL, THREADS) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.race = &race, .index = i};
        LK_CHECK(pthread_create(&racers[i].thread, NULL, run_race, &racers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    pthread_barrier_destroy(&race.barrier);
    for (unsigned i = 0; i < RACE_STEPS; i++)
        granted[i] = atomic_load(&race.granted[i]);
    most = most_within(granted, RACE_STEPS, WINDOW / STEP);
    LK_CHECK_MSG(most <= 20 * THREADS * 500 * (WINDOW / 1000) / 100, "%u in a window", most);
    LK_CHECK_MSG(most > 3600, "%u in a window: too few", most);
    scene_end(&race.scene);
}

/* --- identity and grace ----------------------------------------------------------------------------------------- */

LK_TEST(budget, each_lane_of_each_cluster_has_its_own)
{
    struct lk_budgets *budgets = lk_budgets_new(1);
    struct lk_budget *all[] = {
        lk_budget_ref(budgets, LK_STR("a"), LK_STR("b")), lk_budget_ref(budgets, LK_STR("b"), LK_STR("a")),
        lk_budget_ref(budgets, LK_STR("a"), LK_STR("a")), lk_budget_ref(budgets, LK_STR("ab"), LK_STR("")),
        lk_budget_ref(budgets, LK_STR(""), LK_STR("ab")),
    };
    struct lk_budget *again = lk_budget_ref(budgets, LK_STR("b"), LK_STR("a"));

    LK_CHECK_EQ_PTR(again, all[1]);
    lk_budget_unref(again, 0);
    for (size_t i = 0; i < LK_ARRAY_LEN(all); i++) {
        LK_CHECK_EQ_UINT(burst(all[i], &usual, 10, 1000), 4);
        lk_budget_unref(all[i], 0);
    }
    lk_budget_unref(NULL, 0);
    lk_budget_cluster_unref(NULL, 0);
    lk_budgets_free(budgets);
    lk_budgets_free(NULL);
}

LK_TEST(budget, state_outlives_who_asked_for_it_and_goes_after_a_while)
{
    struct lk_budgets *budgets = lk_budgets_new(1);
    struct lk_budget *budget = lk_budget_ref(budgets, LK_STR("orders"), LK_STR("gray"));

    LK_CHECK_EQ_UINT(burst(budget, &usual, 10, 1000), 4);
    lk_budget_set_present(budget, true, 1000);
    lk_budget_unref(budget, 1000);
    lk_budgets_prune(budgets, 1000 + LK_BUDGET_KEEP_MS - 1);
    budget = lk_budget_ref(budgets, LK_STR("orders"), LK_STR("gray"));
    LK_CHECK_EQ_UINT(burst(budget, &usual, 10, 1000), 0);
    LK_CHECK(lk_budget_in_grace(budget, 1, 2000));
    lk_budgets_prune(budgets, 10 * LK_BUDGET_KEEP_MS); /* in use: kept */
    LK_CHECK(lk_budget_in_grace(budget, 1, 2000));
    lk_budget_unref(budget, 1000);
    lk_budgets_prune(budgets, 1000 + LK_BUDGET_KEEP_MS);
    lk_budgets_prune(budgets, 1000 + 2 * LK_BUDGET_KEEP_MS);
    budget = lk_budget_ref(budgets, LK_STR("orders"), LK_STR("gray"));
    LK_CHECK(!lk_budget_in_grace(budget, 1, 2000));
    LK_CHECK_EQ_UINT(burst(budget, &usual, 10, 1000), 4);
    lk_budget_unref(budget, 0);
    lk_budgets_free(budgets);
}

LK_TEST(budget, a_budget_keeps_the_count_of_its_cluster)
{
    struct scene scene = scene_new();

    for (uint64_t now = 0; now < WINDOW; now++)
        lk_budget_cluster_count(scene.cluster, now);
    lk_budget_cluster_unref(scene.cluster, 0);
    lk_budgets_prune(scene.budgets, LK_BUDGET_KEEP_MS);
    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 1000, WINDOW), 95); /* a twentieth of 2000, paced */
    scene.cluster = lk_budget_cluster_ref(scene.budgets, LK_STR("orders"));
    lk_budget_cluster_count(scene.cluster, WINDOW);
    scene_end(&scene);
}

LK_TEST(budget, grace_begins_when_the_last_endpoint_goes)
{
    struct scene scene = scene_new();

    LK_CHECK(!lk_budget_in_grace(scene.budget, 5000, 100));
    lk_budget_set_present(scene.budget, false, 100); /* never had any */
    LK_CHECK(!lk_budget_in_grace(scene.budget, 5000, 100));
    lk_budget_set_present(scene.budget, true, 200);
    LK_CHECK(lk_budget_in_grace(scene.budget, 5000, 1000000));
    lk_budget_set_present(scene.budget, false, 10000);
    lk_budget_set_present(scene.budget, false, 14000); /* still gone, not gone anew */
    LK_CHECK(lk_budget_in_grace(scene.budget, 5000, 14999));
    LK_CHECK(!lk_budget_in_grace(scene.budget, 5000, 15000));
    LK_CHECK(!lk_budget_in_grace(scene.budget, 0, 10000));
    lk_budget_set_present(scene.budget, true, 16000);
    lk_budget_set_present(scene.budget, false, 20000);
    LK_CHECK(lk_budget_in_grace(scene.budget, 5000, 24999));
    scene_end(&scene);
}

/* --- read ----------------------------------------------------------------------------------------------------------
 */

LK_TEST(budget, reading_takes_nothing_and_tells_how_much_is_spent)
{
    static const struct lk_fallback_cap nothing = {.percent = 0, .min_rps = 0, .window_ms = WINDOW};
    struct scene scene = scene_new();
    struct lk_budget_level level;
    unsigned granted;

    lk_budget_read(scene.budget, &usual, 1000, &level);
    LK_CHECK_NEAR(level.spent, 0, 1e-9);
    LK_CHECK_NEAR(level.allowed_rps, 10, 1e-9);
    LK_CHECK_NEAR(level.base_rps, 0, 1e-9);
    granted = burst(scene.budget, &usual, 100, 1000);
    LK_CHECK(granted > 0);
    lk_budget_read(scene.budget, &usual, 1000, &level);
    LK_CHECK(level.spent > 0.7 && level.spent <= 1);
    LK_CHECK_EQ_UINT(burst(scene.budget, &usual, 1, 1000), 0);
    lk_budget_read(scene.budget, &usual, 1000 + WINDOW, &level);
    LK_CHECK_NEAR(level.spent, 0, 1e-9);
    lk_budget_read(scene.budget, &nothing, 1000, &level);
    LK_CHECK_NEAR(level.spent, 1, 1e-9); /* grants nothing */
    scene_end(&scene);
}

struct seen {
    unsigned count;
    char text[128];
};

static void note_budget(void *arg, struct lk_str cluster, struct lk_str lane, const struct lk_budget *budget)
{
    struct seen *seen = arg;

    LK_CHECK_NOT_NULL(budget);
    seen->count++;
    snprintf(seen->text, sizeof(seen->text), "%.*s at %.*s", LK_STR_ARG(lane), LK_STR_ARG(cluster));
}

LK_TEST(budget, all_of_them_are_listed_by_name)
{
    struct scene scene = scene_new();
    struct seen seen = {0, ""};

    lk_budgets_each(scene.budgets, note_budget, &seen);
    LK_CHECK_EQ_UINT(seen.count, 1);
    LK_CHECK_STR(seen.text, "gray at orders");
    scene_end(&scene);
}

/* --- only asked ------------------------------------------------------------------------------------------------- */

LK_TEST(budget, outlook_is_what_taking_would_come_to_and_takes_nothing)
{
    struct scene scene = scene_new();
    struct lk_fallback_cap cap = {.percent = 0, .min_rps = 100, .window_ms = 1000};
    unsigned granted = 0;

    for (unsigned i = 0; i < 20; i++) {
        struct lk_budget_outlook outlook =
            lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("gray"), &cap, 0, 1000);

        LK_CHECK(outlook.known);
        for (unsigned again = 0; again < 3; again++)
            LK_CHECK_EQ_INT(
                lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("gray"), &cap, 0, 1000).would_take,
                outlook.would_take);
        LK_CHECK_EQ_INT(lk_budget_take(scene.budget, &cap, 1000), outlook.would_take);
        granted += outlook.would_take;
    }
    LK_CHECK(granted > 0 && granted < 20);
    scene_end(&scene);
}

LK_TEST(budget, outlook_makes_no_budget)
{
    struct scene scene = scene_new();
    struct lk_fallback_cap nothing = {.percent = 100};
    struct lk_budget_outlook outlook =
        lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("red"), &usual, 5000, 1000);

    LK_CHECK(!outlook.known && outlook.would_take && !outlook.in_grace);
    LK_CHECK(!lk_budgets_outlook(scene.budgets, LK_STR("carts"), LK_STR("red"), &nothing, 5000, 1000).would_take);
    LK_CHECK(!lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("red"), &usual, 5000, 1000).known);
    scene_end(&scene);
}

LK_TEST(budget, outlook_knows_the_base_rate_and_the_grace)
{
    struct scene scene = scene_new();
    struct lk_fallback_cap cap = {.percent = 20, .window_ms = 1000};

    lk_stats_thread = 0;
    for (unsigned i = 0; i < 100; i++)
        lk_budget_cluster_count(scene.cluster, 1100);
    lk_budget_set_present(scene.budget, true, 1000);
    lk_budget_set_present(scene.budget, false, 1100);
    struct lk_budget_outlook outlook =
        lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("gray"), &cap, 5000, 2000);
    LK_CHECK_NEAR(outlook.base_rate, 100, 0.1);
    LK_CHECK(outlook.in_grace);
    LK_CHECK(!lk_budgets_outlook(scene.budgets, LK_STR("orders"), LK_STR("gray"), &cap, 500, 2000).in_grace);
    scene_end(&scene);
}
