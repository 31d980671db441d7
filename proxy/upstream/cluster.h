/*
 * Clusters. `struct lk_clusters` is the process's set, owned by the main thread; each loop (workers and main) sees a
 * cluster through its own `struct lk_cluster_view`, made on first use: host view, balancer state, pools. Endpoint
 * updates are posted from main to every loop; a view switches between turns.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/list.h"
#include "proxy/base/map.h"
#include "proxy/config/cluster_config.h"
#include "proxy/io/dns.h"
#include "proxy/io/loop.h"
#include "proxy/io/timer.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/circuit_breaker.h"
#include "proxy/upstream/host_set.h"
#include "proxy/upstream/host_view.h"
#include "proxy/upstream/view_memo.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_clusters;
struct lk_subset_policy; /* subset.h */
struct lk_shadow_budget; /* shadow_budget.h */

/* "STRICT_DNS" */
const char *lk_discovery_type_name(enum lk_discovery_type type);

/* Shared by all loops; lives as long as anyone uses it. */
struct lk_cluster {
    struct lk_ref ref;
    struct lk_cluster_config *config;
    struct lk_subset_policy *subsets; /* NULL: the whole set is balanced over */
    struct lk_clusters *clusters;
    struct lk_stats_scope *stats;            /* lk_cluster_stat_block */
    unsigned index;                          /* of the views on each loop */
    struct lk_breaker breakers[2];           /* by routing priority DEFAULT, HIGH */
    struct lk_shadow_budget *_Atomic shadow; /* limits of pressure-test traffic; NULL: there was none yet */
    struct lk_host_set *hosts;               /* current; under lk_clusters.lock */
    struct lk_map states;                    /* main thread: address -> struct lk_host_state, strict identity */
    void *discovery;                         /* main thread: cluster_dns state */
    struct lk_health_checker *checker;       /* main thread; NULL: hosts are not checked */
    struct lk_outlier *outlier;              /* main thread; NULL: no outlier detection */
    struct lk_deferred health_changed;       /* main thread: tells all loops, once for all changes of a turn */
    bool viewed;                             /* some loop has a view; under lk_clusters.lock */
    /* Grows when the health of a host changes; host views of an older one are built again before the next pick. */
    _Atomic uint64_t health_epoch;
};

/* One loop's state of one address of one cluster: pool and counts, kept across endpoint versions. */
struct lk_worker_host {
    struct lk_cluster_view *view;
    struct lk_host *host; /* present version, referenced */
    struct lk_host_state *state;
    struct lk_breaker *breakers;   /* by routing priority: whose limits hold for what is sent through here */
    struct lk_worker_host *shadow; /* the same host for pressure-test traffic; NULL: not used so */
    uint32_t refs;                 /* attempts, tunnels and connections that use it */
    uint32_t rq_active;
    bool retired;        /* no longer an endpoint: idle connections are closed, nothing new is sent */
    bool linked;         /* in the view's map */
    struct lk_list idle; /* struct lk_upstream_conn, most recently used first */
    struct lk_list busy;
    struct lk_list connecting;
    struct lk_list waiters;
    uint32_t idle_count, busy_count, connecting_count, waiter_count;
    uint64_t last_used_ms;
};

struct lk_cluster_view {
    struct lk_cluster *cluster; /* referenced */
    const struct lk_cluster_config *config;
    struct lk_stats_scope *stats;
    struct lk_loop *loop;
    uint64_t version;           /* of the host set in use */
    struct lk_host_view *hosts; /* all of the set; NULL until first pick */
    uint64_t health_epoch;      /* of the cluster when hosts was built */
    struct lk_view_memo narrowed;
    struct lk_host_set *set;
    struct lk_map worker_hosts; /* address bytes -> struct lk_worker_host */
    struct lk_timer cleanup;    /* ORIGINAL_DST: hosts nobody uses; else: narrowed views nobody uses */
};

struct lk_clusters_options {
    struct lk_stats *stats;
    struct lk_loop *main_loop;
    struct lk_loop **loops; /* workers, then main: index = lk_loop_index */
    unsigned loop_count;
};

struct lk_clusters *lk_clusters_new(const struct lk_clusters_options *options);
/* After all loops have stopped. */
void lk_clusters_free(struct lk_clusters *clusters);

/* Main thread, before the workers run. False: duplicate name. Takes a reference on config. */
bool lk_clusters_add(struct lk_clusters *clusters, struct lk_cluster_config *config, struct lk_errors *errors);
/* Starts name resolution; on_ready(arg) runs on the main loop once every cluster had its first answer (or failure), at
 * once when none needs one. */
