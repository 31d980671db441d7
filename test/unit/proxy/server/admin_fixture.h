/* An admin server over a real socket, on a server that was built and is not running, and a client. */
#pragma once

#include "proxy/server/admin.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/filter/admin_page.h"
#include "proxy/filter/registry.h"
#include "test/support/lk_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLUSTERS 700

static const struct lk_listener_filter *const no_listener_filters[] = {NULL};
static const struct lk_network_filter *const no_network_filters[] = {NULL};

struct fixture {
    struct lk_options options;
    struct lk_bootstrap_config bootstrap;
    struct lk_registry registry;
    struct lk_server server;
    struct lk_arena *arena;
    char *reply;
    size_t len, cap;
    unsigned log_lines;
    char log[256];
};

static struct fixture *current;

/* --- a logger that keeps its last line
 * ---------------------------------------------------------------------------------- */

static inline const void *log_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    (void)context;
    (void)errors;
    return any;
}

static inline void log_write(const void *config, const struct lk_log_event *event)
{
    struct lk_str path = lk_headers_get(event->request, LK_HEADER_PATH);
    struct lk_str client = lk_headers_get(event->request, LK_HEADER_X_FORWARDED_FOR);

    (void)config;
    current->log_lines++;
    snprintf(current->log, sizeof(current->log), "%.*s %u %llu %.*s%s", LK_STR_ARG(path), event->info->response_code,
             (unsigned long long)event->info->bytes_sent, LK_STR_ARG(client), event->info->flags ? " DC" : "");
}

static const struct lk_access_logger logger = {
    .name = "test", .type = "test.Log", .config_new = log_new, .log = log_write};
static const struct lk_access_logger *const loggers[] = {&logger, NULL};

/* --- the server ------------------------------------------------------------------------------------------------------
 */

static inline void on_clusters_ready(void *arg)
{
    *(bool *)arg = true;
}

static inline struct lk_cluster_config *make_cluster(struct fixture *fixture, unsigned number)
{
    static const struct lk_circuit_limits limits[2] = {
        {.max_connections = 1024, .max_pending = 1024, .max_requests = 1024, .max_retries = 3},
        {.max_connections = 7, .max_pending = 1024, .max_requests = 1024, .max_retries = 3}};
    struct lk_cluster_config *config = lk_arena_zalloc(fixture->arena, sizeof(*config));
    struct lk_endpoint *endpoint = lk_arena_zalloc(fixture->arena, sizeof(*endpoint));
    struct lk_locality_endpoints *locality = lk_arena_zalloc(fixture->arena, sizeof(*locality));
    struct lk_endpoints *endpoints = lk_arena_zalloc(fixture->arena, sizeof(*endpoints));

    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), (uint16_t)(number + 1), &endpoint->addr));
    endpoint->weight = 1;
    *locality = (struct lk_locality_endpoints){.endpoints = endpoint, .endpoint_count = 1};
    *endpoints = (struct lk_endpoints){.localities = locality, .locality_count = 1, .overprovisioning_factor = 140};
    lk_ref_init(&endpoints->ref);
    lk_ref_init(&config->ref);
    config->name = lk_arena_printf(fixture->arena, "c%u", number);
    config->stat_name = config->name;
    config->type = LK_CLUSTER_STATIC;
    config->limits = limits;
    config->endpoints = endpoints;
    return config;
}

static inline void fill_bootstrap(struct fixture *fixture)
{
    struct lk_bootstrap_config *bootstrap = &fixture->bootstrap;
    struct lk_access_log_config *log = lk_arena_zalloc(fixture->arena, sizeof(*log));

    bootstrap->arena = fixture->arena;
    bootstrap->clusters = lk_arena_array(fixture->arena, CLUSTERS, sizeof(struct lk_cluster_config *));
    bootstrap->cluster_count = CLUSTERS;
    for (unsigned i = 0; i < CLUSTERS; i++)
        bootstrap->clusters[i] = make_cluster(fixture, i);
    log->any.type = LK_STR("test.Log");
    bootstrap->node.id = LK_STR("<node & \"id\">");
    bootstrap->admin.set = true;
    bootstrap->admin.access_logs = log;
    bootstrap->admin.access_log_count = 1;
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &bootstrap->admin.addr));
}

