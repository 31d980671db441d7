/* The process's clusters and each loop's views of them. See cluster.h for who runs what where. */
#include "proxy/upstream/cluster.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/transport_socket.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/shadow_budget.h"
#include "proxy/upstream/subset.h"

#include <stdio.h>
#include <string.h>

/* States of addresses that are gone, kept beside those of the present hosts. */
#define STATES_KEPT 64

struct lk_clusters *lk_clusters_new(const struct lk_clusters_options *options)
{
    struct lk_clusters *clusters = lk_calloc(1, sizeof(*clusters));
    clusters->options = *options;
    pthread_mutex_init(&clusters->lock, NULL);
    lk_map_init(&clusters->by_name);
    clusters->loops = lk_calloc(options->loop_count, sizeof(*clusters->loops));
    return clusters;
}

const char *lk_discovery_type_name(enum lk_discovery_type type)
{
    static const char *const names[] = {
        [LK_CLUSTER_STATIC] = "STATIC",
        [LK_CLUSTER_STRICT_DNS] = "STRICT_DNS",
        [LK_CLUSTER_LOGICAL_DNS] = "LOGICAL_DNS",
        [LK_CLUSTER_EDS] = "EDS",
        [LK_CLUSTER_ORIGINAL_DST] = "ORIGINAL_DST",
    };

    return names[type];
}

void lk_cluster_unref(struct lk_cluster *cluster)
{
    if (!lk_ref_put(&cluster->ref))
        return;
    lk_list_remove(&cluster->health_changed.node);
    if (cluster->hosts != NULL)
        lk_host_set_unref(cluster->hosts);
    size_t cursor = 0;
    for (struct lk_map_slot *slot; (slot = lk_map_next(&cluster->states, &cursor)) != NULL;)
        lk_host_state_unref(slot->value);
    lk_map_fini(&cluster->states);
    lk_stats_scope_unref(cluster->stats);
    lk_subset_policy_free(cluster->subsets);
    lk_shadow_budget_free(atomic_load(&cluster->shadow));
    lk_cluster_config_unref(cluster->config);
    lk_free(cluster);
}

void lk_clusters_free(struct lk_clusters *clusters)
{
    if (clusters == NULL)
        return;
    for (unsigned l = 0; l < clusters->options.loop_count; l++) {
        for (size_t i = 0; i < clusters->loops[l].count; i++) {
            if (clusters->loops[l].views[i] == NULL)
                continue;
            lk_cluster_unref(clusters->loops[l].views[i]->cluster);
            lk_free(clusters->loops[l].views[i]);
        }
    }
    for (size_t i = 0; i < clusters->count; i++)
        lk_cluster_unref(clusters->all[i]);
    if (clusters->dns != NULL)
        lk_dns_free(clusters->dns);
    for (size_t i = 0; i < clusters->own_dns_count; i++)
        lk_dns_free(clusters->own_dns[i]);
    lk_free(clusters->own_dns);
    for (unsigned i = 0; i < clusters->options.loop_count; i++)
        lk_free(clusters->loops[i].views);
    lk_free(clusters->loops);
    lk_free(clusters->all);
    lk_map_fini(&clusters->by_name);
    pthread_mutex_destroy(&clusters->lock);
    lk_free(clusters);
}

