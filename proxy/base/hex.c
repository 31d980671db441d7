/* Hexadecimal numbers to and from text. See hex.h. */
#include "proxy/base/hex.h"

static int digit_of(char c, enum lk_hex_case letters)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (letters == LK_HEX_ANY_CASE && c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool lk_hex_to_u64(struct lk_str s, enum lk_hex_case letters, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0 || s.len > 16)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = digit_of(s.ptr[i], letters);
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *out = value;
    return true;
}

char *lk_hex_put(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--)
        *out++ = "0123456789abcdef"[value >> (4 * (i - 1)) & 15];
    return out;
}
