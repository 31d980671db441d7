/* String slices: comparison, search, numbers and hashing. */
#include "proxy/base/mem.h"
#include "proxy/base/str.h"
#include "test/support/lk_test.h"

LK_TEST(str, equality_ignores_case_only_for_ascii_letters)
{
    LK_CHECK(lk_str_ieq(LK_STR("Content-LENGTH"), LK_STR("content-length")));
    LK_CHECK(!lk_str_ieq(LK_STR("a"), LK_STR("ab")));
    LK_CHECK(!lk_str_ieq(LK_STR("@"), LK_STR("`")));
    LK_CHECK(!lk_str_ieq(LK_STR("["), LK_STR("{")));
    LK_CHECK(!lk_str_ieq(LK_STR("\xc4"), LK_STR("\xe4")));
    LK_CHECK(lk_str_ieq(lk_str(NULL, 0), LK_STR("")));
}

LK_TEST(str, prefix_and_suffix_ignore_case)
{
    LK_CHECK(lk_str_has_iprefix(LK_STR("WWW.example"), LK_STR("www.")));
    LK_CHECK(!lk_str_has_iprefix(LK_STR("ww"), LK_STR("www.")));
    LK_CHECK(lk_str_has_isuffix(LK_STR("a.EXAMPLE"), LK_STR(".example")));
    LK_CHECK(!lk_str_has_isuffix(LK_STR("example"), LK_STR(".example")));
    LK_CHECK(lk_str_has_isuffix(LK_STR("x"), LK_STR("")));
}

LK_TEST(str, order_is_by_bytes_and_prefix_first)
{
    LK_CHECK(lk_str_cmp(LK_STR("abc"), LK_STR("abd")) < 0);
    LK_CHECK(lk_str_cmp(LK_STR("abcd"), LK_STR("abc")) > 0);
    LK_CHECK(lk_str_cmp(LK_STR("abc"), LK_STR("abcd")) < 0);
    LK_CHECK_EQ_INT(lk_str_cmp(LK_STR(""), lk_str(NULL, 0)), 0);
    LK_CHECK(lk_str_cmp(LK_STR("\xff"), LK_STR("a")) > 0);
}

LK_TEST(str, find_tells_the_first_place_or_beyond_the_end)
{
    LK_CHECK_EQ_UINT(lk_str_find_byte(LK_STR("a=b=c"), '='), 1);
    LK_CHECK_EQ_UINT(lk_str_find_byte(LK_STR("abc"), '='), 3);
    LK_CHECK_EQ_UINT(lk_str_find_byte(lk_str(NULL, 0), '='), 0);
    LK_CHECK_EQ_UINT(lk_str_find(LK_STR("aaab"), LK_STR("aab")), 1);
    LK_CHECK_EQ_UINT(lk_str_find(LK_STR("aaab"), LK_STR("abb")), 5);
    LK_CHECK_EQ_UINT(lk_str_find(LK_STR("ab"), LK_STR("abc")), 3);
    LK_CHECK_EQ_UINT(lk_str_find(LK_STR("ab"), LK_STR("")), 0);
    LK_CHECK_EQ_UINT(lk_str_find(LK_STR("xyab"), LK_STR("ab")), 2);
}

LK_TEST(str, trim_takes_spaces_and_tabs_only)
{
    LK_CHECK_LKSTR(lk_str_trim(LK_STR(" \t a b\t ")), "a b");
    LK_CHECK_LKSTR(lk_str_trim(LK_STR(" \t ")), "");
    LK_CHECK_LKSTR(lk_str_trim(LK_STR("\r\na\n")), "\r\na\n");
}

LK_TEST(str, split_yields_every_part_and_ends)
{
    struct lk_str rest = LK_STR("a,,b,");
    const char *expected[] = {"a", "", "b", ""};
    size_t count = 0;

    while (rest.ptr != NULL) {
        struct lk_str part = lk_str_split(&rest, ',');

        LK_CHECK(count < LK_ARRAY_LEN(expected));
        LK_CHECK_LKSTR(part, expected[count]);
        count++;
    }
    LK_CHECK_EQ_UINT(count, LK_ARRAY_LEN(expected));
}

LK_TEST(str, drop_never_runs_past_the_end)
{
    LK_CHECK_LKSTR(lk_str_drop(LK_STR("abc"), 2), "c");
    LK_CHECK_LKSTR(lk_str_drop(LK_STR("abc"), 3), "");
    LK_CHECK_LKSTR(lk_str_drop(LK_STR("abc"), 99), "");
}

LK_TEST(str, unsigned_numbers_are_whole_and_bounded)
{
    uint64_t n = 7;

    LK_CHECK(lk_str_to_u64(LK_STR("0"), &n) && n == 0);
    LK_CHECK(lk_str_to_u64(LK_STR("18446744073709551615"), &n) && n == UINT64_MAX);
    LK_CHECK(lk_str_to_u64(LK_STR("00042"), &n) && n == 42);
    LK_CHECK(!lk_str_to_u64(LK_STR("18446744073709551616"), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR("99999999999999999999999"), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR(""), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR("+1"), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR("-1"), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR("1 "), &n));
    LK_CHECK(!lk_str_to_u64(LK_STR("0x1"), &n));
    LK_CHECK_EQ_UINT(n, 42);
}

