/*
 * Chunks by size class, with a bounded cache of free ones per class. One pool per loop, used by its thread only. Large
 * chunks are mapped, so that trimming returns them to the kernel whatever the heap looks like. Under AddressSanitizer
 * nothing is cached: a chunk touched after its last reference is then a report.
 */
#include "proxy/io/chunk_pool.h"

#include "proxy/base/mem.h"

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_CACHES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_CACHES 0
#endif
#endif
#ifndef POOL_CACHES
#define POOL_CACHES 1
#endif

enum { CLASS_COUNT = 4, CLASS_HEAP = CLASS_COUNT, RING_CACHE_MAX = 256 };

static const struct {
    uint32_t bytes; /* the whole allocation */
    uint32_t cache_max;
} classes[CLASS_COUNT] = {
    {512, 256},
    {LK_CHUNK_SMALL, 128},
    {16384, 32},
    {LK_CHUNK_LARGE, 32},
};

/* A free chunk or ring, overlaid on its memory. */
struct free_node {
    struct free_node *next;
};

struct free_list {
    struct free_node *first;
    uint32_t count;
    uint32_t low; /* least count since the last trim */
};

struct lk_chunk_pool {
    struct free_list chunks[CLASS_COUNT];
    struct free_list rings;
    size_t in_use;
    size_t cached;
    size_t live; /* chunks with references */
    bool orphan; /* freed by its owner, waits for live chunks */
};

static void *list_pop(struct free_list *list)
{
    struct free_node *node = list->first;
    if (node == NULL)
        return NULL;
    list->first = node->next;
    list->count--;
    if (list->count < list->low)
        list->low = list->count;
    return node;
}

static void list_push(struct free_list *list, void *memory)
{
    struct free_node *node = memory;
    node->next = list->first;
    list->first = node;
    list->count++;
}

static struct lk_chunk *memory_get(size_t bytes, bool mapped)
{
    if (!mapped)
        return lk_malloc(bytes);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        lk_panic("out of memory: mmap of %zu bytes", bytes);
    return memory;
}

static void memory_put(void *memory, size_t bytes, bool mapped)
{
    if (mapped)
        munmap(memory, bytes);
    else
        lk_free(memory);
}

static bool class_is_mapped(uint32_t size_class)
{
    return POOL_CACHES && size_class < CLASS_COUNT && classes[size_class].bytes == LK_CHUNK_LARGE;
}

struct lk_chunk_pool *lk_chunk_pool_new(void)
{
    return lk_calloc(1, sizeof(struct lk_chunk_pool));
}

static void free_cached(struct lk_chunk_pool *pool, uint32_t size_class, uint32_t how_many)
{
    struct free_list *list = &pool->chunks[size_class];
    while (how_many-- > 0 && list->first != NULL) {
        memory_put(list_pop(list), classes[size_class].bytes, class_is_mapped(size_class));
        pool->cached -= classes[size_class].bytes;
    }
    list->low = list->count;
}

static void free_rings(struct lk_chunk_pool *pool, uint32_t how_many)
{
    while (how_many-- > 0 && pool->rings.first != NULL)
        lk_free(list_pop(&pool->rings));
    pool->rings.low = pool->rings.count;
}

void lk_chunk_pool_trim(struct lk_chunk_pool *pool)
{
    for (uint32_t i = 0; i < CLASS_COUNT; i++)
        free_cached(pool, i, pool->chunks[i].low);
    free_rings(pool, pool->rings.low);
}

void lk_chunk_pool_free(struct lk_chunk_pool *pool)
{
    if (pool == NULL)
        return;
    for (uint32_t i = 0; i < CLASS_COUNT; i++)
        free_cached(pool, i, UINT32_MAX);
    free_rings(pool, UINT32_MAX);
    pool->orphan = true;
    if (pool->live == 0)
        lk_free(pool);
}

struct lk_chunk *lk_chunk_new(struct lk_chunk_pool *pool, size_t min_cap)
{
    size_t bytes = min_cap + sizeof(struct lk_chunk);
    LK_ASSERT(bytes < UINT32_MAX);
    uint32_t size_class = 0;
    while (size_class < CLASS_COUNT && classes[size_class].bytes < bytes)
        size_class++;
    struct lk_chunk *chunk = NULL;
    if (size_class < CLASS_COUNT) {
        bytes = classes[size_class].bytes;
        chunk = list_pop(&pool->chunks[size_class]);
        if (chunk != NULL)
            pool->cached -= bytes;
    }
    if (chunk == NULL)
        chunk = memory_get(bytes, class_is_mapped(size_class));
    chunk->pool = pool;
    chunk->refs = 1;
    chunk->cap = (uint32_t)(bytes - sizeof(struct lk_chunk));
    chunk->used = 0;
    chunk->size_class = size_class;
    pool->in_use += bytes;
    pool->live++;
    return chunk;
}

static void chunk_free(struct lk_chunk *chunk)
{
    struct lk_chunk_pool *pool = chunk->pool;
    uint32_t size_class = chunk->size_class;
    size_t bytes = chunk->cap + sizeof(struct lk_chunk);
    pool->in_use -= bytes;
    pool->live--;
    if (POOL_CACHES && size_class != CLASS_HEAP && !pool->orphan &&
        pool->chunks[size_class].count < classes[size_class].cache_max) {
        list_push(&pool->chunks[size_class], chunk);
        pool->cached += bytes;
        return;
    }
    memory_put(chunk, bytes, class_is_mapped(size_class));
    if (pool->orphan && pool->live == 0)
        lk_free(pool);
}

void lk_chunk_unref(struct lk_chunk *chunk)
{
    LK_ASSERT(chunk->refs > 0);
    if (--chunk->refs == 0)
        chunk_free(chunk);
}

void lk_chunk_pool_usage(const struct lk_chunk_pool *pool, size_t *in_use, size_t *cached)
{
    *in_use = pool->in_use;
    *cached = pool->cached;
}

struct lk_buf_seg *lk_chunk_pool_ring(struct lk_chunk_pool *pool)
{
    void *ring = list_pop(&pool->rings);
    return ring != NULL ? ring : lk_malloc(LK_BUF_RING_MIN * sizeof(struct lk_buf_seg));
}

void lk_chunk_pool_ring_put(struct lk_chunk_pool *pool, struct lk_buf_seg *ring)
{
    if (POOL_CACHES && !pool->orphan && pool->rings.count < RING_CACHE_MAX)
        list_push(&pool->rings, ring);
    else
        lk_free(ring);
}
