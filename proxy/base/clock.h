/* Time. Milliseconds and microseconds of the monotonic clock for deadlines and durations, wall time
 * only for logs. Unit tests may freeze the clock. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Monotonic, microseconds. About 20 ns (vDSO). */
uint64_t lk_clock_us(void);
/* Monotonic, milliseconds. */
uint64_t lk_clock_ms(void);
/* Wall time, microseconds since the epoch. */
int64_t lk_clock_wall_us(void);

/* Tests: from now on the monotonic clock of this process stands at us; 0 thaws it. */
void lk_clock_freeze(uint64_t us);
