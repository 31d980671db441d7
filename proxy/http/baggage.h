/*
 * W3C baggage (HTTP_HEADER_FORMAT of w3c/baggage): `key=value;property` members in one or more `baggage` lines. Read
 * member by member, one member set or removed for us; the members of others pass byte for byte, malformed ones too,
 * since they are not ours to judge. Worker thread, on the path of marked requests.
 *
 * Both limits of the standard (64 members, 8192 bytes) hold before anything is parsed: members behind them are not
 * read and not written. Bytes are those of the members and of one comma between two; the blanks around members do not
 * count, because a platform may drop them.
 *
 * What is written is one line: OpenTelemetry for Java before 1.45, for Go, and Sleuth read only one of several.
 */
#pragma once

#include "proxy/http/list_edit.h"

#define LK_BAGGAGE_MAX_MEMBERS 64u
#define LK_BAGGAGE_MAX_BYTES 8192u

struct lk_baggage_member {
    struct lk_str text;  /* the whole member, with properties */
    struct lk_str key;   /* empty when the member has no "=" */
    struct lk_str value; /* as written: percent-encoded, without the blanks around it */
};

struct lk_baggage_iter {
    struct lk_list_iter list;
    uint32_t bytes;
    uint32_t members;
};

void lk_baggage_begin(struct lk_baggage_iter *iter, const struct lk_headers *headers);
bool lk_baggage_next(struct lk_baggage_iter *iter, struct lk_baggage_member *member);
/*
 * The next member of that key (a token; case counts). The standard lets keys repeat and ranks them not; who wants one
 * value takes the first: it is the one that survives when a platform drops from the tail or reads only one line, and
 * the one that a proxy like this put there last.
 */
bool lk_baggage_find(struct lk_baggage_iter *iter, struct lk_str key, struct lk_baggage_member *member);
/* Whether the bytes of the key stand anywhere in the header; false is certain. Cheaper than reading it. */
bool lk_baggage_maybe(const struct lk_headers *headers, struct lk_str key);
/* The value without percent-encoding: itself when it has none, else in the arena. Invalid escapes stay as they are;
 * each byte that belongs to no UTF-8 sequence becomes U+FFFD. */
struct lk_str lk_baggage_decode(struct lk_arena *arena, struct lk_str value);

/* Whether the block is, for a value that needs no encoding, as lk_baggage_set would leave it: one line within the
 * limits that begins with `key=value` and does not have the key again. Cheaper than reading it. */
bool lk_baggage_says(const struct lk_headers *headers, struct lk_str key, struct lk_str value);
/* One line, `key=value` first (encoded where needed), earlier members of the key gone with their properties. A line
 * that is so already stays as it is. False and no change when the member alone is longer than the limit. */
bool lk_baggage_set(struct lk_headers *headers, struct lk_str key, struct lk_str value);
/* Removes every member of the key, wherever it stands; false and no change when there is none. What is left becomes one
 * line within the limits; the header goes when nothing is. */
bool lk_baggage_remove(struct lk_headers *headers, struct lk_str key);
