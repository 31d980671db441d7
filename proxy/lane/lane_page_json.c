/*
 * The page /lanes as JSON. What is there once (tables, filters, counts) is written in the turn in which the report is
 * complete; clusters follow in pieces, out of the report's copies.
 */
#include "proxy/base/clock.h"
#include "proxy/lane/lane_page_internal.h"

/* Clusters, or lanes of the coverage, in one piece; fewer when they take long. */
#define PIECE 100u

enum { GROUP, CLUSTERS, OUTSIDE, COVERAGE, GROUP_END };

/* --- what is there once ------------------------------------------------------------------------------------------- */

static size_t index_of(const struct lk_lane_runtime *runtime, const struct lk_lane_tables *tables)
{
    size_t index = 0;

    LK_LIST_FOREACH(node, &runtime->sources)
    {
        if (LK_LIST_ENTRY(node, struct lk_lane_tables, node) == tables)
            break;
        index++;
    }
    return index;
}

static void put_pod(struct lk_json_out *out, const struct lk_lane_settings *settings)
{
    lk_json_object(out, "pod_lane");
    lk_json_text(out, "lane", settings->pod_lane.len > 0 ? settings->pod_lane : LK_STR("base"));
    lk_json_text(out, "from", lk_str_from(settings->pod_lane_from));
    lk_json_bool(out, "recolor", settings->config->pod.recolor);
    lk_json_bool(out, "shadow_ok", settings->config->pod.shadow_ok);
    lk_json_end(out);
}

static void put_filters(struct lk_json_out *out, const struct lk_lane_runtime *runtime)
{
    lk_json_list(out, "filters");
    LK_LIST_FOREACH(node, &runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);

        lk_json_object(out, NULL);
        lk_json_text(out, "listener", settings->listener_name);
        lk_json_text(out, "direction", lk_str_from(lk_lane_direction_text(settings->direction)));
        lk_json_text(out, "role", lk_str_from(lk_lane_role_text(settings->role)));
        lk_json_uint(out, "table", index_of(runtime, settings->tables));
        put_pod(out, settings);
        lk_json_end(out);
    }
    lk_json_end(out);
}

static void put_tables(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_runtime *runtime)
{
    lk_json_list(out, "tables");
    LK_LIST_FOREACH(node, &runtime->sources)
    {
        lk_lane_table_json(out, arena, LK_LIST_ENTRY(node, struct lk_lane_tables, node));
    }
    lk_json_end(out);
}

static void put_in_flight(struct lk_json_out *out, const struct lk_lane_runtime *runtime)
{
    const struct lk_lane_in_flight *in_flight = &runtime->in_flight;

    lk_json_object(out, "in_flight");
    lk_json_uint(out, "marked", atomic_load_explicit(&in_flight->marked, memory_order_relaxed));
    lk_json_uint(out, "unmarked", atomic_load_explicit(&in_flight->unmarked, memory_order_relaxed));
    lk_json_uint(out, "probes", atomic_load_explicit(&in_flight->probes, memory_order_relaxed));
    lk_json_end(out);
}

static void put_association(struct lk_json_out *out, const struct lk_lane_runtime *runtime)
{
    struct lk_association_stats stats;

    lk_association_read_stats(runtime->association, &stats);
    lk_json_object(out, "association");
    lk_json_uint(out, "size", lk_association_size(runtime->association));
    lk_json_uint(out, "capacity", runtime->options.association.capacity);
    lk_json_uint(out, "inserts", stats.inserts);
    lk_json_uint(out, "hits", stats.hits);
    lk_json_uint(out, "misses", stats.misses);
    lk_json_uint(out, "ambiguous", stats.ambiguous);
    lk_json_uint(out, "conflicts", stats.conflicts);
    lk_json_uint(out, "expired", stats.expired);
    lk_json_uint(out, "evictions", stats.evictions);
    lk_json_uint(out, "refused", stats.refused);
    lk_json_end(out);
}

static void put_carry(struct lk_json_out *out, const struct lk_lane_runtime *runtime)
{
    uint64_t carried = lk_stats_value(runtime->scope, LK_LANE_PROCESS_CARRIED);
    uint64_t lost = lk_stats_value(runtime->scope, LK_LANE_PROCESS_LOST);
    uint64_t suspect_lost = lk_stats_value(runtime->scope, LK_LANE_PROCESS_SUSPECT_LOST);

    lk_json_object(out, "carry");
    lk_json_uint(out, "carried", carried);
    lk_json_uint(out, "lost", lost);
    lk_json_uint(out, "suspect_lost", suspect_lost);
    lk_json_text(out, "verdict", lk_str_from(lk_lane_carry_verdict(carried, lost, suspect_lost)));
    lk_json_end(out);
}

