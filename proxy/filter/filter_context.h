/*
 * All that a filter may know of the world while its configuration is built: main thread, once per configuration
 * version.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/config/any.h"
#include "proxy/config/listener_config.h"
#include "proxy/io/file_sink.h"
#include "proxy/io/loop.h"
#include "proxy/stats/stats.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_clusters; /* proxy/upstream: the process's clusters */
struct lk_registry;
struct lk_bootstrap_config;

struct lk_filter_context {
    struct lk_arena *arena; /* lives as long as the configuration being built; frees come through lk_arena_on_free */
    struct lk_stats *stats;
    struct lk_loop *main_loop;
    unsigned worker_count;
    const struct lk_registry *registry;
    struct lk_clusters *clusters;
    struct lk_file_sinks *sinks;
    const struct lk_bootstrap_config *bootstrap;
    bool validate_only;                  /* --mode validate: open no file, no socket */
    bool allow_unknown;                  /* unknown fields are warnings instead of errors */
    enum lk_traffic_direction direction; /* of the listener */
    struct lk_str listener_name;
    struct lk_str listener_stat_prefix; /* "listener.0.0.0.0_80." */
};

/* A refcounted object that survives configuration versions (rate buckets, a lane table), by key. make() is called when
 * there is none; the last lk_shared_unref calls drop(). Main thread. */
void *lk_shared_ref(const char *key, void *(*make)(void *arg), void *arg, void (*drop)(void *object));
void lk_shared_unref(void *object);
/* The object of the key, not referenced; NULL: there is none now. Main thread. */
void *lk_shared_find(const char *key);
