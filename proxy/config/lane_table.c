/* The lane table: lookups and what a mark comes to. Built on the main thread, read by every worker. */
#include "proxy/config/lane_table.h"

#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"

static void free_maps(void *arg)
{
    struct lk_lane_table *table = arg;

    lk_map_fini(&table->by_name);
    lk_map_fini(&table->services);
}

struct lk_lane_table *lk_lane_table_new(void)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_lane_table *table = lk_arena_zalloc(arena, sizeof(*table));
    struct lk_lane *base = lk_arena_zalloc(arena, sizeof(*base));

    lk_ref_init(&table->ref);
    table->arena = arena;
    table->enabled = true;
    base->name = LK_STR(LK_LANE_BASE);
    table->lanes = base;
    table->lane_count = 1;
    lk_map_init(&table->by_name);
    lk_map_init(&table->services);
    lk_arena_on_free(arena, free_maps, table);
    return table;
}

struct lk_lane_table *lk_lane_table_ref(struct lk_lane_table *table)
{
    lk_ref_get(&table->ref);
    return table;
}

void lk_lane_table_unref(struct lk_lane_table *table)
{
    if (table != NULL && lk_ref_put(&table->ref))
        lk_arena_free(table->arena);
}

/* The host of "outbound|80|subset|host": what follows the third '|'. Empty where the name is no such. */
static struct lk_str host_of(struct lk_str cluster)
{
    for (unsigned i = 0; i < 3; i++) {
        size_t bar = lk_str_find_byte(cluster, '|');

        if (bar == cluster.len)
            return (struct lk_str){"", 0};
        cluster = lk_str_drop(cluster, bar + 1);
    }
    return cluster;
}

const struct lk_lane_service *lk_lane_table_service(const struct lk_lane_table *table, struct lk_str cluster)
{
    const struct lk_lane_service *service;
    struct lk_str host;

    if (table->services.count == 0)
        return NULL;
    service = lk_map_get(&table->services, cluster);
    if (service != NULL)
        return service;
    host = host_of(cluster);
    return host.len > 0 ? lk_map_get(&table->services, host) : NULL;
}

/* --- what a mark comes to ----------------------------------------------------------------------------------------- */

static enum lk_lane_standing standing_of(const struct lk_lane_table *table, const struct lk_lane *lane, int64_t now_us)
{
    if (table != NULL && !table->enabled)
        return LK_LANE_IS_TABLE_OFF;
    if (lane == NULL)
        return LK_LANE_IS_UNKNOWN;
    if (lane->state == LK_LANE_DISABLED)
        return LK_LANE_IS_DISABLED;
    if (lk_lane_expired(lane, now_us))
        return LK_LANE_IS_EXPIRED;
    return lane->state == LK_LANE_DRAINING ? LK_LANE_IS_DRAINING : LK_LANE_IS_ACTIVE;
}

struct lk_lane_resolution lk_lane_table_resolve(const struct lk_lane_table *table, struct lk_str name, int64_t now_us)
{
    struct lk_lane_resolution out = {LK_LANE_IS_BASE, LK_LANE_SERVE, NULL};

    if (name.len == 0 || lk_lane_name_is_base(name)) {
        out.lane = table != NULL ? &table->lanes[LK_LANE_INDEX_BASE] : NULL;
        return out;
    }
    return lk_lane_table_judge(table, table != NULL ? lk_lane_table_find(table, name) : NULL, name, now_us);
}

struct lk_lane_resolution lk_lane_table_judge(const struct lk_lane_table *table, const struct lk_lane *lane,
                                              struct lk_str name, int64_t now_us)
{
    struct lk_lane_resolution out = {standing_of(table, lane, now_us), LK_LANE_SERVE, lane};

    if (out.standing == LK_LANE_IS_ACTIVE || out.standing == LK_LANE_IS_DRAINING)
        return out;
    if (lk_lane_name_is_shadow(name))
        out.outcome = LK_LANE_REFUSE_SHADOW;
    else if (out.standing == LK_LANE_IS_UNKNOWN && table != NULL && table->unknown == LK_LANE_UNKNOWN_REJECTED)
        out.outcome = LK_LANE_REJECT;
    else
        out.outcome = LK_LANE_SERVE_BASE;
    return out;
}

const char *lk_lane_standing_name(enum lk_lane_standing standing)
{
    static const char *const names[] = {
        [LK_LANE_IS_BASE] = "base",           [LK_LANE_IS_ACTIVE] = "active",   [LK_LANE_IS_DRAINING] = "draining",
        [LK_LANE_IS_DISABLED] = "disabled",   [LK_LANE_IS_EXPIRED] = "expired", [LK_LANE_IS_UNKNOWN] = "unknown",
        [LK_LANE_IS_TABLE_OFF] = "table_off",
    };

    return names[standing];
}

/* --- the order of fallback ---------------------------------------------------------------------------------------- */

struct chain {
    const struct lk_lane_table *table;
    int64_t now_us;
    uint16_t *out;
    size_t count;
};

static void append(struct chain *chain, uint16_t index)
{
    if (!lk_lane_usable(&chain->table->lanes[index], chain->now_us))
        return;
    for (size_t i = 0; i < chain->count; i++)
        if (chain->out[i] == index)
            return;
    chain->out[chain->count++] = index;
}

static void append_with_parents(struct chain *chain, const struct lk_lane *lane)
{
    append(chain, lane->index);
    for (unsigned i = 0; i < lane->parent_count; i++)
        append(chain, lane->parents[i]);
}

size_t lk_lane_table_chain(const struct lk_lane_table *table, const struct lk_lane *lane,
                           const struct lk_lane_service *service, int64_t now_us, uint16_t out[LK_LANE_CHAIN_MAX])
{
    struct chain chain = {.table = table, .now_us = now_us, .out = out};
    enum lk_lane_mode mode = lane->mode;

    if (lane->kind == LK_LANE_SHADOW) {
        append(&chain, lane->index);
        return chain.count;
    }
    if (service != NULL && service->has_mode)
        mode = service->mode;
    if (service != NULL && service->has_target && lane->kind == LK_LANE_GRAY)
        lane = &table->lanes[service->target];
    if (mode == LK_LANE_STRICT && lane->kind != LK_LANE_BASE_KIND) {
        append(&chain, lane->index);
        return chain.count;
    }
    if (service != NULL && service->has_parent && lane->kind == LK_LANE_GRAY) {
        append(&chain, lane->index);
        append_with_parents(&chain, &table->lanes[service->parent]);
    } else {
        append_with_parents(&chain, lane);
    }
    append(&chain, LK_LANE_INDEX_BASE);
    return chain.count;
}
