/* Endpoints of all clusters by lane. See lane_report.h. */
#include "proxy/lane/lane_report.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

/* So often it begins anew before it goes on without pausing. */
#define TRIES_MAX 10u

/* --- which filters see the same ----------------------------------------------------------------------------------- */

static bool same_patterns(const struct lk_lane_patterns *a, const struct lk_lane_patterns *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->items[i].exact != b->items[i].exact || !lk_str_eq(a->items[i].prefix, b->items[i].prefix) ||
            !lk_str_eq(a->items[i].suffix, b->items[i].suffix))
            return false;
    return true;
}

static bool same_mesh(const struct lk_lane_filter_egress *a, const struct lk_lane_filter_egress *b)
{
    return lk_str_eq(a->metadata_namespace, b->metadata_namespace) && lk_str_eq(a->metadata_key, b->metadata_key) &&
           lk_str_eq(a->shadow_ok_key, b->shadow_ok_key) && a->namespace_is_enough == b->namespace_is_enough &&
           same_patterns(&a->clusters, &b->clusters) && same_patterns(&a->external_clusters, &b->external_clusters) &&
           same_patterns(&a->shadow_ok_clusters, &b->shadow_ok_clusters);
}

static bool same_membership(const struct lk_lane_membership *a, const struct lk_lane_membership *b)
{
    return a->index.hash == b->index.hash && a->not_in_active_lane == b->not_in_active_lane &&
           a->subset_clusters == b->subset_clusters;
}

static bool same_table(const struct lk_lane_table *a, const struct lk_lane_table *b)
{
    return a == b || (a != NULL && b != NULL && a->hash == b->hash);
}

static struct lk_lane_report_group *find_group(struct lk_lane_report *report, const struct lk_lane_settings *settings,
                                               const struct lk_lane_table *table)
{
    for (size_t i = 0; i < report->group_count; i++) {
        struct lk_lane_report_group *group = &report->groups[i];

        if (same_table(group->table, table) && same_membership(&group->settings->membership, &settings->membership) &&
            same_mesh(&group->settings->config->egress, &settings->config->egress))
            return group;
    }
    return NULL;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static void copy_lanes(struct lk_lane_report *report, struct lk_lane_report_group *group)
{
    static const struct lk_lane base = {.name = LK_STR_INIT("base")};
    const struct lk_lane_table *table = group->table;
    int64_t now_us = lk_clock_wall_us();

    group->lane_count = table != NULL ? table->lane_count : 1;
    group->lanes = lk_arena_array(report->arena, group->lane_count, sizeof(*group->lanes));
    for (size_t i = 0; i < group->lane_count; i++) {
        const struct lk_lane *lane = table != NULL ? &table->lanes[i] : &base;

        group->lanes[i] = (struct lk_lane_report_lane){
            .name = lk_arena_str(report->arena, lane->name),
            .kind = i == LK_LANE_INDEX_BASE ? LK_LANE_BASE_KIND : lane->kind,
            .active = i == LK_LANE_INDEX_BASE || (table->enabled && lk_lane_assignable(lane, now_us)),
        };
    }
}

static void add_filter(struct lk_lane_report *report, const struct lk_lane_settings *settings, size_t clusters)
{
    const struct lk_lane_table *table = lk_lane_settings_table(settings);
    struct lk_lane_report_group *group = find_group(report, settings, table);

    if (group != NULL) {
        group->listeners = lk_arena_printf(report->arena, "%.*s, %.*s", LK_STR_ARG(group->listeners),
                                           LK_STR_ARG(settings->listener_name));
        return;
    }
    group = &report->groups[report->group_count++];
    *group = (struct lk_lane_report_group){.settings = settings, .table = table};
    group->listeners = lk_arena_str(report->arena, settings->listener_name);
    group->clusters = lk_arena_array(report->arena, clusters, sizeof(*group->clusters));
    group->outside = lk_arena_array(report->arena, clusters, sizeof(*group->outside));
    copy_lanes(report, group);
}

static struct lk_clusters *clusters_of(const struct lk_lane_report *report)
{
    LK_LIST_FOREACH(node, &report->runtime->filters)
    {
        return LK_LIST_ENTRY(node, struct lk_lane_settings, node)->clusters;
    }
    return NULL;
}

static void start(struct lk_lane_report *report)
{
    struct lk_clusters *clusters;
    size_t filters = 0;

    report->runtime = lk_lane_runtime_find();
    report->group_count = report->at = 0;
    report->tries++;
    if (report->runtime == NULL)
        return;
    report->change = report->runtime->change;
    clusters = clusters_of(report);
    LK_LIST_FOREACH(node, &report->runtime->filters)
    {
        filters++;
    }
    report->groups = lk_arena_array(report->arena, filters + 1, sizeof(*report->groups));
    LK_LIST_FOREACH(node, &report->runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);

        if (settings->outbound)
            add_filter(report, settings, clusters != NULL ? lk_clusters_count(clusters) : 0);
    }
}

