/* What single fields say about the framing of their message (RFC 9112 6.1 to 6.3, 9.3, 9.6). Private to h1_framing. */
#pragma once

#include "proxy/http/h1_framing.h"

#define LK_H1_FIELD_BIT(word, id) ((LK_HEADER_##id) / 64 == (word) ? UINT64_C(1) << (LK_HEADER_##id) % 64 : 0)
#define LK_H1_FIELD_BITS(word)                                                                                         \
    (LK_H1_FIELD_BIT(word, AUTHORITY) | LK_H1_FIELD_BIT(word, CONTENT_LENGTH) |                                        \
     LK_H1_FIELD_BIT(word, TRANSFER_ENCODING) | LK_H1_FIELD_BIT(word, CONNECTION) |                                    \
     LK_H1_FIELD_BIT(word, PROXY_CONNECTION) | LK_H1_FIELD_BIT(word, KEEP_ALIVE) | LK_H1_FIELD_BIT(word, UPGRADE))

/* Whether lk_h1_field_note has anything to say about the field: for most it has not. */
static inline bool lk_h1_field_matters(unsigned id)
{
    static const uint64_t bits[2] = {LK_H1_FIELD_BITS(0), LK_H1_FIELD_BITS(1)};
    _Static_assert(LK_HEADER_COUNT < 128, "two words of ids");
    return (bits[id / 64] >> id % 64) & 1;
}

/* Takes note of one field of a head; its offsets count from base. False: it is one that no message may carry. */
bool lk_h1_field_note(struct lk_h1_head *head, enum lk_h1_part part, const struct lk_h1_field *field, const char *base,
                      struct lk_codec_error *error);
/* Judges the complete head: the fields against each other and against the version. */
bool lk_h1_framing_check(const struct lk_h1_head *head, struct lk_codec_error *error);
