/*
 * The last so many milliseconds of a guard: workers count for ever, the main loop remembers what the sums were at a few
 * moments, and the difference to now is what a window holds. Nothing is ever set back, so that workers need no clock
 * and no lock.
 */
#pragma once

#include "proxy/lane/guard.h"
#include "proxy/lane/latency_bins.h"

#include <stdatomic.h>

/* A window is cut in this many parts; what it shows begins at most one part after the window does. */
#define LK_GUARD_PARTS 20
#define LK_GUARD_MARKS (LK_GUARD_PARTS + 4)

/* Written by one worker, read by the main loop. */
struct lk_guard_cell {
    struct {
        _Atomic uint32_t requests;
        _Atomic uint32_t failed;
        _Atomic uint32_t bins[LK_LATENCY_BINS];
    } sides[LK_GUARD_SIDES];
};

/* Sums over all workers. They wrap; differences do not care. */
struct lk_guard_sums {
    struct {
        uint32_t requests;
        uint32_t failed;
        uint32_t bins[LK_LATENCY_BINS];
    } sides[LK_GUARD_SIDES];
};

struct lk_guard_mark {
    uint64_t at_ms;
    struct lk_guard_sums sums;
};

/* Marks in order of time; a ring. Main loop only. */
struct lk_guard_window {
    unsigned first;
    unsigned count;
    struct lk_guard_mark marks[LK_GUARD_MARKS];
};

/* One more request on the calling worker's cell: relaxed loads and stores. */
void lk_guard_cell_add(struct lk_guard_cell *cell, enum lk_guard_side side, bool is_5xx, uint64_t latency_us);
void lk_guard_sums_add(struct lk_guard_sums *sums, const struct lk_guard_cell *cell);

/* Forgets everything: the window begins now. */
void lk_guard_window_start(struct lk_guard_window *window, const struct lk_guard_sums *sums, uint64_t now_ms);
/* Fills in the figures since the first mark that lies within the window, and seen_ms; then remembers this moment when a
 * part of the window has gone by. */
void lk_guard_window_read(struct lk_guard_window *window, const struct lk_guard_sums *sums, uint32_t window_ms,
                          uint64_t now_ms, struct lk_guard_verdict *out);
