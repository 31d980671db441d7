/* The command line: every flag of the table reaches its field, and every mistake is named. */
#include "proxy/server/options.h"

#include "proxy/base/mem.h"
#include "proxy/server/options_table.h"
#include "test/support/lk_test.h"

static struct lk_options options;
static struct lk_error error;

static bool parse_argv(int argc, char *const *argv)
{
    memset(&options, 0xee, sizeof(options));
    memset(&error, 0, sizeof(error));
    return lk_options_parse(&options, argc, argv, &error);
}

/* Ends with NULL; the program's name and a configuration come first. */
#define PARSE(...)                                                                                                     \
    parse_argv((int)LK_ARRAY_LEN(((char *[]){"lanekeeper", "-c", "file", __VA_ARGS__})),                               \
               ((char *[]){"lanekeeper", "-c", "file", __VA_ARGS__}))
#define PARSE_ONLY(...)                                                                                                \
    parse_argv((int)LK_ARRAY_LEN(((char *[]){"lanekeeper", __VA_ARGS__})), ((char *[]){"lanekeeper", __VA_ARGS__}))

LK_TEST(options, have_the_defaults_of_envoy)
{
    LK_CHECK(PARSE_ONLY("--config-path", "a.yaml"));
    LK_CHECK_EQ_INT(options.mode, LK_MODE_SERVE);
    LK_CHECK_STR(options.config_path, "a.yaml");
    LK_CHECK_NULL(options.config_yaml);
    LK_CHECK_EQ_UINT(options.concurrency, 0);
    LK_CHECK_EQ_INT(options.log_level, LK_LOG_INFO);
    LK_CHECK_EQ_UINT(options.drain_time_s, 600);
    LK_CHECK_EQ_UINT(options.parent_shutdown_time_s, 900);
    LK_CHECK_EQ_INT(options.drain_strategy, LK_DRAIN_GRADUAL);
    LK_CHECK_EQ_UINT(options.file_flush_interval_ms, 10000);
    LK_CHECK_EQ_UINT(options.file_flush_min_bytes, 65536);
    LK_CHECK(!options.prefer_ipv6 && !options.allow_unknown_static && !options.reject_unknown_dynamic);
    LK_CHECK(!options.ignore_unknown_dynamic && !options.enable_core_dump);
}

LK_TEST(options, take_values_after_a_space_or_an_equals_sign)
{
    LK_CHECK(PARSE("--concurrency", "3", "--service-node=a=b", "-l", "debug"));
    LK_CHECK_EQ_UINT(options.concurrency, 3);
    LK_CHECK_STR(options.service_node, "a=b");
    LK_CHECK_EQ_INT(options.log_level, LK_LOG_DEBUG);
}

LK_TEST(options, take_a_value_that_looks_like_a_flag)
{
    LK_CHECK(PARSE("--service-node", "--service-cluster", "--service-cluster", ""));
    LK_CHECK_STR(options.service_node, "--service-cluster");
    LK_CHECK_STR(options.service_cluster, "");
}

LK_TEST(options, set_every_field)
{
    LK_CHECK(PARSE("--config-yaml", "{}", "--mode", "validate", "--log-level", "warn", "--component-log-level",
                   "http:trace,pool:off", "--log-path", "log", "--log-format", "%v", "--service-cluster", "sc",
                   "--service-zone", "sz", "--admin-address-path", "aap", "--drain-time-s", "5", "--drain-strategy",
                   "immediate", "--parent-shutdown-time-s", "6", "--local-address-ip-version", "v6",
                   "--file-flush-interval-msec", "7", "--file-flush-min-size-kb", "8", "--allow-unknown-static-fields",
                   "--reject-unknown-dynamic-fields", "--ignore-unknown-dynamic-fields", "--base-id", "4294967295"));
    LK_CHECK_STR(options.config_yaml, "{}");
    LK_CHECK_EQ_INT(options.mode, LK_MODE_VALIDATE);
    LK_CHECK_EQ_INT(options.log_level, LK_LOG_WARN);
    LK_CHECK_STR(options.component_log_level, "http:trace,pool:off");
    LK_CHECK_STR(options.log_path, "log");
    LK_CHECK_STR(options.log_format, "%v");
    LK_CHECK_STR(options.service_cluster, "sc");
    LK_CHECK_STR(options.service_zone, "sz");
    LK_CHECK_STR(options.admin_address_path, "aap");
    LK_CHECK_EQ_UINT(options.drain_time_s, 5);
    LK_CHECK_EQ_INT(options.drain_strategy, LK_DRAIN_IMMEDIATE);
    LK_CHECK_EQ_UINT(options.parent_shutdown_time_s, 6);
    LK_CHECK(options.prefer_ipv6);
    LK_CHECK_EQ_UINT(options.file_flush_interval_ms, 7);
    LK_CHECK_EQ_UINT(options.file_flush_min_bytes, 8192);
    LK_CHECK(options.allow_unknown_static && options.reject_unknown_dynamic && options.ignore_unknown_dynamic);
    LK_CHECK_EQ_UINT(options.base_id, UINT32_MAX);
}

