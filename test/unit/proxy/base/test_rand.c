/* Random numbers: range, spread, repeatability, UUIDs. */
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "test/support/lk_test.h"

#include <pthread.h>

LK_TEST(rand, same_seed_gives_the_same_sequence)
{
    uint64_t first[8];

    lk_rand_seed(42);
    for (size_t i = 0; i < 8; i++)
        first[i] = lk_rand_u64();
    lk_rand_seed(42);
    for (size_t i = 0; i < 8; i++)
        LK_CHECK_EQ_UINT(lk_rand_u64(), first[i]);
    lk_rand_seed(43);
    LK_CHECK(lk_rand_u64() != first[0]);
}

LK_TEST(rand, below_is_uniform_and_within_its_bound)
{
    unsigned counts[7] = {0};

    lk_rand_seed(1);
    for (int i = 0; i < 70000; i++) {
        uint64_t n = lk_rand_below(7);

        LK_CHECK(n < 7);
        counts[n]++;
    }
    for (size_t i = 0; i < 7; i++)
        LK_CHECK_MSG(counts[i] > 9500 && counts[i] < 10500, "%zu came %u times", i, counts[i]);
    LK_CHECK_EQ_UINT(lk_rand_below(0), 0);
    LK_CHECK_EQ_UINT(lk_rand_below(1), 0);
    LK_CHECK(lk_rand_below(UINT64_MAX) < UINT64_MAX);
}

LK_TEST(rand, unit_lies_between_zero_and_one)
{
    double sum = 0;

    lk_rand_seed(1);
    for (int i = 0; i < 10000; i++) {
        double x = lk_rand_unit();

        LK_CHECK(x >= 0 && x < 1);
        sum += x;
    }
    LK_CHECK_NEAR(sum / 10000, 0.5, 0.02);
}

LK_TEST(rand, uuid_has_version_and_variant_of_its_rfc)
{
    char seen[64][LK_UUID_LEN];

    for (size_t i = 0; i < LK_ARRAY_LEN(seen); i++) {
        lk_rand_uuid(seen[i]);
        for (size_t j = 0; j < LK_UUID_LEN; j++) {
            bool dash = j == 8 || j == 13 || j == 18 || j == 23;

            LK_CHECK_EQ_INT(seen[i][j] == '-', dash);
            LK_CHECK(dash || strchr("0123456789abcdef", seen[i][j]) != NULL);
        }
        LK_CHECK_EQ_INT(seen[i][14], '4');
        LK_CHECK(strchr("89ab", seen[i][19]) != NULL);
        for (size_t j = 0; j < i; j++)
            LK_CHECK(memcmp(seen[i], seen[j], LK_UUID_LEN) != 0);
    }
}

static void *draw(void *out)
{
    *(uint64_t *)out = lk_rand_u64();
    return NULL;
}

LK_TEST(rand, threads_have_sequences_of_their_own)
{
    uint64_t drawn[2];
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++)
        LK_CHECK(pthread_create(&threads[i], NULL, draw, &drawn[i]) == 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    LK_CHECK(drawn[0] != drawn[1]);
}
