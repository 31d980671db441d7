/* Words for the page /lanes. See lane_page_internal.h. */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/lane/lane_page_internal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define VALUES_SHOWN 10u

/* --- enumerations, as configuration spells them ------------------------------------------------------------------- */

const char *lk_lane_direction_text(enum lk_traffic_direction direction)
{
    switch (direction) {
    case LK_DIRECTION_INBOUND:
        return "INBOUND";
    case LK_DIRECTION_OUTBOUND:
        return "OUTBOUND";
    case LK_DIRECTION_UNSPECIFIED:
        break;
    }
    return "UNSPECIFIED";
}

const char *lk_lane_role_text(enum lk_lane_role role)
{
    return role == LK_LANE_ENTRY ? "ENTRY" : "SIDECAR";
}

const char *lk_lane_kind_text(enum lk_lane_kind kind)
{
    static const char *const names[] = {
        [LK_LANE_BASE_KIND] = "BASE", [LK_LANE_GRAY] = "GRAY", [LK_LANE_SHADOW] = "SHADOW"};

    return names[kind];
}

const char *lk_lane_mode_text(enum lk_lane_mode mode)
{
    return mode == LK_LANE_STRICT ? "STRICT" : "PERMISSIVE";
}

const char *lk_lane_state_text(enum lk_lane_state state)
{
    static const char *const names[] = {
        [LK_LANE_ACTIVE] = "ACTIVE", [LK_LANE_DRAINING] = "DRAINING", [LK_LANE_DISABLED] = "DISABLED"};

    return names[state];
}

const char *lk_lane_standing_text(const struct lk_lane_table *table, const struct lk_lane *lane)
{
    return lk_lane_standing_name(lk_lane_table_resolve(table, lane->name, lk_clock_wall_us()).standing);
}

const char *lk_lane_base_mode_text(enum lk_lane_base_mode mode)
{
    return mode == LK_LANE_BASE_NOT_IN_ACTIVE_LANE ? "NOT_IN_ACTIVE_LANE" : "UNTAGGED_ONLY";
}

const char *lk_lane_unknown_text(enum lk_lane_unknown_policy policy)
{
    return policy == LK_LANE_UNKNOWN_REJECTED ? "REJECT" : "TREAT_AS_BASE";
}

const char *lk_lane_missing_key_text(enum lk_entry_missing_key missing)
{
    static const char *const names[] = {[LK_ENTRY_MISSING_BASE] = "BASE",
                                        [LK_ENTRY_MISSING_RANDOM] = "RANDOM",
                                        [LK_ENTRY_MISSING_SET_COOKIE] = "SET_COOKIE"};

    return names[missing];
}

const char *lk_lane_key_kind_text(enum lk_entry_key_kind kind)
{
    static const char *const names[] = {[LK_ENTRY_KEY_HEADER] = "header",
                                        [LK_ENTRY_KEY_COOKIE] = "cookie",
                                        [LK_ENTRY_KEY_QUERY] = "query",
                                        [LK_ENTRY_KEY_IP] = "ip"};

    return names[kind];
}

/* --- time --------------------------------------------------------------------------------------------------------- */

struct lk_str lk_lane_time_text(struct lk_arena *arena, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    char text[32];
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL)
        return LK_STR("?");
    return lk_arena_str(arena, lk_str(text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)));
}

uint64_t lk_lane_age_ms(int64_t since_us)
{
    int64_t age_us = lk_clock_wall_us() - since_us;

    return age_us > 0 ? (uint64_t)age_us / 1000 : 0;
}

struct lk_str lk_lane_age_text(struct lk_arena *arena, int64_t since_us)
{
    uint64_t seconds = lk_lane_age_ms(since_us) / 1000;

