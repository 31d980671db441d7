/* Log-linear bins for latencies in microseconds: eight for each power of two from 64 us to 67 s, so a value is known to
 * an eighth of its size. Pure functions. */
#pragma once

#include <stdint.h>

#define LK_LATENCY_BINS 168

/* The bin of a latency; what is longer than the last bin counts there. */
unsigned lk_latency_bin(uint64_t us);
/* The value below which the share `quantile` (0..1) of the counted samples lies, interpolated within its bin; 0 when
 * there are none. */
uint64_t lk_latency_quantile(const uint32_t bins[LK_LATENCY_BINS], double quantile);
