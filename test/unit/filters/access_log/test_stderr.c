/* envoy.access_loggers.stderr: its lines leave by our own descriptor. */
#include "test/unit/filters/access_log/log_fixture.h"

#include <fcntl.h>

LK_TEST(stderr_log, line_leaves_by_our_descriptor)
{
    struct log_test t;
    log_begin(&t);
    int kept = dup(STDERR_FILENO);
    int file = open(t.path, O_WRONLY | O_CLOEXEC);
    fflush(NULL);
    dup2(file, STDERR_FILENO);
    log_configure(&t, &lk_stderr_access_logger,
                  "{log_format: {text_format_source: {inline_string: \"code=%RESPONSE_CODE%\\n\"}}}");
    log_stream(&t, &lk_stderr_access_logger);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    LK_CHECK_STR(log_text(&t), "code=418\n");
    log_end(&t);
}

LK_TEST(stderr_log, mistake_in_the_format_is_named)
{
    struct log_test t;
    log_begin(&t);
    log_configure(&t, &lk_stderr_access_logger, "{log_format: {text_format: '%NONSENSE%'}}");
    LK_CHECK_NULL(t.config);
    LK_CHECK_CONTAINS(t.typed.errors.items[0].text, "NONSENSE");
    log_end(&t);
}
