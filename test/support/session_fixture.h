/*
 * Listeners on loopback with one worker's acceptor, on the loop of an upstream fixture (whose cluster tunnels and
 * routers use). The test is the client: it connects, writes and reads with plain calls that turn the loop meanwhile.
 *
 *     struct session_fixture *f = session_new(&registry, 1);
 *     session_chain(f, 0, "test.terminal", &config);   (filters find what they are given by session_pointer)
 *     session_start(f);
 *     int client = session_connect(f, 0);
 */
#pragma once

#include "proxy/downstream/acceptor.h"
#include "proxy/filter/registry.h"
#include "test/support/upstream_fixture.h"

#define SESSION_LISTENERS_MAX 2
#define SESSION_FILTERS_MAX 4

struct session_fixture {
    struct upstream_fixture *up;
    struct lk_loop *loop;
    struct lk_filter_context context;
    struct lk_listeners *listeners;
    struct lk_acceptor *acceptor;
    unsigned count;
    struct lk_listener_config config[SESSION_LISTENERS_MAX]; /* changed by the test before session_start */
    struct lk_listen_address address[SESSION_LISTENERS_MAX];
    struct lk_listener_filter_config filters[SESSION_LISTENERS_MAX][SESSION_FILTERS_MAX];
    struct lk_filter_chain_config chain[SESSION_LISTENERS_MAX];
    struct lk_network_filter_config network[SESSION_LISTENERS_MAX][SESSION_FILTERS_MAX];
    char got[1 << 20]; /* of the last session_read */
    size_t got_len;
};

/* Listeners on 127.0.0.1, each with one chain that takes everything and has no filters yet; one upstream host. The
 * cluster's configuration may be changed before session_start. */
struct session_fixture *session_new(const struct lk_registry *registry, unsigned listeners);
/* Appends a network filter to the chain of a listener, or a listener filter. `pointer` reaches config_new: see
 * session_pointer. */
void session_network_filter(struct session_fixture *f, unsigned listener, const char *name, const void *pointer);
void session_listener_filter(struct session_fixture *f, unsigned listener, const char *name, const void *pointer);
/* The same with typed bytes, for filters that decode them. */
void session_listener_filter_typed(struct session_fixture *f, unsigned listener, const char *type, struct lk_str value);
void session_network_filter_typed(struct session_fixture *f, unsigned listener, const char *type, struct lk_str value);
/* What config_new of a scripted filter returns: the pointer that was given with the filter. */
const void *session_pointer(const struct lk_any *any);
/* Builds, binds and accepts. */
void session_start(struct session_fixture *f);
/* Stops, aborts what is left, and checks that nothing is left over. */
void session_free(struct session_fixture *f);

int session_connect(struct session_fixture *f, unsigned listener);
/* Reads until `until` was seen (NULL: until the end); the text is in f->got, with terminator. */
const char *session_read(struct session_fixture *f, int fd, const char *until);
/* The peer closes (or resets) without another byte. */
void session_expect_end(struct session_fixture *f, int fd);
/* Nothing to read now. */
bool session_silent(struct session_fixture *f, int fd);
uint64_t session_stat(const struct session_fixture *f, unsigned listener, unsigned index);
