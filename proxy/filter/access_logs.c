/* Lists of access loggers: built on the main thread, written by workers. */
#include "proxy/base/mem.h"
#include "proxy/filter/access_logger.h"
#include "proxy/filter/log_filter.h"
#include "proxy/filter/registry.h"

#include <string.h>

static bool build_one(struct lk_access_log_config *log, struct lk_filter_context *context, struct lk_errors *errors)
{
    const struct lk_access_logger *logger = lk_registry_access_logger(context->registry, log->name, log->any.type);
    if (logger == NULL) {
        struct lk_str what = log->any.type.len > 0 ? log->any.type : log->name;
        return lk_errors_unsupported(errors, log->any.type.len > 0 ? "typed_config" : "name",
                                     "access logger '%.*s' is not built into this version", LK_STR_ARG(what));
    }
    size_t mark = lk_errors_push(errors, "typed_config");
    log->logger = logger;
    log->config = logger->config_new(context, &log->any, errors);
    lk_errors_pop(errors, mark);
    return log->config != NULL;
}

const struct lk_access_log_config *lk_access_logs_build(struct lk_filter_context *context,
                                                        const struct lk_access_log_config *logs, size_t count,
                                                        struct lk_errors *errors)
{
    struct lk_access_log_config *built = lk_arena_array(context->arena, count > 0 ? count : 1, sizeof(*built));
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(errors, "access_log", i);
        built[i] = logs[i];
        ok &= build_one(&built[i], context, errors);
        lk_errors_pop(errors, mark);
    }
    return ok ? built : NULL;
}

void lk_access_logs_write(const struct lk_access_log_config *logs, size_t count, const struct lk_log_event *event)
{
    for (size_t i = 0; i < count; i++) {
        const struct lk_access_logger *logger = logs[i].logger;
        if (logs[i].filter == NULL || lk_log_filter_match(logs[i].filter, event))
            logger->log(logs[i].config, event);
    }
}
