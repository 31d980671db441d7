/* One lane table as JSON, for /lanes: where it comes from, what was refused, lanes, entry rules, services. */
#include "proxy/base/clock.h"
#include "proxy/lane/lane_page_internal.h"

#include <inttypes.h>

/* --- lanes -------------------------------------------------------------------------------------------------------- */

static void put_guard_side(struct lk_json_out *out, const char *key, const struct lk_guard_figures *figures)
{
    lk_json_object(out, key);
    lk_json_uint(out, "requests", figures->requests);
    lk_json_uint(out, "5xx", figures->failed);
    lk_json_real(out, "p99_ms", (double)figures->p99_us / 1000);
    lk_json_end(out);
}

static void put_guard(struct lk_json_out *out, const struct lk_lane_table *table, const struct lk_lane *lane)
{
    static const char *const reasons[] = {[LK_GUARD_FINE] = "fine",
                                          [LK_GUARD_TOO_FEW] = "too_few_requests",
                                          [LK_GUARD_5XX] = "5xx",
                                          [LK_GUARD_LATENCY] = "latency"};
    const struct lk_lane_attachment *attachment = lk_lane_attachment(table);
    const struct lk_guard *guard = attachment != NULL ? attachment->lanes[lane->index].guard : NULL;
    const struct lk_guard_verdict *verdict;
    uint64_t now_ms = lk_clock_ms();

    if (guard == NULL) {
        lk_json_null(out, "guard");
        return;
    }
    verdict = lk_guard_verdict(guard);
    lk_json_object(out, "guard");
    lk_json_text(out, "state", lk_str_from(lk_guard_is_tripped(guard, table->revision) ? "tripped" : "armed"));
    lk_json_real(out, "max_5xx_delta", lane->guard.max_5xx_delta);
    lk_json_real(out, "max_p99_ratio", lane->guard.max_p99_ratio);
    lk_json_uint(out, "min_requests", lane->guard.min_requests);
    lk_json_seconds(out, "window_s", lane->guard.window_ms);
    lk_json_text(out, "verdict", lk_str_from(verdict->at_ms != 0 ? reasons[verdict->reason] : "not_judged_yet"));
    lk_json_uint(out, "revision", verdict->revision);
    if (verdict->at_ms != 0)
        lk_json_seconds(out, verdict->tripped ? "tripped_ago_s" : "judged_ago_s",
                        now_ms > verdict->at_ms ? now_ms - verdict->at_ms : 0);
    lk_json_seconds(out, "seen_s", verdict->seen_ms);
    put_guard_side(out, "lane", &verdict->sides[LK_GUARD_LANE]);
    put_guard_side(out, "base", &verdict->sides[LK_GUARD_BASE]);
    lk_json_end(out);
}

static void put_counters(struct lk_json_out *out, const struct lk_lane_table *table, const struct lk_lane *lane,
                         const struct lk_lane_runtime *runtime)
{
    const struct lk_lane_attachment *attachment = lk_lane_attachment(table);
    const struct lk_stats_scope *scope;

    if (attachment == NULL || !lk_lane_names_has(runtime->names, lane->name)) {
        lk_json_null(out, "counters"); /* summed up in lane._other */
        return;
    }
    scope = attachment->scopes->scopes[lane->index];
    lk_json_object(out, "counters");
    for (unsigned i = 0; i < lk_lane_stat_block.count; i++)
        if (lk_lane_stat_block.defs[i].kind == LK_STAT_COUNTER)
            lk_json_uint(out, lk_lane_stat_block.defs[i].name, lk_stats_value(scope, i));
    lk_json_end(out);
}

static void put_cap(struct lk_json_out *out, const struct lk_lane *lane, const struct lk_lane_cap_use *uses,
                    size_t use_count)
{
    lk_json_object(out, "cap");
    lk_json_uint(out, "percent", lane->cap_percent);
    lk_json_uint(out, "min_rps", lane->cap_min_rps);
    lk_json_seconds(out, "window_s", lane->cap_window_ms);
    lk_json_list(out, "in_use");
    for (size_t i = 0; i < use_count; i++) {
        if (uses[i].lane != lane->index)
            continue;
        lk_json_object(out, NULL);
        lk_json_text(out, "cluster", uses[i].cluster);
        lk_json_real(out, "spent", uses[i].level.spent);
        lk_json_real(out, "allowed_rps", uses[i].level.allowed_rps);
        lk_json_real(out, "base_rps", uses[i].level.base_rps);
        lk_json_end(out);
    }
    lk_json_end(out);
    lk_json_end(out);
}

