/*
 * The list of stats to show: filtered, in the order of their full names. Names are never built for the whole list: it
 * holds references, since a large proxy has hundreds of thousands of stats. The reading thread.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/cells.h"
#include "proxy/stats/pattern.h"
#include "proxy/stats/stats_private.h"

struct order {
    const struct lk_stat_block *block;
    uint16_t *indices;
};

struct collector {
    struct order *orders;
    size_t order_count;
    size_t order_cap;
    struct lk_stat_entries *out;
    struct lk_pattern *filter; /* NULL: all */
    bool invert;
    bool used_only;
    unsigned kinds;
    const struct lk_stats_scope *scope;
    unsigned index;
};

enum lk_stat_kind lk_stat_entry_kind(const struct lk_stat_entry *entry)
{
    return entry->scope->block->defs[entry->index].kind;
}

static size_t append(char *out, size_t at, struct lk_str part)
{
    size_t len = LK_MIN(part.len, (size_t)LK_STAT_NAME_MAX - at);

    if (len > 0)
        memcpy(out + at, part.ptr, len);
    return at + len;
}

/* The name within its scope, behind the first `at` bytes of out. */
static size_t append_own_name(const struct lk_stat_entry *entry, char *out, size_t at)
{
    unsigned code = entry->code;

    at = append(out, at, lk_str_from(entry->scope->block->defs[entry->index].name));
    if (code != 0) {
        const char digits[] = {'_', (char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10)};

        at = append(out, at, lk_str(digits, sizeof(digits)));
    }
    return at;
}

struct lk_str lk_stat_entry_name(const struct lk_stat_entry *entry, char out[LK_STAT_NAME_MAX])
{
    size_t len = append(out, 0, entry->scope->prefix);

    return lk_str(out, append_own_name(entry, out, len));
}

static int compare_scopes(const void *a, const void *b)
{
    const struct lk_stats_scope *const *left = a;
    const struct lk_stats_scope *const *right = b;

    return lk_str_cmp((*left)->prefix, (*right)->prefix);
}

static int compare_entries(const void *a, const void *b)
{
    const struct lk_stat_entry *left = a;
    const struct lk_stat_entry *right = b;
    char left_name[LK_STAT_NAME_MAX];
    char right_name[LK_STAT_NAME_MAX];

    if (left->scope != right->scope)
        return lk_str_cmp(lk_stat_entry_name(left, left_name), lk_stat_entry_name(right, right_name));
    return lk_str_cmp(lk_str(left_name, append_own_name(left, left_name, 0)),
                      lk_str(right_name, append_own_name(right, right_name, 0)));
}

static int compare_names(const void *a, const void *b, void *arg)
{
    const struct lk_stat_block *block = arg;

    return strcmp(block->defs[*(const uint16_t *)a].name, block->defs[*(const uint16_t *)b].name);
}

/* The indices of the block in the order of their names; sorted once for each block met. */
static const uint16_t *order_of(struct collector *collector, const struct lk_stat_block *block)
{
    struct order *order;

    for (size_t i = 0; i < collector->order_count; i++) {
        if (collector->orders[i].block == block)
            return collector->orders[i].indices;
    }
    collector->orders =
        lk_grow(collector->orders, &collector->order_cap, collector->order_count + 1, sizeof(*collector->orders));
    order = &collector->orders[collector->order_count++];
    order->block = block;
    order->indices = lk_calloc(block->count, sizeof(*order->indices));
    for (unsigned i = 0; i < block->count; i++)
        order->indices[i] = (uint16_t)i;
    qsort_r(order->indices, block->count, sizeof(*order->indices), compare_names, (void *)(uintptr_t)block);
    return order->indices;
}

/* Whether a gauge was ever changed: it may be back at zero. */
static bool gauge_used(const struct lk_stats_scope *scope, unsigned index)
{
    if (lk_cells_find(atomic_load_explicit(&scope->set, memory_order_acquire), index) != NULL)
        return true;
    for (unsigned i = 0; i < scope->stats->threads; i++) {
        struct lk_stats_slab *slab = atomic_load_explicit(&scope->slabs[i], memory_order_acquire);

        if (slab == NULL)
            continue;
        if (atomic_load_explicit(&slab->words[index], memory_order_relaxed) != 0 ||
            atomic_load_explicit(&slab->words[scope->block->count + index / 64], memory_order_relaxed) >> (index & 63) &
                1)
            return true;
    }
    return false;
}

static bool histogram_used(const struct lk_stats_scope *scope, unsigned index)
{
    struct lk_histogram_sum sum;

    return lk_stats_histogram_total(scope, index, &sum);
}

