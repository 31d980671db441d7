/* A cluster whose hosts are checked, with the test as the hosts. */
#pragma once

#include "proxy/config/health_config.h"
#include "proxy/upstream/health_checker.h"
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"

#include <unistd.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
#define BAD_ANSWER "HTTP/1.1 500 Bad\r\ncontent-length: 0\r\n\r\n"

struct health {
    struct upstream_fixture *f;
    struct lk_health_check_config check;
};

/* One HTTP check per host, every few milliseconds, thresholds of 1, a timeout that no test meets by accident. */
static inline void health_new(struct health *h, unsigned hosts)
{
    static const struct lk_status_range ok = {.start = 200, .end = 201};
    memset(h, 0, sizeof(*h));
    h->f = upstream_new(hosts);
    h->check.kind = LK_CHECK_HTTP;
    h->check.timeout_ms = 5000;
    h->check.interval_ms = 5;
    h->check.unhealthy_interval_ms = 5;
    h->check.unhealthy_edge_interval_ms = 5;
    h->check.healthy_edge_interval_ms = 5;
    h->check.no_traffic_interval_ms = 5;
    h->check.no_traffic_healthy_interval_ms = 5;
    h->check.healthy_threshold = 1;
    h->check.unhealthy_threshold = 1;
    h->check.reuse_connection = true;
    h->check.http.path = LK_STR("/healthz");
    h->check.http.method = LK_STR("GET");
    h->check.http.expected = (struct lk_status_ranges){.list = &ok, .count = 1};
    h->check.http.buffer_size = 1024;
    h->f->config.health_check = &h->check;
}

static inline struct lk_host *health_host(struct health *h, size_t i)
{
    struct lk_host_set *set = lk_cluster_hosts(h->f->cluster);
    struct lk_host *host = set->hosts[i];
    lk_host_set_unref(set); /* the cluster keeps it */
    return host;
}

static inline uint32_t health_flags(struct health *h, size_t i)
{
    return lk_host_flags(health_host(h, i)->state);
}

static inline uint64_t health_stat(struct health *h, const char *name)
{
    char full[256];
    uint64_t value = 0;
    snprintf(full, sizeof(full), "cluster.upstream.%s", name);
    LK_CHECK_MSG(lk_stats_find(h->f->stats, lk_str_from(full), &value), "no stat %s", full);
    return value;
}

/* The next check of the host on this connection is answered so. */
static inline void health_answer(struct health *h, int fd, const char *answer)
{
    upstream_read(h->f, fd, "\r\n\r\n");
    upstream_write(fd, answer);
}

/* Starts; the first check of the only host passes on the connection that is returned. */
static inline int health_start_healthy(struct health *h)
{
    upstream_start(h->f);
    int fd = upstream_accept(h->f, 0);
    health_answer(h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h->f, h->f->ready);
    LK_CHECK_EQ_UINT(health_flags(h, 0), 0);
    return fd;
}
