/* Start, serve, drain, stop. Runs on the main thread; see server.h. */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/matcher.h"
#include "proxy/filter/filter_context.h"
#include "proxy/server/admin.h"
#include "proxy/server/server_internal.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often a drain looks whether it is over. */
#define DRAIN_POLL_MS 20

static const struct lk_stat_def server_defs[] = {
#define X(id, name, kind) {name, LK_STAT_##kind},
    LK_SERVER_STATS(X)};
static const struct lk_stat_block server_block = {server_defs, LK_SERVER_STAT_COUNT};
static const struct lk_stat_def manager_defs[] = {LK_MANAGER_STATS(X)
#undef X
};
static const struct lk_stat_block manager_block = {manager_defs, LK_MANAGER_STAT_COUNT};

const char *lk_server_state_name(enum lk_server_state state)
{
    static const char *const names[] = {"LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"};
    return names[state];
}

static void set_state(struct lk_server *server, enum lk_server_state state)
{
    server->state = state;
    lk_stats_set(server->server_stats, LK_SERVER_STAT_STATE, state);
    lk_stats_set(server->server_stats, LK_SERVER_STAT_LIVE, state == LK_SERVER_LIVE);
}

/* --- build -------------------------------------------------------------------------------------------------------- */

static bool build_clusters(struct lk_server *server, struct lk_errors *errors)
{
    const struct lk_bootstrap_config *bootstrap = server->bootstrap;
    struct lk_clusters_options options = {.stats = server->stats,
                                          .main_loop = server->main_loop,
                                          .loops = server->loops,
                                          .loop_count = server->worker_count + 1};
    bool ok = true;
    server->clusters = lk_clusters_new(&options);
    size_t mark = lk_errors_push(errors, "static_resources");
    for (size_t i = 0; i < bootstrap->cluster_count; i++) {
        size_t item = lk_errors_push_index(errors, "clusters", i);
        ok &= lk_clusters_add(server->clusters, bootstrap->clusters[i], errors);
        lk_errors_pop(errors, item);
    }
    lk_errors_pop(errors, mark);
    lk_stats_set(server->manager_stats, LK_MANAGER_STAT_CLUSTERS_ACTIVE, bootstrap->cluster_count);
    lk_stats_add(server->manager_stats, LK_MANAGER_STAT_CLUSTER_ADDED, bootstrap->cluster_count);
    return ok;
}

static bool build_listeners(struct lk_server *server, struct lk_errors *errors)
{
    const struct lk_bootstrap_config *bootstrap = server->bootstrap;
    struct lk_filter_context context = {
        .arena = server->config_arena,
        .stats = server->stats,
        .main_loop = server->main_loop,
        .worker_count = server->worker_count,
        .registry = server->registry,
        .clusters = server->clusters,
        .sinks = server->sinks,
        .bootstrap = bootstrap,
        .validate_only = server->options->mode == LK_MODE_VALIDATE,
        .allow_unknown = server->options->allow_unknown_static,
    };
    bool ok = true;
    server->listeners = lk_listeners_new(server->worker_count, bootstrap->max_downstream_connections);
    size_t mark = lk_errors_push(errors, "static_resources");
    for (size_t i = 0; i < bootstrap->listener_count; i++) {
        size_t item = lk_errors_push_index(errors, "listeners", i);
        ok &= lk_listeners_add(server->listeners, bootstrap->listeners[i], &context, errors);
        lk_errors_pop(errors, item);
    }
    lk_errors_pop(errors, mark);
    return ok;
}

bool lk_server_build(struct lk_server *server, struct lk_errors *errors)
{
    server->start_us = lk_clock_us();
    server->start_wall_us = lk_clock_wall_us();
    server->worker_count = server->options->concurrency > 0 ? server->options->concurrency : lk_cpu_quota();
    server->stats = lk_stats_new(server->worker_count + 2); /* workers, main, watchdog */
    lk_stats_thread = server->worker_count;
    server->server_stats = lk_stats_scope_ref(server->stats, &server_block, LK_STR("server."));
    server->manager_stats = lk_stats_scope_ref(server->stats, &manager_block, LK_STR(""));
    set_state(server, LK_SERVER_PRE_INITIALIZING);
    server->main_loop = lk_loop_new(&(struct lk_loop_options){.index = server->worker_count, .name = "main_thread"});
    server->workers = lk_calloc(server->worker_count, sizeof(*server->workers));
    server->loops = lk_calloc(server->worker_count + 1, sizeof(struct lk_loop *));
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct lk_worker *worker = &server->workers[i];
        worker->server = server;
        worker->index = i;
        snprintf(worker->name, sizeof(worker->name), "worker_%u", i % 10000);
        worker->loop = lk_loop_new(&(struct lk_loop_options){.index = i, .name = worker->name});
        server->loops[i] = worker->loop;
    }
    server->loops[server->worker_count] = server->main_loop;
    if (server->options->mode != LK_MODE_VALIDATE)
        server->sinks = lk_file_sinks_new(server->worker_count + 1, server->options->file_flush_interval_ms,
                                          server->options->file_flush_min_bytes);
    server->config_arena = lk_arena_new();
    bool ok = build_clusters(server, errors);
    return build_listeners(server, errors) && ok;
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static void fail_start(struct lk_server *server, const char *what, const struct lk_error *error)
{
    LK_LOG(MAIN, CRITICAL, "%s: %s", what, error->text);
    server->exit_code = 1;
    lk_server_stop(server);
}

