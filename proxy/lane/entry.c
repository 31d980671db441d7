/* Entry rules at work: conditions in order, then the lane or the sticky split. Any thread, no state. */
#include "proxy/lane/entry.h"

#include "proxy/base/mem.h"
#include "proxy/http/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

/* What is taken apart at most once per request. */
struct view {
    const struct lk_entry_request *request;
    struct lk_addr source; /* len 0: none */
    struct lk_str host;    /* ptr NULL: not asked yet */
};

/* --- preparation -------------------------------------------------------------------------------------------------- */

static void prepare_split(struct lk_entry_split *split)
{
    for (size_t i = 0; i < split->key_count; i++)
        if (split->keys[i].kind == LK_ENTRY_KEY_HEADER)
            split->keys[i].header_id = (int)lk_header_id_of(split->keys[i].name);
    split->seed = XXH64(split->salt.ptr, split->salt.len, 0);
}

void lk_entry_prepare(struct lk_lane_table *table)
{
    for (size_t i = 0; i < table->rule_count; i++) {
        struct lk_entry_rule *rule = &table->rules[i];

        for (size_t k = 0; k < rule->match.header_count; k++)
            rule->match.headers[k].header_id = (int)lk_header_id_of(rule->match.headers[k].name);
        if (rule->match.secret.name.len > 0)
            rule->match.secret.header_id = (int)lk_header_id_of(rule->match.secret.name);
        if (rule->is_split)
            prepare_split(&rule->split);
    }
    table->rules_prepared = true;
}

/* --- what a request holds ----------------------------------------------------------------------------------------- */

/* Values of a repeated header are joined, so that a second one cannot hide behind the first. ptr NULL: absent. */
static struct lk_str header_value(const struct view *view, int id, struct lk_str name)
{
    struct lk_header_key key = {.id = (enum lk_header_id)id, .name = name};

    return lk_headers_get_joined(view->request->headers, &key);
}

static bool cookie_in(struct lk_str line, struct lk_str name, struct lk_str *out)
{
    while (line.ptr != NULL) {
        struct lk_str pair = lk_str_trim(lk_str_split(&line, ';'));
        size_t equals = lk_str_find_byte(pair, '=');

        if (equals < pair.len && lk_str_eq(lk_str_trim(lk_str(pair.ptr, equals)), name)) {
            *out = lk_str_trim(lk_str_drop(pair, equals + 1));
            return true;
        }
    }
    return false;
}

/* The first cookie of the name. */
static struct lk_str cookie_value(const struct view *view, struct lk_str name)
{
    const struct lk_headers *headers = view->request->headers;
    struct lk_str out = {NULL, 0};

    if (!lk_headers_maybe(headers, LK_HEADER_COOKIE))
        return out;
    LK_HEADERS_FOREACH(header, headers)
    {
        if (header->id == LK_HEADER_COOKIE && cookie_in(header->value, name, &out))
            break;
    }
    return out;
}

static struct lk_str query_value(const struct view *view, struct lk_str name)
{
    struct lk_str query = lk_path_query(lk_headers_get(view->request->headers, LK_HEADER_PATH));
    struct lk_str value;

    if (query.len == 0 || !lk_query_get(query, name, &value))
        return (struct lk_str){NULL, 0};
    if (lk_str_find_byte(value, '%') < value.len)
        value = lk_percent_decode(view->request->headers->arena, value);
    return value.ptr != NULL ? value : (struct lk_str){"", 0};
}

static struct lk_str host_value(struct view *view)
{
    struct lk_str host, port;
    char *copy;

