/* Builds and searches the indexes of a host set. Built under the set's lock by the first thread that asks; found
 * without a lock ever after. */
#include "proxy/upstream/host_index.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"

/* Of one host with lists under several labels; more are left out, as they multiply. */
#define COMBINATIONS_MAX 4096u
#define NOWHERE UINT32_MAX

/* --- specs -------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * 0xff51afd7ed558ccdu;
    return hash ^ hash >> 33;
}

void lk_index_spec_init(struct lk_index_spec *spec, const struct lk_label_spec *labels, size_t count, bool list_as_any)
{
    uint64_t hash = mix(count, list_as_any);
    LK_ASSERT(count > 0 && count <= LK_INDEX_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        hash = mix(hash, lk_str_hash(labels[i].ns));
        for (size_t p = 0; p < labels[i].path_len; p++)
            hash = mix(hash, lk_str_hash(labels[i].path[p]));
        hash = mix(hash, (uint64_t)labels[i].field << 8 | (unsigned char)labels[i].separator);
    }
    *spec = (struct lk_index_spec){labels, count, list_as_any, hash};
}

static bool label_eq(const struct lk_label_spec *a, const struct lk_label_spec *b)
{
    if (!lk_str_eq(a->ns, b->ns) || a->path_len != b->path_len || a->field != b->field ||
        (a->field != 0 && a->separator != b->separator))
        return false;
    for (size_t i = 0; i < a->path_len; i++) {
        if (!lk_str_eq(a->path[i], b->path[i]))
            return false;
    }
    return true;
}

static bool spec_eq(const struct lk_index_spec *a, const struct lk_index_spec *b)
{
    if (a->hash != b->hash || a->label_count != b->label_count || a->list_as_any != b->list_as_any)
        return false;
    for (size_t i = 0; i < a->label_count; i++) {
        if (!label_eq(&a->labels[i], &b->labels[i]))
            return false;
    }
    return true;
}

/* The configuration that a spec comes from may go before the set. */
static struct lk_index_spec spec_copy(struct lk_arena *arena, const struct lk_index_spec *spec)
{
    struct lk_label_spec *labels = lk_arena_array(arena, spec->label_count, sizeof(*labels));
    for (size_t i = 0; i < spec->label_count; i++) {
        const struct lk_label_spec *label = &spec->labels[i];
        struct lk_str *path = lk_arena_array(arena, label->path_len + 1, sizeof(*path));
        for (size_t p = 0; p < label->path_len; p++)
            path[p] = lk_arena_str(arena, label->path[p]);
        labels[i] = *label;
        labels[i].ns = lk_arena_str(arena, label->ns);
        labels[i].path = path;
    }
    struct lk_index_spec copy = *spec;
    copy.labels = labels;
    return copy;
}

/* --- building ----------------------------------------------------------------------------------------------------- */

struct membership {
    uint32_t entry, position;
};

struct builder {
    const struct lk_host_set *set;
    struct lk_host_index *index;
    struct lk_host_index_entry *entries; /* on the heap while they grow */
    size_t entry_count, entry_cap;
    uint32_t *last; /* position of each entry's newest host */
    size_t last_cap;
    uint32_t *table;
    size_t table_size;
    struct membership *members;
    size_t member_count, member_cap;
    struct lk_value values[LK_INDEX_LABELS_MAX]; /* of the combination under construction */
    uint32_t combinations;                       /* of the present host */
};

static uint64_t values_hash(const struct lk_value *values, size_t count)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++)
        hash = mix(hash, lk_value_hash(&values[i]));
    return hash;
}

static void table_put(uint32_t *table, size_t mask, uint64_t hash, uint32_t number)
{
    size_t at = (size_t)hash & mask;
    while (table[at] != 0)
        at = (at + 1) & mask;
    table[at] = number + 1;
}

static void table_grow(struct builder *b)
{
    if (b->table_size > 2 * b->entry_count)
        return;
    lk_free(b->table);
    b->table_size = b->table_size > 0 ? 4 * b->table_size : 16;
    b->table = lk_calloc(b->table_size, sizeof(*b->table));
    for (size_t i = 0; i < b->entry_count; i++)
        table_put(b->table, b->table_size - 1, b->entries[i].hash, (uint32_t)i);
}

