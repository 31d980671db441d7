/*
 * The timer wheel of a loop. A deadline sits in the slot of the highest 6-bit digit in which it differs from the time
 * handled so far; when that slot's time comes, its timers expire or move to a finer level. Bitmaps find the next
 * occupied slot without scanning.
 */
#include "proxy/io/timer.h"

#include "proxy/io/loop_private.h"

enum { DIGIT_MASK = LK_WHEEL_SLOTS - 1 };

void lk_timer_init(struct lk_timer *timer, lk_timer_fn on_expire)
{
    lk_list_init(&timer->node);
    timer->deadline_ms = 0;
    timer->on_expire = on_expire;
}

void lk_timer_clear(struct lk_timer *timer)
{
    if (timer->deadline_ms == 0)
        return;
    lk_list_remove(&timer->node);
    timer->deadline_ms = 0;
}

void lk_timer_wheel_init(struct lk_timer_wheel *wheel, uint64_t now_ms)
{
    wheel->elapsed_ms = now_ms;
    for (unsigned level = 0; level < LK_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < LK_WHEEL_SLOTS; slot++)
            lk_list_init(&wheel->slots[level][slot]);
    }
}

static unsigned level_of(uint64_t elapsed_ms, uint64_t deadline_ms)
{
    uint64_t differing = (elapsed_ms ^ deadline_ms) | DIGIT_MASK;
    unsigned level = (63u - (unsigned)__builtin_clzll(differing)) / LK_WHEEL_BITS;
    return LK_MIN(level, LK_WHEEL_LEVELS - 1);
}

/* A deadline beyond the top level gets a slot that comes before it, and another one when that slot's time comes. */
static void wheel_insert(struct lk_timer_wheel *wheel, struct lk_timer *timer)
{
    uint64_t due = LK_MAX(timer->deadline_ms, wheel->elapsed_ms + 1);
    unsigned level = level_of(wheel->elapsed_ms, due);
    unsigned slot = (unsigned)(due >> (level * LK_WHEEL_BITS)) & DIGIT_MASK;
    wheel->occupied[level] |= UINT64_C(1) << slot;
    lk_list_push_back(&wheel->slots[level][slot], &timer->node);
}

static uint64_t deadline_after(struct lk_loop *loop, uint64_t delay_ms)
{
    const uint64_t for_ever = UINT64_C(1) << 53; /* keeps the sum from wrapping */
    return (lk_loop_now_us(loop) + 999) / 1000 + LK_MIN(delay_ms, for_ever);
}

void lk_timer_set(struct lk_loop *loop, struct lk_timer *timer, uint64_t delay_ms)
{
    lk_list_remove(&timer->node);
    timer->deadline_ms = deadline_after(loop, delay_ms);
    wheel_insert(&loop->wheel, timer);
}

void lk_timer_push(struct lk_loop *loop, struct lk_timer *timer, uint64_t delay_ms)
{
    uint64_t deadline_ms = deadline_after(loop, delay_ms);
    if (timer->deadline_ms != 0 && deadline_ms >= timer->deadline_ms)
        timer->deadline_ms = deadline_ms;
    else
        lk_timer_set(loop, timer, delay_ms);
}

/* Distance in slots from the current digit to the next occupied one, 1..64; 0 when the level is empty. */
static unsigned next_occupied(struct lk_timer_wheel *wheel, unsigned level, unsigned digit)
{
    while (wheel->occupied[level] != 0) {
        /* rotated so that bit 0 is the slot after the current one */
        unsigned shift = (digit + 1) & DIGIT_MASK;
        uint64_t bits = wheel->occupied[level];
        bits = shift == 0 ? bits : (bits >> shift) | (bits << (LK_WHEEL_SLOTS - shift));
        unsigned distance = (unsigned)__builtin_ctzll(bits) + 1;
        unsigned slot = (digit + distance) & DIGIT_MASK;
        if (!lk_list_empty(&wheel->slots[level][slot]))
            return distance;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    }
    return 0;
}

/* The start of the next occupied slot of any level, and which one it is. A finer level always comes first. */
static uint64_t next_slot(struct lk_timer_wheel *wheel, unsigned *level_out, unsigned *slot_out)
{
    for (unsigned level = 0; level < LK_WHEEL_LEVELS; level++) {
        unsigned shift = level * LK_WHEEL_BITS;
        uint64_t position = wheel->elapsed_ms >> shift;
        unsigned distance = next_occupied(wheel, level, (unsigned)position & DIGIT_MASK);
        if (distance == 0)
            continue;
        *level_out = level;
        *slot_out = (unsigned)(position + distance) & DIGIT_MASK;
        return (position + distance) << shift;
    }
    return UINT64_MAX;
}

uint64_t lk_timer_wheel_next(struct lk_timer_wheel *wheel)
{
    unsigned level, slot;
    return next_slot(wheel, &level, &slot);
}

static void run_slot(struct lk_timer_wheel *wheel, struct lk_list *slot)
{
    struct lk_list due;
    lk_list_init(&due);
    lk_list_splice(&due, slot);
    while (!lk_list_empty(&due)) {
        struct lk_timer *timer = LK_LIST_ENTRY(due.next, struct lk_timer, node);
        lk_list_remove(&timer->node);
        if (timer->deadline_ms > wheel->elapsed_ms) {
            wheel_insert(wheel, timer);
            continue;
        }
        timer->deadline_ms = 0;
        timer->on_expire(timer);
    }
}

void lk_timer_wheel_run(struct lk_timer_wheel *wheel, uint64_t now_ms)
{
    unsigned level, slot;
    for (;;) {
        uint64_t start = next_slot(wheel, &level, &slot);
        if (start > now_ms)
            break;
        wheel->elapsed_ms = start;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        run_slot(wheel, &wheel->slots[level][slot]);
    }
    if (now_ms > wheel->elapsed_ms)
        wheel->elapsed_ms = now_ms;
}