LK_TEST(options, accept_what_pilot_agent_sends)
{
    LK_CHECK(PARSE("--drain-time-s", "45", "--drain-strategy", "immediate", "--local-address-ip-version", "v4",
                   "--file-flush-interval-msec", "1000", "--disable-hot-restart", "--allow-unknown-static-fields", "-l",
                   "warning", "--component-log-level", "misc:error", "--skip-deprecated-logs", "--enable-core-dump",
                   "--file-flush-min-size-kb", "64", "--concurrency", "2"));
    LK_CHECK(options.enable_core_dump && options.skip_deprecated_logs);
    LK_CHECK(!options.prefer_ipv6);
}

LK_TEST(options, have_at_least_one_worker_when_the_number_is_given)
{
    LK_CHECK(PARSE("--concurrency", "0"));
    LK_CHECK_EQ_UINT(options.concurrency, 1);
    LK_CHECK(PARSE("--cpuset-threads"));
    LK_CHECK(options.concurrency >= 1);
    LK_CHECK(PARSE("--cpuset-threads", "--concurrency", "1000"));
    LK_CHECK_EQ_UINT(options.concurrency, 1000);
}

LK_TEST(options, name_an_unknown_flag)
{
    LK_CHECK(!PARSE("--no-such-flag=1"));
    LK_CHECK_CONTAINS(error.text, "unknown flag --no-such-flag;");
    LK_CHECK(!PARSE("-z"));
    LK_CHECK_CONTAINS(error.text, "unknown flag -z;");
    LK_CHECK(!PARSE("-linfo"));
    LK_CHECK_CONTAINS(error.text, "-linfo");
    LK_CHECK(!PARSE("-"));
    LK_CHECK(!PARSE(""));
    LK_CHECK(!PARSE("---"));
    LK_CHECK(!PARSE("stray"));
    LK_CHECK_CONTAINS(error.text, "unexpected argument stray");
}

LK_TEST(options, take_the_file_of_validate_lanes)
{
    LK_CHECK(PARSE_ONLY("--mode", "validate-lanes", "t.yaml"));
    LK_CHECK_EQ_INT(options.mode, LK_MODE_VALIDATE_LANES);
    LK_CHECK_STR(options.lanes_path, "t.yaml");
    LK_CHECK(PARSE_ONLY("t.yaml", "--mode=validate-lanes", "-l", "off"));
    LK_CHECK_STR(options.lanes_path, "t.yaml");
    LK_CHECK(!PARSE_ONLY("--mode", "validate-lanes"));
    LK_CHECK_CONTAINS(error.text, "a file is missing");
    LK_CHECK(!PARSE_ONLY("--mode", "validate-lanes", ""));
    LK_CHECK_CONTAINS(error.text, "a file is missing");
    LK_CHECK(!PARSE_ONLY("--mode", "validate-lanes", "a", "b"));
    LK_CHECK_CONTAINS(error.text, "unexpected argument b");
    LK_CHECK(!PARSE("--mode", "validate", "a"));
    LK_CHECK_CONTAINS(error.text, "unexpected argument a");
}

LK_TEST(options, refuse_a_flag_given_twice)
{
    LK_CHECK(!PARSE("--concurrency", "1", "--concurrency", "1"));
    LK_CHECK_CONTAINS(error.text, "--concurrency is given twice");
    LK_CHECK(!PARSE("--config-path", "b"));
    LK_CHECK_CONTAINS(error.text, "--config-path is given twice");
    LK_CHECK(!PARSE("--disable-hot-restart", "--disable-hot-restart"));
}

LK_TEST(options, refuse_a_missing_or_superfluous_value)
{
    LK_CHECK(!PARSE("--concurrency"));
    LK_CHECK_CONTAINS(error.text, "--concurrency: a value is missing");
    LK_CHECK(!PARSE_ONLY("-c"));
    LK_CHECK_CONTAINS(error.text, "-c: a value is missing");
    LK_CHECK(!PARSE("--enable-core-dump=1"));
    LK_CHECK_CONTAINS(error.text, "--enable-core-dump takes no value");
}

