/* Bins, quantiles and buckets. Expected quantiles are those of Envoy for the same samples. */
#include "proxy/base/mem.h"
#include "proxy/stats/histogram.h"
#include "test/support/lk_test.h"

#include <math.h>

static struct lk_histogram *of(const uint64_t *samples, size_t count)
{
    struct lk_histogram *histogram = lk_calloc(1, sizeof(*histogram));

    for (size_t i = 0; i < count; i++)
        lk_histogram_record(histogram, samples[i], 1);
    return histogram;
}

static void sum_up(struct lk_histogram *histogram, struct lk_histogram_sum *sum)
{
    lk_histogram_sum_init(sum);
    lk_histogram_sum_add(sum, histogram);
    lk_histogram_free(histogram);
}

static void check_quantiles(const uint64_t *samples, size_t count, const double expected[LK_HISTOGRAM_QUANTILES])
{
    struct lk_histogram_sum sum;
    double quantiles[LK_HISTOGRAM_QUANTILES];

    sum_up(of(samples, count), &sum);
    lk_histogram_sum_quantiles(&sum, quantiles);
    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++)
        LK_CHECK_NEAR(quantiles[i], expected[i], 1e-9);
}

LK_TEST(histogram, quantiles_interpolate_as_envoy_does)
{
    const uint64_t single[] = {15};
    const double at_single[] = {15.5, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5};
    const uint64_t lengths[] = {1, 1, 1, 1, 1, 3, 4};
    const double at_lengths[] = {1 + 0.1 / 6, 1 + 0.1 / 3, 1 + 0.2 / 3, 3.05, 4.05, 4.05, 4.05, 4.05, 4.05, 4.05};
    const uint64_t ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const double at_ones[] = {1.01, 1.03, 1.05, 1.07, 1.09, 1.09, 1.09, 1.09, 1.09, 1.09};
    const uint64_t zeros[] = {0, 0, 0, 0, 3, 0};
    const double at_zeros[] = {0, 0, 0, 0, 3.05, 3.05, 3.05, 3.05, 3.05, 3.05};

    check_quantiles(single, 1, at_single);
    check_quantiles(lengths, 7, at_lengths);
    check_quantiles(ones, 9, at_ones);
    check_quantiles(zeros, 6, at_zeros);
}

LK_TEST(histogram, no_samples_have_no_quantiles)
{
    struct lk_histogram_sum sum;
    double quantiles[LK_HISTOGRAM_QUANTILES];

    lk_histogram_sum_init(&sum);
    lk_histogram_sum_quantiles(&sum, quantiles);
    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++)
        LK_CHECK(isnan(quantiles[i]));
}

LK_TEST(histogram, every_value_is_known_to_two_digits)
{
    for (uint64_t value = 1; value < 1000000000; value = value * 13 / 10 + 1) {
        struct lk_histogram_sum sum;
        double quantiles[LK_HISTOGRAM_QUANTILES];

        sum_up(of(&value, 1), &sum);
        lk_histogram_sum_quantiles(&sum, quantiles);
        LK_CHECK_NEAR(quantiles[2], (double)value, (double)value * 0.06 + 0.5);
    }
}

LK_TEST(histogram, largest_values_count_in_the_last_bin)
{
    const uint64_t samples[] = {UINT64_MAX, 9999999999999, 9990000000000};
    struct lk_histogram_sum sum;

    sum_up(of(samples, 3), &sum);
    LK_CHECK_EQ_UINT(sum.count, 3);
    LK_CHECK_EQ_UINT(sum.bins[LK_HISTOGRAM_BINS - 1], 3);
}

LK_TEST(histogram, buckets_count_what_is_at_most_the_bound)
{
    const uint64_t samples[] = {0, 1, 1, 5, 6, 10, 25, 26, 99, 3600000, 5000000};
    const uint64_t expected[LK_HISTOGRAM_BOUNDS] = {1, 3, 4, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    uint64_t buckets[LK_HISTOGRAM_BOUNDS];
    struct lk_histogram_sum sum;

    sum_up(of(samples, LK_ARRAY_LEN(samples)), &sum);
    lk_histogram_sum_buckets(&sum, buckets);
    for (unsigned i = 0; i < LK_HISTOGRAM_BOUNDS; i++)
        LK_CHECK_EQ_UINT(buckets[i], expected[i]);
    LK_CHECK_EQ_UINT(sum.sum, 0 + 1 + 1 + 5 + 6 + 10 + 25 + 26 + 99 + 3600000 + 5000000);
}

LK_TEST(histogram, copy_takes_itself_away_exactly)
{
    const uint64_t first[] = {3, 30, 300, 3000};
    const uint64_t second[] = {30, 7};
    struct lk_histogram *histogram = of(first, 4);
    struct lk_histogram_sum sum;
    struct lk_histogram_copy *copy;

    lk_histogram_sum_init(&sum);
    lk_histogram_sum_add(&sum, histogram);
    copy = lk_histogram_sum_copy(&sum);
    LK_CHECK_EQ_UINT(copy->used, 4);
    for (size_t i = 0; i < 2; i++)
        lk_histogram_record(histogram, second[i], 1);
    sum_up(histogram, &sum);
    lk_histogram_sum_subtract(&sum, copy);
    LK_CHECK_EQ_UINT(sum.count, 2);
    LK_CHECK_EQ_UINT(sum.sum, 37);
    LK_CHECK_EQ_UINT(sum.bins[7], 1);
    LK_CHECK_EQ_UINT(sum.bins[10 + 20], 1);
    lk_free(copy);
}

LK_TEST(histogram, memory_grows_with_the_decades_met)
{
    const uint64_t small[] = {0, 1, 2, 9};
    const uint64_t wide[] = {0, 10, 100, 1000};
    struct lk_histogram *a = of(small, 4);
    struct lk_histogram *b = of(wide, 4);

    LK_CHECK_EQ_UINT(lk_histogram_bytes(a), sizeof(struct lk_histogram) + 80);
    LK_CHECK_EQ_UINT(lk_histogram_bytes(b), sizeof(struct lk_histogram) + 80 + 3 * 720);
    lk_histogram_free(a);
    lk_histogram_free(b);
}