/* http_filters: the types that are built in, ended by NULL. */
static inline void set_up_with(struct fixture *fixture, const struct lk_http_filter *const *http_filters)
{
    struct lk_errors errors;
    struct lk_error error;
    bool ready = false;

    memset(fixture, 0, sizeof(*fixture));
    current = fixture;
    fixture->arena = lk_arena_new();
    fixture->options = (struct lk_options){.concurrency = 1, .file_flush_interval_ms = 1000};
    fixture->registry = (struct lk_registry){.listener_filters = no_listener_filters,
                                             .network_filters = no_network_filters,
                                             .http_filters = http_filters,
                                             .access_loggers = loggers};
    fill_bootstrap(fixture);
    fixture->server.options = &fixture->options;
    fixture->server.bootstrap = &fixture->bootstrap;
    fixture->server.registry = &fixture->registry;
    lk_errors_init(&errors);
    LK_CHECK(lk_server_build(&fixture->server, &errors));
    lk_errors_fini(&errors);
    LK_CHECK(lk_clusters_start(fixture->server.clusters, on_clusters_ready, &ready, &error));
    LK_CHECK(ready);
    fixture->server.state = LK_SERVER_LIVE;
    fixture->server.admin = lk_admin_new(&fixture->server, &error);
    LK_CHECK_MSG(fixture->server.admin != NULL, "%s", error.text);
}

static inline void set_up(struct fixture *fixture)
{
    static const struct lk_http_filter *const no_http_filters[] = {NULL};

    set_up_with(fixture, no_http_filters);
}

static inline void turn(struct fixture *fixture)
{
    lk_loop_turn(fixture->server.main_loop, 2);
}

static inline void tear_down(struct fixture *fixture)
{
    lk_admin_free(fixture->server.admin);
    lk_clusters_stop(fixture->server.clusters);
    lk_loop_turn(fixture->server.main_loop, 0);
    lk_server_free(&fixture->server);
    lk_arena_free(fixture->arena);
    lk_free(fixture->reply);
}

/* --- a client --------------------------------------------------------------------------------------------------------
 */

static inline int open_client(struct fixture *fixture)
{
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(lk_admin_addr(fixture->server.admin), &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    LK_CHECK(fd >= 0);
    LK_CHECK_EQ_INT(connect(fd, sa, len), 0);
    return fd;
}

static inline void send_text(int fd, const char *text)
{
    LK_CHECK_EQ_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads what is there; false once the server has closed. */
static inline bool read_some(struct fixture *fixture, int fd)
{
    ssize_t got;

    fixture->reply = lk_grow(fixture->reply, &fixture->cap, fixture->len + 65537, 1);
    got = recv(fd, fixture->reply + fixture->len, 65536, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN;
    fixture->len += (size_t)got;
    fixture->reply[fixture->len] = '\0';
    return got > 0;
}

static inline void finish_client(struct fixture *fixture, int fd)
{
    uint64_t deadline = lk_clock_ms() + 10000;

    fixture->len = 0;
    while (read_some(fixture, fd)) {
        LK_CHECK(lk_clock_ms() < deadline);
        turn(fixture);
    }
    close(fd);
}

/* One request on a connection of its own: the whole reply as text. */
static inline const char *ask(struct fixture *fixture, const char *head, const char *body)
{
    int fd = open_client(fixture);
    char text[1024];

    snprintf(text, sizeof(text), "%s\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", head,
             strlen(body), body);
    send_text(fd, text);
    finish_client(fixture, fd);
    return fixture->reply;
}

static inline const char *get(struct fixture *fixture, const char *target)
{
    char head[256];

    snprintf(head, sizeof(head), "GET %s HTTP/1.1", target);
    return ask(fixture, head, "");
}

static inline void check_status(const char *reply, const char *status)
{
    LK_CHECK_MSG(strncmp(reply, "HTTP/1.1 ", 9) == 0 && strncmp(reply + 9, status, strlen(status)) == 0,
                 "wanted %s, got %.60s", status, reply);
}

static inline size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}
