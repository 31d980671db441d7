/*
 * A fixed set of header names, compiled once and asked of every message: whether a block may hold any of them costs
 * two words for well-known names, and one pass over the block only when the set has others. Any thread.
 */
#pragma once

#include "proxy/http/headers.h"

struct lk_header_set {
    uint64_t ids[(LK_HEADER_COUNT + 63) / 64];
    uint64_t lengths; /* bit len % 64 of every name without an id */
    const struct lk_header_key *others;
    size_t other_count;
};

/* The names lie in the arena or live as long as it; doubles do no harm. */
void lk_header_set_init(struct lk_header_set *set, struct lk_arena *arena, const struct lk_header_key *keys,
                        size_t count);
bool lk_header_set_has(const struct lk_header_set *set, enum lk_header_id id, struct lk_str name);
/* The pass of lk_header_set_any over names without an id. */
bool lk_header_set_scan(const struct lk_header_set *set, const struct lk_headers *headers);
/* Removes every entry whose name is in the set; returns how many. */
unsigned lk_header_set_remove(const struct lk_header_set *set, struct lk_headers *headers);

/* Whether the block may hold one of the names; false is certain. */
static inline bool lk_header_set_any(const struct lk_header_set *set, const struct lk_headers *headers)
{
    uint64_t common = 0;
    for (size_t i = 0; i < sizeof(set->ids) / sizeof(set->ids[0]); i++)
        common |= set->ids[i] & headers->present[i];
    return common != 0 || (set->lengths != 0 && lk_header_set_scan(set, headers));
}
