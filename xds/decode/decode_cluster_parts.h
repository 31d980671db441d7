/* Internal to the cluster decoder: its files' functions for each other. */
#pragma once

#include "xds/decode/decode_cluster.h"

void lk_decode_cluster_lb(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
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
