/*
 * Budgets by (cluster, lane). The bucket is one atomic word, the moment at which it is full again; taking moves it
 * forward by the time that one request costs. Clusters and budgets are found under a lock, at configuration time.
 */
#include "proxy/lane/budget.h"

#include "proxy/base/map.h"
#include "proxy/base/mem.h"

#include <pthread.h>

#define NS_PER_MS 1000000.0
/* A bucket is as deep as this part of its window. */
#define DEPTH 20.0
/* lost_ms: endpoints are there, or never were. */
#define PRESENT UINT64_MAX
#define NEVER (UINT64_MAX - 1)

/* What clusters and budgets have in common: found by key, kept for a while. */
struct kept {
    struct lk_budgets *owner;
    struct lk_str key;
    unsigned refs;       /* under the lock */
    uint64_t left_at_ms; /* under the lock: when the last reference was given back */
};

struct lk_budget_cluster {
    struct kept kept;
    struct lk_base_meter *meter;
};

struct lk_budget {
    struct kept kept;
    struct lk_budget_cluster *cluster;
    _Atomic uint64_t full_at_ns;
    _Atomic uint64_t lost_ms;
};

struct lk_budgets {
    pthread_mutex_t lock;
    unsigned threads;
    struct lk_map clusters;
    struct lk_map budgets;
};

struct lk_budgets *lk_budgets_new(unsigned threads)
{
    struct lk_budgets *budgets = lk_calloc(1, sizeof(*budgets));

    if (pthread_mutex_init(&budgets->lock, NULL) != 0)
        lk_panic("no lock left for budgets");
    budgets->threads = threads;
    lk_map_init(&budgets->clusters);
    lk_map_init(&budgets->budgets);
    return budgets;
}

/* --- found by key, under the lock ------------------------------------------------------------------------------- */

static void kept_init(struct kept *kept, struct lk_budgets *owner, struct lk_str key)
{
    kept->owner = owner;
    kept->key = lk_str(lk_str_dup(key), key.len);
}

static void kept_unref(struct kept *kept, uint64_t now_ms)
{
    LK_ASSERT(kept->refs > 0);
    if (--kept->refs == 0)
        kept->left_at_ms = now_ms;
}

static bool kept_is_over(const struct kept *kept, uint64_t now_ms)
{
    return kept->refs == 0 && now_ms >= kept->left_at_ms + LK_BUDGET_KEEP_MS;
}

static struct lk_budget_cluster *find_cluster(struct lk_budgets *budgets, struct lk_str name)
{
    struct lk_budget_cluster *cluster = lk_map_get(&budgets->clusters, name);

    if (cluster == NULL) {
        cluster = lk_calloc(1, sizeof(*cluster));
        kept_init(&cluster->kept, budgets, name);
        cluster->meter = lk_base_meter_new(budgets->threads);
        lk_map_set(&budgets->clusters, cluster->kept.key, cluster);
    }
    cluster->kept.refs++;
    return cluster;
}

/* The lane, a byte that no lane name has, the cluster. lk_free(ptr). */
static struct lk_str budget_key(struct lk_str cluster, struct lk_str lane)
{
    char *key = lk_malloc(lane.len + 1 + cluster.len);

    if (lane.len > 0)
        memcpy(key, lane.ptr, lane.len);
    key[lane.len] = '\0';
    if (cluster.len > 0)
        memcpy(key + lane.len + 1, cluster.ptr, cluster.len);
    return lk_str(key, lane.len + 1 + cluster.len);
}

static struct lk_budget *find_budget(struct lk_budgets *budgets, struct lk_str cluster, struct lk_str key)
{
    struct lk_budget *budget = lk_map_get(&budgets->budgets, key);

    if (budget == NULL) {
        budget = lk_calloc(1, sizeof(*budget));
        kept_init(&budget->kept, budgets, key);
        budget->cluster = find_cluster(budgets, cluster);
        atomic_init(&budget->lost_ms, NEVER);
        lk_map_set(&budgets->budgets, budget->kept.key, budget);
    }
    budget->kept.refs++;
    return budget;
}

static void free_cluster(struct lk_budget_cluster *cluster)
{
    lk_map_remove(&cluster->kept.owner->clusters, cluster->kept.key);
    lk_base_meter_free(cluster->meter);
    lk_free((void *)cluster->kept.key.ptr);
    lk_free(cluster);
}

static void free_budget(struct lk_budget *budget, uint64_t now_ms)
{
    kept_unref(&budget->cluster->kept, now_ms);
    lk_map_remove(&budget->kept.owner->budgets, budget->kept.key);
    lk_free((void *)budget->kept.key.ptr);
    lk_free(budget);
}

/* --- references ------------------------------------------------------------------------------------------------- */

