/* What the command line knows, under Envoy's names, and the texts of --help and --version. Main thread, at start-up. */
#include "proxy/server/options_table.h"

#include "proxy/base/mem.h"
#include "proxy/base/version.h"

static const struct lk_option_choice modes[] = {
    {"serve", LK_MODE_SERVE},
    {"validate", LK_MODE_VALIDATE},
    {"validate-lanes", LK_MODE_VALIDATE_LANES},
    {NULL, 0},
};
static const struct lk_option_choice drain_strategies[] = {
    {"gradual", LK_DRAIN_GRADUAL},
    {"immediate", LK_DRAIN_IMMEDIATE},
    {NULL, 0},
};
static const struct lk_option_choice ip_versions[] = {
    {"v4", false},
    {"v6", true},
    {NULL, 0},
};
static const struct lk_option_choice log_levels[] = {
    {"trace", LK_LOG_TRACE},       {"debug", LK_LOG_DEBUG}, {"info", LK_LOG_INFO},
    {"warning", LK_LOG_WARN},      {"warn", LK_LOG_WARN},   {"error", LK_LOG_ERROR},
    {"critical", LK_LOG_CRITICAL}, {"off", LK_LOG_OFF},     {NULL, 0},
};

#define AT(field) offsetof(struct lk_options, field)
#define TEXT(name, letter, field, value, help)                                                                         \
    {                                                                                                                  \
        name, letter, LK_OPTION_TEXT, AT(field), 0, 0, 0, NULL, value, help                                            \
    }
#define SWITCH(name, field, help)                                                                                      \
    {                                                                                                                  \
        name, 0, LK_OPTION_SWITCH, AT(field), 0, 0, 0, NULL, NULL, help                                                \
    }
#define NUMBER(name, field, min, max, scale, help)                                                                     \
    {                                                                                                                  \
        name, 0, LK_OPTION_NUMBER, AT(field), min, max, scale, NULL, "number", help                                    \
    }
#define CHOICE(name, letter, field, choices, value, help)                                                              \
    {                                                                                                                  \
        name, letter, LK_OPTION_CHOICE, AT(field), 0, 0, 0, choices, value, help                                       \
    }
#define MODE(name, letter, mode, help)                                                                                 \
    {                                                                                                                  \
        name, letter, LK_OPTION_MODE, 0, mode, 0, 0, NULL, NULL, help                                                  \
    }
#define NOTHING(name, help)                                                                                            \
    {                                                                                                                  \
        name, 0, LK_OPTION_NOTHING, 0, 0, 0, 0, NULL, NULL, help                                                       \
    }
#define REFUSED(name, help)                                                                                            \
    {                                                                                                                  \
        name, 0, LK_OPTION_REFUSED, 0, 0, 0, 0, NULL, NULL, help                                                       \
    }

#define DAYS_OF_SECONDS(days) ((days)*24u * 3600u)

