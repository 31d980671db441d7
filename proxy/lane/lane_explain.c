/* The lane filter's account of a rehearsed request. Worker thread. See lane_explain.h. */
#include "proxy/lane/lane_explain.h"

#include "proxy/lane/lane_selector.h"
#include "proxy/lane/lane_stream.h"

#include <inttypes.h>

/* --- trust -------------------------------------------------------------------------------------------------------- */

static void on_trust(void *arg, const char *rule, size_t index, const char *why)
{
    struct lk_lane_recorder *recorder = arg;
    struct lk_explain *explain = recorder->explain;
    struct lk_note *note;

    if (recorder->trust_notes == NULL)
        recorder->trust_notes = lk_note_list(
            explain, lk_explain_step(explain, "lane_trust", "asked", "whether a stranger's mark may come in"), "rules");
    note = lk_note_object(explain, recorder->trust_notes, NULL);
    lk_note_format(explain, note, "rule", "%s[%zu]", rule, index);
    lk_note_text(explain, note, "verdict", why == NULL ? LK_STR("holds") : LK_STR("fell"));
    if (why != NULL)
        lk_note_text(explain, note, "why", lk_str_from(why));
}

/* The classification is asked first and for every inbound request, so that its reason is told with its rules. */
static void classify(struct lk_lane_recorder *recorder)
{
    struct lk_lane_stream *stream = recorder->stream;
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_explain *explain = recorder->explain;
    const struct lk_trust_peer peer = lk_lane_stream_peer(stream);
    struct lk_trust_verdict verdict =
        lk_trust_classify(&settings->trust, settings->role, settings->direction, &peer, NULL);
    struct lk_note *step =
        lk_explain_step(explain, "lane_trust", verdict.trusted ? "trusted" : "untrusted", "%s", verdict.reason);

    recorder->trust_notes = lk_note_list(explain, step, "rules");
    lk_lane_stream_trusts(stream);
    recorder->trust_notes = NULL;
}

/* --- marks and evidence ------------------------------------------------------------------------------------------- */

void lk_lane_recorder_mark(struct lk_lane_recorder *recorder, const struct lk_mark *mark)
{
    static const char *const carriers[] = {
        [LK_MARK_HEADER] = "header",         [LK_MARK_BAGGAGE] = "baggage",
        [LK_MARK_TRACESTATE] = "tracestate", [LK_MARK_SW8_CORRELATION] = "sw8-correlation",
        [LK_MARK_ALIAS] = "alias",
    };
    struct lk_explain *explain = recorder->explain;
    struct lk_note *step;

    if (mark->found)
        step = lk_explain_step(explain, "lane_mark", "found", "\"%.*s\", in the %s", LK_STR_ARG(mark->name),
                               carriers[mark->carrier]);
    else
        step = lk_explain_step(explain, "lane_mark", "none", "%s",
                               mark->conflict ? "the carriers name different lanes, so none counts"
                                              : "no carrier has a valid name");
    lk_note_bool(explain, step, "conflict", mark->conflict);
    lk_note_number(explain, step, "invalid_values", mark->invalid);
    lk_note_bool(explain, step, "invalid_shadow", mark->invalid_shadow);
}

void lk_lane_recorder_evidence(struct lk_lane_recorder *recorder, const char *origin, struct lk_str name,
                               const char *remark)
{
    struct lk_explain *explain = recorder->explain;

    if (name.len > 0)
        lk_explain_step(explain, "lane_evidence", origin, "\"%.*s\"%s%s", LK_STR_ARG(name), remark != NULL ? ": " : "",
                        remark != NULL ? remark : "");
    else
        lk_explain_step(explain, "lane_evidence", origin, "none%s%s", remark != NULL ? ": " : "",
                        remark != NULL ? remark : "");
}

/* --- entry -------------------------------------------------------------------------------------------------------- */

static void on_rule(struct lk_entry_recorder *base, size_t rule, enum lk_entry_verdict verdict, size_t detail)
{
    struct lk_lane_recorder *recorder = LK_CONTAINER_OF(base, struct lk_lane_recorder, entry);
    struct lk_explain *explain = recorder->explain;
    struct lk_note *note;

    if (recorder->entry_notes == NULL)
        recorder->entry_notes = lk_note_list(
            explain, lk_explain_step(explain, "lane_entry_rules", "tried", "in the order of the table"), "tried");
    note = lk_note_object(explain, recorder->entry_notes, NULL);
    lk_note_number(explain, note, "rule", rule);
    lk_note_text(explain, note, "verdict", verdict == LK_ENTRY_TAKEN ? LK_STR("taken") : LK_STR("fell"));
    if (verdict != LK_ENTRY_TAKEN)
        lk_note_format(explain, note, "why", "%s[%zu] does not hold", lk_entry_verdict_name(verdict), detail);
}

