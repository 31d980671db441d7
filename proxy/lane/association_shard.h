/*
 * One shard of the association table: entries in a fixed array, found through buckets of eight 64-bit tags (one cache
 * line each). An entry lies in one of two buckets and never moves, so a scan of two lines without a lock tells that an
 * id is absent. Buckets are twice as many as entries need, so that both are full hardly ever. Everything but
 * lk_association_shard_may_hold needs the shard's lock.
 */
#pragma once

#include "proxy/lane/id_sketch.h"
#include "proxy/lane/keyed_hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LK_ASSOCIATION_WAYS 8
#define LK_ASSOCIATION_NO_ENTRY UINT16_MAX

/* 40 bytes: with its two tags and indices it makes 60, and the full table of 65,536 stays below 4 MiB. */
struct lk_association_entry {
    uint64_t check; /* the half of the hash that is not the tag */
    uint64_t expires_ms;
    uint32_t grace_ms; /* by how much use may still put off expires_ms */
    uint32_t value;
    uint32_t refs;       /* open while above zero */
    uint32_t generation; /* of the handles; never 0 */
    uint16_t older;      /* closed entries by last use; free ones by `newer` */
    uint16_t newer;
    uint16_t slot;  /* of its tag */
    uint16_t print; /* in the sketch */
};

struct lk_association_counts {
    uint64_t inserts;
    uint64_t hits;
    uint64_t probes;
    uint64_t ambiguous;
    uint64_t conflicts;
    uint64_t expired;
    uint64_t evictions;
    uint64_t refused;
};

struct lk_association_shard {
    /* fixed */
    _Atomic uint64_t *tags; /* 0: free */
    uint16_t *entry_of;     /* by slot */
    struct lk_association_entry *entries;
    _Atomic size_t *total;       /* entries of the whole table */
    struct lk_id_sketch *sketch; /* of the whole table */
    uint32_t bucket_mask;
    uint32_t capacity;
    /* under the lock; in lines of its own, since lookups that miss read only what stands above */
    _Alignas(64) pthread_mutex_t lock;
    uint32_t touched; /* entries from here on were never used, so their pages are not resident */
    uint16_t free;    /* list of those that were */
    uint16_t oldest;  /* closed, unused for longest */
    uint16_t newest;
    struct lk_association_counts counts;
};

/* Buckets that a shard of this many entries needs; a power of two, at least 2. */
uint32_t lk_association_shard_buckets(uint32_t capacity);
/* The memory behind tags, entry_of and entries is the caller's and zeroed. */
void lk_association_shard_init(struct lk_association_shard *shard);
void lk_association_shard_fini(struct lk_association_shard *shard);

/* Lock-free. False: the id was not there. */
bool lk_association_shard_may_hold(const struct lk_association_shard *shard, const struct lk_hash128 *key);
/* NULL when absent. */
struct lk_association_entry *lk_association_shard_find(struct lk_association_shard *shard,
                                                       const struct lk_hash128 *key);
/* A new entry with refs 0, on no list, for a key that is absent; its value and times are the caller's to set. Evicts
 * where needed; NULL when only open entries are in the way. */
struct lk_association_entry *lk_association_shard_add(struct lk_association_shard *shard, const struct lk_hash128 *key,
                                                      uint16_t print, uint64_t now_ms);
/* Frees a closed entry that is on the list of closed ones. */
void lk_association_shard_drop(struct lk_association_shard *shard, struct lk_association_entry *entry);

/* Puts a closed entry at the young end of the list, and takes it off. */
void lk_association_shard_link(struct lk_association_shard *shard, struct lk_association_entry *entry);
void lk_association_shard_unlink(struct lk_association_shard *shard, struct lk_association_entry *entry);
