/* A map over a list in order of use. See view_memo.h. */
#include "proxy/upstream/view_memo.h"

#include "proxy/base/mem.h"

struct item {
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

static void drop(struct lk_view_memo *memo, struct item *item)
{
    lk_map_remove(&memo->by_key, key_bytes(&item->key));
    lk_list_remove(&item->node);
    lk_host_view_free(item->view);
    lk_free(item);
}

void lk_view_memo_init(struct lk_view_memo *memo)
{
    lk_map_init(&memo->by_key);
    lk_list_init(&memo->used);
}

void lk_view_memo_clear(struct lk_view_memo *memo)
{
    while (!lk_list_empty(&memo->used))
        drop(memo, LK_LIST_ENTRY(memo->used.next, struct item, node));
    lk_map_fini(&memo->by_key);
}

struct lk_host_view *lk_view_memo_get(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch,
                                      uint64_t now_ms)
{
    struct item *item = lk_map_get(&memo->by_key, key_bytes(key));
    if (item == NULL)
        return NULL;
    if (item->health_epoch != health_epoch) {
        drop(memo, item);
        return NULL;
    }
    item->used_ms = now_ms;
    lk_list_remove(&item->node);
    lk_list_push_front(&memo->used, &item->node);
    return item->view;
}

void lk_view_memo_put(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch, uint64_t now_ms,
                      struct lk_host_view *view)
{
    struct item *item = lk_calloc(1, sizeof(*item));
    item->key = *key;
    item->health_epoch = health_epoch;
    item->used_ms = now_ms;
    item->view = view;
    if (memo->by_key.count >= LK_VIEWS_MAX)
        drop(memo, LK_LIST_ENTRY(memo->used.prev, struct item, node));
    lk_list_push_front(&memo->used, &item->node);
    lk_map_set(&memo->by_key, key_bytes(&item->key), item);
}

bool lk_view_memo_expire(struct lk_view_memo *memo, uint64_t now_ms)
{
    while (!lk_list_empty(&memo->used)) {
        struct item *oldest = LK_LIST_ENTRY(memo->used.prev, struct item, node);
        if (now_ms - oldest->used_ms < LK_VIEW_IDLE_MS)
            return true;
        drop(memo, oldest);
    }
    return false;
}
