/* Hexadecimal numbers. */
#include "proxy/base/hex.h"
#include "test/support/lk_test.h"

LK_TEST(hex, reads_one_to_sixteen_digits)
{
    uint64_t value = 0;
    LK_CHECK(lk_hex_to_u64(LK_STR("f"), LK_HEX_LOWER, &value));
    LK_CHECK_EQ_UINT(value, 15);
    LK_CHECK(lk_hex_to_u64(LK_STR("0123456789abcdef"), LK_HEX_LOWER, &value));
    LK_CHECK_EQ_UINT(value, 0x0123456789abcdef);
    LK_CHECK(lk_hex_to_u64(LK_STR("FfFfFfFfFfFfFfFf"), LK_HEX_ANY_CASE, &value));
    LK_CHECK_EQ_UINT(value, UINT64_MAX);
}

LK_TEST(hex, refuses_what_is_no_number)
{
    static const char *const bad[] = {"", "g", "-1", "0x1", " 1", "1 ", "00000000000000000", "/", ":", "`", "@"};
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        LK_CHECK_MSG(!lk_hex_to_u64(lk_str_from(bad[i]), LK_HEX_ANY_CASE, &value), "accepts \"%s\"", bad[i]);
    LK_CHECK(!lk_hex_to_u64(LK_STR("aB"), LK_HEX_LOWER, &value));
    LK_CHECK_EQ_UINT(value, 7);
}

LK_TEST(hex, writes_the_lowest_digits_with_leading_zeros)
{
    char text[16];
    LK_CHECK_EQ_PTR(lk_hex_put(text, 0xabc, 16), text + 16);
    LK_CHECK_LKSTR(lk_str(text, 16), "0000000000000abc");
    LK_CHECK_EQ_PTR(lk_hex_put(text, 0x12345, 2), text + 2);
    LK_CHECK_LKSTR(lk_str(text, 2), "45");
    LK_CHECK_EQ_PTR(lk_hex_put(text, 1, 0), text);
}
