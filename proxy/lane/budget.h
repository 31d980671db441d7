/*
 * What falls back from a lane to other pods of a cluster must not crush them: a budget for each (cluster, lane), shared
 * by all workers. Beside it stands whether the lane has endpoints in the cluster, and since when not.
 *
 * State is found by identity and outlives configuration and host sets: what is asked for again within
 * LK_BUDGET_KEEP_MS is what it was. Any function on any thread; time is the caller's, in milliseconds of one monotonic
 * clock.
 */
#pragma once

#include "proxy/base/str.h"
#include "proxy/lane/base_meter.h"

#include <stdbool.h>
#include <stdint.h>

#define LK_BUDGET_KEEP_MS 60000

/* Lane.cap: at most `percent` of the cluster's base requests per second, measured over `window_ms`, or `min_rps` where
 * that is more. */
struct lk_fallback_cap {
    uint32_t percent;
    uint32_t min_rps;
    uint32_t window_ms; /* 0 counts as 1000 */
};

struct lk_budgets;
struct lk_budget_cluster;
struct lk_budget;

/* `threads` = workers + 1, indexed by lk_stats_thread. */
struct lk_budgets *lk_budgets_new(unsigned threads);
/* Every budget and cluster must have been given back. */
void lk_budgets_free(struct lk_budgets *budgets);
/* Frees what nobody has used since LK_BUDGET_KEEP_MS; to be called every minute or so. */
void lk_budgets_prune(struct lk_budgets *budgets, uint64_t now_ms);

/* The cluster's count of base requests. */
struct lk_budget_cluster *lk_budget_cluster_ref(struct lk_budgets *budgets, struct lk_str cluster);
void lk_budget_cluster_unref(struct lk_budget_cluster *cluster, uint64_t now_ms);
/* A request for the base of the cluster that is no fallback. */
void lk_budget_cluster_count(struct lk_budget_cluster *cluster, uint64_t now_ms);

struct lk_budget *lk_budget_ref(struct lk_budgets *budgets, struct lk_str cluster, struct lk_str lane);
void lk_budget_unref(struct lk_budget *budget, uint64_t now_ms);

/*
 * Takes one request's worth; false when the cap is reached (the reply is 503 LC then). Never grants more than the cap
 * allows in any stretch of time as long as the window, and no more than a twentieth of that at once (one request where
 * a twentieth is less): paced as it is, a full budget grants 95 % of its cap. When the base rate or the cap changes,
 * both the old and the new count for the stretches that hold the change, together no more than the greater by itself
 * plus the lesser. A cap below one request in a window grants nothing.
 */
bool lk_budget_take(struct lk_budget *budget, const struct lk_fallback_cap *cap, uint64_t now_ms);

/* What lk_budget_take and lk_budget_in_grace would say of a budget that nobody may hold; nothing is taken or made. */
struct lk_budget_outlook {
    bool known;      /* somebody asked for it of late */
    bool would_take; /* one request more is within the cap */
    bool in_grace;
    double base_rate; /* base requests per second in the cap's window */
};
struct lk_budget_outlook lk_budgets_outlook(struct lk_budgets *budgets, struct lk_str cluster, struct lk_str lane,
                                            const struct lk_fallback_cap *cap, uint32_t grace_ms, uint64_t now_ms);

/* Told by whoever sees the cluster's host set: whether the lane has endpoints in it, healthy or not. Cheap when nothing
 * changed (one relaxed load), so a decision may simply tell what it saw. */
void lk_budget_set_present(struct lk_budget *budget, bool present, uint64_t now_ms);
/* The lane has endpoints now or lost the last one less than grace_ms ago: what looks ABSENT is to be treated as
 * UNHEALTHY. False when it never had any. */
bool lk_budget_in_grace(const struct lk_budget *budget, uint32_t grace_ms, uint64_t now_ms);

/* --- for /lanes --------------------------------------------------------------------------------------------------- */

struct lk_budget_level {
    double base_rps;    /* the cluster's base requests, over the window */
    double allowed_rps; /* what may fall back now */
    double spent;       /* of the bucket, 0 to 1: at 1 the next fallback is refused */
};
/* Takes nothing. */
void lk_budget_read(const struct lk_budget *budget, const struct lk_fallback_cap *cap, uint64_t now_ms,
                    struct lk_budget_level *out);
/* Every budget that there is, in no order. The lock is held meanwhile: visit may read the budget, no more. */
void lk_budgets_each(struct lk_budgets *budgets,
                     void (*visit)(void *arg, struct lk_str cluster, struct lk_str lane,
                                   const struct lk_budget *budget),
                     void *arg);
