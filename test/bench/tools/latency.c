// A histogram of times with a bounded relative error.
#include "test/bench/tools/latency.h"

// Row 0 holds 0..63 exactly; row r holds [64 << (r-1), 128 << (r-1)) in 64 equal steps.
static unsigned bucket_of(uint64_t ns)
{
    if (ns < LK_BENCH_LATENCY_SUB)
        return (unsigned)ns;
    unsigned row = 58u - (unsigned)__builtin_clzll(ns);
    if (row >= LK_BENCH_LATENCY_ROWS)
        return LK_BENCH_LATENCY_ROWS * LK_BENCH_LATENCY_SUB - 1;
    unsigned sub = (unsigned)(ns >> (row - 1)) - LK_BENCH_LATENCY_SUB;
    return row * LK_BENCH_LATENCY_SUB + sub;
}

// The middle of a bucket.
static uint64_t value_of(unsigned bucket)
{
    unsigned row = bucket / LK_BENCH_LATENCY_SUB;
    uint64_t sub = bucket % LK_BENCH_LATENCY_SUB;
    if (row == 0)
        return sub;
    uint64_t step = 1ull << (row - 1);
    return (LK_BENCH_LATENCY_SUB + sub) * step + step / 2;
}

void lk_bench_latency_record(struct lk_bench_latency *latency, uint64_t ns)
{
    latency->count++;
    latency->sum += (double)ns;
    if (ns > latency->max)
        latency->max = ns;
    latency->buckets[bucket_of(ns)]++;
}

uint64_t lk_bench_latency_at(const struct lk_bench_latency *latency, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)latency->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < LK_BENCH_LATENCY_ROWS * LK_BENCH_LATENCY_SUB; i++) {
        seen += latency->buckets[i];
        if (seen > wanted)
            return value_of(i);
    }
    return latency->max;
}

void lk_bench_latency_print(const struct lk_bench_latency *latency, FILE *out)
{
    double mean = latency->count ? latency->sum / (double)latency->count : 0;
    fprintf(out, "{\"mean\": %.2f", mean / 1e3);
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        fprintf(out, ", \"%s\": %.2f", points[i].name, (double)lk_bench_latency_at(latency, points[i].share) / 1e3);
    fprintf(out, ", \"max\": %.2f}", (double)latency->max / 1e3);
}
