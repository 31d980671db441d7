/*
 * Hash map from slices to pointers: linear probing in a table of at most three quarters' fill;
 * removal closes the gap, so that no tombstones build up.
 */
#include "proxy/base/map.h"

#include "proxy/base/mem.h"

#define FIRST_CAP 8

static uint32_t short_hash(uint64_t hash)
{
    return (uint32_t)(hash ^ (hash >> 32));
}

void lk_map_init(struct lk_map *map)
{
    *map = (struct lk_map){0};
}

void lk_map_fini(struct lk_map *map)
{
    lk_free(map->slots);
    lk_map_init(map);
}

/* The slot of the key, or the free slot where it belongs. There is always a free slot. */
static size_t find(const struct lk_map *map, struct lk_str key, uint32_t hash)
{
    size_t mask = map->cap - 1;
    size_t i = hash & mask;

    while (map->slots[i].key.ptr != NULL) {
        if (map->slots[i].hash == hash && lk_str_eq(map->slots[i].key, key))
            break;
        i = (i + 1) & mask;
    }
    return i;
}

void *lk_map_get_hashed(const struct lk_map *map, struct lk_str key, uint64_t hash)
{
    if (map->count == 0)
        return NULL;
    return map->slots[find(map, key, short_hash(hash))].value;
}

void *lk_map_get(const struct lk_map *map, struct lk_str key)
{
    return map->count > 0 ? lk_map_get_hashed(map, key, lk_str_hash(key)) : NULL;
}

static void grow(struct lk_map *map)
{
    struct lk_map old = *map;

    map->cap = old.cap > 0 ? old.cap * 2 : FIRST_CAP;
    map->slots = lk_calloc(map->cap, sizeof(*map->slots));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].key.ptr != NULL)
            map->slots[find(map, old.slots[i].key, old.slots[i].hash)] = old.slots[i];
    }
    lk_free(old.slots);
}

void *lk_map_set(struct lk_map *map, struct lk_str key, void *value)
{
    uint32_t hash = short_hash(lk_str_hash(key));
    struct lk_map_slot *slot;
    void *previous;

    if ((map->count + 1) * 4 > map->cap * 3)
        grow(map);
    /* An empty key may come without a pointer, which would mark the slot as free. */
    if (key.ptr == NULL)
        key.ptr = "";
    slot = &map->slots[find(map, key, hash)];
    previous = slot->value;
    if (slot->key.ptr == NULL)
        map->count++;
    *slot = (struct lk_map_slot){.key = key, .value = value, .hash = hash};
    return previous;
}

void *lk_map_remove(struct lk_map *map, struct lk_str key)
{
    size_t mask = map->cap - 1;
    size_t hole;
    void *value;

    if (map->count == 0)
        return NULL;
    hole = find(map, key, short_hash(lk_str_hash(key)));
    if (map->slots[hole].key.ptr == NULL)
        return NULL;
    value = map->slots[hole].value;
    /* Moves back each follower whose own place is not between the hole and where it stands. */
    for (size_t i = (hole + 1) & mask; map->slots[i].key.ptr != NULL; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct lk_map_slot){0};
    map->count--;
    return value;
}

struct lk_map_slot *lk_map_next(const struct lk_map *map, size_t *cursor)
{
    while (*cursor < map->cap) {
        struct lk_map_slot *slot = &map->slots[(*cursor)++];

        if (slot->key.ptr != NULL)
            return slot;
    }
    return NULL;
}