/* --- clusters ----------------------------------------------------------------------------------------------------- */

static void add_cluster(struct lk_lane_report *report, struct lk_lane_report_group *group, struct lk_cluster *cluster)
{
    struct lk_lane_report_cluster *out = &group->clusters[group->cluster_count];
    struct lk_str name;

    if (lk_lane_is_sibling(group->settings, group->table, cluster))
        return;
    name = lk_arena_str(report->arena, cluster->config->name);
    lk_lane_members_read(group->settings, group->table, cluster, report->arena, &out->members);
    if (!out->members.boundary.mesh) {
        group->outside[group->outside_count++] = name;
        return;
    }
    out->name = name;
    group->cluster_count++;
    for (size_t i = 0; i < group->lane_count; i++)
        group->lanes[i].services += lk_lane_report_covers(out, &group->lanes[i], i);
}

static void visit(void *arg, struct lk_cluster *cluster)
{
    struct lk_lane_report *report = arg;

    if (report->stopped || report->seen++ < report->at)
        return;
    report->at++;
    for (size_t i = 0; i < report->group_count; i++)
        add_cluster(report, &report->groups[i], cluster);
    report->stopped = report->deadline_us != 0 && lk_clock_us() >= report->deadline_us;
}

/* --- slices ------------------------------------------------------------------------------------------------------- */

void lk_lane_report_begin(struct lk_lane_report *report, struct lk_arena *arena)
{
    *report = (struct lk_lane_report){.arena = arena};
    start(report);
}

static bool is_stale(const struct lk_lane_report *report)
{
    return lk_lane_runtime_find() != report->runtime ||
           (report->runtime != NULL && report->runtime->change != report->change);
}

bool lk_lane_report_next(struct lk_lane_report *report)
{
    struct lk_clusters *clusters;

    if (is_stale(report))
        start(report);
    if (report->runtime == NULL)
        return true;
    report->seen = 0;
    report->stopped = false;
    report->deadline_us = report->tries < TRIES_MAX ? lk_clock_us() + LK_LANE_REPORT_SLICE_US : 0;
    clusters = clusters_of(report);
    if (clusters != NULL)
        lk_clusters_each(clusters, visit, report);
    return !report->stopped;
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

struct lk_lane_count lk_lane_report_count(const struct lk_lane_report_cluster *cluster, size_t index)
{
    const struct lk_lane_members *members = &cluster->members;
    size_t low = 0;
    size_t high = members->count;

    while (low < high) { /* by index */
        size_t middle = low + (high - low) / 2;

        if (members->items[middle].lane < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < members->count && members->items[low].lane == index ? members->items[low].hosts
                                                                     : (struct lk_lane_count){0, 0};
}

bool lk_lane_report_covers(const struct lk_lane_report_cluster *cluster, const struct lk_lane_report_lane *lane,
                           size_t index)
{
    return lk_lane_report_count(cluster, index).total > 0 ||
           (lane->kind == LK_LANE_SHADOW && cluster->members.shadow_ok.total > 0);
}
