/* Which spellings of a correlation id are the same id. */
#include "proxy/lane/association_key.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

static const struct lk_hash_key seed = {1, 2};

static bool same(enum lk_association_kind kind, const char *a, const char *b)
{
    struct lk_hash128 x = lk_association_key(&seed, kind, lk_str_from(a));
    struct lk_hash128 y = lk_association_key(&seed, kind, lk_str_from(b));

    LK_CHECK_EQ_INT(x.lo == y.lo, x.hi == y.hi);
    return x.lo == y.lo;
}

LK_TEST(association_key, spellings_of_one_id_are_equal_and_others_are_not)
{
    static const struct {
        enum lk_association_kind kind;
        const char *a;
        const char *b;
        bool same;
    } rows[] = {
        {LK_ASSOCIATION_TRACEPARENT, "4bf92f3577b34da6a3ce929d0e0e4736", "4BF92F3577B34DA6A3CE929D0E0E4736", true},
        {LK_ASSOCIATION_TRACEPARENT, "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737", false},
        {LK_ASSOCIATION_B3, "00000000000000000020000000000001", "0020000000000001", true},
        {LK_ASSOCIATION_B3, "463ac35c9f6413ad48485a3953bb6124", "48485a3953bb6124", false},
        {LK_ASSOCIATION_JAEGER, "0a", "a", true},
        {LK_ASSOCIATION_JAEGER, "000", "0", true},
        {LK_ASSOCIATION_JAEGER, "a0", "a", false},
        {LK_ASSOCIATION_SW8, "YWJj", "yWJj", false},
        {LK_ASSOCIATION_SW8, "0YWJj", "YWJj", false},
        {LK_ASSOCIATION_HEADER, "Order-1", "order-1", false},
        {LK_ASSOCIATION_HEADER, "0a", "a", false},
        /* the digit in which Envoy keeps its trace decision */
        {LK_ASSOCIATION_REQUEST_ID, "5f1b5b7e-32c4-4e6b-9a08-d1f8ab0a0001", "5f1b5b7e-32c4-9e6b-9a08-d1f8ab0a0001",
         true},
        {LK_ASSOCIATION_REQUEST_ID, "5f1b5b7e-32c4-4e6b-9a08-d1f8ab0a0001", "5f1b5b7e-32c4-4f6b-9a08-d1f8ab0a0001",
         false},
        {LK_ASSOCIATION_REQUEST_ID, "not-a-uuid-but-long-enough-to-mask-it", "not-a-uuid-but-Xong-enough-to-mask-it",
         false},
        {LK_ASSOCIATION_REQUEST_ID, "5f1b5b7e-32c4-4e6b-9a08-d1f8ab0a000", "5f1b5b7e-32c4-9e6b-9a08-d1f8ab0a000",
         false},
        /* longer than any trace id: the bytes */
        {LK_ASSOCIATION_TRACEPARENT, "00000000000000000000000000000000a", "a", false},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        LK_CHECK_MSG(same(rows[i].kind, rows[i].a, rows[i].b) == rows[i].same, "row %zu", i);
}

LK_TEST(association_key, kinds_never_match_each_other)
{
    for (unsigned a = 0; a < LK_ASSOCIATION_KINDS; a++) {
        for (unsigned b = 0; b < a; b++) {
            struct lk_hash128 x = lk_association_key(&seed, (enum lk_association_kind)a, LK_STR("abc"));
            struct lk_hash128 y = lk_association_key(&seed, (enum lk_association_kind)b, LK_STR("abc"));

            LK_CHECK(x.lo != y.lo && x.hi != y.hi);
        }
    }
}

LK_TEST(association_key, one_id_in_so_many_is_sampled)
{
    unsigned sampled = 0;

    for (unsigned i = 0; i < 102400; i++) {
        char text[40];
        struct lk_str id = lk_str(text, (size_t)snprintf(text, sizeof(text), "%032x", i));

        sampled += lk_association_is_sampled(id, 1024);
        LK_CHECK(!lk_association_is_sampled(id, 0));
        LK_CHECK(lk_association_is_sampled(id, 1));
    }
    LK_CHECK_NEAR(sampled, 100, 40);
}
