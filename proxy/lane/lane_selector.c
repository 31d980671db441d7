/* From a decision about lanes to a host, counted and flagged. See lane_selector.h. */
#include "proxy/lane/lane_selector.h"

#include "proxy/config/route_config.h"
#include "proxy/lane/lane_explain.h"
#include "proxy/upstream/shadow_budget.h"

/* --- counting ----------------------------------------------------------------------------------------------------- */

#define NOTHING LK_LANE_STAT_COUNT

static void count(const struct lk_lane_selector *selector, const struct lk_lane *lane, enum lk_lane_stat stat)
{
    if (selector->scopes != NULL && stat != NOTHING)
        lk_lane_count(selector->scopes, lane != NULL ? lane->index : UINT32_MAX, stat);
}

static enum lk_lane_stat fallback_stat(enum lk_lane_reason reason)
{
    switch (reason) {
    case LK_LANE_REASON_ABSENT:
        return LK_LANE_STAT_FALLBACK_ABSENT;
    case LK_LANE_REASON_UNHEALTHY:
        return LK_LANE_STAT_FALLBACK_UNHEALTHY;
    case LK_LANE_REASON_OVERLOAD:
        return LK_LANE_STAT_FALLBACK_OVERLOAD;
    case LK_LANE_REASON_RETRY:
        return LK_LANE_STAT_FALLBACK_RETRY;
    default:
        return NOTHING;
    }
}

/* A shadow lane that is in force was kept from what did not opt in; any other is refused as such. */
static enum lk_lane_stat shadow_stat(const struct lk_lane_ask *ask)
{
    bool in_force = ask->table != NULL && ask->table->enabled && ask->lane != NULL &&
                    ask->lane->kind == LK_LANE_SHADOW && lk_lane_usable(ask->lane, ask->wall_us);

    return in_force ? LK_LANE_STAT_LEAK_BLOCKED : LK_LANE_STAT_SHADOW_REFUSED;
}

static enum lk_lane_stat refusal_stat(const struct lk_lane_selector *selector, enum lk_lane_reason reason)
{
    switch (reason) {
    case LK_LANE_REASON_CAPPED:
        return LK_LANE_STAT_CAPPED;
    case LK_LANE_REASON_STRICT:
        return LK_LANE_STAT_STRICT;
    case LK_LANE_REASON_OVERLOAD:
        return LK_LANE_STAT_OVERLOADED;
    case LK_LANE_REASON_SHADOW_REFUSED:
        return shadow_stat(&selector->ask);
    default:
        return NOTHING;
    }
}

/* Requests and connections by who serves them. */
static enum lk_lane_stat served_stat(const struct lk_lane_ask *ask, const struct lk_lane *serving)
{
    if (serving == NULL || serving->kind == LK_LANE_BASE_KIND)
        return ask->connection ? LK_LANE_STAT_CX_OUT_BASE : LK_LANE_STAT_RQ_OUT_BASE;
    if (serving == ask->lane)
        return ask->connection ? LK_LANE_STAT_CX_OUT_OWN : LK_LANE_STAT_RQ_OUT_OWN;
    return ask->connection ? LK_LANE_STAT_CX_OUT_PARENT : LK_LANE_STAT_RQ_OUT_PARENT;
}

static void count_served(const struct lk_lane_selector *selector, const struct lk_lane_choice *choice)
{
    const struct lk_lane *lane = selector->ask.lane;

    if (choice->reason == LK_LANE_REASON_BASE_RESCUE)
        count(selector, choice->lane, LK_LANE_STAT_BASE_RESCUE);
    if (lane == NULL && !selector->ask.unknown)
        return;
    count(selector, lane, served_stat(&selector->ask, choice->lane));
    count(selector, lane, fallback_stat(choice->reason));
}

/* --- one try ------------------------------------------------------------------------------------------------------ */

static bool is_fallback(enum lk_lane_reason reason)
{
    return fallback_stat(reason) != NOTHING;
}

/* A retry that went where the first try did tells no reason of its own. */
static void note(struct lk_lane_selector *selector, const struct lk_lane_choice *choice)
{
    bool moved = !selector->ask.again || !lk_str_eq(choice->served, selector->served);

    selector->refused = choice->refused;
    selector->served = choice->served;
    if (!moved && choice->reason == LK_LANE_REASON_OK)
        return;
    selector->reason = choice->reason;
    if (choice->refused)
        count(selector, selector->ask.lane, refusal_stat(selector, choice->reason));
    if (choice->refused || choice->served.len == 0)
        return;
    if (moved)
        count_served(selector, choice);
    if (is_fallback(choice->reason))
        lk_stream_info_flag(selector->info, LK_FLAG_LANE_FALLBACK);
    if (choice->reason == LK_LANE_REASON_UNKNOWN)
        lk_stream_info_flag(selector->info, LK_FLAG_LANE_UNKNOWN);
}

