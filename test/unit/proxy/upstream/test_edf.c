/* Earliest-deadline-first: picks in proportion to the weights, spread out, in a fixed order for equal weights. */
#include "test/support/lk_test.h"

#include "proxy/upstream/edf.h"

static void count_picks(const double *weights, uint32_t hosts, unsigned rounds, unsigned *counts)
{
    struct lk_edf edf;
    lk_edf_init(&edf, hosts);
    for (uint32_t i = 0; i < hosts; i++)
        lk_edf_add(&edf, i, weights[i]);
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t index = lk_edf_take(&edf);
        LK_CHECK(index < hosts);
        counts[index]++;
        lk_edf_add(&edf, index, weights[index]);
        LK_CHECK_EQ_UINT(edf.count, hosts);
    }
    lk_edf_fini(&edf);
}

LK_TEST(edf, picks_in_proportion_to_weights)
{
    const double weights[] = {1, 2, 5, 92};
    unsigned counts[4] = {0};
    count_picks(weights, 4, 10000, counts);
    for (unsigned i = 0; i < 4; i++)
        LK_CHECK_NEAR(counts[i], weights[i] * 100, 2);
}

LK_TEST(edf, equal_weights_go_round_in_order_of_insertion)
{
    struct lk_edf edf;
    lk_edf_init(&edf, 3);
    for (uint32_t i = 0; i < 3; i++)
        lk_edf_add(&edf, i, 7);
    for (unsigned i = 0; i < 30; i++) {
        uint32_t index = lk_edf_take(&edf);
        LK_CHECK_EQ_UINT(index, i % 3);
        lk_edf_add(&edf, index, 7);
    }
    lk_edf_fini(&edf);
}

LK_TEST(edf, heavy_host_is_not_picked_in_bursts)
{
    struct lk_edf edf;
    unsigned in_a_row = 0, longest = 0;
    lk_edf_init(&edf, 2);
    lk_edf_add(&edf, 0, 3);
    lk_edf_add(&edf, 1, 1);
    for (unsigned i = 0; i < 400; i++) {
        uint32_t index = lk_edf_take(&edf);
        in_a_row = index == 0 ? in_a_row + 1 : 0;
        longest = in_a_row > longest ? in_a_row : longest;
        lk_edf_add(&edf, index, index == 0 ? 3 : 1);
    }
    lk_edf_fini(&edf);
    LK_CHECK_MSG(longest <= 4, "%u picks of the heavy host in a row", longest);
}
