/* The parts of decoding HttpConnectionManager: options, the filter list, per-route filter configuration. Main thread.
 */
#pragma once

#include "proxy/downstream/http_manager.h"
#include "xds/decode/decoder.h"

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager lk_hcm_proto;

/* Everything but routes, filters and access logs. */
void lk_hcm_decode_options(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_manager_config *config);
/* hcm_tracing.c */
void lk_hcm_decode_request_id(struct lk_decoder *decoder, const lk_hcm_proto *in,
                              struct lk_http_manager_config *config);
void lk_hcm_decode_tracing(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_manager_config *config);
void lk_hcm_decode_filters(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_chain_config *chain);
/* Instantiates every typed_per_filter_config through the filter of that name; notes in the chain whether routes switch
 * filters. */
void lk_hcm_build_route_filters(struct lk_filter_context *context, struct lk_route_config *routes,
                                struct lk_http_chain_config *chain, struct lk_errors *errors);
/* validate_clusters: every cluster that a route names must exist. */
void lk_hcm_check_clusters(struct lk_filter_context *context, const struct lk_route_config *routes,
                           struct lk_errors *errors);
