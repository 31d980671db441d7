/* The wheel behind timer.h, for the loop that drives it. Time is given, never read. */
#pragma once

#include "proxy/io/timer.h"

#define LK_WHEEL_BITS 6u
#define LK_WHEEL_SLOTS (1u << LK_WHEEL_BITS)
#define LK_WHEEL_LEVELS 5u /* 2^30 ms, 12 days; a later deadline is looked at again when that is over */

struct lk_timer_wheel {
    uint64_t elapsed_ms;                /* every slot up to here has been handled */
    uint64_t occupied[LK_WHEEL_LEVELS]; /* a set bit may be stale: cleared timers leave it */
    struct lk_list slots[LK_WHEEL_LEVELS][LK_WHEEL_SLOTS];
};

void lk_timer_wheel_init(struct lk_timer_wheel *wheel, uint64_t now_ms);
/* When the wheel must be run next, UINT64_MAX when nothing is armed. Never later than the first deadline. */
uint64_t lk_timer_wheel_next(struct lk_timer_wheel *wheel);
/* Expires everything due at now_ms. */
void lk_timer_wheel_run(struct lk_timer_wheel *wheel, uint64_t now_ms);
