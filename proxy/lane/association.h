/*
 * The table of a pod that ties outbound requests to inbound ones: an inbound request leaves its lane under its ids, an
 * outbound request that carries one of them finds it. One table for a process, used by both directions and every
 * worker; any function on any thread, except new and free.
 *
 * Memory is fixed and allocated by the first insert: a process that never marks pays one relaxed load for a lookup. An
 * entry is open while inbound requests hold it; closed, it lives for `linger` after its last use, and never longer than
 * `max_lifetime` after it was closed. When the table is full, the closed entry that was unused for longest makes room
 * (longest within its shard); open entries stay, and what then finds no room is not inserted.
 *
 * Time is the caller's, in milliseconds of one monotonic clock; a caller that lags a little does no harm.
 */
#pragma once

#include "proxy/base/str.h"
#include "proxy/lane/keyed_hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an id may be bound to: a lane id up to LK_ASSOCIATION_LANE_MAX, alone or with the bit LK_ASSOCIATION_DOMINANT,
 * or LK_ASSOCIATION_PROBE. */
#define LK_ASSOCIATION_LANE_MAX 0x7ffffffdu
/* An unmarked request whose id is tracked to see whether the application forwards it. Never holds a lane back: where
 * the id is bound to a lane too, the lane is all that counts. */
#define LK_ASSOCIATION_PROBE 0x7fffffffu
/* Evidence that nothing else may override (shadow lanes): bound beside an ordinary lane it wins, and where two dominant
 * lanes meet, the ambiguity keeps this bit. */
#define LK_ASSOCIATION_DOMINANT 0x80000000u

#define LK_ASSOCIATION_CAPACITY 65536u
#define LK_ASSOCIATION_CAPACITY_MAX 524288u
#define LK_ASSOCIATION_LINGER_MS 30000u
#define LK_ASSOCIATION_LIFETIME_MS 600000u

/* Zero means the default. */
struct lk_association_options {
    uint32_t capacity; /* entries, at most LK_ASSOCIATION_CAPACITY_MAX; above 1023 rounded up to a multiple of 16 */
    uint32_t linger_ms;
    uint32_t max_lifetime_ms;
    struct lk_hash_key seed; /* random by default; set by tests */
};

enum lk_association_result {
    LK_ASSOCIATION_MISS,
    LK_ASSOCIATION_HIT,       /* *value is what was inserted */
    LK_ASSOCIATION_PROBED,    /* *value is LK_ASSOCIATION_PROBE */
    LK_ASSOCIATION_AMBIGUOUS, /* bound to two lanes; *value is LK_ASSOCIATION_DOMINANT when one was dominant, else 0 */
};

struct lk_association_stats {
    uint64_t inserts;   /* new entries */
    uint64_t hits;      /* lookups that found a lane */
    uint64_t probes;    /* ... a probe */
    uint64_t ambiguous; /* ... an id of two lanes */
    uint64_t misses;    /* ... nothing, not counting those in an empty table */
    uint64_t conflicts; /* inserts that met another lane */
    uint64_t expired;   /* entries that lived out their time */
    uint64_t evictions; /* entries that made room */
    uint64_t refused;   /* inserts that found only open entries */
};

struct lk_association;

struct lk_association *lk_association_new(const struct lk_association_options *options);
void lk_association_free(struct lk_association *table);

/*
 * Binds an id to a value and opens its entry. The id is the bytes of its canonical form, in which inbound and outbound
 * side agree; `kind` tells traceparent from sw8, b3, x-request-id and so on: ids of different kinds never match. The
 * result is what lk_association_release takes back when the inbound request is over; 0 when nothing was inserted (empty
 * id, no room, a probe for an id that has a lane), which needs no release. One request may insert several ids.
 */
uint64_t lk_association_insert(struct lk_association *table, unsigned kind, struct lk_str id, uint32_t value,
                               uint64_t now_ms);
/* Once for each insert. A handle whose entry is gone, or 0, is ignored. */
void lk_association_release(struct lk_association *table, uint64_t handle, uint64_t now_ms);
/* *value is 0 unless the result says otherwise. A hit counts as use and makes a closed entry linger anew. */
enum lk_association_result lk_association_lookup(struct lk_association *table, unsigned kind, struct lk_str id,
                                                 uint64_t now_ms, uint32_t *value);
/* What lk_trace_key_glance tells of an id (its lowest 32 bits) is enough to know most ids that are not in the table:
 * false is certain, and counts as a lookup that found nothing. */
bool lk_association_may_hold(struct lk_association *table, uint32_t low);
/* What lk_association_lookup would say; it is no use, and not counted. */
enum lk_association_result lk_association_peek(const struct lk_association *table, unsigned kind, struct lk_str id,
                                               uint64_t now_ms, uint32_t *value);
/* Frees what has expired; to be called every second or so. An entry that max_lifetime cut short is free at the latest
 * one linger after it expired; it is never found meanwhile. */
void lk_association_sweep(struct lk_association *table, uint64_t now_ms);

/* Entries held. One relaxed load. */
size_t lk_association_size(const struct lk_association *table);
void lk_association_read_stats(struct lk_association *table, struct lk_association_stats *out);
/* Bytes of address space reserved by now; pages that were never used are not resident. */
size_t lk_association_memory(struct lk_association *table);
