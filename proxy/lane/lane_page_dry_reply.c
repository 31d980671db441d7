/* What became of a request that was tried out, as JSON and for people. See lane_page_dry.c. */
#include "proxy/config/lane_name.h"
#include "proxy/lane/lane_page_internal.h"

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void put_candidates(struct lk_json_out *out, const struct lk_lane_dry_candidates *candidates)
{
    lk_json_list(out, "candidates");
    for (size_t i = 0; i < candidates->count; i++) {
        const struct lk_lane_dry_candidate *candidate = &candidates->items[i];

        lk_json_object(out, NULL);
        lk_json_text(out, "rule", lk_str_from(candidate->rule));
        lk_json_uint(out, "index", candidate->index);
        lk_json_bool(out, "holds", candidate->why == NULL);
        lk_json_text(out, "why", lk_str_from(candidate->why != NULL ? candidate->why : ""));
        lk_json_end(out);
    }
    lk_json_end(out);
}

static const char *allow_text(enum lk_trust_result result)
{
    static const char *const names[] = {
        [LK_TRUST_STRIP] = "strip", [LK_TRUST_ALLOW] = "allow", [LK_TRUST_REFUSE_SHADOW] = "refuse"};

    return names[result];
}

static void put_trust(struct lk_json_out *out, const struct lk_lane_dry_run *run)
{
    lk_json_object(out, "trust");
    lk_json_bool(out, "trusted", run->trust.trusted);
    lk_json_text(out, "reason", lk_str_from(run->trust.reason));
    put_candidates(out, &run->trust_candidates);
    lk_json_end(out);
    if (!run->asked_allow) {
        lk_json_null(out, "allow"); /* not asked */
        return;
    }
    lk_json_object(out, "allow");
    lk_json_text(out, "result", lk_str_from(allow_text(run->allow)));
    put_candidates(out, &run->allow_candidates);
    lk_json_end(out);
}

static void put_mark(struct lk_json_out *out, const struct lk_lane_dry_run *run)
{
    lk_json_object(out, "mark");
    lk_json_bool(out, "found", run->mark.found);
    lk_json_text(out, "lane", run->mark.found ? run->mark.name : LK_STR(""));
    lk_json_text(out, "header", run->mark_header);
    lk_json_bool(out, "conflict", run->mark.conflict);
    lk_json_uint(out, "invalid", run->mark.invalid);
    lk_json_bool(out, "invalid_shadow", run->mark.invalid_shadow);
    lk_json_end(out);
}

static void put_entry(struct lk_json_out *out, const struct lk_lane_dry_run *run)
{
    if (!run->entered) {
        lk_json_null(out, "entry");
        return;
    }
    lk_json_object(out, "entry");
    lk_json_text(out, "reason", lk_str_from(lk_entry_reason_name(run->entry.reason)));
    if (run->entry.rule >= 0)
        lk_json_uint(out, "rule", (uint64_t)run->entry.rule);
    else
        lk_json_null(out, "rule");
    lk_json_text(out, "name", run->entry_rule);
    if (run->entry.has_bucket)
        lk_json_uint(out, "bucket", run->entry.bucket);
    lk_json_bool(out, "sets_cookie", run->entry.set_cookie != NULL);
    lk_json_list(out, "asked");
    for (size_t i = 0; i < run->rule_count; i++) {
        lk_json_object(out, NULL);
        lk_json_uint(out, "rule", run->rules[i].rule);
        lk_json_bool(out, "taken", run->rules[i].verdict == LK_ENTRY_TAKEN);
        lk_json_text(
            out, "fell",
            lk_str_from(run->rules[i].verdict == LK_ENTRY_TAKEN ? "" : lk_entry_verdict_name(run->rules[i].verdict)));
        lk_json_end(out);
    }
    lk_json_end(out);
    lk_json_end(out);
}

static void put_flags(struct lk_json_out *out, uint64_t flags)
{
    lk_json_list(out, "flags");
    for (unsigned i = 0; i < LK_FLAG_COUNT; i++)
        if (flags >> i & 1)
            lk_json_text(out, NULL, lk_str_from(lk_response_flag_name((enum lk_response_flag)i, false)));
    lk_json_end(out);
}

static void put_result(struct lk_json_out *out, const struct lk_lane_dry_run *run)
{
    lk_json_text(out, "outcome", lk_str_from(lk_lane_dry_outcome_name(run->outcome)));
    lk_json_text(out, "lane", run->requested.len > 0 ? run->requested : LK_STR(LK_LANE_BASE));
    lk_json_text(out, "source", lk_str_from(lk_lane_origin_name(run->origin)));
    lk_json_text(out, "standing", lk_str_from(lk_lane_standing_name(run->standing)));
    put_flags(out, run->flags);
    if (run->details != NULL) {
        lk_json_object(out, "reply");
        lk_json_uint(out, "status", 503);
        lk_json_text(out, "details", lk_str_from(run->details));
        lk_json_end(out);
        lk_json_null(out, "forwarded");
        return;
    }
    lk_json_null(out, "reply");
    lk_json_list(out, "forwarded");
    LK_HEADERS_FOREACH(h, run->forwarded)
    {
        lk_json_list(out, NULL);
        lk_json_text(out, NULL, h->name);
        lk_json_text(out, NULL, h->value);
        lk_json_end(out);
    }
    lk_json_end(out);
}

