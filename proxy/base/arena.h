/*
 * Bump allocator with the lifetime of a connection, a stream or a piece of configuration. Everything
 * is freed at once; cleanups run in reverse order of registration. Single-threaded.
 *
 * Blocks come from a per-thread cache of equal blocks, so that a stream costs no malloc in the
 * steady state. An idle arena holds no memory.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdarg.h>
#include <stddef.h>

struct lk_arena_block;
struct lk_arena_cleanup;

typedef void (*lk_arena_cleanup_fn)(void *arg);

struct lk_arena {
    char *next;
    char *end;
    struct lk_arena_block *blocks;
    struct lk_arena_cleanup *cleanups;
    size_t bytes; /* taken from the heap or the cache, for accounting */
};

void lk_arena_init(struct lk_arena *arena);
/* Runs the cleanups and frees all memory; the arena is as after init. */
void lk_arena_reset(struct lk_arena *arena);
/* Heap-allocated arena for configuration objects. */
struct lk_arena *lk_arena_new(void);
void lk_arena_free(struct lk_arena *arena);

void *lk_arena_alloc_slow(struct lk_arena *arena, size_t size);

/* Uninitialised memory aligned to 8 bytes (16 for sizes of 1 kB and more is not promised). */
static inline void *lk_arena_alloc(struct lk_arena *arena, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->next) >= size && arena->next != NULL) {
        void *out = arena->next;
        arena->next += size;
        return out;
    }
    return lk_arena_alloc_slow(arena, size);
}

void *lk_arena_zalloc(struct lk_arena *arena, size_t size);
/* `count` zeroed elements. */
void *lk_arena_array(struct lk_arena *arena, size_t count, size_t size);
/* A copy of s with a terminator behind it. */
struct lk_str lk_arena_str(struct lk_arena *arena, struct lk_str s);
char *lk_arena_cstr(struct lk_arena *arena, struct lk_str s);
struct lk_str lk_arena_printf(struct lk_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct lk_str lk_arena_vprintf(struct lk_arena *arena, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
/* fn(arg) runs when the arena is reset or freed. */
void lk_arena_on_free(struct lk_arena *arena, lk_arena_cleanup_fn fn, void *arg);
