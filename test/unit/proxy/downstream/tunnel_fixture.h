/* A listener with a TCP tunnel to servers that the test plays. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/downstream/tcp_tunnel.h"
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct tunnel_test {
    struct session_fixture *f;
    struct lk_tcp_proxy_config config;
    struct lk_access_log_config log;
};

/* What the last session logged. */
static struct {
    unsigned lines;
    uint64_t flags, received, sent;
    char cluster[32];
    uint32_t attempts;
} logged;

static inline void log_session(const void *config, const struct lk_log_event *event)
{
    (void)config;
    logged.lines++;
    logged.flags = event->info->flags;
    logged.received = event->info->bytes_received;
    logged.sent = event->info->bytes_sent;
    logged.attempts = event->info->upstream.attempts;
    snprintf(logged.cluster, sizeof(logged.cluster), "%.*s", LK_STR_ARG(event->info->upstream.cluster));
}

static const struct lk_access_logger logger = {.name = "test.log", .type = "test.Log", .log = log_session};

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_tcp_proxy_config *config = (struct lk_tcp_proxy_config *)session_pointer(any);
    (void)errors;
    config->clusters = context->clusters;
    config->stats = lk_stats_scope_ref(context->stats, &lk_tcp_stat_block, LK_STR("tcp.test."));
    return config;
}

static const struct lk_network_filter tunnel_filter = {
    .name = "test.tunnel",
    .type = "test.Tunnel",
    .terminal = true,
    .config_new = config_new,
    .start = lk_tcp_tunnel_start,
    .on_drain = lk_tcp_tunnel_on_drain,
    .on_abort = lk_tcp_tunnel_on_abort,
};
static const struct lk_listener_filter *const listener_filters[] = {NULL};
static const struct lk_network_filter *const network_filters[] = {&tunnel_filter, NULL};
static const struct lk_http_filter *const http_filters[] = {NULL};
static const struct lk_access_logger *const access_loggers[] = {NULL};
static const struct lk_registry registry = {.listener_filters = listener_filters,
                                            .network_filters = network_filters,
                                            .http_filters = http_filters,
                                            .access_loggers = access_loggers};

static inline void begin(struct tunnel_test *t)
{
    memset(t, 0, sizeof(*t));
    memset(&logged, 0, sizeof(logged));
    t->f = session_new(&registry, 1);
    t->log.logger = &logger;
    t->config = (struct lk_tcp_proxy_config){
        .cluster = LK_STR("upstream"), .max_connect_attempts = 1, .access_logs = &t->log, .access_log_count = 1};
    session_network_filter(t->f, 0, "test.tunnel", &t->config);
}

static inline uint64_t tcp_stat(const struct tunnel_test *t, unsigned index)
{
    return lk_stats_value(t->config.stats, index);
}

static inline void finish(struct tunnel_test *t)
{
    struct lk_stats_scope *stats = t->config.stats;
    UPSTREAM_UNTIL(t->f->up, t->f->acceptor->session_count == 0);
    upstream_turn(t->f->up, 3);
    LK_CHECK_EQ_UINT(upstream_stat(t->f->up, LK_CLUSTER_CX_ACTIVE), 0);
    LK_CHECK_EQ_UINT(lk_breaker_used(&t->f->up->cluster->breakers[0], LK_RESOURCE_CONNECTIONS), 0);
    lk_stats_scope_unref(stats);
    session_free(t->f);
}

/* A client and the server that it was connected to. */
static inline void connect_through(struct tunnel_test *t, int *client, int *server)
{
    session_start(t->f);
    *client = session_connect(t->f, 0);
    *server = upstream_accept(t->f->up, 0);
}

/* A client whose system, and ours towards it, hold next to nothing that it does not read. */
static inline int narrow_client(struct tunnel_test *t)
{
    const struct lk_addr *addr = &t->f->listeners->all[0]->bound[0];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    setsockopt(t->f->listeners->all[0]->fds[0], SOL_SOCKET, SO_SNDBUF, &small,
               sizeof(small)); /* accepted ones inherit it */
    LK_CHECK_EQ_INT(connect(fd, &addr->sa, addr->len), 0);
    return fd;
}
