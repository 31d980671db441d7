/* One loop's view of a cluster: picking hosts and keeping their per-loop state. Runs on that loop's thread. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/lb.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/shadow_budget.h"
#include "proxy/upstream/subset.h"

#include <string.h>

void lk_cluster_config_unref(struct lk_cluster_config *config)
{
    if (lk_ref_put(&config->ref) && config->arena != NULL)
        lk_arena_free(config->arena);
}

static struct lk_str addr_key(const struct lk_addr *addr)
{
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(addr, &len);
    return lk_str((const char *)sa, len);
}

/* --- worker hosts --------------------------------------------------------------------------------------------- */

static struct lk_worker_host *worker_host_new(struct lk_cluster_view *view, struct lk_host *host)
{
    struct lk_worker_host *wh = lk_calloc(1, sizeof(*wh));
    wh->view = view;
    wh->host = host;
    lk_host_ref(host);
    wh->state = host->state;
    lk_ref_get(&wh->state->ref);
    wh->breakers = view->cluster->breakers;
    lk_list_init(&wh->idle);
    lk_list_init(&wh->busy);
    lk_list_init(&wh->connecting);
    lk_list_init(&wh->waiters);
    return wh;
}

static struct lk_worker_host *linked_host_new(struct lk_cluster_view *view, struct lk_host *host)
{
    struct lk_worker_host *wh = worker_host_new(view, host);
    wh->linked = true;
    lk_map_set(&view->worker_hosts, addr_key(&wh->state->addr), wh);
    return wh;
}

void lk_worker_host_ref(struct lk_worker_host *wh)
{
    wh->refs++;
}

static void worker_host_free(struct lk_worker_host *wh)
{
    if (wh->linked)
        lk_map_remove(&wh->view->worker_hosts, addr_key(&wh->state->addr));
    if (wh->shadow != NULL) {
        wh->shadow->retired = true;
        lk_pool_drain(wh->shadow);
        lk_worker_host_unref(wh->shadow);
    }
    lk_host_unref(wh->host);
    lk_host_state_unref(wh->state);
    lk_free(wh);
}

void lk_worker_host_unref(struct lk_worker_host *wh)
{
    LK_ASSERT(wh->refs > 0);
    if (--wh->refs == 0 && wh->retired)
        worker_host_free(wh);
}

static void retire(struct lk_worker_host *wh)
{
    if (wh->retired)
        return;
    lk_worker_host_ref(wh);
    wh->retired = true;
    lk_map_remove(&wh->view->worker_hosts, addr_key(&wh->state->addr));
    wh->linked = false;
    if (wh->shadow != NULL)
        wh->shadow->retired = true;
    lk_pool_drain(wh);
    lk_worker_host_unref(wh);
}

static void describe_by(struct lk_worker_host *wh, struct lk_host *host)
{
    lk_host_ref(host);
    lk_host_unref(wh->host);
    wh->host = host;
}

struct lk_worker_host *lk_worker_host_shadow(struct lk_worker_host *wh)
{
    if (wh->shadow == NULL) {
        wh->shadow = worker_host_new(wh->view, wh->host);
        wh->shadow->breakers = lk_shadow_budget_get(wh->view->cluster)->breakers;
        wh->shadow->retired = wh->retired;
        lk_worker_host_ref(wh->shadow); /* as long as wh */
    } else if (wh->shadow->host != wh->host) {
        describe_by(wh->shadow, wh->host);
    }
    lk_worker_host_ref(wh->shadow);
    lk_worker_host_unref(wh);
    return wh->shadow;
}

struct lk_worker_host *lk_cluster_view_host(struct lk_cluster_view *view, struct lk_host *host)
{
    struct lk_worker_host *wh = lk_map_get(&view->worker_hosts, addr_key(&host->state->addr));
    if (wh == NULL) {
        wh = linked_host_new(view, host);
    } else if (wh->host != host) {
        describe_by(wh, host);
    }
    return wh;
}

static struct lk_worker_host *worker_host_of(struct lk_cluster_view *view, struct lk_view_slot *slot)
{
    if (slot->worker_host == NULL)
        slot->worker_host = lk_cluster_view_host(view, slot->host);
    return slot->worker_host;
}

uint32_t lk_view_slot_active(const struct lk_view_slot *slot)
{
    const struct lk_worker_host *wh = slot->worker_host;
    if (wh == NULL)
        return 0;
    return wh->shadow == NULL ? wh->rq_active : wh->rq_active + wh->shadow->rq_active;
}

/* --- endpoint versions ------------------------------------------------------------------------------------------ */

