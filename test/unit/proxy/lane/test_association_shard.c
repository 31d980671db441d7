/* One shard: room, eviction where two buckets are full, tags. */
#include "proxy/lane/association_shard.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#define CAPACITY 64

struct fixture {
    struct lk_association_shard shard;
    _Atomic size_t total;
    struct lk_id_sketch sketch;
};

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = aligned_alloc(_Alignof(struct fixture), sizeof(struct fixture));
    uint32_t buckets = lk_association_shard_buckets(CAPACITY);

    memset(fixture, 0, sizeof(*fixture));
    fixture->shard.tags = lk_calloc(buckets * LK_ASSOCIATION_WAYS, sizeof(*fixture->shard.tags));
    fixture->shard.entry_of = lk_calloc(buckets * LK_ASSOCIATION_WAYS, sizeof(*fixture->shard.entry_of));
    fixture->shard.entries = lk_calloc(CAPACITY, sizeof(*fixture->shard.entries));
    fixture->shard.capacity = CAPACITY;
    fixture->shard.bucket_mask = buckets - 1;
    fixture->shard.total = &fixture->total;
    fixture->shard.sketch = &fixture->sketch;
    lk_association_shard_init(&fixture->shard);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    lk_association_shard_fini(&fixture->shard);
    lk_free((void *)fixture->shard.tags);
    lk_free(fixture->shard.entry_of);
    lk_free(fixture->shard.entries);
    free(fixture);
}

/* Keys of two buckets of the caller's choice; `n` makes them different. */
static struct lk_hash128 key_in(uint32_t first, uint32_t second, uint64_t n)
{
    return (struct lk_hash128){.lo = n, .hi = (uint64_t)first << 8 | (uint64_t)second << 32};
}

static struct lk_association_entry *add_closed(struct fixture *fixture, struct lk_hash128 key, uint64_t expires_ms)
{
    struct lk_association_entry *entry = lk_association_shard_add(&fixture->shard, &key, (uint16_t)key.lo, 0);

    if (entry != NULL) {
        entry->expires_ms = expires_ms;
        lk_association_shard_link(&fixture->shard, entry);
    }
    return entry;
}

LK_TEST(association_shard, buckets_are_twice_the_entries)
{
    LK_CHECK_EQ_UINT(lk_association_shard_buckets(1), 2);
    LK_CHECK_EQ_UINT(lk_association_shard_buckets(8), 2);
    LK_CHECK_EQ_UINT(lk_association_shard_buckets(9), 4);
    LK_CHECK_EQ_UINT(lk_association_shard_buckets(4096), 1024);
    LK_CHECK_EQ_UINT(lk_association_shard_buckets(32768), 8192);
}

LK_TEST(association_shard, entries_fill_two_buckets_evenly_and_then_the_first_to_expire_makes_room)
{
    struct fixture *fixture = fixture_new();
    struct lk_hash128 key;

    for (uint64_t n = 1; n <= 16; n++)
        LK_CHECK_NOT_NULL(add_closed(fixture, key_in(2, 5, n), n == 7 ? 50 : 100 + n));
    LK_CHECK_EQ_UINT(atomic_load(&fixture->total), 16);
    LK_CHECK_EQ_UINT(fixture->shard.counts.evictions, 0);

    key = key_in(5, 2, 17);
    LK_CHECK(!lk_association_shard_may_hold(&fixture->shard, &key));
    LK_CHECK_NOT_NULL(add_closed(fixture, key, 200));
    LK_CHECK_EQ_UINT(fixture->shard.counts.evictions, 1);
    LK_CHECK_EQ_UINT(atomic_load(&fixture->total), 16);
    LK_CHECK(lk_association_shard_may_hold(&fixture->shard, &key));
    for (uint64_t n = 1; n <= 16; n++) {
        key = key_in(2, 5, n);
        LK_CHECK_EQ_INT(lk_association_shard_may_hold(&fixture->shard, &key), n != 7);
        LK_CHECK_EQ_INT(lk_association_shard_find(&fixture->shard, &key) != NULL, n != 7);
    }
    fixture_free(fixture);
}

LK_TEST(association_shard, open_entries_in_two_full_buckets_leave_no_room)
{
    struct fixture *fixture = fixture_new();
    struct lk_hash128 key;

    for (uint64_t n = 1; n <= 16; n++) {
        key = key_in(3, 3, n);
        lk_association_shard_add(&fixture->shard, &key, (uint16_t)key.lo, 0)->refs = 1;
    }
    key = key_in(3, 2, 17);
    LK_CHECK_NULL(lk_association_shard_add(&fixture->shard, &key, (uint16_t)key.lo, 0));
    key = key_in(3, 4, 18);
    LK_CHECK_NOT_NULL(lk_association_shard_add(&fixture->shard, &key, (uint16_t)key.lo, 0));
    fixture_free(fixture);
}

LK_TEST(association_shard, equal_tags_are_told_apart_by_the_other_half)
{
    struct fixture *fixture = fixture_new();
    struct lk_hash128 a = key_in(1, 2, 9);
    struct lk_hash128 b = {.lo = a.lo, .hi = a.hi | (uint64_t)1 << 60};
    struct lk_association_entry *entry = add_closed(fixture, a, 10);

    LK_CHECK(lk_association_shard_may_hold(&fixture->shard, &b));
    LK_CHECK_NULL(lk_association_shard_find(&fixture->shard, &b));
    LK_CHECK_EQ_PTR(lk_association_shard_find(&fixture->shard, &a), entry);
    fixture_free(fixture);
}

LK_TEST(association_shard, a_hash_of_zero_is_an_entry_like_others)
{
    struct fixture *fixture = fixture_new();
    struct lk_hash128 key = {0, 0};
    struct lk_association_entry *entry;

    LK_CHECK(!lk_association_shard_may_hold(&fixture->shard, &key));
    entry = add_closed(fixture, key, 10);
    LK_CHECK_EQ_PTR(lk_association_shard_find(&fixture->shard, &key), entry);
    lk_association_shard_drop(&fixture->shard, entry);
    LK_CHECK(!lk_association_shard_may_hold(&fixture->shard, &key));
    fixture_free(fixture);
}
