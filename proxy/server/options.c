/*
 * The command line parser: one table of flags, walked once at start-up by the main thread. It opens and changes
 * nothing, so a wrong command line leaves no trace. `--flag value`, `--flag=value` and `-f value` are accepted; a flag
 * given twice is a mistake, as with Envoy.
 */
#include "proxy/server/options.h"

#include "proxy/base/mem.h"
#include "proxy/server/options_table.h"

#include <inttypes.h>
#include <sched.h>

#define CONCURRENCY_MAX 1024

static void set_defaults(struct lk_options *options)
{
    *options = (struct lk_options){
        .mode = LK_MODE_SERVE,
        .log_level = LK_LOG_INFO,
        .drain_time_s = 600,
        .parent_shutdown_time_s = 900,
        .drain_strategy = LK_DRAIN_GRADUAL,
        .file_flush_interval_ms = 10000,
        .file_flush_min_bytes = 65536,
    };
}

static const struct lk_option_flag *find_flag(struct lk_str arg)
{
    for (size_t i = 0; i < lk_option_flag_count; i++) {
        const struct lk_option_flag *flag = &lk_option_flags[i];

        if (arg.len > 2 && lk_str_has_prefix(arg, LK_STR("--"))) {
            if (lk_str_eq(lk_str_drop(arg, 2), lk_str_from(flag->name)))
                return flag;
        } else if (flag->letter && arg.len == 2 && arg.ptr[0] == '-' && arg.ptr[1] == flag->letter) {
            return flag;
        }
    }
    return NULL;
}

/* --- values ---------------------------------------------------------------------------------------------------- */

static bool set_number(const struct lk_option_flag *flag, void *slot, const char *value, struct lk_error *error)
{
    uint64_t number;

    if (!lk_str_to_u64(lk_str_from(value), &number))
        return lk_error_set(error, LK_ERROR_INVALID, "--%s: '%s' is not a number, expected %" PRIu32 " to %" PRIu32,
                            flag->name, value, flag->min, flag->max);
    if (number < flag->min || number > flag->max)
        return lk_error_set(error, LK_ERROR_INVALID, "--%s: %s is out of range, expected %" PRIu32 " to %" PRIu32,
                            flag->name, value, flag->min, flag->max);
    *(uint32_t *)slot = (uint32_t)number * flag->scale;
    return true;
}

static bool read_choice(const struct lk_option_flag *flag, const char *value, unsigned *out, struct lk_error *error)
{
    char expected[160] = "";
    size_t used = 0;

    for (const struct lk_option_choice *choice = flag->choices; choice->name; choice++) {
        if (strcmp(choice->name, value) == 0) {
            *out = choice->value;
            return true;
        }
        used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s", used ? ", " : "", choice->name);
    }
    return lk_error_set(error, LK_ERROR_INVALID, "--%s: unknown value '%s', expected one of %s", flag->name, value,
                        expected);
}

static bool check_components(const char *value, struct lk_error *error)
{
    struct lk_str rest = lk_str_from(value);

    while (rest.ptr != NULL) {
        struct lk_str level = lk_str_split(&rest, ',');
        struct lk_str item = level, name = lk_str_split(&level, ':');
        enum lk_log_component component;
        enum lk_log_level parsed;

        if (level.ptr == NULL || name.len == 0)
            return lk_error_set(error, LK_ERROR_INVALID, "--component-log-level: '%.*s' is not of the form name:level",
                                LK_STR_ARG(item));
        if (!lk_log_component_parse(name, &component))
            return lk_error_set(error, LK_ERROR_INVALID, "--component-log-level: unknown component '%.*s'",
                                LK_STR_ARG(name));
        if (!lk_log_level_parse(level, &parsed))
            return lk_error_set(error, LK_ERROR_INVALID, "--component-log-level: unknown level '%.*s'",
                                LK_STR_ARG(level));
    }
    return true;
}

static bool set_value(const struct lk_option_flag *flag, struct lk_options *options, const char *value,
                      struct lk_error *error)
{
    void *slot = (char *)options + flag->offset;
    unsigned choice = 0;

    if (value == NULL)
        value = ""; /* a flag that takes none */

