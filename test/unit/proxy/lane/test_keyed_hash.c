/* The keyed hash: reference values, and what a key and a domain change. */
#include "proxy/lane/keyed_hash.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

static const struct lk_hash_key counting = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* Values of an independent implementation (OpenSSL's SIPHASH with c-rounds 1 and d-rounds 3), which was given the
 * domain as eight bytes in front of the text. */
LK_TEST(keyed_hash, equals_the_reference)
{
    static const struct {
        uint64_t domain;
        const char *text;
        uint64_t lo;
        uint64_t hi;
    } rows[] = {
        {0, "", 0xe2b3f81d9780e3dfu, 0x25fbf3e33e8ff111u},
        {1, "", 0x7c2f445a304629bdu, 0xebcbf88d72873601u},
        {0, "a", 0x1d6a670d45177776u, 0x31d0bf1f3b1c122bu},
        {0, "4bf92f3577b34da6a3ce929d0e0e4736", 0xc0c27767d0573e07u, 0xfceca8b3f5b07873u},
        {3, "4bf92f3577b34da6a3ce929d0e0e4736", 0x1bf1c307c8cdaf54u, 0xe3ab0db48c0f121au},
        {5, "0123456789abcdefghijklmnopqrstu", 0xd460a42600c03235u, 0x1e0828ec5f0182adu},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_hash128 hash = lk_keyed_hash(&counting, rows[i].domain, lk_str_from(rows[i].text));

        LK_CHECK_EQ_UINT(hash.lo, rows[i].lo);
        LK_CHECK_EQ_UINT(hash.hi, rows[i].hi);
    }
}

LK_TEST(keyed_hash, another_key_gives_another_hash)
{
    struct lk_hash_key other = {counting.k0 ^ 1, counting.k1};
    struct lk_hash128 a = lk_keyed_hash(&counting, 0, LK_STR("id"));
    struct lk_hash128 b = lk_keyed_hash(&other, 0, LK_STR("id"));

    LK_CHECK(a.lo != b.lo && a.hi != b.hi);
}

LK_TEST(keyed_hash, random_keys_differ)
{
    struct lk_hash_key a = lk_hash_key_random();
    struct lk_hash_key b = lk_hash_key_random();

    LK_CHECK(a.k0 != b.k0 && a.k1 != b.k1);
}

LK_TEST(keyed_hash, numbers_differ_by_every_part_and_by_the_key)
{
    struct lk_hash_key other = {counting.k0 ^ 1, counting.k1};
    struct lk_number_key key, other_key;
    struct lk_hash128 first, rows[4];

    lk_number_key_init(&key, &counting);
    lk_number_key_init(&other_key, &other);
    first = lk_number_hash(&key, 1, 2, 3);
    rows[0] = lk_number_hash(&key, 2, 2, 3);
    rows[1] = lk_number_hash(&key, 1, 3, 3);
    rows[2] = lk_number_hash(&key, 1, 2, 4);
    rows[3] = lk_number_hash(&other_key, 1, 2, 3);
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        LK_CHECK(rows[i].lo != first.lo && rows[i].hi != first.hi);
    LK_CHECK_EQ_UINT(lk_number_hash(&key, 1, 2, 3).lo, first.lo);
}

/* Ids that follow each other must not come to lie in the same buckets. */
LK_TEST(keyed_hash, numbers_in_a_row_spread_over_buckets)
{
    static unsigned counts[256];
    struct lk_number_key key;
    unsigned most = 0;

    lk_number_key_init(&key, &counting);
    for (uint64_t n = 0; n < 25600; n++) {
        unsigned count = ++counts[lk_number_hash(&key, 0, 0x4bf92f3577b34da6, n).hi >> 8 & 255];

        most = LK_MAX(most, count);
    }
    LK_CHECK_MSG(most < 160, "%u of 100 in one bucket", most);
}