static void tell_guards(struct lk_explain *explain, struct lk_note *step, const struct lk_lane_stream *stream)
{
    struct lk_note *list = lk_note_list(explain, step, "guards");

    for (size_t i = 0; i < stream->table->lane_count; i++) {
        const struct lk_guard *guard = stream->attachment->lanes[i].guard;
        struct lk_note *note;

        if (guard == NULL)
            continue;
        note = lk_note_object(explain, list, NULL);
        lk_note_text(explain, note, "lane", stream->table->lanes[i].name);
        lk_note_bool(explain, note, "tripped", lk_guard_is_tripped(guard, stream->table->revision));
    }
}

static void tell_entry(struct lk_lane_recorder *recorder)
{
    const struct lk_lane_stream *stream = recorder->stream;
    const struct lk_entry_result *entry = &stream->entry;
    struct lk_explain *explain = recorder->explain;
    struct lk_str lane = stream->table->lanes[entry->lane].name;
    struct lk_note *step = lk_explain_step(explain, "lane_entry", lk_entry_reason_name(entry->reason),
                                           "the request enters \"%.*s\"", LK_STR_ARG(lane));

    lk_note_text(explain, step, "lane", lane);
    lk_note_text(explain, step, "intended", stream->table->lanes[entry->intended].name);
    if (entry->rule >= 0)
        lk_note_number(explain, step, "rule", (uint64_t)entry->rule);
    if (entry->has_bucket)
        lk_note_number(explain, step, "bucket", entry->bucket);
    if (entry->set_cookie != NULL)
        lk_note_text(explain, step, "set_cookie", entry->set_cookie->cookie);
    lk_note_number(explain, step, "random", explain->random);
    tell_guards(explain, step, stream);
}

/* --- the hop ------------------------------------------------------------------------------------------------------ */

void lk_lane_recorder_boundary(struct lk_lane_recorder *recorder, struct lk_str cluster,
                               const struct lk_lane_boundary *boundary)
{
    struct lk_explain *explain = recorder->explain;
    struct lk_note *step =
        lk_explain_step(explain, "lane_boundary", boundary->mesh ? "mesh" : "outside",
                        boundary->mesh ? "cluster \"%.*s\" is part of the mesh: marks are sent"
                                       : "cluster \"%.*s\" is no part of the mesh: marks are stripped",
                        LK_STR_ARG(cluster));

    lk_note_bool(explain, step, "shadow_ok", boundary->shadow_ok);
}

static void on_lane(struct lk_lane_pick_recorder *base, struct lk_str lane, uint32_t hosts, uint32_t healthy,
                    enum lk_lane_reason reason)
{
    struct lk_lane_recorder *recorder = LK_CONTAINER_OF(base, struct lk_lane_recorder, pick);
    struct lk_explain *explain = recorder->explain;
    struct lk_note *note;

    if (recorder->pick_notes == NULL)
        recorder->pick_notes = lk_note_list(
            explain, lk_explain_step(explain, "lane_chain", "walked", "the lane, its parents, base, until one serves"),
            "tried");
    note = lk_note_object(explain, recorder->pick_notes, NULL);
    lk_note_text(explain, note, "lane", lane);
    lk_note_number(explain, note, "hosts", hosts);
    lk_note_number(explain, note, "healthy", healthy);
    lk_note_text(explain, note, "verdict",
                 reason == LK_LANE_REASON_OK || reason == LK_LANE_REASON_BASE_RESCUE ? LK_STR("serves")
                                                                                     : LK_STR("passed over"));
    lk_note_text(explain, note, "why", lk_str_from(lk_lane_reason_name(reason)));
}

static void tell_budget(struct lk_explain *explain, struct lk_note *step, const struct lk_lane_selector *selector)
{
    const struct lk_lane_ask *ask = &selector->ask;
    const struct lk_lane *lane = ask->lane;
    struct lk_budget_outlook outlook;
    struct lk_fallback_cap cap;
    struct lk_note *note;

    if (lane == NULL || lane->kind != LK_LANE_GRAY || ask->budgets == NULL)
        return;
    cap = (struct lk_fallback_cap){lane->cap_percent, lane->cap_min_rps, lane->cap_window_ms};
    outlook = lk_budgets_outlook(ask->budgets->budgets, selector->info->route_cluster, lane->name, &cap,
                                 lane->absent_grace_ms, ask->now_ms);
    note = lk_note_object(explain, step, "fallback_budget");
    lk_note_bool(explain, note, "room_for_one_more", outlook.would_take);
    lk_note_bool(explain, note, "in_absent_grace", outlook.in_grace);
    lk_note_format(explain, note, "base_requests_per_second", "%.2f", outlook.base_rate);
    lk_note_number(explain, note, "cap_percent", cap.percent);
    lk_note_number(explain, note, "cap_min_rps", cap.min_rps);
}

