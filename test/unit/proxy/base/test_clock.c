/* Clocks. */
#include "proxy/base/clock.h"
#include "test/support/lk_test.h"

LK_TEST(clock, monotonic_time_does_not_go_back)
{
    uint64_t last = lk_clock_us();

    for (int i = 0; i < 1000; i++) {
        uint64_t now = lk_clock_us();

        LK_CHECK(now >= last);
        last = now;
    }
    LK_CHECK(lk_clock_ms() - last / 1000 < 60000);
}

LK_TEST(clock, wall_time_is_that_of_the_system)
{
    LK_CHECK(lk_clock_wall_us() / 1000000 - (int64_t)time(NULL) < 2);
    LK_CHECK((int64_t)time(NULL) - lk_clock_wall_us() / 1000000 < 2);
}

LK_TEST(clock, frozen_clock_stands_and_thaws)
{
    lk_clock_freeze(5000123);
    LK_CHECK_EQ_UINT(lk_clock_us(), 5000123);
    LK_CHECK_EQ_UINT(lk_clock_ms(), 5000);
    lk_clock_freeze(0);
    LK_CHECK(lk_clock_us() != 5000123);
}
