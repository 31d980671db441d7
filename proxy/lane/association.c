/* The association table: life of an entry, values and handles. Shards do the storing. */
#include "proxy/lane/association.h"

#include "proxy/base/mem.h"
#include "proxy/http/trace_key.h"
#include "proxy/lane/association_shard.h"
#include "proxy/stats/stats.h"

#define SHARDS_MAX 16
/* Below this many entries one shard serves. */
#define SHARDED_FROM 1024
#define LINE 64
#define AMBIGUOUS 0x7ffffffeu
/* Misses take no lock; they are counted in a line of the calling thread's own, as far as lines go. */
#define MISS_LINES 16

union padded_count {
    _Atomic uint64_t count;
    char line[LINE];
};

struct storage {
    struct lk_association_shard shards[SHARDS_MAX];
    union padded_count misses[MISS_LINES];
    struct lk_id_sketch sketch;
    void *block; /* what the storage itself lies in */
};

struct lk_association {
    _Atomic size_t total;
    struct storage *_Atomic storage;
    struct lk_hash_key seed;
    struct lk_number_key number_seed;
    uint32_t linger_ms;
    uint32_t max_lifetime_ms;
    uint32_t shard_count;
    uint32_t shard_capacity;
    pthread_mutex_t setup; /* held while the storage is made */
};

struct lk_association *lk_association_new(const struct lk_association_options *options)
{
    struct lk_association *table = lk_calloc(1, sizeof(*table));
    uint32_t capacity = options->capacity != 0 ? options->capacity : LK_ASSOCIATION_CAPACITY;

    LK_ASSERT(capacity <= LK_ASSOCIATION_CAPACITY_MAX);
    if (pthread_mutex_init(&table->setup, NULL) != 0)
        lk_panic("no lock left for associations");
    table->shard_count = capacity < SHARDED_FROM ? 1 : SHARDS_MAX;
    table->shard_capacity = (capacity + table->shard_count - 1) / table->shard_count;
    table->linger_ms = options->linger_ms != 0 ? options->linger_ms : LK_ASSOCIATION_LINGER_MS;
    table->max_lifetime_ms = options->max_lifetime_ms != 0 ? options->max_lifetime_ms : LK_ASSOCIATION_LIFETIME_MS;
    table->seed = options->seed;
    if (table->seed.k0 == 0 && table->seed.k1 == 0)
        table->seed = lk_hash_key_random();
    lk_number_key_init(&table->number_seed, &table->seed);
    return table;
}

static struct storage *storage_of(const struct lk_association *table)
{
    return atomic_load_explicit(&table->storage, memory_order_acquire);
}

void lk_association_free(struct lk_association *table)
{
    struct storage *storage;

    if (table == NULL)
        return;
    storage = storage_of(table);
    if (storage != NULL) {
        for (uint32_t i = 0; i < table->shard_count; i++)
            lk_association_shard_fini(&storage->shards[i]);
        lk_free(storage->block);
    }
    pthread_mutex_destroy(&table->setup);
    lk_free(table);
}

/* --- storage ---------------------------------------------------------------------------------------------------- */

/* Bytes of each array of a shard, every one a multiple of a cache line. */
struct layout {
    size_t tags;
    size_t entry_of;
    size_t entries;
    size_t all; /* with the storage itself and room to align it */
};

