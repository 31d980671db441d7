// A histogram of times with a bounded relative error (one part in 64), from 1 ns to half an hour, in
// the manner of HdrHistogram: recording is one addition.
#pragma once

#include <stdint.h>
#include <stdio.h>

#define LK_BENCH_LATENCY_SUB 64
#define LK_BENCH_LATENCY_ROWS 36

struct lk_bench_latency {
    uint64_t count;
    uint64_t max;
    double sum;
    uint64_t buckets[LK_BENCH_LATENCY_ROWS * LK_BENCH_LATENCY_SUB];
};

void lk_bench_latency_record(struct lk_bench_latency *latency, uint64_t ns);

// The value below which `share` (0..1) of the records lie, in ns; 0 when there are none.
uint64_t lk_bench_latency_at(const struct lk_bench_latency *latency, double share);

// Writes a JSON object of microseconds: mean, p50, p90, p99, p999, max.
void lk_bench_latency_print(const struct lk_bench_latency *latency, FILE *out);
