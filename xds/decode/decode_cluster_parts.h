/* Internal to the cluster decoder: its files' functions for each other. */
#pragma once

#include "xds/decode/decode_cluster.h"

#include "envoy/extensions/load_balancing_policies/subset/v3/subset.pb-c.h"

void lk_decode_cluster_lb(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                          struct lk_cluster_config *out);
/* lb_subset_config; out->subsets stays NULL without selectors: nothing of it counts then, as in Envoy. */
void lk_decode_subset_config(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster__LbSubsetConfig *in,
                             struct lk_cluster_config *out);
/* The same as an extension; subset_lb_policy is left to the caller. */
void lk_decode_subset_policy(struct lk_decoder *decoder,
                             const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *in,
                             struct lk_cluster_config *out);
void lk_decode_cluster_dns(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                           struct lk_cluster_config *out);
void lk_decode_cluster_http(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                            struct lk_cluster_config *out);
void lk_decode_circuit_limits(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__CircuitBreakers *in,
                              struct lk_cluster_config *out);
/* Active checks and outlier detection. */
void lk_decode_cluster_health(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                              struct lk_cluster_config *out);
void lk_decode_outlier(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__OutlierDetection *in,
                       struct lk_cluster_config *out);
/* cluster_type: the discovery type of a named extension and what its message sets. */
void lk_decode_cluster_type(struct lk_decoder *decoder,
                            const Envoy__Config__Cluster__V3__Cluster__CustomClusterType *in,
                            struct lk_cluster_config *out);
