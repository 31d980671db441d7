/*
 * The walk over all stats in the order of their full names, see stats_private.h. Scopes are sorted by prefix; one is
 * opened when the walk reaches its prefix and closed after its last stat, so few are open at a time. The reading
 * thread.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/stats_private.h"

/* Scopes looked at in one step when nothing is wanted of them. */
#define SCOPES_PER_STEP 64

/* A scope that is being read. */
struct open_scope {
    struct lk_stat_entries entries; /* at least one is left */
    size_t at;
    size_t name_len;
    char name[LK_STAT_NAME_MAX]; /* of entries[at] */
};

struct lk_stat_walk {
    struct lk_stats *stats;
    struct lk_stat_chooser chooser;
    unsigned kinds; /* of the filter */
    struct lk_stats_scope **scopes;
    size_t scope_count;
    size_t next_scope;
    struct open_scope **open;
    size_t open_count;
    size_t open_cap;
    struct lk_stat_entries spare; /* memory for the next one */
};

static int compare_scopes(const void *a, const void *b)
{
    const struct lk_stats_scope *const *left = a;
    const struct lk_stats_scope *const *right = b;

    return lk_str_cmp((*left)->prefix, (*right)->prefix);
}

static void hold_scopes(struct lk_stat_walk *walk)
{
    struct lk_stats *stats = walk->stats;

    pthread_mutex_lock(&stats->lock);
    walk->scope_count = stats->scope_count;
    walk->scopes = lk_calloc(walk->scope_count, sizeof(struct lk_stats_scope *));
    for (size_t i = 0; i < walk->scope_count; i++) {
        walk->scopes[i] = stats->scopes[i];
        walk->scopes[i]->refs++;
    }
    pthread_mutex_unlock(&stats->lock);
    if (walk->scope_count > 0)
        qsort(walk->scopes, walk->scope_count, sizeof(struct lk_stats_scope *), compare_scopes);
}

struct lk_stat_walk *lk_stat_walk_new(struct lk_stats *stats, const struct lk_stats_filter *filter,
                                      struct lk_error *error)
{
    struct lk_stat_walk *walk = lk_calloc(1, sizeof(*walk));
    const unsigned all =
        LK_STAT_KIND_BIT(LK_STAT_COUNTER) | LK_STAT_KIND_BIT(LK_STAT_GAUGE) | LK_STAT_KIND_BIT(LK_STAT_HISTOGRAM);

    walk->stats = stats;
    walk->kinds = filter->kinds ? filter->kinds : all;
    if (!lk_stat_chooser_init(&walk->chooser, filter, error)) {
        lk_free(walk);
        return NULL;
    }
    hold_scopes(walk);
    lk_stat_walk_start(walk, all);
    return walk;
}

static void close_scope(struct lk_stat_walk *walk, size_t index)
{
    struct open_scope *scope = walk->open[index];

    lk_free(walk->spare.items);
    walk->spare = scope->entries;
    lk_free(scope);
    walk->open[index] = walk->open[--walk->open_count];
}

void lk_stat_walk_start(struct lk_stat_walk *walk, unsigned kinds)
{
    while (walk->open_count > 0)
        close_scope(walk, 0);
    walk->next_scope = 0;
    walk->chooser.kinds = walk->kinds & kinds;
}

void lk_stat_walk_free(struct lk_stat_walk *walk)
{
    lk_stat_walk_start(walk, 0);
    for (size_t i = 0; i < walk->scope_count; i++)
        lk_stats_scope_unref(walk->scopes[i]);
    lk_free(walk->scopes);
    lk_free(walk->open);
    lk_free(walk->spare.items);
    lk_stat_chooser_fini(&walk->chooser);
    lk_free(walk);
}

static void name_entry(struct open_scope *scope)
{
    scope->name_len = lk_stat_entry_name(&scope->entries.items[scope->at], scope->name).len;
}

static void open_next_scope(struct lk_stat_walk *walk)
{
    struct open_scope *scope;

    lk_stat_chooser_take(&walk->chooser, walk->scopes[walk->next_scope++], &walk->spare);
    if (walk->spare.count == 0)
        return;
    scope = lk_malloc(sizeof(*scope));
    scope->entries = walk->spare;
    scope->at = 0;
    walk->spare = (struct lk_stat_entries){0};
    name_entry(scope);
    walk->open = lk_grow(walk->open, &walk->open_cap, walk->open_count + 1, sizeof(struct open_scope *));
    walk->open[walk->open_count++] = scope;
}

/* The open scope whose next name is the smallest. */
static size_t smallest(const struct lk_stat_walk *walk)
{
    size_t best = 0;

    for (size_t i = 1; i < walk->open_count; i++) {
        const struct open_scope *left = walk->open[i];
        const struct open_scope *right = walk->open[best];

        if (lk_str_cmp(lk_str(left->name, left->name_len), lk_str(right->name, right->name_len)) < 0)
            best = i;
    }
    return best;
}

/* Whether the next scope may have a name before the one that would be given out. */
static bool must_open(const struct lk_stat_walk *walk)
{
    const struct open_scope *first;

    if (walk->next_scope == walk->scope_count)
        return false;
    if (walk->open_count == 0)
        return true;
    first = walk->open[smallest(walk)];
    return lk_str_cmp(walk->scopes[walk->next_scope]->prefix, lk_str(first->name, first->name_len)) <= 0;
}

enum lk_stat_step lk_stat_walk_next(struct lk_stat_walk *walk, struct lk_stat_entry *entry)
{
    struct open_scope *scope;
    size_t index;

    for (unsigned i = 0; must_open(walk); i++) {
        if (i == SCOPES_PER_STEP)
            return LK_STAT_STEP_BUSY;
        open_next_scope(walk);
    }
    if (walk->open_count == 0)
        return LK_STAT_STEP_END;
    index = smallest(walk);
    scope = walk->open[index];
    *entry = scope->entries.items[scope->at++];
    if (scope->at == scope->entries.count)
        close_scope(walk, index);
    else
        name_entry(scope);
    return LK_STAT_STEP_ENTRY;
}
