/* A map over a list in order of use. See view_memo.h. */
#include "proxy/upstream/view_memo.h"

#include "proxy/base/mem.h"

struct lk_view_item {
    struct lk_view_key key;
    struct lk_list node;
    uint64_t health_epoch;
    uint64_t used_ms;
    struct lk_host_view *view;
};

static struct lk_str key_bytes(const struct lk_view_key *key)
{
    return lk_str((const char *)key, sizeof(*key));
}

static struct lk_view_item **recent_of(struct lk_view_memo *memo, const struct lk_view_key *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key->entry / sizeof(*key->entry) ^ key->narrowing ^ key->panic_percent;

    return &memo->recent[hash % LK_VIEWS_RECENT];
}

static bool is_key(const struct lk_view_key *a, const struct lk_view_key *b)
{
    return a->entry == b->entry && a->narrowing == b->narrowing && a->panic_percent == b->panic_percent;
}

static void drop(struct lk_view_memo *memo, struct lk_view_item *item)
{
    struct lk_view_item **recent = recent_of(memo, &item->key);
    if (*recent == item)
        *recent = NULL;
    lk_map_remove(&memo->by_key, key_bytes(&item->key));
    lk_list_remove(&item->node);
    lk_host_view_free(item->view);
    lk_free(item);
}

void lk_view_memo_init(struct lk_view_memo *memo)
{
    *memo = (struct lk_view_memo){.recent = {NULL}};
    lk_map_init(&memo->by_key);
    lk_list_init(&memo->used);
}

void lk_view_memo_clear(struct lk_view_memo *memo)
{
    while (!lk_list_empty(&memo->used))
        drop(memo, LK_LIST_ENTRY(memo->used.next, struct lk_view_item, node));
    lk_map_fini(&memo->by_key);
}

struct lk_host_view *lk_view_memo_get(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch,
                                      uint64_t now_ms)
{
    struct lk_view_item **recent = recent_of(memo, key);
    struct lk_view_item *item = *recent;
    if (item == NULL || !is_key(&item->key, key))
        item = lk_map_get(&memo->by_key, key_bytes(key));
    if (item == NULL)
        return NULL;
    if (item->health_epoch != health_epoch) {
        drop(memo, item);
        return NULL;
    }
    *recent = item;
    item->used_ms = now_ms;
    if (memo->used.next != &item->node) {
        lk_list_remove(&item->node);
        lk_list_push_front(&memo->used, &item->node);
    }
    return item->view;
}

void lk_view_memo_put(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch, uint64_t now_ms,
                      struct lk_host_view *view)
{
    struct lk_view_item *item = lk_calloc(1, sizeof(*item));
    item->key = *key;
    item->health_epoch = health_epoch;
    item->used_ms = now_ms;
    item->view = view;
    if (memo->by_key.count >= LK_VIEWS_MAX)
        drop(memo, LK_LIST_ENTRY(memo->used.prev, struct lk_view_item, node));
    lk_list_push_front(&memo->used, &item->node);
    lk_map_set(&memo->by_key, key_bytes(&item->key), item);
}

bool lk_view_memo_expire(struct lk_view_memo *memo, uint64_t now_ms)
{
    while (!lk_list_empty(&memo->used)) {
        struct lk_view_item *oldest = LK_LIST_ENTRY(memo->used.prev, struct lk_view_item, node);
        if (now_ms - oldest->used_ms < LK_VIEW_IDLE_MS)
            return true;
        drop(memo, oldest);
    }
    return false;
}
