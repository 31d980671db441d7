/* Walks the chain of a lane over the hosts of a cluster. Worker thread. See lane_pick.h. */
#include "proxy/lane/lane_pick.h"

#include "proxy/config/lane_name.h"
#include "proxy/upstream/shadow_budget.h"

const char *lk_lane_reason_name(enum lk_lane_reason reason)
{
    static const char *const names[] = {
#define X(id, name) name,
        LK_LANE_REASONS(X)
#undef X
    };

    return names[reason];
}

void lk_lane_ask_mark(struct lk_lane_ask *ask, struct lk_str mark)
{
    struct lk_lane_resolution found;

    ask->lane = NULL;
    ask->unknown = ask->rejected = ask->shadow = false;
    if (mark.len == 0)
        return;
    found = lk_lane_table_resolve(ask->table, mark, ask->wall_us);
    ask->lane = found.standing != LK_LANE_IS_BASE ? found.lane : NULL;
    ask->unknown = found.standing != LK_LANE_IS_BASE && found.lane == NULL;
    ask->rejected = found.outcome == LK_LANE_REJECT;
    ask->shadow = lk_lane_name_is_shadow(mark);
}

static bool full(const struct lk_breaker *breaker, enum lk_resource resource)
{
    return breaker->limit[resource] > 0 && !lk_breaker_has_room(breaker, resource);
}

static const struct lk_breaker *breaker_of(const struct lk_cluster *cluster, uint8_t priority, bool shadow)
{
    const struct lk_shadow_budget *budget;

    if (!shadow)
        return &cluster->breakers[priority];
    budget = lk_shadow_budget_peek(cluster);
    return budget != NULL ? &budget->breakers[priority] : NULL;
}

bool lk_lane_asks_shadow(const struct lk_lane_ask *ask)
{
    return ask->shadow || (ask->lane != NULL && ask->lane->kind == LK_LANE_SHADOW);
}

bool lk_lane_overloaded(const struct lk_lane_ask *ask, const struct lk_cluster_view *cluster)
{
    const struct lk_breaker *breaker = breaker_of(cluster->cluster, ask->priority, lk_lane_asks_shadow(ask));

    if (breaker == NULL)
        return false;
    if (ask->connection)
        return full(breaker, LK_RESOURCE_CONNECTIONS);
    return full(breaker, LK_RESOURCE_REQUESTS) || full(breaker, LK_RESOURCE_PENDING);
}

/* --- one walk ----------------------------------------------------------------------------------------------------- */

struct walk {
    const struct lk_lane_ask *ask;
    struct lk_cluster_view *cluster;
    struct lk_lane_pick_recorder *recorder;
    enum lk_lane_reason reason;  /* of the first step down the chain; OK: none yet */
    bool charged;                /* a step counts for the budget */
    bool breaker_asked;          /* once a lane with endpoints was seen */
    const struct lk_lane *left;  /* by the last retry, which may stay; NULL: none */
    struct lk_lane_hosts stayed; /* its hosts */
};

static void tell(const struct walk *walk, struct lk_str lane, const struct lk_lane_hosts *hosts,
                 enum lk_lane_reason reason)
{
    if (walk->recorder != NULL)
        walk->recorder->on_lane(walk->recorder, lane, hosts->count, hosts->healthy, reason);
}

static struct lk_lane_choice refuse(const struct walk *walk, enum lk_lane_reason reason)
{
    return (struct lk_lane_choice){.cluster = walk->cluster, .reason = reason, .refused = true};
}

static struct lk_lane_choice serve(const struct lk_lane *lane, struct lk_str name, const struct lk_lane_hosts *hosts,
                                   enum lk_lane_reason reason)
{
    return (struct lk_lane_choice){.cluster = hosts->cluster,
                                   .hosts = hosts->view,
                                   .whole = hosts->whole,
                                   .lane = lane,
                                   .served = name,
                                   .reason = reason};
}

/* Nobody is there, and it is not the lanes that refuse: the usual 503. */
static struct lk_lane_choice nobody(const struct walk *walk, enum lk_lane_reason reason)
{
    return (struct lk_lane_choice){.cluster = walk->cluster, .reason = reason};
}

static bool has_any(const struct lk_lane_hosts *hosts)
{
    return hosts->whole || hosts->count > 0;
}