bool lk_clusters_start(struct lk_clusters *clusters, void (*on_ready)(void *arg), void *arg, struct lk_error *error);
/* Stops name resolution. Main thread. */
void lk_clusters_stop(struct lk_clusters *clusters);
/* Calls visit for every cluster, by name order of configuration. Main thread. */
void lk_clusters_each(struct lk_clusters *clusters, void (*visit)(void *arg, struct lk_cluster *cluster), void *arg);
bool lk_clusters_has(const struct lk_clusters *clusters, struct lk_str name);
/* Not referenced; NULL: there is none. Main thread. */
struct lk_cluster *lk_clusters_find(const struct lk_clusters *clusters, struct lk_str name);
size_t lk_clusters_count(const struct lk_clusters *clusters);

/* Main thread: replaces a cluster's hosts; takes over the reference. Posts to all loops. */
void lk_cluster_set_hosts(struct lk_cluster *cluster, struct lk_host_set *set);
/* Main thread: the state of an address, made if new; the caller gets a reference. */
struct lk_host_state *lk_cluster_state(struct lk_cluster *cluster, const struct lk_addr *addr);
/* A reference to the present host set, or NULL. Any thread. */
struct lk_host_set *lk_cluster_hosts(struct lk_cluster *cluster);
/* The host set of an assignment whose endpoints are all addresses (STATIC, EDS). */
struct lk_host_set *lk_host_set_from_endpoints(struct lk_cluster *cluster, struct lk_endpoints *endpoints);

/* The calling loop's view, or NULL when there is no such cluster. */
struct lk_cluster_view *lk_cluster_view_get(struct lk_clusters *clusters, struct lk_loop *loop, struct lk_str name);
/* Closes the loop's pools and frees its views (the loop is stopping). */
void lk_cluster_views_close(struct lk_clusters *clusters, struct lk_loop *loop);

struct lk_pick_recorder;

struct lk_pick {
    /* ORIGINAL_DST: where the client wanted to go; NULL or len 0: unknown. */
    const struct lk_addr *original_dst;
    /* Retries: true to try another host, at most max_attempts times. NULL: any. */
    bool (*avoid)(const void *arg, const struct lk_host *host);
    const void *arg;
    uint32_t max_attempts;
    /* Subsets: what the endpoint's metadata is to match; NULL: nothing. */
    const struct lk_match_criteria *match;
    struct lk_pick_recorder *recorder; /* NULL when forwarding */
};

/* Told of one pick that is only asked for: no balancer moves, a host of an ORIGINAL_DST cluster is made for the answer
 * alone. The answer is a host that may be chosen, not always the one that on_choice names. */
struct lk_pick_recorder {
    uint64_t random; /* instead of a drawn one */
    /* One step of choosing a subset: what was asked for, or which fallback took over. match may be NULL. */
    void (*on_subset)(struct lk_pick_recorder *recorder, const char *step, const struct lk_match_criteria *match);
    /* The hosts that the pick is made from; group, one of theirs, is what the random number leads to, NULL: none. */
    void (*on_hosts)(struct lk_pick_recorder *recorder, struct lk_cluster_view *view, const struct lk_host_view *hosts,
                     const struct lk_view_group *group, bool panic);
    /* The host; NULL: not known yet, why says why. */
    void (*on_choice)(struct lk_pick_recorder *recorder, const struct lk_host *host, const char *why);
    /* An ORIGINAL_DST cluster: where to; NULL: the destination is not known. */
    void (*on_original_dst)(struct lk_pick_recorder *recorder, const struct lk_addr *addr);
};
/* A host for a request or connection, referenced (lk_worker_host_unref); NULL: none. Counts only lb_healthy_panic and
 * the lb_subsets_*. */
struct lk_worker_host *lk_cluster_pick(struct lk_cluster_view *view, const struct lk_pick *pick);
/* The view of an entry's hosts (of an index of view->set; NULL: all hosts), memoised. NULL: the cluster has no host
 * set. Valid until the next call or the end of the loop's turn. */
struct lk_host_view *lk_cluster_view_hosts(struct lk_cluster_view *view, const struct lk_host_index_entry *entry,
                                           uint32_t panic_percent);
/* The same for any narrowing. It is memoised under the name, not 0, by which the caller knows the hosts that it takes:
 * equal names mean equal hosts, as long as the host set stays. */
struct lk_host_view *lk_cluster_view_narrowed(struct lk_cluster_view *view, uint64_t name,
                                              const struct lk_narrowing *narrowing, uint32_t panic_percent);
/* A host out of a view of this cluster, as lk_cluster_pick chooses it. */
struct lk_worker_host *lk_cluster_pick_from(struct lk_cluster_view *view, struct lk_host_view *hosts,
                                            const struct lk_pick *pick);
void lk_worker_host_ref(struct lk_worker_host *wh);
void lk_worker_host_unref(struct lk_worker_host *wh);

/* cluster_dns.c: STRICT_DNS and LOGICAL_DNS discovery. on_first runs once, after the first answer or failure. */
bool lk_cluster_dns_start(struct lk_cluster *cluster, struct lk_dns *dns, void (*on_first)(struct lk_cluster *cluster),
                          struct lk_error *error);
void lk_cluster_dns_stop(struct lk_cluster *cluster);
