/* The association table against a naive model, over random operations with repeatable seeds. */
#include "proxy/lane/association.h"

#include "proxy/base/rand.h"
#include "test/support/lk_test.h"

#define IDS 100
#define CAPACITY 64
#define HANDLES 200
#define LINGER 300
#define LIFETIME 1000

enum { FREE_LANES = 3 };

struct slot {
    bool held;
    bool ambiguous;
    uint32_t value; /* for an ambiguous id: its dominant bit */
    unsigned refs;
    uint64_t expires;
    uint64_t deadline;
    uint64_t used; /* order of last use */
    uint64_t birth;
};

struct handle {
    uint64_t real;
    unsigned id;
    uint64_t birth; /* 0: the model gave none */
};

struct model {
    struct slot slots[IDS];
    unsigned size;
    uint64_t clock; /* of births and uses */
};

struct run {
    struct lk_association *table;
    struct model model;
    struct handle handles[HANDLES];
    unsigned handle_count;
    uint64_t now;
};

static bool is_over(const struct slot *slot, uint64_t now)
{
    return slot->refs == 0 && now >= slot->expires;
}

static void forget(struct model *model, struct slot *slot)
{
    slot->held = false;
    model->size--;
}

static struct slot *oldest_closed(struct model *model)
{
    struct slot *oldest = NULL;

    for (unsigned i = 0; i < IDS; i++) {
        struct slot *slot = &model->slots[i];

        if (slot->held && slot->refs == 0 && (oldest == NULL || slot->used < oldest->used))
            oldest = slot;
    }
    return oldest;
}

static bool make_room(struct model *model)
{
    struct slot *victim;

    if (model->size < CAPACITY)
        return true;
    victim = oldest_closed(model);
    if (victim == NULL)
        return false;
    forget(model, victim);
    return true;
}

static void clash(struct slot *slot, uint32_t value)
{
    uint32_t bound = slot->value & LK_ASSOCIATION_DOMINANT;
    uint32_t added = value & LK_ASSOCIATION_DOMINANT;

    if (!slot->ambiguous && slot->value == value)
        return;
    if (bound != added) {
        if (added != 0) {
            slot->value = value;
            slot->ambiguous = false;
        }
        return;
    }
    slot->ambiguous = true;
    slot->value = bound;
}

/* Returns the birth that a handle remembers, 0 for none. */
static uint64_t model_insert(struct model *model, unsigned id, uint32_t value, uint64_t now)
{
    struct slot *slot = &model->slots[id];

    if (slot->held && is_over(slot, now))
        forget(model, slot);
    if (!slot->held) {
        if (!make_room(model))
            return 0;
        *slot = (struct slot){.held = true, .value = value, .refs = 1, .birth = ++model->clock};
        model->size++;
        return slot->birth;
    }
    if (value == LK_ASSOCIATION_PROBE && (slot->ambiguous || slot->value != value))
        return 0;
    if (value != LK_ASSOCIATION_PROBE && !slot->ambiguous && slot->value == LK_ASSOCIATION_PROBE) {
        *slot = (struct slot){.held = true, .value = value, .refs = 1, .birth = ++model->clock};
        return slot->birth;
    }
    clash(slot, value);
    slot->refs++;
    return slot->birth;
}

static void model_release(struct model *model, const struct handle *handle, uint64_t now)
{
    struct slot *slot = &model->slots[handle->id];

    if (handle->birth == 0 || !slot->held || slot->birth != handle->birth || --slot->refs > 0)
        return;
    slot->expires = now + LINGER;
    slot->deadline = now + LIFETIME;
    slot->used = ++model->clock;
}

static enum lk_association_result model_lookup(struct model *model, unsigned id, uint64_t now, uint32_t *value)
{
    struct slot *slot = &model->slots[id];

    *value = 0;
    if (!slot->held)
        return LK_ASSOCIATION_MISS;
    if (is_over(slot, now)) {
        forget(model, slot);
        return LK_ASSOCIATION_MISS;
    }
    *value = slot->value;
    if (slot->ambiguous)
        return LK_ASSOCIATION_AMBIGUOUS;
    if (slot->refs == 0) {
        slot->expires = now + LINGER < slot->deadline ? now + LINGER : slot->deadline;
        slot->used = ++model->clock;
    }
    return slot->value == LK_ASSOCIATION_PROBE ? LK_ASSOCIATION_PROBED : LK_ASSOCIATION_HIT;
}

static void model_sweep(struct model *model, uint64_t now)
{
    struct slot *oldest;

    while ((oldest = oldest_closed(model)) != NULL && is_over(oldest, now))
        forget(model, oldest);
}

