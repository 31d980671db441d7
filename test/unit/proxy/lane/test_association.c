/* The association table: life of an entry, two lanes under one id, probes, handles, capacity. */
#include "proxy/lane/association.h"

#include "test/support/lk_test.h"

#define TRACE 0 /* kinds of ids */
#define REQUEST_ID 5
#define LINGER 30000
#define LIFETIME 600000

static struct lk_association *table_of(uint32_t capacity)
{
    struct lk_association_options options = {.capacity = capacity, .seed = {3, 4}};

    return lk_association_new(&options);
}

static struct lk_str id_of(unsigned n, char text[16])
{
    return lk_str(text, (size_t)snprintf(text, 16, "a%x", n));
}

static uint64_t put(struct lk_association *table, unsigned n, uint32_t value, uint64_t now_ms)
{
    char text[16];

    return lk_association_insert(table, TRACE, id_of(n, text), value, now_ms);
}

static enum lk_association_result get(struct lk_association *table, unsigned n, uint64_t now_ms, uint32_t *value)
{
    char text[16];

    return lk_association_lookup(table, TRACE, id_of(n, text), now_ms, value);
}

static bool holds(struct lk_association *table, unsigned n, uint64_t now_ms, uint32_t value)
{
    uint32_t found;

    return get(table, n, now_ms, &found) == LK_ASSOCIATION_HIT && found == value;
}

static bool misses(struct lk_association *table, unsigned n, uint64_t now_ms)
{
    uint32_t found = 1;

    return get(table, n, now_ms, &found) == LK_ASSOCIATION_MISS && found == 0;
}

static struct lk_association_stats stats_of(struct lk_association *table)
{
    struct lk_association_stats stats;

    lk_association_read_stats(table, &stats);
    return stats;
}

LK_TEST(association, memory_comes_with_the_first_insert)
{
    struct lk_association *table = table_of(0);
    uint32_t value;

    LK_CHECK(lk_association_memory(table) < 512);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("a"), 0, &value), LK_ASSOCIATION_MISS);
    lk_association_sweep(table, 0);
    lk_association_release(table, 0, 0);
    LK_CHECK(lk_association_memory(table) < 512);
    put(table, 1, 7, 0);
    LK_CHECK(lk_association_memory(table) > (size_t)65536 * 40);
    LK_CHECK(lk_association_memory(table) <= (size_t)4 << 20);
    lk_association_free(table);
    lk_association_free(NULL);
}

LK_TEST(association, an_entry_lives_while_it_is_open_and_lingers_after_its_last_use)
{
    struct lk_association *table = table_of(16);
    uint64_t handle = put(table, 1, 7, 1000);

    LK_CHECK(holds(table, 1, 1000, 7));
    LK_CHECK(holds(table, 1, 1000 + 10 * LIFETIME, 7)); /* a stream that stays open pins it */
    lk_association_release(table, handle, 10 * LIFETIME);
    LK_CHECK(holds(table, 1, 10 * LIFETIME + LINGER - 1, 7));
    LK_CHECK(holds(table, 1, 10 * LIFETIME + 2 * LINGER - 2, 7)); /* used meanwhile */
    LK_CHECK_EQ_UINT(lk_association_size(table), 1);
    lk_association_sweep(table, 10 * LIFETIME + 3 * LINGER - 3);
    LK_CHECK_EQ_UINT(lk_association_size(table), 1);
    lk_association_sweep(table, 10 * LIFETIME + 3 * LINGER - 2);
    LK_CHECK_EQ_UINT(lk_association_size(table), 0);
    LK_CHECK_EQ_UINT(stats_of(table).expired, 1);
    LK_CHECK_EQ_UINT(stats_of(table).hits, 4);
    lk_association_free(table);
}

LK_TEST(association, expired_entries_are_not_found_even_before_a_sweep)
{
    struct lk_association *table = table_of(16);

    lk_association_release(table, put(table, 1, 7, 0), 0);
    LK_CHECK(misses(table, 1, LINGER));
    LK_CHECK_EQ_UINT(lk_association_size(table), 0);
    lk_association_release(table, put(table, 1, 7, LINGER), LINGER);
    LK_CHECK_EQ_INT(put(table, 1, 8, 2 * LINGER) != 0, true); /* the old lane is forgotten */
    LK_CHECK(holds(table, 1, 2 * LINGER, 8));
    LK_CHECK_EQ_UINT(stats_of(table).conflicts, 0);
    lk_association_free(table);
}

