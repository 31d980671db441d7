/*
 * A keyed hash of 128 bits (SipHash-1-3 with the long output): whoever does not know the key cannot choose inputs that
 * collide. Pure functions, any thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdint.h>

struct lk_hash_key {
    uint64_t k0;
    uint64_t k1;
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
