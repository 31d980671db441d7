/*
 * The running process: what main wires together, the workers, and the life cycle. The main thread owns everything here;
 * workers get work by mailbox.
 */
#pragma once

#include "proxy/config/bootstrap_config.h"
#include "proxy/downstream/acceptor.h"
#include "proxy/downstream/listener.h"
#include "proxy/io/file_sink.h"
#include "proxy/io/loop.h"
#include "proxy/server/options.h"
#include "proxy/stats/stats.h"
#include "proxy/upstream/cluster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lk_registry;
struct lk_admin;

/* Envoy's server states, also the value of the gauge server.state. */
enum lk_server_state { LK_SERVER_LIVE, LK_SERVER_DRAINING, LK_SERVER_PRE_INITIALIZING, LK_SERVER_INITIALIZING };
const char *lk_server_state_name(enum lk_server_state state);

/* prefix "server." */
#define LK_SERVER_STATS(X)                                                                                             \
    X(UPTIME, "uptime", GAUGE)                                                                                         \
    X(CONCURRENCY, "concurrency", GAUGE)                                                                               \
    X(MEMORY_ALLOCATED, "memory_allocated", GAUGE)                                                                     \
    X(MEMORY_HEAP_SIZE, "memory_heap_size", GAUGE)                                                                     \
    X(MEMORY_PHYSICAL_SIZE, "memory_physical_size", GAUGE)                                                             \
    X(LIVE, "live", GAUGE)                                                                                             \
    X(STATE, "state", GAUGE)                                                                                           \
    X(PARENT_CONNECTIONS, "parent_connections", GAUGE)                                                                 \
    X(TOTAL_CONNECTIONS, "total_connections", GAUGE)                                                                   \
    X(VERSION, "version", GAUGE)                                                                                       \
    X(DAYS_UNTIL_FIRST_CERT, "days_until_first_cert_expiring", GAUGE)                                                  \
    X(WATCHDOG_MISS, "watchdog_miss", COUNTER)                                                                         \
    X(WATCHDOG_MEGA_MISS, "watchdog_mega_miss", COUNTER)                                                               \
    X(DEBUG_ASSERTIONS, "debug_assertion_failures", COUNTER)                                                           \
    X(STATIC_UNKNOWN_FIELDS, "static_unknown_fields", COUNTER)                                                         \
    X(DYNAMIC_UNKNOWN_FIELDS, "dynamic_unknown_fields", COUNTER)                                                       \
    X(CONFIG_WARNINGS, "config_warnings", GAUGE)   /* ours: fields that are known and not acted on */                  \
    X(REGEX_LIMIT_HITS, "regex_limit_hits", GAUGE) /* ours */                                                          \
    X(INIT_TIME_MS, "initialization_time_ms", HISTOGRAM)

/* prefix "listener_manager." and "cluster_manager.", the part of Envoy's that tools ask for */
#define LK_MANAGER_STATS(X)                                                                                            \
    X(LISTENERS_ACTIVE, "listener_manager.total_listeners_active", GAUGE)                                              \
    X(LISTENERS_WARMING, "listener_manager.total_listeners_warming", GAUGE)                                            \
    X(LISTENERS_DRAINING, "listener_manager.total_listeners_draining", GAUGE)                                          \
    X(LISTENER_ADDED, "listener_manager.listener_added", COUNTER)                                                      \
    X(LISTENER_CREATE_SUCCESS, "listener_manager.listener_create_success", COUNTER)                                    \
    X(LISTENER_CREATE_FAILURE, "listener_manager.listener_create_failure", COUNTER)                                    \
    X(WORKERS_STARTED, "listener_manager.workers_started", GAUGE)                                                      \
    X(CLUSTERS_ACTIVE, "cluster_manager.active_clusters", GAUGE)                                                       \
    X(CLUSTERS_WARMING, "cluster_manager.warming_clusters", GAUGE)                                                     \
    X(CLUSTER_ADDED, "cluster_manager.cluster_added", COUNTER)                                                         \
    X(FILE_WRITE_COMPLETED, "filesystem.write_completed", GAUGE)                                                       \
    X(FILE_WRITE_DROPPED, "filesystem.write_dropped", GAUGE)                                                           \
    X(FILE_WRITE_FAILED, "filesystem.write_failed", GAUGE)                                                             \
    X(FILE_REOPEN_FAILED, "filesystem.reopen_failed", GAUGE)

