/* Scopes of lanes: bounded names, bound to ids table by table. */
#include "proxy/lane/lane_stats.h"

#include "proxy/base/map.h"
#include "proxy/base/mem.h"

#define OTHER LK_STR("_other")

#define DEF(id, name, kind) {name, LK_STAT_##kind},

static const struct lk_stat_def defs[] = {LK_LANE_STATS(DEF)};

const struct lk_stat_block lk_lane_stat_block = {defs, LK_ARRAY_LEN(defs)};

struct lk_lane_names {
    struct lk_stats *stats;
    unsigned max;
    struct lk_map own; /* names with scopes of their own; a key is its value */
};

struct lk_lane_names *lk_lane_names_new(struct lk_stats *stats, unsigned max)
{
    struct lk_lane_names *names = lk_calloc(1, sizeof(*names));

    names->stats = stats;
    names->max = max != 0 ? max : LK_LANE_STATS_NAMES;
    lk_map_init(&names->own);
    return names;
}

void lk_lane_names_free(struct lk_lane_names *names)
{
    struct lk_map_slot *slot;

    if (names == NULL)
        return;
    for (size_t i = 0; (slot = lk_map_next(&names->own, &i));)
        lk_free(slot->value);
    lk_map_fini(&names->own);
    lk_free(names);
}

/* Whether a lane counts under its own name, from now on if there is room. */
static bool has_own(struct lk_lane_names *names, struct lk_str lane)
{
    char *copy;

    if (lk_map_get(&names->own, lane) != NULL)
        return true;
    if (names->own.count >= names->max)
        return false;
    copy = lk_str_dup(lane);
    lk_map_set(&names->own, lk_str(copy, lane.len), copy);
    return true;
}

bool lk_lane_names_has(const struct lk_lane_names *names, struct lk_str lane)
{
    return lk_map_get(&names->own, lane) != NULL;
}

static struct lk_stats_scope *scope_of(struct lk_lane_names *names, struct lk_str lane)
{
    struct lk_arena arena;
    struct lk_stats_scope *scope;

    lk_arena_init(&arena);
    scope =
        lk_stats_scope_ref(names->stats, &lk_lane_stat_block, lk_arena_printf(&arena, "lane.%.*s.", LK_STR_ARG(lane)));
    lk_arena_reset(&arena);
    return scope;
}

struct lk_lane_scopes *lk_lane_scopes_new(struct lk_lane_names *names, const struct lk_str *lanes, unsigned count)
{
    struct lk_lane_scopes *scopes = lk_calloc(1, sizeof(*scopes) + (count + 1) * sizeof(scopes->scopes[0]));

    scopes->count = count;
    for (unsigned i = 0; i < count; i++)
        scopes->scopes[i] = scope_of(names, has_own(names, lanes[i]) ? lanes[i] : OTHER);
    scopes->scopes[count] = scope_of(names, OTHER);
    return scopes;
}

void lk_lane_scopes_free(struct lk_lane_scopes *scopes)
{
    if (scopes == NULL)
        return;
    for (unsigned i = 0; i <= scopes->count; i++)
        lk_stats_scope_unref(scopes->scopes[i]);
    lk_free(scopes);
}
