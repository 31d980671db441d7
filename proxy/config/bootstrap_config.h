/* The bootstrap as plain data, from envoy.config.bootstrap.v3. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/config/access_log_config.h"
#include "proxy/config/cluster_config.h"
#include "proxy/config/listener_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_node_config {
    struct lk_str id, cluster;
    struct lk_locality locality;
    const struct lk_metadata *metadata; /* node.metadata as the only namespace's object: root itself */
};

struct lk_stats_tag_config {
    struct lk_str name, regex, fixed_value;
};

struct lk_runtime_entry {
    struct lk_str key, value;
};

struct lk_admin_config {
    bool set;
    struct lk_addr addr;
    const struct lk_access_log_config *access_logs;
    size_t access_log_count;
    struct lk_str access_log_path;
};

struct lk_watchdog_config {
    uint32_t miss_ms;     /* 200 */
    uint32_t megamiss_ms; /* 1000 */
    uint32_t kill_ms;     /* 0: never */
};

struct lk_bootstrap_config {
    struct lk_arena *arena;
    struct lk_node_config node;
    struct lk_listener_config **listeners;
    size_t listener_count;
    struct lk_cluster_config **clusters;
    size_t cluster_count;
    struct lk_admin_config admin;
    const struct lk_runtime_entry *runtime; /* merged layers, later ones win */
    size_t runtime_count;
    bool use_all_default_tags; /* true */
    const struct lk_stats_tag_config *stats_tags;
    size_t stats_tag_count;
    uint32_t stats_flush_interval_ms; /* 5000 */
    struct lk_watchdog_config main_watchdog, worker_watchdog;
    uint32_t max_downstream_connections; /* overload manager's global_downstream_max_connections monitor; 0: no limit */
    struct lk_str log_format;            /* application_log_config text_format */
};
