/* envoy.access_loggers.stdout: lines on the standard output. */
#include "filters/common/log_line.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "xds/decode/decode_format.h"

#include "envoy/extensions/access_loggers/stream/v3/stream.pb-c.h"

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Extensions__AccessLoggers__Stream__V3__StdoutAccessLog *in = lk_typed_begin(
        &decoder, context, any, &envoy__extensions__access_loggers__stream__v3__stdout_access_log__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_log_line *line = lk_log_line_new(
        &decoder, context, lk_decode_log_format(&decoder, "log_format", in->log_format), LK_STR("/dev/stdout"));
    return lk_typed_end(&decoder) ? line : NULL;
}

const struct lk_access_logger lk_stdout_access_logger = {
    .name = "envoy.access_loggers.stdout",
    .type = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    .config_new = config_new,
    .log = lk_log_line_write,
};