    switch (flag->kind) {
    case LK_OPTION_SWITCH:
        *(bool *)slot = true;
        return true;
    case LK_OPTION_TEXT:
        *(const char **)slot = value;
        return true;
    case LK_OPTION_COMPONENTS:
        *(const char **)slot = value;
        return *value == '\0' || check_components(value, error);
    case LK_OPTION_NUMBER:
        return set_number(flag, slot, value, error);
    case LK_OPTION_CHOICE:
        return read_choice(flag, value, slot, error);
    case LK_OPTION_EITHER:
        if (!read_choice(flag, value, &choice, error))
            return false;
        *(bool *)slot = choice;
        return true;
    case LK_OPTION_MODE:
        options->mode = (enum lk_mode)flag->min;
        return true;
    case LK_OPTION_EPOCH:
        if (strcmp(value, "0") == 0)
            return true;
        return lk_error_set(error, LK_ERROR_UNSUPPORTED, "--%s: only 0 is possible, there is no hot restart",
                            flag->name);
    case LK_OPTION_REFUSED:
        return lk_error_set(error, LK_ERROR_UNSUPPORTED, "--%s is not supported: %s", flag->name, flag->help);
    case LK_OPTION_NOTHING:
        return true;
    }
    lk_panic("flag --%s has no kind", flag->name);
}

/* --- the walk ---------------------------------------------------------------------------------------------------- */

/* Splits "--flag=value"; *value is NULL where there is no '='. */
static struct lk_str split_value(const char *arg, const char **value)
{
    const char *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;

    *value = equals ? equals + 1 : NULL;
    return equals ? lk_str(arg, (size_t)(equals - arg)) : lk_str_from(arg);
}

static bool parse_flag(struct lk_options *options, char *const *argv, int argc, int *at, uint64_t *seen,
                       struct lk_error *error)
{
    const char *value;
    struct lk_str name = split_value(argv[*at], &value);
    const struct lk_option_flag *flag = find_flag(name);
    uint64_t bit;

    if (!flag)
        return lk_error_set(error, LK_ERROR_INVALID, "unknown flag %.*s; see --help", LK_STR_ARG(name));
    bit = (uint64_t)1 << (flag - lk_option_flags);
    if (*seen & bit)
        return lk_error_set(error, LK_ERROR_INVALID, "--%s is given twice", flag->name);
    *seen |= bit;
    if (flag->kind == LK_OPTION_REFUSED)
        return set_value(flag, options, "", error);
    if (!lk_option_takes_value(flag)) {
        if (value)
            return lk_error_set(error, LK_ERROR_INVALID, "--%s takes no value", flag->name);
    } else if (!value) {
        if (*at + 1 >= argc)
            return lk_error_set(error, LK_ERROR_INVALID, "%.*s: a value is missing", LK_STR_ARG(name));
        value = argv[++*at];
    }
    return set_value(flag, options, value, error);
}

static unsigned cpuset_size(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1)
        return 1;
    return LK_MIN((unsigned)CPU_COUNT(&set), (unsigned)CONCURRENCY_MAX);
}

/* An argument that is no flag, the file of validate-lanes. */
static bool take_file(struct lk_options *options, const char *arg, struct lk_error *error)
{
    if (options->lanes_path != NULL)
        return lk_error_set(error, LK_ERROR_INVALID, "unexpected argument %s; see --help", arg);
    options->lanes_path = arg;
    return true;
}

static bool check_file(const struct lk_options *options, struct lk_error *error)
{
    bool wanted = options->mode == LK_MODE_VALIDATE_LANES;

    if (options->lanes_path != NULL && !wanted)
        return lk_error_set(error, LK_ERROR_INVALID, "unexpected argument %s; see --help", options->lanes_path);
    if (wanted && (options->lanes_path == NULL || *options->lanes_path == '\0'))
        return lk_error_set(error, LK_ERROR_INVALID, "--mode validate-lanes: a file is missing; see --help");
    return true;
}

/* What depends on several flags. */
static bool finish(struct lk_options *options, bool concurrency_given, struct lk_error *error)
{
    if (concurrency_given)
        options->concurrency = LK_MAX(options->concurrency, 1u);
    else if (options->cpuset_threads)
        options->concurrency = cpuset_size();
    if ((options->mode == LK_MODE_SERVE || options->mode == LK_MODE_VALIDATE) &&
        (!options->config_path || !*options->config_path) && (!options->config_yaml || !*options->config_yaml))
        return lk_error_set(error, LK_ERROR_INVALID,
                            "no configuration: at least one of --config-path and --config-yaml is needed; see --help");
    return true;
}

bool lk_options_parse(struct lk_options *options, int argc, char *const *argv, struct lk_error *error)
{
    uint64_t seen = 0;
    bool concurrency_given;

    set_defaults(options);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0 || strcmp(argv[i], "--ignore_rest") == 0)
            break;
        if (argv[i][0] != '-') {
            if (!take_file(options, argv[i], error))
                return false;
            continue;
        }
        if (!parse_flag(options, argv, argc, &i, &seen, error))
            return false;
        if (options->mode == LK_MODE_HELP || options->mode == LK_MODE_VERSION)
            return true; /* as soon as they are met, whatever follows */
    }
    concurrency_given = seen & ((uint64_t)1 << (find_flag(LK_STR("--concurrency")) - lk_option_flags));
    return check_file(options, error) && finish(options, concurrency_given, error);
}