LK_TEST(association, use_puts_the_end_off_no_further_than_the_lifetime)
{
    struct lk_association *table = table_of(16);
    uint64_t now = 0;

    lk_association_release(table, put(table, 1, 7, 0), 0);
    for (; now < LIFETIME; now += LINGER / 2)
        LK_CHECK(holds(table, 1, now, 7));
    LK_CHECK(holds(table, 1, LIFETIME - 1, 7));
    LK_CHECK(misses(table, 1, LIFETIME));
    lk_association_free(table);
}

LK_TEST(association, a_lifetime_shorter_than_the_linger_rules)
{
    struct lk_association_options options = {.capacity = 4, .linger_ms = 1000, .max_lifetime_ms = 10};
    struct lk_association *table = lk_association_new(&options);

    lk_association_release(table, put(table, 1, 7, 0), 0);
    LK_CHECK(holds(table, 1, 9, 7));
    LK_CHECK(misses(table, 1, 10));
    lk_association_free(table);
}

LK_TEST(association, every_inbound_request_of_an_id_holds_its_entry)
{
    struct lk_association *table = table_of(16);
    uint64_t first = put(table, 1, 7, 0);
    uint64_t second = put(table, 1, 7, 0);

    LK_CHECK_EQ_UINT(lk_association_size(table), 1);
    lk_association_release(table, first, 0);
    LK_CHECK(holds(table, 1, 2 * LIFETIME, 7));
    lk_association_release(table, second, 2 * LIFETIME);
    LK_CHECK(misses(table, 1, 2 * LIFETIME + LINGER));
    lk_association_free(table);
}

LK_TEST(association, an_id_of_two_lanes_yields_nothing_until_it_expires)
{
    struct lk_association *table = table_of(16);
    uint64_t handles[3];
    uint32_t value = 99;

    handles[0] = put(table, 1, 7, 0);
    handles[1] = put(table, 1, 8, 0);
    LK_CHECK_EQ_INT(get(table, 1, 0, &value), LK_ASSOCIATION_AMBIGUOUS);
    LK_CHECK_EQ_UINT(value, 0);
    handles[2] = put(table, 1, 7, 0);
    for (unsigned i = 0; i < 3; i++)
        lk_association_release(table, handles[i], 0);
    LK_CHECK_EQ_INT(get(table, 1, LINGER - 1, &value), LK_ASSOCIATION_AMBIGUOUS);
    LK_CHECK(misses(table, 1, LINGER)); /* looking at it was no use */
    LK_CHECK(stats_of(table).conflicts == 2 && stats_of(table).ambiguous == 2);
    put(table, 1, 7, LINGER);
    LK_CHECK(holds(table, 1, LINGER, 7));
    lk_association_free(table);
}

LK_TEST(association, dominant_evidence_is_never_lost)
{
    const uint32_t shadow = 3 | LK_ASSOCIATION_DOMINANT;
    const uint32_t other = 4 | LK_ASSOCIATION_DOMINANT;
    struct lk_association *table = table_of(16);
    uint32_t value;

    put(table, 1, 7, 0); /* lane, then shadow */
    put(table, 1, shadow, 0);
    LK_CHECK(holds(table, 1, 0, shadow));
    put(table, 2, shadow, 0); /* shadow, then lane */
    put(table, 2, 7, 0);
    LK_CHECK(holds(table, 2, 0, shadow));
    put(table, 3, 7, 0); /* two lanes, then shadow */
    put(table, 3, 8, 0);
    put(table, 3, shadow, 0);
    LK_CHECK(holds(table, 3, 0, shadow));
    put(table, 4, shadow, 0); /* two shadow lanes, then a lane */
    put(table, 4, other, 0);
    put(table, 4, 7, 0);
    LK_CHECK_EQ_INT(get(table, 4, 0, &value), LK_ASSOCIATION_AMBIGUOUS);
    LK_CHECK_EQ_UINT(value, LK_ASSOCIATION_DOMINANT);
    LK_CHECK_EQ_UINT(stats_of(table).conflicts, 6);
    lk_association_free(table);
}

