/*
 * Where the health of hosts meets their cluster: checker and detector come and go with it, and what they find out
 * reaches host views, gauges and pools. Main thread, but for what is posted to the loops.
 */
#include "proxy/base/mem.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/health_checker.h"
#include "proxy/upstream/outlier.h"
#include "proxy/upstream/pool.h"

static void tell_changes(struct lk_deferred *deferred)
{
    struct lk_cluster *cluster = LK_CONTAINER_OF(deferred, struct lk_cluster, health_changed);
    struct lk_host_set *set = lk_cluster_hosts(cluster);
    atomic_fetch_add_explicit(&cluster->health_epoch, 1, memory_order_release);
    if (set == NULL)
        return;
    lk_cluster_count_membership(cluster, set);
    lk_host_set_unref(set);
}

void lk_cluster_health_init(struct lk_cluster *cluster)
{
    lk_deferred_init(&cluster->health_changed, tell_changes);
}

void lk_cluster_health_start(struct lk_cluster *cluster)
{
    /* hosts of an ORIGINAL_DST cluster are born on a worker and stay there */
    bool shared_hosts = cluster->config->type != LK_CLUSTER_ORIGINAL_DST;
    if (shared_hosts && cluster->config->health_check != NULL)
        cluster->checker = lk_health_checker_new(cluster);
    if (shared_hosts && cluster->config->outlier != NULL)
        cluster->outlier = lk_outlier_new(cluster);
}

void lk_cluster_health_stop(struct lk_cluster *cluster)
{
    lk_health_checker_free(cluster->checker);
    lk_outlier_free(cluster->outlier);
    cluster->checker = NULL;
    cluster->outlier = NULL;
}

void lk_cluster_health_set_hosts(struct lk_cluster *cluster, const struct lk_host_set *set)
{
    if (cluster->checker != NULL)
        lk_health_checker_set_hosts(cluster->checker, set);
    if (cluster->outlier != NULL)
        lk_outlier_set_hosts(cluster->outlier, set);
}

void lk_cluster_health_when_checked(struct lk_cluster *cluster, void (*on_checked)(struct lk_cluster *cluster))
{
    if (cluster->checker != NULL)
        lk_health_checker_when_checked(cluster->checker, on_checked);
    else
        on_checked(cluster);
}

void lk_cluster_health_changed(struct lk_cluster *cluster)
{
    lk_loop_defer(cluster->clusters->options.main_loop, &cluster->health_changed);
}

/* --- pools -------------------------------------------------------------------------------------------------------- */

struct drop_work {
    struct lk_work work;
    struct lk_cluster *cluster;  /* referenced */
    struct lk_host_state *state; /* referenced */
};

static struct lk_worker_host *worker_host_here(struct lk_cluster *cluster, const struct lk_host_state *state)
{
    struct lk_loop_clusters *mine = &cluster->clusters->loops[lk_loop_index(lk_loop_current())];
    struct lk_cluster_view *view = cluster->index < mine->count ? mine->views[cluster->index] : NULL;
    if (view == NULL)
        return NULL;
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(&state->addr, &len);
    struct lk_worker_host *wh = lk_map_get(&view->worker_hosts, lk_str((const char *)sa, len));
    return wh != NULL && wh->state == state ? wh : NULL;
}

static void drop_here(struct lk_work *work)
{
    struct drop_work *drop = LK_CONTAINER_OF(work, struct drop_work, work);
    struct lk_worker_host *wh = worker_host_here(drop->cluster, drop->state);
    if (wh != NULL && drop->cluster->config->close_on_health_failure)
        lk_pool_close(wh);
    else if (wh != NULL)
        lk_pool_drain(wh);
    lk_host_state_unref(drop->state);
    lk_cluster_unref(drop->cluster);
    lk_free(drop);
}

void lk_cluster_drop_connections(struct lk_cluster *cluster, struct lk_host_state *state)
{
    struct lk_clusters_options *options = &cluster->clusters->options;
    pthread_mutex_lock(&cluster->clusters->lock);
    bool views_exist = cluster->viewed;
    pthread_mutex_unlock(&cluster->clusters->lock);
    for (unsigned i = 0; views_exist && i < options->loop_count; i++) {
        struct drop_work *drop = lk_calloc(1, sizeof(*drop));
        drop->work.fn = drop_here;
        drop->cluster = cluster;
        drop->state = state;
        lk_ref_get(&cluster->ref);
        lk_ref_get(&state->ref);
        lk_loop_post(options->loops[i], &drop->work);
    }
}
