/*
 * Headers whose value is a list of members between commas, over as many lines as the peer liked (RFC 9110 5.6.1): read
 * member by member, and rewritten to one line in which one member is ours. Worker thread; nothing is changed in place,
 * so a copied block keeps its bytes.
 *
 * A comma always ends a member: none of the headers edited here (baggage, tracestate, sw8-correlation) has quoting.
 */
#pragma once

#include "proxy/http/headers.h"

struct lk_list_iter {
    const struct lk_headers *headers;
    const struct lk_header *line;
    struct lk_str rest; /* of the line; ptr NULL at its end */
};

void lk_list_begin(struct lk_list_iter *iter, const struct lk_headers *headers, const struct lk_header_key *key);
/* The next member without the spaces and tabs around it. Empty members are none. */
bool lk_list_next(struct lk_list_iter *iter, struct lk_str *member);

/* Which members are ours: they go, whatever stands in their place. */
typedef bool (*lk_list_ours_fn)(struct lk_str member, const void *arg);

struct lk_list_edit {
    enum lk_header_id header;
    lk_list_ours_fn ours;
    const void *arg;
    /* of the line that is written; whole members are dropped from the tail */
    unsigned max_members;
    size_t max_bytes;
};

/* One line: `first` (its bytes are copied; 1 to max_bytes of them), then the members that are not ours, byte for byte,
 * joined by ",". */
void lk_list_put(struct lk_headers *headers, const struct lk_list_edit *edit, struct lk_str first);
/* Removes the members that are ours, also those behind the limits; false and no change when there are none. What is
 * left becomes one line; the header goes when nothing is. */
bool lk_list_take(struct lk_headers *headers, const struct lk_list_edit *edit);