#define LK_SERVER_ENUM_(id, name, kind) LK_SERVER_STAT_##id,
enum { LK_SERVER_STATS(LK_SERVER_ENUM_) LK_SERVER_STAT_COUNT };
#define LK_MANAGER_ENUM_(id, name, kind) LK_MANAGER_STAT_##id,
enum { LK_MANAGER_STATS(LK_MANAGER_ENUM_) LK_MANAGER_STAT_COUNT };

/* What a thread's handler of fatal signals runs on. */
struct lk_crash_stack {
    char bytes[65536];
};

struct lk_worker {
    struct lk_server *server;
    unsigned index;
    pthread_t thread;
    struct lk_loop *loop;
    struct lk_acceptor *acceptor;
    char name[16];
    struct lk_crash_stack crash_stack;
};

/* What configuration has to say about itself, for /config_dump and /config_warnings; filled by main from xds. */
struct lk_config_report {
    /* The bootstrap as JSON text of envoy.admin.v3.BootstrapConfigDump and kin; made on demand, free with free().
     * resource: NULL or the value of ?resource=; mask likewise. NULL: no such resource (error says so). */
    char *(*dump)(void *arg, struct lk_str resource, struct lk_str mask, struct lk_str name_regex, bool include_eds,
                  struct lk_error *error);
    void *arg;
    const struct lk_error_item *warnings;
    size_t warning_count;
    size_t unknown_fields; /* server.static_unknown_fields */
};

struct lk_server {
    const struct lk_options *options;
    const struct lk_bootstrap_config *bootstrap;
    const struct lk_registry *registry;
    struct lk_config_report report;
    struct lk_stats *stats;
    struct lk_stats_scope *server_stats;  /* LK_SERVER_STATS */
    struct lk_stats_scope *manager_stats; /* LK_MANAGER_STATS */
    struct lk_loop *main_loop;
    struct lk_loop **loops; /* workers, then main */
    struct lk_worker *workers;
    unsigned worker_count;
    struct lk_clusters *clusters;
    struct lk_listeners *listeners;
    struct lk_file_sinks *sinks;
    struct lk_admin *admin;
    struct lk_arena *config_arena; /* listener configurations and their filters */
    enum lk_server_state state;
    bool health_failed; /* /healthcheck/fail */
    bool draining_inbound, draining_all;
    bool stopping;           /* SIGTERM was seen */
    bool drain_inbound_only; /* of a graceful POST /drain_listeners */
    uint64_t drain_deadline_us;
    uint64_t start_us; /* monotonic */
    int64_t start_wall_us;
    uint64_t ready_us;
    struct lk_timer drain_timer;
    struct lk_timer flush_timer;
    unsigned workers_left;
    atomic_bool watchdog_stop;
    pthread_t watchdog;
    int exit_code;
};

/* lifecycle.c; main thread */
/* Builds clusters and listeners from server->bootstrap. Appends to errors. In validate mode nothing is opened. */
bool lk_server_build(struct lk_server *server, struct lk_errors *errors);
/* Binds, starts workers, runs until stopped; returns the exit code. */
int lk_server_run(struct lk_server *server);
void lk_server_free(struct lk_server *server);
/* POST /quitquitquit, second SIGTERM: stop now, gracefully for what is in progress up to a short limit. */
void lk_server_stop(struct lk_server *server);
/* SIGTERM: inbound first, connections end at their next response, forced after --drain-time-s. */
void lk_server_drain_and_stop(struct lk_server *server);
/* POST /drain_listeners: inbound_only, graceful (connections end at their next response while listeners go on accepting
 * for the drain time), skip_exit (listeners stay open after it). */
void lk_server_drain_listeners(struct lk_server *server, bool inbound_only, bool graceful, bool skip_exit);
void lk_server_set_health(struct lk_server *server, bool failed);
/* Gauges that are measured when asked. */
void lk_server_update_gauges(struct lk_server *server);
/* Connections open on all listeners. */
unsigned lk_server_connections(const struct lk_server *server);
