/*
 * Scopes and slabs: creation under a lock, counting without one. Any thread counts into its own slab.
 */
#include "proxy/stats/stats.h"

#include "proxy/base/mem.h"
#include "proxy/stats/cells.h"
#include "proxy/stats/stats_private.h"
#include "proxy/stats/tags.h"

_Thread_local unsigned lk_stats_thread;

static void account(struct lk_stats *stats, size_t bytes)
{
    atomic_fetch_add_explicit(&stats->bytes, bytes, memory_order_relaxed);
}

struct lk_stats *lk_stats_new(unsigned threads)
{
    struct lk_stats *stats = lk_calloc(1, sizeof(*stats));

    if (pthread_mutex_init(&stats->lock, NULL) != 0)
        lk_panic("no lock left for stats");
    stats->threads = threads;
    stats->tags = lk_tags_new();
    lk_map_init(&stats->by_prefix);
    return stats;
}

static size_t scope_bytes(const struct lk_stats *stats, struct lk_str prefix)
{
    return sizeof(struct lk_stats_scope) + (stats->threads + 1) * sizeof(struct lk_stats_slab *) + prefix.len + 1;
}

static size_t slab_words(const struct lk_stat_block *block)
{
    return block->count + (block->count + 63) / 64;
}

static void free_slab(const struct lk_stat_block *block, struct lk_stats_slab *slab)
{
    for (unsigned i = 0; slab != NULL && i < block->count; i++) {
        void *owned = (void *)(uintptr_t)atomic_load_explicit(&slab->words[i], memory_order_acquire);

        if (block->defs[i].kind == LK_STAT_HISTOGRAM)
            lk_histogram_free(owned);
        else if (block->defs[i].kind == LK_STAT_CODES)
            lk_cells_free(owned);
    }
    lk_free(slab);
}

static void free_scope(struct lk_stats_scope *scope)
{
    for (unsigned i = 0; i <= scope->stats->threads; i++)
        free_slab(scope->block, atomic_load_explicit(&scope->slabs[i], memory_order_acquire));
    lk_cells_free(atomic_load_explicit(&scope->set, memory_order_acquire));
    lk_stats_history_free(scope);
    lk_free(scope);
}

void lk_stats_free(struct lk_stats *stats)
{
    if (stats == NULL)
        return;
    for (size_t i = 0; i < stats->scope_count; i++)
        free_scope(stats->scopes[i]);
    lk_free(stats->scopes);
    lk_map_fini(&stats->by_prefix);
    lk_tags_free(stats->tags);
    pthread_mutex_destroy(&stats->lock);
    lk_free(stats);
}

static struct lk_stats_scope *new_scope(struct lk_stats *stats, const struct lk_stat_block *block, struct lk_str prefix)
{
    struct lk_stats_scope *scope = lk_calloc(1, scope_bytes(stats, prefix));
    char *copy = (char *)&scope->slabs[stats->threads + 1];

    if (prefix.len > 0)
        memcpy(copy, prefix.ptr, prefix.len);
    scope->block = block;
    scope->stats = stats;
    scope->prefix = lk_str(copy, prefix.len);
    account(stats, scope_bytes(stats, prefix));
    return scope;
}

static struct lk_stats_scope *find_scope(struct lk_stats *stats, const struct lk_stat_block *block,
                                         struct lk_str prefix)
{
    struct lk_stats_scope *scope = lk_map_get(&stats->by_prefix, prefix);

    while (scope != NULL && scope->block != block)
        scope = scope->next;
    return scope;
}

struct lk_stats_scope *lk_stats_scope_ref(struct lk_stats *stats, const struct lk_stat_block *block,
                                          struct lk_str prefix)
{
    struct lk_stats_scope *scope;

    pthread_mutex_lock(&stats->lock);
    scope = find_scope(stats, block, prefix);
    if (scope == NULL) {
        scope = new_scope(stats, block, prefix);
        scope->next = lk_map_set(&stats->by_prefix, scope->prefix, scope);
        stats->scopes = lk_grow(stats->scopes, &stats->scope_cap, stats->scope_count + 1, sizeof(*stats->scopes));
        stats->scopes[stats->scope_count++] = scope;
    }
    scope->refs++;
    pthread_mutex_unlock(&stats->lock);
    return scope;
}

void lk_stats_scope_unref(struct lk_stats_scope *scope)
{
    struct lk_stats *stats;

    if (scope == NULL)
        return;
    stats = scope->stats;
    pthread_mutex_lock(&stats->lock);
    LK_ASSERT(scope->refs > 0);
    scope->refs--;
    pthread_mutex_unlock(&stats->lock);
}

static bool never_used(const struct lk_stats_scope *scope)
{
    for (unsigned i = 0; i < scope->stats->threads; i++) {
        if (atomic_load_explicit(&scope->slabs[i], memory_order_acquire) != NULL)
            return false;
    }
    return true;
}

