/* Gauges of endpoints by lane and cluster. See lane_gauges.h. */
#include "proxy/lane/lane_gauges.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"
#include "proxy/lane/lane_members.h"

/* Clusters without a change between two looks at the clock. */
#define UNCHANGED_AT_ONCE 64u

enum { TOTAL, HEALTHY };

static const struct lk_stat_def defs[] = {{"endpoints", LK_STAT_GAUGE}, {"endpoints_healthy", LK_STAT_GAUGE}};
static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};

static const struct lk_str other = LK_STR_INIT("_other");

struct pair {
    struct lk_str lane; /* owned */
    struct lk_stats_scope *scope;
    struct lk_lane_count hosts; /* of the count that is being made */
};

/* What is known of a cluster. */
struct record {
    struct lk_str name; /* owned */
    uint64_t change, sibling_change, version, epoch;
    struct pair *pairs;
    size_t count, cap;
    struct lk_lane_count beyond; /* its part of _other/_other */
};

struct lk_lane_gauges {
    struct lk_lane_runtime *runtime;
    size_t max, pair_count;
    struct lk_map records;
    struct record **order; /* as clusters were visited the last time; NULL beyond that */
    size_t order_cap;
    struct lk_stats_scope *beyond_scope; /* NULL: all pairs have gauges of their own so far */
    struct lk_lane_count beyond;
    struct lk_timer timer;
    /* the round in progress */
    size_t at, seen;
    uint64_t deadline_us;
    bool stopped;
    /* What a cluster counts may be the endpoints of another one: when any has changed, all are counted anew. */
    uint64_t sibling_change, sum, last_sum;
};

static void show(struct lk_stats_scope *scope, const struct lk_lane_count *hosts)
{
    lk_stats_set(scope, TOTAL, hosts->total);
    lk_stats_set(scope, HEALTHY, hosts->healthy);
}

static struct lk_stats_scope *scope_of(const struct lk_lane_gauges *gauges, struct lk_str lane, struct lk_str cluster)
{
    struct lk_stats_scope *scope;
    struct lk_arena arena;

    lk_arena_init(&arena);
    scope = lk_stats_scope_ref(
        gauges->runtime->stats, &block,
        lk_arena_printf(&arena, "lane.%.*s.in_cluster.%.*s.", LK_STR_ARG(lane), LK_STR_ARG(cluster)));
    lk_arena_reset(&arena);
    return scope;
}

/* --- one cluster -------------------------------------------------------------------------------------------------- */

static struct record *record_of(struct lk_lane_gauges *gauges, struct lk_str cluster)
{
    struct record *record = lk_map_get(&gauges->records, cluster);

    if (record == NULL) {
        record = lk_calloc(1, sizeof(*record));
        record->name = lk_str(lk_str_dup(cluster), cluster.len);
        lk_map_set(&gauges->records, record->name, record);
    }
    return record;
}

/* As a rule clusters come in the same order, which saves a search. */
static struct record *record_at(struct lk_lane_gauges *gauges, size_t at, struct lk_str cluster)
{
    size_t cap = gauges->order_cap;

    gauges->order = lk_grow(gauges->order, &gauges->order_cap, at + 1, sizeof(struct record *));
    if (gauges->order_cap > cap)
        memset(gauges->order + cap, 0, (gauges->order_cap - cap) * sizeof(struct record *));
    if (gauges->order[at] == NULL || !lk_str_eq(gauges->order[at]->name, cluster))
        gauges->order[at] = record_of(gauges, cluster);
    return gauges->order[at];
}

/* As a rule the lane's pair is where its lane stands in the table. NULL: no more pairs. */
static struct pair *pair_of(struct lk_lane_gauges *gauges, struct record *record, struct lk_str lane, size_t likely)
{
    for (size_t i = 0; i < record->count; i++) {
        struct pair *pair = &record->pairs[(likely + i) % record->count];

        if (lk_str_eq(pair->lane, lane))
            return pair;
    }
    if (gauges->pair_count >= gauges->max)
        return NULL;
    record->pairs = lk_grow(record->pairs, &record->cap, record->count + 1, sizeof(*record->pairs));
    record->pairs[record->count] =
        (struct pair){.lane = lk_str(lk_str_dup(lane), lane.len), .scope = scope_of(gauges, lane, record->name)};
    gauges->pair_count++;
    return &record->pairs[record->count++];
}