const struct lk_option_flag lk_option_flags[] = {
    TEXT("config-path", 'c', config_path, "file", "bootstrap, YAML or JSON"),
    TEXT("config-yaml", 0, config_yaml, "text", "bootstrap given inline, merged over the file"),
    CHOICE("mode", 0, mode, modes, "mode",
           "serve; validate: check the configuration, exit 0 or 1; validate-lanes <file>: the same for a lane table"),
    NUMBER("concurrency", concurrency, 0, 1024, 1, "worker threads; default: the CPU quota of the cgroup"),
    SWITCH("cpuset-threads", cpuset_threads, "default of --concurrency: the CPUs this process may run on"),
    CHOICE("log-level", 'l', log_level, log_levels, "level", "trace, debug, info, warning, error, critical, off"),
    {"component-log-level", 0, LK_OPTION_COMPONENTS, AT(component_log_level), 0, 0, 0, NULL, "list",
     "name:level,name:level,..."},
    TEXT("log-path", 0, log_path, "file", "application log; default: standard error"),
    TEXT("log-format", 0, log_format, "format", "pattern of a log line, as in spdlog"),
    NOTHING("log-format-escaped", "escape line breaks in the log (always so)"),
    TEXT("service-cluster", 0, service_cluster, "name", "node.cluster where the bootstrap has none"),
    TEXT("service-node", 0, service_node, "name", "node.id where the bootstrap has none"),
    TEXT("service-zone", 0, service_zone, "name", "node.locality.zone where the bootstrap has none"),
    TEXT("admin-address-path", 0, admin_address_path, "file", "where the admin address is written to once it is bound"),
    NUMBER("drain-time-s", drain_time_s, 0, DAYS_OF_SECONDS(30), 1, "seconds that a drain may take; default 600"),
    CHOICE("drain-strategy", 0, drain_strategy, drain_strategies, "strategy",
           "gradual (default): connections are closed over the drain time; immediate: at their next response"),
    NUMBER("parent-shutdown-time-s", parent_shutdown_time_s, 0, DAYS_OF_SECONDS(30), 1,
           "of a hot restart; shown, otherwise without effect"),
    {"local-address-ip-version", 0, LK_OPTION_EITHER, AT(prefer_ipv6), 0, 0, 0, ip_versions, "version",
     "v4 (default) or v6: family of the local address"},
    NUMBER("file-flush-interval-msec", file_flush_interval_ms, 0, DAYS_OF_SECONDS(1) * 1000u, 1,
           "how long access log lines may wait; default 10000"),
    NUMBER("file-flush-min-size-kb", file_flush_min_bytes, 0, 1u << 20, 1024,
           "access log is written at this size; "
           "default 64"),
    SWITCH("allow-unknown-static-fields", allow_unknown_static, "unknown fields of the bootstrap are warnings"),
    SWITCH("allow-unknown-fields", allow_unknown_static, "the same (older name)"),
    SWITCH("reject-unknown-dynamic-fields", reject_unknown_dynamic, "unknown fields from a control plane are errors"),
    SWITCH("ignore-unknown-dynamic-fields", ignore_unknown_dynamic, "do not even count them"),
    SWITCH("skip-deprecated-logs", skip_deprecated_logs, "no warnings about deprecated fields (there are none)"),
    SWITCH("enable-core-dump", enable_core_dump, "allow a core file when the process crashes"),
    NOTHING("disable-hot-restart", "no hot restart (always so)"),
    NUMBER("base-id", base_id, 0, UINT32_MAX, 1, "of a hot restart; shown, otherwise without effect"),
    NOTHING("use-dynamic-base-id", "of a hot restart; without effect"),
    {"restart-epoch", 0, LK_OPTION_EPOCH, 0, 0, 0, 0, NULL, "number", "of a hot restart; must be 0"},
    MODE("version", 0, LK_MODE_VERSION, "print the version"),
    MODE("help", 'h', LK_MODE_HELP, "print this text"),
    REFUSED("base-id-path", "there is no hot restart"),
    REFUSED("hot-restart-version", "there is no hot restart"),
    REFUSED("socket-path", "there is no hot restart"),
    REFUSED("socket-mode", "there is no hot restart"),
    REFUSED("skip-hot-restart-on-no-parent", "there is no hot restart"),
    REFUSED("skip-hot-restart-parent-stats", "there is no hot restart"),
    REFUSED("enable-mutex-tracing", "workers share no mutex that could be traced"),
    REFUSED("enable-fine-grain-logging", "levels are set by component"),
    REFUSED("disable-extensions", "what is built in is a fixed list"),
    REFUSED("log-stacktrace-single-entry", "a backtrace is always one line for each frame"),
    REFUSED("stats-tag", "use stats_config.stats_tags with fixed_value"),
};
const size_t lk_option_flag_count = LK_ARRAY_LEN(lk_option_flags);
_Static_assert(LK_ARRAY_LEN(lk_option_flags) <= 64, "the parser keeps one bit for each flag");

bool lk_option_takes_value(const struct lk_option_flag *flag)
{
    return flag->value != NULL;
}

void lk_options_print_help(const char *program)
{
    printf("usage: %s -c <file> [options]\n\n", program);
    for (size_t i = 0; i < lk_option_flag_count; i++) {
        const struct lk_option_flag *flag = &lk_option_flags[i];
        char left[64];

        if (flag->kind == LK_OPTION_REFUSED)
            continue;
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s%s", flag->letter ? '-' : ' ', flag->letter ? flag->letter : ' ',
                 flag->letter ? ", " : "  ", flag->name, flag->value ? " <" : "", flag->value ? flag->value : "",
                 flag->value ? ">" : "");
        printf("  %-38s %s\n", left, flag->help);
    }
}

const char *lk_version_text(void)
{
    static char text[160];
    struct lk_str revision = lk_str_from(LK_REVISION), dirty = LK_STR("-dirty");
    bool modified = lk_str_has_suffix(revision, dirty);

    if (modified)
        revision.len -= dirty.len;
    snprintf(text, sizeof(text), "%.*s/%s/%s/%s", LK_STR_ARG(revision), LK_VERSION, modified ? "Modified" : "Clean",
             strcmp(LK_BUILD_TYPE, "Release") == 0 ? "RELEASE" : "DEBUG");
    return text;
}

void lk_options_print_version(const char *program)
{
    printf("\n%s  version: %s\n\n", program, lk_version_text());
}