/* Takes the hosts for which wanted(arg, wh) is false off the view, each by drop(). Those callbacks change the map, so
 * it is walked before the first of them. */
static void drop_unwanted(struct lk_cluster_view *view,
                          bool (*wanted)(const void *arg, const struct lk_worker_host *wh), const void *arg,
                          void (*drop)(struct lk_worker_host *wh))
{
    struct lk_worker_host **unwanted = lk_calloc(view->worker_hosts.count + 1, sizeof(struct lk_worker_host *));
    size_t count = 0;
    size_t cursor = 0;
    for (struct lk_map_slot *slot; (slot = lk_map_next(&view->worker_hosts, &cursor)) != NULL;) {
        if (!wanted(arg, slot->value))
            unwanted[count++] = slot->value;
    }
    for (size_t i = 0; i < count; i++)
        drop(unwanted[i]);
    lk_free(unwanted);
}

static bool is_in(const void *addresses, const struct lk_worker_host *wh)
{
    return lk_map_get(addresses, addr_key(&wh->state->addr)) == wh->state;
}

static void retire_missing(struct lk_cluster_view *view)
{
    struct lk_map addresses;
    if (view->worker_hosts.count == 0)
        return;
    lk_map_init(&addresses);
    for (size_t i = 0; i < view->set->count; i++)
        lk_map_set(&addresses, addr_key(&view->set->hosts[i]->state->addr), view->set->hosts[i]->state);
    drop_unwanted(view, is_in, &addresses, retire);
    lk_map_fini(&addresses);
}

void lk_cluster_view_set_hosts(struct lk_cluster_view *view, struct lk_host_set *set)
{
    lk_host_view_free(view->hosts);
    view->hosts = NULL;
    lk_view_memo_clear(&view->narrowed);
    lk_host_set_ref(set);
    if (view->set != NULL)
        lk_host_set_unref(view->set);
    view->set = set;
    view->version = set->version;
    retire_missing(view);
}

/* --- original destination --------------------------------------------------------------------------------------- */

static bool unused(const struct lk_worker_host *wh)
{
    bool used_for_shadow = wh->shadow != NULL && wh->shadow->refs > 1;
    return !used_for_shadow && wh->refs == 0 &&
           wh->idle_count + wh->busy_count + wh->connecting_count + wh->waiter_count == 0;
}

static bool still_used(const void *now_ms, const struct lk_worker_host *wh)
{
    return !unused(wh) || *(const uint64_t *)now_ms - wh->last_used_ms < wh->view->config->cleanup_interval_ms;
}

static void cleanup_original_dst(struct lk_timer *timer)
{
    struct lk_cluster_view *view = LK_CONTAINER_OF(timer, struct lk_cluster_view, cleanup);
    uint64_t now = lk_loop_now_ms(view->loop);
    drop_unwanted(view, still_used, &now, worker_host_free);
    if (view->worker_hosts.count > 0)
        lk_timer_set(view->loop, timer, view->config->cleanup_interval_ms);
}

/* For a rehearsal: of no map, gone with its last reference. */
static struct lk_worker_host *passing_host(struct lk_cluster_view *view, const struct lk_addr *addr)
{
    struct lk_host_state *state = lk_host_state_new(addr);
    struct lk_host *host = lk_host_new(state, NULL);
    struct lk_worker_host *wh = worker_host_new(view, host);
    wh->retired = true;
    lk_host_unref(host);
    lk_host_state_unref(state);
    return wh;
}

static struct lk_worker_host *pick_original_dst(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    bool known = pick->original_dst != NULL && pick->original_dst->len > 0;
    struct lk_addr addr = {.len = 0};
    if (known)
        addr = *pick->original_dst;
    if (known && view->config->original_dst_port_override != 0)
        lk_addr_set_port(&addr, (uint16_t)view->config->original_dst_port_override);
    if (LK_UNLIKELY(pick->recorder != NULL)) {
        pick->recorder->on_original_dst(pick->recorder, known ? &addr : NULL);
        return known ? passing_host(view, &addr) : NULL;
    }
    if (!known)
        return NULL;
    struct lk_worker_host *wh = lk_map_get(&view->worker_hosts, addr_key(&addr));
    if (wh == NULL) {
        struct lk_host_state *state = lk_host_state_new(&addr);
        struct lk_host *host = lk_host_new(state, NULL);
        wh = linked_host_new(view, host);
        lk_host_unref(host);
        lk_host_state_unref(state);
    }
    wh->last_used_ms = lk_loop_now_ms(view->loop);
    if (!lk_timer_armed(&view->cleanup))
        lk_timer_set(view->loop, &view->cleanup, view->config->cleanup_interval_ms);
    return wh;
}

