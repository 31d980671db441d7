/* Guards by lane: arming, recording, judging. */
#include "proxy/lane/guard.h"

#include "proxy/base/map.h"
#include "proxy/base/mem.h"
#include "proxy/lane/guard_window.h"
#include "proxy/stats/stats.h"

#include <pthread.h>

struct lk_guard {
    struct lk_guards *owner;
    struct lk_str lane;
    unsigned refs; /* under the lock */

    /* main loop only */
    uint64_t revision;
    struct lk_guard_config config;
    struct lk_guard_window window;
    struct lk_guard_verdict verdict;

    _Atomic uint64_t tripped_below;        /* tripped for tables of a lower revision than this */
    _Atomic uint64_t counted_from;         /* requests assigned under a lower revision are not counted */
    struct lk_guard_cell *_Atomic cells[]; /* by thread index; NULL until the thread records */
};

struct lk_guards {
    pthread_mutex_t lock; /* references and the map; only the main loop changes the map */
    unsigned threads;
    struct lk_map by_lane;
};

struct lk_guards *lk_guards_new(unsigned threads)
{
    struct lk_guards *guards = lk_calloc(1, sizeof(*guards));

    if (pthread_mutex_init(&guards->lock, NULL) != 0)
        lk_panic("no lock left for guards");
    guards->threads = threads;
    lk_map_init(&guards->by_lane);
    return guards;
}

static void free_guard(struct lk_guard *guard)
{
    for (unsigned i = 0; i < guard->owner->threads; i++)
        lk_free(atomic_load_explicit(&guard->cells[i], memory_order_acquire));
    lk_free((void *)guard->lane.ptr);
    lk_free(guard);
}

void lk_guards_free(struct lk_guards *guards)
{
    struct lk_map_slot *slot;

    if (guards == NULL)
        return;
    for (size_t i = 0; (slot = lk_map_next(&guards->by_lane, &i));) {
        struct lk_guard *guard = slot->value;

        LK_ASSERT(guard->refs == 0);
        free_guard(guard);
    }
    lk_map_fini(&guards->by_lane);
    pthread_mutex_destroy(&guards->lock);
    lk_free(guards);
}

/* --- arming ----------------------------------------------------------------------------------------------------- */

static void sum_up(const struct lk_guard *guard, struct lk_guard_sums *out)
{
    *out = (struct lk_guard_sums){.sides[0].requests = 0};
    for (unsigned i = 0; i < guard->owner->threads; i++) {
        const struct lk_guard_cell *cell = atomic_load_explicit(&guard->cells[i], memory_order_acquire);

        if (cell != NULL)
            lk_guard_sums_add(out, cell);
    }
}

static void start(struct lk_guard *guard, uint64_t now_ms)
{
    struct lk_guard_sums sums;

    sum_up(guard, &sums);
    lk_guard_window_start(&guard->window, &sums, now_ms);
    guard->verdict = (struct lk_guard_verdict){.revision = guard->revision, .config = guard->config};
}

static void configure(struct lk_guard *guard, uint64_t revision, const struct lk_guard_config *config)
{
    guard->revision = revision;
    guard->config = *config;
    guard->config.window_ms = LK_MAX(config->window_ms, (uint32_t)LK_GUARD_WINDOW_MIN_MS);
    guard->config.min_requests = LK_MAX(config->min_requests, 1u);
    guard->verdict.revision = revision;
    guard->verdict.config = guard->config;
}

static struct lk_guard *new_guard(struct lk_guards *guards, struct lk_str lane, uint64_t revision,
                                  const struct lk_guard_config *config, uint64_t now_ms)
{
    struct lk_guard *guard = lk_calloc(1, sizeof(*guard) + guards->threads * sizeof(guard->cells[0]));

    guard->owner = guards;
    guard->lane = lk_str(lk_str_dup(lane), lane.len);
    configure(guard, revision, config);
    start(guard, now_ms);
    return guard;
}

static void supersede(struct lk_guard *guard, uint64_t revision, const struct lk_guard_config *config, uint64_t now_ms)
{
    bool was_tripped = lk_guard_is_tripped(guard, guard->revision);

    configure(guard, revision, config);
    if (was_tripped) {
        /* What was assigned before and fails only now must not trip it again. */
        atomic_store_explicit(&guard->counted_from, revision, memory_order_relaxed);
        start(guard, now_ms);
    }
}

struct lk_guard *lk_guard_arm(struct lk_guards *guards, struct lk_str lane, uint64_t revision,
                              const struct lk_guard_config *config, uint64_t now_ms)
{
    struct lk_guard *guard;

    pthread_mutex_lock(&guards->lock);
    guard = lk_map_get(&guards->by_lane, lane);
    if (guard == NULL) {
        guard = new_guard(guards, lane, revision, config, now_ms);
        lk_map_set(&guards->by_lane, guard->lane, guard);
    } else if (revision > guard->revision) {
        supersede(guard, revision, config, now_ms);
    }
    guard->refs++;
    pthread_mutex_unlock(&guards->lock);
    return guard;
}

void lk_guard_unref(struct lk_guard *guard)
{
    struct lk_guards *guards;

    if (guard == NULL)
        return;
    guards = guard->owner;
    pthread_mutex_lock(&guards->lock);
    LK_ASSERT(guard->refs > 0);
    guard->refs--;
    pthread_mutex_unlock(&guards->lock);
}

/* One guard that may go, or NULL. */
static struct lk_guard *useless(const struct lk_guards *guards, uint64_t revision)
{
    struct lk_map_slot *slot;