static void add(struct lk_lane_gauges *gauges, struct record *record, struct lk_str lane, size_t likely,
                const struct lk_lane_count *hosts)
{
    bool own = lk_lane_name_is_base(lane) || lk_lane_names_has(gauges->runtime->names, lane);
    struct lk_str name = own ? lane : other;
    struct pair *pair = pair_of(gauges, record, name, likely);
    struct lk_lane_count *sum = pair != NULL ? &pair->hosts : &record->beyond;

    sum->total += hosts->total;
    sum->healthy += hosts->healthy;
}

static void add_all(struct lk_lane_gauges *gauges, struct record *record, const struct lk_lane_table *table,
                    const struct lk_lane_members *members)
{
    size_t lanes = table != NULL ? table->lane_count : 1;
    size_t next = 0;

    for (size_t i = 0; i < lanes && members->count > 0; i++) {
        bool has = next < members->count && members->items[next].lane == i;
        const struct lk_lane_count hosts = has ? members->items[next].hosts : (struct lk_lane_count){0, 0};

        add(gauges, record, table != NULL ? table->lanes[i].name : LK_STR(LK_LANE_BASE), i, &hosts);
        next += has;
    }
}

/* The first filter that would send to the cluster with marks; NULL: none. */
static const struct lk_lane_settings *sender_to(const struct lk_lane_gauges *gauges, const struct lk_cluster *cluster)
{
    LK_LIST_FOREACH(node, &gauges->runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);

        if (settings->outbound && lk_lane_boundary(&settings->config->egress, cluster->config).mesh &&
            !lk_lane_is_sibling(settings, lk_lane_settings_table(settings), cluster))
            return settings;
    }
    return NULL;
}

static void recount(struct lk_lane_gauges *gauges, struct record *record, struct lk_cluster *cluster)
{
    const struct lk_lane_settings *settings = sender_to(gauges, cluster);
    const struct lk_lane_count before = record->beyond;
    struct lk_lane_members members;
    struct lk_arena arena;

    record->beyond = (struct lk_lane_count){0, 0};
    for (size_t i = 0; i < record->count; i++)
        record->pairs[i].hosts = (struct lk_lane_count){0, 0};
    lk_arena_init(&arena);
    if (settings != NULL) {
        const struct lk_lane_table *table = lk_lane_settings_table(settings);

        lk_lane_members_read(settings, table, cluster, &arena, &members);
        add_all(gauges, record, table, &members);
    }
    lk_arena_reset(&arena);
    for (size_t i = 0; i < record->count; i++)
        show(record->pairs[i].scope, &record->pairs[i].hosts);
    gauges->beyond.total += record->beyond.total - before.total;
    gauges->beyond.healthy += record->beyond.healthy - before.healthy;
}

