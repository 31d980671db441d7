/* A map of clusters, each with a map of lanes. Swept at most once a minute, by whoever asks for something. Owner: one
 * worker. See budget_memo.h. */
#include "proxy/lane/budget_memo.h"

#include "proxy/base/mem.h"

struct kept_lane {
    struct lk_str name;
    struct lk_budget *budget;
    uint64_t used_ms;
};

struct lk_kept_cluster {
    struct lk_str name;
    struct lk_budget_cluster *cluster;
    struct lk_map lanes;
    struct kept_lane *recent; /* the last one that was asked for; NULL: none */
    uint64_t used_ms;
};

static struct lk_str copy(struct lk_str text)
{
    return lk_str(lk_str_dup(text), text.len);
}

void lk_budget_memo_init(struct lk_budget_memo *memo, struct lk_budgets *budgets)
{
    memo->budgets = budgets;
    memo->swept_ms = 0;
    memset(memo->recent, 0, sizeof(memo->recent));
    lk_map_init(&memo->clusters);
}

/* --- giving back -------------------------------------------------------------------------------------------------- */

/* Some value that has not been used since `before_ms`; NULL: there is none. The map may change afterwards. */
static struct kept_lane *stale_lane(const struct lk_map *lanes, uint64_t before_ms)
{
    struct lk_map_slot *slot;

    for (size_t i = 0; (slot = lk_map_next(lanes, &i));) {
        struct kept_lane *lane = slot->value;

        if (lane->used_ms < before_ms)
            return lane;
    }
    return NULL;
}

static void drop_lanes(struct lk_kept_cluster *cluster, uint64_t before_ms, uint64_t now_ms)
{
    struct kept_lane *lane;

    cluster->recent = NULL;
    while ((lane = stale_lane(&cluster->lanes, before_ms)) != NULL) {
        lk_map_remove(&cluster->lanes, lane->name);
        lk_budget_unref(lane->budget, now_ms);
        lk_free((void *)lane->name.ptr);
        lk_free(lane);
    }
}

static void drop_cluster(struct lk_budget_memo *memo, struct lk_kept_cluster *cluster, uint64_t now_ms)
{
    drop_lanes(cluster, UINT64_MAX, now_ms);
    lk_map_fini(&cluster->lanes);
    lk_map_remove(&memo->clusters, cluster->name);
    lk_budget_cluster_unref(cluster->cluster, now_ms);
    lk_free((void *)cluster->name.ptr);
    lk_free(cluster);
}

static struct lk_kept_cluster *stale_cluster(const struct lk_map *clusters, uint64_t before_ms)
{
    struct lk_map_slot *slot;

    for (size_t i = 0; (slot = lk_map_next(clusters, &i));) {
        struct lk_kept_cluster *cluster = slot->value;

        if (cluster->used_ms < before_ms)
            return cluster;
    }
    return NULL;
}

/* A cluster is used whenever one of its lanes is. */
static void drop_unused(struct lk_budget_memo *memo, uint64_t before_ms, uint64_t now_ms)
{
    struct lk_kept_cluster *cluster;
    struct lk_map_slot *slot;

    memset(memo->recent, 0, sizeof(memo->recent));
    while ((cluster = stale_cluster(&memo->clusters, before_ms)) != NULL)
        drop_cluster(memo, cluster, now_ms);
    for (size_t i = 0; (slot = lk_map_next(&memo->clusters, &i));)
        drop_lanes(slot->value, before_ms, now_ms);
}

void lk_budget_memo_fini(struct lk_budget_memo *memo, uint64_t now_ms)
{
    drop_unused(memo, UINT64_MAX, now_ms);
    lk_map_fini(&memo->clusters);
}

static void sweep(struct lk_budget_memo *memo, uint64_t now_ms)
{
    if (LK_LIKELY(now_ms < memo->swept_ms + LK_BUDGET_KEEP_MS))
        return;
    memo->swept_ms = now_ms;
    if (now_ms > LK_BUDGET_KEEP_MS)
        drop_unused(memo, now_ms - LK_BUDGET_KEEP_MS, now_ms);
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static struct lk_kept_cluster *keep(struct lk_budget_memo *memo, struct lk_str name)
{
    struct lk_kept_cluster *cluster = lk_calloc(1, sizeof(*cluster));

    cluster->name = copy(name);
    cluster->cluster = lk_budget_cluster_ref(memo->budgets, name);
    lk_map_init(&cluster->lanes);
    lk_map_set(&memo->clusters, cluster->name, cluster);
    return cluster;
}

static struct lk_kept_cluster *cluster_of(struct lk_budget_memo *memo, struct lk_str name, uint64_t now_ms)
{
    struct lk_kept_cluster **recent = &memo->recent[((uintptr_t)name.ptr / 8 ^ name.len) % LK_BUDGETS_RECENT];
    struct lk_kept_cluster *cluster;

    sweep(memo, now_ms);
    cluster = *recent;
    if (cluster == NULL || !lk_str_eq(cluster->name, name))
        cluster = lk_map_get(&memo->clusters, name);
    if (LK_UNLIKELY(cluster == NULL))
        cluster = keep(memo, name);
    *recent = cluster;
    cluster->used_ms = now_ms;
    return cluster;
}

struct lk_budget_cluster *lk_budget_memo_cluster(struct lk_budget_memo *memo, struct lk_str cluster, uint64_t now_ms)
{
    return cluster_of(memo, cluster, now_ms)->cluster;
}

struct lk_budget *lk_budget_memo_lane(struct lk_budget_memo *memo, struct lk_str cluster, struct lk_str lane,
                                      uint64_t now_ms)
{
    struct lk_kept_cluster *in = cluster_of(memo, cluster, now_ms);
    struct kept_lane *kept = in->recent;

    if (kept == NULL || !lk_str_eq(kept->name, lane))
        kept = lk_map_get(&in->lanes, lane);
    if (LK_UNLIKELY(kept == NULL)) {
        kept = lk_calloc(1, sizeof(*kept));
        kept->name = copy(lane);
        kept->budget = lk_budget_ref(memo->budgets, cluster, lane);
        lk_map_set(&in->lanes, kept->name, kept);
    }
    in->recent = kept;
    kept->used_ms = now_ms;
    return kept->budget;
}

size_t lk_budget_memo_count(const struct lk_budget_memo *memo)
{
    struct lk_map_slot *slot;
    size_t count = 0;

    for (size_t i = 0; (slot = lk_map_next(&memo->clusters, &i));)
        count += ((struct lk_kept_cluster *)slot->value)->lanes.count;
    return count;
}