LK_TEST(options, refuse_numbers_that_are_none_or_out_of_range)
{
    static const char *const bad[] = {"many", "-1", "", "1x", " 1", "1025", "4294967296", "99999999999999999999",
                                      "0x1"};

    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++) {
        LK_CHECK_MSG(!PARSE("--concurrency", (char *)(uintptr_t)bad[i]), "accepted '%s'", bad[i]);
        LK_CHECK_CONTAINS(error.text, "--concurrency");
        LK_CHECK_CONTAINS(error.text, "0 to 1024");
    }
    LK_CHECK(!PARSE("--file-flush-min-size-kb", "1048577"));
    LK_CHECK(PARSE("--file-flush-min-size-kb", "1048576"));
    LK_CHECK_EQ_UINT(options.file_flush_min_bytes, 1u << 30);
    LK_CHECK(!PARSE("--drain-time-s", "-"));
}

LK_TEST(options, name_the_choices_of_a_wrong_one)
{
    LK_CHECK(!PARSE("--mode", "dance"));
    LK_CHECK_CONTAINS(error.text, "--mode: unknown value 'dance', expected one of serve, validate");
    LK_CHECK(!PARSE("--drain-strategy", "sudden"));
    LK_CHECK_CONTAINS(error.text, "gradual, immediate");
    LK_CHECK(!PARSE("--local-address-ip-version", "v5"));
    LK_CHECK(!PARSE("-l", "loud"));
    LK_CHECK_CONTAINS(error.text, "loud");
}

LK_TEST(options, check_component_levels)
{
    LK_CHECK(!PARSE("--component-log-level", "http"));
    LK_CHECK_CONTAINS(error.text, "'http' is not of the form name:level");
    LK_CHECK(!PARSE("--component-log-level", "http:info,nope:info"));
    LK_CHECK_CONTAINS(error.text, "unknown component 'nope'");
    LK_CHECK(!PARSE("--component-log-level", "http:loud"));
    LK_CHECK_CONTAINS(error.text, "unknown level 'loud'");
    LK_CHECK(!PARSE("--component-log-level", "http:info,"));
    LK_CHECK(PARSE("--component-log-level", ""));
}

LK_TEST(options, need_a_configuration_to_serve_or_validate)
{
    LK_CHECK(!parse_argv(1, (char *[]){"lanekeeper"}));
    LK_CHECK_CONTAINS(error.text, "--config-path");
    LK_CHECK(!PARSE_ONLY("--mode", "validate"));
    LK_CHECK(!PARSE_ONLY("-c", ""));
    LK_CHECK(PARSE_ONLY("--config-yaml", "{}"));
}

LK_TEST(options, stop_at_help_and_version)
{
    LK_CHECK(PARSE_ONLY("--version", "--nonsense"));
    LK_CHECK_EQ_INT(options.mode, LK_MODE_VERSION);
    LK_CHECK(PARSE_ONLY("-h"));
    LK_CHECK_EQ_INT(options.mode, LK_MODE_HELP);
    LK_CHECK(!PARSE_ONLY("--nonsense", "--help"));
}

LK_TEST(options, ignore_what_follows_a_double_dash)
{
    LK_CHECK(PARSE("--", "--nonsense"));
    LK_CHECK(PARSE("--ignore_rest", "--nonsense"));
}

LK_TEST(options, refuse_a_hot_restart_with_a_reason)
{
    LK_CHECK(PARSE("--restart-epoch", "0"));
    LK_CHECK(!PARSE("--restart-epoch", "1"));
    LK_CHECK_EQ_INT(error.code, LK_ERROR_UNSUPPORTED);
    LK_CHECK(!PARSE("--socket-path", "x"));
    LK_CHECK_CONTAINS(error.text, "--socket-path is not supported: there is no hot restart");
    LK_CHECK(!PARSE("--stats-tag=a:b"));
    LK_CHECK_CONTAINS(error.text, "stats_config.stats_tags");
}

LK_TEST(options, have_a_table_without_duplicates_whose_entries_all_parse)
{
    for (size_t i = 0; i < lk_option_flag_count; i++) {
        const struct lk_option_flag *flag = &lk_option_flags[i];

        for (size_t j = 0; j < i; j++)
            LK_CHECK_MSG(strcmp(flag->name, lk_option_flags[j].name) != 0, "--%s is there twice", flag->name);
        LK_CHECK_MSG(*flag->help, "--%s has no help", flag->name);
        LK_CHECK_EQ_INT(flag->kind == LK_OPTION_NUMBER, flag->scale > 0);
        LK_CHECK(flag->scale == 0 || flag->max <= UINT32_MAX / flag->scale);
    }
}

LK_TEST(options, tell_the_version_in_four_parts)
{
    unsigned slashes = 0;

    for (const char *p = lk_version_text(); *p; p++)
        slashes += *p == '/';
    LK_CHECK_EQ_UINT(slashes, 3);
}