    if (seconds < 120)
        return lk_arena_printf(arena, "%" PRIu64 " s", seconds);
    if (seconds < 7200)
        return lk_arena_printf(arena, "%" PRIu64 " min", seconds / 60);
    if (seconds < UINT64_C(172800))
        return lk_arena_printf(arena, "%" PRIu64 " h", seconds / 3600);
    return lk_arena_printf(arena, "%" PRIu64 " d", seconds / 86400);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct lk_str lk_lane_name_at(const struct lk_lane_table *table, uint16_t index)
{
    return table->lanes[index].name;
}

static int compare_services(const void *a, const void *b)
{
    const struct lk_lane_service *left = *(const struct lk_lane_service *const *)a;
    const struct lk_lane_service *right = *(const struct lk_lane_service *const *)b;

    return lk_str_cmp(left->name, right->name);
}

const struct lk_lane_service **lk_lane_services_sorted(struct lk_arena *arena, const struct lk_lane_table *table,
                                                       size_t *count)
{
    const struct lk_lane_service **list =
        lk_arena_array(arena, table->services.count + 1, sizeof(const struct lk_lane_service *));
    struct lk_map_slot *slot;

    *count = 0;
    for (size_t i = 0; (slot = lk_map_next(&table->services, &i));)
        list[(*count)++] = slot->value;
    qsort(list, *count, sizeof(const struct lk_lane_service *), compare_services);
    return list;
}

static struct lk_str joined(struct lk_arena *arena, struct lk_str text, const char *between, struct lk_str more)
{
    return text.len > 0 ? lk_arena_printf(arena, "%.*s%s%.*s", LK_STR_ARG(text), between, LK_STR_ARG(more)) : more;
}

struct lk_str lk_lane_names_text(struct lk_arena *arena, const struct lk_str *names, size_t count, size_t max)
{
    struct lk_str text = {"", 0};

    for (size_t i = 0; i < count && i < max; i++)
        text = joined(arena, text, ", ", names[i]);
    return count > max ? lk_arena_printf(arena, "%.*s and %zu more", LK_STR_ARG(text), count - max) : text;
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

struct lk_str lk_lane_cidr_text(struct lk_arena *arena, const struct lk_cidr *cidr)
{
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(cidr->family, cidr->bytes, text, sizeof(text)) == NULL)
        return LK_STR("?");
    return lk_arena_printf(arena, "%s/%u", text, cidr->bits);
}

static int compare_texts(const void *a, const void *b)
{
    return lk_str_cmp(*(const struct lk_str *)a, *(const struct lk_str *)b);
}

static struct lk_str list_text(struct lk_arena *arena, const struct lk_map *values)
{
    struct lk_str *list = lk_arena_array(arena, values->count + 1, sizeof(*list));
    struct lk_map_slot *slot;
    struct lk_str names;
    size_t count = 0;

    for (size_t i = 0; (slot = lk_map_next(values, &i));)
        list[count++] = slot->key;
    qsort(list, count, sizeof(*list), compare_texts);
    names = lk_lane_names_text(arena, list, count, VALUES_SHOWN);
    return lk_arena_printf(arena, "in %zu value%s: %.*s", count, count == 1 ? "" : "s", LK_STR_ARG(names));
}

struct lk_str lk_lane_value_text(struct lk_arena *arena, const struct lk_entry_value *value)
{
    switch (value->test) {
    case LK_ENTRY_PRESENT:
        return LK_STR("present");
    case LK_ENTRY_ABSENT:
        return LK_STR("absent");
    case LK_ENTRY_TEXT:
        return lk_string_matcher_describe(&value->text, arena);
    case LK_ENTRY_IN:
        break;
    }
    return list_text(arena, &value->in);
}

struct words {
    struct lk_arena *arena;
    struct lk_str text;
};

static void say(struct words *words, const char *what, struct lk_str name, struct lk_str value)
{
    struct lk_str more = lk_arena_printf(words->arena, "%s%s%.*s%s%.*s", what, name.len > 0 ? " " : "",
                                         LK_STR_ARG(name), value.len > 0 ? " " : "", LK_STR_ARG(value));

    words->text = joined(words->arena, words->text, " and ", more);
}

static void say_named(struct words *words, const char *what, const struct lk_entry_named_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        say(words, what, values[i].name, lk_lane_value_text(words->arena, &values[i].value));
}

static void say_value(struct words *words, const char *what, const struct lk_entry_value *value)
{
    if (value != NULL)
        say(words, what, lk_str("", 0), lk_lane_value_text(words->arena, value));
}

struct lk_str lk_lane_match_text(struct lk_arena *arena, const struct lk_entry_match *match)
{
    struct words words = {arena, {"", 0}};
    struct lk_str *cidrs = lk_arena_array(arena, match->cidr_count + 1, sizeof(*cidrs));

