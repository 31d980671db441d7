/*
 * A listener made ready from configuration, and all listeners of the process. Built on the main thread and immutable
 * while workers use it, except the declared atomics. Sockets are bound by main, one per address, and shared by all
 * workers.
 */
#pragma once

#include "proxy/base/map.h"
#include "proxy/downstream/filter_chain.h"
#include "proxy/filter/listener_filter.h"
#include "proxy/io/loop.h"
#include "proxy/stats/stat_names.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct lk_listener_filter_entry {
    const struct lk_listener_filter *filter;
    const void *config;
    const struct lk_listener_predicate *disabled;
};

struct lk_listener {
    const struct lk_listener_config *config;
    struct lk_listeners *set;
    unsigned index;
    struct lk_stats_scope *stats; /* lk_listener_stat_block */
    struct lk_filter_chain *chains;
    size_t chain_count;
    struct lk_filter_chain *default_chain; /* NULL: none */
    struct lk_listener_filter_entry *filters;
    unsigned filter_count;
    const struct lk_access_log_config *access_logs;
    size_t access_log_count;
    unsigned worker_slots; /* per-worker filter states of all chains */
    int *fds;              /* by address; -1: not bound. With reuse_port: address x worker */
    unsigned fd_count;
    struct lk_addr *bound;   /* as the kernel says, by address */
    atomic_uint connections; /* over all workers */
    atomic_uint stopped;     /* workers that no longer accept; the last one closes the sockets */
    atomic_bool draining;
};

struct lk_listeners {
    struct lk_listener **all;
    size_t count, cap;
    struct lk_map by_address;     /* original destination: address bytes -> listener */
    struct lk_listener **by_port; /* wildcard listeners, sorted by nothing: few */
    size_t by_port_count, by_port_cap;
    unsigned worker_count;
    uint32_t max_connections; /* of the process; 0: no limit */
    atomic_uint connections;
    atomic_bool draining; /* all of them */
    /* --drain-strategy gradual: the share of answers that end their connection grows over this time; 0: all do */
    _Atomic uint64_t drain_begin_ms, drain_over_ms;
};

struct lk_listeners *lk_listeners_new(unsigned worker_count, uint32_t max_connections);
void lk_listeners_free(struct lk_listeners *listeners);
/* Instantiates filters and chains; takes a reference on config. False after appending to errors. context->arena must
 * live as long as the listener. */
bool lk_listeners_add(struct lk_listeners *listeners, const struct lk_listener_config *config,
                      struct lk_filter_context *context, struct lk_errors *errors);
/* Binds and listens on every address; workers accept later. */
bool lk_listeners_bind(struct lk_listeners *listeners, struct lk_error *error);
/* Told of every listener that was asked, in order; why says why it fell, NULL when it owns the destination. listener
 * NULL: none has the exact address. */
struct lk_owner_trace {
    void (*on_listener)(struct lk_owner_trace *trace, const struct lk_listener *listener, const char *why);
};

/* Which listener owns an original destination: the exact address, else a wildcard address with that port, else NULL.
 * recorder is NULL when forwarding. */
struct lk_listener *lk_listeners_owner(struct lk_listeners *listeners, const struct lk_addr *destination,
                                       struct lk_owner_trace *recorder);
