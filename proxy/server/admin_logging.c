/* POST /logging: levels of the application log, by component or all at once. Main loop; levels are atomics. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

static void write_levels(struct lk_admin_request *request)
{
    lk_admin_put(request, LK_STR("active loggers:\n"));
    for (unsigned i = 0; i < LK_LOG_COMPONENT_COUNT; i++) {
        enum lk_log_level level = (enum lk_log_level)atomic_load_explicit(&lk_log_levels[i], memory_order_relaxed);

        lk_admin_printf(request, "  %s: %s\n", lk_log_component_name((enum lk_log_component)i),
                        lk_log_level_name(level));
    }
    lk_admin_put(request, LK_STR("\n"));
}

static void refuse(struct lk_admin_request *request, const char *why)
{
    lk_admin_status(request, 400, NULL);
    lk_admin_printf(request, "error: %s\n\n", why);
    lk_admin_put(request, LK_STR("usage: /logging?<name>=<level> (change single level)\n"
                                 "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
                                 "usage: /logging?level=<level> (change all levels)\n"
                                 "levels: trace debug info warning error critical off \n"));
    write_levels(request);
}

/* NULL when it could be set, else why not. */
static const char *set_level(struct lk_str name, struct lk_str level)
{
    enum lk_log_component component;
    enum lk_log_level parsed;

    if (!lk_log_component_parse(name, &component))
        return "unknown logger name";
    if (!lk_log_level_parse(level, &parsed))
        return "unknown logger level";
    lk_log_set_level(component, parsed);
    return NULL;
}

static const char *check_paths(struct lk_str rest)
{
    while (rest.ptr != NULL) {
        struct lk_str level = lk_str_split(&rest, ',');
        struct lk_str name = lk_str_split(&level, ':');
        enum lk_log_component component;
        enum lk_log_level parsed;

        if (name.len == 0 || level.len == 0)
            return "empty logger name or empty logger level";
        if (!lk_log_component_parse(name, &component))
            return "unknown logger name";
        if (!lk_log_level_parse(level, &parsed))
            return "unknown logger level";
    }
    return NULL;
}

/* All or nothing. */
static const char *set_paths(struct lk_str list)
{
    const char *why = check_paths(list);

    while (!why && list.ptr != NULL) {
        struct lk_str level = lk_str_split(&list, ',');
        struct lk_str name = lk_str_split(&level, ':');

        why = set_level(name, level);
    }
    return why;
}

static const char *set_all(struct lk_str level)
{
    enum lk_log_level parsed;

    if (!lk_log_level_parse(level, &parsed))
        return "unknown logger level";
    lk_log_set_all(parsed);
    return NULL;
}

static void page_logging(struct lk_admin_request *request, void *arg)
{
    const struct lk_admin_param *param = request->query.count > 0 ? &request->query.params[0] : NULL;
    const char *why = NULL;

    (void)arg;
    if (request->query.count > 1)
        why = "invalid number of parameters";
    else if (param && param->value.len > 0 && lk_str_eq(param->name, LK_STR("level")))
        why = set_all(param->value);
    else if (param && param->value.len > 0 &&
             (lk_str_eq(param->name, LK_STR("paths")) || lk_str_eq(param->name, LK_STR("group"))))
        why = set_paths(param->value);
    else if (param && param->value.len > 0)
        why = set_level(param->name, param->value);
    if (why)
        refuse(request, why);
    else
        write_levels(request);
}

static const struct lk_admin_param_help params[] = {
    {"paths", "Change several levels: <name>:<level>,<name>:<level>,..."},
    {"level", "Change all levels; One of (trace, debug, info, warning, error, critical, off)"},
    {"<name>", "Change the level of one logger"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/logging", .mutates = true, .help = "query/change logging levels", .params = params, .fn = page_logging},
};

void lk_admin_add_logging_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