/* Every cluster knows its hosts: open the doors. */
static void on_clusters_ready(void *arg)
{
    struct lk_server *server = arg;
    struct lk_error error;
    if (!lk_listeners_bind(server->listeners, &error)) {
        fail_start(server, "cannot listen", &error);
        return;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!lk_worker_start(&server->workers[i], &error)) {
            fail_start(server, "cannot start workers", &error);
            return;
        }
        server->workers_left++;
    }
    size_t count = server->listeners->count;
    lk_stats_set(server->manager_stats, LK_MANAGER_STAT_LISTENERS_ACTIVE, count);
    lk_stats_add(server->manager_stats, LK_MANAGER_STAT_LISTENER_ADDED, count);
    lk_stats_add(server->manager_stats, LK_MANAGER_STAT_LISTENER_CREATE_SUCCESS, count * server->worker_count);
    lk_stats_set(server->manager_stats, LK_MANAGER_STAT_WORKERS_STARTED, 1);
    server->ready_us = lk_clock_us();
    lk_stats_record(server->server_stats, LK_SERVER_STAT_INIT_TIME_MS, (server->ready_us - server->start_us) / 1000);
    if (server->state != LK_SERVER_DRAINING)
        set_state(server, LK_SERVER_LIVE);
    LK_LOG(MAIN, INFO, "ready after %llu ms: %zu listeners, %zu clusters, %u workers",
           (unsigned long long)((server->ready_us - server->start_us) / 1000), count,
           lk_clusters_count(server->clusters), server->worker_count);
}

static void on_stats_flush(struct lk_timer *timer)
{
    struct lk_server *server = LK_CONTAINER_OF(timer, struct lk_server, flush_timer);
    lk_stats_flush_interval(server->stats);
    lk_timer_set(server->main_loop, timer, server->bootstrap->stats_flush_interval_ms);
}

static bool write_admin_address(struct lk_server *server, struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    const char *path = server->options->admin_address_path;
    if (path == NULL || server->admin == NULL)
        return true;
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return lk_error_errno(error, "cannot write --admin-address-path %s", path);
    struct lk_str addr = lk_addr_text(lk_admin_addr(server->admin), text);
    fwrite(addr.ptr, 1, addr.len, file);
    fclose(file);
    return true;
}

static void on_drain_timer(struct lk_timer *timer);

static void start(struct lk_server *server)
{
    struct lk_error error;
    set_state(server, LK_SERVER_INITIALIZING);
    lk_stats_set(server->server_stats, LK_SERVER_STAT_CONCURRENCY, server->worker_count);
    lk_stats_set(server->server_stats, LK_SERVER_STAT_CONFIG_WARNINGS, server->report.warning_count);
    lk_stats_add(server->server_stats, LK_SERVER_STAT_STATIC_UNKNOWN_FIELDS, server->report.unknown_fields);
    lk_timer_init(&server->drain_timer, on_drain_timer);
    lk_timer_init(&server->flush_timer, on_stats_flush);
    lk_timer_set(server->main_loop, &server->flush_timer, server->bootstrap->stats_flush_interval_ms);
    if (server->bootstrap->admin.set) {
        server->admin = lk_admin_new(server, &error);
        if (server->admin == NULL) {
            fail_start(server, "cannot open the admin interface", &error);
            return;
        }
    }
    if (!write_admin_address(server, &error)) {
        fail_start(server, "admin", &error);
        return;
    }
    if (!lk_watchdog_start(server, &error)) {
        fail_start(server, "watchdog", &error);
        return;
    }
    if (!lk_clusters_start(server->clusters, on_clusters_ready, server, &error))
        fail_start(server, "cannot start name resolution", &error);
}

static void join_workers(struct lk_server *server)
{
    for (unsigned i = 0; i < server->workers_left; i++)
        pthread_join(server->workers[i].thread, NULL);
    server->workers_left = 0;
}

