/* The command line, Envoy's names (docs: operations/cli). Plain data, filled by options.c, read by everybody. */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_mode { LK_MODE_SERVE, LK_MODE_VALIDATE, LK_MODE_VALIDATE_LANES, LK_MODE_VERSION, LK_MODE_HELP };
enum lk_drain_strategy { LK_DRAIN_GRADUAL, LK_DRAIN_IMMEDIATE };

struct lk_options {
    enum lk_mode mode;
    const char *config_path; /* NULL: none */
    const char *config_yaml; /* NULL: none; merged over the file */
    const char *lanes_path;  /* --mode validate-lanes: the argument that is no flag */
    unsigned concurrency;    /* 0: by CPU quota */
    enum lk_log_level log_level;
    const char *component_log_level;
    const char *log_path;
    const char *log_format;
    const char *service_cluster;
    const char *service_node;
    const char *service_zone;
    const char *admin_address_path;  /* the admin's bound address is written to this file */
    uint32_t drain_time_s;           /* 600 */
    uint32_t parent_shutdown_time_s; /* 900; accepted for compatibility */
    enum lk_drain_strategy drain_strategy;
    bool prefer_ipv6;                /* --local-address-ip-version v6 */
    uint32_t file_flush_interval_ms; /* 10000 */
    uint32_t file_flush_min_bytes;   /* 65536 */
    bool allow_unknown_static;
    bool reject_unknown_dynamic;
    bool ignore_unknown_dynamic;
    bool skip_deprecated_logs; /* accepted for compatibility */
    bool enable_core_dump;
    bool cpuset_threads; /* took effect in concurrency */
    uint32_t base_id;    /* accepted for compatibility: there is no hot restart */
};

/* Strings point into argv. False: *error says which flag and what was expected. */
bool lk_options_parse(struct lk_options *options, int argc, char *const *argv, struct lk_error *error) LK_MUST_CHECK;
void lk_options_print_help(const char *program);
/* "<revision>/<version>/<Clean|Modified>/<RELEASE|DEBUG>", for --version and /server_info. */
const char *lk_version_text(void);
void lk_options_print_version(const char *program);