static void put_choice(struct lk_json_out *out, const struct lk_lane_dry_run *run)
{
    if (!run->chosen) {
        lk_json_null(out, "serves");
        return;
    }
    lk_json_object(out, "serves");
    lk_json_text(out, "lane", run->choice.served);
    lk_json_bool(out, "refused", run->choice.refused);
    lk_json_text(out, "reason", lk_str_from(lk_lane_reason_name(run->choice.reason)));
    lk_json_list(out, "asked");
    for (size_t i = 0; i < run->step_count; i++) {
        lk_json_object(out, NULL);
        lk_json_text(out, "lane", run->steps[i].lane);
        lk_json_uint(out, "total", run->steps[i].hosts);
        lk_json_uint(out, "healthy", run->steps[i].healthy);
        lk_json_text(out, "reason", lk_str_from(lk_lane_reason_name(run->steps[i].reason)));
        lk_json_end(out);
    }
    lk_json_end(out);
    lk_json_end(out);
}

void lk_lane_dry_json(const struct lk_lane_dry_ask *ask, const struct lk_lane_dry_run *run)
{
    struct lk_json_out out = lk_admin_call_json(ask->call);

    lk_json_object(&out, NULL);
    lk_json_object(&out, "dry_run");
    lk_json_text(&out, "listener", ask->settings->listener_name);
    lk_json_text(&out, "direction", lk_str_from(lk_lane_direction_text(ask->settings->direction)));
    lk_json_text(&out, "role", lk_str_from(lk_lane_role_text(ask->settings->role)));
    put_trust(&out, run);
    put_mark(&out, run);
    put_entry(&out, run);
    put_result(&out, run);
    put_choice(&out, run);
    lk_json_end(&out);
    lk_json_end(&out);
}

/* --- the same for people ------------------------------------------------------------------------------------------ */

static void say_candidates(struct lk_sheet *sheet, const struct lk_lane_dry_candidates *candidates)
{
    static const char *const names[] = {"asked", "answer", NULL};

    if (candidates->count == 0)
        return;
    lk_sheet_table(sheet, names);
    for (size_t i = 0; i < candidates->count && i < LK_LANE_PAGE_ROWS; i++) {
        const struct lk_lane_dry_candidate *candidate = &candidates->items[i];

        lk_sheet_cell(sheet, LK_TONE_PLAIN, "%s[%zu]", candidate->rule, candidate->index);
        lk_sheet_cell(sheet, candidate->why == NULL ? LK_TONE_GOOD : LK_TONE_DIM, "%s",
                      candidate->why == NULL ? "holds" : candidate->why);
    }
    lk_sheet_table_end(sheet);
}

static void say_trust(struct lk_sheet *sheet, const struct lk_lane_dry_run *run)
{
    lk_sheet_line(sheet, run->trust.trusted ? LK_TONE_GOOD : LK_TONE_BAD, "The caller is %strusted: %s.",
                  run->trust.trusted ? "" : "not ", run->trust.reason);
    say_candidates(sheet, &run->trust_candidates);
    if (run->mark.found)
        lk_sheet_line(sheet, LK_TONE_PLAIN, "The mark %.*s is read from %.*s.", LK_STR_ARG(run->mark.name),
                      LK_STR_ARG(run->mark_header));
    else
        lk_sheet_line(sheet, LK_TONE_PLAIN, "There is no mark.");
    if (run->mark.conflict)
        lk_sheet_line(sheet, LK_TONE_BAD, "Its values contradict each other.");
    if (run->mark.invalid > 0 || run->mark.invalid_shadow)
        lk_sheet_line(sheet, LK_TONE_BAD, "%u value(s) are no name of a lane.", run->mark.invalid);
    if (!run->asked_allow)
        return;
    lk_sheet_line(sheet, run->allow == LK_TRUST_ALLOW ? LK_TONE_GOOD : LK_TONE_BAD,
                  "Whether trust.allow lets it in all the same: %s.", allow_text(run->allow));
    say_candidates(sheet, &run->allow_candidates);
}

static void say_entry(struct lk_sheet *sheet, const struct lk_lane_dry_run *run)
{
    if (!run->entered)
        return;
    lk_sheet_line(sheet, LK_TONE_PLAIN, "Entry rules were asked: %s.", lk_entry_reason_name(run->entry.reason));
    for (size_t i = 0; i < run->rule_count && i < LK_LANE_PAGE_ROWS; i++)
        lk_sheet_line(sheet, LK_TONE_DIM, "rule %zu: %s%s", run->rules[i].rule,
                      run->rules[i].verdict == LK_ENTRY_TAKEN ? "" : "fell by its ",
                      lk_entry_verdict_name(run->rules[i].verdict));
    if (run->entry.has_bucket)
        lk_sheet_line(sheet, LK_TONE_DIM, "bucket %u of 10000", run->entry.bucket);
}