    if (view->host.ptr != NULL)
        return view->host;
    lk_host_split(lk_headers_get(view->request->headers, LK_HEADER_AUTHORITY), &host, &port);
    copy = lk_arena_alloc(view->request->headers->arena, host.len + 1);
    for (size_t i = 0; i < host.len; i++)
        copy[i] = (char)lk_ascii_lower((unsigned char)host.ptr[i]);
    view->host = lk_str(copy, host.len);
    return view->host;
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

/* value.ptr NULL: absent. */
static bool value_holds(const struct lk_entry_value *condition, struct lk_str value)
{
    if (value.ptr == NULL)
        return condition->test == LK_ENTRY_ABSENT;
    switch (condition->test) {
    case LK_ENTRY_PRESENT:
        return true;
    case LK_ENTRY_ABSENT:
        return false;
    case LK_ENTRY_TEXT:
        return lk_string_matcher_match(&condition->text, value);
    case LK_ENTRY_IN:
        return lk_map_get(&condition->in, value) != NULL;
    }
    lk_panic("an entry condition without a test");
}

static bool cidr_holds(const struct view *view, const struct lk_entry_match *match)
{
    if (match->cidr_count == 0)
        return true;
    for (size_t i = 0; i < match->cidr_count; i++)
        if (view->source.len > 0 && lk_cidr_contains(&match->cidrs[i], &view->source))
            return true;
    return false;
}

static bool principal_holds(const struct view *view, const struct lk_entry_match *match)
{
    struct lk_str principal = view->request->principal;

    if (principal.len == 0)
        principal.ptr = NULL;
    return match->principal == NULL || value_holds(match->principal, principal);
}

/* Takes the same time wherever the first wrong byte stands. */
static bool secret_holds(const struct view *view, const struct lk_secret_header *secret)
{
    struct lk_str value;
    unsigned char wrong = 0;

    if (secret->name.len == 0)
        return true;
    value = header_value(view, secret->header_id, secret->name);
    if (value.len != secret->value.len)
        return false;
    for (size_t i = 0; i < value.len; i++)
        wrong |= (unsigned char)(value.ptr[i] ^ secret->value.ptr[i]);
    return wrong == 0;
}

static bool path_holds(const struct view *view, const struct lk_entry_match *match)
{
    return match->path == NULL ||
           value_holds(match->path, lk_path_only(lk_headers_get(view->request->headers, LK_HEADER_PATH)));
}

static enum lk_entry_verdict judge_named(const struct view *view, const struct lk_entry_match *match, size_t *detail)
{
    for (*detail = 0; *detail < match->header_count; ++*detail) {
        const struct lk_entry_named_value *header = &match->headers[*detail];

        if (!value_holds(&header->value, header_value(view, header->header_id, header->name)))
            return LK_ENTRY_FELL_HEADER;
    }
    for (*detail = 0; *detail < match->cookie_count; ++*detail)
        if (!value_holds(&match->cookies[*detail].value, cookie_value(view, match->cookies[*detail].name)))
            return LK_ENTRY_FELL_COOKIE;
    for (*detail = 0; *detail < match->query_count; ++*detail)
        if (!value_holds(&match->queries[*detail].value, query_value(view, match->queries[*detail].name)))
            return LK_ENTRY_FELL_QUERY;
    *detail = 0;
    return LK_ENTRY_TAKEN;
}

static enum lk_entry_verdict judge(struct view *view, const struct lk_entry_match *match, size_t *detail)
{
    *detail = 0;
    if (!cidr_holds(view, match))
        return LK_ENTRY_FELL_CIDR;
    if (!principal_holds(view, match))
        return LK_ENTRY_FELL_PRINCIPAL;
    if (!secret_holds(view, &match->secret))
        return LK_ENTRY_FELL_SECRET;
    if (!path_holds(view, match))
        return LK_ENTRY_FELL_PATH;
    if (match->host != NULL && !value_holds(match->host, host_value(view)))
        return LK_ENTRY_FELL_HOST;
    return judge_named(view, match, detail);
}

/* --- splits ------------------------------------------------------------------------------------------------------- */

uint16_t lk_entry_bucket(const struct lk_entry_split *split, struct lk_str key)
{
    return (uint16_t)(XXH64(key.ptr, key.len, split->seed) % LK_LANE_BUCKETS);
}

/* The first key that the request has; false: none. An empty value names nobody. */
static bool find_bucket(const struct view *view, const struct lk_entry_split *split, uint16_t *bucket)
{
    char text[LK_ADDR_TEXT_MAX];

    for (size_t i = 0; i < split->key_count; i++) {
        const struct lk_entry_key *key = &split->keys[i];
        struct lk_str value = {NULL, 0};

        if (key->kind == LK_ENTRY_KEY_HEADER)
            value = header_value(view, key->header_id, key->name);
        else if (key->kind == LK_ENTRY_KEY_COOKIE)
            value = cookie_value(view, key->name);
        else if (key->kind == LK_ENTRY_KEY_QUERY)
            value = query_value(view, key->name);
        else if (view->source.len > 0 && view->source.family != AF_UNIX)
            value = lk_addr_ip_text(&view->source, text);
        if (value.len > 0) {
            *bucket = lk_entry_bucket(split, value);
            return true;
        }
    }
    return false;
}

static bool draw_bucket(const struct lk_entry_split *split, uint64_t random, struct lk_entry_result *out)
{
    switch (split->missing) {
    case LK_ENTRY_MISSING_BASE:
        return false;
    case LK_ENTRY_MISSING_RANDOM:
        out->bucket = (uint16_t)(random % LK_LANE_BUCKETS);
        return true;
    case LK_ENTRY_MISSING_SET_COOKIE:
        snprintf(out->cookie_value, sizeof(out->cookie_value), "%016" PRIx64, random);
        out->set_cookie = split;
        out->bucket = lk_entry_bucket(split, lk_str(out->cookie_value, sizeof(out->cookie_value) - 1));
        return true;
    }
    lk_panic("a split without on_missing_key");
}

static void assign_split(const struct view *view, const struct lk_entry_split *split, uint64_t random,
                         struct lk_entry_result *out)
{
    out->has_bucket = find_bucket(view, split, &out->bucket) || draw_bucket(split, random, out);
    out->reason = out->has_bucket ? LK_ENTRY_OUTSIDE : LK_ENTRY_KEYLESS;
    for (size_t i = 0; out->has_bucket && i < split->part_count; i++) {
        if (out->bucket >= split->parts[i].start && out->bucket < split->parts[i].end) {
            out->intended = split->parts[i].lane;
            out->reason = LK_ENTRY_BY_SPLIT;
            break;
        }
    }
}

/* --- the decision ------------------------------------------------------------------------------------------------- */

/* New requests enter active lanes only. */
static void enter(const struct lk_lane_table *table, const struct lk_entry_request *request,
                  struct lk_entry_result *out)
{
    const struct lk_lane *lane = &table->lanes[out->intended];

