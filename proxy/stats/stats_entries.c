/*
 * One stat to show: its name, and which stats of a scope are wanted. Names are built when they are needed and never
 * kept, since a large proxy has hundreds of thousands of stats. The reading thread.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/cells.h"
#include "proxy/stats/pattern.h"
#include "proxy/stats/stats_private.h"

struct lk_stat_order {
    const struct lk_stat_block *block;
    uint16_t *indices;
};

/* Where take() stands. */
struct taking {
    const struct lk_stat_chooser *chooser;
    struct lk_stat_entries *out;
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

/* Of one scope. */
static int compare_entries(const void *a, const void *b)
{
    const struct lk_stat_entry *left = a;
    const struct lk_stat_entry *right = b;
    char left_name[LK_STAT_NAME_MAX];
    char right_name[LK_STAT_NAME_MAX];

    return lk_str_cmp(lk_str(left_name, append_own_name(left, left_name, 0)),
                      lk_str(right_name, append_own_name(right, right_name, 0)));
}

static int compare_names(const void *a, const void *b, void *arg)
{
    const struct lk_stat_block *block = arg;

    return strcmp(block->defs[*(const uint16_t *)a].name, block->defs[*(const uint16_t *)b].name);
}

/* The indices of the block in the order of their names; sorted once for each block met. */
static const uint16_t *order_of(struct lk_stat_chooser *chooser, const struct lk_stat_block *block)
{
    struct lk_stat_order *order;

    for (size_t i = 0; i < chooser->order_count; i++) {
        if (chooser->orders[i].block == block)
            return chooser->orders[i].indices;
    }
    chooser->orders = lk_grow(chooser->orders, &chooser->order_cap, chooser->order_count + 1, sizeof(*chooser->orders));
    order = &chooser->orders[chooser->order_count++];
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

static void take(struct taking *taking, unsigned code)
{
    const struct lk_stat_chooser *chooser = taking->chooser;
    struct lk_stat_entries *out = taking->out;
    struct lk_stat_entry entry = {taking->scope, (uint16_t)taking->index, (uint16_t)code};
    char name[LK_STAT_NAME_MAX];

    if (chooser->filter != NULL &&
        lk_pattern_search(chooser->filter, lk_stat_entry_name(&entry, name)) == chooser->invert)
        return;
    out->items = lk_grow(out->items, &out->cap, out->count + 1, sizeof(*out->items));
    out->items[out->count++] = entry;
}

/* A code that several threads counted is met several times. */
static void take_code(void *arg, unsigned code, uint64_t value LK_UNUSED)
{
    struct taking *taking = arg;
    const struct lk_stat_entries *out = taking->out;

    for (size_t i = out->count; i-- > 0;) {
        const struct lk_stat_entry *entry = &out->items[i];

        if (entry->index != taking->index)
            break;
        if (entry->code == code)
            return;
    }
    take(taking, code);
}

static void take_codes(struct taking *taking)
{
    const struct lk_stats_scope *scope = taking->scope;

    for (unsigned i = 0; i < scope->stats->threads; i++) {
        struct lk_stats_slab *slab = atomic_load_explicit(&scope->slabs[i], memory_order_acquire);

        if (slab != NULL)
            lk_cells_each((void *)(uintptr_t)atomic_load_explicit(&slab->words[taking->index], memory_order_acquire),
                          take_code, taking);
    }
}

static bool wants_kind(const struct lk_stat_chooser *chooser, enum lk_stat_kind kind)
{
    if (kind == LK_STAT_CODES)
        kind = LK_STAT_COUNTER;
    return chooser->kinds & LK_STAT_KIND_BIT(kind);
}

static bool in_order(const struct lk_stat_entries *entries)
{
    for (size_t i = 1; i < entries->count; i++) {
        if (compare_entries(&entries->items[i - 1], &entries->items[i]) > 0)
            return false;
    }
    return true;
}

void lk_stat_chooser_take(struct lk_stat_chooser *chooser, const struct lk_stats_scope *scope,
                          struct lk_stat_entries *out)
{
    const uint16_t *order = order_of(chooser, scope->block);
    struct taking taking = {.chooser = chooser, .out = out, .scope = scope};
    bool has_codes = false;

    out->count = 0;
    for (unsigned i = 0; i < scope->block->count; i++) {
        enum lk_stat_kind kind = scope->block->defs[order[i]].kind;

        if (!wants_kind(chooser, kind))
            continue;
        taking.index = order[i];
        if (kind == LK_STAT_CODES) {
            has_codes = true;
            take_codes(&taking);
        } else if (!chooser->used_only || is_used(scope, order[i])) {
            take(&taking, 0);
        }
    }
    /* only codes have names that are not their block's */
    if (has_codes && out->count > 1 && !in_order(out))
        qsort(out->items, out->count, sizeof(*out->items), compare_entries);
}

bool lk_stat_chooser_init(struct lk_stat_chooser *chooser, const struct lk_stats_filter *filter, struct lk_error *error)
{
    *chooser = (struct lk_stat_chooser){.invert = filter->invert, .used_only = filter->used_only};
    if (filter->regex.len == 0)
        return true;
    chooser->filter = lk_pattern_new(filter->regex, error);
    return chooser->filter != NULL;
}

void lk_stat_chooser_fini(struct lk_stat_chooser *chooser)
{
    for (size_t i = 0; i < chooser->order_count; i++)
        lk_free(chooser->orders[i].indices);
    lk_free(chooser->orders);
    lk_pattern_free(chooser->filter);
}
