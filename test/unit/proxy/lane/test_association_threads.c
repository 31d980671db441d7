/* The association table under many threads: what is held is found, by everyone, with the value it was given. */
#include "proxy/lane/association.h"

#include "proxy/base/rand.h"
#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS 4
#define STEPS 20000
#define IDS 3000
#define HELD 16

struct crew {
    struct lk_association *table;
    unsigned index;
    unsigned wrong;
    pthread_t thread;
};

static struct lk_str text_of(unsigned id, char out[40])
{
    return lk_str(out, (size_t)snprintf(out, 40, "%032x", id * 2654435761u + 1));
}

/* Every id has one lane, so that nothing may ever be ambiguous. */
static uint32_t lane_of(unsigned id)
{
    return id % 251;
}

static enum lk_association_result find(struct lk_association *table, unsigned id, uint64_t now_ms, uint32_t *value)
{
    char text[40];

    return lk_association_lookup(table, 0, text_of(id, text), now_ms, value);
}

static uint64_t put(struct lk_association *table, unsigned id, uint64_t now_ms)
{
    char text[40];

    return lk_association_insert(table, 0, text_of(id, text), lane_of(id), now_ms);
}

struct held {
    uint64_t handle;
    unsigned id;
};

/* An id that this thread holds must be found; any other may be, with its own value. */
static unsigned look(struct crew *crew, const struct held *held, uint64_t now_ms)
{
    unsigned other = (unsigned)lk_rand_below(IDS);
    unsigned wrong = 0;
    uint32_t value;

    if (held->handle != 0 &&
        (find(crew->table, held->id, now_ms, &value) != LK_ASSOCIATION_HIT || value != lane_of(held->id)))
        wrong++;
    switch (find(crew->table, other, now_ms, &value)) {
    case LK_ASSOCIATION_HIT:
        return wrong + (value != lane_of(other));
    case LK_ASSOCIATION_MISS:
        return wrong;
    default:
        return wrong + 1;
    }
}

static void *work(void *arg)
{
    struct crew *crew = arg;
    struct held held[HELD] = {{0, 0}};
    uint64_t now_ms = 0;

    lk_stats_thread = crew->index;
    lk_rand_seed(crew->index + 1);
    for (unsigned i = 0; i < STEPS; i++) {
        struct held *slot = &held[i % HELD];

        now_ms = i / 4;
        lk_association_release(crew->table, slot->handle, now_ms);
        slot->id = (unsigned)lk_rand_below(IDS);
        slot->handle = put(crew->table, slot->id, now_ms);
        crew->wrong += look(crew, &held[lk_rand_below(HELD)], now_ms);
        if (i % 500 == 0)
            lk_association_sweep(crew->table, now_ms);
    }
    for (unsigned i = 0; i < HELD; i++)
        lk_association_release(crew->table, held[i].handle, now_ms);
    return NULL;
}

static struct lk_association_stats run(uint32_t capacity)
{
    struct lk_association_options options = {.capacity = capacity, .linger_ms = 100, .max_lifetime_ms = 300};
    struct lk_association *table = lk_association_new(&options);
    struct lk_association_stats stats;
    struct crew crews[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        crews[i] = (struct crew){.table = table, .index = i};
        LK_CHECK(pthread_create(&crews[i].thread, NULL, work, &crews[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(crews[i].thread, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        LK_CHECK_EQ_UINT(crews[i].wrong, 0);
    lk_association_sweep(table, STEPS + 1000);
    LK_CHECK_EQ_UINT(lk_association_size(table), 0);
    lk_association_read_stats(table, &stats);
    LK_CHECK_EQ_UINT(stats.inserts, stats.expired + stats.evictions);
    LK_CHECK_EQ_UINT(stats.ambiguous + stats.conflicts + stats.probes, 0);
    LK_CHECK(stats.hits > STEPS && stats.misses > 0);
    lk_association_free(table);
    return stats;
}

LK_TEST(association_threads, what_is_held_is_found_with_its_value)
{
    LK_CHECK_EQ_UINT(run(4096).refused, 0);
}

/* So small that entries are evicted all the time, and inserts refused. */
LK_TEST(association_threads, a_crowded_table_stays_whole)
{
    struct lk_association_stats stats = run(60);

    LK_CHECK(stats.evictions > STEPS && stats.refused > 0);
}

struct hand_over {
    struct lk_association *table;
    atomic_uint next;
    unsigned missed;
};

#define HANDED 20000

/* An inbound worker's inserts are seen by an outbound worker at once. */
static void *outbound(void *arg)
{
    struct hand_over *over = arg;

    for (unsigned id = 0; id < HANDED; id++) {
        uint32_t value;

        while (atomic_load_explicit(&over->next, memory_order_acquire) <= id)
            sched_yield();
        over->missed += find(over->table, id, 0, &value) != LK_ASSOCIATION_HIT || value != lane_of(id);
    }
    return NULL;
}

LK_TEST(association_threads, an_insert_is_seen_by_who_hears_of_it)
{
    struct lk_association_options options = {.capacity = 65536};
    struct hand_over over = {.table = lk_association_new(&options)};
    pthread_t thread;

    atomic_init(&over.next, 0);
    LK_CHECK(pthread_create(&thread, NULL, outbound, &over) == 0);
    for (unsigned id = 0; id < HANDED; id++) {
        put(over.table, id, 0);
        atomic_store_explicit(&over.next, id + 1, memory_order_release);
    }
    pthread_join(thread, NULL);
    LK_CHECK_EQ_UINT(over.missed, 0);
    lk_association_free(over.table);
}