static bool values_eq(const struct lk_value *a, const struct lk_value *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!lk_value_eq(&a[i], &b[i]))
            return false;
    }
    return true;
}

static uint32_t entry_of(struct builder *b)
{
    size_t labels = b->index->spec.label_count;
    uint64_t hash = values_hash(b->values, labels);
    table_grow(b);
    for (size_t at = (size_t)hash & (b->table_size - 1); b->table[at] != 0; at = (at + 1) & (b->table_size - 1)) {
        const struct lk_host_index_entry *entry = &b->entries[b->table[at] - 1];
        if (entry->hash == hash && values_eq(entry->values, b->values, labels))
            return b->table[at] - 1;
    }
    struct lk_value *values = lk_arena_array(b->index->arena, labels, sizeof(*values));
    memcpy(values, b->values, labels * sizeof(*values));
    b->entries = lk_grow(b->entries, &b->entry_cap, b->entry_count + 1, sizeof(*b->entries));
    b->last = lk_grow(b->last, &b->last_cap, b->entry_count + 1, sizeof(*b->last));
    b->entries[b->entry_count] = (struct lk_host_index_entry){.values = values, .hash = hash};
    b->last[b->entry_count] = NOWHERE;
    table_put(b->table, b->table_size - 1, hash, (uint32_t)b->entry_count);
    return (uint32_t)b->entry_count++;
}

static void add_member(struct builder *b, uint32_t position)
{
    uint32_t number = entry_of(b);
    if (b->last[number] == position)
        return; /* a list that names a value twice */
    b->last[number] = position;
    b->entries[number].count++;
    b->members = lk_grow(b->members, &b->member_cap, b->member_count + 1, sizeof(*b->members));
    b->members[b->member_count++] = (struct membership){number, position};
}

bool lk_label_part(const struct lk_label_spec *label, const struct lk_value *value, struct lk_value *out)
{
    *out = *value;
    if (label->field == 0)
        return true;
    if (value->kind != LK_VALUE_TEXT)
        return false;
    struct lk_str rest = value->text;
    for (uint32_t n = 1; rest.ptr != NULL && n < label->field; n++)
        lk_str_split(&rest, label->separator);
    if (rest.ptr == NULL)
        return false;
    out->text = lk_str_split(&rest, label->separator);
    return out->text.len > 0;
}

/* Goes through all combinations of the values of labels from `at` on: at most LK_INDEX_LABELS_MAX deep. */
static void add_combinations(struct builder *b, uint32_t position, size_t at)
{
    const struct lk_index_spec *spec = &b->index->spec;
    if (at == spec->label_count) {
        if (b->combinations++ < COMBINATIONS_MAX)
            add_member(b, position);
        return;
    }
    const struct lk_label_spec *label = &spec->labels[at];
    const struct lk_value *value =
        lk_metadata_get(b->set->hosts[position]->metadata, label->ns, label->path, label->path_len);
    if (value == NULL)
        return;
    bool each = spec->list_as_any && value->kind == LK_VALUE_LIST;
    const struct lk_value *one = each ? value->children : value;
    for (size_t i = each ? value->child_count : 1; i > 0 && b->combinations <= COMBINATIONS_MAX; i--, one++) {
        if (lk_label_part(label, one, &b->values[at]))
            add_combinations(b, position, at + 1);
    }
}

/* Gives each entry its stretch of one array, and the hosts of no entry to the last one. */
static void place_members(struct builder *b, const uint32_t *untagged, uint32_t untagged_count)
{
    struct lk_host_index *index = b->index;
    uint32_t *positions = lk_arena_array(index->arena, b->member_count + untagged_count + 1, sizeof(*positions));
    size_t start = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        b->entries[i].positions = positions + start;
        b->last[i] = (uint32_t)start; /* where the next one goes */
        start += b->entries[i].count;
    }
    for (size_t i = 0; i < b->member_count; i++)
        positions[b->last[b->members[i].entry]++] = b->members[i].position;
    if (untagged_count > 0)
        memcpy(positions + start, untagged, untagged_count * sizeof(*positions));
    index->untagged = (struct lk_host_index_entry){.positions = positions + start, .count = untagged_count};
}

