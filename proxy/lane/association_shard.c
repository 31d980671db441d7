/* A shard of the association table: tags, entries and the list of closed entries by last use. */
#include "proxy/lane/association_shard.h"

#include "proxy/base/mem.h"

_Static_assert(sizeof(struct lk_association_entry) == 40, "a full table must stay below 4 MiB");

uint32_t lk_association_shard_buckets(uint32_t capacity)
{
    uint32_t buckets = 2;

    while (buckets * LK_ASSOCIATION_WAYS < 2 * capacity)
        buckets *= 2;
    return buckets;
}

void lk_association_shard_init(struct lk_association_shard *shard)
{
    if (pthread_mutex_init(&shard->lock, NULL) != 0)
        lk_panic("no lock left for associations");
    shard->free = LK_ASSOCIATION_NO_ENTRY;
    shard->oldest = LK_ASSOCIATION_NO_ENTRY;
    shard->newest = LK_ASSOCIATION_NO_ENTRY;
}

void lk_association_shard_fini(struct lk_association_shard *shard)
{
    pthread_mutex_destroy(&shard->lock);
}

static uint64_t tag_of(const struct lk_hash128 *key)
{
    return key->lo != 0 ? key->lo : 1;
}

/* First slots of the two buckets of a key; never the same bucket. */
static void buckets_of(const struct lk_association_shard *shard, const struct lk_hash128 *key, uint32_t out[2])
{
    uint32_t first = (uint32_t)(key->hi >> 8) & shard->bucket_mask;
    uint32_t second = (uint32_t)(key->hi >> 32) & shard->bucket_mask;

    if (second == first)
        second ^= 1;
    out[0] = first * LK_ASSOCIATION_WAYS;
    out[1] = second * LK_ASSOCIATION_WAYS;
}

/* No early end: eight loads of one line are cheaper than a branch on each. */
static bool line_holds(const _Atomic uint64_t *tags, uint64_t tag)
{
    unsigned found = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < LK_ASSOCIATION_WAYS; i++)
        found |= atomic_load_explicit(&tags[i], memory_order_relaxed) == tag;
    return found != 0;
}

bool lk_association_shard_may_hold(const struct lk_association_shard *shard, const struct lk_hash128 *key)
{
    uint32_t buckets[2];

    buckets_of(shard, key, buckets);
    return line_holds(&shard->tags[buckets[0]], tag_of(key)) || line_holds(&shard->tags[buckets[1]], tag_of(key));
}

static struct lk_association_entry *find_in(const struct lk_association_shard *shard, uint32_t bucket,
                                            const struct lk_hash128 *key)
{
    uint64_t tag = tag_of(key);

    for (uint32_t slot = bucket; slot < bucket + LK_ASSOCIATION_WAYS; slot++) {
        struct lk_association_entry *entry = &shard->entries[shard->entry_of[slot]];

        if (atomic_load_explicit(&shard->tags[slot], memory_order_relaxed) == tag && entry->check == key->hi)
            return entry;
    }
    return NULL;
}

struct lk_association_entry *lk_association_shard_find(struct lk_association_shard *shard, const struct lk_hash128 *key)
{
    struct lk_association_entry *found = NULL;
    uint32_t buckets[2];

    buckets_of(shard, key, buckets);
    for (unsigned b = 0; b < 2 && found == NULL; b++)
        if (line_holds(&shard->tags[buckets[b]], tag_of(key)))
            found = find_in(shard, buckets[b], key);
    return found;
}

static uint16_t index_of(const struct lk_association_shard *shard, const struct lk_association_entry *entry)
{
    return (uint16_t)(entry - shard->entries);
}

/* Where the neighbour (or an end of the list) points to. */
static uint16_t *newer_of(struct lk_association_shard *shard, uint16_t index)
{
    return index == LK_ASSOCIATION_NO_ENTRY ? &shard->oldest : &shard->entries[index].newer;
}

static uint16_t *older_of(struct lk_association_shard *shard, uint16_t index)
{
    return index == LK_ASSOCIATION_NO_ENTRY ? &shard->newest : &shard->entries[index].older;
}

void lk_association_shard_link(struct lk_association_shard *shard, struct lk_association_entry *entry)
{
    uint16_t index = index_of(shard, entry);

    entry->older = shard->newest;
    entry->newer = LK_ASSOCIATION_NO_ENTRY;
    *newer_of(shard, entry->older) = index;
    shard->newest = index;
}

void lk_association_shard_unlink(struct lk_association_shard *shard, struct lk_association_entry *entry)
{
    *newer_of(shard, entry->older) = entry->newer;
    *older_of(shard, entry->newer) = entry->older;
}