static bool has_enough(const struct lk_lane *lane, const struct lk_lane_hosts *hosts)
{
    return hosts->healthy > 0 && (uint64_t)100 * hosts->healthy >= (uint64_t)lane->min_healthy_percent * hosts->count;
}

/* --- base --------------------------------------------------------------------------------------------------------- */

static void count_base(const struct walk *walk)
{
    const struct lk_lane_ask *ask = walk->ask;

    if (ask->budgets != NULL && !ask->again && !ask->dry)
        lk_budget_cluster_count(lk_budget_memo_cluster(ask->budgets, walk->cluster->config->name, ask->now_ms),
                                ask->now_ms);
}

static const struct lk_lane *base_of(const struct lk_lane_table *table)
{
    return table != NULL ? &table->lanes[LK_LANE_INDEX_BASE] : NULL;
}

static bool rescue_allowed(const struct lk_lane_table *table, struct lk_str cluster)
{
    const struct lk_lane_service *service;

    if (table == NULL || !table->enabled)
        return false;
    service = lk_lane_table_service(table, cluster);
    return service != NULL ? service->base_rescue : table->base_rescue;
}

static struct lk_lane_choice rescue(const struct walk *walk)
{
    const struct lk_lane_ask *ask = walk->ask;
    const struct lk_lane *lane;
    struct lk_lane_hosts hosts;

    if (!rescue_allowed(ask->table, walk->cluster->config->name))
        return nobody(walk, LK_LANE_REASON_ABSENT);
    hosts = lk_lane_hosts_rescue(ask->membership, ask->table, walk->cluster, ask->wall_us, &lane);
    if (lane == NULL)
        return nobody(walk, LK_LANE_REASON_ABSENT);
    tell(walk, lane->name, &hosts, LK_LANE_REASON_BASE_RESCUE);
    return serve(lane, lane->name, &hosts, LK_LANE_REASON_BASE_RESCUE);
}

/* A request that is base's, or is treated so for that reason. */
static struct lk_lane_choice pick_base(const struct walk *walk, enum lk_lane_reason reason)
{
    struct lk_lane_hosts hosts = lk_lane_hosts_base(walk->ask->membership, walk->ask->table, walk->cluster);

    tell(walk, LK_STR(LK_LANE_BASE), &hosts, has_any(&hosts) ? LK_LANE_REASON_OK : LK_LANE_REASON_ABSENT);
    if (!has_any(&hosts))
        return rescue(walk);
    count_base(walk);
    return serve(base_of(walk->ask->table), LK_STR(LK_LANE_BASE), &hosts, reason);
}

/* --- the chain of a gray lane ------------------------------------------------------------------------------------- */

static struct lk_budget_outlook outlook(const struct walk *walk, const struct lk_lane *lane)
{
    const struct lk_lane_ask *ask = walk->ask;
    struct lk_fallback_cap cap = {lane->cap_percent, lane->cap_min_rps, lane->cap_window_ms};

    return lk_budgets_outlook(ask->budgets->budgets, walk->cluster->config->name, lane->name, &cap,
                              lane->absent_grace_ms, ask->now_ms);
}

static bool in_grace(const struct walk *walk, const struct lk_lane *lane, bool present)
{
    const struct lk_lane_ask *ask = walk->ask;
    struct lk_budget *budget;

    if (ask->budgets == NULL)
        return false;
    if (LK_UNLIKELY(ask->dry))
        return !present && outlook(walk, lane).in_grace;
    budget = lk_budget_memo_lane(ask->budgets, walk->cluster->config->name, lane->name, ask->now_ms);
    lk_budget_set_present(budget, present, ask->now_ms);
    return !present && lk_budget_in_grace(budget, lane->absent_grace_ms, ask->now_ms);
}

static bool is_overloaded(struct walk *walk, const struct lk_lane_hosts *hosts)
{
    bool first = !walk->breaker_asked;

    walk->breaker_asked = true;
    if (!first)
        return false;
    return hosts->cluster == walk->cluster ? walk->ask->overloaded : lk_lane_overloaded(walk->ask, hosts->cluster);
}

