/* envoy.config.cluster.v3.Cluster and envoy.config.endpoint.v3.ClusterLoadAssignment to plain data. */
#pragma once

#include "proxy/config/cluster_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "envoy/config/endpoint/v3/endpoint.pb-c.h"

/* How DNS clusters resolve unless they say otherwise: typed_dns_resolver_config of the bootstrap. */
struct lk_dns_defaults {
    const struct lk_addr *resolvers;
    size_t resolver_count;
    bool use_tcp, no_search;
};

/* Never NULL; of use only when nothing was appended to the errors. Its `arena` field is NULL: who gives the object an
 * arena of its own (a control plane's cluster) sets it. */
struct lk_cluster_config *lk_decode_cluster(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in);

/* names: endpoints may be host names (DNS clusters); else they must be addresses. `arena` as above. */
struct lk_endpoints *lk_decode_endpoints(struct lk_decoder *decoder,
                                         const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *in, bool names);

/* A name server configuration {name, typed_config} of c-ares. */
void lk_decode_dns_resolver(struct lk_decoder *decoder, const char *field,
                            const Envoy__Config__Core__V3__TypedExtensionConfig *in, struct lk_dns_defaults *out);

/* The transport socket of a cluster or chain: an empty any for raw_buffer. At field "transport_socket". */
void lk_decode_transport_socket(struct lk_decoder *decoder, const Envoy__Config__Core__V3__TransportSocket *in,
                                struct lk_str *name, struct lk_any *out);