void lk_association_shard_drop(struct lk_association_shard *shard, struct lk_association_entry *entry)
{
    lk_association_shard_unlink(shard, entry);
    atomic_store_explicit(&shard->tags[entry->slot], 0, memory_order_relaxed);
    entry->generation = entry->generation == UINT32_MAX ? 1 : entry->generation + 1;
    entry->newer = shard->free;
    shard->free = index_of(shard, entry);
    atomic_fetch_sub_explicit(shard->total, 1, memory_order_relaxed);
    lk_id_sketch_drop(shard->sketch, entry->print);
}

static void evict(struct lk_association_shard *shard, struct lk_association_entry *entry, uint64_t now_ms)
{
    if (now_ms >= entry->expires_ms)
        shard->counts.expired++;
    else
        shard->counts.evictions++;
    lk_association_shard_drop(shard, entry);
}

/* One bit for each free slot of a bucket, and how many they are. */
static unsigned free_slots(const _Atomic uint64_t *tags, unsigned *room)
{
    unsigned free = 0;

    *room = 0;
#pragma GCC unroll 8
    for (unsigned i = 0; i < LK_ASSOCIATION_WAYS; i++) {
        unsigned is_free = atomic_load_explicit(&tags[i], memory_order_relaxed) == 0;

        *room += is_free;
        free |= is_free << i;
    }
    return free;
}

/* A free slot in the emptier bucket; false when both are full. */
static bool free_slot(struct lk_association_shard *shard, const uint32_t buckets[2], uint32_t *out)
{
    unsigned rooms[2];
    unsigned free[2];
    unsigned b;

    free[0] = free_slots(&shard->tags[buckets[0]], &rooms[0]);
    free[1] = free_slots(&shard->tags[buckets[1]], &rooms[1]);
    b = rooms[1] > rooms[0];
    if (rooms[b] == 0)
        return false;
    *out = buckets[b] + (unsigned)__builtin_ctz(free[b]);
    return true;
}

/* Of two full buckets: the closed entry that would expire first, or NULL. */
static struct lk_association_entry *victim_of(struct lk_association_shard *shard, const uint32_t buckets[2])
{
    struct lk_association_entry *victim = NULL;

    for (unsigned i = 0; i < 2 * LK_ASSOCIATION_WAYS; i++) {
        uint32_t slot = buckets[i / LK_ASSOCIATION_WAYS] + i % LK_ASSOCIATION_WAYS;
        struct lk_association_entry *entry = &shard->entries[shard->entry_of[slot]];

        if (entry->refs == 0 && (victim == NULL || entry->expires_ms < victim->expires_ms))
            victim = entry;
    }
    return victim;
}

static bool make_slot(struct lk_association_shard *shard, const struct lk_hash128 *key, uint64_t now_ms, uint32_t *out)
{
    struct lk_association_entry *victim;
    uint32_t buckets[2];

    buckets_of(shard, key, buckets);
    if (free_slot(shard, buckets, out))
        return true;
    victim = victim_of(shard, buckets);
    if (victim == NULL)
        return false;
    *out = victim->slot;
    evict(shard, victim, now_ms);
    return true;
}

static struct lk_association_entry *take_entry(struct lk_association_shard *shard, uint64_t now_ms)
{
    struct lk_association_entry *entry;

    if (shard->free == LK_ASSOCIATION_NO_ENTRY && shard->touched < shard->capacity) {
        entry = &shard->entries[shard->touched++];
        entry->generation = 1;
        return entry;
    }
    if (shard->free == LK_ASSOCIATION_NO_ENTRY && shard->oldest != LK_ASSOCIATION_NO_ENTRY)
        evict(shard, &shard->entries[shard->oldest], now_ms);
    if (shard->free == LK_ASSOCIATION_NO_ENTRY)
        return NULL;
    entry = &shard->entries[shard->free];
    shard->free = entry->newer;
    return entry;
}

struct lk_association_entry *lk_association_shard_add(struct lk_association_shard *shard, const struct lk_hash128 *key,
                                                      uint16_t print, uint64_t now_ms)
{
    struct lk_association_entry *entry;
    uint32_t slot;

    if (!make_slot(shard, key, now_ms, &slot))
        return NULL;
    entry = take_entry(shard, now_ms);
    if (entry == NULL)
        return NULL;
    entry->check = key->hi;
    entry->refs = 0;
    entry->slot = (uint16_t)slot;
    entry->print = print;
    lk_id_sketch_add(shard->sketch, print);
    shard->entry_of[slot] = index_of(shard, entry);
    atomic_store_explicit(&shard->tags[slot], tag_of(key), memory_order_relaxed);
    atomic_fetch_add_explicit(shard->total, 1, memory_order_relaxed);
    shard->counts.inserts++;
    return entry;
}
