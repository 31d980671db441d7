/*
 * Keyed hashes of 128 bits: whoever does not know the key cannot choose inputs that collide. SipHash-1-3 with the long
 * output for texts; for numbers of 128 bits, as most ids are, two multilinear hashes, whose outputs nobody sees. Pure
 * functions, any thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdint.h>

struct lk_hash_key {
    uint64_t k0;
    uint64_t k1;
};

/* For numbers: drawn from a key as from a generator. */
struct lk_number_key {
    struct lk_number_half {
        uint64_t low[4], high[4]; /* halves of the constant and of the factors for domain and number */
    } halves[2];
};

struct lk_hash128 {
    uint64_t lo;
    uint64_t hi;
};

/* A key from the kernel's random numbers, never all zero. */
struct lk_hash_key lk_hash_key_random(void);
/* The hash of the eight bytes of `domain`, least significant first, followed by the bytes. Equal bytes of different
 * domains have unrelated hashes. */
struct lk_hash128 lk_keyed_hash(const struct lk_hash_key *key, uint64_t domain, struct lk_str bytes);

void lk_number_key_init(struct lk_number_key *number_key, const struct lk_hash_key *key);
/* Different inputs collide for one in 2^128 keys. */
struct lk_hash128 lk_number_hash(const struct lk_number_key *key, uint64_t domain, uint64_t high, uint64_t low);