    if (!lk_lane_assignable(lane, request->now_us))
        out->reason = LK_ENTRY_NOT_ACTIVE;
    else if (request->stopped != NULL && lk_lane_set_has(request->stopped, out->intended))
        out->reason = LK_ENTRY_GUARD_TRIPPED;
    else
        out->lane = out->intended;
    out->refused = out->lane != out->intended && lane->kind == LK_LANE_SHADOW;
}

static void act(const struct view *view, const struct lk_lane_table *table, size_t index, uint64_t random,
                struct lk_entry_result *out)
{
    const struct lk_entry_rule *rule = &table->rules[index];

    out->rule = (int)index;
    out->reason = LK_ENTRY_BY_RULE;
    if (rule->is_split)
        assign_split(view, &rule->split, random, out);
    else
        out->intended = rule->lane;
    enter(table, view->request, out);
}

/* Everything is base's then, but what a rule calls a pressure test: it is refused. */
static void act_when_off(const struct lk_lane_table *table, size_t index, struct lk_entry_result *out)
{
    const struct lk_entry_rule *rule = &table->rules[index];

    if (rule->is_split || table->lanes[rule->lane].kind != LK_LANE_SHADOW)
        return;
    out->rule = (int)index;
    out->intended = rule->lane;
    out->refused = true;
}

static void start_view(struct view *view, const struct lk_entry_request *request)
{
    view->request = request;
    view->host = (struct lk_str){NULL, 0};
    view->source.len = 0;
    if (request->source != NULL && request->source->len > 0) {
        view->source = *request->source;
        lk_addr_unmap(&view->source);
    }
}

struct lk_entry_result lk_entry_assign(const struct lk_lane_table *table, const struct lk_entry_request *request,
                                       uint64_t random, struct lk_entry_recorder *recorder)
{
    struct lk_entry_result out = {.reason = table->enabled ? LK_ENTRY_NO_RULE : LK_ENTRY_TABLE_OFF, .rule = -1};
    struct view view;

    LK_ASSERT(table->rules_prepared);
    if (table->rule_count > 0)
        start_view(&view, request);
    for (size_t i = 0; i < table->rule_count; i++) {
        const struct lk_entry_rule *rule = &table->rules[i];
        size_t detail;
        enum lk_entry_verdict verdict = judge(&view, &rule->match, &detail);

        if (recorder != NULL)
            recorder->on_rule(recorder, i, verdict, detail);
        if (verdict != LK_ENTRY_TAKEN)
            continue;
        if (table->enabled)
            act(&view, table, i, random, &out);
        else
            act_when_off(table, i, &out);
        break;
    }
    return out;
}

struct lk_str lk_entry_cookie(const struct lk_entry_result *result, struct lk_arena *arena)
{
    const struct lk_entry_split *split = result->set_cookie;
    char age[32] = "";

    if (split->cookie_ttl_s > 0)
        snprintf(age, sizeof(age), "; Max-Age=%" PRIu32, split->cookie_ttl_s);
    return lk_arena_printf(arena, "%.*s=%s; Path=%.*s%s; HttpOnly; SameSite=Lax", LK_STR_ARG(split->cookie),
                           result->cookie_value, LK_STR_ARG(split->cookie_path), age);
}

const char *lk_entry_reason_name(enum lk_entry_reason reason)
{
    static const char *const names[] = {
        [LK_ENTRY_NO_RULE] = "no_rule",     [LK_ENTRY_TABLE_OFF] = "table_off", [LK_ENTRY_BY_RULE] = "rule",
        [LK_ENTRY_BY_SPLIT] = "split",      [LK_ENTRY_OUTSIDE] = "outside",     [LK_ENTRY_KEYLESS] = "no_key",
        [LK_ENTRY_NOT_ACTIVE] = "inactive", [LK_ENTRY_GUARD_TRIPPED] = "guard",
    };

    return names[reason];
}

const char *lk_entry_verdict_name(enum lk_entry_verdict verdict)
{
    static const char *const names[] = {
        [LK_ENTRY_TAKEN] = "taken",
        [LK_ENTRY_FELL_CIDR] = "cidr",
        [LK_ENTRY_FELL_PRINCIPAL] = "source_principal",
        [LK_ENTRY_FELL_SECRET] = "secret_header",
        [LK_ENTRY_FELL_PATH] = "path",
        [LK_ENTRY_FELL_HOST] = "host",
        [LK_ENTRY_FELL_HEADER] = "header",
        [LK_ENTRY_FELL_COOKIE] = "cookie",
        [LK_ENTRY_FELL_QUERY] = "query",
    };

    return names[verdict];
}