static struct lk_host_selection refusal(enum lk_lane_reason reason)
{
    static const struct {
        enum lk_response_flag flag;
        const char *details;
    } replies[LK_LANE_REASON_COUNT] = {
        [LK_LANE_REASON_UNHEALTHY] = {LK_FLAG_NO_HEALTHY_UPSTREAM, "lane_unhealthy"},
        [LK_LANE_REASON_OVERLOAD] = {LK_FLAG_UPSTREAM_OVERFLOW, "lane_overloaded"},
        [LK_LANE_REASON_STRICT] = {LK_FLAG_NO_HEALTHY_UPSTREAM, "lane_strict"},
        [LK_LANE_REASON_CAPPED] = {LK_FLAG_LANE_CAPPED, "lane_capped"},
        [LK_LANE_REASON_UNKNOWN] = {LK_FLAG_LANE_UNKNOWN, "lane_unknown"},
        [LK_LANE_REASON_SHADOW_REFUSED] = {LK_FLAG_LANE_SHADOW_REFUSED, "lane_shadow_refused"},
    };

    return (struct lk_host_selection){
        .refused = true, .flag = replies[reason].flag, .details = replies[reason].details};
}

static void prepare(struct lk_lane_selector *selector, const struct lk_cluster_view *view, bool last)
{
    const struct lk_route *route = selector->info->route;
    struct lk_lane_ask *ask = &selector->ask;

    ask->now_ms = lk_loop_now_ms(view->loop);
    ask->priority = route != NULL && route->action.high_priority;
    ask->overloaded = (ask->lane != NULL || ask->shadow) && lk_lane_overloaded(ask, view);
    ask->step_down = last;
}

static struct lk_host_selection select_host(struct lk_host_selector *base, struct lk_cluster_view *view,
                                            const struct lk_pick *pick, bool last)
{
    struct lk_lane_selector *selector = LK_CONTAINER_OF(base, struct lk_lane_selector, base);
    struct lk_host_selection chosen = {.host = NULL};
    struct lk_lane_choice choice;

    prepare(selector, view, last);
    choice = lk_lane_pick(&selector->ask, view, lk_lane_recorder_pick(selector->recorder));
    note(selector, &choice);
    if (LK_UNLIKELY(selector->recorder != NULL))
        lk_lane_recorder_choice(selector->recorder, selector, &choice);
    selector->ask.again = true;
    selector->ask.from = choice.lane;
    if (choice.refused)
        return refusal(choice.reason);
    if (choice.whole)
        chosen.host = lk_cluster_pick(choice.cluster, pick);
    else if (choice.hosts != NULL)
        chosen.host = lk_cluster_pick_from(choice.cluster, choice.hosts, pick);
    if (chosen.host != NULL && lk_lane_asks_shadow(&selector->ask) && pick->recorder == NULL)
        chosen.host = lk_worker_host_shadow(chosen.host);
    return chosen;
}

struct lk_host_selection lk_lane_select_copy(const struct lk_lane_ask *ask, const struct lk_lane_scopes *scopes,
                                             const struct lk_stream_info *info, struct lk_cluster_view *view,
                                             const struct lk_pick *pick)
{
    struct lk_stream_info own = {.route = info->route};
    struct lk_lane_selector selector = {.ask = *ask, .info = &own, .scopes = scopes};

    selector.ask.budgets = NULL;
    return select_host(&selector.base, view, pick, false);
}

/* A cluster that is not of the mesh has no lanes. */
static struct lk_host_selection select_outside(struct lk_host_selector *base, struct lk_cluster_view *view,
                                               const struct lk_pick *pick, bool last)
{
    struct lk_worker_host *wh = lk_cluster_pick(view, pick);

    (void)base;
    (void)last;
    return (struct lk_host_selection){.host = wh != NULL && pick->recorder == NULL ? lk_worker_host_shadow(wh) : wh};
}

void lk_lane_select_outside(struct lk_arena *arena, struct lk_stream_info *info)
{
    struct lk_host_selector *selector = lk_arena_zalloc(arena, sizeof(*selector));

    selector->select = select_outside;
    info->selector = selector;
}

struct lk_lane_selector *lk_lane_selector_new(struct lk_arena *arena, struct lk_stream_info *info,
                                              const struct lk_lane_ask *ask, const struct lk_lane_scopes *scopes)
{
    struct lk_lane_selector *selector = lk_arena_zalloc(arena, sizeof(*selector));

    selector->base.select = select_host;
    selector->ask = *ask;
    selector->ask.again = false;
    selector->ask.from = NULL;
    selector->info = info;
    selector->scopes = scopes;
    info->selector = &selector->base;
    return selector;
}
