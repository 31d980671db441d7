/* Decoders of the tracing settings that connection managers and routes share. Main thread. */
#pragma once

#include "proxy/config/tracing_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/type/tracing/v3/custom_tag.pb-c.h"

/* custom_tags, at that field. */
void lk_decode_trace_tags(struct lk_decoder *decoder, size_t count, Envoy__Type__Tracing__V3__CustomTag *const *in,
                          struct lk_trace_tags_config *out);
/* A span's operation; NULL when the text is empty. */
const struct lk_format *lk_decode_operation(struct lk_decoder *decoder, const char *field, const char *text);
/* Gives the fractions the runtime keys of the connection manager's tracing. */
void lk_trace_sampling_keys(struct lk_trace_sampling *sampling);
/* NULL gives NULL. An unset percentage is 100. */
const struct lk_route_tracing *lk_decode_route_tracing(struct lk_decoder *decoder,
                                                       const Envoy__Config__Route__V3__Tracing *in);
