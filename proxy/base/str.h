/*
 * A string slice: pointer and length, never NUL-terminated by contract, never owning.
 * The bytes belong to whoever the function that returns the slice says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lk_str {
    const char *ptr;
    size_t len;
};

/* A slice of a string literal (or of any char array; the terminator is left out). */
#define LK_STR(literal) ((struct lk_str){(literal), sizeof(literal) - 1})
/* The same as a constant initialiser for static tables. */
#define LK_STR_INIT(literal)                                                                                           \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }
/* For "%.*s". */
#define LK_STR_ARG(s) (int)(s).len, (s).ptr

static inline struct lk_str lk_str(const char *ptr, size_t len)
{
    return (struct lk_str){ptr, len};
}

/* NULL gives the empty slice. */
static inline struct lk_str lk_str_from(const char *cstr)
{
    return (struct lk_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool lk_str_eq(struct lk_str a, struct lk_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline unsigned char lk_ascii_lower(unsigned char c)
{
    return (unsigned char)(c - 'A') < 26 ? (unsigned char)(c | 0x20) : c;
}

static inline bool lk_str_has_prefix(struct lk_str s, struct lk_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool lk_str_has_suffix(struct lk_str s, struct lk_str suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

static inline struct lk_str lk_str_drop(struct lk_str s, size_t n)
{
    return n >= s.len ? (struct lk_str){s.ptr + s.len, 0} : (struct lk_str){s.ptr + n, s.len - n};
}

/* ASCII case-insensitive variants. */
bool lk_str_ieq(struct lk_str a, struct lk_str b);
bool lk_str_has_iprefix(struct lk_str s, struct lk_str prefix);
bool lk_str_has_isuffix(struct lk_str s, struct lk_str suffix);
/* <0, 0, >0 like memcmp; a prefix sorts first. */
int lk_str_cmp(struct lk_str a, struct lk_str b);
/* Index of the first byte c, or s.len. */
size_t lk_str_find_byte(struct lk_str s, char c);
/* Index of the first occurrence of needle, or s.len + 1 when there is none. */
size_t lk_str_find(struct lk_str s, struct lk_str needle);
struct lk_str lk_str_trim_blanks(struct lk_str s);
/* Without leading and trailing spaces and tabs (the OWS of RFC 9110 5.6.3). */
static inline struct lk_str lk_str_trim(struct lk_str s)
{
    return s.len > 0 && s.ptr[0] > ' ' && s.ptr[s.len - 1] > ' ' ? s : lk_str_trim_blanks(s);
}
/* Cuts the part before the first `sep` off *rest and returns it; *rest is empty (ptr NULL) after the
 * last part. Loop while (rest.ptr != NULL). */
struct lk_str lk_str_split(struct lk_str *rest, char sep);
/* Whole slice as a decimal number without sign; false on anything else or overflow. */
bool lk_str_to_u64(struct lk_str s, uint64_t *out);
/* Whole slice as a decimal number with optional '-'; false on anything else or overflow. */
bool lk_str_to_i64(struct lk_str s, int64_t *out);
/* A heap copy with terminator; free with lk_free. */
char *lk_str_dup(struct lk_str s);
/* Fast non-cryptographic 64-bit hash. */
uint64_t lk_str_hash(struct lk_str s);
/* The same over ASCII-lowered bytes. */
uint64_t lk_str_ihash(struct lk_str s);
/* How many letters must be put in, left out or changed to make one the other (Levenshtein), without regard to ASCII
 * case. More than any real distance where a text is longer than LK_STR_DISTANCE_MAX. */
#define LK_STR_DISTANCE_MAX 64
size_t lk_str_distance(struct lk_str a, struct lk_str b);
/* Length of the well-formed UTF-8 sequence at the start; 0: there is none. */
size_t lk_str_utf8_length(struct lk_str s);
/* Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF. */
bool lk_str_is_utf8(struct lk_str s);