static size_t lines(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

static struct layout layout_of(const struct lk_association *table)
{
    size_t slots = (size_t)lk_association_shard_buckets(table->shard_capacity) * LK_ASSOCIATION_WAYS;
    struct layout layout = {
        .tags = lines(slots * sizeof(uint64_t)),
        .entry_of = lines(slots * sizeof(uint16_t)),
        .entries = lines(table->shard_capacity * sizeof(struct lk_association_entry)),
    };

    layout.all =
        LINE + lines(sizeof(struct storage)) + table->shard_count * (layout.tags + layout.entry_of + layout.entries);
    return layout;
}

/* One zeroed block, which the kernel makes resident page by page as it is used. */
static struct storage *storage_new(struct lk_association *table)
{
    struct layout layout = layout_of(table);
    char *block = lk_calloc(1, layout.all);
    char *at = block + (LINE - (uintptr_t)block % LINE) % LINE;
    struct storage *storage = (struct storage *)(void *)at;

    storage->block = block;
    at += lines(sizeof(*storage));
    for (uint32_t i = 0; i < table->shard_count; i++) {
        struct lk_association_shard *shard = &storage->shards[i];

        shard->tags = (_Atomic uint64_t *)(void *)at;
        at += layout.tags;
        shard->entry_of = (uint16_t *)(void *)at;
        at += layout.entry_of;
        shard->entries = (struct lk_association_entry *)(void *)at;
        at += layout.entries;
        shard->total = &table->total;
        shard->sketch = &storage->sketch;
        shard->capacity = table->shard_capacity;
        shard->bucket_mask = lk_association_shard_buckets(table->shard_capacity) - 1;
        lk_association_shard_init(shard);
    }
    return storage;
}

static struct storage *make_storage(struct lk_association *table)
{
    struct storage *storage = storage_of(table);

    if (LK_LIKELY(storage != NULL))
        return storage;
    pthread_mutex_lock(&table->setup);
    storage = storage_of(table);
    if (storage == NULL) {
        storage = storage_new(table);
        atomic_store_explicit(&table->storage, storage, memory_order_release);
    }
    pthread_mutex_unlock(&table->setup);
    return storage;
}

static struct lk_hash128 hash_of(const struct lk_association *table, unsigned kind, struct lk_str id)
{
    uint64_t words[2];

    if (id.len != sizeof(words))
        return lk_keyed_hash(&table->seed, kind, id);
    memcpy(words, id.ptr, sizeof(words));
    return lk_number_hash(&table->number_seed, kind, words[0], words[1]);
}

static uint32_t shard_index(const struct lk_association *table, const struct lk_hash128 *key)
{
    return (uint32_t)key->hi & (table->shard_count - 1);
}

/* --- entries, under the shard's lock ---------------------------------------------------------------------------- */

/* A closed entry's time is up. */
static bool expired(const struct lk_association_entry *entry, uint64_t now_ms)
{
    return entry->refs == 0 && now_ms >= entry->expires_ms;
}

static void expire(struct lk_association_shard *shard, struct lk_association_entry *entry)
{
    shard->counts.expired++;
    lk_association_shard_drop(shard, entry);
}

static void hold(struct lk_association_shard *shard, struct lk_association_entry *entry)
{
    if (entry->refs == 0)
        lk_association_shard_unlink(shard, entry);
    entry->refs++;
}

static void close_entry(const struct lk_association *table, struct lk_association_shard *shard,
                        struct lk_association_entry *entry, uint64_t now_ms)
{
    uint32_t linger = LK_MIN(table->linger_ms, table->max_lifetime_ms);

    entry->expires_ms = now_ms + linger;
    entry->grace_ms = table->max_lifetime_ms - linger;
    lk_association_shard_link(shard, entry);
}

/* Use of a closed entry puts its end off, up to the end of its lifetime. */
static void touch(const struct lk_association *table, struct lk_association_shard *shard,
                  struct lk_association_entry *entry, uint64_t now_ms)
{
    uint64_t wanted = now_ms + table->linger_ms;

    if (entry->refs > 0)
        return;
    if (wanted > entry->expires_ms) {
        uint32_t more = (uint32_t)LK_MIN(wanted - entry->expires_ms, (uint64_t)entry->grace_ms);

        entry->expires_ms += more;
        entry->grace_ms -= more;
    }
    lk_association_shard_unlink(shard, entry);
    lk_association_shard_link(shard, entry);
}

/* What an id is bound to after it met another value. */
static uint32_t merged(uint32_t bound, uint32_t value)
{
    if ((bound ^ value) & LK_ASSOCIATION_DOMINANT)
        return bound & LK_ASSOCIATION_DOMINANT ? bound : value;
    return AMBIGUOUS | (bound & LK_ASSOCIATION_DOMINANT);
}

/* Opens an entry that exists; false when a probe has no business there. */
static bool join(struct lk_association_shard *shard, struct lk_association_entry *entry, uint32_t value)
{
    if (value == LK_ASSOCIATION_PROBE && entry->value != value)
        return false;
    if (entry->value == LK_ASSOCIATION_PROBE && value != entry->value) {
        /* The probe's inbound request must not keep the lane's entry open: its handle becomes void. */
        hold(shard, entry);
        entry->generation = entry->generation == UINT32_MAX ? 1 : entry->generation + 1;
        entry->refs = 1;
        entry->value = value;
        return true;
    }
    if (entry->value != value) {
        entry->value = merged(entry->value, value);
        shard->counts.conflicts++;
    }
    hold(shard, entry);
    return true;
}

static struct lk_association_entry *open_entry(struct lk_association_shard *shard, const struct lk_hash128 *key,
                                               uint16_t print, uint32_t value, uint64_t now_ms)
{
    struct lk_association_entry *entry = NULL;

    if (lk_id_sketch_may_hold(shard->sketch, print)) /* under the lock of its shard an entry and its print agree */
        entry = lk_association_shard_find(shard, key);
    if (entry != NULL && expired(entry, now_ms)) {
        expire(shard, entry);
        entry = NULL;
    }
    if (entry != NULL)
        return join(shard, entry, value) ? entry : NULL;
    entry = lk_association_shard_add(shard, key, print, now_ms);
    if (entry == NULL) {
        shard->counts.refused++;
        return NULL;
    }
    entry->value = value;
    entry->refs = 1;
    return entry;
}

/* --- the interface ---------------------------------------------------------------------------------------------- */

uint64_t lk_association_insert(struct lk_association *table, unsigned kind, struct lk_str id, uint32_t value,
                               uint64_t now_ms)
{
    struct lk_association_shard *shard;
    struct lk_association_entry *entry;
    struct lk_hash128 key;
    uint64_t handle = 0;

    LK_ASSERT(value == LK_ASSOCIATION_PROBE || (value & ~LK_ASSOCIATION_DOMINANT) <= LK_ASSOCIATION_LANE_MAX);
    if (id.len == 0)
        return 0;
    key = hash_of(table, kind, id);
    shard = &make_storage(table)->shards[shard_index(table, &key)];
    pthread_mutex_lock(&shard->lock);
    entry = open_entry(shard, &key, lk_id_print(lk_trace_text_low(id)), value, now_ms);
    if (entry != NULL) {
        uint64_t first = (uint64_t)shard_index(table, &key) * table->shard_capacity;

        handle = (uint64_t)entry->generation << 32 | (first + (uint64_t)(entry - shard->entries));
    }
    pthread_mutex_unlock(&shard->lock);
    return handle;
}

void lk_association_release(struct lk_association *table, uint64_t handle, uint64_t now_ms)
{
    struct storage *storage = storage_of(table);
    uint32_t index = (uint32_t)handle;
    struct lk_association_shard *shard;
    struct lk_association_entry *entry;

    if (handle == 0 || storage == NULL || index / table->shard_capacity >= table->shard_count)
        return;
    shard = &storage->shards[index / table->shard_capacity];
    entry = &shard->entries[index % table->shard_capacity];
    pthread_mutex_lock(&shard->lock);
    if (entry->generation == (uint32_t)(handle >> 32) && entry->refs > 0 && --entry->refs == 0)
        close_entry(table, shard, entry, now_ms);
    pthread_mutex_unlock(&shard->lock);
}

static enum lk_association_result bound_to(const struct lk_association_entry *entry, uint32_t *value)
{
    if ((entry->value & ~LK_ASSOCIATION_DOMINANT) == AMBIGUOUS) {
        *value = entry->value & LK_ASSOCIATION_DOMINANT;
        return LK_ASSOCIATION_AMBIGUOUS;
    }
    *value = entry->value;
    return entry->value == LK_ASSOCIATION_PROBE ? LK_ASSOCIATION_PROBED : LK_ASSOCIATION_HIT;
}

static enum lk_association_result read_entry(const struct lk_association *table, struct lk_association_shard *shard,
                                             struct lk_association_entry *entry, uint64_t now_ms, uint32_t *value)
{
    enum lk_association_result result = bound_to(entry, value);

    if (result == LK_ASSOCIATION_AMBIGUOUS) {
        shard->counts.ambiguous++;
        return result;
    }
    touch(table, shard, entry, now_ms);
    if (result == LK_ASSOCIATION_PROBED)
        shard->counts.probes++;
    else
        shard->counts.hits++;
    return result;
}

static enum lk_association_result locked_lookup(const struct lk_association *table, struct lk_association_shard *shard,
                                                const struct lk_hash128 *key, uint64_t now_ms, uint32_t *value)
{
    enum lk_association_result result = LK_ASSOCIATION_MISS;
    struct lk_association_entry *entry;

    pthread_mutex_lock(&shard->lock);
    entry = lk_association_shard_find(shard, key);
    if (entry != NULL && expired(entry, now_ms))
        expire(shard, entry);
    else if (entry != NULL)
        result = read_entry(table, shard, entry, now_ms, value);
    pthread_mutex_unlock(&shard->lock);
    return result;
}

static void count_miss(struct storage *storage)
{
    atomic_fetch_add_explicit(&storage->misses[lk_stats_thread % MISS_LINES].count, 1, memory_order_relaxed);
}

enum lk_association_result lk_association_lookup(struct lk_association *table, unsigned kind, struct lk_str id,
                                                 uint64_t now_ms, uint32_t *value)
{
    enum lk_association_result result = LK_ASSOCIATION_MISS;
    struct lk_association_shard *shard;
    struct storage *storage;
    struct lk_hash128 key;

    *value = 0;
    if (lk_association_size(table) == 0 || id.len == 0)
        return LK_ASSOCIATION_MISS;
    storage = storage_of(table);
    if (LK_UNLIKELY(storage == NULL))
        return LK_ASSOCIATION_MISS;
    key = hash_of(table, kind, id);
    shard = &storage->shards[shard_index(table, &key)];
    if (lk_association_shard_may_hold(shard, &key))
        result = locked_lookup(table, shard, &key, now_ms, value);
    if (result == LK_ASSOCIATION_MISS)
        count_miss(storage);
    return result;
}

bool lk_association_may_hold(struct lk_association *table, uint32_t low)
{
    struct storage *storage = storage_of(table);

    if (storage == NULL)
        return false;
    if (lk_id_sketch_may_hold(&storage->sketch, lk_id_print(low)))
        return true;
    count_miss(storage);
    return false;
}

enum lk_association_result lk_association_peek(const struct lk_association *table, unsigned kind, struct lk_str id,
                                               uint64_t now_ms, uint32_t *value)
{
    enum lk_association_result result = LK_ASSOCIATION_MISS;
    const struct lk_association_entry *entry;
    struct lk_association_shard *shard;
    struct storage *storage;
    struct lk_hash128 key;

    *value = 0;
    if (lk_association_size(table) == 0 || id.len == 0 || (storage = storage_of(table)) == NULL)
        return LK_ASSOCIATION_MISS;
    key = hash_of(table, kind, id);
    shard = &storage->shards[shard_index(table, &key)];
    pthread_mutex_lock(&shard->lock);
    entry = lk_association_shard_find(shard, &key);
    if (entry != NULL && !expired(entry, now_ms))
        result = bound_to(entry, value);
    pthread_mutex_unlock(&shard->lock);
    return result;
}

void lk_association_sweep(struct lk_association *table, uint64_t now_ms)
{
    struct storage *storage = storage_of(table);

    if (lk_association_size(table) == 0 || storage == NULL)
        return;
    for (uint32_t i = 0; i < table->shard_count; i++) {
        struct lk_association_shard *shard = &storage->shards[i];

        pthread_mutex_lock(&shard->lock);
        while (shard->oldest != LK_ASSOCIATION_NO_ENTRY && expired(&shard->entries[shard->oldest], now_ms))
            expire(shard, &shard->entries[shard->oldest]);
        pthread_mutex_unlock(&shard->lock);
    }
}

size_t lk_association_size(const struct lk_association *table)
{
    return atomic_load_explicit(&table->total, memory_order_relaxed);
}

void lk_association_read_stats(struct lk_association *table, struct lk_association_stats *out)
{
    struct storage *storage = storage_of(table);

    *out = (struct lk_association_stats){.inserts = 0};
    for (uint32_t i = 0; storage != NULL && i < table->shard_count; i++) {
        struct lk_association_shard *shard = &storage->shards[i];

        pthread_mutex_lock(&shard->lock);
        out->inserts += shard->counts.inserts;
        out->hits += shard->counts.hits;
        out->probes += shard->counts.probes;
        out->ambiguous += shard->counts.ambiguous;
        out->conflicts += shard->counts.conflicts;
        out->expired += shard->counts.expired;
        out->evictions += shard->counts.evictions;
        out->refused += shard->counts.refused;
        pthread_mutex_unlock(&shard->lock);
    }
    for (unsigned i = 0; storage != NULL && i < MISS_LINES; i++)
        out->misses += atomic_load_explicit(&storage->misses[i].count, memory_order_relaxed);
}

size_t lk_association_memory(struct lk_association *table)
{
    return sizeof(*table) + (storage_of(table) != NULL ? layout_of(table).all : 0);
}
