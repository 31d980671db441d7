/* Internal to the bootstrap decoder. */
#pragma once

#include "xds/decode/decode_bootstrap.h"

/* layered_runtime: static layers flattened to dotted keys, later ones win. */
void lk_decode_runtime(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__LayeredRuntime *in,
                       struct lk_bootstrap_config *out);
/* A value of the merged layers as a number. */
bool lk_bootstrap_runtime_u64(const struct lk_bootstrap_config *config, struct lk_str key, uint64_t *out);
/* overload_manager: the limit on downstream connections. */
void lk_decode_overload(struct lk_decoder *decoder, const Envoy__Config__Overload__V3__OverloadManager *in,
                        struct lk_bootstrap_config *out);
