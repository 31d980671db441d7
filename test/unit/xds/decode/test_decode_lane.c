/* The lane table: what is read, and every rule that it must obey. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_lane.h"
#include "xds/decode/pb_known.h"

static struct lk_decode_fixture fixture;

static struct lk_lane_table *decode(const char *yaml)
{
    const Lanekeeper__Lane__V1__LaneTable *message =
        lk_decode_fixture_message(&fixture, &lanekeeper__lane__v1__lane_table__descriptor, yaml);

    lk_pb_report_unsupported(&message->base, true, &fixture.errors);
    return lk_decode_lane_table(message, &fixture.errors);
}

static struct lk_lane_table *decode_good(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    struct lk_lane_table *table = decode(yaml);

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_NOT_NULL(table);
    return table;
}

static void done(struct lk_lane_table *table)
{
    lk_lane_table_unref(table);
    lk_decode_fixture_fini(&fixture);
}

/* --- good tables -------------------------------------------------------------------------------------------------- */

LK_TEST(decode_lane, reads_the_table_of_the_guide)
{
    struct lk_lane_table *table = decode_good(
        "revision: 42\n"
        "lanes:\n"
        "- { name: gray-v2, kind: GRAY, mode: PERMISSIVE, emit_headers: { x-mse-tag: gray-v2 } }\n"
        "- { name: dev.p, kind: GRAY }\n"
        "- { name: dev.p.local, kind: GRAY, parent: dev.p }\n"
        "- { name: shadow-load, kind: SHADOW, mode: STRICT, emit_headers: { p-pradar-cluster-test: '1' } }\n"
        "entry:\n"
        "- { match: { header: { name: x-user-id, in: [jason] } }, lane: gray-v2 }\n"
        "- split: { key: [ { header: x-user-id }, { cookie: lane_uid } ], salt: rel-2024-10,\n"
        "    parts: [ { lane: gray-v2, basis_points: 500 } ], on_missing_key: SET_COOKIE }\n");

    LK_CHECK_EQ_UINT(table->revision, 42);
    LK_CHECK(table->enabled);
    LK_CHECK_EQ_UINT(table->lane_count, 5);
    LK_CHECK_LKSTR(table->lanes[1].name, "gray-v2");
    LK_CHECK_EQ_PTR(lk_lane_table_find(table, LK_STR("dev.p.local")), &table->lanes[3]);
    LK_CHECK_EQ_UINT(table->lanes[3].parent_count, 1);
    LK_CHECK_EQ_UINT(table->lanes[3].parents[0], 2);
    LK_CHECK_EQ_INT(table->lanes[4].kind, LK_LANE_SHADOW);
    LK_CHECK_EQ_INT(table->lanes[4].mode, LK_LANE_STRICT);
    LK_CHECK_EQ_UINT(table->lanes[4].emit_count, 1);
    LK_CHECK_LKSTR(table->lanes[4].emit[0].name, "p-pradar-cluster-test");
    LK_CHECK_LKSTR(table->lanes[4].emit[0].value, "1");
    LK_CHECK_EQ_UINT(table->rule_count, 2);
    LK_CHECK_EQ_INT(table->rules[0].match.headers[0].value.test, LK_ENTRY_IN);
    LK_CHECK_NOT_NULL(lk_map_get(&table->rules[0].match.headers[0].value.in, LK_STR("jason")));
    LK_CHECK(table->rules[1].is_split);
    LK_CHECK_LKSTR(table->rules[1].split.cookie, "lane_uid");
    LK_CHECK_LKSTR(table->rules[1].split.cookie_path, "/");
    LK_CHECK_EQ_UINT(table->rules[1].split.parts[0].end, 500);
    done(table);
}

