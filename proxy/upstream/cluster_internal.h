/* What cluster.c and cluster_view.c share. */
#pragma once

#include "proxy/upstream/cluster.h"

struct lk_loop_clusters {
    struct lk_cluster_view **views; /* by cluster index; NULL: not used here */
    size_t count;
};

struct lk_clusters {
    struct lk_clusters_options options;
    pthread_mutex_t lock;  /* cluster->hosts, cluster->viewed and the making of cluster->shadow */
    struct lk_map by_name; /* read-only once the workers run */
    struct lk_cluster **all;
    size_t count, cap;
    struct lk_loop_clusters *loops;
    struct lk_dns *dns;      /* of the system's resolvers; NULL until a cluster needs it */
    struct lk_dns **own_dns; /* of clusters with resolvers of their own */
    size_t own_dns_count, own_dns_cap;
    size_t waiting;
    uint64_t check_slot_ms; /* when the next health check of a new host begins, and how many do at that moment */
    unsigned check_slot_used;
    void (*on_ready)(void *arg);
    void *ready_arg;
};

/* This loop's state of a host of the present set. */
struct lk_worker_host *lk_cluster_view_host(struct lk_cluster_view *view, struct lk_host *host);
/* A host out of a view of its cluster, not referenced; NULL: none is fit. */
struct lk_worker_host *lk_cluster_view_pick(struct lk_cluster_view *view, struct lk_host_view *hosts,
                                            const struct lk_pick *pick);
/* Switches a view to another version; takes its own reference. Loop's thread. */
void lk_cluster_view_set_hosts(struct lk_cluster_view *view, struct lk_host_set *set);
struct lk_host *lk_host_from_endpoint(struct lk_host_state *state, struct lk_endpoints *endpoints, size_t locality,
                                      size_t index);
void lk_cluster_config_unref(struct lk_cluster_config *config);
void lk_cluster_unref(struct lk_cluster *cluster);
/* Main thread: the gauges of how many members there are and how many of them are fit. */
void lk_cluster_count_membership(struct lk_cluster *cluster, const struct lk_host_set *set);

/* --- health_cluster.c: the main thread's side of health ------------------------------------------------------------
 */

void lk_cluster_health_init(struct lk_cluster *cluster);
/* Makes what the configuration asks for, before the first hosts are set. */
void lk_cluster_health_start(struct lk_cluster *cluster);
void lk_cluster_health_stop(struct lk_cluster *cluster);
/* These are about to be the cluster's hosts. */
void lk_cluster_health_set_hosts(struct lk_cluster *cluster, const struct lk_host_set *set);
/* The first hosts are set: on_checked(cluster) once each of them has been checked, at once when none is. */
void lk_cluster_health_when_checked(struct lk_cluster *cluster, void (*on_checked)(struct lk_cluster *cluster));
/* Flags of a host changed: at the end of this turn all loops and the gauges are told. */
void lk_cluster_health_changed(struct lk_cluster *cluster);
/* An active check says that the host is dead: on every loop its pooled connections are not used again, or are closed
 * at once if the cluster is configured so. */
void lk_cluster_drop_connections(struct lk_cluster *cluster, struct lk_host_state *state);
