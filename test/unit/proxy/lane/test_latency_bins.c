/* Bins and quantiles of latencies. */
#include "proxy/lane/latency_bins.h"

#include "test/support/lk_test.h"

LK_TEST(latency_bins, bins_rise_with_the_value_and_stay_in_range)
{
    unsigned last = 0;

    for (uint64_t us = 0; us < 70000000; us += us / 50 + 1) {
        unsigned bin = lk_latency_bin(us);

        LK_CHECK(bin == last || bin == last + 1);
        last = bin;
    }
    LK_CHECK_EQ_UINT(last, LK_LATENCY_BINS - 1);
    LK_CHECK_EQ_UINT(lk_latency_bin(0), 0);
    LK_CHECK_EQ_UINT(lk_latency_bin(63), 7);
    LK_CHECK_EQ_UINT(lk_latency_bin(64), 8);
    LK_CHECK_EQ_UINT(lk_latency_bin(127), 15);
    LK_CHECK_EQ_UINT(lk_latency_bin(128), 16);
    LK_CHECK_EQ_UINT(lk_latency_bin((1u << 26) - 1), LK_LATENCY_BINS - 1);
    LK_CHECK_EQ_UINT(lk_latency_bin(UINT64_MAX), LK_LATENCY_BINS - 1);
}

LK_TEST(latency_bins, a_quantile_is_right_to_an_eighth)
{
    for (uint64_t us = 70; us < 60000000; us = us * 3 / 2) {
        uint32_t bins[LK_LATENCY_BINS] = {0};

        bins[lk_latency_bin(us)] = 1000;
        LK_CHECK_NEAR((double)lk_latency_quantile(bins, 0.99), (double)us, (double)us / 8 + 1);
        LK_CHECK_NEAR((double)lk_latency_quantile(bins, 0.01), (double)us, (double)us / 8 + 1);
    }
}

LK_TEST(latency_bins, quantiles_see_the_tail_and_only_the_tail)
{
    uint32_t bins[LK_LATENCY_BINS] = {0};

    LK_CHECK_EQ_UINT(lk_latency_quantile(bins, 0.99), 0);
    bins[lk_latency_bin(1000)] = 985;
    bins[lk_latency_bin(50000)] = 15;
    LK_CHECK_NEAR((double)lk_latency_quantile(bins, 0.99), 50000, 50000.0 / 8);
    bins[lk_latency_bin(1000)] = 1985;
    LK_CHECK_NEAR((double)lk_latency_quantile(bins, 0.99), 1000, 1000.0 / 8);
    LK_CHECK_EQ_UINT(lk_latency_quantile(bins, 1.0), 53248); /* where the bin of 50000 ends */
}