LK_TEST(decode_lane, fills_in_defaults)
{
    struct lk_lane_table *table = decode_good("lanes: [{name: g}, {name: shadow-1, kind: SHADOW}]");
    const struct lk_lane *lane = &table->lanes[1];

    LK_CHECK(table->enabled && !table->base_rescue);
    LK_CHECK_EQ_INT(table->base_mode, LK_LANE_BASE_UNTAGGED_ONLY);
    LK_CHECK_EQ_INT(table->unknown, LK_LANE_UNKNOWN_IS_BASE);
    LK_CHECK_EQ_INT(lane->kind, LK_LANE_GRAY);
    LK_CHECK_EQ_INT(lane->mode, LK_LANE_PERMISSIVE);
    LK_CHECK_EQ_INT(lane->state, LK_LANE_ACTIVE);
    LK_CHECK(lane->on_unhealthy && !lane->on_overload && !lane->on_retry);
    LK_CHECK_EQ_UINT(lane->min_healthy_percent, 1);
    LK_CHECK_EQ_UINT(lane->cap_percent, 20);
    LK_CHECK_EQ_UINT(lane->cap_min_rps, 10);
    LK_CHECK_EQ_UINT(lane->cap_window_ms, 10000);
    LK_CHECK_EQ_UINT(lane->absent_grace_ms, 5000);
    LK_CHECK_EQ_INT(lane->expires_us, 0);
    LK_CHECK(!lane->guard.enabled);
    LK_CHECK_EQ_INT(table->lanes[2].mode, LK_LANE_STRICT);
    done(table);
}

LK_TEST(decode_lane, reads_every_knob_of_a_lane)
{
    struct lk_lane_table *table =
        decode_good("enabled: false\nbase_mode: NOT_IN_ACTIVE_LANE\nunknown: REJECT\nbase_rescue: true\n"
                    "lanes:\n"
                    "- name: g\n  mode: STRICT\n  state: DRAINING\n  owner: shop team\n  parent: base\n"
                    "  emit_headers: {X-B: b, x-a: a}\n"
                    "  on: {unhealthy: false, overload: true, retry: true}\n  min_healthy_percent: 0\n"
                    "  cap: {percent: 5, min_rps: 0, window: 2s}\n  absent_grace: 0s\n"
                    "  expires: '2030-01-02T03:04:05.5Z'\n"
                    "  guard: {max_5xx_delta: 0.05, max_p99_ratio: 2, min_requests: 7, window: 5s}\n"
                    "service:\n"
                    "  web: {mode: PERMISSIVE, parent: base, target: g, base_rescue: false}\n"
                    "  db: {mode: STRICT}\n");
    const struct lk_lane *lane = &table->lanes[1];
    const struct lk_lane_service *web = lk_lane_table_service(table, LK_STR("web"));

    LK_CHECK(!table->enabled && table->base_rescue);
    LK_CHECK_EQ_INT(table->base_mode, LK_LANE_BASE_NOT_IN_ACTIVE_LANE);
    LK_CHECK_EQ_INT(table->unknown, LK_LANE_UNKNOWN_REJECTED);
    LK_CHECK_EQ_INT(lane->mode, LK_LANE_STRICT);
    LK_CHECK_EQ_INT(lane->state, LK_LANE_DRAINING);
    LK_CHECK_LKSTR(lane->owner, "shop team");
    LK_CHECK_EQ_UINT(lane->parent_count, 0);
    LK_CHECK_LKSTR(lane->emit[0].name, "x-a");
    LK_CHECK_LKSTR(lane->emit[1].name, "x-b");
    LK_CHECK(!lane->on_unhealthy && lane->on_overload && lane->on_retry);
    LK_CHECK_EQ_UINT(lane->min_healthy_percent, 0);
    LK_CHECK_EQ_UINT(lane->cap_percent, 5);
    LK_CHECK_EQ_UINT(lane->cap_min_rps, 0);
    LK_CHECK_EQ_UINT(lane->cap_window_ms, 2000);
    LK_CHECK_EQ_UINT(lane->absent_grace_ms, 0);
    LK_CHECK_EQ_INT(lane->expires_us, 1893553445500000);
    LK_CHECK(lane->guard.enabled);
    LK_CHECK_NEAR(lane->guard.max_5xx_delta, 0.05, 1e-9);
    LK_CHECK_NEAR(lane->guard.max_p99_ratio, 2, 1e-9);
    LK_CHECK_EQ_UINT(lane->guard.min_requests, 7);
    LK_CHECK_EQ_UINT(lane->guard.window_ms, 5000);
    LK_CHECK(web->has_mode && web->has_parent && web->has_target && !web->base_rescue);
    LK_CHECK_EQ_UINT(web->target, 1);
    LK_CHECK(lk_lane_table_service(table, LK_STR("db"))->base_rescue);
    done(table);
}