/* Hosts are set on this thread only, so they are looked at without a lock. */
static bool is_current(struct lk_lane_gauges *gauges, struct record *record, struct lk_cluster *cluster)
{
    const struct lk_host_set *set = cluster->hosts;
    const struct record seen = {
        .change = gauges->runtime->change,
        .sibling_change = gauges->sibling_change,
        .version = set != NULL ? set->version : 0,
        .epoch = atomic_load_explicit(&cluster->health_epoch, memory_order_acquire),
    };
    bool current = record->change == seen.change && record->sibling_change == seen.sibling_change &&
                   record->version == seen.version && record->epoch == seen.epoch;

    gauges->sum = gauges->sum * 31 + seen.version * 17 + seen.epoch;
    record->change = seen.change;
    record->sibling_change = seen.sibling_change;
    record->version = seen.version;
    record->epoch = seen.epoch;
    return current;
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static void visit(void *arg, struct lk_cluster *cluster)
{
    struct lk_lane_gauges *gauges = arg;
    struct record *record;

    if (gauges->stopped || gauges->seen++ < gauges->at)
        return;
    record = record_at(gauges, gauges->at++, cluster->config->name);
    if (!is_current(gauges, record, cluster))
        recount(gauges, record, cluster);
    else if (gauges->at % UNCHANGED_AT_ONCE != 0)
        return;
    gauges->stopped = lk_clock_us() >= gauges->deadline_us;
}

static bool has_siblings(const struct lk_lane_gauges *gauges)
{
    LK_LIST_FOREACH(node, &gauges->runtime->filters)
    {
        if (LK_LIST_ENTRY(node, struct lk_lane_settings, node)->membership.subset_clusters)
            return true;
    }
    return false;
}

static void end_round(struct lk_lane_gauges *gauges)
{
    if (gauges->sum != gauges->last_sum && has_siblings(gauges))
        gauges->sibling_change++;
    gauges->last_sum = gauges->sum;
    gauges->sum = 0;
    gauges->at = 0;
}

static struct lk_clusters *clusters_of(const struct lk_lane_gauges *gauges)
{
    LK_LIST_FOREACH(node, &gauges->runtime->filters)
    {
        return LK_LIST_ENTRY(node, struct lk_lane_settings, node)->clusters;
    }
    return NULL;
}

static void show_beyond(struct lk_lane_gauges *gauges)
{
    if (gauges->beyond_scope == NULL && gauges->pair_count >= gauges->max)
        gauges->beyond_scope = scope_of(gauges, other, other);
    if (gauges->beyond_scope != NULL)
        show(gauges->beyond_scope, &gauges->beyond);
}

bool lk_lane_gauges_update(struct lk_lane_gauges *gauges)
{
    struct lk_clusters *clusters = clusters_of(gauges);

    gauges->seen = 0;
    gauges->stopped = false;
    gauges->deadline_us = lk_clock_us() + LK_LANE_GAUGES_SLICE_US;
    if (clusters != NULL)
        lk_clusters_each(clusters, visit, gauges);
    show_beyond(gauges);
    if (!gauges->stopped)
        end_round(gauges);
    return !gauges->stopped;
}

static void on_timer(struct lk_timer *timer)
{
    struct lk_lane_gauges *gauges = LK_CONTAINER_OF(timer, struct lk_lane_gauges, timer);
    bool complete = lk_lane_gauges_update(gauges);

    lk_timer_set(gauges->runtime->loop, timer, complete ? LK_LANE_GAUGES_PERIOD_MS : LK_LANE_GAUGES_PAUSE_MS);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct lk_lane_gauges *lk_lane_gauges_new(struct lk_lane_runtime *runtime, size_t max)
{
    struct lk_lane_gauges *gauges = lk_calloc(1, sizeof(*gauges));

    gauges->runtime = runtime;
    gauges->max = max != 0 ? max : LK_LANE_GAUGES_MAX;
    lk_map_init(&gauges->records);
    lk_timer_init(&gauges->timer, on_timer);
    if (runtime->loop != NULL)
        lk_timer_set(runtime->loop, &gauges->timer, LK_LANE_GAUGES_PAUSE_MS);
    return gauges;
}

static void close_scope(struct lk_stats_scope *scope)
{
    const struct lk_lane_count none = {0, 0};

    show(scope, &none);
    lk_stats_scope_unref(scope);
}

static void free_record(struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        close_scope(record->pairs[i].scope);
        lk_free((void *)record->pairs[i].lane.ptr);
    }
    lk_free(record->pairs);
    lk_free((void *)record->name.ptr);
    lk_free(record);
}

void lk_lane_gauges_free(struct lk_lane_gauges *gauges)
{
    struct lk_map_slot *slot;

    if (gauges == NULL)
        return;
    lk_timer_clear(&gauges->timer);
    for (size_t i = 0; (slot = lk_map_next(&gauges->records, &i));)
        free_record(slot->value);
    lk_map_fini(&gauges->records);
    lk_free(gauges->order);
    if (gauges->beyond_scope != NULL)
        close_scope(gauges->beyond_scope);
    lk_free(gauges);
}

size_t lk_lane_gauges_count(const struct lk_lane_gauges *gauges)
{
    return gauges->pair_count;
}
