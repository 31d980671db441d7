/*
 * Samples with two significant digits, as Envoy's histograms keep them: the numbers 0..9, then ninety bins for each
 * decade. One thread records into its own struct lk_histogram, whose decades are allocated on first use; the reading
 * thread adds them up in a struct lk_histogram_sum and derives quantiles and cumulative buckets.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Decades above the first; larger samples count in the last bin. */
#define LK_HISTOGRAM_DECADES 12
#define LK_HISTOGRAM_BINS (10 + 90 * LK_HISTOGRAM_DECADES)
#define LK_HISTOGRAM_QUANTILES 10
#define LK_HISTOGRAM_BOUNDS 19

struct lk_histogram {
    _Atomic uint64_t sum;
    _Atomic uint64_t *_Atomic decades[LK_HISTOGRAM_DECADES + 1];
};

struct lk_histogram_sum {
    uint64_t count;
    uint64_t sum;
    uint64_t bins[LK_HISTOGRAM_BINS];
};

/* A frozen copy of the bins that are not zero. */
struct lk_histogram_copy {
    uint64_t count;
    uint64_t sum;
    size_t used;
    struct {
        uint64_t n;
        uint16_t bin;
    } bins[];
};

/* In percent, as /stats shows them: 0 25 50 75 90 95 99 99.5 99.9 100. */
extern const double lk_histogram_quantiles[LK_HISTOGRAM_QUANTILES];
/* Upper bounds of Envoy's default buckets, in the unit of the samples: 0.5 to 3600000. */
extern const double lk_histogram_bounds[LK_HISTOGRAM_BOUNDS];

/* Adds n samples. Returns the bytes that were allocated for it. */
size_t lk_histogram_record(struct lk_histogram *histogram, uint64_t value, uint64_t n);
size_t lk_histogram_bytes(const struct lk_histogram *histogram);
void lk_histogram_free(struct lk_histogram *histogram);

void lk_histogram_sum_init(struct lk_histogram_sum *sum);
void lk_histogram_sum_add(struct lk_histogram_sum *sum, const struct lk_histogram *histogram);
/* Takes away what an earlier copy of the same histogram held; NULL takes away nothing. */
void lk_histogram_sum_subtract(struct lk_histogram_sum *sum, const struct lk_histogram_copy *copy);
/* Heap; lk_free. */
struct lk_histogram_copy *lk_histogram_sum_copy(const struct lk_histogram_sum *sum);

/* The values at lk_histogram_quantiles, interpolated within a bin; NaN when there are no samples. */
void lk_histogram_sum_quantiles(const struct lk_histogram_sum *sum, double out[LK_HISTOGRAM_QUANTILES]);
/* How many samples are at most as large as each of lk_histogram_bounds. */
void lk_histogram_sum_buckets(const struct lk_histogram_sum *sum, uint64_t out[LK_HISTOGRAM_BOUNDS]);