LK_TEST(decode_lane, places_parts_behind_each_other_or_where_pinned)
{
    struct lk_lane_table *table =
        decode_good("lanes: [{name: a}, {name: b}]\n"
                    "entry:\n"
                    "- split: {key: {ip: true}, parts: [{lane: a, basis_points: 1000}, {lane: b, basis_points: 500},\n"
                    "    {lane: a, basis_points: 100, start_bp: 9900}, {lane: b, basis_points: 0}]}\n");
    const struct lk_entry_part *parts = table->rules[0].split.parts;

    LK_CHECK_EQ_UINT(parts[0].start, 0);
    LK_CHECK_EQ_UINT(parts[0].end, 1000);
    LK_CHECK_EQ_UINT(parts[1].start, 1000);
    LK_CHECK_EQ_UINT(parts[1].end, 1500);
    LK_CHECK_EQ_UINT(parts[2].start, 9900);
    LK_CHECK_EQ_UINT(parts[2].end, 10000);
    LK_CHECK_EQ_UINT(parts[3].start, parts[3].end);
    done(table);
}

LK_TEST(decode_lane, reads_all_conditions)
{
    struct lk_lane_table *table = decode_good(
        "lanes: [{name: shadow-1, kind: SHADOW}]\n"
        "entry:\n"
        "- name: testers\n"
        "  match:\n"
        "    header: [{name: X-A, exact: a}, {name: b, prefix: b}, {name: c, regex: 'c+'}, {name: d, present: false}]\n"
        "    cookie: {name: Who, present: true}\n    query: {name: q, in: [x, z]}\n    path: {prefix: /p}\n"
        "    host: {in: [WWW.Example.com]}\n    source_principal: {exact: 'spiffe://td/x'}\n"
        "    cidr: [10.0.0.0/8, '::1']\n    secret_header: {name: X-Key, value: abcdefgh}\n"
        "  lane: shadow-1\n");
    const struct lk_entry_match *match = &table->rules[0].match;

    LK_CHECK_LKSTR(table->rules[0].name, "testers");
    LK_CHECK_EQ_UINT(match->header_count, 4);
    LK_CHECK_LKSTR(match->headers[0].name, "x-a");
    LK_CHECK_EQ_INT(match->headers[1].value.text.kind, LK_STRING_PREFIX);
    LK_CHECK_NOT_NULL(match->headers[2].value.text.regex);
    LK_CHECK_EQ_INT(match->headers[3].value.test, LK_ENTRY_ABSENT);
    LK_CHECK_LKSTR(match->cookies[0].name, "Who");
    LK_CHECK_EQ_UINT(match->queries[0].value.in.count, 2);
    LK_CHECK_NOT_NULL(lk_map_get(&match->host->in, LK_STR("www.example.com")));
    LK_CHECK_EQ_UINT(match->cidr_count, 2);
    LK_CHECK_EQ_UINT(match->cidrs[0].bits, 8);
    LK_CHECK_EQ_UINT(match->cidrs[1].bits, 128);
    LK_CHECK_LKSTR(match->secret.name, "x-key");
    done(table);
}

LK_TEST(decode_lane, any_restriction_opens_a_shadow_lane)
{
    static const char *const matches[] = {"cidr: 10.0.0.0/8", "source_principal: {prefix: 'spiffe://td/'}",
                                          "source_principal: {in: ['spiffe://td/x']}",
                                          "secret_header: {name: k, value: longenough}"};
    char yaml[256];

    for (size_t i = 0; i < LK_ARRAY_LEN(matches); i++) {
        snprintf(yaml, sizeof(yaml), "lanes: [{name: shadow-1, kind: SHADOW}]\nentry: [{match: {%s}, lane: shadow-1}]",
                 matches[i]);
        done(decode_good(yaml));
    }
}

/* --- the hash ----------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *yaml)
{
    struct lk_lane_table *table = decode_good(yaml);
    uint64_t hash = table->hash;

    done(table);
    return hash;
}

LK_TEST(decode_lane, equal_tables_have_one_hash)
{
    uint64_t hash = hash_of("lanes: [{name: g, emit_headers: {a: '1', b: '2', c: '3'}}]\n"
                            "service: {x: {mode: STRICT}, y: {mode: STRICT}}");

    LK_CHECK_EQ_UINT(hash_of("service: {y: {mode: STRICT}, x: {mode: STRICT}}\n"
                             "lanes: [{emit_headers: {c: '3', a: '1', b: '2'}, name: g}]"),
                     hash);
    LK_CHECK(hash_of("lanes: [{name: g, emit_headers: {a: '1', b: '2', c: '4'}}]\n"
                     "service: {x: {mode: STRICT}, y: {mode: STRICT}}") != hash);
    LK_CHECK(hash_of("revision: 1") != hash_of("revision: 2"));
    /* the same on every build and machine: pods are compared by it */
    LK_CHECK_EQ_UINT(hash_of("revision: 42\nlanes: [{name: g}]"), hash_of("{\"revision\": \"42\", \"lanes\": "
                                                                          "[{\"name\": \"g\"}]}"));
}

