/* envoy.access_loggers.file: lines in a file. */
#include "filters/common/log_line.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "xds/decode/decode_format.h"

#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"

#define FORMAT_CASE(name) ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_##name

static const struct lk_log_format *text_format(struct lk_decoder *decoder, const char *field, const char *text)
{
    struct lk_log_format *format = lk_arena_zalloc(decoder->arena, sizeof(*format));
    if (text[0] == '\0')
        return NULL;
    format->text = lk_decode_format(decoder, field, lk_decode_str(decoder, text));
    return format->text != NULL ? format : NULL;
}

static const struct lk_log_format *decode_format(struct lk_decoder *decoder,
                                                 const Envoy__Extensions__AccessLoggers__File__V3__FileAccessLog *in)
{
    switch (in->access_log_format_case) {
    case FORMAT_CASE(FORMAT):
        return text_format(decoder, "format", in->format);
    case FORMAT_CASE(LOG_FORMAT):
        return lk_decode_log_format(decoder, "log_format", in->log_format);
    case FORMAT_CASE(JSON_FORMAT):
    case FORMAT_CASE(TYPED_JSON_FORMAT): {
        bool typed = in->access_log_format_case == FORMAT_CASE(TYPED_JSON_FORMAT);
        struct lk_log_format *format = lk_arena_zalloc(decoder->arena, sizeof(*format));
        format->json = lk_decode_json_format(decoder, typed ? "typed_json_format" : "json_format",
                                             typed ? in->typed_json_format : in->json_format);
        return format->json != NULL ? format : NULL;
    }
    default:
        return NULL;
    }
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const Envoy__Extensions__AccessLoggers__File__V3__FileAccessLog *in = lk_typed_begin(
        &decoder, context, any, &envoy__extensions__access_loggers__file__v3__file_access_log__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_str path = lk_decode_required(&decoder, "path", in->path);
    struct lk_log_line *line = lk_log_line_new(&decoder, context, decode_format(&decoder, in), path);
    return lk_typed_end(&decoder) ? line : NULL;
}

const struct lk_access_logger lk_file_access_logger = {
    .name = "envoy.access_loggers.file",
    .type = "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    .config_new = config_new,
    .log = lk_log_line_write,
};
