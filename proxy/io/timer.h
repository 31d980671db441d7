/*
 * Timers of one loop: a hierarchical wheel of 1 ms ticks. Setting, moving and clearing a timer is a few instructions
 * and no system call, so a deadline per request is fine. Nothing ticks while nothing is armed. Owner: the loop's
 * thread.
 */
#pragma once

#include "proxy/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_loop;
struct lk_timer;

typedef void (*lk_timer_fn)(struct lk_timer *timer);

struct lk_timer {
    struct lk_list node;
    uint64_t deadline_ms; /* loop clock; 0: not armed */
    lk_timer_fn on_expire;
};

void lk_timer_init(struct lk_timer *timer, lk_timer_fn on_expire);
/* Arms or moves: expires not before delay_ms from the loop's now, at most about 1 ms + one loop turn late. */
void lk_timer_set(struct lk_loop *loop, struct lk_timer *timer, uint64_t delay_ms);
/* Moves the deadline *later* without touching the wheel; the wheel notices when the old one comes. Arms if not armed.
 * For idle timeouts refreshed at every byte. */
void lk_timer_push(struct lk_loop *loop, struct lk_timer *timer, uint64_t delay_ms);
void lk_timer_clear(struct lk_timer *timer);

static inline bool lk_timer_armed(const struct lk_timer *timer)
{
    return timer->deadline_ms != 0;
}
