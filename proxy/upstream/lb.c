/* ROUND_ROBIN, LEAST_REQUEST and RANDOM, weighted (envoy.config.cluster.v3.Cluster.lb_policy). */
#include "proxy/upstream/lb.h"

#include "proxy/base/rand.h"

#include <math.h>

static double edf_weight(const struct lk_cluster_config *config, const struct lk_view_slot *slot)
{
    double weight = slot->host->weight;
    if (config->lb != LK_LB_LEAST_REQUEST)
        return weight;
    double active = lk_view_slot_active(slot) + 1.0;
    double bias = config->least_request_active_bias;
    return bias == 1.0 ? weight / active : weight / pow(active, bias);
}

static struct lk_view_slot *pick_edf(const struct lk_cluster_config *config, struct lk_view_group *group)
{
    if (!group->edf_ready) {
        lk_edf_init(&group->edf, group->count);
        for (uint32_t i = 0; i < group->count; i++)
            lk_edf_add(&group->edf, i, edf_weight(config, group->slots[i]));
        /* start somewhere, or all workers and all restarts begin with the same host */
        for (uint64_t skip = lk_rand_below(group->count); skip > 0; skip--) {
            uint32_t index = lk_edf_take(&group->edf);
            lk_edf_add(&group->edf, index, edf_weight(config, group->slots[index]));
        }
        group->edf_ready = true;
    }
    uint32_t index = lk_edf_take(&group->edf);
    lk_edf_add(&group->edf, index, edf_weight(config, group->slots[index]));
    return group->slots[index];
}

static struct lk_view_slot *pick_least(const struct lk_cluster_config *config, struct lk_view_group *group,
                                       uint64_t random)
{
    struct lk_view_slot *best = NULL;
    uint32_t choices = config->least_request_choices < 2 ? 2 : config->least_request_choices;
    for (uint32_t i = 0; i < choices; i++) {
        struct lk_view_slot *slot = group->slots[random % group->count];
        if (best == NULL || lk_view_slot_active(slot) < lk_view_slot_active(best))
            best = slot;
        random = lk_rand_u64();
    }
    return best;
}

static struct lk_view_slot *pick_random(struct lk_view_group *group, uint64_t random)
{
    if (group->equal_weights)
        return group->slots[random % group->count];
    uint64_t point = random % group->total_weight;
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t weight = group->slots[i]->host->weight;
        if (point < weight)
            return group->slots[i];
        point -= weight;
    }
    return group->slots[group->count - 1];
}

struct lk_view_slot *lk_lb_pick(const struct lk_cluster_config *config, struct lk_view_group *group, uint64_t random)
{
    if (group->count == 1)
        return group->slots[0];
    if (config->lb == LK_LB_RANDOM)
        return pick_random(group, random);
    if (!group->equal_weights)
        return pick_edf(config, group);
    if (config->lb == LK_LB_LEAST_REQUEST)
        return pick_least(config, group, random);
    uint32_t at = group->cursor;
    group->cursor = at + 1 == group->count ? 0 : at + 1;
    return group->slots[at];
}
