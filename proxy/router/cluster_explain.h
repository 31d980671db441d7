/*
 * What a rehearsal tells of a cluster and of choosing a host in it, for the router and the TCP tunnel. Runs on a
 * worker. See proxy/filter/explain.h.
 */
#pragma once

#include "proxy/filter/explain.h"
#include "proxy/upstream/cluster.h"

/* The recorder of a pick, to be put into struct lk_pick. */
struct lk_pick_account {
    struct lk_pick_recorder base;
    struct lk_explain *explain;
    bool settled; /* a host, or why there is none yet, was told */
};

void lk_pick_account_init(struct lk_pick_account *account, struct lk_explain *explain);
/* The cluster, its balancer, and the limits and use of its circuit breaker of a priority (0 DEFAULT, 1 HIGH). */
void lk_explain_cluster(struct lk_explain *explain, const struct lk_cluster_view *view, uint8_t priority);
