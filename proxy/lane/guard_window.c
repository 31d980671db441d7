/* Sliding windows as differences of sums. */
#include "proxy/lane/guard_window.h"

#include "proxy/base/mem.h"

static void bump(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

void lk_guard_cell_add(struct lk_guard_cell *cell, enum lk_guard_side side, bool is_5xx, uint64_t latency_us)
{
    bump(&cell->sides[side].bins[lk_latency_bin(latency_us)]);
    if (is_5xx)
        bump(&cell->sides[side].failed);
    bump(&cell->sides[side].requests);
}

void lk_guard_sums_add(struct lk_guard_sums *sums, const struct lk_guard_cell *cell)
{
    for (unsigned side = 0; side < LK_GUARD_SIDES; side++) {
        sums->sides[side].requests += atomic_load_explicit(&cell->sides[side].requests, memory_order_relaxed);
        sums->sides[side].failed += atomic_load_explicit(&cell->sides[side].failed, memory_order_relaxed);
        for (unsigned bin = 0; bin < LK_LATENCY_BINS; bin++)
            sums->sides[side].bins[bin] += atomic_load_explicit(&cell->sides[side].bins[bin], memory_order_relaxed);
    }
}

static struct lk_guard_mark *mark_at(struct lk_guard_window *window, unsigned index)
{
    return &window->marks[(window->first + index) % LK_GUARD_MARKS];
}

static void drop_first(struct lk_guard_window *window)
{
    window->first = (window->first + 1) % LK_GUARD_MARKS;
    window->count--;
}

static void remember(struct lk_guard_window *window, const struct lk_guard_sums *sums, uint64_t now_ms)
{
    if (window->count == LK_GUARD_MARKS)
        drop_first(window);
    *mark_at(window, window->count) = (struct lk_guard_mark){.at_ms = now_ms, .sums = *sums};
    window->count++;
}

void lk_guard_window_start(struct lk_guard_window *window, const struct lk_guard_sums *sums, uint64_t now_ms)
{
    window->first = 0;
    window->count = 0;
    remember(window, sums, now_ms);
}

static void read_side(const struct lk_guard_sums *before, const struct lk_guard_sums *now, unsigned side,
                      struct lk_guard_figures *out)
{
    uint32_t bins[LK_LATENCY_BINS];

    for (unsigned bin = 0; bin < LK_LATENCY_BINS; bin++)
        bins[bin] = now->sides[side].bins[bin] - before->sides[side].bins[bin];
    out->requests = now->sides[side].requests - before->sides[side].requests;
    out->failed = now->sides[side].failed - before->sides[side].failed;
    out->p99_us = lk_latency_quantile(bins, 0.99);
}

void lk_guard_window_read(struct lk_guard_window *window, const struct lk_guard_sums *sums, uint32_t window_ms,
                          uint64_t now_ms, struct lk_guard_verdict *out)
{
    const struct lk_guard_mark *first;

    /* After a pause longer than the window the last mark stays: better a wider view than none. */
    while (window->count > 1 && mark_at(window, 0)->at_ms + window_ms < now_ms)
        drop_first(window);
    first = mark_at(window, 0);
    out->seen_ms = (uint32_t)LK_MIN(now_ms - first->at_ms, (uint64_t)UINT32_MAX);
    for (unsigned side = 0; side < LK_GUARD_SIDES; side++)
        read_side(&first->sums, sums, side, &out->sides[side]);
    if (now_ms >= mark_at(window, window->count - 1)->at_ms + window_ms / LK_GUARD_PARTS)
        remember(window, sums, now_ms);
}