static void put_fallback(struct lk_json_out *out, const struct lk_lane *lane)
{
    lk_json_object(out, "on");
    lk_json_bool(out, "unhealthy", lane->on_unhealthy);
    lk_json_bool(out, "overload", lane->on_overload);
    lk_json_bool(out, "retry", lane->on_retry);
    lk_json_end(out);
    lk_json_uint(out, "min_healthy_percent", lane->min_healthy_percent);
    lk_json_seconds(out, "absent_grace_s", lane->absent_grace_ms);
}

static void put_lane(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_table *table,
                     const struct lk_lane *lane)
{
    lk_json_text(out, "name", lane->name);
    lk_json_text(out, "kind", lk_str_from(lk_lane_kind_text(lane->kind)));
    lk_json_text(out, "mode", lk_str_from(lk_lane_mode_text(lane->mode)));
    lk_json_text(out, "state", lk_str_from(lk_lane_state_text(lane->state)));
    lk_json_text(out, "standing", lk_str_from(lk_lane_standing_text(table, lane)));
    lk_json_list(out, "parents");
    for (uint8_t i = 0; i < lane->parent_count; i++)
        lk_json_text(out, NULL, lk_lane_name_at(table, lane->parents[i]));
    lk_json_end(out);
    lk_json_text(out, "owner", lane->owner);
    if (lane->expires_us != 0)
        lk_json_text(out, "expires", lk_lane_time_text(arena, lane->expires_us));
    else
        lk_json_null(out, "expires");
    lk_json_object(out, "emit_headers");
    for (size_t i = 0; i < lane->emit_count; i++)
        lk_json_text_at(out, lane->emit[i].name, lane->emit[i].value);
    lk_json_end(out);
}

static void put_lanes(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_runtime *runtime,
                      const struct lk_lane_table *table)
{
    size_t use_count;
    const struct lk_lane_cap_use *uses = lk_lane_cap_uses(arena, runtime, table, &use_count);

    lk_json_list(out, "lanes");
    for (size_t i = 1; i < table->lane_count; i++) {
        const struct lk_lane *lane = &table->lanes[i];

        lk_json_object(out, NULL);
        put_lane(out, arena, table, lane);
        put_fallback(out, lane);
        put_cap(out, lane, uses, use_count);
        put_guard(out, table, lane);
        put_counters(out, table, lane, runtime);
        lk_json_end(out);
    }
    lk_json_end(out);
}

/* --- entry rules -------------------------------------------------------------------------------------------------- */

static void put_named(struct lk_json_out *out, const char *key, struct lk_arena *arena,
                      const struct lk_entry_named_value *values, size_t count)
{
    if (count == 0)
        return;
    lk_json_list(out, key);
    for (size_t i = 0; i < count; i++) {
        lk_json_object(out, NULL);
        lk_json_text(out, "name", values[i].name);
        lk_json_text(out, "is", lk_lane_value_text(arena, &values[i].value));
        lk_json_end(out);
    }
    lk_json_end(out);
}

static void put_value(struct lk_json_out *out, const char *key, struct lk_arena *arena,
                      const struct lk_entry_value *value)
{
    if (value != NULL)
        lk_json_text(out, key, lk_lane_value_text(arena, value));
}

static void put_match(struct lk_json_out *out, struct lk_arena *arena, const struct lk_entry_match *match)
{
    lk_json_object(out, "match");
    if (match->cidr_count > 0) {
        lk_json_list(out, "cidr");
        for (size_t i = 0; i < match->cidr_count; i++)
            lk_json_text(out, NULL, lk_lane_cidr_text(arena, &match->cidrs[i]));
        lk_json_end(out);
    }
    put_value(out, "source_principal", arena, match->principal);
    if (match->secret.name.len > 0)
        lk_json_text(out, "secret_header", match->secret.name);
    put_value(out, "path", arena, match->path);
    put_value(out, "host", arena, match->host);
    put_named(out, "header", arena, match->headers, match->header_count);
    put_named(out, "cookie", arena, match->cookies, match->cookie_count);
    put_named(out, "query", arena, match->queries, match->query_count);
    lk_json_end(out);
}

