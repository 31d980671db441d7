/* Hexadecimal numbers to and from text. See hex.h. */
#include "proxy/base/hex.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

static bool read_digits(struct lk_str s, enum lk_hex_case letters, uint64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < s.len; i++) {
        int digit = digit_of(s.ptr[i], letters);
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *out = value;
    return true;
}

#ifdef __SSE2__
/* One in each byte that lies in [first, first + count). */
static inline __m128i in_range(__m128i text, char first, char count, __m128i *offset)
{
    *offset = _mm_sub_epi8(text, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(*offset, _mm_set1_epi8((char)(count - 1))), *offset);
}

/* Most ids are sixteen digits, or twice as many: all at once. */
static inline bool read_sixteen(const char *digits, enum lk_hex_case letters, uint64_t *out)
{
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)digits), number, letter, nibbles, bytes;
    if (letters == LK_HEX_ANY_CASE) /* of bytes with this bit only: a digit has the other one already */
        text = _mm_or_si128(text, _mm_srli_epi16(_mm_and_si128(text, _mm_set1_epi8(0x40)), 1));
    __m128i is_number = in_range(text, '0', 10, &number), is_letter = in_range(text, 'a', 6, &letter);
    if (_mm_movemask_epi8(_mm_or_si128(is_number, is_letter)) != 0xffff)
        return false;
    letter = _mm_add_epi8(letter, _mm_set1_epi8(10));
    nibbles = _mm_or_si128(_mm_and_si128(is_number, number), _mm_and_si128(is_letter, letter));
    bytes = _mm_or_si128(_mm_slli_epi16(nibbles, 4), _mm_srli_epi16(nibbles, 8));
    bytes = _mm_packus_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0xff)), bytes);
    *out = __builtin_bswap64((uint64_t)_mm_cvtsi128_si64(bytes));
    return true;
}
#else
static inline bool read_sixteen(const char *digits, enum lk_hex_case letters, uint64_t *out)
{
    return read_digits(lk_str(digits, 16), letters, out);
}
#endif

bool lk_hex_to_u64(struct lk_str s, enum lk_hex_case letters, uint64_t *out)
{
    if (s.len == 0 || s.len > 16)
        return false;
    return s.len == 16 ? read_sixteen(s.ptr, letters, out) : read_digits(s, letters, out);
}

char *lk_hex_put(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--)
        *out++ = "0123456789abcdef"[value >> (4 * (i - 1)) & 15];
    return out;
}