/* OK: the lane serves. */
static enum lk_lane_reason why_not(struct walk *walk, const struct lk_lane *lane, const struct lk_lane_hosts *hosts,
                                   bool may_leave)
{
    bool lost = in_grace(walk, lane, hosts->count > 0);

    if (hosts->count == 0)
        return lost ? LK_LANE_REASON_UNHEALTHY : LK_LANE_REASON_ABSENT;
    if (!has_enough(lane, hosts))
        return LK_LANE_REASON_UNHEALTHY;
    if (is_overloaded(walk, hosts))
        return LK_LANE_REASON_OVERLOAD;
    return may_leave ? LK_LANE_REASON_RETRY : LK_LANE_REASON_OK;
}

static bool may_step(const struct lk_lane *requested, enum lk_lane_reason reason)
{
    switch (reason) {
    case LK_LANE_REASON_UNHEALTHY:
        return requested->on_unhealthy;
    case LK_LANE_REASON_OVERLOAD:
        return requested->on_overload;
    default: /* ABSENT, and RETRY which was asked before */
        return true;
    }
}

static struct lk_lane_choice refuse_or_stay(const struct walk *walk, enum lk_lane_reason reason)
{
    if (walk->left != NULL)
        return serve(walk->left, walk->left->name, &walk->stayed, LK_LANE_REASON_OK);
    return refuse(walk, reason);
}

static bool take_budget(const struct walk *walk)
{
    const struct lk_lane_ask *ask = walk->ask;
    const struct lk_lane *lane = ask->lane;
    struct lk_fallback_cap cap = {lane->cap_percent, lane->cap_min_rps, lane->cap_window_ms};

    if (LK_UNLIKELY(ask->dry) && ask->budgets != NULL)
        return !walk->charged || outlook(walk, lane).would_take;
    return !walk->charged || ask->budgets == NULL ||
           lk_budget_take(lk_budget_memo_lane(ask->budgets, walk->cluster->config->name, lane->name, ask->now_ms), &cap,
                          ask->now_ms);
}

/* The walk ends at this lane, if the budget allows. */
static struct lk_lane_choice arrive(const struct walk *walk, const struct lk_lane *lane,
                                    const struct lk_lane_hosts *hosts)
{
    if (!take_budget(walk)) {
        tell(walk, lane->name, hosts, LK_LANE_REASON_CAPPED);
        return refuse_or_stay(walk, LK_LANE_REASON_CAPPED);
    }
    tell(walk, lane->name, hosts, LK_LANE_REASON_OK);
    return serve(lane, lane->name, hosts, walk->reason);
}

static struct lk_lane_choice arrive_at_base(const struct walk *walk)
{
    const struct lk_lane *base = base_of(walk->ask->table);
    struct lk_lane_hosts hosts = lk_lane_hosts_base(walk->ask->membership, walk->ask->table, walk->cluster);

    if (!has_any(&hosts)) {
        tell(walk, base->name, &hosts, LK_LANE_REASON_ABSENT);
        return walk->left != NULL
                   ? refuse_or_stay(walk, LK_LANE_REASON_ABSENT)
                   : nobody(walk, walk->reason != LK_LANE_REASON_OK ? walk->reason : LK_LANE_REASON_ABSENT);
    }
    if (walk->reason == LK_LANE_REASON_OK)
        count_base(walk);
    return arrive(walk, base, &hosts);
}

static size_t start_of(const struct lk_lane *from, const uint16_t *chain, size_t count)
{
    for (size_t i = 0; from != NULL && i < count; i++)
        if (chain[i] == from->index)
            return i;
    return 0;
}

static struct lk_lane_choice walk_chain(struct walk *walk, const uint16_t *chain, size_t count)
{
    const struct lk_lane_ask *ask = walk->ask;
    enum lk_lane_reason reason = LK_LANE_REASON_OK;
    size_t start = start_of(ask->from, chain, count);

