/*
 * Counters, gauges and histograms under Envoy's names. A *block* is a const table of stats that always occur together
 * (all stats of a cluster, of a listener, ...); a *scope* is one block under a prefix such as "cluster.orders.". A
 * worker adds to its own slab of the scope, allocated when it first counts something there; the main thread sums on
 * read.
 *
 * Threads: scopes are created on any thread (a lock, configuration time only). Counting is lock-free and touches only
 * the calling thread's slab. Reading happens on the main thread.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lk_stat_kind {
    LK_STAT_COUNTER,
    LK_STAT_GAUGE,     /* per-worker deltas, summed */
    LK_STAT_HISTOGRAM, /* samples are unsigned, usually milliseconds */
    LK_STAT_CODES,     /* a counter per HTTP status: NAME_200, NAME_503, ..., created on first use */
};

struct lk_stat_def {
    const char *name;
    enum lk_stat_kind kind;
};

/* defs[i] is addressed by index i; an X-list gives the indices names (see stat_names.h). */
struct lk_stat_block {
    const struct lk_stat_def *defs;
    unsigned count;
};

struct lk_stats;
struct lk_stats_slab;
struct lk_cells;
struct lk_stats_history;

struct lk_stats_scope {
    const struct lk_stat_block *block;
    struct lk_stats *stats;
    struct lk_str prefix;                  /* "cluster.orders." */
    unsigned refs;                         /* under the lock of struct lk_stats */
    struct lk_stats_scope *next;           /* the same prefix with another block; under the lock */
    struct lk_cells *_Atomic set;          /* values of lk_stats_set, by index */
    struct lk_stats_history *history;      /* reading thread: what was before the last reset and interval */
    struct lk_stats_slab *_Atomic slabs[]; /* one per thread index, and that of lk_stats_mute; NULL until first use */
};

/*
 * The words of one scope on one thread. A counter or gauge is its word; the word of a histogram or of codes is a
 * pointer to what it holds. Behind the words of the block stands one bit for each index: a gauge that went down (it was
 * in use, though it may be at zero again).
 */
struct lk_stats_slab {
    _Atomic uint64_t words[1];
};

/* Index of the calling thread's slab: workers 0..n-1, main thread n. Set once by each thread. */
extern _Thread_local unsigned lk_stats_thread;

/* From now on the calling thread counts where nobody ever reads: what it does is a rehearsal. Returns the old index, to
 * which lk_stats_thread is set afterwards. One thread at a time. */
unsigned lk_stats_mute(const struct lk_stats *stats);

/* `threads` = workers + 1. */
struct lk_stats *lk_stats_new(unsigned threads);
void lk_stats_free(struct lk_stats *stats);

/* Finds or creates the scope of this prefix and block and takes a reference. The prefix is copied. A scope that is no
 * longer referenced stays readable and keeps its values until it is asked for again (state outlives configuration), and
 * is dropped only by lk_stats_prune when it was never used. */
struct lk_stats_scope *lk_stats_scope_ref(struct lk_stats *stats, const struct lk_stat_block *block,
                                          struct lk_str prefix);
void lk_stats_scope_unref(struct lk_stats_scope *scope);
/* Main thread: frees the scopes that nobody references and that never counted anything. */
void lk_stats_prune(struct lk_stats *stats);

struct lk_stats_slab *lk_stats_slab_new(struct lk_stats_scope *scope);

static inline struct lk_stats_slab *lk_stats_slab(struct lk_stats_scope *scope)
{
    struct lk_stats_slab *slab = atomic_load_explicit(&scope->slabs[lk_stats_thread], memory_order_relaxed);
    return __builtin_expect(slab != NULL, 1) ? slab : lk_stats_slab_new(scope);
}