/* The values of a map, as an array of its own since freeing changes the map. lk_free. */
static void **values_of(const struct lk_map *map)
{
    void **values = lk_calloc(LK_MAX(map->count, (size_t)1), sizeof(*values));
    struct lk_map_slot *slot;
    size_t count = 0;

    for (size_t i = 0; (slot = lk_map_next(map, &i));)
        values[count++] = slot->value;
    return values;
}

/* With `all`, references are a mistake of the caller. */
static void free_kept(struct lk_budgets *budgets, bool all, uint64_t now_ms)
{
    size_t count = budgets->budgets.count;
    void **values = values_of(&budgets->budgets);

    for (size_t i = 0; i < count; i++) {
        struct lk_budget *budget = values[i];

        LK_ASSERT(!all || budget->kept.refs == 0);
        if (all || kept_is_over(&budget->kept, now_ms))
            free_budget(budget, now_ms);
    }
    lk_free(values);
    count = budgets->clusters.count;
    values = values_of(&budgets->clusters);
    for (size_t i = 0; i < count; i++) {
        struct lk_budget_cluster *cluster = values[i];

        LK_ASSERT(!all || cluster->kept.refs == 0);
        if (all || kept_is_over(&cluster->kept, now_ms))
            free_cluster(cluster);
    }
    lk_free(values);
}

void lk_budgets_free(struct lk_budgets *budgets)
{
    if (budgets == NULL)
        return;
    free_kept(budgets, true, 0);
    lk_map_fini(&budgets->clusters);
    lk_map_fini(&budgets->budgets);
    pthread_mutex_destroy(&budgets->lock);
    lk_free(budgets);
}

void lk_budgets_prune(struct lk_budgets *budgets, uint64_t now_ms)
{
    pthread_mutex_lock(&budgets->lock);
    free_kept(budgets, false, now_ms);
    pthread_mutex_unlock(&budgets->lock);
}

struct lk_budget_cluster *lk_budget_cluster_ref(struct lk_budgets *budgets, struct lk_str cluster)
{
    struct lk_budget_cluster *found;

    pthread_mutex_lock(&budgets->lock);
    found = find_cluster(budgets, cluster);
    pthread_mutex_unlock(&budgets->lock);
    return found;
}

struct lk_budget *lk_budget_ref(struct lk_budgets *budgets, struct lk_str cluster, struct lk_str lane)
{
    struct lk_str key = budget_key(cluster, lane);
    struct lk_budget *found;

    pthread_mutex_lock(&budgets->lock);
    found = find_budget(budgets, cluster, key);
    pthread_mutex_unlock(&budgets->lock);
    lk_free((void *)key.ptr);
    return found;
}

static void unref(struct kept *kept, uint64_t now_ms)
{
    struct lk_budgets *budgets = kept->owner;

    pthread_mutex_lock(&budgets->lock);
    kept_unref(kept, now_ms);
    pthread_mutex_unlock(&budgets->lock);
}

void lk_budget_cluster_unref(struct lk_budget_cluster *cluster, uint64_t now_ms)
{
    if (cluster != NULL)
        unref(&cluster->kept, now_ms);
}

void lk_budget_unref(struct lk_budget *budget, uint64_t now_ms)
{
    if (budget != NULL)
        unref(&budget->kept, now_ms);
}

