/* Circuit breakers of pressure-test traffic, one pair for a cluster that ever had some. Any thread. */
#include "proxy/upstream/shadow_budget.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/cluster_internal.h"

#include <stdio.h>

#define DEF(id, name) {name, LK_STAT_GAUGE},
static const struct lk_stat_def defs[] = {LK_SHADOW_STATS(DEF)};
static const struct lk_stat_block block = {defs, LK_SHADOW_STAT_COUNT};

static struct lk_shadow_budget *budget_new(const struct lk_cluster *cluster)
{
    struct lk_shadow_budget *budget = lk_calloc(1, sizeof(*budget));
    char prefix[512];
    int len =
        snprintf(prefix, sizeof(prefix), "cluster.%.*s.circuit_breakers.", LK_STR_ARG(cluster->config->stat_name));

    budget->stats = lk_stats_scope_ref(cluster->clusters->options.stats, &block,
                                       lk_str(prefix, LK_MIN((size_t)len, sizeof(prefix) - 1)));
    for (unsigned priority = 0; priority < LK_ARRAY_LEN(budget->breakers); priority++) {
        lk_breaker_init(&budget->breakers[priority], &cluster->config->limits[priority]);
        lk_breaker_show(&budget->breakers[priority], budget->stats, priority * LK_RESOURCE_COUNT);
    }
    return budget;
}

struct lk_shadow_budget *lk_shadow_budget_get(struct lk_cluster *cluster)
{
    struct lk_shadow_budget *budget = atomic_load_explicit(&cluster->shadow, memory_order_acquire);

    if (budget != NULL)
        return budget;
    pthread_mutex_lock(&cluster->clusters->lock);
    budget = atomic_load_explicit(&cluster->shadow, memory_order_relaxed);
    if (budget == NULL) {
        budget = budget_new(cluster);
        atomic_store_explicit(&cluster->shadow, budget, memory_order_release);
    }
    pthread_mutex_unlock(&cluster->clusters->lock);
    return budget;
}

void lk_shadow_budget_free(struct lk_shadow_budget *budget)
{
    if (budget == NULL)
        return;
    lk_stats_scope_unref(budget->stats);
    lk_free(budget);
}
