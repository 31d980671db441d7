/* The page /lanes for people, as HTML and as text. Long lists are cut; JSON has all of them. */
#include "proxy/base/clock.h"
#include "proxy/lane/lane_page_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Clusters named in a line. */
#define NAMES_SHOWN 20u

struct page {
    struct lk_sheet sheet;
    struct lk_arena *arena;
    const struct lk_lane_runtime *runtime;
};

static struct lk_str text_of(struct page *page, const char *fmt, ...) LK_PRINTF(2, 3);
static struct lk_str text_of(struct page *page, const char *fmt, ...)
{
    struct lk_str text;
    va_list args;

    va_start(args, fmt);
    text = lk_arena_vprintf(page->arena, fmt, args);
    va_end(args);
    return text;
}

static void more(struct page *page, size_t count, size_t shown)
{
    if (count > shown)
        lk_sheet_line(&page->sheet, LK_TONE_DIM, "and %zu more, see ?format=json", count - shown);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static void put_process(struct page *page)
{
    const struct lk_lane_runtime *runtime = page->runtime;
    const struct lk_lane_in_flight *in_flight = &runtime->in_flight;
    uint64_t carried = lk_stats_value(runtime->scope, LK_LANE_PROCESS_CARRIED);
    uint64_t lost = lk_stats_value(runtime->scope, LK_LANE_PROCESS_LOST);
    uint64_t suspect = lk_stats_value(runtime->scope, LK_LANE_PROCESS_SUSPECT_LOST);
    struct lk_association_stats stats;

    lk_association_read_stats(runtime->association, &stats);
    lk_sheet_facts_begin(&page->sheet);
    lk_sheet_fact(&page->sheet, "inbound requests in flight", LK_TONE_PLAIN, "%u marked, %u unmarked, %u followed",
                  atomic_load_explicit(&in_flight->marked, memory_order_relaxed),
                  atomic_load_explicit(&in_flight->unmarked, memory_order_relaxed),
                  atomic_load_explicit(&in_flight->probes, memory_order_relaxed));
    lk_sheet_fact(&page->sheet, "association", LK_TONE_PLAIN,
                  "%zu of %u ids, %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " conflicts",
                  lk_association_size(runtime->association), runtime->options.association.capacity, stats.hits,
                  stats.misses, stats.conflicts);
    lk_sheet_fact(&page->sheet, "no room", stats.evictions + stats.refused > 0 ? LK_TONE_BAD : LK_TONE_PLAIN,
                  "%" PRIu64 " evicted, %" PRIu64 " refused", stats.evictions, stats.refused);
    lk_sheet_facts_end(&page->sheet);
    lk_sheet_heading(&page->sheet, "Does the application carry marks?");
    lk_sheet_line(&page->sheet,
                  lost + suspect > 0 ? LK_TONE_BAD
                  : carried > 0      ? LK_TONE_GOOD
                                     : LK_TONE_DIM,
                  "%s", lk_lane_carry_verdict(carried, lost, suspect));
    lk_sheet_facts_begin(&page->sheet);
    lk_sheet_fact(&page->sheet, "carried", LK_TONE_PLAIN, "%" PRIu64, carried);
    lk_sheet_fact(&page->sheet, "lost", LK_TONE_PLAIN, "%" PRIu64, lost);
    lk_sheet_fact(&page->sheet, "suspect_lost", LK_TONE_PLAIN, "%" PRIu64, suspect);
    lk_sheet_facts_end(&page->sheet);
}

static struct lk_str pod_text(struct page *page, const struct lk_lane_settings *settings)
{
    const struct lk_lane_filter_pod *pod = &settings->config->pod;
    struct lk_str lane = settings->pod_lane.len > 0 ? settings->pod_lane : LK_STR("base");
    bool said = settings->pod_lane_from[0] != '\0';

    return text_of(page, "%.*s%s%s%s%s%s", LK_STR_ARG(lane), said ? " (" : "", settings->pod_lane_from, said ? ")" : "",
                   pod->recolor ? ", recolor" : "", pod->shadow_ok ? ", shadow_ok" : "");
}

static void put_filters(struct page *page)
{
    static const char *const names[] = {"listener", "direction", "role", "lane of the pod", "#table revision", NULL};
    size_t count = 0;

    lk_sheet_heading(&page->sheet, "Lane filters");
    lk_sheet_table(&page->sheet, names);
    LK_LIST_FOREACH(node, &page->runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);
        const struct lk_lane_table *table = lk_lane_settings_table(settings);

        if (count++ >= LK_LANE_PAGE_ROWS)
            continue;
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, settings->listener_name);
        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%s", lk_lane_direction_text(settings->direction));
        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%s", lk_lane_role_text(settings->role));
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, pod_text(page, settings));
        if (table != NULL)
            lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%" PRIu64, table->revision);
        else
            lk_sheet_cell(&page->sheet, LK_TONE_BAD, "none");
    }
    lk_sheet_table_end(&page->sheet);
    more(page, count, LK_LANE_PAGE_ROWS);
}

