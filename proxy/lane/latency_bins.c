/* Bins of latencies: the first octave is cut in eight equal parts as the others are. */
#include "proxy/lane/latency_bins.h"

#define FIRST_BITS 6 /* values below 1 << FIRST_BITS share the first eight bins */
#define PARTS 8
#define PART_BITS 3

unsigned lk_latency_bin(uint64_t us)
{
    unsigned octave;
    unsigned bin;

    if (us < 1u << FIRST_BITS)
        return (unsigned)us >> (FIRST_BITS - PART_BITS);
    octave = 63 - (unsigned)__builtin_clzll(us);
    bin = PARTS + (octave - FIRST_BITS) * PARTS + (unsigned)(us >> (octave - PART_BITS) & (PARTS - 1));
    return bin < LK_LATENCY_BINS ? bin : LK_LATENCY_BINS - 1;
}

/* Where a bin begins; for the number of bins: where the last one ends. */
static uint64_t start_of(unsigned bin)
{
    unsigned octave;

    if (bin < PARTS)
        return (uint64_t)bin << (FIRST_BITS - PART_BITS);
    octave = bin / PARTS - 1 + FIRST_BITS;
    return (uint64_t)(PARTS + bin % PARTS) << (octave - PART_BITS);
}

uint64_t lk_latency_quantile(const uint32_t bins[LK_LATENCY_BINS], double quantile)
{
    uint64_t total = 0;
    double rank;

    for (unsigned bin = 0; bin < LK_LATENCY_BINS; bin++)
        total += bins[bin];
    rank = quantile * (double)total;
    for (unsigned bin = 0; bin < LK_LATENCY_BINS; bin++) {
        double width = (double)(start_of(bin + 1) - start_of(bin));

        if (bins[bin] > 0 && rank <= bins[bin])
            return start_of(bin) + (uint64_t)(width * rank / bins[bin]);
        rank -= bins[bin];
    }
    return total > 0 ? start_of(LK_LATENCY_BINS) : 0;
}