int lk_server_run(struct lk_server *server)
{
    lk_signals_install(server);
    start(server);
    if (server->exit_code == 0)
        lk_loop_run(server->main_loop);
    join_workers(server);
    lk_watchdog_stop(server);
    lk_clusters_stop(server->clusters);
    lk_cluster_views_close(server->clusters, server->main_loop);
    lk_timer_clear(&server->drain_timer);
    lk_timer_clear(&server->flush_timer);
    if (server->admin != NULL)
        lk_admin_free(server->admin);
    server->admin = NULL;
    lk_loop_turn(server->main_loop, 0);
    lk_file_sinks_flush(server->sinks);
    lk_signals_remove(server);
    LK_LOG(MAIN, INFO, "exiting");
    return server->exit_code;
}

void lk_server_free(struct lk_server *server)
{
    lk_listeners_free(server->listeners);
    if (server->config_arena != NULL)
        lk_arena_free(server->config_arena);
    for (unsigned i = 0; i <= server->worker_count && server->loops != NULL; i++) {
        if (i < server->worker_count && server->loops[i] != NULL)
            lk_loop_turn(server->loops[i], 0); /* updates that were posted too late */
    }
    lk_clusters_free(server->clusters);
    for (unsigned i = 0; i <= server->worker_count && server->loops != NULL; i++)
        lk_loop_free(server->loops[i]);
    if (server->sinks != NULL)
        lk_file_sinks_free(server->sinks);
    lk_stats_scope_unref(server->server_stats);
    lk_stats_scope_unref(server->manager_stats);
    lk_stats_free(server->stats);
    lk_free(server->workers);
    lk_free(server->loops);
}

/* --- drain and stop ------------------------------------------------------------------------------------------------
 */

static void worker_stop_listeners(struct lk_worker *worker, unsigned long inbound_only)
{
    lk_acceptor_stop(worker->acceptor, inbound_only != 0);
}

static void worker_drain(struct lk_worker *worker, unsigned long inbound_only)
{
    lk_acceptor_drain(worker->acceptor, inbound_only != 0);
}

static void worker_quit(struct lk_worker *worker, unsigned long arg)
{
    (void)arg;
    lk_acceptor_stop(worker->acceptor, false);
    lk_acceptor_abort(worker->acceptor);
    lk_loop_stop(worker->loop);
}

static void on_workers(struct lk_server *server, void (*fn)(struct lk_worker *worker, unsigned long arg),
                       unsigned long arg)
{
    for (unsigned i = 0; i < server->workers_left; i++)
        lk_worker_run(&server->workers[i], fn, arg);
}

void lk_server_stop(struct lk_server *server)
{
    on_workers(server, worker_quit, 0);
    lk_loop_stop(server->main_loop);
}

static void mark_draining(struct lk_server *server, bool inbound_only)
{
    for (size_t i = 0; i < server->listeners->count; i++) {
        struct lk_listener *listener = server->listeners->all[i];
        if (!inbound_only || listener->config->direction == LK_DIRECTION_INBOUND)
            atomic_store(&listener->draining, true);
    }
    if (!inbound_only)
        atomic_store(&server->listeners->draining, true);
}

static unsigned connections_of(const struct lk_server *server, bool inbound)
{
    unsigned sum = 0;
    for (size_t i = 0; i < server->listeners->count; i++) {
        const struct lk_listener *listener = server->listeners->all[i];
        if (!inbound || listener->config->direction == LK_DIRECTION_INBOUND)
            sum += atomic_load_explicit(&((struct lk_listener *)listener)->connections, memory_order_relaxed);
    }
    return sum;
}

unsigned lk_server_connections(const struct lk_server *server)
{
    return connections_of(server, false);
}

static bool has_inbound(const struct lk_server *server)
{
    for (size_t i = 0; i < server->listeners->count; i++) {
        if (server->listeners->all[i]->config->direction == LK_DIRECTION_INBOUND)
            return true;
    }
    return false;
}

static void drain_all(struct lk_server *server)
{
    atomic_store(&server->listeners->drain_over_ms, 0); /* a stopping process does not dawdle */
    server->draining_all = true;
    mark_draining(server, false);
    on_workers(server, worker_stop_listeners, 0);
    on_workers(server, worker_drain, 0);
}

/* SIGTERM's progress: first inbound runs dry, then the rest, then the end. */
static void drain_step(struct lk_server *server)
{
    if (!server->draining_all && connections_of(server, true) == 0)
        drain_all(server);
    else if (server->draining_all && connections_of(server, false) == 0) {
        lk_server_stop(server);
        return;
    }
    if (lk_loop_now_us(server->main_loop) >= server->drain_deadline_us) {
        unsigned left = lk_server_connections(server);
        LK_LOG(MAIN, WARN, "drain time is over: closing %u connections", left);
        lk_server_stop(server);
        return;
    }
    lk_timer_set(server->main_loop, &server->drain_timer, DRAIN_POLL_MS);
}