/* --- lanes -------------------------------------------------------------------------------------------------------- */

static struct lk_str parents_text(struct page *page, const struct lk_lane_table *table, const struct lk_lane *lane)
{
    struct lk_str names[LK_LANE_PARENTS_MAX];

    for (uint8_t i = 0; i < lane->parent_count; i++)
        names[i] = lk_lane_name_at(table, lane->parents[i]);
    return lk_lane_names_text(page->arena, names, lane->parent_count, LK_LANE_PARENTS_MAX);
}

static struct lk_str fallback_text(struct page *page, const struct lk_lane *lane, const struct lk_lane_cap_use *uses,
                                   size_t use_count)
{
    struct lk_str text;

    if (lane->mode == LK_LANE_STRICT)
        return LK_STR("never");
    text = text_of(page, "absent%s%s%s; below %u %% healthy; cap %u %% or %u/s",
                   lane->on_unhealthy ? ", unhealthy" : "", lane->on_overload ? ", overload" : "",
                   lane->on_retry ? ", retry" : "", lane->min_healthy_percent, lane->cap_percent, lane->cap_min_rps);
    for (size_t i = 0; i < use_count; i++)
        if (uses[i].lane == lane->index)
            text = text_of(page, "%.*s; %.0f %% of it spent at %.*s", LK_STR_ARG(text), 100 * uses[i].level.spent,
                           LK_STR_ARG(uses[i].cluster));
    return text;
}

static void put_guard(struct page *page, const struct lk_lane_table *table, const struct lk_lane *lane)
{
    const struct lk_lane_attachment *attachment = lk_lane_attachment(table);
    const struct lk_guard *guard = attachment != NULL ? attachment->lanes[lane->index].guard : NULL;
    const struct lk_guard_verdict *verdict;
    char text[LK_GUARD_TEXT_MAX];
    uint64_t now_ms = lk_clock_ms();

    if (guard == NULL) {
        lk_sheet_cell(&page->sheet, LK_TONE_DIM, "-");
        return;
    }
    verdict = lk_guard_verdict(guard);
    if (!lk_guard_is_tripped(guard, table->revision)) {
        lk_sheet_cell(&page->sheet, LK_TONE_GOOD, "armed");
        return;
    }
    lk_guard_verdict_text(verdict, text);
    lk_sheet_cell(&page->sheet, LK_TONE_BAD, "tripped %" PRIu64 " s ago: %s",
                  now_ms > verdict->at_ms ? (now_ms - verdict->at_ms) / 1000 : 0, text);
}

static void put_counters(struct page *page, const struct lk_lane_table *table, const struct lk_lane *lane)
{
    const struct lk_lane_attachment *attachment = lk_lane_attachment(table);
    struct lk_str text = {"", 0};

    if (attachment == NULL || !lk_lane_names_has(page->runtime->names, lane->name)) {
        lk_sheet_cell(&page->sheet, LK_TONE_DIM, "counted in _other");
        return;
    }
    for (unsigned i = 0; i < lk_lane_stat_block.count; i++) {
        const struct lk_stat_def *def = &lk_lane_stat_block.defs[i];
        uint64_t value = def->kind == LK_STAT_COUNTER ? lk_stats_value(attachment->scopes->scopes[lane->index], i) : 0;

        if (value > 0)
            text = text_of(page, "%.*s%s%s %" PRIu64, LK_STR_ARG(text), text.len > 0 ? ", " : "", def->name, value);
    }
    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, text);
}