bool lk_clusters_add(struct lk_clusters *clusters, struct lk_cluster_config *config, struct lk_errors *errors)
{
    if (lk_map_get(&clusters->by_name, config->name) != NULL)
        return lk_errors_add(errors, "cluster '%.*s' is defined twice", LK_STR_ARG(config->name));
    if (!lk_transport_socket_check(&config->transport_socket, errors))
        return false;
    struct lk_cluster *cluster = lk_calloc(1, sizeof(*cluster));
    lk_ref_init(&cluster->ref);
    lk_ref_get(&config->ref);
    cluster->config = config;
    cluster->clusters = clusters;
    cluster->index = (unsigned)clusters->count;
    char prefix[512];
    int len = snprintf(prefix, sizeof(prefix), "cluster.%.*s.", LK_STR_ARG(config->stat_name));
    len = len < (int)sizeof(prefix) ? len : (int)sizeof(prefix) - 1;
    cluster->stats = lk_stats_scope_ref(clusters->options.stats, &lk_cluster_stat_block, lk_str(prefix, (size_t)len));
    lk_breaker_init(&cluster->breakers[0], &config->limits[0]);
    lk_breaker_init(&cluster->breakers[1], &config->limits[1]);
    lk_map_init(&cluster->states);
    lk_cluster_health_init(cluster);
    cluster->subsets = config->subsets != NULL ? lk_subset_policy_new(config->subsets) : NULL;
    clusters->all = lk_grow(clusters->all, &clusters->cap, clusters->count + 1, sizeof(struct lk_cluster *));
    clusters->all[clusters->count++] = cluster;
    lk_map_set(&clusters->by_name, config->name, cluster);
    return true;
}

bool lk_clusters_has(const struct lk_clusters *clusters, struct lk_str name)
{
    return lk_map_get(&clusters->by_name, name) != NULL;
}

struct lk_cluster *lk_clusters_find(const struct lk_clusters *clusters, struct lk_str name)
{
    return lk_map_get(&clusters->by_name, name);
}

size_t lk_clusters_count(const struct lk_clusters *clusters)
{
    return clusters->count;
}

