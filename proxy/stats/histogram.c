/* Log-linear bins: recording by one thread, adding up and deriving by another. */
#include "proxy/stats/histogram.h"

#include "proxy/base/mem.h"

#include <math.h>
#include <stdbool.h>

const double lk_histogram_quantiles[LK_HISTOGRAM_QUANTILES] = {0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100};

const double lk_histogram_bounds[LK_HISTOGRAM_BOUNDS] = {
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

struct place {
    unsigned decade;
    unsigned slot;
};

static unsigned slots_of(unsigned decade)
{
    return decade == 0 ? 10 : 90;
}

/* Index of a decade's first bin in struct lk_histogram_sum. */
static unsigned first_bin(unsigned decade)
{
    return decade == 0 ? 0 : 10 + 90 * (decade - 1);
}

static struct place place_of(uint64_t value)
{
    struct place place = {0, 0};

    if (value < 10) {
        place.slot = (unsigned)value;
        return place;
    }
    place.decade = 1;
    while (value >= 100) {
        value /= 10;
        place.decade++;
    }
    if (place.decade > LK_HISTOGRAM_DECADES)
        return (struct place){LK_HISTOGRAM_DECADES, 89};
    place.slot = (unsigned)value - 10;
    return place;
}

size_t lk_histogram_record(struct lk_histogram *histogram, uint64_t value, uint64_t n)
{
    struct place place = place_of(value);
    _Atomic uint64_t *slots = atomic_load_explicit(&histogram->decades[place.decade], memory_order_relaxed);
    size_t allocated = 0;

    if (LK_UNLIKELY(slots == NULL)) {
        allocated = slots_of(place.decade) * sizeof(*slots);
        slots = lk_calloc(1, allocated);
        atomic_store_explicit(&histogram->decades[place.decade], slots, memory_order_release);
    }
    /* One writer: plain loads and stores, atomic only for the reader. */
    atomic_store_explicit(&slots[place.slot], atomic_load_explicit(&slots[place.slot], memory_order_relaxed) + n,
                          memory_order_relaxed);
    atomic_store_explicit(&histogram->sum, atomic_load_explicit(&histogram->sum, memory_order_relaxed) + value * n,
                          memory_order_relaxed);
    return allocated;
}

size_t lk_histogram_bytes(const struct lk_histogram *histogram)
{
    size_t bytes = sizeof(*histogram);

    for (unsigned decade = 0; decade <= LK_HISTOGRAM_DECADES; decade++) {
        if (atomic_load_explicit(&histogram->decades[decade], memory_order_acquire) != NULL)
            bytes += slots_of(decade) * sizeof(uint64_t);
    }
    return bytes;
}

void lk_histogram_free(struct lk_histogram *histogram)
{
    if (histogram == NULL)
        return;
    for (unsigned decade = 0; decade <= LK_HISTOGRAM_DECADES; decade++)
        lk_free((void *)atomic_load_explicit(&histogram->decades[decade], memory_order_acquire));
    lk_free(histogram);
}

void lk_histogram_sum_init(struct lk_histogram_sum *sum)
{
    memset(sum, 0, sizeof(*sum));
}

void lk_histogram_sum_add(struct lk_histogram_sum *sum, const struct lk_histogram *histogram)
{
    for (unsigned decade = 0; decade <= LK_HISTOGRAM_DECADES; decade++) {
        _Atomic uint64_t *slots = atomic_load_explicit(&histogram->decades[decade], memory_order_acquire);

        for (unsigned i = 0; slots != NULL && i < slots_of(decade); i++) {
            uint64_t n = atomic_load_explicit(&slots[i], memory_order_relaxed);

            sum->bins[first_bin(decade) + i] += n;
            sum->count += n;
        }
    }
    sum->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}

void lk_histogram_sum_subtract(struct lk_histogram_sum *sum, const struct lk_histogram_copy *copy)
{
    if (copy == NULL)
        return;
    for (size_t i = 0; i < copy->used; i++)
        sum->bins[copy->bins[i].bin] -= copy->bins[i].n;
    sum->count -= copy->count;
    sum->sum -= copy->sum;
}

struct lk_histogram_copy *lk_histogram_sum_copy(const struct lk_histogram_sum *sum)
{
    struct lk_histogram_copy *copy;
    size_t used = 0;

    for (unsigned bin = 0; bin < LK_HISTOGRAM_BINS; bin++)
        used += sum->bins[bin] != 0;
    copy = lk_malloc(sizeof(*copy) + used * sizeof(copy->bins[0]));
    copy->count = sum->count;
    copy->sum = sum->sum;
    copy->used = 0;
    for (unsigned bin = 0; bin < LK_HISTOGRAM_BINS; bin++) {
        if (sum->bins[bin] == 0)
            continue;
        copy->bins[copy->used].bin = (uint16_t)bin;
        copy->bins[copy->used].n = sum->bins[bin];
        copy->used++;
    }
    return copy;
}

/* Left end and width of a bin. The bins 1..9 are a tenth wide, as two significant digits make them. */
static double bin_left(unsigned bin, double *width)
{
    double scale = 1;

    if (bin < 10) {
        *width = bin == 0 ? 0 : 0.1;
        return bin;
    }
    for (unsigned decade = 1; decade < (bin - 10) / 90 + 1; decade++)
        scale *= 10;
    *width = scale;
    return ((bin - 10) % 90 + 10) * scale;
}

/*
 * The samples of a bin stand evenly inside it: the k-th of n at k/(n+1) of its width. The quantile is the sample whose
 * rank is the quantile's share of all, rounded up.
 */
void lk_histogram_sum_quantiles(const struct lk_histogram_sum *sum, double out[LK_HISTOGRAM_QUANTILES])
{
    uint64_t below = 0;
    unsigned bin = 0;

    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++) {
        double share = ceil((double)sum->count * lk_histogram_quantiles[i] / 100);
        uint64_t rank = share < 1 ? 1 : (uint64_t)share;
        double width;

        if (sum->count == 0) {
            out[i] = (double)NAN;
            continue;
        }
        rank = LK_MIN(rank, sum->count);
        while (below + sum->bins[bin] < rank)
            below += sum->bins[bin++];
        out[i] = bin_left(bin, &width);
        out[i] += width * (double)(rank - below) / (double)(sum->bins[bin] + 1);
    }
}

/* Largest whole number that counts in the bin. */
static double bin_last(unsigned bin)
{
    double width;
    double left = bin_left(bin, &width);

    return width <= 1 ? left : left + width - 1;
}

void lk_histogram_sum_buckets(const struct lk_histogram_sum *sum, uint64_t out[LK_HISTOGRAM_BOUNDS])
{
    uint64_t below = 0;
    unsigned bin = 0;

    for (unsigned i = 0; i < LK_HISTOGRAM_BOUNDS; i++) {
        while (bin < LK_HISTOGRAM_BINS && bin_last(bin) <= lk_histogram_bounds[i])
            below += sum->bins[bin++];
        out[i] = below;
    }
}