static void put_lane(struct page *page, const struct lk_lane_table *table, const struct lk_lane *lane,
                     const struct lk_lane_cap_use *uses, size_t use_count)
{
    const char *standing = lk_lane_standing_text(table, lane);
    bool active = table->enabled && lk_lane_assignable(lane, lk_clock_wall_us());

    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, lane->name);
    lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%s %s", lk_lane_kind_text(lane->kind), lk_lane_mode_text(lane->mode));
    lk_sheet_cell(&page->sheet, active ? LK_TONE_GOOD : LK_TONE_BAD, "%s", standing);
    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, parents_text(page, table, lane));
    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, fallback_text(page, lane, uses, use_count));
    put_guard(page, table, lane);
    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, lane->owner);
    lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN,
                       lane->expires_us != 0 ? lk_lane_time_text(page->arena, lane->expires_us) : LK_STR("never"));
    put_counters(page, table, lane);
}

static void put_lanes(struct page *page, const struct lk_lane_table *table)
{
    static const char *const names[] = {"lane",  "kind",  "state",   "falls back to", "falls back when",
                                        "guard", "owner", "expires", "counted",       NULL};
    size_t shown = LK_MIN(table->lane_count, (size_t)LK_LANE_PAGE_ROWS + 1);
    size_t use_count;
    const struct lk_lane_cap_use *uses = lk_lane_cap_uses(page->arena, page->runtime, table, &use_count);

    lk_sheet_table(&page->sheet, names);
    for (size_t i = 1; i < shown; i++)
        put_lane(page, table, &table->lanes[i], uses, use_count);
    lk_sheet_table_end(&page->sheet);
    more(page, table->lane_count, shown);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void put_rules(struct page *page, const struct lk_lane_table *table)
{
    static const char *const names[] = {"#", "entry rule", "when", "then", NULL};

    if (table->rule_count == 0)
        return;
    lk_sheet_table(&page->sheet, names);
    for (size_t i = 0; i < table->rule_count && i < LK_LANE_PAGE_ROWS; i++) {
        const struct lk_entry_rule *rule = &table->rules[i];

        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%zu", i);
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, rule->name);
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, lk_lane_match_text(page->arena, &rule->match));
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, lk_lane_act_text(page->arena, table, rule));
    }
    lk_sheet_table_end(&page->sheet);
    more(page, table->rule_count, LK_LANE_PAGE_ROWS);
}

static void put_services(struct page *page, const struct lk_lane_table *table)
{
    static const char *const names[] = {"service", "mode", "parent", "target", "base_rescue", NULL};
    size_t count;
    const struct lk_lane_service **services = lk_lane_services_sorted(page->arena, table, &count);

    if (count == 0)
        return;
    lk_sheet_table(&page->sheet, names);
    for (size_t i = 0; i < count && i < LK_LANE_PAGE_ROWS; i++) {
        const struct lk_lane_service *service = services[i];

        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, service->name);
        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%s", service->has_mode ? lk_lane_mode_text(service->mode) : "");
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN,
                           service->has_parent ? lk_lane_name_at(table, service->parent) : LK_STR(""));
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN,
                           service->has_target ? lk_lane_name_at(table, service->target) : LK_STR(""));
        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "%s", service->base_rescue ? "yes" : "no");
    }
    lk_sheet_table_end(&page->sheet);
    more(page, count, LK_LANE_PAGE_ROWS);
}

static void put_refusal(struct page *page, const struct lk_lane_source_info *info)
{
    struct lk_str age = lk_lane_age_text(page->arena, info->refused_us);

    if (info->refused_us == 0)
        return;
    if (info->last_error[0] == '\0')
        lk_sheet_line(&page->sheet, LK_TONE_DIM, "A table was refused %.*s ago; a good one has come since.",
                      LK_STR_ARG(age));
    else if (info->table != NULL)
        lk_sheet_line(&page->sheet, LK_TONE_BAD,
                      "The newest table was refused %.*s ago, revision %" PRIu64 " stays in force: %s", LK_STR_ARG(age),
                      info->table->revision, info->last_error);
    else
        lk_sheet_line(&page->sheet, LK_TONE_BAD, "The table was refused %.*s ago, and there is no other: %s",
                      LK_STR_ARG(age), info->last_error);
}

