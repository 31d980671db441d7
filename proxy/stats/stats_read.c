/*
 * Sums over threads and what was before: values, resets, intervals of histograms. The reading (main) thread.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/cells.h"
#include "proxy/stats/stats_private.h"

#include <math.h>

static uint64_t word_of(const struct lk_stats_scope *scope, unsigned thread, unsigned index)
{
    const struct lk_stats_slab *slab = atomic_load_explicit(&scope->slabs[thread], memory_order_acquire);

    return slab != NULL ? atomic_load_explicit(&slab->words[index], memory_order_acquire) : 0;
}

uint64_t lk_stats_total(const struct lk_stats_scope *scope, unsigned index)
{
    struct lk_cells *set = atomic_load_explicit(&scope->set, memory_order_acquire);
    _Atomic uint64_t *cell = lk_cells_find(set, index);
    uint64_t total = cell != NULL ? atomic_load_explicit(cell, memory_order_relaxed) : 0;

    for (unsigned i = 0; i < scope->stats->threads; i++)
        total += word_of(scope, i, index);
    return total;
}

uint64_t lk_stats_code_total(const struct lk_stats_scope *scope, unsigned index, unsigned code)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < scope->stats->threads; i++) {
        struct lk_cells *cells = (void *)(uintptr_t)word_of(scope, i, index);
        _Atomic uint64_t *cell = lk_cells_find(cells, code);

        if (cell != NULL)
            total += atomic_load_explicit(cell, memory_order_relaxed);
    }
    return total;
}

uint64_t lk_stats_value(const struct lk_stats_scope *scope, unsigned index)
{
    uint64_t total = lk_stats_total(scope, index);

    /* The threads' shares of a gauge are read one after the other; their sum may be off for a moment. */
    if (scope->block->defs[index].kind == LK_STAT_GAUGE)
        return (int64_t)total < 0 ? 0 : total;
    return total - (scope->history != NULL && scope->history->before != NULL ? scope->history->before[index] : 0);
}

static uint64_t code_value(const struct lk_stats_scope *scope, unsigned index, unsigned code)
{
    struct lk_cells **before = scope->history != NULL ? scope->history->codes : NULL;
    _Atomic uint64_t *cell = before != NULL ? lk_cells_find(before[index], code) : NULL;

    return lk_stats_code_total(scope, index, code) - (cell != NULL ? atomic_load(cell) : 0);
}

uint64_t lk_stat_entry_value(const struct lk_stat_entry *entry)
{
    return entry->code != 0 ? code_value(entry->scope, entry->index, entry->code)
                            : lk_stats_value(entry->scope, entry->index);
}

/* Whether `rest` names this stat; a code is given back in *code. */
static bool names_stat(const struct lk_stat_def *def, struct lk_str rest, unsigned *code)
{
    struct lk_str name = lk_str_from(def->name);
    uint64_t number;

    *code = 0;
    if (def->kind != LK_STAT_CODES)
        return def->kind != LK_STAT_HISTOGRAM && lk_str_eq(rest, name);
    if (!lk_str_has_prefix(rest, name) || rest.len != name.len + 4 || rest.ptr[name.len] != '_' ||
        !lk_str_to_u64(lk_str_drop(rest, name.len + 1), &number))
        return false;
    *code = (unsigned)number;
    return true;
}

static bool find_in_scope(const struct lk_stats_scope *scope, struct lk_str rest, uint64_t *value)
{
    unsigned code;

    for (unsigned i = 0; i < scope->block->count; i++) {
        if (!names_stat(&scope->block->defs[i], rest, &code))
            continue;
        if (code != 0 && lk_stats_code_total(scope, i, code) == 0)
            continue;
        *value = code != 0 ? code_value(scope, i, code) : lk_stats_value(scope, i);
        return true;
    }
    return false;
}

bool lk_stats_find(struct lk_stats *stats, struct lk_str name, uint64_t *value)
{
    bool found = false;

    pthread_mutex_lock(&stats->lock);
    /* A prefix ends behind a dot, or is empty. */
    for (size_t len = 0; len <= name.len && !found; len++) {
        const struct lk_stats_scope *scope;

        if (len > 0 && name.ptr[len - 1] != '.')
            continue;
        scope = lk_map_get(&stats->by_prefix, lk_str(name.ptr, len));
        for (; scope != NULL && !found; scope = scope->next)
            found = find_in_scope(scope, lk_str_drop(name, len), value);
    }
    pthread_mutex_unlock(&stats->lock);
    return found;
}

bool lk_stats_histogram_total(const struct lk_stats_scope *scope, unsigned index, struct lk_histogram_sum *out)
{
    bool any = false;

    for (unsigned i = 0; i < scope->stats->threads; i++) {
        const struct lk_histogram *histogram = (void *)(uintptr_t)word_of(scope, i, index);

        if (histogram == NULL)
            continue;
        if (!any)
            lk_histogram_sum_init(out);
        any = true;
        lk_histogram_sum_add(out, histogram);
    }
    return any;
}

bool lk_stats_histogram(const struct lk_stats_scope *scope, unsigned index, struct lk_histogram_sum *out)
{
    if (!lk_stats_histogram_total(scope, index, out))
        return false;
    if (scope->history != NULL && scope->history->intervals != NULL)
        lk_histogram_sum_subtract(out, scope->history->intervals[index].reset);
    return true;
}

