/*
 * Bump allocator. Blocks double from 512 bytes to 4 kB, so that a small object stays small and a
 * large one needs few blocks; freed blocks wait in a bounded cache of their thread. What does not fit
 * in the largest block gets a block of its own. Under AddressSanitizer every allocation is a block of
 * its own, which gives each of them exact bounds.
 */
#include "proxy/base/arena.h"

#include "proxy/base/mem.h"

#include <pthread.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXACT_BOUNDS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(EXACT_BOUNDS)
#define EXACT_BOUNDS 1
#endif
#ifndef EXACT_BOUNDS
#define EXACT_BOUNDS 0
#endif

#define CLASS_COUNT 4
#define CLASS_OWN CLASS_COUNT /* not one of the equal blocks: never cached */
#define SMALLEST 512u
/* Blocks of one size that a thread keeps; 240 kB over all sizes. */
#define CACHE_MAX 32u

struct lk_arena_block {
    struct lk_arena_block *next;
    uint32_t size_class;
    uint32_t unused; /* keeps the payload aligned to 16 bytes */
};

struct lk_arena_cleanup {
    struct lk_arena_cleanup *next;
    lk_arena_cleanup_fn fn;
    void *arg;
};

struct cache {
    struct lk_arena_block *free[CLASS_COUNT];
    unsigned count[CLASS_COUNT];
    bool registered; /* drain_cache() will run when the thread ends */
};

static _Thread_local struct cache cache;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

static size_t class_bytes(unsigned size_class)
{
    return (size_t)SMALLEST << size_class;
}

static size_t class_room(unsigned size_class)
{
    return class_bytes(size_class) - sizeof(struct lk_arena_block);
}

static void drain_cache(void *arg)
{
    struct cache *mine = arg;

    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        while (mine->free[i] != NULL) {
            struct lk_arena_block *block = mine->free[i];

            mine->free[i] = block->next;
            lk_free(block);
        }
        mine->count[i] = 0;
    }
    mine->registered = false;
}

static void make_exit_key(void)
{
    if (pthread_key_create(&exit_key, drain_cache) != 0)
        lk_panic("no thread key left");
}

static void register_thread(void)
{
    pthread_once(&exit_once, make_exit_key);
    pthread_setspecific(exit_key, &cache);
    cache.registered = true;
}

static struct lk_arena_block *block_take(unsigned size_class)
{
    struct lk_arena_block *block = cache.free[size_class];

    if (block != NULL) {
        cache.free[size_class] = block->next;
        cache.count[size_class]--;
        return block;
    }
    block = lk_malloc(class_bytes(size_class));
    block->size_class = size_class;
    return block;
}

static void block_give(struct lk_arena_block *block)
{
    unsigned size_class = block->size_class;

    if (size_class == CLASS_OWN || cache.count[size_class] >= CACHE_MAX) {
        lk_free(block);
        return;
    }
    if (LK_UNLIKELY(!cache.registered))
        register_thread();
    block->next = cache.free[size_class];
    cache.free[size_class] = block;
    cache.count[size_class]++;
}

void lk_arena_init(struct lk_arena *arena)
{
    *arena = (struct lk_arena){0};
}

void lk_arena_reset(struct lk_arena *arena)
{
    struct lk_arena_block *block;

    while (arena->cleanups != NULL) {
        struct lk_arena_cleanup *cleanup = arena->cleanups;

        arena->cleanups = cleanup->next;
        cleanup->fn(cleanup->arg);
    }
    block = arena->blocks;
    while (block != NULL) {
        struct lk_arena_block *next = block->next;

        block_give(block);
        block = next;
    }
    lk_arena_init(arena);
}

struct lk_arena *lk_arena_new(void)
{
    struct lk_arena *arena = lk_malloc(sizeof(*arena));

    lk_arena_init(arena);
    return arena;
}

void lk_arena_free(struct lk_arena *arena)
{
    if (arena == NULL)
        return;
    lk_arena_reset(arena);
    lk_free(arena);
}

/* A block for this allocation alone, behind the current one, whose rest stays in use. */
static void *alloc_own(struct lk_arena *arena, size_t size)
{
    size_t bytes = size + sizeof(struct lk_arena_block);
    struct lk_arena_block *block;

    if (bytes < size)
        lk_panic("out of memory: %zu bytes asked for", size);
    block = lk_malloc(bytes);
    block->size_class = CLASS_OWN;
    if (arena->blocks == NULL || arena->next == NULL) {
        block->next = arena->blocks;
        arena->blocks = block;
    } else {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    arena->bytes += bytes;
    return block + 1;
}

/* One size up from the current block, or as many as the allocation needs. */
static unsigned next_class(const struct lk_arena *arena, size_t size)
{
    unsigned size_class = 0;

    if (arena->next != NULL && arena->blocks->size_class != CLASS_OWN)
        size_class = LK_MIN(arena->blocks->size_class + 1, (unsigned)CLASS_COUNT - 1);
    while (class_room(size_class) < size)
        size_class++;
    return size_class;
}

void *lk_arena_alloc_slow(struct lk_arena *arena, size_t size)
{
    struct lk_arena_block *block;
    unsigned size_class;
    char *out;

    if (EXACT_BOUNDS || size > class_room(CLASS_COUNT - 1))
        return alloc_own(arena, size);
    size_class = next_class(arena, size);
    block = block_take(size_class);
    block->next = arena->blocks;
    arena->blocks = block;
    arena->bytes += class_bytes(size_class);
    out = (char *)(block + 1);
    arena->next = out + size;
    arena->end = (char *)block + class_bytes(size_class);
    return out;
}

void *lk_arena_zalloc(struct lk_arena *arena, size_t size)
{
    return memset(lk_arena_alloc(arena, size), 0, size);
}

void *lk_arena_array(struct lk_arena *arena, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        lk_panic("out of memory: %zu elements of %zu bytes asked for", count, size);
    return lk_arena_zalloc(arena, bytes);
}

char *lk_arena_cstr(struct lk_arena *arena, struct lk_str s)
{
    char *copy = lk_arena_alloc(arena, s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct lk_str lk_arena_str(struct lk_arena *arena, struct lk_str s)
{
    return lk_str(lk_arena_cstr(arena, s), s.len);
}

struct lk_str lk_arena_printf(struct lk_arena *arena, const char *fmt, ...)
{
    struct lk_str out;
    va_list args;

    va_start(args, fmt);
    out = lk_arena_vprintf(arena, fmt, args);
    va_end(args);
    return out;
}

struct lk_str lk_arena_vprintf(struct lk_arena *arena, const char *fmt, va_list args)
{
    char small[256];
    va_list again;
    char *out;
    int len;

    va_copy(again, args);
    len = vsnprintf(small, sizeof(small), fmt, args);
    if (len < 0)
        lk_panic("format \"%s\" cannot be printed", fmt);
    if ((size_t)len < sizeof(small)) {
        va_end(again);
        return lk_arena_str(arena, lk_str(small, (size_t)len));
    }
    out = lk_arena_alloc(arena, (size_t)len + 1);
    vsnprintf(out, (size_t)len + 1, fmt, again);
    va_end(again);
    return lk_str(out, (size_t)len);
}

void lk_arena_on_free(struct lk_arena *arena, lk_arena_cleanup_fn fn, void *arg)
{
    struct lk_arena_cleanup *cleanup = lk_arena_alloc(arena, sizeof(*cleanup));

    cleanup->fn = fn;
    cleanup->arg = arg;
    cleanup->next = arena->cleanups;
    arena->cleanups = cleanup;
}