void lk_budget_cluster_count(struct lk_budget_cluster *cluster, uint64_t now_ms)
{
    lk_base_meter_count(cluster->meter, now_ms);
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

struct pace {
    uint64_t cost_ns;  /* of one request */
    uint64_t depth_ns; /* of the bucket; at least one request */
};

/*
 * In a stretch as long as the window, requests cost at most the window and what the bucket held at its start. So the
 * cap is kept when cost = (window + depth) / cap. The bucket must hold one request at least: depth >= cost means
 * depth >= window / (cap - 1). Costs are rounded up.
 */
static bool pace_of(double allowed, double window_ns, struct pace *out)
{
    double depth;

    if (allowed < 1)
        return false;
    if (allowed < 2) {
        out->cost_ns = (uint64_t)window_ns + 1;
        out->depth_ns = out->cost_ns;
        return true;
    }
    depth = LK_MAX(window_ns / DEPTH, window_ns / (allowed - 1));
    out->cost_ns = (uint64_t)((window_ns + depth) / allowed) + 1;
    out->depth_ns = LK_MAX((uint64_t)depth, out->cost_ns);
    return true;
}

static uint32_t window_of(const struct lk_fallback_cap *cap)
{
    return cap->window_ms != 0 ? cap->window_ms : 1000;
}

static double allowed_rate(const struct lk_fallback_cap *cap, double base)
{
    return LK_MAX(base * cap->percent / 100.0, (double)cap->min_rps);
}

static bool pace_at(const struct lk_fallback_cap *cap, double base_rate, struct pace *out)
{
    uint32_t window_ms = window_of(cap);

    return pace_of(allowed_rate(cap, base_rate) * window_ms / 1000.0, window_ms * NS_PER_MS, out);
}

static double base_rate_of(const struct lk_budget_cluster *cluster, const struct lk_fallback_cap *cap, uint64_t now_ms)
{
    return lk_base_meter_rate(cluster->meter, window_of(cap), now_ms);
}

/* When the bucket is full again after one request more; 0: it has no room for it. */
static uint64_t full_after(uint64_t full_at, const struct pace *pace, uint64_t now_ns)
{
    uint64_t next = LK_MAX(full_at, now_ns) + pace->cost_ns;

    return next > now_ns + pace->depth_ns ? 0 : next;
}

bool lk_budget_take(struct lk_budget *budget, const struct lk_fallback_cap *cap, uint64_t now_ms)
{
    uint64_t full_at = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    uint64_t now_ns = now_ms * (uint64_t)NS_PER_MS;
    struct pace pace;
    uint64_t next;

    if (!pace_at(cap, base_rate_of(budget->cluster, cap, now_ms), &pace))
        return false;
    do {
        next = full_after(full_at, &pace, now_ns);
        if (next == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->full_at_ns, &full_at, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* --- for /lanes -------------------------------------------------------------------------------------------------- */

void lk_budget_read(const struct lk_budget *budget, const struct lk_fallback_cap *cap, uint64_t now_ms,
                    struct lk_budget_level *out)
{
    uint32_t window_ms = window_of(cap);
    uint64_t full_at = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    uint64_t now_ns = now_ms * (uint64_t)NS_PER_MS;
    struct pace pace;

    out->base_rps = lk_base_meter_rate(budget->cluster->meter, window_ms, now_ms);
    out->allowed_rps = allowed_rate(cap, out->base_rps);
    out->spent = 1;
    if (pace_of(out->allowed_rps * window_ms / 1000.0, window_ms * NS_PER_MS, &pace))
        out->spent = full_at > now_ns ? LK_MIN((double)(full_at - now_ns) / (double)pace.depth_ns, 1.0) : 0;
}

void lk_budgets_each(struct lk_budgets *budgets,
                     void (*visit)(void *arg, struct lk_str cluster, struct lk_str lane,
                                   const struct lk_budget *budget),
                     void *arg)
{
    struct lk_map_slot *slot;

    pthread_mutex_lock(&budgets->lock);
    for (size_t i = 0; (slot = lk_map_next(&budgets->budgets, &i));) {
        size_t lane = lk_str_find_byte(slot->key, '\0');

        visit(arg, lk_str_drop(slot->key, lane + 1), lk_str(slot->key.ptr, lane), slot->value);
    }
    pthread_mutex_unlock(&budgets->lock);
}

/* --- absent or lost --------------------------------------------------------------------------------------------- */

void lk_budget_set_present(struct lk_budget *budget, bool present, uint64_t now_ms)
{
    uint64_t lost = atomic_load_explicit(&budget->lost_ms, memory_order_relaxed);

    if (present && lost != PRESENT)
        atomic_store_explicit(&budget->lost_ms, PRESENT, memory_order_relaxed);
    else if (!present && lost == PRESENT)
        atomic_store_explicit(&budget->lost_ms, now_ms, memory_order_relaxed);
}

bool lk_budget_in_grace(const struct lk_budget *budget, uint32_t grace_ms, uint64_t now_ms)
{
    uint64_t lost = atomic_load_explicit(&budget->lost_ms, memory_order_relaxed);

    if (lost == NEVER)
        return false;
    return lost == PRESENT || now_ms < lost + grace_ms;
}

/* --- only asked ------------------------------------------------------------------------------------------------- */

struct lk_budget_outlook lk_budgets_outlook(struct lk_budgets *budgets, struct lk_str cluster, struct lk_str lane,
                                            const struct lk_fallback_cap *cap, uint32_t grace_ms, uint64_t now_ms)
{
    struct lk_budget_outlook out = {.known = false};
    struct lk_str key = budget_key(cluster, lane);
    const struct lk_budget_cluster *in;
    const struct lk_budget *budget;
    uint64_t full_at = 0;
    struct pace pace;

    pthread_mutex_lock(&budgets->lock);
    in = lk_map_get(&budgets->clusters, cluster);
    budget = lk_map_get(&budgets->budgets, key);
    if (in != NULL)
        out.base_rate = base_rate_of(in, cap, now_ms);
    if (budget != NULL) {
        out.known = true;
        out.in_grace = lk_budget_in_grace(budget, grace_ms, now_ms);
        full_at = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    }
    pthread_mutex_unlock(&budgets->lock);
    out.would_take =
        pace_at(cap, out.base_rate, &pace) && full_after(full_at, &pace, now_ms * (uint64_t)NS_PER_MS) != 0;
    lk_free((void *)key.ptr);
    return out;
}