static void put_table_facts(struct page *page, const struct lk_lane_source_info *info)
{
    const struct lk_lane_table *table = info->table;
    struct lk_str age = lk_lane_age_text(page->arena, info->published_us);
    struct lk_str since = lk_lane_time_text(page->arena, info->published_us);

    lk_sheet_facts_begin(&page->sheet);
    lk_sheet_fact(&page->sheet, "revision", LK_TONE_PLAIN, "%" PRIu64, table->revision);
    lk_sheet_fact(&page->sheet, "hash", LK_TONE_PLAIN, "%016" PRIx64, table->hash);
    lk_sheet_fact(&page->sheet, "in force for", LK_TONE_PLAIN, "%.*s (since %.*s)", LK_STR_ARG(age), LK_STR_ARG(since));
    lk_sheet_fact(&page->sheet, "lanes are", table->enabled ? LK_TONE_GOOD : LK_TONE_BAD, "%s",
                  table->enabled ? "enabled" : "switched off");
    lk_sheet_fact(&page->sheet, "base is", LK_TONE_PLAIN, "%s", lk_lane_base_mode_text(table->base_mode));
    lk_sheet_fact(&page->sheet, "unknown marks", LK_TONE_PLAIN, "%s", lk_lane_unknown_text(table->unknown));
    lk_sheet_fact(&page->sheet, "base_rescue", LK_TONE_PLAIN, "%s", table->base_rescue ? "yes" : "no");
    lk_sheet_facts_end(&page->sheet);
}

static void put_table(struct page *page, const struct lk_lane_tables *tables)
{
    struct lk_lane_source_info info;

    lk_lane_source_info(tables->source, &info);
    if (tables->path.len > 0)
        lk_sheet_heading(&page->sheet, "Lane table of %.*s", LK_STR_ARG(tables->path));
    else
        lk_sheet_heading(&page->sheet, info.table != NULL ? "Inline lane table" : "No lane table");
    put_refusal(page, &info);
    if (info.table == NULL) {
        lk_sheet_line(&page->sheet, LK_TONE_BAD, "No table is in force: marks are carried, shadow requests refused.");
        return;
    }
    put_table_facts(page, &info);
    if (info.table->lane_count > 1)
        put_lanes(page, info.table);
    put_rules(page, info.table);
    put_services(page, info.table);
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

static void put_hosts(struct page *page, const struct lk_lane_report_group *group,
                      const struct lk_lane_report_cluster *cluster, size_t index)
{
    const struct lk_lane_report_lane *lane = &group->lanes[index];
    struct lk_lane_count count = lk_lane_report_count(cluster, index);

    if (count.total > 0)
        lk_sheet_cell(&page->sheet, count.healthy == count.total ? LK_TONE_GOOD : LK_TONE_BAD, "%u of %u",
                      count.healthy, count.total);
    else if (lk_lane_report_covers(cluster, lane, index))
        lk_sheet_cell(&page->sheet, LK_TONE_PLAIN, "shadow_ok %u of %u", cluster->members.shadow_ok.healthy,
                      cluster->members.shadow_ok.total);
    else
        lk_sheet_cell(&page->sheet, lane->active ? LK_TONE_BAD : LK_TONE_DIM, "%s", lane->active ? "missing" : "-");
}

/* Lanes that get a column: all that take requests first, the others as far as there is room. */
static size_t choose_columns(const struct lk_lane_report_group *group, size_t out[LK_LANE_PAGE_COLUMNS])
{
    size_t count = 0;

    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < group->lane_count && count < LK_LANE_PAGE_COLUMNS; i++)
            if (group->lanes[i].active == (pass == 0))
                out[count++] = i;
    return count;
}

