/* An HTTP connection manager in front of an application that the test plays. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager.h"
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"
#include "test/unit/proxy/downstream/app_filter.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the manager
 * -------------------------------------------------------------------------------------------------------------- */

struct manager_test {
    struct session_fixture *f;
    struct lk_http_manager_config config;
    struct lk_http_filter_entry entry;
    struct lk_upgrade_config upgrade;
};

static inline void unref_stats(void *stats)
{
    lk_stats_scope_unref(stats);
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_http_manager_config *config = (struct lk_http_manager_config *)session_pointer(any);
    (void)errors;
    config->stats = lk_stats_scope_ref(context->stats, &lk_http_stat_block, LK_STR("http.test."));
    config->listener_stats =
        lk_stats_scope_ref(context->stats, &lk_listener_http_stat_block, LK_STR("listener.test.http.test."));
    lk_arena_on_free(context->arena, unref_stats, config->stats);
    lk_arena_on_free(context->arena, unref_stats, config->listener_stats);
    return config;
}

static inline void *worker_new(const void *config, struct lk_loop *loop)
{
    return lk_http_manager_worker_new(config, loop);
}

static inline void worker_free(void *worker)
{
    lk_http_manager_worker_free(worker);
}

static const struct lk_network_filter manager_filter = {
    .name = "test.manager",
    .type = "test.Manager",
    .terminal = true,
    .config_new = config_new,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .start = lk_http_manager_start,
    .on_drain = lk_http_manager_on_drain,
    .on_abort = lk_http_manager_on_abort,
};
static const struct lk_listener_filter *const listener_filters[] = {NULL};
static const struct lk_network_filter *const network_filters[] = {&manager_filter, NULL};
static const struct lk_http_filter *const http_filters[] = {NULL};
static const struct lk_access_logger *const access_loggers[] = {NULL};
static const struct lk_registry registry = {.listener_filters = listener_filters,
                                            .network_filters = network_filters,
                                            .http_filters = http_filters,
                                            .access_loggers = access_loggers};

/* One virtual host for every name with one route for every path. */
static inline struct lk_route_table *all_routes(void)
{
    static const struct lk_str any[] = {LK_STR_INIT("*")};
    struct lk_arena *arena = lk_arena_new();
    struct lk_route_config *config = lk_arena_zalloc(arena, sizeof(*config));
    struct lk_virtual_host *host = lk_arena_zalloc(arena, sizeof(*host));
    struct lk_route *route = lk_arena_zalloc(arena, sizeof(*route));
    struct lk_error error;
    lk_ref_init(&config->ref);
    config->arena = arena;
    config->virtual_hosts = host;
    config->virtual_host_count = 1;
    host->domains = any;
    host->domain_count = 1;
    host->routes = route;
    host->route_count = 1;
    route->virtual_host = host;
    route->match.case_sensitive = true;
    route->match.path = LK_STR("/");
    route->action.cluster = LK_STR("upstream");
    struct lk_route_table *table = lk_route_table_new(config, &error);
    LK_CHECK_NOT_NULL(table);
    return table;
}

static inline void begin(struct manager_test *t)
{
    memset(t, 0, sizeof(*t));
    memset(&app, 0, sizeof(app));
    t->f = session_new(&registry, 1);
    t->entry = (struct lk_http_filter_entry){.filter = &app_filter, .name = LK_STR("app")};
    t->upgrade = (struct lk_upgrade_config){.type = LK_STR("websocket"), .enabled = true};
    t->config = (struct lk_http_manager_config){
        .stat_prefix = LK_STR("test"),
        .routes = all_routes(),
        .chain = {.entries = &t->entry, .count = 1},
        .generate_request_id = true,
        .server_name = LK_STR("test"),
        .drain_timeout_ms = 5000,
        .delayed_close_timeout_ms = 100,
        .h1 = {.max_headers_kb = 60, .max_headers_count = 100, .accept_http10 = true, .allow_absolute_url = true},
        .upgrades = &t->upgrade,
        .upgrade_count = 1,
    };
    session_network_filter(t->f, 0, "test.manager", &t->config);
}

static inline int start(struct manager_test *t)
{
    session_start(t->f);
    return session_connect(t->f, 0);
}

static inline uint64_t http_stat(const struct manager_test *t, unsigned index)
{
    return lk_stats_value(t->config.stats, index);
}

static inline void finish(struct manager_test *t)
{
    struct lk_route_table *routes = t->config.routes;
    lk_acceptor_abort(t->f->acceptor);
    UPSTREAM_UNTIL(t->f->up, t->f->acceptor->session_count == 0);
    upstream_turn(t->f->up, 3);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_HTTP1_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_RQ_ACTIVE), 0);
    LK_CHECK_EQ_UINT(http_stat(t, LK_HTTP_CX_UPGRADES_ACTIVE), 0);
    LK_CHECK_EQ_UINT(app.destroyed, app.created);
    session_free(t->f);
    lk_route_table_unref(routes);
}

#define GET(path) "GET " path " HTTP/1.1\r\nhost: h\r\n\r\n"

/* How often a text occurs in what was read last. */
static inline unsigned count_of(const struct manager_test *t, const char *part)
{
    unsigned count = 0;
    for (const char *p = t->f->got; (p = strstr(p, part)) != NULL; p++)
        count++;
    return count;
}
