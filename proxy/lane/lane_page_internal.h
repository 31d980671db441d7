/* What the files of the page /lanes share. Main thread. */
#pragma once

#include "proxy/filter/page_sheet.h"
#include "proxy/lane/lane_dry_run.h"
#include "proxy/lane/lane_page.h"
#include "proxy/lane/lane_report.h"

/* Names listed of many; lanes and clusters of a table for people. The rest is counted. */
#define LK_LANE_PAGE_NAMES 100u
#define LK_LANE_PAGE_ROWS 200u
#define LK_LANE_PAGE_COLUMNS 24u

/* lane_page_text.c: words for what is told; texts lie in the arena. */
const char *lk_lane_direction_text(enum lk_traffic_direction direction);
const char *lk_lane_role_text(enum lk_lane_role role);
const char *lk_lane_kind_text(enum lk_lane_kind kind);
const char *lk_lane_mode_text(enum lk_lane_mode mode);
const char *lk_lane_state_text(enum lk_lane_state state);
/* "active", "expired", ...: what the lane comes to now. */
const char *lk_lane_standing_text(const struct lk_lane_table *table, const struct lk_lane *lane);
const char *lk_lane_base_mode_text(enum lk_lane_base_mode mode);
const char *lk_lane_unknown_text(enum lk_lane_unknown_policy policy);
const char *lk_lane_missing_key_text(enum lk_entry_missing_key missing);
/* "2026-01-31T08:00:00Z" */
struct lk_str lk_lane_time_text(struct lk_arena *arena, int64_t wall_us);
/* "3 s", "12 min", "4 h", "9 d" */
struct lk_str lk_lane_age_text(struct lk_arena *arena, int64_t since_us);
/* Milliseconds from a wall time to now; 0 for the future. */
uint64_t lk_lane_age_ms(int64_t since_us);
struct lk_str lk_lane_cidr_text(struct lk_arena *arena, const struct lk_cidr *cidr);
/* "present", "prefix: /api", "in 3 values: a, b, c" */
struct lk_str lk_lane_value_text(struct lk_arena *arena, const struct lk_entry_value *value);
/* All conditions of a rule, "any request" without one. The name of a secret header, never its value. */
struct lk_str lk_lane_match_text(struct lk_arena *arena, const struct lk_entry_match *match);
/* "lane gray", or the split with its parts in percent. */
struct lk_str lk_lane_act_text(struct lk_arena *arena, const struct lk_lane_table *table,
                               const struct lk_entry_rule *rule);
const char *lk_lane_key_kind_text(enum lk_entry_key_kind kind);
/* "header x-user" */
struct lk_str lk_lane_key_text(struct lk_arena *arena, const struct lk_entry_key *key);
/* One sentence on what the application does with marks. */
const char *lk_lane_carry_verdict(uint64_t carried, uint64_t lost, uint64_t suspect_lost);
/* The parent of a service override, "base" for the first index. */
struct lk_str lk_lane_name_at(const struct lk_lane_table *table, uint16_t index);
/* The overrides of a table by name; *count of them. */
const struct lk_lane_service **lk_lane_services_sorted(struct lk_arena *arena, const struct lk_lane_table *table,
                                                       size_t *count);
/* "a, b and 3 more" */
struct lk_str lk_lane_names_text(struct lk_arena *arena, const struct lk_str *names, size_t count, size_t max);

/* Fallback of a lane at a cluster, where the budget is touched. */
struct lk_lane_cap_use {
    struct lk_str cluster;
    uint16_t lane; /* index in the table */
    struct lk_budget_level level;
};
/* In the arena, by lane, then cluster; at most LK_LANE_PAGE_ROWS. */
struct lk_lane_cap_use *lk_lane_cap_uses(struct lk_arena *arena, const struct lk_lane_runtime *runtime,
                                         const struct lk_lane_table *table, size_t *count);

/* lane_page_json.c: the report in pieces. */
struct lk_lane_page_json {
    struct lk_json_out out;
    size_t group, row;
    unsigned phase;
};
void lk_lane_json_begin(struct lk_lane_page_json *page, struct lk_admin_call *call,
                        const struct lk_lane_report *report);
/* True: there is more. */
bool lk_lane_json_next(struct lk_lane_page_json *page, const struct lk_lane_report *report);

/* lane_page_table.c: one table as JSON. */
void lk_lane_table_json(struct lk_json_out *out, struct lk_arena *arena, const struct lk_lane_tables *tables);

/* lane_page_people.c */
void lk_lane_people(struct lk_admin_call *call, const struct lk_lane_report *report, bool html);

/* lane_page_dry.c: answers ?dry_run; and the form for it, on the HTML page. */
struct lk_lane_dry_ask {
    struct lk_admin_call *call;
    struct lk_lane_runtime *runtime;
    const struct lk_lane_settings *settings;
    struct lk_str cluster; /* empty: not said */
    struct lk_headers headers;
    struct lk_lane_dry_input input;
};
void lk_lane_page_dry(struct lk_admin_call *call, enum lk_admin_format format);
void lk_lane_dry_form(struct lk_admin_call *call);

/* lane_page_dry_reply.c */
void lk_lane_dry_json(const struct lk_lane_dry_ask *ask, const struct lk_lane_dry_run *run);
void lk_lane_dry_people(const struct lk_lane_dry_ask *ask, const struct lk_lane_dry_run *run, bool html);
