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

/* Starts somewhere, or all workers and all restarts begin with the same host. */
static void begin_schedule(const struct lk_cluster_config *config, struct lk_view_group *group)
{
    lk_edf_init(&group->edf, group->count);
    for (uint32_t i = 0; i < group->count; i++)
        lk_edf_add(&group->edf, i, edf_weight(config, group->slots[i]));
    for (uint64_t skip = lk_rand_below(group->count); skip > 0; skip--) {
        uint32_t index = lk_edf_take(&group->edf);
        lk_edf_add(&group->edf, index, edf_weight(config, group->slots[index]));
    }
    group->edf_ready = true;
}

static struct lk_view_slot *pick_edf(const struct lk_cluster_config *config, struct lk_view_group *group)
{
    if (!group->edf_ready)
        begin_schedule(config, group);
    uint32_t index = lk_edf_take(&group->edf);
    lk_edf_add(&group->edf, index, edf_weight(config, group->slots[index]));
    return group->slots[index];
}

/* splitmix64: the draws of one pick follow from its one random number. */
static uint64_t next_draw(uint64_t random)
{
    random += 0x9e3779b97f4a7c15u;
    random = (random ^ random >> 30) * 0xbf58476d1ce4e5b9u;
    random = (random ^ random >> 27) * 0x94d049bb133111ebu;
    return random ^ random >> 31;
}

static struct lk_view_slot *pick_least(const struct lk_cluster_config *config, const struct lk_view_group *group,
                                       uint64_t random)
{
    struct lk_view_slot *best = NULL;
    uint32_t choices = config->least_request_choices < 2 ? 2 : config->least_request_choices;
    for (uint32_t i = 0; i < choices; i++) {
        struct lk_view_slot *slot = group->slots[random % group->count];
        if (best == NULL || lk_view_slot_active(slot) < lk_view_slot_active(best))
            best = slot;
        random = next_draw(random);
    }
    return best;
}

static struct lk_view_slot *pick_random(const struct lk_view_group *group, uint64_t random)
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

enum lk_lb_method lk_lb_method(const struct lk_cluster_config *config, const struct lk_view_group *group)
{
    if (group->count == 1)
        return LK_LB_ONLY_HOST;
    if (config->lb == LK_LB_RANDOM)
        return LK_LB_BY_RANDOM;
    if (!group->equal_weights)
        return LK_LB_BY_SCHEDULE;
    return config->lb == LK_LB_LEAST_REQUEST ? LK_LB_BY_LOAD : LK_LB_IN_TURN;
}

struct lk_view_slot *lk_lb_peek(const struct lk_cluster_config *config, const struct lk_view_group *group,
                                uint64_t random)
{
    switch (lk_lb_method(config, group)) {
    case LK_LB_ONLY_HOST:
        return group->slots[0];
    case LK_LB_BY_RANDOM:
        return pick_random(group, random);
    case LK_LB_BY_SCHEDULE:
        return group->edf_ready ? group->slots[group->edf.heap[0].index] : NULL;
    case LK_LB_BY_LOAD:
        return pick_least(config, group, random);
    case LK_LB_IN_TURN:
        break;
    }
    return group->slots[group->cursor];
}

struct lk_view_slot *lk_lb_pick(const struct lk_cluster_config *config, struct lk_view_group *group, uint64_t random)
{
    enum lk_lb_method method = lk_lb_method(config, group);
    if (method == LK_LB_BY_SCHEDULE)
        return pick_edf(config, group);
    struct lk_view_slot *slot = lk_lb_peek(config, group, random);
    if (method == LK_LB_IN_TURN)
        group->cursor = group->cursor + 1 == group->count ? 0 : group->cursor + 1;
    return slot;
}