static void put_split(struct lk_json_out *out, const struct lk_lane_table *table, const struct lk_entry_split *split)
{
    lk_json_object(out, "split");
    lk_json_list(out, "key");
    for (size_t i = 0; i < split->key_count; i++) {
        lk_json_object(out, NULL);
        lk_json_text(out, lk_lane_key_kind_text(split->keys[i].kind), split->keys[i].name);
        lk_json_end(out);
    }
    lk_json_end(out);
    lk_json_text(out, "salt", split->salt);
    lk_json_list(out, "parts");
    for (size_t i = 0; i < split->part_count; i++) {
        const struct lk_entry_part *part = &split->parts[i];

        lk_json_object(out, NULL);
        lk_json_text(out, "lane", lk_lane_name_at(table, part->lane));
        lk_json_uint(out, "basis_points", (uint64_t)part->end - part->start);
        lk_json_uint(out, "start_bp", part->start);
        lk_json_end(out);
    }
    lk_json_end(out);
    lk_json_text(out, "on_missing_key", lk_str_from(lk_lane_missing_key_text(split->missing)));
    lk_json_end(out);
}

static void put_rules(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_table *table)
{
    lk_json_list(out, "entry");
    for (size_t i = 0; i < table->rule_count; i++) {
        const struct lk_entry_rule *rule = &table->rules[i];

        lk_json_object(out, NULL);
        lk_json_text(out, "name", rule->name);
        put_match(out, arena, &rule->match);
        if (rule->is_split)
            put_split(out, table, &rule->split);
        else
            lk_json_text(out, "lane", lk_lane_name_at(table, rule->lane));
        lk_json_end(out);
    }
    lk_json_end(out);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void put_services(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_table *table)
{
    size_t count;
    const struct lk_lane_service **services = lk_lane_services_sorted(arena, table, &count);

    lk_json_object(out, "service");
    for (size_t i = 0; i < count; i++) {
        const struct lk_lane_service *service = services[i];

        lk_json_object_at(out, service->name);
        if (service->has_mode)
            lk_json_text(out, "mode", lk_str_from(lk_lane_mode_text(service->mode)));
        if (service->has_parent)
            lk_json_text(out, "parent", lk_lane_name_at(table, service->parent));
        if (service->has_target)
            lk_json_text(out, "target", lk_lane_name_at(table, service->target));
        lk_json_bool(out, "base_rescue", service->base_rescue);
        lk_json_end(out);
    }
    lk_json_end(out);
}

static void put_source(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_tables *tables,
                       const struct lk_lane_source_info *info)
{
    const char *kind = tables->path.len > 0 ? "file" : info->table != NULL ? "inline" : "none";

    lk_json_text(out, "source", lk_str_from(kind));
    if (tables->path.len > 0) {
        lk_json_text(out, "path", tables->path);
        lk_json_text(out, "resource", tables->resource);
    }
    lk_json_uint(out, "accepted", info->accepted);
    lk_json_uint(out, "unchanged", info->unchanged);
    lk_json_uint(out, "refused", info->refused);
    if (info->refused_us == 0) {
        lk_json_null(out, "last_refused");
        return;
    }
    lk_json_object(out, "last_refused");
    lk_json_text(out, "at", lk_lane_time_text(arena, info->refused_us));
    lk_json_seconds(out, "age_s", lk_lane_age_ms(info->refused_us));
    lk_json_bool(out, "replaced", info->last_error[0] == '\0'); /* a good table came after it */
    lk_json_text(out, "error", lk_str_from(info->last_error));
    lk_json_end(out);
}

static void put_head(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_table *table,
                     int64_t published_us)
{
    lk_json_uint(out, "revision", table->revision);
    lk_json_text(out, "hash", lk_arena_printf(arena, "%016" PRIx64, table->hash));
    lk_json_text(out, "since", lk_lane_time_text(arena, published_us));
    lk_json_seconds(out, "age_s", lk_lane_age_ms(published_us));
    lk_json_bool(out, "enabled", table->enabled);
    lk_json_text(out, "base_mode", lk_str_from(lk_lane_base_mode_text(table->base_mode)));
    lk_json_text(out, "unknown", lk_str_from(lk_lane_unknown_text(table->unknown)));
    lk_json_bool(out, "base_rescue", table->base_rescue);
}

void lk_lane_table_json(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_tables *tables)
{
    struct lk_lane_source_info info;

    lk_lane_source_info(tables->source, &info);
    lk_json_object(out, NULL);
    put_source(out, arena, tables, &info);
    lk_json_bool(out, "in_force", info.table != NULL);
    if (info.table != NULL) {
        put_head(out, arena, info.table, info.published_us);
        put_lanes(out, arena, tables->runtime, info.table);
        put_rules(out, arena, info.table);
        put_services(out, arena, info.table);
    }
    lk_json_end(out);
}
