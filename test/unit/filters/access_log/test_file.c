/* envoy.access_loggers.file: formats, and where the lines go. */
#include "test/unit/filters/access_log/log_fixture.h"

static const struct {
    const char *format, *line;
} formats[] = {
    {"format: \"%RESPONSE_CODE% %ACCESS_LOG_TYPE%\\n\"", "418 DownstreamEnd\n"},
    {"log_format: {text_format_source: {inline_string: \"<%RESPONSE_CODE%>\\n\"}}", "<418>\n"},
    {"json_format: {code: '%RESPONSE_CODE%', kind: x}", "{\"code\":418,\"kind\":\"x\"}\n"},
    {"typed_json_format: {code: '%RESPONSE_CODE%'}", "{\"code\":418}\n"},
    {"log_format: {json_format: {code: '%RESPONSE_CODE%'}}", "{\"code\":418}\n"},
};

LK_TEST(file_log, every_kind_of_format_writes_its_line)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(formats); i++) {
        struct log_test t;
        char yaml[512];
        log_begin(&t);
        snprintf(yaml, sizeof(yaml), "{path: %s, %s}", t.path, formats[i].format);
        log_configure(&t, &lk_file_access_logger, yaml);
        LK_CHECK_MSG(t.config != NULL, "%s: %s", yaml, t.typed.errors.items[0].text);
        log_stream(&t, &lk_file_access_logger);
        LK_CHECK_STR(log_text(&t), formats[i].line);
        log_end(&t);
    }
}

LK_TEST(file_log, without_a_format_the_line_is_envoys)
{
    struct log_test t;
    char yaml[128];
    log_begin(&t);
    snprintf(yaml, sizeof(yaml), "{path: %s}", t.path);
    log_configure(&t, &lk_file_access_logger, yaml);
    log_stream(&t, &lk_file_access_logger);
    LK_CHECK_CONTAINS(log_text(&t), "] \"- - -\" 418 - ");
    log_end(&t);
}

LK_TEST(file_log, mistakes_are_named_by_their_field)
{
    struct log_test t;
    log_begin(&t);
    log_configure(&t, &lk_file_access_logger, "{}");
    LK_CHECK_NULL(t.config);
    typed_check_error(&t.typed, "path", "must not be empty");
    log_configure(&t, &lk_file_access_logger, "{path: /nowhere/at/all/x.log}");
    LK_CHECK_NULL(t.config);
    typed_check_error(&t.typed, "path", "No such file");
    log_configure(&t, &lk_file_access_logger, "{path: /dev/null, format: '%NONSENSE%'}");
    LK_CHECK_NULL(t.config);
    typed_check_error(&t.typed, "format", "NONSENSE");
    log_end(&t);
}

LK_TEST(file_log, validation_opens_no_file)
{
    struct log_test t;
    log_begin(&t);
    t.typed.context.validate_only = true;
    log_configure(&t, &lk_file_access_logger, "{path: /nowhere/at/all/x.log}");
    LK_CHECK_NOT_NULL(t.config);
    log_end(&t);
}
