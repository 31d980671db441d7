/* Clocks of the kernel behind one switch for tests. Any thread. */
#include "proxy/base/clock.h"

#include "proxy/base/mem.h"

#include <stdatomic.h>

static _Atomic uint64_t frozen_us;

static uint64_t read_us(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) != 0)
        lk_panic("clock %d cannot be read", (int)id);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t lk_clock_us(void)
{
    uint64_t frozen = atomic_load_explicit(&frozen_us, memory_order_relaxed);

    return LK_UNLIKELY(frozen != 0) ? frozen : read_us(CLOCK_MONOTONIC);
}

uint64_t lk_clock_ms(void)
{
    return lk_clock_us() / 1000;
}

int64_t lk_clock_wall_us(void)
{
    return (int64_t)read_us(CLOCK_REALTIME);
}

void lk_clock_freeze(uint64_t us)
{
    atomic_store_explicit(&frozen_us, us, memory_order_relaxed);
}
