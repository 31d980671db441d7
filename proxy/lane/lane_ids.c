/* Numbers for names of lanes. See lane_ids.h. */
#include "proxy/lane/lane_ids.h"

#include "proxy/base/log.h"
#include "proxy/base/map.h"
#include "proxy/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAGE_SIZE 256u
#define PAGES (LK_LANE_IDS_MAX / PAGE_SIZE)

struct entry {
    uint32_t id;
    struct lk_str name; /* behind it */
    char text[];
};

struct page {
    struct entry *_Atomic entries[PAGE_SIZE];
};

struct lk_lane_ids {
    pthread_mutex_t lock; /* of all but reading pages */
    struct lk_map by_name;
    uint32_t count, unknown;
    struct page *_Atomic pages[PAGES];
};

struct lk_lane_ids *lk_lane_ids_new(void)
{
    struct lk_lane_ids *ids = lk_calloc(1, sizeof(*ids));

    if (pthread_mutex_init(&ids->lock, NULL) != 0)
        lk_panic("no lock for the names of lanes");
    lk_map_init(&ids->by_name);
    return ids;
}

void lk_lane_ids_free(struct lk_lane_ids *ids)
{
    struct lk_map_slot *slot;

    for (size_t i = 0; (slot = lk_map_next(&ids->by_name, &i));)
        lk_free(slot->value);
    lk_map_fini(&ids->by_name);
    for (size_t i = 0; i < PAGES; i++)
        lk_free(atomic_load_explicit(&ids->pages[i], memory_order_relaxed));
    pthread_mutex_destroy(&ids->lock);
    lk_free(ids);
}

static void publish(struct lk_lane_ids *ids, struct entry *entry)
{
    struct page *_Atomic *at = &ids->pages[entry->id / PAGE_SIZE];
    struct page *page = atomic_load_explicit(at, memory_order_relaxed);

    if (page == NULL) {
        page = lk_calloc(1, sizeof(*page));
        atomic_store_explicit(at, page, memory_order_release);
    }
    atomic_store_explicit(&page->entries[entry->id % PAGE_SIZE], entry, memory_order_release);
}

static uint32_t add(struct lk_lane_ids *ids, struct lk_str name, bool known)
{
    struct entry *entry;

    if (ids->count + 1 >= LK_LANE_IDS_MAX || (!known && ids->unknown >= LK_LANE_IDS_UNKNOWN_MAX))
        return LK_LANE_ID_NONE;
    ids->unknown += !known;
    entry = lk_calloc(1, sizeof(*entry) + name.len);
    entry->id = ++ids->count;
    memcpy(entry->text, name.ptr, name.len);
    entry->name = lk_str(entry->text, name.len);
    lk_map_set(&ids->by_name, entry->name, entry);
    publish(ids, entry);
    return entry->id;
}

uint32_t lk_lane_ids_get(struct lk_lane_ids *ids, struct lk_str name, bool known)
{
    const struct entry *entry;
    uint32_t id = LK_LANE_ID_NONE;

    pthread_mutex_lock(&ids->lock);
    entry = lk_map_get(&ids->by_name, name);
    if (entry != NULL)
        id = entry->id;
    else if (name.len > 0)
        id = add(ids, name, known);
    pthread_mutex_unlock(&ids->lock);
    return id;
}

struct lk_str lk_lane_ids_name(const struct lk_lane_ids *ids, uint32_t id)
{
    const struct page *page =
        id < LK_LANE_IDS_MAX ? atomic_load_explicit(&ids->pages[id / PAGE_SIZE], memory_order_acquire) : NULL;
    const struct entry *entry =
        page != NULL ? atomic_load_explicit(&page->entries[id % PAGE_SIZE], memory_order_acquire) : NULL;

    return entry != NULL ? entry->name : LK_STR("");
}
