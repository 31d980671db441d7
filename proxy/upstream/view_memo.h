/*
 * The narrowed host views that a worker has built for one cluster, by what narrows them. Bounded: the least recently
 * used go beyond a number, and those that nobody used for a while. Owner: one worker.
 */
#pragma once

#include "proxy/base/list.h"
#include "proxy/base/map.h"
#include "proxy/upstream/host_view.h"

#include <stdint.h>

#define LK_VIEWS_MAX 1024u
#define LK_VIEW_IDLE_MS 60000u
#define LK_VIEWS_RECENT 16u

/* Compared as bytes: without padding. */
struct lk_view_key {
    const struct lk_host_index_entry *entry; /* of the present set; NULL: all, or what narrowing stands for */
    uint64_t narrowing;                      /* the caller's name for it; 0: the entry alone */
    uint64_t panic_percent;
};

struct lk_view_item;

struct lk_view_memo {
    struct lk_map by_key;
    struct lk_view_item *recent[LK_VIEWS_RECENT]; /* of by_key, by a cheap hash of the key; NULL: none */
    struct lk_list used;                          /* most recently used first */
};

void lk_view_memo_init(struct lk_view_memo *memo);
/* Frees all views; the memo can be used again. */
void lk_view_memo_clear(struct lk_view_memo *memo);
/* NULL: not built yet, or before that health epoch (then it is gone). */
struct lk_host_view *lk_view_memo_get(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch,
                                      uint64_t now_ms);
/* Takes the view over under a key that get found nothing for. May free others, never this one. */
void lk_view_memo_put(struct lk_view_memo *memo, const struct lk_view_key *key, uint64_t health_epoch, uint64_t now_ms,
                      struct lk_host_view *view);
/* Frees those that were not used for LK_VIEW_IDLE_MS; true while any is left. */
bool lk_view_memo_expire(struct lk_view_memo *memo, uint64_t now_ms);
