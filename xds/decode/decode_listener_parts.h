/* Internal to the listener decoder. */
#pragma once

#include "xds/decode/decode_listener.h"

#include "envoy/config/listener/v3/listener_components.pb-c.h"

void lk_decode_filter_chain(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChain *in,
                            struct lk_filter_chain_config *out);
void lk_decode_listener_filters(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__Listener *in,
                                struct lk_listener_config *out);