LK_TEST(association, a_probe_gives_way_to_a_lane_and_never_replaces_one)
{
    struct lk_association *table = table_of(16);
    uint64_t probe = put(table, 1, LK_ASSOCIATION_PROBE, 0);
    uint64_t again = put(table, 1, LK_ASSOCIATION_PROBE, 0);
    uint64_t lane;
    uint32_t value;

    LK_CHECK(probe != 0 && again == probe);
    LK_CHECK_EQ_INT(get(table, 1, 0, &value), LK_ASSOCIATION_PROBED);
    LK_CHECK_EQ_UINT(value, LK_ASSOCIATION_PROBE);
    lane = put(table, 1, 7, 0);
    LK_CHECK(holds(table, 1, 0, 7));
    LK_CHECK_EQ_UINT(put(table, 1, LK_ASSOCIATION_PROBE, 0), 0);
    lk_association_release(table, lane, 0);
    LK_CHECK(misses(table, 1, LINGER)); /* the probes that are still open do not hold it */
    lane = put(table, 1, 8, LINGER);
    lk_association_release(table, probe, LINGER);
    lk_association_release(table, again, LINGER);
    LK_CHECK(holds(table, 1, LIFETIME, 8));
    LK_CHECK_EQ_UINT(stats_of(table).conflicts, 0);
    lk_association_release(table, lane, LIFETIME);
    lk_association_free(table);
}

LK_TEST(association, a_closed_probe_becomes_an_open_lane)
{
    struct lk_association *table = table_of(16);

    lk_association_release(table, put(table, 1, LK_ASSOCIATION_PROBE, 0), 0);
    put(table, 1, 7, 10);
    lk_association_sweep(table, LIFETIME);
    LK_CHECK(holds(table, 1, LIFETIME, 7));
    lk_association_free(table);
}

LK_TEST(association, late_and_wrong_handles_are_ignored)
{
    struct lk_association *table = table_of(1);
    uint64_t old = put(table, 1, 7, 0);

    lk_association_release(table, old, 0);
    put(table, 2, 8, 10); /* the only entry has another owner now */
    lk_association_release(table, old, 20);
    lk_association_release(table, 0, 20);
    lk_association_release(table, UINT64_MAX, 20);
    lk_association_release(table, (uint64_t)1 << 32 | 5, 20);
    LK_CHECK(holds(table, 2, 20 + LIFETIME, 8));
    lk_association_free(table);
}

LK_TEST(association, a_full_table_gives_up_what_was_unused_longest_and_never_what_is_open)
{
    struct lk_association *table = table_of(8);
    uint64_t handles[8];

    for (unsigned n = 0; n < 8; n++)
        handles[n] = put(table, n, n, 0);
    LK_CHECK_EQ_UINT(put(table, 100, 1, 0), 0);
    LK_CHECK_EQ_UINT(stats_of(table).refused, 1);
    for (unsigned n = 1; n < 8; n++)
        lk_association_release(table, handles[n], n);
    LK_CHECK(holds(table, 1, 10, 1)); /* so that 2 is the oldest now */
    for (unsigned n = 100; n < 107; n++)
        LK_CHECK(put(table, n, n, 20) != 0);
    LK_CHECK_EQ_UINT(stats_of(table).evictions, 7);
    LK_CHECK(holds(table, 0, 20, 0));
    LK_CHECK(misses(table, 1, 20));
    LK_CHECK_EQ_UINT(lk_association_size(table), 8);
    LK_CHECK_EQ_UINT(put(table, 200, 1, 20), 0);
    lk_association_free(table);

    table = table_of(2);
    lk_association_release(table, put(table, 1, 1, 0), 0);
    lk_association_release(table, put(table, 2, 2, 1), 1);
    LK_CHECK(holds(table, 1, 2, 1));
    put(table, 3, 3, 3);
    LK_CHECK(misses(table, 2, 3));
    LK_CHECK(holds(table, 1, 3, 1));
    lk_association_free(table);
}