    for (size_t i = 0; i < match->cidr_count; i++)
        cidrs[i] = lk_lane_cidr_text(arena, &match->cidrs[i]);
    if (match->cidr_count > 0)
        say(&words, "caller in", lk_str("", 0), lk_lane_names_text(arena, cidrs, match->cidr_count, VALUES_SHOWN));
    say_value(&words, "source_principal", match->principal);
    if (match->secret.name.len > 0)
        say(&words, "secret header", match->secret.name, lk_str("", 0));
    say_value(&words, "path", match->path);
    say_value(&words, "host", match->host);
    say_named(&words, "header", match->headers, match->header_count);
    say_named(&words, "cookie", match->cookies, match->cookie_count);
    say_named(&words, "query", match->queries, match->query_count);
    return words.text.len > 0 ? words.text : LK_STR("any request");
}

struct lk_str lk_lane_key_text(struct lk_arena *arena, const struct lk_entry_key *key)
{
    return lk_arena_printf(arena, "%s%s%.*s", lk_lane_key_kind_text(key->kind), key->name.len > 0 ? " " : "",
                           LK_STR_ARG(key->name));
}

struct lk_str lk_lane_act_text(struct lk_arena *arena, const struct lk_lane_table *table,
                               const struct lk_entry_rule *rule)
{
    const struct lk_entry_split *split = &rule->split;
    struct lk_str text = {"", 0};
    struct lk_str keys = {"", 0};

    if (!rule->is_split)
        return lk_arena_printf(arena, "lane %.*s", LK_STR_ARG(table->lanes[rule->lane].name));
    for (size_t i = 0; i < split->part_count; i++) {
        const struct lk_entry_part *part = &split->parts[i];
        unsigned share = (unsigned)part->end - part->start;

        text = joined(arena, text, ", ",
                      lk_arena_printf(arena, "%u.%02u %% %.*s (buckets %u to %u)", share / 100, share % 100,
                                      LK_STR_ARG(table->lanes[part->lane].name), part->start,
                                      part->end > part->start ? part->end - 1u : part->start));
    }
    for (size_t i = 0; i < split->key_count; i++)
        keys = joined(arena, keys, ", ", lk_lane_key_text(arena, &split->keys[i]));
    return lk_arena_printf(arena, "%.*s by %.*s; without one %s", LK_STR_ARG(text), LK_STR_ARG(keys),
                           lk_lane_missing_key_text(split->missing));
}

/* --- carrying ----------------------------------------------------------------------------------------------------- */

const char *lk_lane_carry_verdict(uint64_t carried, uint64_t lost, uint64_t suspect_lost)
{
    if (carried == 0 && lost == 0)
        return suspect_lost > 0 ? "Outbound requests came without any evidence while marked requests were in flight: "
                                  "this application seems to drop marks."
                                : "Nothing is known yet: no request that was followed has caused an outbound one.";
    if (lost == 0)
        return suspect_lost > 0 ? "The application forwards ids, yet some outbound requests came without evidence "
                                  "while marked requests were in flight: look at background work."
                                : "The application forwards ids, so lanes go on through it.";
    if (carried == 0)
        return "The application forwards neither marks nor ids: a lane would end here.";
    return "The application forwards ids on some of its calls only: a lane would get lost on the others.";
}

/* --- caps --------------------------------------------------------------------------------------------------------- */

struct uses {
    struct lk_arena *arena;
    const struct lk_lane_table *table;
    struct lk_lane_cap_use *items;
    size_t count;
    uint64_t now_ms;
};

static void visit_budget(void *arg, struct lk_str cluster, struct lk_str lane, const struct lk_budget *budget)
{
    struct uses *uses = arg;
    const struct lk_lane *found = lk_lane_table_find(uses->table, lane);
    struct lk_lane_cap_use *use = &uses->items[uses->count];
    struct lk_fallback_cap cap;

    if (found == NULL || uses->count == LK_LANE_PAGE_ROWS)
        return;
    cap = (struct lk_fallback_cap){found->cap_percent, found->cap_min_rps, found->cap_window_ms};
    lk_budget_read(budget, &cap, uses->now_ms, &use->level);
    if (use->level.spent <= 0)
        return;
    use->lane = found->index;
    use->cluster = lk_arena_str(uses->arena, cluster);
    uses->count++;
}

static int compare_uses(const void *a, const void *b)
{
    const struct lk_lane_cap_use *left = a;
    const struct lk_lane_cap_use *right = b;

    if (left->lane != right->lane)
        return left->lane < right->lane ? -1 : 1;
    return lk_str_cmp(left->cluster, right->cluster);
}

struct lk_lane_cap_use *lk_lane_cap_uses(struct lk_arena *arena, const struct lk_lane_runtime *runtime,
                                         const struct lk_lane_table *table, size_t *count)
{
    struct uses uses = {arena, table, NULL, 0, lk_clock_ms()};

    uses.items = lk_arena_array(arena, LK_LANE_PAGE_ROWS + 1, sizeof(*uses.items));
    lk_budgets_each(runtime->budgets, visit_budget, &uses);
    qsort(uses.items, uses.count, sizeof(*uses.items), compare_uses);
    *count = uses.count;
    return uses.items;
}