static void put_matrix(struct page *page, const struct lk_lane_report_group *group)
{
    static const char *const first[] = {"cluster", NULL};
    size_t shown = LK_MIN(group->cluster_count, (size_t)LK_LANE_PAGE_ROWS);
    size_t columns[LK_LANE_PAGE_COLUMNS];
    size_t count = choose_columns(group, columns);

    lk_sheet_table(&page->sheet, first);
    for (size_t i = 0; i < count; i++)
        lk_sheet_column(&page->sheet, group->lanes[columns[i]].name, false);
    for (size_t row = 0; row < shown; row++) {
        lk_sheet_cell_text(&page->sheet, LK_TONE_PLAIN, group->clusters[row].name);
        for (size_t i = 0; i < count; i++)
            put_hosts(page, group, &group->clusters[row], columns[i]);
    }
    lk_sheet_table_end(&page->sheet);
    more(page, group->cluster_count, shown);
    if (group->lane_count > count)
        lk_sheet_line(&page->sheet, LK_TONE_DIM, "and %zu more lanes, see ?format=json", group->lane_count - count);
}

static void put_gap(struct page *page, const struct lk_lane_report_group *group, size_t index)
{
    const struct lk_lane_report_lane *lane = &group->lanes[index];
    size_t missing = group->cluster_count - lane->services;
    struct lk_str names[NAMES_SHOWN];
    struct lk_str text;
    size_t count = 0;

    for (size_t i = 0; count < missing && count < NAMES_SHOWN; i++)
        if (!lk_lane_report_covers(&group->clusters[i], lane, index))
            names[count++] = group->clusters[i].name;
    text = lk_lane_names_text(page->arena, names, count, NAMES_SHOWN);
    if (missing > count)
        text = text_of(page, "%.*s and %zu more", LK_STR_ARG(text), missing - count);
    if (missing == 0)
        lk_sheet_line(&page->sheet, LK_TONE_GOOD, "%.*s: all %zu clusters have it", LK_STR_ARG(lane->name),
                      group->cluster_count);
    else
        lk_sheet_line(&page->sheet, LK_TONE_BAD, "%.*s: %zu of %zu clusters have it, missing in %.*s",
                      LK_STR_ARG(lane->name), lane->services, group->cluster_count, LK_STR_ARG(text));
}

static void put_group(struct page *page, const struct lk_lane_report_group *group)
{
    size_t shown = 0;

    lk_sheet_heading(&page->sheet, "Endpoints by cluster and lane, healthy of all, as seen from %.*s",
                     LK_STR_ARG(group->listeners));
    if (group->cluster_count == 0)
        lk_sheet_line(&page->sheet, LK_TONE_BAD, "No cluster belongs to the mesh: no mark is sent anywhere.");
    else
        put_matrix(page, group);
    for (size_t i = 1; i < group->lane_count && group->cluster_count > 0; i++)
        if (group->lanes[i].active && shown++ < LK_LANE_PAGE_COLUMNS)
            put_gap(page, group, i);
    if (group->outside_count > 0) {
        struct lk_str names = lk_lane_names_text(page->arena, group->outside, group->outside_count, NAMES_SHOWN);

        lk_sheet_line(&page->sheet, LK_TONE_DIM, "outside of the mesh: %.*s", LK_STR_ARG(names));
    }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void put_all(struct page *page, const struct lk_lane_report *report)
{
    size_t count = 0;

    put_process(page);
    put_filters(page);
    LK_LIST_FOREACH(node, &page->runtime->sources)
    {
        if (count++ < LK_LANE_PAGE_COLUMNS)
            put_table(page, LK_LIST_ENTRY(node, struct lk_lane_tables, node));
    }
    more(page, count, LK_LANE_PAGE_COLUMNS);
    for (size_t i = 0; i < report->group_count && i < LK_LANE_PAGE_COLUMNS; i++)
        put_group(page, &report->groups[i]);
    more(page, report->group_count, LK_LANE_PAGE_COLUMNS);
}

void lk_lane_people(struct lk_admin_call *call, const struct lk_lane_report *report, bool html)
{
    struct page page = {.arena = call->arena, .runtime = report->runtime};

    lk_sheet_begin(&page.sheet, call, html, "Lanes");
    if (page.runtime == NULL)
        lk_sheet_line(&page.sheet, LK_TONE_BAD,
                      "No lane filter is configured here: no listener has lanekeeper.filters.http.lane among its HTTP "
                      "filters.");
    else
        put_all(&page, report);
    if (html && page.runtime != NULL)
        lk_lane_dry_form(call);
    lk_sheet_end(&page.sheet);
}
