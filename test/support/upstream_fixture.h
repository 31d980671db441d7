/*
 * A cluster on a loop, with its hosts on loopback and their sockets in the test's hands. The test plays the servers: it
 * accepts, reads and answers with plain blocking calls, and turns the loop in between.
 */
#pragma once

#include "proxy/upstream/cluster.h"
#include "proxy/upstream/pool.h"

#include <stdbool.h>
#include <stddef.h>

#define UPSTREAM_HOSTS_MAX 8

struct upstream_fixture {
    struct lk_stats *stats;
    struct lk_loop *loop;
    struct lk_loop *loops[1];
    struct lk_clusters *clusters;
    struct lk_cluster_config config; /* changed by the test before upstream_start */
    struct lk_circuit_limits limits[2];
    struct lk_arena arena; /* endpoints and names */
    struct lk_cluster *cluster;
    struct lk_cluster_view *view;
    int listeners[UPSTREAM_HOSTS_MAX]; /* -1: closed, so that connects are refused */
    struct lk_addr addrs[UPSTREAM_HOSTS_MAX];
    int fds_before;
    bool ready; /* the cluster can be used */
};

/* A STATIC cluster "upstream", round robin, limits of 1024, with listening sockets for `hosts` hosts. */
struct upstream_fixture *upstream_new(unsigned hosts);
/* Adds the cluster and makes the loop's view. */
void upstream_start(struct upstream_fixture *f);
/* Closes pools and checks that no descriptor and no chunk is left. */
void upstream_free(struct upstream_fixture *f);

/* An assignment of these hosts (indices into addrs), all healthy. */
struct lk_host_set *upstream_hosts(struct upstream_fixture *f, const unsigned *indices, size_t count);
/* The host that the balancer picks; the caller unrefs. */
struct lk_worker_host *upstream_pick(struct upstream_fixture *f);
/* Takes the next connection from host i, turning the loop meanwhile. Blocking. */
int upstream_accept(struct upstream_fixture *f, unsigned i);
/* Whether a connection waits to be accepted from host i. */
bool upstream_pending(struct upstream_fixture *f, unsigned i);
/* Reads until the text `until` was seen, turning the loop meanwhile. */
void upstream_read(struct upstream_fixture *f, int fd, const char *until);
void upstream_write(int fd, const char *text);
/* Ends a socket by a reset. */
void upstream_reset(int fd);
/* Value of a stat of the cluster. */
uint64_t upstream_stat(const struct upstream_fixture *f, unsigned index);

/* Turns the loop until the condition holds; fails the test after about ten seconds. */
#define UPSTREAM_UNTIL(f_, cond_)                                                                                      \
    do {                                                                                                               \
        for (int turns_ = 0; !(cond_); turns_++) {                                                                     \
            LK_CHECK_MSG(turns_ < 2000, "never came true: %s", #cond_);                                                \
            lk_loop_turn((f_)->loop, 5);                                                                               \
        }                                                                                                              \
    } while (0)
void upstream_turn(struct upstream_fixture *f, int turns);