/* The map's key lies in a scope of the chain, so the entry is made anew. */
static void unlink_scope(struct lk_stats *stats, struct lk_stats_scope *scope)
{
    struct lk_stats_scope *first = lk_map_remove(&stats->by_prefix, scope->prefix);
    struct lk_stats_scope **at = &first;

    while (*at != scope)
        at = &(*at)->next;
    *at = scope->next;
    if (first != NULL)
        lk_map_set(&stats->by_prefix, first->prefix, first);
}

void lk_stats_prune(struct lk_stats *stats)
{
    size_t kept = 0;

    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < stats->scope_count; i++) {
        struct lk_stats_scope *scope = stats->scopes[i];

        if (scope->refs > 0 || !never_used(scope)) {
            stats->scopes[kept++] = scope;
            continue;
        }
        unlink_scope(stats, scope);
        account(stats, 0 - scope_bytes(stats, scope->prefix));
        free_scope(scope);
    }
    stats->scope_count = kept;
    pthread_mutex_unlock(&stats->lock);
}

unsigned lk_stats_mute(const struct lk_stats *stats)
{
    unsigned thread = lk_stats_thread;

    lk_stats_thread = stats->threads;
    return thread;
}

struct lk_stats_slab *lk_stats_slab_new(struct lk_stats_scope *scope)
{
    size_t words = slab_words(scope->block);
    struct lk_stats_slab *slab = lk_calloc(LK_MAX(words, (size_t)1), sizeof(uint64_t));

    LK_ASSERT(lk_stats_thread <= scope->stats->threads);
    account(scope->stats, words * sizeof(uint64_t));
    atomic_store_explicit(&scope->slabs[lk_stats_thread], slab, memory_order_release);
    return slab;
}

void lk_stats_set(struct lk_stats_scope *scope, unsigned index, uint64_t value)
{
    _Atomic uint64_t *cell = lk_cells_find(atomic_load_explicit(&scope->set, memory_order_acquire), index);

    if (cell != NULL) {
        atomic_store_explicit(cell, value, memory_order_relaxed);
        return;
    }
    /* Other threads may be setting other gauges of the scope for the first time. */
    pthread_mutex_lock(&scope->stats->lock);
    account(scope->stats, lk_cells_add(&scope->set, index, value));
    pthread_mutex_unlock(&scope->stats->lock);
}

void lk_stats_record(struct lk_stats_scope *scope, unsigned index, uint64_t value)
{
    _Atomic uint64_t *word = &lk_stats_slab(scope)->words[index];
    struct lk_histogram *histogram = (void *)(uintptr_t)atomic_load_explicit(word, memory_order_relaxed);
    size_t allocated = 0;

    if (LK_UNLIKELY(histogram == NULL)) {
        allocated = sizeof(*histogram);
        histogram = lk_calloc(1, sizeof(*histogram));
        atomic_store_explicit(word, (uintptr_t)histogram, memory_order_release);
    }
    allocated += lk_histogram_record(histogram, value, 1);
    if (LK_UNLIKELY(allocated > 0))
        account(scope->stats, allocated);
}

void lk_stats_code(struct lk_stats_scope *scope, unsigned index, unsigned status)
{
    _Atomic uint64_t *word = &lk_stats_slab(scope)->words[index];
    struct lk_cells *_Atomic head;
    _Atomic uint64_t *cell;

    if (status < 100 || status > 599)
        return;
    atomic_init(&head, (void *)(uintptr_t)atomic_load_explicit(word, memory_order_relaxed));
    cell = lk_cells_find(head, status);
    if (LK_LIKELY(cell != NULL)) {
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + 1, memory_order_relaxed);
        return;
    }
    account(scope->stats, lk_cells_add(&head, status, 1));
    atomic_store_explicit(word, (uintptr_t)atomic_load_explicit(&head, memory_order_relaxed), memory_order_release);
}

struct lk_stats_scope **lk_stats_scopes(struct lk_stats *stats, size_t *count)
{
    struct lk_stats_scope **copy;

    pthread_mutex_lock(&stats->lock);
    *count = stats->scope_count;
    copy = lk_calloc(stats->scope_count, sizeof(*copy));
    if (stats->scope_count > 0)
        memcpy(copy, stats->scopes, stats->scope_count * sizeof(*copy));
    pthread_mutex_unlock(&stats->lock);
    return copy;
}

size_t lk_stats_memory(const struct lk_stats *stats)
{
    return sizeof(*stats) + atomic_load_explicit(&stats->bytes, memory_order_relaxed) +
           stats->scope_cap * sizeof(*stats->scopes) + stats->by_prefix.cap * sizeof(struct lk_map_slot);
}