void lk_lane_json_begin(struct lk_lane_page_json *page, struct lk_admin_call *call, const struct lk_lane_report *report)
{
    struct lk_json_out *out = &page->out;

    *page = (struct lk_lane_page_json){.out = lk_admin_call_json(call)};
    lk_json_object(out, NULL);
    lk_json_bool(out, "configured", report->runtime != NULL);
    if (report->runtime != NULL) {
        put_filters(out, report->runtime);
        put_tables(out, call->arena, report->runtime);
        put_in_flight(out, report->runtime);
        put_association(out, report->runtime);
        put_carry(out, report->runtime);
    }
    lk_json_list(out, "membership");
}

/* --- clusters ----------------------------------------------------------------------------------------------------- */

static void put_count(struct lk_json_out *out, struct lk_str key, struct lk_lane_count count)
{
    lk_json_object_at(out, key);
    lk_json_uint(out, "total", count.total);
    lk_json_uint(out, "healthy", count.healthy);
    lk_json_end(out);
}

static void put_cluster(struct lk_json_out *out, const struct lk_lane_report_group *group,
                        const struct lk_lane_report_cluster *cluster)
{
    const struct lk_lane_members *members = &cluster->members;

    lk_json_object(out, NULL);
    lk_json_text(out, "cluster", cluster->name);
    put_count(out, LK_STR("base"), lk_lane_report_count(cluster, LK_LANE_INDEX_BASE));
    put_count(out, LK_STR("shadow_ok"), members->shadow_ok);
    lk_json_object(out, "lanes");
    for (size_t i = 0; i < members->count; i++)
        if (members->items[i].lane != LK_LANE_INDEX_BASE)
            put_count(out, group->lanes[members->items[i].lane].name, members->items[i].hosts);
    lk_json_end(out);
    lk_json_end(out);
}

static void put_coverage(struct lk_json_out *out, const struct lk_lane_report_group *group, size_t index)
{
    const struct lk_lane_report_lane *lane = &group->lanes[index];
    size_t missing = group->cluster_count - lane->services;
    size_t listed = 0;

    lk_json_object(out, NULL);
    lk_json_text(out, "lane", lane->name);
    lk_json_text(out, "kind", lk_str_from(lk_lane_kind_text(lane->kind)));
    lk_json_uint(out, "clusters", group->cluster_count);
    lk_json_uint(out, "covered", lane->services);
    lk_json_uint(out, "missing_count", missing);
    lk_json_list(out, "missing"); /* the first of them */
    for (size_t i = 0; listed < missing && listed < LK_LANE_PAGE_NAMES; i++) {
        if (lk_lane_report_covers(&group->clusters[i], lane, index))
            continue;
        lk_json_text(out, NULL, group->clusters[i].name);
        listed++;
    }
    lk_json_end(out);
    lk_json_end(out);
}

static void begin_group(struct lk_lane_page_json *page, const struct lk_lane_report_group *group)
{
    struct lk_json_out *out = &page->out;

    lk_json_object(out, NULL);
    lk_json_text(out, "listeners", group->listeners);
    lk_json_list(out, "clusters");
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static void next_phase(struct lk_lane_page_json *page, unsigned phase, const char *list)
{
    lk_json_end(&page->out);
    if (list != NULL)
        lk_json_list(&page->out, list);
    page->phase = phase;
    page->row = 0;
}

/* Rows of a phase, a piece of them; false when there are no more. */
static bool put_rows(struct lk_lane_page_json *page, const struct lk_lane_report_group *group, size_t count)
{
    uint64_t deadline_us = lk_clock_us() + LK_LANE_REPORT_SLICE_US;
    size_t end = LK_MIN(page->row + PIECE, count);

    for (; page->row < end && lk_clock_us() < deadline_us; page->row++) {
        if (page->phase == CLUSTERS)
            put_cluster(&page->out, group, &group->clusters[page->row]);
        else if (page->phase == OUTSIDE)
            lk_json_text(&page->out, NULL, group->outside[page->row]);
        else if (page->row != LK_LANE_INDEX_BASE && group->lanes[page->row].active)
            put_coverage(&page->out, group, page->row);
    }
    return page->row < count;
}

static void step(struct lk_lane_page_json *page, const struct lk_lane_report_group *group)
{
    switch (page->phase) {
    case GROUP:
        begin_group(page, group);
        page->phase = CLUSTERS;
        break;
    case CLUSTERS:
        if (!put_rows(page, group, group->cluster_count))
            next_phase(page, OUTSIDE, "outside");
        break;
    case OUTSIDE:
        if (!put_rows(page, group, group->outside_count))
            next_phase(page, COVERAGE, "coverage");
        break;
    case COVERAGE:
        if (!put_rows(page, group, group->lane_count))
            next_phase(page, GROUP_END, NULL);
        break;
    default:
        next_phase(page, GROUP, NULL);
        page->group++;
    }
}

bool lk_lane_json_next(struct lk_lane_page_json *page, const struct lk_lane_report *report)
{
    if (page->group < report->group_count) {
        step(page, &report->groups[page->group]);
        return true;
    }
    lk_json_end(&page->out);
    lk_json_end(&page->out);
    return false;
}