static bool is_used(const struct lk_stats_scope *scope, unsigned index)
{
    switch (scope->block->defs[index].kind) {
    case LK_STAT_COUNTER:
        return lk_stats_total(scope, index) != 0;
    case LK_STAT_GAUGE:
        return gauge_used(scope, index);
    case LK_STAT_HISTOGRAM:
        return histogram_used(scope, index);
    case LK_STAT_CODES:
        break;
    }
    return true;
}

static void take(struct collector *collector, unsigned code)
{
    struct lk_stat_entries *out = collector->out;
    struct lk_stat_entry entry = {collector->scope, (uint16_t)collector->index, (uint16_t)code};
    char name[LK_STAT_NAME_MAX];

    if (collector->filter != NULL &&
        lk_pattern_search(collector->filter, lk_stat_entry_name(&entry, name)) == collector->invert)
        return;
    out->items = lk_grow(out->items, &out->cap, out->count + 1, sizeof(*out->items));
    out->items[out->count++] = entry;
}

/* A code that several threads counted is met several times. */
static void take_code(void *arg, unsigned code, uint64_t value LK_UNUSED)
{
    struct collector *collector = arg;
    const struct lk_stat_entries *out = collector->out;

    for (size_t i = out->count; i-- > 0;) {
        const struct lk_stat_entry *entry = &out->items[i];

        if (entry->scope != collector->scope || entry->index != collector->index)
            break;
        if (entry->code == code)
            return;
    }
    take(collector, code);
}

static void take_codes(struct collector *collector)
{
    const struct lk_stats_scope *scope = collector->scope;

    for (unsigned i = 0; i < scope->stats->threads; i++) {
        struct lk_stats_slab *slab = atomic_load_explicit(&scope->slabs[i], memory_order_acquire);

        if (slab != NULL)
            lk_cells_each((void *)(uintptr_t)atomic_load_explicit(&slab->words[collector->index], memory_order_acquire),
                          take_code, collector);
    }
}

static bool wants_kind(const struct collector *collector, enum lk_stat_kind kind)
{
    if (kind == LK_STAT_CODES)
        kind = LK_STAT_COUNTER;
    return collector->kinds == 0 || (collector->kinds & LK_STAT_KIND_BIT(kind));
}

static void take_scope(struct collector *collector, const struct lk_stats_scope *scope)
{
    const uint16_t *order = order_of(collector, scope->block);

    collector->scope = scope;
    for (unsigned i = 0; i < scope->block->count; i++) {
        collector->index = order[i];
        if (!wants_kind(collector, scope->block->defs[order[i]].kind))
            continue;
        if (scope->block->defs[order[i]].kind == LK_STAT_CODES)
            take_codes(collector);
        else if (!collector->used_only || is_used(scope, order[i]))
            take(collector, 0);
    }
}

static bool in_order(const struct lk_stat_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (compare_entries(&entries[i - 1], &entries[i]) > 0)
            return false;
    }
    return true;
}

/*
 * Scopes come in the order of their prefixes, so only stats of scopes whose prefixes begin alike ("http.a." and
 * "http.a.rbac.") can be out of order: each such run is sorted for itself.
 */
static void take_run(struct collector *collector, struct lk_stats_scope *const *scopes, size_t count)
{
    size_t from = collector->out->count;

    for (size_t i = 0; i < count; i++)
        take_scope(collector, scopes[i]);
    if (collector->out->count > from && !in_order(collector->out->items + from, collector->out->count - from))
        qsort(collector->out->items + from, collector->out->count - from, sizeof(struct lk_stat_entry),
              compare_entries);
}

bool lk_stat_entries_collect(struct lk_stats *stats, const struct lk_stats_filter *filter, struct lk_stat_entries *out,
                             struct lk_error *error)
{
    struct collector collector = {
        .out = out, .invert = filter->invert, .used_only = filter->used_only, .kinds = filter->kinds};
    struct lk_stats_scope **scopes;
    size_t count;

    *out = (struct lk_stat_entries){0};
    if (filter->regex.len > 0) {
        collector.filter = lk_pattern_new(filter->regex, error);
        if (collector.filter == NULL)
            return false;
    }
    scopes = lk_stats_scopes(stats, &count);
    qsort(scopes, count, sizeof(*scopes), compare_scopes);
    for (size_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count && lk_str_has_prefix(scopes[next]->prefix, scopes[i]->prefix))
            next++;
        take_run(&collector, scopes + i, next - i);
    }
    for (size_t i = 0; i < collector.order_count; i++)
        lk_free(collector.orders[i].indices);
    lk_free(collector.orders);
    lk_free(scopes);
    lk_pattern_free(collector.filter);
    return true;
}

void lk_stat_entries_fini(struct lk_stat_entries *entries)
{
    lk_free(entries->items);
    *entries = (struct lk_stat_entries){0};
}