/* One writer per slab: a relaxed load and store, no locked instruction. */
static inline void lk_stats_add(struct lk_stats_scope *scope, unsigned index, uint64_t n)
{
    _Atomic uint64_t *word = &lk_stats_slab(scope)->words[index];
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void lk_stats_inc(struct lk_stats_scope *scope, unsigned index)
{
    lk_stats_add(scope, index, 1);
}

/* Gauges: the decrement must happen on the thread that incremented only in the sense of the sum; any thread may. */
static inline void lk_stats_dec(struct lk_stats_scope *scope, unsigned index)
{
    _Atomic uint64_t *used = &lk_stats_slab(scope)->words[scope->block->count + index / 64];
    uint64_t bits = atomic_load_explicit(used, memory_order_relaxed);

    lk_stats_add(scope, index, (uint64_t)-1);
    if (!(bits >> (index & 63) & 1))
        atomic_store_explicit(used, bits | (uint64_t)1 << (index & 63), memory_order_relaxed);
}

/* Sets a gauge that only one thread ever writes, and only by this call. Takes no slab: cheap in memory for what is set
 * once for each of thousands of scopes. */
void lk_stats_set(struct lk_stats_scope *scope, unsigned index, uint64_t value);
/* One sample of a histogram. */
void lk_stats_record(struct lk_stats_scope *scope, unsigned index, uint64_t value);
/* One more response with this status (100..599; others are ignored) in a LK_STAT_CODES entry. */
void lk_stats_code(struct lk_stats_scope *scope, unsigned index, unsigned status);

/* Sum over all threads (tests, admin). */
uint64_t lk_stats_value(const struct lk_stats_scope *scope, unsigned index);
/* By full name, e.g. "cluster.orders.upstream_rq_200"; false when no such counter or gauge exists. */
bool lk_stats_find(struct lk_stats *stats, struct lk_str name, uint64_t *value);

/* --- reading ------------------------------------------------------------------------------------------------- */

#define LK_STAT_KIND_BIT(kind) (1u << (kind))

struct lk_stats_filter {
    struct lk_str regex; /* empty: all; matched anywhere in the full name, as Envoy's /stats?filter= */
    bool invert;         /* keep what the regex does not match */
    bool used_only;      /* leave out what was never counted */
    uint8_t kinds;       /* bits LK_STAT_KIND_BIT; 0: all. Codes are counters. */
    bool text_readouts;  /* reserved by Envoy's query string; no text readouts exist here */
};

struct lk_stats_out {
    /* receives the next piece of text */
    void (*write)(void *arg, const char *data, size_t len);
    void *arg;
};

/* Rules that turn name parts into Prometheus labels: envoy.config.metrics.v3.StatsConfig.stats_tags and
 * use_all_default_tags. Compiled on the main thread; regexes by PCRE2 (look-ahead allowed, see DESIGN "Regex"). */
struct lk_stats_tag_rule {
    struct lk_str tag;
    struct lk_str regex; /* empty with fixed_value set */
    struct lk_str fixed_value;
};
/* False, with every mistake appended to errors and the old rules still in force, when a rule cannot be used: the paths
 * are stats_tags[i] below the current one. */
bool lk_stats_set_tags(struct lk_stats *stats, const struct lk_stats_tag_rule *rules, size_t count, bool use_defaults,
                       struct lk_errors *errors);

/* All three return false with an error for a bad filter regex; nothing was written then. */
bool lk_stats_write_text(struct lk_stats *stats, const struct lk_stats_filter *filter, const struct lk_stats_out *out,
                         struct lk_error *error);
bool lk_stats_write_json(struct lk_stats *stats, const struct lk_stats_filter *filter, const struct lk_stats_out *out,
                         struct lk_error *error);
bool lk_stats_write_prometheus(struct lk_stats *stats, const struct lk_stats_filter *filter,
                               const struct lk_stats_out *out, struct lk_error *error);

/*
 * The same in slices, for a loop that has more to do: tens of thousands of scopes take longer than a loop may be busy.
 * new: NULL with an error for a bad filter regex. next writes what it can within the budget and is false once
 * everything is written. Scopes are kept until free.
 */
enum lk_stats_format { LK_STATS_TEXT, LK_STATS_JSON, LK_STATS_PROMETHEUS };
struct lk_stats_dump;
struct lk_stats_dump *lk_stats_dump_new(struct lk_stats *stats, const struct lk_stats_filter *filter,
                                        enum lk_stats_format format, struct lk_error *error);
bool lk_stats_dump_next(struct lk_stats_dump *dump, const struct lk_stats_out *out, uint64_t budget_us);
void lk_stats_dump_free(struct lk_stats_dump *dump);

/* POST /reset_counters: counters, codes and histograms back to zero, gauges kept. Counting threads are not disturbed
 * and lose nothing: what was counted before is remembered and taken off what is shown. */
void lk_stats_reset(struct lk_stats *stats);
/* Closes the interval of the histograms (called every stats_flush_interval, 5 s). */
void lk_stats_flush_interval(struct lk_stats *stats);
/* Bytes held, for /memory. */
size_t lk_stats_memory(const struct lk_stats *stats);
