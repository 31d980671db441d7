/* Runtime values (bootstrap.layered_runtime, static layers and the admin layer): immutable after start here; a reader
 * asks by key with its default. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"
#include "proxy/config/matcher.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_runtime;

struct lk_runtime *lk_runtime_new(void);
void lk_runtime_free(struct lk_runtime *runtime);
/* Later layers win. Keys are dotted paths; values are kept as text. Copies both. */
void lk_runtime_set(struct lk_runtime *runtime, struct lk_str key, struct lk_str value);
/* The process's runtime, set once by main before workers start; NULL allowed (defaults then). */
void lk_runtime_install(const struct lk_runtime *runtime);
bool lk_runtime_bool(struct lk_str key, bool fallback);
uint64_t lk_runtime_u64(struct lk_str key, uint64_t fallback);
/* Whether a random number (any 64 bits) falls into the fraction, with its runtime key applied. */
bool lk_fraction_hit(const struct lk_fraction *fraction, uint64_t random);
/* Visits all keys (admin /runtime). */
void lk_runtime_each(void (*visit)(void *arg, struct lk_str key, struct lk_str value), void *arg);
