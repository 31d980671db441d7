/* Servers on loopback in the test's hands. See upstream_fixture.h. */
#include "test/support/upstream_fixture.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    LK_CHECK_NOT_NULL(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static int listen_on_loopback(struct lk_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, addr));
    LK_CHECK_EQ_INT(bind(fd, &addr->sa, addr->len), 0);
    LK_CHECK_EQ_INT(listen(fd, 64), 0);
    socklen_t len = sizeof(addr->in);
    LK_CHECK_EQ_INT(getsockname(fd, &addr->sa, &len), 0);
    return fd;
}

struct upstream_fixture *upstream_new(unsigned hosts)
{
    struct upstream_fixture *f = lk_calloc(1, sizeof(*f));
    LK_CHECK(hosts <= UPSTREAM_HOSTS_MAX);
    f->fds_before = open_fds();
    lk_arena_init(&f->arena);
    for (unsigned i = 0; i < UPSTREAM_HOSTS_MAX; i++)
        f->listeners[i] = -1;
    for (unsigned i = 0; i < hosts; i++)
        f->listeners[i] = listen_on_loopback(&f->addrs[i]);
    f->stats = lk_stats_new(1);
    lk_stats_thread = 0;
    f->loop = lk_loop_new(&(struct lk_loop_options){.index = 0, .name = "test_upstream"});
    f->loops[0] = f->loop;
    f->limits[0] = (struct lk_circuit_limits){
        .max_connections = 1024, .max_pending = 1024, .max_requests = 1024, .max_retries = 3};
    f->limits[1] = f->limits[0];
    lk_ref_init(&f->config.ref);
    f->config.name = f->config.stat_name = LK_STR("upstream");
    f->config.type = LK_CLUSTER_STATIC;
    f->config.limits = f->limits;
    f->config.connect_timeout_ms = 5000;
    f->config.buffer_limit = 1u << 20;
    f->config.panic_percent = 50;
    f->config.idle_timeout_ms = 3600000;
    f->config.cleanup_interval_ms = 5000;
    f->config.least_request_choices = 2;
    f->config.least_request_active_bias = 1.0;
    return f;
}

static struct lk_endpoints *assignment(struct upstream_fixture *f, const unsigned *indices, size_t count)
{
    struct lk_endpoints *all = lk_arena_zalloc(&f->arena, sizeof(*all));
    struct lk_locality_endpoints *group = lk_arena_zalloc(&f->arena, sizeof(*group));
    struct lk_endpoint *endpoints = lk_arena_array(&f->arena, count + 1, sizeof(*endpoints));
    for (size_t i = 0; i < count; i++) {
        endpoints[i].addr = f->addrs[indices[i]];
        endpoints[i].weight = 1;
        endpoints[i].hostname = lk_arena_printf(&f->arena, "host-%u", indices[i]);
    }
    lk_ref_init(&all->ref);
    group->endpoints = endpoints;
    group->endpoint_count = count;
    all->localities = group;
    all->locality_count = 1;
    return all;
}

static void on_ready(void *arg)
{
    struct upstream_fixture *f = arg;
    LK_CHECK(!f->ready);
    f->ready = true;
}

void upstream_start(struct upstream_fixture *f)
{
    struct lk_clusters_options options = {.stats = f->stats, .main_loop = f->loop, .loops = f->loops, .loop_count = 1};
    struct lk_errors errors;
    struct lk_error error;
    unsigned indices[UPSTREAM_HOSTS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < UPSTREAM_HOSTS_MAX; i++) {
        if (f->listeners[i] >= 0)
            indices[count++] = i;
    }
    if (f->config.type == LK_CLUSTER_STATIC && f->config.endpoints == NULL)
        f->config.endpoints = assignment(f, indices, count);
    lk_errors_init(&errors);
    f->clusters = lk_clusters_new(&options);
    LK_CHECK(lk_clusters_add(f->clusters, &f->config, &errors));
    lk_errors_fini(&errors);
    LK_CHECK(lk_clusters_start(f->clusters, on_ready, f, &error));
    f->view = lk_cluster_view_get(f->clusters, f->loop, LK_STR("upstream"));
    f->cluster = f->view->cluster;
}

void upstream_free(struct upstream_fixture *f)
{
    size_t in_use, cached;
    if (f->clusters != NULL) {
        lk_clusters_stop(f->clusters);
        lk_cluster_views_close(f->clusters, f->loop);
        upstream_turn(f, 2);
        lk_clusters_free(f->clusters);
    }
    lk_chunk_pool_usage(lk_loop_pool(f->loop), &in_use, &cached);
    LK_CHECK_MSG(in_use <= LK_CHUNK_LARGE, "%zu bytes of chunks in use at the end", in_use); /* the scratch chunk */
    lk_loop_free(f->loop);
    lk_stats_free(f->stats);
    for (unsigned i = 0; i < UPSTREAM_HOSTS_MAX; i++) {
        if (f->listeners[i] >= 0)
            close(f->listeners[i]);
    }
    lk_arena_reset(&f->arena);
    LK_CHECK_EQ_INT(open_fds(), f->fds_before);
    lk_free(f);
}

struct lk_host_set *upstream_hosts(struct upstream_fixture *f, const unsigned *indices, size_t count)
{
    return lk_host_set_from_endpoints(f->cluster, assignment(f, indices, count));
}

struct lk_worker_host *upstream_pick(struct upstream_fixture *f)
{
    struct lk_pick pick = {.original_dst = NULL};
    return lk_cluster_pick(f->view, &pick);
}

bool upstream_pending(struct upstream_fixture *f, unsigned i)
{
    struct pollfd poller = {.fd = f->listeners[i], .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

int upstream_accept(struct upstream_fixture *f, unsigned i)
{
    UPSTREAM_UNTIL(f, upstream_pending(f, i));
    int fd = accept4(f->listeners[i], NULL, NULL, SOCK_CLOEXEC);
    LK_CHECK(fd >= 0);
    return fd;
}

void upstream_read(struct upstream_fixture *f, int fd, const char *until)
{
    char data[65536];
    size_t len = 0;
    for (int turns = 0;; turns++) {
        ssize_t n = recv(fd, data + len, sizeof(data) - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        data[len] = '\0';
        if (strstr(data, until) != NULL)
            return;
        LK_CHECK_MSG(turns < 2000 && n != 0 && len < sizeof(data) - 1, "\"%s\" never came, only \"%s\"", until, data);
        lk_loop_turn(f->loop, 5);
    }
}

void upstream_write(int fd, const char *text)
{
    LK_CHECK_EQ_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
}

void upstream_reset(int fd)
{
    const struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

uint64_t upstream_stat(const struct upstream_fixture *f, unsigned index)
{
    return lk_stats_value(f->view->stats, index);
}

void upstream_turn(struct upstream_fixture *f, int turns)
{
    while (turns-- > 0)
        lk_loop_turn(f->loop, 0);
}
