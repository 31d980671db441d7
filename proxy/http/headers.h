/*
 * The header block of one message: an ordered multimap of slices, in the message's arena. Pseudo-headers (:method,
 * :path,
 * ...) are ordinary entries, first in the block. HTTP/1's Host is the entry with id AUTHORITY; its `name` keeps the
 * bytes that were received, so HTTP/1 to HTTP/1 keeps case and order.
 *
 * Well-known names have small ids (header_names.h, one id space for HTTP/1, HPACK and matchers); all others have
 * LK_HEADER_OTHER and are compared without regard to case.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"
#include "proxy/http/header_names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_header {
    struct lk_str name;
    struct lk_str value;
    uint16_t id;
    bool removed; /* skipped by every iteration */
};

struct lk_headers {
    struct lk_arena *arena;
    struct lk_header *items;
    uint16_t count; /* including removed ones */
    uint16_t cap;
    uint32_t bytes;                                /* names and values of the live entries */
    uint64_t present[(LK_HEADER_COUNT + 63) / 64]; /* ids that may occur; a cleared bit is certain */
};

void lk_headers_init(struct lk_headers *headers, struct lk_arena *arena);

/* Id of a name, any case; LK_HEADER_OTHER when it is not well known. "host" is LK_HEADER_AUTHORITY. */
enum lk_header_id lk_header_id_of(struct lk_str name);
/* Canonical lower-case name of an id. */
struct lk_str lk_header_name(enum lk_header_id id);

/* A name resolved once, at configuration time. */
struct lk_header_key {
    enum lk_header_id id;
    struct lk_str name; /* lower case */
};
struct lk_header_key lk_header_key(struct lk_arena *arena, struct lk_str name);

static inline bool lk_headers_maybe(const struct lk_headers *headers, enum lk_header_id id)
{
    return (headers->present[id / 64] >> (id % 64)) & 1;
}

/* First live entry, or NULL. */
struct lk_header *lk_headers_find(const struct lk_headers *headers, enum lk_header_id id);
struct lk_header *lk_headers_find_key(const struct lk_headers *headers, const struct lk_header_key *key);
struct lk_header *lk_headers_find_name(const struct lk_headers *headers, struct lk_str name);
/* Next live entry with the same name after `after`, or NULL. */
struct lk_header *lk_headers_next(const struct lk_headers *headers, const struct lk_header *after);
/* Value of the first live entry, or the empty slice with ptr NULL. */
struct lk_str lk_headers_get(const struct lk_headers *headers, enum lk_header_id id);
/* All values of a key joined with "," (arena of the block); ptr NULL when absent. */
struct lk_str lk_headers_get_joined(const struct lk_headers *headers, const struct lk_header_key *key);

/* Appends. The slices must live as long as the arena (use lk_arena_str to copy). */
struct lk_header *lk_headers_add(struct lk_headers *headers, enum lk_header_id id, struct lk_str value);
struct lk_header *lk_headers_add_raw(struct lk_headers *headers, enum lk_header_id id, struct lk_str name,
                                     struct lk_str value);
struct lk_header *lk_headers_add_key(struct lk_headers *headers, const struct lk_header_key *key, struct lk_str value);
/* Replaces the first entry's value and removes the others, or appends. */
void lk_headers_set(struct lk_headers *headers, enum lk_header_id id, struct lk_str value);
void lk_headers_set_key(struct lk_headers *headers, const struct lk_header_key *key, struct lk_str value);
/* Removes all entries of the name; returns how many. */
unsigned lk_headers_remove(struct lk_headers *headers, enum lk_header_id id);
unsigned lk_headers_remove_key(struct lk_headers *headers, const struct lk_header_key *key);
void lk_headers_remove_entry(struct lk_headers *headers, struct lk_header *header);

/* A copy whose slices still point to the old bytes (same or longer-lived arena). */
void lk_headers_copy(struct lk_headers *to, const struct lk_headers *from, struct lk_arena *arena);
/* A copy with its own bytes. */
void lk_headers_clone(struct lk_headers *to, const struct lk_headers *from, struct lk_arena *arena);

/* The entries that are live when their turn comes; entries added meanwhile are not visited. */
#define LK_HEADERS_FOREACH(h, headers)                                                                                 \
    for (struct lk_header *h = (headers)->items, *h##_end = (headers)->count > 0 ? h + (headers)->count : h;           \
         (h) < h##_end; (h)++)                                                                                         \
        if (!(h)->removed)

/* Whether a comma-separated list value (Connection, TE, Upgrade, ...) has the token, any case (RFC 9110 5.6.1). */
bool lk_header_has_token(struct lk_str value, struct lk_str token);
/* :status as a number, 0 if absent or not three digits. */
unsigned lk_headers_status(const struct lk_headers *headers);
void lk_headers_set_status(struct lk_headers *headers, unsigned status);