void lk_lane_recorder_choice(struct lk_lane_recorder *recorder, const struct lk_lane_selector *selector,
                             const struct lk_lane_choice *choice)
{
    struct lk_explain *explain = recorder->explain;
    const char *reason = lk_lane_reason_name(choice->reason);
    struct lk_note *step;

    recorder->pick_notes = NULL;
    if (choice->refused)
        step = lk_explain_step(explain, "lane_served", "refused", "%s", reason);
    else if (choice->served.len > 0)
        step = lk_explain_step(explain, "lane_served", "served", "by \"%.*s\": %s", LK_STR_ARG(choice->served), reason);
    else
        step = lk_explain_step(explain, "lane_served", "nobody", "%s", reason);
    lk_note_text(explain, step, "served", choice->served);
    lk_note_text(explain, step, "reason", lk_str_from(reason));
    lk_note_text(explain, step, "cluster", choice->cluster->config->name);
    tell_budget(explain, step, selector);
    lk_explain_result(explain, "lane_served", choice->served);
    lk_explain_result(explain, "lane_reason", lk_str_from(reason));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static struct lk_str lane_of(const void *arg, const struct lk_host *host)
{
    const struct lk_lane_membership *membership = arg;
    const struct lk_label_spec *label = &membership->label;
    const struct lk_value *value = lk_metadata_get(host->metadata, label->ns, label->path, label->path_len);
    struct lk_value part;

    if (value != NULL && value->kind == LK_VALUE_LIST)
        value = value->child_count > 0 ? &value->children[0] : NULL;
    if (value == NULL || !lk_label_part(label, value, &part) || part.kind != LK_VALUE_TEXT)
        return lk_str(NULL, 0);
    return part.text;
}

struct lk_lane_recorder *lk_lane_recorder_new(struct lk_lane_stream *stream, struct lk_explain *explain)
{
    struct lk_lane_recorder *recorder = lk_arena_zalloc(stream->arena, sizeof(*recorder));
    const struct lk_lane_table *table = stream->table;
    struct lk_note *step;

    recorder->explain = explain;
    recorder->stream = stream;
    recorder->trust = (struct lk_trust_recorder){on_trust, recorder};
    recorder->entry.on_rule = on_rule;
    recorder->pick.on_lane = on_lane;
    stream->recorder = recorder;
    lk_lane_stream_stays(stream); /* its end, which judges and measures, never comes */
    explain->lane_of = lane_of;
    explain->lane_arg = &stream->settings->membership;
    step = lk_explain_step(explain, "lane_table",
                           table == NULL    ? "none"
                           : table->enabled ? "in force"
                                            : "off",
                           table == NULL ? "no table has come yet" : "revision %" PRIu64,
                           table != NULL ? table->revision : 0);
    if (table != NULL)
        lk_note_format(explain, step, "hash", "%016" PRIx64, table->hash);
    lk_note_text(explain, step, "pod_lane", stream->settings->pod_lane);
    if (stream->settings->inbound)
        classify(recorder);
    return recorder;
}

void lk_lane_recorder_end(struct lk_lane_recorder *recorder, bool passed)
{
    const struct lk_lane_stream *stream = recorder->stream;
    struct lk_explain *explain = recorder->explain;
    const char *origin = lk_lane_origin_name(stream->origin);
    struct lk_note *step;

    if (stream->entered)
        tell_entry(recorder);
    if (stream->requested.len > 0)
        step =
            lk_explain_step(explain, "lane_requested", passed ? "lane" : "refused", "\"%.*s\", source %s%s%s",
                            LK_STR_ARG(stream->requested), origin, passed ? "" : ": ", passed ? "" : stream->details);
    else
        step = lk_explain_step(explain, "lane_requested", passed ? "base" : "refused", "%s",
                               passed ? "nothing says that the request belongs to a lane" : stream->details);
    lk_note_text(explain, step, "lane", stream->requested);
    lk_note_text(explain, step, "source", lk_str_from(origin));
    lk_explain_result(explain, "lane_requested", stream->requested);
    lk_explain_result(explain, "lane_source", lk_str_from(origin));
    if (stream->selector == NULL) {
        lk_explain_result(explain, "lane_served", lk_lane_stream_served(stream));
        lk_explain_result(explain, "lane_reason", lk_str_from(lk_lane_reason_name(lk_lane_stream_reason(stream))));
    }
}
