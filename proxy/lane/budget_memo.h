/*
 * The fallback budgets that one worker has used of late, so that a decision finds them by a hash and not under the lock
 * of struct lk_budgets. Holds a reference for each; what was not used for a minute or two is given back. Owner: one
 * worker.
 */
#pragma once

#include "proxy/base/map.h"
#include "proxy/lane/budget.h"

#include <stdint.h>

#define LK_BUDGETS_RECENT 16u

struct lk_kept_cluster;

struct lk_budget_memo {
    struct lk_budgets *budgets;
    struct lk_map clusters;                            /* name -> what is kept for it */
    struct lk_kept_cluster *recent[LK_BUDGETS_RECENT]; /* of clusters, by a cheap hash of the name; NULL: none */
    uint64_t swept_ms;
};
/* budgets must outlive it. */
void lk_budget_memo_init(struct lk_budget_memo *memo, struct lk_budgets *budgets);
void lk_budget_memo_fini(struct lk_budget_memo *memo, uint64_t now_ms);

/* Both are valid until the next call with a later time. */
struct lk_budget_cluster *lk_budget_memo_cluster(struct lk_budget_memo *memo, struct lk_str cluster, uint64_t now_ms);
struct lk_budget *lk_budget_memo_lane(struct lk_budget_memo *memo, struct lk_str cluster, struct lk_str lane,
                                      uint64_t now_ms);
/* Budgets held. For tests. */
size_t lk_budget_memo_count(const struct lk_budget_memo *memo);
