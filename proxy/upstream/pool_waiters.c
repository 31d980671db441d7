/* Requests waiting for a connection to a host: first come, first served. Runs on the owning loop. */
#include "proxy/base/mem.h"
#include "proxy/upstream/pool_internal.h"

static bool may_open(struct lk_worker_host *wh, uint8_t priority)
{
    if (lk_breaker_has_room(&wh->breakers[priority], LK_RESOURCE_CONNECTIONS))
        return true;
    lk_stats_inc(wh->view->stats, LK_CLUSTER_CX_OVERFLOW);
    /* a host without any connection gets one all the same, or its requests would wait for nothing */
    return wh->idle_count + wh->busy_count + wh->connecting_count == 0;
}

static void hand_over(struct lk_worker_host *wh, struct lk_upstream_conn *uc)
{
    struct lk_pool_waiter *waiter = LK_LIST_ENTRY(wh->waiters.next, struct lk_pool_waiter, node);
    lk_pool_cancel(waiter);
    if (!lk_breaker_has_room(&wh->breakers[waiter->priority], LK_RESOURCE_REQUESTS)) {
        lk_stats_inc(wh->view->stats, LK_CLUSTER_RQ_PENDING_OVERFLOW);
        lk_pool_go_idle(uc);
        waiter->ops->on_failure(waiter, LK_RESET_OVERFLOW, lk_str(NULL, 0));
        return;
    }
    waiter->ops->on_ready(waiter, uc);
}

void lk_pool_serve_waiters(struct lk_worker_host *wh)
{
    lk_worker_host_ref(wh);
    while (!lk_list_empty(&wh->waiters)) {
        struct lk_upstream_conn *uc = lk_pool_take_idle(wh, false);
        if (uc == NULL)
            break;
        hand_over(wh, uc);
    }
    lk_worker_host_unref(wh);
}

void lk_pool_fail_waiters(struct lk_worker_host *wh, enum lk_reset_reason reason, struct lk_str text)
{
    struct lk_list failed; /* who comes back while they are told waits anew */
    lk_list_init(&failed);
    lk_list_splice(&failed, &wh->waiters);
    lk_worker_host_ref(wh);
    while (!lk_list_empty(&failed)) {
        struct lk_pool_waiter *waiter = LK_LIST_ENTRY(failed.next, struct lk_pool_waiter, node);
        lk_pool_cancel(waiter);
        waiter->ops->on_failure(waiter, reason, text);
    }
    lk_worker_host_unref(wh);
}

void lk_pool_open_for_waiters(struct lk_worker_host *wh)
{
    struct lk_error error;
    while (wh->connecting_count < wh->waiter_count) {
        struct lk_pool_waiter *first = LK_LIST_ENTRY(wh->waiters.next, struct lk_pool_waiter, node);
        if (!may_open(wh, first->priority) || lk_pool_open_conn(wh, first->priority, &error) == NULL)
            break;
    }
    if (wh->waiter_count > 0 && wh->idle_count + wh->busy_count + wh->connecting_count == 0)
        lk_pool_fail_waiters(wh, LK_RESET_CONNECTION_FAILURE, lk_str(NULL, 0)); /* nothing will ever come free */
}

void lk_pool_waiter_init(struct lk_pool_waiter *waiter, const struct lk_pool_waiter_ops *ops)
{
    lk_list_init(&waiter->node);
    waiter->ops = ops;
    waiter->wh = NULL;
}

static void enqueue(struct lk_worker_host *wh, struct lk_pool_waiter *waiter, uint8_t priority)
{
    waiter->wh = wh;
    waiter->priority = priority;
    lk_list_push_back(&wh->waiters, &waiter->node);
    wh->waiter_count++;
    lk_breaker_take(&wh->breakers[priority], LK_RESOURCE_PENDING);
    lk_stats_inc(wh->view->stats, LK_CLUSTER_RQ_PENDING_TOTAL);
    lk_stats_inc(wh->view->stats, LK_CLUSTER_RQ_PENDING_ACTIVE);
}

void lk_pool_cancel(struct lk_pool_waiter *waiter)
{
    struct lk_worker_host *wh = waiter->wh;
    if (wh == NULL)
        return;
    waiter->wh = NULL;
    lk_list_remove(&waiter->node);
    wh->waiter_count--;
    lk_breaker_give(&wh->breakers[waiter->priority], LK_RESOURCE_PENDING);
    lk_stats_dec(wh->view->stats, LK_CLUSTER_RQ_PENDING_ACTIVE);
}

enum lk_pool_result lk_pool_acquire(struct lk_worker_host *wh, uint8_t priority, bool careful, bool fresh,
                                    struct lk_pool_waiter *waiter, struct lk_upstream_conn **uc)
{
    struct lk_breaker *breaker = &wh->breakers[priority];
    struct lk_error error;
    *uc = fresh ? NULL : lk_pool_take_idle(wh, careful);
    if (*uc != NULL) {
        if (lk_breaker_has_room(breaker, LK_RESOURCE_REQUESTS))
            return LK_POOL_READY;
        lk_pool_go_idle(*uc);
        *uc = NULL;
        lk_stats_inc(wh->view->stats, LK_CLUSTER_RQ_PENDING_OVERFLOW);
        return LK_POOL_OVERFLOW;
    }
    if (!lk_breaker_has_room(breaker, LK_RESOURCE_PENDING)) {
        lk_stats_inc(wh->view->stats, LK_CLUSTER_RQ_PENDING_OVERFLOW);
        return LK_POOL_OVERFLOW;
    }
    enqueue(wh, waiter, priority);
    if (wh->connecting_count < wh->waiter_count && may_open(wh, priority) &&
        lk_pool_open_conn(wh, priority, &error) == NULL &&
        wh->idle_count + wh->busy_count + wh->connecting_count == 0) {
        lk_pool_cancel(waiter);
        return LK_POOL_FAILED;
    }
    return LK_POOL_WAITING;
}
