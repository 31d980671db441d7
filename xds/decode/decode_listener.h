/* envoy.config.listener.v3.Listener to struct lk_listener_config. */
#pragma once

#include "proxy/config/listener_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/listener/v3/listener.pb-c.h"

/* Never NULL; of use only when nothing was appended to the errors. Its `arena` field is NULL, as for clusters. Filters
 * keep their messages: proxy/downstream instantiates them. */
struct lk_listener_config *lk_decode_listener(struct lk_decoder *decoder,
                                              const Envoy__Config__Listener__V3__Listener *in);