static uint32_t random_value(void)
{
    switch (lk_rand_below(8)) {
    case 0:
        return LK_ASSOCIATION_PROBE;
    case 1:
        return (uint32_t)lk_rand_below(2) | LK_ASSOCIATION_DOMINANT;
    default:
        return (uint32_t)lk_rand_below(FREE_LANES);
    }
}

static struct lk_str text_of(unsigned id, char out[16])
{
    return lk_str(out, (size_t)snprintf(out, 16, "1%08x", id * 2654435761u));
}

static void do_insert(struct run *run, unsigned id)
{
    uint32_t value = lk_rand_below(3) == 0 ? random_value() : id % FREE_LANES;
    struct handle *handle = &run->handles[run->handle_count];
    char text[16];

    if (run->handle_count == HANDLES)
        return;
    handle->id = id;
    handle->birth = model_insert(&run->model, id, value, run->now);
    handle->real = lk_association_insert(run->table, 2, text_of(id, text), value, run->now);
    LK_CHECK_EQ_INT(handle->real != 0, handle->birth != 0);
    run->handle_count++;
}

static void do_release(struct run *run)
{
    struct handle *handle;

    if (run->handle_count == 0)
        return;
    handle = &run->handles[lk_rand_below(run->handle_count)];
    model_release(&run->model, handle, run->now);
    lk_association_release(run->table, handle->real, run->now);
    *handle = run->handles[--run->handle_count];
}

static void do_lookup(struct run *run, unsigned id)
{
    char text[16];
    uint32_t expected;
    uint32_t found;

    LK_CHECK_EQ_INT(lk_association_lookup(run->table, 2, text_of(id, text), run->now, &found),
                    model_lookup(&run->model, id, run->now, &expected));
    LK_CHECK_EQ_UINT(found, expected);
}

static void step(struct run *run)
{
    unsigned id = (unsigned)lk_rand_below(IDS);
    unsigned what = (unsigned)lk_rand_below(100);

    if (what < 30) {
        do_insert(run, id);
    } else if (what < 58) {
        do_release(run);
    } else if (what < 94) {
        do_lookup(run, id);
    } else if (what < 96) {
        lk_association_sweep(run->table, run->now);
        model_sweep(&run->model, run->now);
    } else {
        run->now += lk_rand_below(120);
    }
    LK_CHECK_EQ_UINT(lk_association_size(run->table), run->model.size);
}

static struct lk_association_stats follow(uint64_t seed)
{
    struct lk_association_options options = {
        .capacity = CAPACITY, .linger_ms = LINGER, .max_lifetime_ms = LIFETIME, .seed = {seed, 1}};
    struct run run = {.table = lk_association_new(&options), .now = 1};
    struct lk_association_stats stats;

    lk_rand_seed(seed);
    for (unsigned i = 0; i < 20000; i++)
        step(&run);
    while (run.handle_count > 0)
        do_release(&run);
    lk_association_sweep(run.table, run.now + LIFETIME + LINGER);
    LK_CHECK_EQ_UINT(lk_association_size(run.table), 0);
    lk_association_read_stats(run.table, &stats);
    lk_association_free(run.table);
    return stats;
}

LK_TEST(association_model, random_operations_agree_with_the_naive_map)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct lk_association_stats stats = follow(seed);

        /* The run went through everything there is. */
        LK_CHECK(stats.hits > 100 && stats.misses > 100 && stats.probes > 10 && stats.ambiguous > 10);
        LK_CHECK(stats.expired > 100 && stats.evictions > 10 && stats.conflicts > 10);
        LK_CHECK_EQ_UINT(stats.inserts, stats.expired + stats.evictions);
    }
}

/* So many open requests that there is no room. */
LK_TEST(association_model, refusals_agree_too)
{
    struct lk_association_options options = {.capacity = CAPACITY, .linger_ms = LINGER, .seed = {1, 1}};
    struct run run = {.table = lk_association_new(&options), .now = 1};
    struct lk_association_stats stats;

    lk_rand_seed(7);
    for (unsigned i = 0; i < HANDLES; i++)
        do_insert(&run, i % IDS);
    for (unsigned i = 0; i < IDS; i++)
        do_lookup(&run, i);
    LK_CHECK_EQ_UINT(lk_association_size(run.table), CAPACITY);
    lk_association_read_stats(run.table, &stats);
    LK_CHECK(stats.refused >= IDS - CAPACITY);
    while (run.handle_count > 0)
        do_release(&run);
    lk_association_free(run.table);
}
