/* Timers: the wheel on a frozen clock, then on the real one through a loop. */
#include "proxy/base/clock.h"
#include "proxy/base/rand.h"
#include "proxy/io/timer.h"
#include "proxy/io/timer_wheel.h"
#include "test/unit/proxy/io/loop_fixture.h"

#define START_US UINT64_C(5000000123)

struct probe {
    struct lk_timer timer;
    struct lk_loop *loop;
    uint64_t not_before_ms;
    uint64_t fired_ms;
    int count;
    int order;
    struct probe *other;
};

static int next_order;

static void on_expire(struct lk_timer *timer)
{
    struct probe *p = LK_CONTAINER_OF(timer, struct probe, timer);
    p->count++;
    p->order = ++next_order;
    p->fired_ms = lk_loop_now_ms(p->loop);
    LK_CHECK(!lk_timer_armed(timer));
}

static struct lk_loop *frozen_loop(void)
{
    lk_clock_freeze(START_US);
    next_order = 0;
    return test_loop_new();
}

static void end_frozen(struct lk_loop *loop)
{
    lk_loop_free(loop);
    lk_clock_freeze(0);
}

static void advance_to(struct lk_loop *loop, uint64_t us)
{
    lk_clock_freeze(us);
    lk_loop_turn(loop, 0);
}

static void probe_init(struct probe *p, struct lk_loop *loop)
{
    *p = (struct probe){.loop = loop};
    lk_timer_init(&p->timer, on_expire);
}

LK_TEST(timer, expires_not_before_its_delay_and_within_a_millisecond_after)
{
    const uint64_t delays[] = {0, 1, 2, 63, 64, 65, 127, 1000, 4095, 4096, 5000, 65536, 300000, 3600000, 86400000};
    for (size_t i = 0; i < LK_ARRAY_LEN(delays); i++) {
        struct lk_loop *loop = frozen_loop();
        struct probe p;
        probe_init(&p, loop);
        lk_timer_set(loop, &p.timer, delays[i]);
        LK_CHECK(lk_timer_armed(&p.timer));
        advance_to(loop, START_US + delays[i] * 1000 - (delays[i] > 0));
        LK_CHECK_EQ_INT(p.count, 0);
        advance_to(loop, START_US + delays[i] * 1000 + 1000);
        LK_CHECK_EQ_INT(p.count, 1);
        end_frozen(loop);
    }
}

LK_TEST(timer, a_deadline_beyond_the_wheel_is_kept)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    uint64_t day_us = UINT64_C(86400000000);
    probe_init(&p, loop);
    lk_timer_set(loop, &p.timer, 100 * day_us / 1000);
    for (uint64_t day = 1; day < 100; day++)
        advance_to(loop, START_US + day * day_us);
    LK_CHECK_EQ_INT(p.count, 0);
    advance_to(loop, START_US + 100 * day_us + 1000);
    LK_CHECK_EQ_INT(p.count, 1);
    lk_timer_set(loop, &p.timer, UINT64_MAX);
    advance_to(loop, START_US + 300 * day_us);
    LK_CHECK_EQ_INT(p.count, 1);
    lk_timer_clear(&p.timer);
    end_frozen(loop);
}

LK_TEST(timer, timers_expire_in_order_of_deadline)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p[5];
    const uint64_t delays[] = {5000, 10, 700, 70, 4097};
    const int order[] = {5, 1, 3, 2, 4};
    for (int i = 0; i < 5; i++) {
        probe_init(&p[i], loop);
        lk_timer_set(loop, &p[i].timer, delays[i]);
    }
    advance_to(loop, START_US + 10000000);
    for (int i = 0; i < 5; i++)
        LK_CHECK_EQ_INT(p[i].order, order[i]);
    end_frozen(loop);
}

LK_TEST(timer, a_cleared_timer_does_not_expire_and_can_be_armed_again)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    probe_init(&p, loop);
    lk_timer_clear(&p.timer);
    lk_timer_set(loop, &p.timer, 100);
    lk_timer_clear(&p.timer);
    LK_CHECK(!lk_timer_armed(&p.timer));
    advance_to(loop, START_US + 200000);
    LK_CHECK_EQ_INT(p.count, 0);
    lk_timer_set(loop, &p.timer, 50);
    advance_to(loop, START_US + 300000);
    LK_CHECK_EQ_INT(p.count, 1);
    end_frozen(loop);
}

LK_TEST(timer, set_moves_a_deadline_both_ways)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    probe_init(&p, loop);
    lk_timer_set(loop, &p.timer, 100);
    lk_timer_set(loop, &p.timer, 5000);
    advance_to(loop, START_US + 4000000);
    LK_CHECK_EQ_INT(p.count, 0);
    lk_timer_set(loop, &p.timer, 10);
    advance_to(loop, START_US + 4012000);
    LK_CHECK_EQ_INT(p.count, 1);
    end_frozen(loop);
}

LK_TEST(timer, push_only_moves_later_and_expires_once)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    probe_init(&p, loop);
    for (uint64_t ms = 0; ms < 1000; ms += 10) {
        lk_timer_push(loop, &p.timer, 50);
        advance_to(loop, START_US + ms * 1000);
        LK_CHECK_EQ_INT(p.count, 0);
    }
    advance_to(loop, START_US + 1030000);
    LK_CHECK_EQ_INT(p.count, 0);
    advance_to(loop, START_US + 1052000);
    LK_CHECK_EQ_INT(p.count, 1);
    end_frozen(loop);
}

