/* Per-thread pseudo-random numbers (xoshiro256**), seeded from the kernel. Not for secrets. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t lk_rand_u64(void);
/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t lk_rand_below(uint64_t bound);
/* Uniform in [0, 1). */
double lk_rand_unit(void);
/* Tests: makes the sequence of this thread repeatable. */
void lk_rand_seed(uint64_t seed);

#define LK_UUID_LEN 36
/* A random (version 4) UUID, RFC 9562, lower case, no terminator. */
void lk_rand_uuid(char out[LK_UUID_LEN]);
