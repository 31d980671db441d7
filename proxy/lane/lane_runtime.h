/*
 * What all lane filters of a process share, whatever listener and configuration they belong to: the association table
 * that both directions and every worker use, budgets, guards, names in statistics, counts of requests in flight. Made
 * by the first filter, kept while any needs it (lk_shared_ref), and tended by timers on the main loop.
 */
#pragma once

#include "proxy/filter/filter_context.h"
#include "proxy/io/timer.h"
#include "proxy/lane/association.h"
#include "proxy/lane/budget.h"
#include "proxy/lane/guard.h"
#include "proxy/lane/lane_ids.h"
#include "proxy/lane/lane_stats.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Under "lane.", beside the scopes of lanes. X(enumerator, name, kind) */
#define LK_LANE_PROCESS_STATS(X)                                                                                       \
    X(CONFLICT, "conflict", COUNTER)         /* requests with evidence of several lanes */                             \
    X(INVALID, "invalid", COUNTER)           /* values dropped because they are no lane's name */                      \
    X(AMBIGUOUS, "ambiguous", COUNTER)       /* outbound requests whose id belongs to several lanes */                 \
    X(STRIPPED, "stripped", COUNTER)         /* requests that lost a mark, inbound for want of trust or at the edge */ \
    X(SUSPECT_LOST, "suspect_lost", COUNTER) /* outbound without evidence while a marked request was in flight */      \
    X(MIRROR_REFUSED, "mirror_refused", COUNTER) /* mirrored copies for want of a shadow lane's mark */                \
    X(UNTIED, "untied", COUNTER)                 /* marked requests for which there was no room to remember them */    \
    X(CARRIED, "carry.carried", COUNTER)         /* followed ids that the application forwarded */                     \
    X(LOST, "carry.lost", COUNTER)               /* requests without one while only a followed one was in flight */    \
    X(TABLE_ACCEPTED, "table_accepted", COUNTER)                                                                       \
    X(TABLE_REFUSED, "table_refused", COUNTER)                                                                         \
    X(TABLE_REVISION, "table_info.revision", GAUGE) /* the highest of the tables in force */                           \
    X(TABLE_HASH, "table_info.hash", GAUGE)         /* of that table, the low 48 bits */                               \
    X(ASSOC_SIZE, "assoc.size", GAUGE)              /* entries; this and the next as of the last second */             \
    X(ASSOC_HITS, "assoc.hits", GAUGE)                                                                                 \
    X(ASSOC_MISSES, "assoc.misses", GAUGE)                                                                             \
    X(ASSOC_CONFLICTS, "assoc.conflicts", GAUGE)                                                                       \
    X(ASSOC_EVICTIONS, "assoc.evictions", GAUGE)                                                                       \
    X(ASSOC_REFUSED, "assoc.refused", GAUGE)

#define LK_LANE_PROCESS_STAT_ENUM(id, name, kind) LK_LANE_PROCESS_##id,
enum lk_lane_process_stat { LK_LANE_PROCESS_STATS(LK_LANE_PROCESS_STAT_ENUM) LK_LANE_PROCESS_STAT_COUNT };

/* Inbound requests of this pod that are not over yet. */
struct lk_lane_in_flight {
    _Atomic uint32_t marked, unmarked, probes;
};

/* What is the same for a whole process, though each filter says it. */
struct lk_lane_process_options {
    struct lk_association_options association;
    unsigned stat_names;
};

struct lk_lane_runtime {
    struct lk_lane_process_options options;
    struct lk_stats *stats;
    struct lk_stats_scope *scope; /* LK_LANE_PROCESS_STATS */
    struct lk_association *association;
    struct lk_budgets *budgets;
    struct lk_guards *guards;
    struct lk_lane_names *names;
    struct lk_lane_scopes *unnamed; /* where no table is in force: _other counts them all */
    struct lk_lane_ids *ids;
    struct lk_lane_in_flight in_flight;
    struct lk_loop *loop; /* main; NULL while validating: nothing is tended */
    uint64_t table_revision;
    struct lk_timer sweep, prune, judge;
    /* Main thread: what there is, for /lanes and the gauges. */
    struct lk_list filters; /* struct lk_lane_settings, in the order of configuration */
    struct lk_list sources; /* struct lk_lane_tables */
    uint64_t change;        /* another number, in the whole process, after each change of a filter or a table */
    struct lk_lane_gauges *gauges;
};

/* The process's runtime with a reference that ends with the context's arena. NULL, with errors, when another filter
 * wants other options. Main thread. */
struct lk_lane_runtime *lk_lane_runtime_ref(struct lk_filter_context *context,
                                            const struct lk_lane_process_options *options, struct lk_errors *errors);

/* The one that there is, not referenced; NULL: no lane filter is configured. Main thread. */
struct lk_lane_runtime *lk_lane_runtime_find(void);
/* A filter or a table changed. Main thread. */
void lk_lane_runtime_changed(struct lk_lane_runtime *runtime);

/*
 * A runtime of its own for a request that is only tried out (lane_dry_run.h): requests in flight are those of the real
 * one at this moment, memory and budgets are empty, nothing is tended. Freed by lk_lane_runtime_free_dry. Main thread.
 */
struct lk_lane_runtime *lk_lane_runtime_new_dry(const struct lk_lane_runtime *real);
void lk_lane_runtime_free_dry(struct lk_lane_runtime *runtime);

static inline void lk_lane_process_count(struct lk_lane_runtime *runtime, enum lk_lane_process_stat stat)
{
    lk_stats_inc(runtime->scope, stat);
}
