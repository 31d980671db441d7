/*
 * How many base requests a cluster gets: what a fallback budget is a percentage of. Each thread counts in its own ring
 * of half seconds (one relaxed load and store); whoever needs the rate adds the rings up. Any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define LK_BASE_METER_SLOTS 64
#define LK_BASE_METER_SLOT_MS 500
/* The longest window a rate is measured over. */
#define LK_BASE_METER_WINDOW_MAX_MS 30000

/* A slot: the number of the half second above, the count below. */
struct lk_base_meter_ring {
    _Atomic uint64_t slots[LK_BASE_METER_SLOTS];
};

struct lk_base_meter {
    unsigned threads;
    struct lk_base_meter_ring *_Atomic rings[]; /* by thread index; NULL until the thread counts */
};

/* `threads` = workers + 1, indexed by lk_stats_thread. Free with lk_base_meter_free. */
struct lk_base_meter *lk_base_meter_new(unsigned threads);
void lk_base_meter_free(struct lk_base_meter *meter);

/* One more base request, now. */
void lk_base_meter_count(struct lk_base_meter *meter, uint64_t now_ms);
/* Requests per second over the last complete half seconds that make up the window (at least one half second, at most
 * LK_BASE_METER_WINDOW_MAX_MS). The half second that is not over yet does not count. */
double lk_base_meter_rate(const struct lk_base_meter *meter, uint32_t window_ms, uint64_t now_ms);