    for (size_t i = start; i < count; i++) {
        const struct lk_lane *lane = &ask->table->lanes[chain[i]];
        struct lk_lane_hosts hosts;

        if (lane->index == LK_LANE_INDEX_BASE)
            return arrive_at_base(walk);
        hosts = lk_lane_hosts_of(ask->membership, walk->cluster, lane->name);
        reason = why_not(walk, lane, &hosts,
                         i == start && i + 1 < count && ask->step_down && ask->again && ask->lane->on_retry);
        if (reason == LK_LANE_REASON_OK)
            return arrive(walk, lane, &hosts);
        tell(walk, lane->name, &hosts, reason);
        if (!may_step(ask->lane, reason))
            return refuse_or_stay(walk,
                                  count > 1 || reason == LK_LANE_REASON_OVERLOAD ? reason : LK_LANE_REASON_STRICT);
        if (reason == LK_LANE_REASON_RETRY) {
            walk->left = lane;
            walk->stayed = hosts;
        }
        walk->reason = walk->reason == LK_LANE_REASON_OK ? reason : walk->reason;
        walk->charged |= reason != LK_LANE_REASON_ABSENT;
    }
    /* only the chain of a strict lane does not end with base */
    return refuse(walk, reason == LK_LANE_REASON_OVERLOAD ? reason : LK_LANE_REASON_STRICT);
}

static struct lk_lane_choice pick_gray(struct walk *walk)
{
    const struct lk_lane_ask *ask = walk->ask;
    uint16_t chain[LK_LANE_CHAIN_MAX];
    const struct lk_lane_service *service = lk_lane_table_service(ask->table, walk->cluster->config->name);
    size_t count = lk_lane_table_chain(ask->table, ask->lane, service, ask->wall_us, chain);

    return walk_chain(walk, chain, count);
}

/* --- shadow ------------------------------------------------------------------------------------------------------- */

static struct lk_lane_choice serve_shadow(const struct walk *walk, const struct lk_lane *lane,
                                          const struct lk_lane_hosts *hosts, enum lk_lane_reason reason)
{
    bool full = hosts->cluster == walk->cluster ? walk->ask->overloaded : lk_lane_overloaded(walk->ask, hosts->cluster);

    tell(walk, lane->name, hosts, full ? LK_LANE_REASON_OVERLOAD : LK_LANE_REASON_OK);
    return full ? refuse(walk, LK_LANE_REASON_OVERLOAD) : serve(lane, lane->name, hosts, reason);
}

/* Served by its own endpoints or by those that opted in, or by nobody. */
static struct lk_lane_choice pick_shadow(const struct walk *walk)
{
    const struct lk_lane_ask *ask = walk->ask;
    const struct lk_lane *lane = ask->lane;
    struct lk_lane_hosts hosts;
    enum lk_lane_reason reason;

    if (ask->table == NULL || !ask->table->enabled || lane == NULL || lane->kind != LK_LANE_SHADOW ||
        !lk_lane_usable(lane, ask->wall_us))
        return refuse(walk, LK_LANE_REASON_SHADOW_REFUSED);
    hosts = lk_lane_hosts_of(ask->membership, walk->cluster, lane->name);
    if (has_enough(lane, &hosts))
        return serve_shadow(walk, lane, &hosts, LK_LANE_REASON_OK);
    reason = hosts.count > 0 ? LK_LANE_REASON_UNHEALTHY : LK_LANE_REASON_ABSENT;
    tell(walk, lane->name, &hosts, reason);
    hosts = lk_lane_hosts_shadow_ok(ask->membership, ask->table, walk->cluster);
    if (hosts.healthy > 0)
        return serve_shadow(walk, base_of(ask->table), &hosts, reason);
    tell(walk, LK_STR(LK_LANE_BASE), &hosts, LK_LANE_REASON_SHADOW_REFUSED);
    return refuse(walk, LK_LANE_REASON_SHADOW_REFUSED);
}

struct lk_lane_choice lk_lane_pick(const struct lk_lane_ask *ask, struct lk_cluster_view *cluster,
                                   struct lk_lane_pick_recorder *recorder)
{
    struct walk walk = {.ask = ask, .cluster = cluster, .recorder = recorder};

    if (lk_lane_asks_shadow(ask))
        return pick_shadow(&walk);
    if (ask->rejected)
        return refuse(&walk, LK_LANE_REASON_UNKNOWN);
    if (ask->lane == NULL || ask->lane->kind == LK_LANE_BASE_KIND)
        return pick_base(&walk, ask->unknown ? LK_LANE_REASON_UNKNOWN : LK_LANE_REASON_OK);
    if (!ask->table->enabled || !lk_lane_usable(ask->lane, ask->wall_us))
        return pick_base(&walk, LK_LANE_REASON_DISABLED);
    return pick_gray(&walk);
}
