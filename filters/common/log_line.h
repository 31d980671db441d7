/* What the file, stdout and stderr access loggers share: a compiled line format and the file it goes to. */
#pragma once

#include "proxy/config/format.h"
#include "proxy/filter/access_logger.h"
#include "xds/decode/decoder.h"

#include "envoy/config/core/v3/substitution_format_string.pb-c.h"

struct lk_log_line {
    const struct lk_log_format *format;
    struct lk_file_sink *sink; /* NULL in validate mode */
};

/* format NULL: Envoy's default line. path: the file. NULL after appending to errors. */
struct lk_log_line *lk_log_line_new(struct lk_decoder *decoder, struct lk_filter_context *context,
                                    const struct lk_log_format *format, struct lk_str path);
void lk_log_line_write(const void *config, const struct lk_log_event *event);
