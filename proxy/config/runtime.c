/* Runtime values by key. Filled on the main thread before workers start, read by all threads afterwards. */
#include "proxy/config/runtime.h"

#include "proxy/base/map.h"
#include "proxy/base/mem.h"

#include <stdatomic.h>

#define MILLION 1000000u

struct entry {
    char *key;
    char *value;
    size_t value_len;
};

struct lk_runtime {
    struct lk_map entries;
};

static _Atomic(const struct lk_runtime *) installed;

struct lk_runtime *lk_runtime_new(void)
{
    struct lk_runtime *runtime = lk_calloc(1, sizeof(*runtime));

    lk_map_init(&runtime->entries);
    return runtime;
}

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    lk_free(entry->key);
    lk_free(entry->value);
    lk_free(entry);
}

void lk_runtime_free(struct lk_runtime *runtime)
{
    size_t cursor = 0;
    struct lk_map_slot *slot;

    if (runtime == NULL)
        return;
    while ((slot = lk_map_next(&runtime->entries, &cursor)) != NULL)
        entry_free(slot->value);
    lk_map_fini(&runtime->entries);
    lk_free(runtime);
}

void lk_runtime_set(struct lk_runtime *runtime, struct lk_str key, struct lk_str value)
{
    struct entry *entry = lk_calloc(1, sizeof(*entry));
    struct entry *old = lk_map_remove(&runtime->entries, key);

    entry->key = lk_str_dup(key);
    entry->value = lk_str_dup(value);
    entry->value_len = value.len;
    lk_map_set(&runtime->entries, lk_str(entry->key, key.len), entry);
    entry_free(old);
}

void lk_runtime_install(const struct lk_runtime *runtime)
{
    atomic_store_explicit(&installed, runtime, memory_order_release);
}

static bool find(struct lk_str key, struct lk_str *value)
{
    const struct lk_runtime *runtime = atomic_load_explicit(&installed, memory_order_acquire);
    const struct entry *entry;

    if (runtime == NULL || key.len == 0 || (entry = lk_map_get(&runtime->entries, key)) == NULL)
        return false;
    *value = lk_str(entry->value, entry->value_len);
    return true;
}

bool lk_runtime_bool(struct lk_str key, bool fallback)
{
    struct lk_str value;

    if (!find(key, &value))
        return fallback;
    if (lk_str_ieq(value, LK_STR("true")))
        return true;
    return lk_str_ieq(value, LK_STR("false")) ? false : fallback;
}

uint64_t lk_runtime_u64(struct lk_str key, uint64_t fallback)
{
    struct lk_str value;
    uint64_t number;

    return find(key, &value) && lk_str_to_u64(value, &number) ? number : fallback;
}

/* "5" means percent, whatever the unit of the default (as in Envoy); "5/10000" is a fraction of its own. */
static bool override_fraction(struct lk_str key, uint64_t *numerator, uint64_t *denominator)
{
    struct lk_str value;

    if (!find(key, &value))
        return false;
    size_t slash = lk_str_find_byte(value, '/');

    if (!lk_str_to_u64(lk_str(value.ptr, slash), numerator))
        return false;
    if (slash == value.len) {
        *denominator = 100;
        return true;
    }
    return lk_str_to_u64(lk_str_drop(value, slash + 1), denominator) && *denominator > 0;
}

bool lk_fraction_hit(const struct lk_fraction *fraction, uint64_t random)
{
    uint64_t denominator = fraction->denominator != 0 ? fraction->denominator : MILLION;
    uint64_t numerator = (uint64_t)fraction->per_million * denominator / MILLION;
    uint64_t other_numerator;
    uint64_t other_denominator;

    if (fraction->runtime_key.len > 0 && override_fraction(fraction->runtime_key, &other_numerator, &other_denominator))
        return random % other_denominator < other_numerator;
    return random % denominator < numerator;
}

void lk_runtime_each(void (*visit)(void *arg, struct lk_str key, struct lk_str value), void *arg)
{
    const struct lk_runtime *runtime = atomic_load_explicit(&installed, memory_order_acquire);
    size_t cursor = 0;
    struct lk_map_slot *slot;

    while (runtime != NULL && (slot = lk_map_next(&runtime->entries, &cursor)) != NULL) {
        const struct entry *entry = slot->value;

        visit(arg, slot->key, lk_str(entry->value, entry->value_len));
    }
}
