/*
 * Sets of header names, see header_set.h. Compiled on the main thread, read by all workers.
 */
#include "proxy/http/header_set.h"

static uint64_t length_bit(struct lk_str name)
{
    return UINT64_C(1) << (name.len % 64);
}

void lk_header_set_init(struct lk_header_set *set, struct lk_arena *arena, const struct lk_header_key *keys,
                        size_t count)
{
    *set = (struct lk_header_set){0};
    struct lk_header_key *others = lk_arena_array(arena, count, sizeof(*others));
    for (size_t i = 0; i < count; i++) {
        if (lk_header_set_has(set, keys[i].id, keys[i].name))
            continue;
        if (keys[i].id != LK_HEADER_OTHER) {
            set->ids[keys[i].id / 64] |= UINT64_C(1) << (keys[i].id % 64);
            continue;
        }
        others[set->other_count++] = keys[i];
        set->others = others;
        set->lengths |= length_bit(keys[i].name);
    }
}

bool lk_header_set_has(const struct lk_header_set *set, enum lk_header_id id, struct lk_str name)
{
    if (id < LK_HEADER_COUNT)
        return (set->ids[id / 64] >> (id % 64)) & 1;
    if ((set->lengths & length_bit(name)) == 0)
        return false;
    for (size_t i = 0; i < set->other_count; i++) {
        if (lk_str_ieq(set->others[i].name, name))
            return true;
    }
    return false;
}

bool lk_header_set_scan(const struct lk_header_set *set, const struct lk_headers *headers)
{
    LK_HEADERS_FOREACH(h, headers)
    {
        if (h->id == LK_HEADER_OTHER && lk_header_set_has(set, LK_HEADER_OTHER, h->name))
            return true;
    }
    return false;
}

unsigned lk_header_set_remove(const struct lk_header_set *set, struct lk_headers *headers)
{
    if (!lk_header_set_any(set, headers))
        return 0;
    unsigned removed = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        if (!lk_header_set_has(set, (enum lk_header_id)h->id, h->name))
            continue;
        lk_headers_remove_entry(headers, h);
        removed++;
    }
    for (size_t i = 0; i < sizeof(set->ids) / sizeof(set->ids[0]); i++)
        headers->present[i] &= ~set->ids[i];
    return removed;
}
