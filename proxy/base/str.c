/*
 * String slices: comparison, search, numbers and hashing. Pure functions, any thread.
 */
#include "proxy/base/str.h"

#include "proxy/base/mem.h"

__extension__ typedef unsigned __int128 u128;

bool lk_str_ieq(struct lk_str a, struct lk_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lk_ascii_lower((unsigned char)a.ptr[i]) != lk_ascii_lower((unsigned char)b.ptr[i]))
            return false;
    }
    return true;
}

bool lk_str_has_iprefix(struct lk_str s, struct lk_str prefix)
{
    return s.len >= prefix.len && lk_str_ieq(lk_str(s.ptr, prefix.len), prefix);
}

bool lk_str_has_isuffix(struct lk_str s, struct lk_str suffix)
{
    return s.len >= suffix.len && lk_str_ieq(lk_str_drop(s, s.len - suffix.len), suffix);
}

int lk_str_cmp(struct lk_str a, struct lk_str b)
{
    size_t common = LK_MIN(a.len, b.len);
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

size_t lk_str_find_byte(struct lk_str s, char c)
{
    const char *hit = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

    return hit != NULL ? (size_t)(hit - s.ptr) : s.len;
}

size_t lk_str_find(struct lk_str s, struct lk_str needle)
{
    const char *hit;

    if (needle.len == 0)
        return 0;
    hit = s.len >= needle.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return hit != NULL ? (size_t)(hit - s.ptr) : s.len + 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct lk_str lk_str_trim_blanks(struct lk_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct lk_str lk_str_split(struct lk_str *rest, char sep)
{
    size_t at = lk_str_find_byte(*rest, sep);
    struct lk_str part = lk_str(rest->ptr, at);

    if (at < rest->len)
        *rest = lk_str_drop(*rest, at + 1);
    else
        *rest = lk_str(NULL, 0);
    return part;
}

bool lk_str_to_u64(struct lk_str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';

        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool lk_str_to_i64(struct lk_str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t magnitude;

    if (!lk_str_to_u64(negative ? lk_str_drop(s, 1) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

char *lk_str_dup(struct lk_str s)
{
    char *copy = lk_malloc(s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* Odd constants with about as many ones as zeros, so that a product spreads every input bit. */
#define HASH_K0 0x9e3779b97f4a7c15u
#define HASH_K1 0xd6e8feb86659fd93u
#define HASH_K2 0xa0761d6478bd642fu

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* ASCII lower case of eight bytes at once; bytes from 0x80 up stay as they are. */
static inline uint64_t fold8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low7 = x & (0x7f * ones);
    uint64_t from_a = low7 + (uint64_t)(0x80 - 'A') * ones;
    uint64_t past_z = low7 + (uint64_t)(0x7f - 'Z') * ones;
    uint64_t upper = (from_a ^ past_z) & ~x & (0x80 * ones);

    return x | (upper >> 2);
}

static inline uint64_t load8(const char *p, bool fold)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return fold ? fold8(x) : x;
}

static inline uint64_t load4(const char *p, bool fold)
{
    uint32_t x;

    memcpy(&x, p, sizeof(x));
    return fold ? fold8(x) : x;
}

/* One to three bytes: the first, the middle and the last cover them all. */
static inline uint64_t load3(const char *p, size_t len, bool fold)
{
    uint64_t x =
        (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len >> 1] << 8 | (unsigned char)p[len - 1];

    return fold ? fold8(x) : x;
}

static inline uint64_t hash(struct lk_str s, bool fold)
{
    uint64_t seed = HASH_K0;
    uint64_t a = 0;
    uint64_t b = 0;

    if (s.len > 16) {
        const char *p = s.ptr;
        const char *last = s.ptr + s.len - 16;

        for (; p < last; p += 16)
            seed = mix(load8(p, fold) ^ HASH_K1, load8(p + 8, fold) ^ seed);
        a = load8(last, fold);
        b = load8(last + 8, fold);
    } else if (s.len >= 8) {
        a = load8(s.ptr, fold);
        b = load8(s.ptr + s.len - 8, fold);
    } else if (s.len >= 4) {
        a = load4(s.ptr, fold);
        b = load4(s.ptr + s.len - 4, fold);
    } else if (s.len > 0) {
        a = load3(s.ptr, s.len, fold);
    }
    return mix(HASH_K2 ^ s.len, mix(a ^ HASH_K1, b ^ seed));
}

uint64_t lk_str_hash(struct lk_str s)
{
    return hash(s, false);
}

uint64_t lk_str_ihash(struct lk_str s)
{
    return hash(s, true);
}

/* Length of the UTF-8 sequence at p, 0 where there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    size_t len = p[0] >= 0xf0 && p[0] <= 0xf4  ? 4
                 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                               : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool wrong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
                 (p[0] == 0xf4 && p[1] > 0x8f);
    return wrong ? 0 : len;
}

bool lk_str_is_utf8(struct lk_str s)
{
    const unsigned char *bytes = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t len = bytes[i] < 0x80 ? 1 : utf8_sequence(bytes + i, s.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

size_t lk_str_utf8_length(struct lk_str s)
{
    if (s.len == 0)
        return 0;
    return (unsigned char)s.ptr[0] < 0x80 ? 1 : utf8_sequence((const unsigned char *)s.ptr, s.len);
}

size_t lk_str_distance(struct lk_str a, struct lk_str b)
{
    size_t row[LK_STR_DISTANCE_MAX + 1];

    if (a.len > LK_STR_DISTANCE_MAX || b.len > LK_STR_DISTANCE_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            bool same = lk_ascii_lower((unsigned char)a.ptr[i - 1]) == lk_ascii_lower((unsigned char)b.ptr[j - 1]);

            row[j] = LK_MIN(LK_MIN(row[j - 1], above) + 1, diagonal + (same ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b.len];
}