LK_TEST(str, signed_numbers_reach_both_ends)
{
    int64_t n = 0;

    LK_CHECK(lk_str_to_i64(LK_STR("-9223372036854775808"), &n) && n == INT64_MIN);
    LK_CHECK(lk_str_to_i64(LK_STR("9223372036854775807"), &n) && n == INT64_MAX);
    LK_CHECK(lk_str_to_i64(LK_STR("-0"), &n) && n == 0);
    LK_CHECK(!lk_str_to_i64(LK_STR("9223372036854775808"), &n));
    LK_CHECK(!lk_str_to_i64(LK_STR("-9223372036854775809"), &n));
    LK_CHECK(!lk_str_to_i64(LK_STR("-"), &n));
    LK_CHECK(!lk_str_to_i64(LK_STR("--1"), &n));
}

LK_TEST(str, dup_is_a_terminated_copy)
{
    char *copy = lk_str_dup(lk_str("abcdef", 3));
    char *empty = lk_str_dup(lk_str(NULL, 0));

    LK_CHECK_STR(copy, "abc");
    LK_CHECK_STR(empty, "");
    lk_free(copy);
    lk_free(empty);
}

LK_TEST(str, hash_depends_on_every_byte_at_every_length)
{
    char text[80];

    memset(text, 'x', sizeof(text));
    for (size_t len = 1; len <= sizeof(text); len++) {
        uint64_t base = lk_str_hash(lk_str(text, len));

        LK_CHECK(base != lk_str_hash(lk_str(text, len - 1)));
        for (size_t i = 0; i < len; i++) {
            text[i] ^= 1;
            LK_CHECK_MSG(base != lk_str_hash(lk_str(text, len)), "byte %zu of %zu", i, len);
            text[i] ^= 1;
        }
    }
}

LK_TEST(str, folded_hash_is_the_hash_of_the_lower_case)
{
    char upper[70];
    char lower[70];

    for (size_t i = 0; i < sizeof(upper); i++) {
        upper[i] = (char)(i * 37 + 11);
        lower[i] = (char)lk_ascii_lower((unsigned char)upper[i]);
    }
    for (size_t len = 0; len <= sizeof(upper); len++)
        LK_CHECK_EQ_UINT(lk_str_ihash(lk_str(upper, len)), lk_str_hash(lk_str(lower, len)));
    for (unsigned c = 0; c < 256; c++) {
        char one = (char)c;
        char low = (char)lk_ascii_lower((unsigned char)c);

        LK_CHECK_EQ_UINT(lk_str_ihash(lk_str(&one, 1)), lk_str_hash(lk_str(&low, 1)));
    }
}

LK_TEST(str, hash_spreads_similar_names_over_a_small_table)
{
    unsigned buckets[256] = {0};

    for (unsigned i = 0; i < 25600; i++) {
        char name[48];
        int len = snprintf(name, sizeof(name), "outbound|%u||svc-%u.ns.svc", 8000 + i % 7, i);

        buckets[lk_str_hash(lk_str(name, (size_t)len)) & 255]++;
    }
    for (size_t i = 0; i < 256; i++)
        LK_CHECK_MSG(buckets[i] > 50 && buckets[i] < 160, "bucket %zu holds %u", i, buckets[i]);
}

static const struct {
    const char *text;
    bool good;
} utf8[] = {
    {"", true},
    {"plain", true},
    {"\xc3\xa9", true},
    {"\xe2\x82\xac", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\xff", false},
    {"\xc3", false},
    {"\xc3(", false},
    {"\xc0\xaf", false},
    {"\xe0\x80\x80", false},
    {"\xed\xa0\x80", false},
    {"\xe2\x82", false},
    {"\xf0\x80\x80\x80", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5\x80\x80\x80", false},
    {"a\x80z", false},
};

LK_TEST(str, utf8_is_told_from_other_bytes)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(utf8); i++)
        LK_CHECK_MSG(lk_str_is_utf8(lk_str_from(utf8[i].text)) == utf8[i].good, "row %zu", i);
}

LK_TEST(str, length_of_a_utf8_sequence_is_that_of_the_first_character)
{
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("")), 0);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("ab")), 1);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("\xc3\xa9t")), 2);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("\xe2\x82\xac.")), 3);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("\xf0\x9f\x98\x80.")), 4);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("\xe2\x82")), 0);
    LK_CHECK_EQ_UINT(lk_str_utf8_length(LK_STR("\xa9")), 0);
}

LK_TEST(str, distance_counts_letters_put_in_left_out_or_changed)
{
    char longer[LK_STR_DISTANCE_MAX + 1];

    memset(longer, 'a', sizeof(longer));
    LK_CHECK_EQ_UINT(lk_str_distance(LK_STR("listener"), LK_STR("listener")), 0);
    LK_CHECK_EQ_UINT(lk_str_distance(LK_STR("listner"), LK_STR("Listener")), 1);
    LK_CHECK_EQ_UINT(lk_str_distance(LK_STR("kitten"), LK_STR("sitting")), 3);
    LK_CHECK_EQ_UINT(lk_str_distance(LK_STR(""), LK_STR("abc")), 3);
    LK_CHECK_EQ_UINT(lk_str_distance(lk_str(longer, LK_STR_DISTANCE_MAX), lk_str(longer, 1)), LK_STR_DISTANCE_MAX - 1);
    LK_CHECK(lk_str_distance(lk_str(longer, sizeof(longer)), LK_STR("a")) == SIZE_MAX);
}