/* --- picking ------------------------------------------------------------------------------------------------------ */

static void drop_idle_views(struct lk_timer *timer)
{
    struct lk_cluster_view *view = LK_CONTAINER_OF(timer, struct lk_cluster_view, cleanup);
    if (lk_view_memo_expire(&view->narrowed, lk_loop_now_ms(view->loop)))
        lk_timer_set(view->loop, timer, LK_VIEW_IDLE_MS);
}

static uint64_t health_epoch(const struct lk_cluster_view *view)
{
    return atomic_load_explicit(&view->cluster->health_epoch, memory_order_acquire);
}

static struct lk_host_view *all_hosts(struct lk_cluster_view *view)
{
    uint64_t epoch = health_epoch(view);
    if (view->hosts != NULL && view->health_epoch == epoch)
        return view->hosts;
    lk_host_view_free(view->hosts);
    view->hosts = lk_host_view_new(view->set, view->config->panic_percent, NULL);
    view->health_epoch = epoch;
    return view->hosts;
}

static struct lk_host_view *memoised(struct lk_cluster_view *view, const struct lk_view_key *key,
                                     const struct lk_narrowing *narrowing)
{
    uint64_t epoch = health_epoch(view);
    uint64_t now = lk_loop_now_ms(view->loop);
    struct lk_host_view *hosts = lk_view_memo_get(&view->narrowed, key, epoch, now);
    if (LK_LIKELY(hosts != NULL))
        return hosts;
    hosts = lk_host_view_new(view->set, (uint32_t)key->panic_percent, narrowing);
    lk_view_memo_put(&view->narrowed, key, epoch, now, hosts);
    if (!lk_timer_armed(&view->cleanup))
        lk_timer_set(view->loop, &view->cleanup, LK_VIEW_IDLE_MS);
    return hosts;
}

struct lk_host_view *lk_cluster_view_hosts(struct lk_cluster_view *view, const struct lk_host_index_entry *entry,
                                           uint32_t panic_percent)
{
    if (view->set == NULL)
        return NULL;
    if (entry == NULL && panic_percent == view->config->panic_percent)
        return all_hosts(view);
    struct lk_narrowing narrowing = {.entries = &entry, .entry_count = entry != NULL};
    return memoised(view, &(struct lk_view_key){entry, 0, panic_percent}, &narrowing);
}

struct lk_host_view *lk_cluster_view_narrowed(struct lk_cluster_view *view, uint64_t name,
                                              const struct lk_narrowing *narrowing, uint32_t panic_percent)
{
    LK_ASSERT(name != 0);
    return view->set != NULL ? memoised(view, &(struct lk_view_key){NULL, name, panic_percent}, narrowing) : NULL;
}

static struct lk_worker_host *rehearse_pick(struct lk_cluster_view *view, struct lk_host_view *hosts,
                                            struct lk_pick_recorder *recorder)
{
    static const char *const methods[] = {
        [LK_LB_ONLY_HOST] = "it is the only one",
        [LK_LB_BY_RANDOM] = "by the random number",
        [LK_LB_BY_SCHEDULE] = "next in this worker's schedule by weight",
        [LK_LB_BY_LOAD] = "the one with fewer requests of this worker among those that the random number draws",
        [LK_LB_IN_TURN] = "next in turn on this worker",
    };
    bool panic;
    struct lk_view_group *group = lk_host_view_group(hosts, recorder->random >> 32, &panic);
    recorder->on_hosts(recorder, view, hosts, group, panic);
    if (group == NULL)
        return NULL;
    struct lk_view_slot *chosen = lk_lb_peek(view->config, group, recorder->random);
    recorder->on_choice(recorder, chosen != NULL ? chosen->host : NULL,
                        chosen != NULL ? methods[lk_lb_method(view->config, group)]
                                       : "this worker's schedule by weight begins at a random host, which the first "
                                         "request decides");
    return worker_host_of(view, chosen != NULL ? chosen : group->slots[0]);
}

struct lk_worker_host *lk_cluster_view_pick(struct lk_cluster_view *view, struct lk_host_view *hosts,
                                            const struct lk_pick *pick)
{
    struct lk_view_slot *chosen = NULL;
    if (LK_UNLIKELY(pick->recorder != NULL))
        return rehearse_pick(view, hosts, pick->recorder);
    uint32_t tries = pick->avoid != NULL ? pick->max_attempts : 0;
    for (uint32_t i = 0; i <= tries; i++) {
        uint64_t random = lk_rand_u64();
        bool panic;
        struct lk_view_group *group = lk_host_view_group(hosts, random >> 32, &panic);
        if (group == NULL)
            return NULL;
        if (panic)
            lk_stats_inc(view->stats, LK_CLUSTER_LB_HEALTHY_PANIC);
        chosen = lk_lb_pick(view->config, group, random);
        if (pick->avoid == NULL || !pick->avoid(pick->arg, chosen->host))
            break;
    }
    return worker_host_of(view, chosen);
}

