/* envoy.config.accesslog.v3: names, filters; a logger's own message stays an Any. */
#pragma once

#include "proxy/config/access_log_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/accesslog/v3/accesslog.pb-c.h"

/* A list at `field`; *out points into the arena. */
void lk_decode_access_logs(struct lk_decoder *decoder, const char *field, size_t count,
                           Envoy__Config__Accesslog__V3__AccessLog *const *in, const struct lk_access_log_config **out);
/* NULL gives NULL (no filter). Local reply mappers use filters too. */
const struct lk_log_filter *lk_decode_log_filter(struct lk_decoder *decoder, const char *field,
                                                 const Envoy__Config__Accesslog__V3__AccessLogFilter *in);