LK_TEST(association, the_full_size_table_holds_what_it_promises)
{
    struct lk_association *table = table_of(0);
    unsigned kept = 0;

    for (unsigned n = 0; n < LK_ASSOCIATION_CAPACITY; n++)
        lk_association_release(table, put(table, n, n % 1000, 0), 0);
    for (unsigned n = 0; n < LK_ASSOCIATION_CAPACITY; n++)
        kept += holds(table, n, 1, n % 1000);
    /* Ids fall into shards by chance, so a few shards are full before the others. */
    LK_CHECK_EQ_UINT(kept, lk_association_size(table));
    LK_CHECK_EQ_UINT(kept + stats_of(table).evictions, LK_ASSOCIATION_CAPACITY);
    LK_CHECK(kept > LK_ASSOCIATION_CAPACITY / 100 * 98);
    for (unsigned n = LK_ASSOCIATION_CAPACITY; n < 2 * LK_ASSOCIATION_CAPACITY; n++)
        lk_association_release(table, put(table, n, 1, 2), 2);
    LK_CHECK_EQ_UINT(lk_association_size(table), LK_ASSOCIATION_CAPACITY);
    lk_association_sweep(table, LINGER + 2);
    LK_CHECK_EQ_UINT(lk_association_size(table), 0);
    lk_association_free(table);
}

LK_TEST(association, an_empty_id_is_no_id)
{
    struct lk_association *table = table_of(16);
    uint32_t value;

    LK_CHECK_EQ_UINT(lk_association_insert(table, TRACE, LK_STR(""), 7, 0), 0);
    put(table, 1, 7, 0);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR(""), 0, &value), LK_ASSOCIATION_MISS);
    LK_CHECK_EQ_UINT(lk_association_size(table), 1);
    lk_association_free(table);
}

LK_TEST(association, kinds_never_match_each_other)
{
    struct lk_association *table = table_of(16);
    uint32_t value;

    lk_association_insert(table, TRACE, LK_STR("same"), 7, 0);
    LK_CHECK_EQ_INT(lk_association_lookup(table, REQUEST_ID, LK_STR("same"), 0, &value), LK_ASSOCIATION_MISS);
    lk_association_insert(table, REQUEST_ID, LK_STR("same"), 8, 0);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("same"), 0, &value), LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_UINT(value, 7);
    LK_CHECK_EQ_INT(lk_association_lookup(table, REQUEST_ID, LK_STR("same"), 0, &value), LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_UINT(value, 8);
    LK_CHECK_EQ_UINT(stats_of(table).misses, 1);
    lk_association_free(table);
}

/* Ids may be numbers as well as text: zero bytes and case count. */
LK_TEST(association, every_byte_of_an_id_counts)
{
    struct lk_association *table = table_of(16);
    uint32_t value;

    lk_association_insert(table, TRACE, LK_STR("\0a\0b"), 7, 0);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("\0a\0b"), 0, &value), LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("\0a\0B"), 0, &value), LK_ASSOCIATION_MISS);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("\0a\0b\0"), 0, &value), LK_ASSOCIATION_MISS);
    LK_CHECK_EQ_INT(lk_association_lookup(table, TRACE, LK_STR("a\0b"), 0, &value), LK_ASSOCIATION_MISS);
    lk_association_free(table);
}

LK_TEST(association, peek_says_what_a_lookup_would_and_is_no_use)
{
    struct lk_association *table = table_of(0);
    struct lk_association_stats before, after;
    uint32_t value;
    char text[16];

    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(1, text), 0, &value), LK_ASSOCIATION_MISS);
    lk_association_release(table, put(table, 1, 7, 0), 0);
    put(table, 2, LK_ASSOCIATION_PROBE, 0);
    put(table, 3, 8, 0);
    put(table, 3, 9 | LK_ASSOCIATION_DOMINANT, 0);
    put(table, 4, 8, 0);
    put(table, 4, 9, 0);
    before = stats_of(table);
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(1, text), LINGER - 1, &value), LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_UINT(value, 7);
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(2, text), 0, &value), LK_ASSOCIATION_PROBED);
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(3, text), 0, &value), LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_UINT(value, 9 | LK_ASSOCIATION_DOMINANT);
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(4, text), 0, &value), LK_ASSOCIATION_AMBIGUOUS);
    LK_CHECK_EQ_INT(lk_association_peek(table, REQUEST_ID, id_of(1, text), 0, &value), LK_ASSOCIATION_MISS);
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, lk_str(NULL, 0), 0, &value), LK_ASSOCIATION_MISS);
    /* peeked at just before, it ends when it would have */
    LK_CHECK_EQ_INT(lk_association_peek(table, TRACE, id_of(1, text), LINGER, &value), LK_ASSOCIATION_MISS);
    LK_CHECK_EQ_UINT(value, 0);
    after = stats_of(table);
    LK_CHECK_MEM(&before, &after, sizeof(before));
    LK_CHECK_EQ_UINT(lk_association_size(table), 4);
    lk_association_free(table);
}