LK_TEST(timer, push_with_a_shorter_delay_moves_earlier)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    probe_init(&p, loop);
    lk_timer_push(loop, &p.timer, 60000);
    lk_timer_push(loop, &p.timer, 10);
    advance_to(loop, START_US + 12000);
    LK_CHECK_EQ_INT(p.count, 1);
    end_frozen(loop);
}

static void on_expire_clear_other(struct lk_timer *timer)
{
    struct probe *p = LK_CONTAINER_OF(timer, struct probe, timer);
    p->count++;
    lk_timer_clear(&p->other->timer);
}

LK_TEST(timer, a_callback_may_clear_another_due_timer)
{
    struct lk_loop *loop = frozen_loop();
    struct probe a, b;
    probe_init(&a, loop);
    probe_init(&b, loop);
    a.timer.on_expire = on_expire_clear_other;
    a.other = &b;
    lk_timer_set(loop, &a.timer, 10);
    lk_timer_set(loop, &b.timer, 10);
    advance_to(loop, START_US + 20000);
    LK_CHECK_EQ_INT(a.count, 1);
    LK_CHECK_EQ_INT(b.count, 0);
    end_frozen(loop);
}

static void on_expire_again(struct lk_timer *timer)
{
    struct probe *p = LK_CONTAINER_OF(timer, struct probe, timer);
    p->count++;
    lk_timer_set(p->loop, timer, 0);
}

LK_TEST(timer, a_timer_that_arms_itself_for_now_does_not_hold_the_turn)
{
    struct lk_loop *loop = frozen_loop();
    struct probe p;
    probe_init(&p, loop);
    p.timer.on_expire = on_expire_again;
    lk_timer_set(loop, &p.timer, 1);
    advance_to(loop, START_US + 5000000);
    LK_CHECK(p.count >= 1 && p.count <= 2);
    lk_timer_clear(&p.timer);
    end_frozen(loop);
}

/* Thousands of timers and random steps of time against the rule itself. */
LK_TEST(timer, the_wheel_keeps_every_deadline)
{
    enum { COUNT = 3000 };
    struct lk_loop *loop = frozen_loop();
    struct probe *p = lk_calloc(COUNT, sizeof(*p));
    uint64_t now_us = START_US, last_ms = START_US / 1000;
    lk_rand_seed(7);
    for (int i = 0; i < COUNT; i++)
        probe_init(&p[i], loop);
    for (int step = 0; step < 3000; step++) {
        for (int n = 0; n < 5; n++) {
            struct probe *one = &p[lk_rand_below(COUNT)];
            uint64_t delay = lk_rand_below(UINT64_C(1) << lk_rand_below(33));
            one->not_before_ms = (now_us + 999) / 1000 + delay;
            lk_timer_set(loop, &one->timer, delay);
        }
        now_us += lk_rand_below(UINT64_C(1) << lk_rand_below(36));
        advance_to(loop, now_us);
        for (int i = 0; i < COUNT; i++) {
            if (lk_timer_armed(&p[i].timer))
                LK_CHECK(p[i].not_before_ms + 1 > now_us / 1000);
            else if (p[i].fired_ms > last_ms)
                LK_CHECK(p[i].fired_ms >= p[i].not_before_ms);
        }
        last_ms = now_us / 1000;
    }
    for (int i = 0; i < COUNT; i++)
        lk_timer_clear(&p[i].timer);
    lk_free(p);
    end_frozen(loop);
}

LK_TEST(timer, an_empty_wheel_has_no_next_time)
{
    struct lk_timer_wheel *wheel = lk_malloc(sizeof(*wheel));
    lk_timer_wheel_init(wheel, 12345);
    LK_CHECK_EQ_UINT(lk_timer_wheel_next(wheel), UINT64_MAX);
    lk_timer_wheel_run(wheel, 99999999);
    LK_CHECK_EQ_UINT(lk_timer_wheel_next(wheel), UINT64_MAX);
    lk_free(wheel);
}

LK_TEST(timer, the_real_clock_ends_the_wait_in_time)
{
    struct lk_loop *loop = test_loop_new();
    struct probe p;
    for (uint64_t delay = 1; delay < 40; delay += 7) {
        probe_init(&p, loop);
        uint64_t start = lk_clock_us();
        lk_timer_set(loop, &p.timer, delay);
        TURN_UNTIL(loop, p.count > 0);
        LK_CHECK(lk_clock_us() - start >= delay * 1000);
    }
    lk_loop_free(loop);
}

LK_TEST(timer, an_earlier_timer_shortens_a_wait_already_set)
{
    struct lk_loop *loop = test_loop_new();
    struct probe late, early;
    probe_init(&late, loop);
    probe_init(&early, loop);
    lk_timer_set(loop, &late.timer, 60000);
    lk_loop_turn(loop, 1);
    lk_timer_set(loop, &early.timer, 20);
    uint64_t start = lk_clock_us();
    while (early.count == 0 && lk_clock_us() - start < 10000000)
        lk_loop_turn(loop, 30000);
    LK_CHECK_EQ_INT(early.count, 1);
    LK_CHECK(lk_clock_us() - start < 10000000);
    LK_CHECK_EQ_INT(late.count, 0);
    lk_timer_clear(&late.timer);
    lk_loop_free(loop);
}