void lk_clusters_each(struct lk_clusters *clusters, void (*visit)(void *arg, struct lk_cluster *cluster), void *arg)
{
    for (size_t i = 0; i < clusters->count; i++)
        visit(arg, clusters->all[i]);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static void one_is_ready(struct lk_clusters *clusters)
{
    if (--clusters->waiting > 0 || clusters->on_ready == NULL)
        return;
    void (*on_ready)(void *arg) = clusters->on_ready;
    clusters->on_ready = NULL;
    on_ready(clusters->ready_arg);
}

static void cluster_checked(struct lk_cluster *cluster)
{
    one_is_ready(cluster->clusters);
}

/* The hosts are known; they are used once each of them has been checked. */
static void cluster_discovered(struct lk_cluster *cluster)
{
    lk_cluster_health_when_checked(cluster, cluster_checked);
}

static bool needs_dns(const struct lk_cluster *cluster)
{
    return cluster->config->type == LK_CLUSTER_STRICT_DNS || cluster->config->type == LK_CLUSTER_LOGICAL_DNS;
}

static struct lk_dns *dns_of(struct lk_clusters *clusters, const struct lk_cluster_config *config,
                             struct lk_error *error)
{
    if (config->dns_resolver_count > 0 || config->dns_use_tcp || config->dns_no_search) {
        struct lk_dns_options own = {.resolvers = config->dns_resolvers,
                                     .resolver_count = config->dns_resolver_count,
                                     .use_tcp = config->dns_use_tcp,
                                     .no_default_search = config->dns_no_search};
        struct lk_dns *dns = lk_dns_new(clusters->options.main_loop, &own, error);
        if (dns == NULL)
            return NULL;
        clusters->own_dns =
            lk_grow(clusters->own_dns, &clusters->own_dns_cap, clusters->own_dns_count + 1, sizeof(struct lk_dns *));
        clusters->own_dns[clusters->own_dns_count++] = dns;
        return dns;
    }
    if (clusters->dns == NULL)
        clusters->dns = lk_dns_new(clusters->options.main_loop, &(struct lk_dns_options){0}, error);
    return clusters->dns;
}

static bool start_cluster(struct lk_clusters *clusters, struct lk_cluster *cluster, struct lk_error *error)
{
    lk_cluster_health_start(cluster);
    if (needs_dns(cluster)) {
        struct lk_dns *dns = dns_of(clusters, cluster->config, error);
        if (dns == NULL)
            return false;
        clusters->waiting++;
        return lk_cluster_dns_start(cluster, dns, cluster_discovered, error);
    }
    if (cluster->config->type == LK_CLUSTER_STATIC && cluster->config->endpoints != NULL) {
        struct lk_endpoints *endpoints = (struct lk_endpoints *)cluster->config->endpoints;
        clusters->waiting++;
        lk_cluster_set_hosts(cluster, lk_host_set_from_endpoints(cluster, endpoints));
        cluster_discovered(cluster);
    }
    return true;
}

bool lk_clusters_start(struct lk_clusters *clusters, void (*on_ready)(void *arg), void *arg, struct lk_error *error)
{
    clusters->on_ready = on_ready;
    clusters->ready_arg = arg;
    clusters->waiting = 1; /* this function */
    for (size_t i = 0; i < clusters->count; i++) {
        if (!start_cluster(clusters, clusters->all[i], error))
            return false;
    }
    one_is_ready(clusters);
    return true;
}

void lk_clusters_stop(struct lk_clusters *clusters)
{
    for (size_t i = 0; i < clusters->count; i++) {
        lk_cluster_dns_stop(clusters->all[i]);
        lk_cluster_health_stop(clusters->all[i]);
    }
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static struct lk_str addr_key(const struct lk_addr *addr)
{
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(addr, &len);
    return lk_str((const char *)sa, len);
}

struct lk_host_state *lk_cluster_state(struct lk_cluster *cluster, const struct lk_addr *addr)
{
    struct lk_host_state *state = lk_map_get(&cluster->states, addr_key(addr));
    if (state == NULL) {
        state = lk_host_state_new(addr);
        lk_map_set(&cluster->states, addr_key(&state->addr), state);
    }
    lk_ref_get(&state->ref);
    return state;
}

struct lk_host_set *lk_host_set_from_endpoints(struct lk_cluster *cluster, struct lk_endpoints *endpoints)
{
    size_t total = 0;
    for (size_t l = 0; l < endpoints->locality_count; l++)
        total += endpoints->localities[l].endpoint_count;
    struct lk_host **hosts = lk_calloc(total > 0 ? total : 1, sizeof(*hosts));
    size_t count = 0;
    for (size_t l = 0; l < endpoints->locality_count; l++) {
        for (size_t e = 0; e < endpoints->localities[l].endpoint_count; e++) {
            const struct lk_endpoint *endpoint = &endpoints->localities[l].endpoints[e];
            struct lk_host_state *state = lk_cluster_state(cluster, &endpoint->addr);
            hosts[count++] = lk_host_from_endpoint(state, endpoints, l, e);
            lk_host_state_unref(state);
        }
    }
    struct lk_host_set *set = lk_host_set_new(hosts, count, endpoints->overprovisioning_factor);
    lk_free(hosts);
    return set;
}

struct lk_host *lk_host_from_endpoint(struct lk_host_state *state, struct lk_endpoints *endpoints, size_t locality,
                                      size_t index)
{
    const struct lk_locality_endpoints *group = &endpoints->localities[locality];
    const struct lk_endpoint *endpoint = &group->endpoints[index];
    struct lk_host *host = lk_host_new(state, endpoints);
    host->hostname = endpoint->hostname;
    host->metadata = endpoint->metadata;
    host->locality = &group->locality;
    host->weight = endpoint->weight > 0 ? endpoint->weight : 1;
    host->priority = (uint16_t)group->priority;
    host->locality_index = (uint16_t)locality;
    host->locality_weight = group->weight;
    host->health = endpoint->health;
    host->check = endpoint->check;
    const struct lk_str path[] = {LK_STR_INIT("canary")};
    const struct lk_value *canary = lk_metadata_get(endpoint->metadata, LK_STR("envoy.lb"), path, 1);
    host->canary = canary != NULL && canary->kind == LK_VALUE_BOOL && canary->boolean;
    return host;
}

struct lk_host_set *lk_cluster_hosts(struct lk_cluster *cluster)
{
    pthread_mutex_lock(&cluster->clusters->lock);
    struct lk_host_set *set = cluster->hosts;
    if (set != NULL)
        lk_host_set_ref(set);
    pthread_mutex_unlock(&cluster->clusters->lock);
    return set;
}

void lk_cluster_count_membership(struct lk_cluster *cluster, const struct lk_host_set *set)
{
    uint64_t healthy = 0;
    uint64_t degraded = 0;
    uint64_t excluded = 0;
    for (size_t i = 0; i < set->count; i++) {
        enum lk_availability availability = lk_host_availability(set->hosts[i]);
        healthy += availability == LK_HOST_HEALTHY;
        degraded += availability == LK_HOST_DEGRADED;
        excluded += lk_host_excluded(set->hosts[i]);
    }
    lk_stats_set(cluster->stats, LK_CLUSTER_MEMBERSHIP_TOTAL, set->count);
    lk_stats_set(cluster->stats, LK_CLUSTER_MEMBERSHIP_HEALTHY, healthy);
    lk_stats_set(cluster->stats, LK_CLUSTER_MEMBERSHIP_DEGRADED, degraded);
    lk_stats_set(cluster->stats, LK_CLUSTER_MEMBERSHIP_EXCLUDED, excluded);
}

struct hosts_update {
    struct lk_work work;
    struct lk_cluster *cluster;
    struct lk_host_set *set;
};

static void apply_update(struct lk_work *work)
{
    struct hosts_update *update = LK_CONTAINER_OF(work, struct hosts_update, work);
    struct lk_clusters *clusters = update->cluster->clusters;
    struct lk_loop_clusters *mine = &clusters->loops[lk_loop_index(lk_loop_current())];
    struct lk_cluster_view *view = update->cluster->index < mine->count ? mine->views[update->cluster->index] : NULL;
    if (view != NULL && update->set->version > view->version)
        lk_cluster_view_set_hosts(view, update->set);
    lk_host_set_unref(update->set);
    lk_cluster_unref(update->cluster);
    lk_free(update);
}

/* The state of addresses that nobody knows any more goes when it begins to outweigh the rest: names behind a large load
 * balancer bring new addresses for ever. */
static void prune_states(struct lk_cluster *cluster, const struct lk_host_set *set)
{
    if (cluster->states.count <= 2 * set->count + STATES_KEPT)
        return;
    struct lk_host_state **stale = lk_calloc(cluster->states.count, sizeof(struct lk_host_state *));
    size_t count = 0;
    size_t cursor = 0;
    for (struct lk_map_slot *slot; (slot = lk_map_next(&cluster->states, &cursor)) != NULL;) {
        struct lk_host_state *state = slot->value;
        if (atomic_load_explicit(&state->ref.count, memory_order_acquire) == 1)
            stale[count++] = state;
    }
    for (size_t i = 0; i < count; i++) {
        lk_map_remove(&cluster->states, addr_key(&stale[i]->addr));
        lk_host_state_unref(stale[i]);
    }
    lk_free(stale);
}

void lk_cluster_set_hosts(struct lk_cluster *cluster, struct lk_host_set *set)
{
    struct lk_clusters *clusters = cluster->clusters;
    lk_cluster_health_set_hosts(cluster, set);
    pthread_mutex_lock(&clusters->lock);
    struct lk_host_set *old = cluster->hosts;
    cluster->hosts = set;
    bool views_exist = cluster->viewed;
    pthread_mutex_unlock(&clusters->lock);
    if (cluster->subsets != NULL)
        lk_subset_count(cluster, old, set);
    if (old != NULL)
        lk_host_set_unref(old);
    prune_states(cluster, set);
    lk_cluster_count_membership(cluster, set);
    if (old != NULL || cluster->config->type != LK_CLUSTER_STATIC) /* a count takes memory that an idle cluster saves */
        lk_stats_inc(cluster->stats, LK_CLUSTER_MEMBERSHIP_CHANGE);
    if (!views_exist)
        return;
    for (unsigned i = 0; i < clusters->options.loop_count; i++) {
        struct hosts_update *update = lk_calloc(1, sizeof(*update));
        update->work.fn = apply_update;
        update->cluster = cluster;
        update->set = set;
        lk_ref_get(&cluster->ref);
        lk_host_set_ref(set);
        lk_loop_post(clusters->options.loops[i], &update->work);
    }
}
