/* What the files of this folder share and nobody else sees. */
#pragma once

#include "proxy/base/map.h"
#include "proxy/stats/histogram.h"
#include "proxy/stats/stats.h"

#include <pthread.h>

struct lk_tags;

struct lk_stats {
    pthread_mutex_t lock; /* scopes, their references and chains, by_prefix */
    unsigned threads;
    struct lk_map by_prefix; /* first scope of the chain with this prefix */
    struct lk_stats_scope **scopes;
    size_t scope_count;
    size_t scope_cap;
    struct lk_tags *tags; /* reading thread */
    atomic_size_t bytes;
};

/*
 * What the reading thread remembers of a scope. Counting never stops for a reset: what was counted before is kept here
 * and taken off what is shown.
 */
struct lk_stats_history {
    uint64_t *before;        /* counters: sum at the last reset, by index; NULL: no reset yet */
    struct lk_cells **codes; /* codes at the last reset, by index; NULL: no reset yet */
    struct lk_stats_interval {
        struct lk_histogram_copy *reset;          /* state at the last reset */
        struct lk_histogram_copy *closed;         /* state at the end of the last interval */
        double quantiles[LK_HISTOGRAM_QUANTILES]; /* of the last interval; NaN when it had no samples */
    } * intervals;                                /* by index; only those of histograms are used; NULL: none yet */
};

/* Largest name of a stat that is shown; longer ones are cut. */
#define LK_STAT_NAME_MAX 2048

/* One stat to show: a counter, gauge or histogram, or one code of LK_STAT_CODES. */
struct lk_stat_entry {
    const struct lk_stats_scope *scope;
    uint16_t index;
    uint16_t code; /* 0: not of LK_STAT_CODES */
};

enum lk_stat_kind lk_stat_entry_kind(const struct lk_stat_entry *entry);
/* The full name, in out. */
struct lk_str lk_stat_entry_name(const struct lk_stat_entry *entry, char out[LK_STAT_NAME_MAX]);
/* Of a counter, gauge or code. */
uint64_t lk_stat_entry_value(const struct lk_stat_entry *entry);

struct lk_stat_entries {
    struct lk_stat_entry *items;
    size_t count;
    size_t cap;
};

struct lk_pattern;
struct lk_stat_order;

/* Which stats of a scope are wanted. */
struct lk_stat_chooser {
    struct lk_pattern *filter; /* NULL: all */
    bool invert;
    bool used_only;
    unsigned kinds;
    struct lk_stat_order *orders; /* of the blocks met so far */
    size_t order_count;
    size_t order_cap;
};
bool lk_stat_chooser_init(struct lk_stat_chooser *chooser, const struct lk_stats_filter *filter,
                          struct lk_error *error) LK_MUST_CHECK;
void lk_stat_chooser_fini(struct lk_stat_chooser *chooser);
/* Replaces *out by the wanted stats of the scope, in the order of their names. */
void lk_stat_chooser_take(struct lk_stat_chooser *chooser, const struct lk_stats_scope *scope,
                          struct lk_stat_entries *out);

/*
 * All wanted stats in the order of their full names, one by one. The names of a scope may stand between those of
 * another whose prefix begins alike, so the scopes at whose names the walk stands are merged. Holds every scope until
 * free.
 */
struct lk_stat_walk;
struct lk_stat_walk *lk_stat_walk_new(struct lk_stats *stats, const struct lk_stats_filter *filter,
                                      struct lk_error *error);
void lk_stat_walk_free(struct lk_stat_walk *walk);
/* From the beginning, only the kinds of these bits among those of the filter. */
void lk_stat_walk_start(struct lk_stat_walk *walk, unsigned kinds);
/* BUSY: nothing found yet, ask again. */
enum lk_stat_step { LK_STAT_STEP_ENTRY, LK_STAT_STEP_BUSY, LK_STAT_STEP_END };
enum lk_stat_step lk_stat_walk_next(struct lk_stat_walk *walk, struct lk_stat_entry *entry);

/* stats_write.c: one stat as text or JSON. */
void lk_stats_text_entry(const struct lk_stat_entry *entry, const struct lk_stats_out *out);
void lk_stats_json_entry(const struct lk_stat_entry *entry, const struct lk_stats_out *out);
/* What stands in front of the histograms of a JSON list. */
void lk_stats_json_quantiles(const struct lk_stats_out *out);

/* prometheus.c: stats are added, then written series by series. */
struct lk_prometheus;
struct lk_prometheus *lk_prometheus_new(struct lk_tags *tags);
void lk_prometheus_free(struct lk_prometheus *prometheus);
void lk_prometheus_add(struct lk_prometheus *prometheus, const struct lk_stat_entry *entry);
/* After the last add. False once everything is written. */
bool lk_prometheus_write(struct lk_prometheus *prometheus, const struct lk_stats_out *out);

/* Adds up a histogram over all threads, since the start. False when it never had a sample. */
bool lk_stats_histogram_total(const struct lk_stats_scope *scope, unsigned index, struct lk_histogram_sum *out);
/* The same since the last reset. */
bool lk_stats_histogram(const struct lk_stats_scope *scope, unsigned index, struct lk_histogram_sum *out);
/* Quantiles of the last closed interval. */
const double *lk_stats_interval_quantiles(const struct lk_stats_scope *scope, unsigned index);
/* Counted since the start, without regard to resets. */
uint64_t lk_stats_total(const struct lk_stats_scope *scope, unsigned index);
uint64_t lk_stats_code_total(const struct lk_stats_scope *scope, unsigned index, unsigned code);
void lk_stats_history_free(struct lk_stats_scope *scope);

/* A copy of the list of scopes, for reading without the lock. Heap: lk_free. */
struct lk_stats_scope **lk_stats_scopes(struct lk_stats *stats, size_t *count);

/* Writing helpers. */
void lk_stats_put(const struct lk_stats_out *out, struct lk_str text);
void lk_stats_putf(const struct lk_stats_out *out, const char *fmt, ...) LK_PRINTF(2, 3);
/* Shortest decimal that reads back as the same number. */
#define LK_STAT_NUMBER_MAX 40
struct lk_str lk_stats_number(double value, char out[LK_STAT_NUMBER_MAX]);