/* --- bad tables --------------------------------------------------------------------------------------------------- */

struct bad {
    const char *yaml, *path, *part;
};

static void check_bad(const struct bad *bad)
{
    lk_decode_fixture_init(&fixture);
    struct lk_lane_table *table = decode(bad->yaml);

    LK_CHECK_MSG(table == NULL, "accepted: %s", bad->yaml);
    lk_decode_fixture_mistake(&fixture, bad->path, bad->part);
    LK_CHECK_MSG(fixture.errors.count == 1, "%zu mistakes, the second %s: %s", fixture.errors.count,
                 fixture.errors.items[1].path, fixture.errors.items[1].text);
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane, refuses_bad_lanes)
{
    static const struct bad table[] = {
        {"lanes: [{}]", "lanes[0].name", "must not be empty"},
        {"lanes: [{name: Gray}]", "lanes[0].name", "expected 1 to 63 of a-z"},
        {"lanes: [{name: base}]", "lanes[0].name", "reserved"},
        {"lanes: [{name: g}, {name: g}]", "lanes[1].name", "given twice"},
        {"lanes: [{name: load, kind: SHADOW}]", "lanes[0].name", "begins with shadow-"},
        {"lanes: [{name: shadow-x}]", "lanes[0].kind", "expected SHADOW"},
        {"lanes: [{name: shadow-x, kind: SHADOW, mode: PERMISSIVE}]", "lanes[0].mode", "expected STRICT"},
        {"lanes: [{name: g}, {name: shadow-x, kind: SHADOW, parent: g}]", "lanes[1].parent", "falls back to nothing"},
        {"lanes: [{name: shadow-x, kind: SHADOW, parent: base}]", "lanes[0].parent", "falls back to nothing"},
        {"lanes: [{name: g, parent: shadow-x}, {name: shadow-x, kind: SHADOW}]", "lanes[0].parent", "expected a GRAY"},
        {"lanes: [{name: g, parent: nobody}]", "lanes[0].parent", "there is no lane 'nobody'"},
        {"lanes: [{name: g, parent: g}]", "lanes[0].parent", "own ancestor"},
        {"lanes: [{name: a}, {name: b, parent: a}, {name: c, parent: b}, {name: d, parent: c}, {name: e, parent: d},\n"
         " {name: f, parent: e}]",
         "lanes[5].parent", "5 parents above each other, expected at most 4"},
        {"lanes: [{name: g, emit_headers: {'a b': x}}]", "lanes[0].emit_headers[\"a b\"]", "no header name"},
        {"lanes: [{name: g, emit_headers: {Host: x}}]", "lanes[0].emit_headers[\"Host\"]", "cannot be set"},
        {"lanes: [{name: g, emit_headers: {x: \"a\\nb\"}}]", "lanes[0].emit_headers[\"x\"]", "control character"},
        {"lanes: [{name: g, emit_headers: {x: ' a'}}]", "lanes[0].emit_headers[\"x\"]", "blank"},
        {"lanes: [{name: g, emit_headers: {x: a, X: b}}]", "lanes[0].emit_headers", "'x' is given twice"},
        {"lanes: [{name: g, min_healthy_percent: 101}]", "lanes[0].min_healthy_percent", "between 0 and 100"},
        {"lanes: [{name: g, cap: {percent: 101}}]", "lanes[0].cap.percent", "between 0 and 100"},
        {"lanes: [{name: g, cap: {window: 0s}}]", "lanes[0].cap.window", "more than 0s"},
        {"lanes: [{name: g, absent_grace: -1s}]", "lanes[0].absent_grace", "negative"},
        {"lanes: [{name: g, expires: '1960-01-01T00:00:00Z'}]", "lanes[0].expires", "1970"},
        {"lanes: [{name: g, guard: {}}]", "lanes[0].guard", "sets no limit"},
        {"lanes: [{name: g, guard: {max_5xx_delta: 5}}]", "lanes[0].guard.max_5xx_delta", "from 0 to 1"},
        {"lanes: [{name: g, guard: {max_5xx_delta: NaN}}]", "lanes[0].guard.max_5xx_delta", "from 0 to 1"},
        {"lanes: [{name: g, guard: {max_p99_ratio: 0.5}}]", "lanes[0].guard.max_p99_ratio", "from 1 up"},
        {"lanes: [{name: g, guard: {max_p99_ratio: Infinity}}]", "lanes[0].guard.max_p99_ratio", "from 1 up"},
        {"lanes: [{name: g, guard: {max_p99_ratio: 2, min_requests: 0}}]", "lanes[0].guard.min_requests", "between 1"},
        {"lanes: [{name: g, guard: {max_p99_ratio: 2, window: 0.5s}}]", "lanes[0].guard.window", "1s to 3600s"},
        {"lanes: [{name: shadow-x, kind: SHADOW, guard: {max_p99_ratio: 2}}]", "lanes[0].guard", "not compared"},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_bad(&table[i]);
}

LK_TEST(decode_lane, refuses_circles_of_parents)
{
    lk_decode_fixture_init(&fixture);
    LK_CHECK_NULL(decode("lanes: [{name: a, parent: b}, {name: b, parent: c}, {name: c, parent: b}]"));
    lk_decode_fixture_mistake(&fixture, "lanes[1].parent", "own ancestor");
    lk_decode_fixture_mistake(&fixture, "lanes[2].parent", "own ancestor");
    LK_CHECK_EQ_UINT(fixture.errors.count, 2);
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane, refuses_bad_services)
{
    static const struct bad table[] = {
        {"service: {web: {}}", "service[\"web\"]", "changes nothing"},
        {"service: {'': {mode: STRICT}}", "service[\"\"]", "empty name"},
        {"service: {web: {parent: g}}", "service[\"web\"].parent", "no lane 'g'"},
        {"service: {web: {target: g}}", "service[\"web\"].target", "no lane 'g'"},
        {"{lanes: [{name: shadow-x, kind: SHADOW}], service: {web: {target: shadow-x}}}", "service[\"web\"].target",
         "SHADOW lane"},
        {"{lanes: [{name: shadow-x, kind: SHADOW}], service: {web: {parent: shadow-x}}}", "service[\"web\"].parent",
         "SHADOW lane"},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_bad(&table[i]);
}

#define LANES "{lanes: [{name: g}, {name: h}, {name: shadow-x, kind: SHADOW}], entry: ["
#define MATCH(text) LANES "{lane: g, match: {" text "}}]}"
#define SPLIT(text) LANES "{split: {" text "}}]}"
#define KEY "key: {header: u}, "
#define PARTS "parts: {lane: g, basis_points: 1}"

LK_TEST(decode_lane, refuses_bad_conditions)
{
    static const struct bad table[] = {
        {MATCH("header: {exact: a}"), "entry[0].match.header[0].name", "must not be empty"},
        {MATCH("header: {name: ':path', exact: a}"), "entry[0].match.header[0].name", "no header name"},
        {MATCH("header: {name: a}"), "entry[0].match.header[0]", "no condition"},
        {MATCH("header: {name: a, in: [x], exact: z}"), "entry[0].match.header[0]", "two conditions"},
        {MATCH("header: {name: a, prefix: ''}"), "entry[0].match.header[0].prefix", "must not be empty"},
        {MATCH("header: {name: a, regex: ''}"), "entry[0].match.header[0].regex", "must not be empty"},
        {MATCH("header: {name: a, regex: '('}"), "entry[0].match.header[0].regex", "expected an RE2 expression"},
        {MATCH("header: {name: a, regex: '(?=x)'}"), "entry[0].match.header[0].regex", "expected an RE2 expression"},
        {MATCH("cookie: {name: 'a;b', present: true}"), "entry[0].match.cookie[0].name", "no name of a cookie"},
        {MATCH("query: {present: true}"), "entry[0].match.query[0].name", "must not be empty"},
        {MATCH("path: {}"), "entry[0].match.path", "no condition"},
        {MATCH("host: {regex: '['}"), "entry[0].match.host.regex", "RE2"},
        {MATCH("cidr: 10.0.0.0/33"), "entry[0].match.cidr[0]", "no network range"},
        {MATCH("cidr: [10.0.0.0/8, example.com]"), "entry[0].match.cidr[1]", "no network range"},
        {MATCH("cidr: 10.0.0.0/"), "entry[0].match.cidr[0]", "no network range"},
        {MATCH("secret_header: {name: k, value: short}"), "entry[0].match.secret_header.value", "at least 8 bytes"},
        {MATCH("secret_header: {value: longenough}"), "entry[0].match.secret_header.name", "must not be empty"},
        {LANES "{}]}", "entry[0]", "expected lane or split"},
        {LANES "{lane: nobody}]}", "entry[0].lane", "no lane 'nobody'"},
        {LANES "{lane: ''}]}", "entry[0].lane", "no lane ''"},
        {LANES "{lane: shadow-x}]}", "entry[0].match", "anybody could enter"},
        {LANES "{lane: shadow-x, match: {header: {name: a, exact: b}}}]}", "entry[0].match", "anybody"},
        {LANES "{lane: shadow-x, match: {cidr: [10.0.0.0/8, 0.0.0.0/0]}}]}", "entry[0].match", "anybody"},
        {LANES "{lane: shadow-x, match: {source_principal: {present: true}}}]}", "entry[0].match", "anybody"},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_bad(&table[i]);
}

LK_TEST(decode_lane, refuses_bad_splits)
{
    static const struct bad table[] = {
        {SPLIT(PARTS), "entry[0].split.key", "is missing"},
        {SPLIT("key: {}, " PARTS), "entry[0].split.key[0]", "no source"},
        {SPLIT("key: {header: 'a b'}, " PARTS), "entry[0].split.key[0].header", "no header name"},
        {SPLIT("key: {cookie: ''}, " PARTS), "entry[0].split.key[0].cookie", "must not be empty"},
        {SPLIT("key: {query: ''}, " PARTS), "entry[0].split.key[0].query", "must not be empty"},
        {SPLIT("key: {ip: false}, " PARTS), "entry[0].split.key[0].ip", "expected true"},
        {SPLIT("key: {claim: sub}, " PARTS), "entry[0].split.key[0].claim", "not supported"},
        {SPLIT("key: [{ip: true}, {header: a}], " PARTS), "entry[0].split.key[1]", "never asked"},
        {SPLIT("key: {header: u}"), "entry[0].split.parts", "is missing"},
        {SPLIT(KEY "parts: {basis_points: 1}"), "entry[0].split.parts[0].lane", "no lane ''"},
        {SPLIT(KEY "parts: {lane: nobody}"), "entry[0].split.parts[0].lane", "no lane 'nobody'"},
        {SPLIT(KEY "parts: {lane: shadow-x, basis_points: 1}"), "entry[0].split.parts[0].lane", "never assigned"},
        {SPLIT(KEY "parts: {lane: g, basis_points: 10001}"), "entry[0].split.parts[0].basis_points", "at most 10000"},
        {SPLIT(KEY "parts: [{lane: g, basis_points: 6000}, {lane: h, basis_points: 4001}]"),
         "entry[0].split.parts[1].basis_points", "pass the end"},
        {SPLIT(KEY "parts: {lane: g, basis_points: 1, start_bp: 10000}"), "entry[0].split.parts[0].start_bp",
         "at most 9999"},
        {SPLIT(KEY "parts: {lane: g, basis_points: 101, start_bp: 9900}"), "entry[0].split.parts[0].basis_points",
         "pass the end"},
        {SPLIT(KEY "parts: {lane: g, basis_points: 4294967295, start_bp: 1}"), "entry[0].split.parts[0].basis_points",
         "at most 10000"},
        {SPLIT(KEY "parts: [{lane: g, basis_points: 100}, {lane: h, basis_points: 100, start_bp: 99}]"),
         "entry[0].split.parts[1]", "buckets 99 to 198 overlap those of parts[0], 0 to 99"},
        {SPLIT(KEY PARTS ", on_missing_key: SET_COOKIE"), "entry[0].split.on_missing_key", "expected a cookie"},
        {SPLIT(KEY PARTS ", cookie_ttl: 1s"), "entry[0].split.cookie_ttl", "no effect"},
        {SPLIT(KEY PARTS ", cookie_path: /x"), "entry[0].split.cookie_path", "no effect"},
        {SPLIT("key: {cookie: c}, " PARTS ", on_missing_key: SET_COOKIE, cookie_path: 'x'"),
         "entry[0].split.cookie_path", "no path of a cookie"},
        {SPLIT("key: {cookie: c}, " PARTS ", on_missing_key: SET_COOKIE, cookie_path: '/;x'"),
         "entry[0].split.cookie_path", "no path of a cookie"},
        {SPLIT("key: {cookie: c}, " PARTS ", on_missing_key: SET_COOKIE, cookie_ttl: 0s"), "entry[0].split.cookie_ttl",
         "more than 0s"},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_bad(&table[i]);
}

LK_TEST(decode_lane, mistakes_do_not_tell_secrets)
{
    lk_decode_fixture_init(&fixture);
    LK_CHECK_NULL(decode(MATCH("secret_header: {name: k, value: ' hushhush'}")));
    lk_decode_fixture_mistake(&fixture, "entry[0].match.secret_header.value", "blank");
    LK_CHECK(strstr(fixture.errors.items[0].text, "hush") == NULL);
    lk_decode_fixture_fini(&fixture);
}

/* "<prefix><item 0>, <item 1>, ...<suffix>" with the item's number in it. */
static char *repeated(const char *prefix, const char *item, size_t count, const char *suffix)
{
    size_t cap = strlen(prefix) + strlen(suffix) + count * (strlen(item) + 8) + 1, len;
    char *out = malloc(cap);

    len = (size_t)snprintf(out, cap, "%s", prefix);
    for (size_t i = 0; i < count; i++) {
        const char *mark = strchr(item, '#');

        len += (size_t)snprintf(out + len, cap - len, "%.*s%zu%s, ", (int)(mark - item), item, i, mark + 1);
    }
    snprintf(out + len, cap - len, "%s", suffix);
    return out;
}

static void check_bad_and_free(char *yaml, const char *path, const char *part)
{
    struct bad bad = {yaml, path, part};

    check_bad(&bad);
    free(yaml);
}

LK_TEST(decode_lane, bounds_every_list)
{
    char *most = repeated("lanes: [", "{name: g#}", 256, "]");
    struct lk_lane_table *table = decode_good(most);

    LK_CHECK_EQ_UINT(table->lane_count, 257);
    LK_CHECK_EQ_UINT(lk_lane_table_find(table, LK_STR("g255"))->index, 256);
    done(table);
    free(most);
    check_bad_and_free(repeated("lanes: [", "{name: g#}", 257, "]"), "lanes", "257 lanes, expected at most 256");
    check_bad_and_free(repeated("lanes: [{name: g, emit_headers: {", "x-#: a", 33, "}}]"), "lanes[0].emit_headers",
                       "at most 32");
    check_bad_and_free(repeated("entry: [", "{lane: base, name: r#}", 1025, "]"), "entry", "at most 1024");
    check_bad_and_free(repeated("lanes: [{name: g}]\nentry: {split: {key: {ip: true}, parts: [",
                                "{lane: g, basis_points: 1, start_bp: #}", 257, "]}}"),
                       "entry[0].split.parts", "at most 256");
}

LK_TEST(decode_lane, reports_all_mistakes_in_one_run)
{
    lk_decode_fixture_init(&fixture);
    LK_CHECK_NULL(decode("lanes: [{name: A}, {name: g, parent: x, cap: {percent: 200}}]\n"
                         "entry: [{lane: nobody}, {match: {path: {}}, split: {}}]\n"
                         "service: {web: {}}"));
    lk_decode_fixture_mistake(&fixture, "lanes[0].name", "");
    lk_decode_fixture_mistake(&fixture, "lanes[1].parent", "");
    lk_decode_fixture_mistake(&fixture, "lanes[1].cap.percent", "");
    lk_decode_fixture_mistake(&fixture, "entry[0].lane", "");
    lk_decode_fixture_mistake(&fixture, "entry[1].match.path", "");
    lk_decode_fixture_mistake(&fixture, "entry[1].split.key", "");
    lk_decode_fixture_mistake(&fixture, "entry[1].split.parts", "");
    lk_decode_fixture_mistake(&fixture, "service[\"web\"]", "");
    lk_decode_fixture_fini(&fixture);
}
