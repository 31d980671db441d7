/*
 * lanekeeper: arguments, configuration, wiring, and off it goes. The only file that knows every layer: it hands the
 * filter table to the registry and the decoded bootstrap to the server.
 */
#include "filters/filter_table.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/filter/format_eval.h"
#include "proxy/io/local_address.h"
#include "proxy/server/options.h"
#include "proxy/server/server.h"
#include "proxy/server/server_internal.h"
#include "xds/bootstrap.h"
#include "xds/config_dump.h"
#include "xds/lane_check.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static bool set_up_log(const struct lk_options *options, struct lk_error *error)
{
    lk_log_set_all(options->log_level);
    if (options->component_log_level != NULL &&
        !lk_log_set_components(lk_str_from(options->component_log_level), error))
        return false;
    if (options->log_format != NULL && !lk_log_set_format(options->log_format, error))
        return false;
    return options->log_path == NULL || lk_log_open(options->log_path, error);
}

/* --enable-core-dump: also for a process that gained capabilities when it started, whose cores the kernel withholds. */
static void allow_core_dump(void)
{
    struct rlimit limit;
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        LK_LOG(MAIN, WARN, "no core dump: prctl: %s", strerror(errno));
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_CORE, &limit) != 0)
            LK_LOG(MAIN, WARN, "no core dump: setrlimit: %s", strerror(errno));
    }
}

static void install_runtime(const struct lk_bootstrap_config *bootstrap, struct lk_runtime *runtime)
{
    for (size_t i = 0; i < bootstrap->runtime_count; i++)
        lk_runtime_set(runtime, bootstrap->runtime[i].key, bootstrap->runtime[i].value);
    lk_runtime_install(runtime);
}

static bool install_tags(struct lk_server *server, struct lk_errors *errors)
{
    const struct lk_bootstrap_config *bootstrap = server->bootstrap;
    struct lk_stats_tag_rule *rules = lk_calloc(bootstrap->stats_tag_count + 1, sizeof(*rules));
    for (size_t i = 0; i < bootstrap->stats_tag_count; i++)
        rules[i] = (struct lk_stats_tag_rule){.tag = bootstrap->stats_tags[i].name,
                                              .regex = bootstrap->stats_tags[i].regex,
                                              .fixed_value = bootstrap->stats_tags[i].fixed_value};
    size_t mark = lk_errors_push(errors, "stats_config");
    bool ok =
        lk_stats_set_tags(server->stats, rules, bootstrap->stats_tag_count, bootstrap->use_all_default_tags, errors);
    lk_errors_pop(errors, mark);
    lk_free(rules);
    return ok;
}

/* Everything that can be wrong with a configuration comes out here, in one run. */
static bool build(struct lk_server *server, struct lk_bootstrap *bootstrap, struct lk_errors *errors)
{
    bool ok = lk_server_build(server, errors) && !lk_errors_any(errors);
    ok &= install_tags(server, errors);
    lk_bootstrap_report(bootstrap, errors);
    lk_bootstrap_trim(bootstrap);
    malloc_trim(0); /* the texts of a large configuration lie between what stays */
    server->report.warnings = errors->warnings;
    server->report.warning_count = errors->warning_count;
    server->report.unknown_fields = lk_bootstrap_unknown_fields(bootstrap);
    return ok && !lk_errors_any(errors);
}

static int serve(struct lk_server *server, struct lk_bootstrap *bootstrap, struct lk_errors *errors)
{
    const struct lk_options *options = server->options;
    server->bootstrap = lk_bootstrap_config(bootstrap);
    if (!build(server, bootstrap, errors)) {
        if (options->mode == LK_MODE_VALIDATE)
            printf("configuration '%s' is not valid\n", lk_bootstrap_name(bootstrap));
        return EXIT_FAILURE;
    }
    if (options->mode == LK_MODE_VALIDATE) {
        printf("configuration '%s' OK\n", lk_bootstrap_name(bootstrap));
        return EXIT_SUCCESS;
    }
    struct lk_config_dump_source dump = {lk_bootstrap_packed(bootstrap), server->start_wall_us};
    server->report.dump = lk_config_dump;
    server->report.arg = &dump;
    return lk_server_run(server);
}

static int run(const struct lk_options *options)
{
    struct lk_server server = {.options = options, .registry = &lk_filter_table};
    struct lk_errors errors;
    int result = EXIT_FAILURE;
    lk_errors_init(&errors);
    lk_registry_register_operators(&lk_filter_table);
    struct lk_bootstrap_options load = {
        .path = options->config_path,
        .yaml = options->config_yaml,
        .allow_unknown = options->allow_unknown_static,
        .format_extensions = lk_format_extension_names(),
        .service_cluster = options->service_cluster,
        .service_node = options->service_node,
        .service_zone = options->service_zone,
    };
    struct lk_bootstrap *bootstrap = lk_bootstrap_load(&load, &errors);
    struct lk_runtime *runtime = lk_runtime_new();
    lk_local_address_init(options->prefer_ipv6 ? AF_INET6 : AF_INET);
    if (bootstrap != NULL) {
        install_runtime(lk_bootstrap_config(bootstrap), runtime);
        result = serve(&server, bootstrap, &errors);
        lk_server_free(&server);
        lk_bootstrap_free(bootstrap);
    } else if (options->mode == LK_MODE_VALIDATE) {
        printf("configuration is not valid\n");
    }
    lk_runtime_install(NULL);
    lk_runtime_free(runtime);
    lk_errors_fini(&errors);
    return result;
}

int main(int argc, char **argv)
{
    struct lk_options options;
    struct lk_error error;
    if (!lk_options_parse(&options, argc, argv, &error)) {
        fprintf(stderr, "lanekeeper: %s\nTry 'lanekeeper --help'.\n", error.text);
        return EXIT_FAILURE;
    }
    if (options.mode == LK_MODE_VERSION) {
        lk_options_print_version(argv[0]);
        return EXIT_SUCCESS;
    }
    if (options.mode == LK_MODE_HELP) {
        lk_options_print_help(argv[0]);
        return EXIT_SUCCESS;
    }
    if (!set_up_log(&options, &error)) {
        fprintf(stderr, "lanekeeper: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (options.mode == LK_MODE_VALIDATE_LANES)
        return lk_lane_check(options.lanes_path, options.allow_unknown_static) ? EXIT_SUCCESS : EXIT_FAILURE;
    lk_crash_install();
    if (options.enable_core_dump)
        allow_core_dump();
    return run(&options);
}
