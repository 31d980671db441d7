/* One formatted line per stream into a file sink. Lines are written by workers. */
#include "filters/common/log_line.h"

#include "proxy/base/mem.h"
#include "proxy/filter/format_eval.h"

static void unref_sink(void *sink)
{
    lk_file_sink_unref(sink);
}

static const struct lk_log_format *default_format(struct lk_decoder *decoder)
{
    struct lk_error error;
    struct lk_log_format *format = lk_arena_zalloc(decoder->arena, sizeof(*format));
    format->text = lk_format_compile(decoder->arena, lk_str_from(lk_default_log_format), NULL, &error);
    return format;
}

struct lk_log_line *lk_log_line_new(struct lk_decoder *decoder, struct lk_filter_context *context,
                                    const struct lk_log_format *format, struct lk_str path)
{
    struct lk_log_line *line = lk_arena_zalloc(context->arena, sizeof(*line));
    struct lk_error error;
    line->format = format != NULL ? format : default_format(decoder);
    if (line->format->text != NULL)
        lk_format_prepare((struct lk_format *)line->format->text);
    if (line->format->json != NULL)
        lk_json_format_prepare((struct lk_json_format *)line->format->json);
    if (context->validate_only || path.len == 0 || context->sinks == NULL)
        return line;
    line->sink = lk_file_sink_ref(context->sinks, path, &error);
    if (line->sink == NULL) {
        lk_errors_add_at(decoder->errors, "path", "%s", error.text);
        return NULL;
    }
    lk_arena_on_free(context->arena, unref_sink, line->sink);
    return line;
}

void lk_log_line_write(const void *config, const struct lk_log_event *event)
{
    const struct lk_log_line *line = config;
    if (line->format->json == NULL) {
        struct lk_str text = lk_format_eval(line->format->text, event, line->format->omit_empty_values);
        lk_file_sink_write(line->sink, lk_loop_index(event->loop), text);
        return;
    }
    struct lk_str json = lk_json_format_eval(line->format->json, event, line->format->omit_empty_values);
    char *text = lk_arena_alloc(event->arena, json.len + 1);
    memcpy(text, json.ptr, json.len);
    text[json.len] = '\n';
    lk_file_sink_write(line->sink, lk_loop_index(event->loop), lk_str(text, json.len + 1));
}
