/* What cluster.c and cluster_view.c share. */
#pragma once

#include "proxy/upstream/cluster.h"

struct lk_loop_clusters {
    struct lk_cluster_view **views; /* by cluster index; NULL: not used here */
    size_t count;
};

struct lk_clusters {
    struct lk_clusters_options options;
    pthread_mutex_t lock;  /* cluster->hosts and cluster->viewed */
    struct lk_map by_name; /* read-only once the workers run */
    struct lk_cluster **all;
    size_t count, cap;
    struct lk_loop_clusters *loops;
    struct lk_dns *dns;      /* of the system's resolvers; NULL until a cluster needs it */
    struct lk_dns **own_dns; /* of clusters with resolvers of their own */
    size_t own_dns_count, own_dns_cap;
    size_t waiting;
    void (*on_ready)(void *arg);
    void *ready_arg;
};

/* Switches a view to another version; takes its own reference. Loop's thread. */
void lk_cluster_view_set_hosts(struct lk_cluster_view *view, struct lk_host_set *set);
struct lk_host *lk_host_from_endpoint(struct lk_host_state *state, struct lk_endpoints *endpoints, size_t locality,
                                      size_t index);
void lk_cluster_config_unref(struct lk_cluster_config *config);