static void move_to_arena(struct builder *b)
{
    struct lk_host_index *index = b->index;
    struct lk_host_index_entry *entries = lk_arena_array(index->arena, b->entry_count + 1, sizeof(*entries));
    uint32_t *table = lk_arena_array(index->arena, b->table_size, sizeof(*table));
    if (b->entry_count > 0)
        memcpy(entries, b->entries, b->entry_count * sizeof(*entries));
    memcpy(table, b->table, b->table_size * sizeof(*table));
    index->entries = entries;
    index->entry_count = b->entry_count;
    index->table = table;
    index->table_mask = b->table_size - 1;
}

static struct lk_host_index *build(const struct lk_host_set *set, const struct lk_index_spec *spec)
{
    struct lk_host_index *index = lk_calloc(1, sizeof(*index));
    struct builder b = {.set = set, .index = index};
    uint32_t *untagged = lk_calloc(set->count + 1, sizeof(*untagged));
    uint32_t untagged_count = 0;
    index->arena = lk_arena_new();
    index->spec = spec_copy(index->arena, spec);
    table_grow(&b);
    for (uint32_t position = 0; position < set->count; position++) {
        b.combinations = 0;
        add_combinations(&b, position, 0);
        if (b.combinations == 0)
            untagged[untagged_count++] = position;
        else if (b.combinations > COMBINATIONS_MAX)
            LK_LOG_LIMITED(UPSTREAM, WARN,
                           "an endpoint's metadata makes more than %u combinations of values; "
                           "the others are left out",
                           COMBINATIONS_MAX);
    }
    place_members(&b, untagged, untagged_count);
    move_to_arena(&b);
    if (spec->label_count == 1)
        index->base = lk_host_index_find_text(index, LK_STR(LK_LANE_BASE));
    lk_free(untagged);
    lk_free(b.entries);
    lk_free(b.last);
    lk_free(b.table);
    lk_free(b.members);
    return index;
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static const struct lk_host_index *search(struct lk_host_set *set, const struct lk_index_spec *spec)
{
    struct lk_host_index *index = atomic_load_explicit(&set->indexes, memory_order_acquire);
    for (; index != NULL; index = index->next) {
        /* another spec may come to lie at the address of one that is gone, but not with its hash */
        if (LK_LIKELY(atomic_load_explicit(&index->known, memory_order_relaxed) == spec &&
                      index->spec.hash == spec->hash))
            return index;
        if (!spec_eq(&index->spec, spec))
            continue;
        atomic_store_explicit(&index->known, spec, memory_order_relaxed);
        return index;
    }
    return NULL;
}

const struct lk_host_index *lk_host_set_index(struct lk_host_set *set, const struct lk_index_spec *spec)
{
    const struct lk_host_index *found = search(set, spec);
    if (LK_LIKELY(found != NULL))
        return found;
    pthread_mutex_lock(&set->index_lock);
    found = search(set, spec);
    if (found == NULL) {
        struct lk_host_index *index = build(set, spec);
        index->next = atomic_load_explicit(&set->indexes, memory_order_relaxed);
        atomic_store_explicit(&set->indexes, index, memory_order_release);
        found = index;
    }
    pthread_mutex_unlock(&set->index_lock);
    return found;
}

static bool entry_has(const struct lk_host_index_entry *entry, const struct lk_value *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!lk_value_eq(&entry->values[i], values[i]))
            return false;
    }
    return true;
}

const struct lk_host_index_entry *lk_host_index_find(const struct lk_host_index *index,
                                                     const struct lk_value *const *values)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < index->spec.label_count; i++)
        hash = mix(hash, lk_value_hash(values[i]));
    for (size_t at = (size_t)hash & index->table_mask; index->table[at] != 0; at = (at + 1) & index->table_mask) {
        const struct lk_host_index_entry *entry = &index->entries[index->table[at] - 1];
        if (entry->hash == hash && entry_has(entry, values, index->spec.label_count))
            return entry;
    }
    return NULL;
}

const struct lk_host_index_entry *lk_host_index_find_text(const struct lk_host_index *index, struct lk_str text)
{
    struct lk_value value = {.kind = LK_VALUE_TEXT, .text = text};
    LK_ASSERT(index->spec.label_count == 1);
    return lk_host_index_find(index, (const struct lk_value *const[]){&value});
}

void lk_host_indexes_free(struct lk_host_index *first)
{
    while (first != NULL) {
        struct lk_host_index *next = first->next;
        lk_arena_free(first->arena);
        lk_free(first);
        first = next;
    }
}
