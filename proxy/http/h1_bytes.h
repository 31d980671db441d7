/*
 * Finding the end of a token fast: the loops that touch every byte of a head. 16 bytes at a time with SSE2, else
 * through the class table. Private to h1_framing and h1_body.
 */
#pragma once

#include "proxy/http/validate.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first byte in [p, end) that is not in the class, or end. */
static inline const char *skip_class(const char *p, const char *end, enum lk_char_class class)
{
    while (p < end && lk_char_is(*p, class))
        p++;
    return p;
}

#if defined(__SSE2__)
static inline unsigned value_stops(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    control = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\t')), control);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}

static inline unsigned target_stops(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i above = _mm_sub_epi8(v, _mm_set1_epi8(0x21));
    __m128i limit = _mm_set1_epi8(0x7e - 0x21 + 1);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(above, limit), above));
}

static inline unsigned colon_stops(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')));
}

#define SKIP_BLOCKS(p, end, stops)                                                                                     \
    while ((end) - (p) >= 16) {                                                                                        \
        unsigned mask_ = stops(p);                                                                                     \
        if (mask_ != 0)                                                                                                \
            return (p) + __builtin_ctz(mask_);                                                                         \
        (p) += 16;                                                                                                     \
    }
#else
#define SKIP_BLOCKS(p, end, stops)
#endif

/* Field values and reason phrases: the first control byte but HTAB. */
static inline const char *skip_value(const char *p, const char *end)
{
    SKIP_BLOCKS(p, end, value_stops)
    return skip_class(p, end, LK_CHAR_VALUE);
}

/* Request targets: the first byte that is not visible ASCII. */
static inline const char *skip_target(const char *p, const char *end)
{
    SKIP_BLOCKS(p, end, target_stops)
    return skip_class(p, end, LK_CHAR_TARGET);
}

static inline const char *find_colon(const char *p, const char *end)
{
    SKIP_BLOCKS(p, end, colon_stops)
    while (p < end && *p != ':')
        p++;
    return p;
}
