/*
 * What a balancer picks from: the hosts of a set, narrowed by endpoint metadata (a lane, an Envoy subset), split by
 * priority and health. Built on first use on a worker, memoised by the cluster view, dropped when endpoints change and
 * built again when their health does. Owner: one worker.
 */
#pragma once

#include "proxy/config/cluster_config.h"
#include "proxy/upstream/edf.h"
#include "proxy/upstream/host_index.h"
#include "proxy/upstream/host_set.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_worker_host; /* cluster.h */

struct lk_view_slot {
    struct lk_host *host;
    struct lk_worker_host *worker_host; /* found on first pick */
};

/* A list that one pick chooses from: the healthy, the degraded or all hosts of a priority. */
struct lk_view_group {
    struct lk_view_slot **slots;
    uint32_t count;
    uint32_t cursor; /* round robin */
    bool equal_weights;
    uint64_t total_weight;
    struct lk_edf edf; /* only with unequal weights, made on first use */
    bool edf_ready;
};

struct lk_view_priority {
    struct lk_view_group healthy, degraded, all;
    uint32_t excluded;      /* of all: not counted when the share of healthy ones is asked for */
    uint32_t load;          /* percent of picks for healthy hosts of this priority */
    uint32_t degraded_load; /* percent of picks for degraded ones */
    bool panic;
};

struct lk_host_view {
    struct lk_host_set *set;    /* referenced */
    struct lk_view_slot *slots; /* of the hosts taken, in the order of the set */
    struct lk_view_priority *priorities;
    uint32_t priority_count;
    bool total_panic; /* no priority has any health: loads are by host counts */
};

typedef bool (*lk_view_predicate_fn)(const void *arg, const struct lk_host *host);

/* Which hosts of a set: those of any of the entries (of indexes of that set), of these the ones the predicate takes. */
struct lk_narrowing {
    const struct lk_host_index_entry *const *entries;
    size_t entry_count;             /* 0: all hosts of the set */
    lk_view_predicate_fn predicate; /* NULL: takes all */
    const void *arg;
};

/* narrowing NULL: all hosts. It is not kept. Time and memory go with the hosts that are taken. */
struct lk_host_view *lk_host_view_new(struct lk_host_set *set, uint32_t panic_percent,
                                      const struct lk_narrowing *narrowing);
void lk_host_view_free(struct lk_host_view *view);

/* The group for one pick; random is any 64 bits. NULL: no host at all. *panic tells that unhealthy hosts are in it. */
struct lk_view_group *lk_host_view_group(struct lk_host_view *view, uint64_t random, bool *panic);
