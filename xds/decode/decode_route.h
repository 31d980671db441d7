/* envoy.config.route.v3.RouteConfiguration to struct lk_route_config. */
#pragma once

#include "proxy/config/route_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/route/v3/route.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"

/*
 * Never NULL; of use only when nothing was appended to the errors. The result lies in the decoder's arena, its `arena`
 * field is that arena: a route table frees it. static_config: validate_clusters defaults to true, as for routes that
 * are written into a listener. What a set field that is not acted on means is reported by lk_pb_report_unsupported, not
 * here.
 */
struct lk_route_config *lk_decode_route_config(struct lk_decoder *decoder,
                                               const Envoy__Config__Route__V3__RouteConfiguration *in,
                                               bool static_config);

/* Parts that other decoders need. */
const struct lk_retry_policy *lk_decode_retry_policy(struct lk_decoder *decoder, const char *field,
                                                     const Envoy__Config__Route__V3__RetryPolicy *in);