static void say_forwarded(struct lk_sheet *sheet, const struct lk_lane_dry_run *run)
{
    static const char *const names[] = {"header", "value", NULL};

    if (run->forwarded == NULL)
        return;
    lk_sheet_heading(sheet, "What would be forwarded");
    lk_sheet_table(sheet, names);
    LK_HEADERS_FOREACH(h, run->forwarded)
    {
        lk_sheet_cell_text(sheet, LK_TONE_PLAIN, h->name);
        lk_sheet_cell_text(sheet, LK_TONE_PLAIN, h->value);
    }
    lk_sheet_table_end(sheet);
}

static void say_choice(struct lk_sheet *sheet, const struct lk_lane_dry_ask *ask, const struct lk_lane_dry_run *run)
{
    static const char *const names[] = {"lane", "#endpoints", "#healthy", "answer", NULL};

    if (!run->chosen)
        return;
    lk_sheet_heading(sheet, "Who would serve in cluster %.*s", LK_STR_ARG(ask->cluster));
    if (run->choice.refused || run->choice.served.len == 0)
        lk_sheet_line(sheet, LK_TONE_BAD, "Nobody: %s.", lk_lane_reason_name(run->choice.reason));
    else
        lk_sheet_line(sheet, LK_TONE_GOOD, "%.*s (%s)", LK_STR_ARG(run->choice.served),
                      lk_lane_reason_name(run->choice.reason));
    lk_sheet_table(sheet, names);
    for (size_t i = 0; i < run->step_count; i++) {
        lk_sheet_cell_text(sheet, LK_TONE_PLAIN, run->steps[i].lane);
        lk_sheet_cell(sheet, LK_TONE_PLAIN, "%u", run->steps[i].hosts);
        lk_sheet_cell(sheet, LK_TONE_PLAIN, "%u", run->steps[i].healthy);
        lk_sheet_cell(sheet, LK_TONE_PLAIN, "%s", lk_lane_reason_name(run->steps[i].reason));
    }
    lk_sheet_table_end(sheet);
}

static void say_outcome(struct lk_sheet *sheet, const struct lk_lane_dry_run *run)
{
    static const char *const words[] = {
        [LK_LANE_DRY_NONE] = "There is no mark to keep.",
        [LK_LANE_DRY_KEPT] = "The mark is kept.",
        [LK_LANE_DRY_STRIPPED] = "The mark is stripped, the request goes on without.",
        [LK_LANE_DRY_DROPPED] = "What was read is no mark; the request goes on without.",
        [LK_LANE_DRY_REFUSED] = "The request is refused.",
        [LK_LANE_DRY_OPEN] = "Whether the mark is kept depends on the cluster; say which with cluster=.",
    };
    struct lk_str lane = run->requested.len > 0 ? run->requested : LK_STR(LK_LANE_BASE);

    lk_sheet_line(sheet, run->outcome <= LK_LANE_DRY_KEPT ? LK_TONE_GOOD : LK_TONE_BAD, "%s", words[run->outcome]);
    if (run->details != NULL)
        lk_sheet_line(sheet, LK_TONE_BAD, "503 %s", run->details);
    lk_sheet_facts_begin(sheet);
    lk_sheet_fact(sheet, "lane", LK_TONE_PLAIN, "%.*s", LK_STR_ARG(lane));
    lk_sheet_fact(sheet, "source", LK_TONE_PLAIN, "%s", lk_lane_origin_name(run->origin));
    lk_sheet_fact(sheet, "standing", LK_TONE_PLAIN, "%s", lk_lane_standing_name(run->standing));
    lk_sheet_facts_end(sheet);
}

void lk_lane_dry_people(const struct lk_lane_dry_ask *ask, const struct lk_lane_dry_run *run, bool html)
{
    struct lk_sheet sheet;

    lk_sheet_begin(&sheet, ask->call, html, "Dry run of a mark");
    lk_sheet_line(&sheet, LK_TONE_DIM,
                  "Listener %.*s, %s, %s. Nothing was counted or sent; ids that the association remembers and fallback "
                  "budgets were not asked.",
                  LK_STR_ARG(ask->settings->listener_name), lk_lane_direction_text(ask->settings->direction),
                  lk_lane_role_text(ask->settings->role));
    say_outcome(&sheet, run);
    lk_sheet_heading(&sheet, "Why");
    say_trust(&sheet, run);
    say_entry(&sheet, run);
    say_forwarded(&sheet, run);
    say_choice(&sheet, ask, run);
    if (html)
        lk_lane_dry_form(ask->call);
    lk_sheet_end(&sheet);
}