static struct lk_worker_host *pick_balanced(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    if (view->set == NULL)
        return NULL;
    if (view->cluster->subsets != NULL)
        return lk_subset_pick(view, pick);
    return lk_cluster_view_pick(view, all_hosts(view), pick);
}

struct lk_worker_host *lk_cluster_pick_from(struct lk_cluster_view *view, struct lk_host_view *hosts,
                                            const struct lk_pick *pick)
{
    struct lk_worker_host *wh = lk_cluster_view_pick(view, hosts, pick);
    if (wh != NULL)
        lk_worker_host_ref(wh);
    return wh;
}

struct lk_worker_host *lk_cluster_pick(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    struct lk_worker_host *wh =
        view->config->type == LK_CLUSTER_ORIGINAL_DST ? pick_original_dst(view, pick) : pick_balanced(view, pick);
    if (wh != NULL)
        lk_worker_host_ref(wh);
    return wh;
}

/* --- views ----------------------------------------------------------------------------------------------------------
 */

static struct lk_cluster_view *view_new(struct lk_clusters *clusters, struct lk_loop *loop, struct lk_cluster *cluster)
{
    struct lk_loop_clusters *mine = &clusters->loops[lk_loop_index(loop)];
    if (cluster->index >= mine->count) {
        size_t count = clusters->count;
        mine->views = lk_realloc(mine->views, count * sizeof(struct lk_cluster_view *));
        memset(mine->views + mine->count, 0, (count - mine->count) * sizeof(struct lk_cluster_view *));
        mine->count = count;
    }
    struct lk_cluster_view *view = lk_calloc(1, sizeof(*view));
    lk_ref_get(&cluster->ref);
    view->cluster = cluster;
    view->config = cluster->config;
    view->stats = cluster->stats;
    view->loop = loop;
    lk_map_init(&view->worker_hosts);
    lk_view_memo_init(&view->narrowed);
    lk_timer_init(&view->cleanup,
                  view->config->type == LK_CLUSTER_ORIGINAL_DST ? cleanup_original_dst : drop_idle_views);
    pthread_mutex_lock(&clusters->lock);
    cluster->viewed = true;
    view->set = cluster->hosts;
    if (view->set != NULL) {
        lk_host_set_ref(view->set);
        view->version = view->set->version;
    }
    pthread_mutex_unlock(&clusters->lock);
    mine->views[cluster->index] = view;
    return view;
}

struct lk_cluster_view *lk_cluster_view_get(struct lk_clusters *clusters, struct lk_loop *loop, struct lk_str name)
{
    struct lk_cluster *cluster = lk_map_get(&clusters->by_name, name);
    if (cluster == NULL)
        return NULL;
    struct lk_loop_clusters *mine = &clusters->loops[lk_loop_index(loop)];
    struct lk_cluster_view *view = cluster->index < mine->count ? mine->views[cluster->index] : NULL;
    return view != NULL ? view : view_new(clusters, loop, cluster);
}

static void view_close(struct lk_cluster_view *view)
{
    lk_timer_clear(&view->cleanup);
    while (view->worker_hosts.count > 0) {
        size_t cursor = 0;
        struct lk_worker_host *wh = lk_map_next(&view->worker_hosts, &cursor)->value;
        lk_worker_host_ref(wh);
        wh->retired = true;
        if (wh->shadow != NULL)
            wh->shadow->retired = true;
        lk_map_remove(&view->worker_hosts, addr_key(&wh->state->addr));
        wh->linked = false;
        lk_pool_close(wh);
        lk_worker_host_unref(wh);
    }
    lk_host_view_free(view->hosts);
    view->hosts = NULL;
    lk_view_memo_clear(&view->narrowed);
    if (view->set != NULL)
        lk_host_set_unref(view->set);
    view->set = NULL;
}

void lk_cluster_views_close(struct lk_clusters *clusters, struct lk_loop *loop)
{
    struct lk_loop_clusters *mine = &clusters->loops[lk_loop_index(loop)];
    for (size_t i = 0; i < mine->count; i++) {
        struct lk_cluster_view *view = mine->views[i];
        if (view == NULL)
            continue;
        view_close(view);
        lk_map_fini(&view->worker_hosts);
    }
}