static void on_drain_timer(struct lk_timer *timer)
{
    struct lk_server *server = LK_CONTAINER_OF(timer, struct lk_server, drain_timer);
    if (server->stopping) {
        drain_step(server);
        return;
    }
    /* the end of a graceful POST /drain_listeners */
    on_workers(server, worker_stop_listeners, server->drain_inbound_only);
}

void lk_server_drain_and_stop(struct lk_server *server)
{
    if (server->stopping || server->workers_left == 0) {
        lk_server_stop(server);
        return;
    }
    server->stopping = true;
    set_state(server, LK_SERVER_DRAINING);
    server->drain_deadline_us = lk_loop_now_us(server->main_loop) + (uint64_t)server->options->drain_time_s * 1000000;
    LK_LOG(MAIN, INFO, "draining %u connections, at most %u s", lk_server_connections(server),
           server->options->drain_time_s);
    if (has_inbound(server)) {
        server->draining_inbound = true;
        atomic_store(&server->listeners->drain_over_ms, 0);
        mark_draining(server, true);
        on_workers(server, worker_stop_listeners, 1);
        on_workers(server, worker_drain, 1);
    } else {
        drain_all(server);
    }
    lk_timer_set(server->main_loop, &server->drain_timer, DRAIN_POLL_MS);
}

void lk_server_drain_listeners(struct lk_server *server, bool inbound_only, bool graceful, bool skip_exit)
{
    if (server->stopping)
        return;
    bool gradual = graceful && server->options->drain_strategy == LK_DRAIN_GRADUAL;
    atomic_store(&server->listeners->drain_begin_ms, lk_clock_ms());
    atomic_store(&server->listeners->drain_over_ms, gradual ? (uint64_t)server->options->drain_time_s * 1000 : 0);
    mark_draining(server, inbound_only);
    if (!gradual)
        on_workers(server, worker_drain, inbound_only);
    if (!graceful) {
        on_workers(server, worker_stop_listeners, inbound_only);
    } else if (!skip_exit) {
        server->drain_inbound_only = inbound_only;
        lk_timer_set(server->main_loop, &server->drain_timer, (uint64_t)server->options->drain_time_s * 1000);
    }
}

void lk_server_set_health(struct lk_server *server, bool failed)
{
    server->health_failed = failed;
    if (server->stopping)
        return;
    /* clients are sent elsewhere with their next answer (envoy DrainManager: health check failed) */
    atomic_store(&server->listeners->drain_over_ms, 0);
    atomic_store(&server->listeners->draining, failed);
    if (failed && server->state == LK_SERVER_LIVE)
        set_state(server, LK_SERVER_DRAINING);
    else if (!failed && server->state == LK_SERVER_DRAINING)
        set_state(server, LK_SERVER_LIVE);
}

/* --- gauges ----------------------------------------------------------------------------------------------------------
 */

static uint64_t resident_bytes(void)
{
    char line[128] = "";
    char *rest;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    fclose(file);
    strtoull(line, &rest, 10); /* the whole address space, then what is resident, in pages */
    return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void lk_server_update_gauges(struct lk_server *server)
{
    struct lk_stats_scope *stats = server->server_stats;
    struct mallinfo2 heap = mallinfo2();
    lk_stats_set(stats, LK_SERVER_STAT_UPTIME, (lk_clock_us() - server->start_us) / 1000000);
    lk_stats_set(stats, LK_SERVER_STAT_MEMORY_ALLOCATED, heap.uordblks + heap.hblkhd);
    lk_stats_set(stats, LK_SERVER_STAT_MEMORY_HEAP_SIZE, heap.arena + heap.hblkhd);
    lk_stats_set(stats, LK_SERVER_STAT_MEMORY_PHYSICAL_SIZE, resident_bytes());
    lk_stats_set(stats, LK_SERVER_STAT_TOTAL_CONNECTIONS, lk_server_connections(server));
    lk_stats_set(stats, LK_SERVER_STAT_REGEX_LIMIT_HITS, lk_regex_limit_hits());
    if (server->sinks != NULL) {
        struct lk_file_sink_stats files;
        lk_file_sinks_stats(server->sinks, &files);
        lk_stats_set(server->manager_stats, LK_MANAGER_STAT_FILE_WRITE_COMPLETED, files.written_lines);
        lk_stats_set(server->manager_stats, LK_MANAGER_STAT_FILE_WRITE_DROPPED, files.dropped_lines);
        lk_stats_set(server->manager_stats, LK_MANAGER_STAT_FILE_WRITE_FAILED, files.write_failures);
        lk_stats_set(server->manager_stats, LK_MANAGER_STAT_FILE_REOPEN_FAILED, files.reopen_failures);
    }
}
