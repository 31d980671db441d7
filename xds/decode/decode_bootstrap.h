/* envoy.config.bootstrap.v3.Bootstrap to struct lk_bootstrap_config. */
#pragma once

#include "proxy/config/bootstrap_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

/*
 * Never NULL; of use only when nothing was appended to the errors. Everything lies in the decoder's arena, which
 * becomes the result's `arena`: static listeners and clusters live as long as it does. Set fields that this build does
 * not act on are reported too, with the policy of supported_fields.txt.
 */
struct lk_bootstrap_config *lk_decode_bootstrap(struct lk_decoder *decoder,
                                                const Envoy__Config__Bootstrap__V3__Bootstrap *in);