const double *lk_stats_interval_quantiles(const struct lk_stats_scope *scope, unsigned index)
{
    static const double none[LK_HISTOGRAM_QUANTILES] = {(double)NAN, (double)NAN, (double)NAN, (double)NAN,
                                                        (double)NAN, (double)NAN, (double)NAN, (double)NAN,
                                                        (double)NAN, (double)NAN};

    if (scope->history == NULL || scope->history->intervals == NULL || scope->history->intervals[index].closed == NULL)
        return none;
    return scope->history->intervals[index].quantiles;
}

static struct lk_stats_history *history_of(struct lk_stats_scope *scope)
{
    if (scope->history == NULL)
        scope->history = lk_calloc(1, sizeof(*scope->history));
    return scope->history;
}

static struct lk_stats_interval *interval_of(struct lk_stats_scope *scope, unsigned index)
{
    struct lk_stats_history *history = history_of(scope);

    if (history->intervals == NULL)
        history->intervals = lk_calloc(scope->block->count, sizeof(*history->intervals));
    return &history->intervals[index];
}

void lk_stats_history_free(struct lk_stats_scope *scope)
{
    struct lk_stats_history *history = scope->history;

    if (history == NULL)
        return;
    for (unsigned i = 0; i < scope->block->count; i++) {
        if (history->codes != NULL)
            lk_cells_free(history->codes[i]);
        if (history->intervals != NULL) {
            lk_free(history->intervals[i].reset);
            lk_free(history->intervals[i].closed);
        }
    }
    lk_free(history->codes);
    lk_free(history->intervals);
    lk_free(history->before);
    lk_free(history);
    scope->history = NULL;
}

static void close_interval(struct lk_stats_scope *scope, unsigned index)
{
    struct lk_histogram_sum sum;
    struct lk_stats_interval *interval;
    struct lk_histogram_copy *now;

    if (!lk_stats_histogram_total(scope, index, &sum))
        return;
    interval = interval_of(scope, index);
    now = lk_histogram_sum_copy(&sum);
    lk_histogram_sum_subtract(&sum, interval->closed);
    lk_histogram_sum_quantiles(&sum, interval->quantiles);
    lk_free(interval->closed);
    interval->closed = now;
}

/* Calls fn for each histogram of each scope that was ever used. */
static void each_histogram(struct lk_stats *stats, void (*fn)(struct lk_stats_scope *scope, unsigned index))
{
    size_t count;
    struct lk_stats_scope **scopes = lk_stats_scopes(stats, &count);

    for (size_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < scopes[i]->block->count; j++) {
            if (scopes[i]->block->defs[j].kind == LK_STAT_HISTOGRAM)
                fn(scopes[i], j);
        }
    }
    lk_free(scopes);
}

void lk_stats_flush_interval(struct lk_stats *stats)
{
    each_histogram(stats, close_interval);
}

static void add_code(void *arg, unsigned code, uint64_t value)
{
    struct lk_cells *_Atomic *head = arg;
    _Atomic uint64_t *cell = lk_cells_find(atomic_load(head), code);

    if (cell != NULL)
        atomic_fetch_add(cell, value);
    else
        lk_cells_add(head, code, value);
}

static struct lk_cells *sum_codes(const struct lk_stats_scope *scope, unsigned index)
{
    struct lk_cells *_Atomic head = NULL;

    for (unsigned i = 0; i < scope->stats->threads; i++)
        lk_cells_each((void *)(uintptr_t)word_of(scope, i, index), add_code, &head);
    return head;
}

static void reset_codes(struct lk_stats_scope *scope, unsigned index)
{
    struct lk_stats_history *history = history_of(scope);

    if (history->codes == NULL)
        history->codes = lk_calloc(scope->block->count, sizeof(struct lk_cells *));
    lk_cells_free(history->codes[index]);
    history->codes[index] = sum_codes(scope, index);
}

static void reset_histogram(struct lk_stats_scope *scope, unsigned index)
{
    struct lk_histogram_sum sum;
    struct lk_stats_interval *interval;

    if (!lk_stats_histogram_total(scope, index, &sum))
        return;
    interval = interval_of(scope, index);
    lk_free(interval->reset);
    interval->reset = lk_histogram_sum_copy(&sum);
}

static bool has_slab(const struct lk_stats_scope *scope)
{
    for (unsigned i = 0; i < scope->stats->threads; i++) {
        if (atomic_load_explicit(&scope->slabs[i], memory_order_acquire) != NULL)
            return true;
    }
    return false;
}

static void reset_scope(struct lk_stats_scope *scope)
{
    struct lk_stats_history *history;

    if (!has_slab(scope))
        return;
    history = history_of(scope);
    if (history->before == NULL)
        history->before = lk_calloc(scope->block->count, sizeof(*history->before));
    for (unsigned i = 0; i < scope->block->count; i++) {
        switch (scope->block->defs[i].kind) {
        case LK_STAT_COUNTER:
            history->before[i] = lk_stats_total(scope, i);
            break;
        case LK_STAT_HISTOGRAM:
            reset_histogram(scope, i);
            break;
        case LK_STAT_CODES:
            reset_codes(scope, i);
            break;
        case LK_STAT_GAUGE:
            break;
        }
    }
}

void lk_stats_reset(struct lk_stats *stats)
{
    size_t count;
    struct lk_stats_scope **scopes = lk_stats_scopes(stats, &count);

    for (size_t i = 0; i < count; i++)
        reset_scope(scopes[i]);
    lk_free(scopes);
}