    for (size_t i = 0; (slot = lk_map_next(&guards->by_lane, &i));) {
        struct lk_guard *guard = slot->value;

        if (guard->refs == 0 && guard->revision < revision)
            return guard;
    }
    return NULL;
}

void lk_guards_prune(struct lk_guards *guards, uint64_t revision)
{
    struct lk_guard *guard;

    pthread_mutex_lock(&guards->lock);
    while ((guard = useless(guards, revision)) != NULL) {
        lk_map_remove(&guards->by_lane, guard->lane);
        free_guard(guard);
    }
    pthread_mutex_unlock(&guards->lock);
}

/* --- on workers ------------------------------------------------------------------------------------------------- */

bool lk_guard_is_tripped(const struct lk_guard *guard, uint64_t revision)
{
    return revision < atomic_load_explicit(&guard->tripped_below, memory_order_relaxed);
}

void lk_guard_record(struct lk_guard *guard, enum lk_guard_side side, uint64_t revision, bool is_5xx,
                     uint64_t latency_us)
{
    struct lk_guard_cell *cell;

    if (revision < atomic_load_explicit(&guard->counted_from, memory_order_relaxed))
        return;
    LK_ASSERT(lk_stats_thread < guard->owner->threads);
    cell = atomic_load_explicit(&guard->cells[lk_stats_thread], memory_order_relaxed);
    if (LK_UNLIKELY(cell == NULL)) {
        cell = lk_calloc(1, sizeof(*cell));
        atomic_store_explicit(&guard->cells[lk_stats_thread], cell, memory_order_release);
    }
    lk_guard_cell_add(cell, side, is_5xx, latency_us);
}

/* --- judging ---------------------------------------------------------------------------------------------------- */

static double share_5xx(const struct lk_guard_figures *figures)
{
    return figures->requests > 0 ? (double)figures->failed / figures->requests : 0;
}

static enum lk_guard_reason judge(const struct lk_guard_verdict *verdict)
{
    const struct lk_guard_config *config = &verdict->config;
    const struct lk_guard_figures *lane = &verdict->sides[LK_GUARD_LANE];
    const struct lk_guard_figures *base = &verdict->sides[LK_GUARD_BASE];

    if (lane->requests < config->min_requests || base->requests < config->min_requests)
        return LK_GUARD_TOO_FEW;
    if (config->max_5xx_delta > 0 && share_5xx(lane) - share_5xx(base) > config->max_5xx_delta)
        return LK_GUARD_5XX;
    if (config->max_p99_ratio > 0 &&
        (double)lane->p99_us > config->max_p99_ratio * (double)LK_MAX(base->p99_us, (uint64_t)1))
        return LK_GUARD_LATENCY;
    return LK_GUARD_FINE;
}

bool lk_guard_evaluate(struct lk_guard *guard, uint64_t now_ms)
{
    struct lk_guard_verdict *verdict = &guard->verdict;
    struct lk_guard_sums sums;

    if (verdict->tripped)
        return false;
    sum_up(guard, &sums);
    lk_guard_window_read(&guard->window, &sums, guard->config.window_ms, now_ms, verdict);
    verdict->at_ms = now_ms;
    verdict->reason = judge(verdict);
    verdict->tripped = verdict->reason == LK_GUARD_5XX || verdict->reason == LK_GUARD_LATENCY;
    if (verdict->tripped)
        atomic_store_explicit(&guard->tripped_below, guard->revision == UINT64_MAX ? UINT64_MAX : guard->revision + 1,
                              memory_order_relaxed);
    return verdict->tripped;
}

void lk_guards_evaluate(struct lk_guards *guards, uint64_t now_ms, lk_guard_tripped_fn on_tripped, void *arg)
{
    struct lk_map_slot *slot;

    for (size_t i = 0; (slot = lk_map_next(&guards->by_lane, &i));) {
        struct lk_guard *guard = slot->value;
        bool in_use;

        pthread_mutex_lock(&guards->lock);
        in_use = guard->refs > 0;
        pthread_mutex_unlock(&guards->lock);
        if (in_use && lk_guard_evaluate(guard, now_ms))
            on_tripped(arg, guard->lane, &guard->verdict);
    }
}

const struct lk_guard_verdict *lk_guard_verdict(const struct lk_guard *guard)
{
    return &guard->verdict;
}

/* A limit that is off is not shown as one of zero. */
static const char *limit_text(const char *sign, double limit, const char *unit, char out[static 32])
{
    if (limit <= 0)
        return "no limit";
    snprintf(out, 32, "limit %s%.1f%s", sign, limit, unit);
    return out;
}

size_t lk_guard_verdict_text(const struct lk_guard_verdict *verdict, char out[LK_GUARD_TEXT_MAX])
{
    const struct lk_guard_config *config = &verdict->config;
    const struct lk_guard_figures *lane = &verdict->sides[LK_GUARD_LANE];
    const struct lk_guard_figures *base = &verdict->sides[LK_GUARD_BASE];
    char delta[32], ratio[32];
    int length = snprintf(
        out, LK_GUARD_TEXT_MAX, "5xx %.1f%% of %u (base %.1f%% of %u, %s), p99 %.1f ms (base %.1f ms, %s) in %.1f s",
        100 * share_5xx(lane), lane->requests, 100 * share_5xx(base), base->requests,
        limit_text("+", 100 * config->max_5xx_delta, "%", delta), (double)lane->p99_us / 1000,
        (double)base->p99_us / 1000, limit_text("x", config->max_p99_ratio, "", ratio), verdict->seen_ms / 1000.0);

    return (size_t)LK_MIN(LK_MAX(length, 0), LK_GUARD_TEXT_MAX - 1);
}
