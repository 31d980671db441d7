/*
 * Envoy's subset load balancer (envoy.config.cluster.v3.Cluster.LbSubsetConfig): which narrowed view of a cluster's
 * hosts a request is balanced over. A policy is compiled once for a cluster, immutable, shared by all loops.
 */
#pragma once

#include "proxy/upstream/cluster.h"

struct lk_subset_policy *lk_subset_policy_new(const struct lk_subset_config *config);
void lk_subset_policy_free(struct lk_subset_policy *policy);

/* A host by the policy of the view's cluster and pick->match, not referenced; NULL: none. Counts the lb_subsets_*. The
 * view has a host set. */
struct lk_worker_host *lk_subset_pick(struct lk_cluster_view *view, const struct lk_pick *pick);

/* Main thread: the subsets that come and go as a new host set replaces the old one (NULL: none), into the stats. */
void lk_subset_count(struct lk_cluster *cluster, struct lk_host_set *old, struct lk_host_set *set);
