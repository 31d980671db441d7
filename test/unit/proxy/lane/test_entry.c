/* Entry rules: conditions, what a rule may still assign, and what a recorder is told. */
#include "test/unit/proxy/lane/entry_fixture.h"

#include "proxy/base/mem.h"

static struct lk_entry_value exact(const char *text)
{
    return (struct lk_entry_value){.test = LK_ENTRY_TEXT, .text = {.kind = LK_STRING_EXACT, .text = lk_str_from(text)}};
}

/* A match of its own rule 0 for lane g: whether it holds. */
static bool holds(struct fixture *f, struct lk_entry_match match)
{
    f->table->rules[0] = (struct lk_entry_rule){.match = match, .lane = G};
    struct lk_entry_result result = assign(f);

    LK_CHECK((result.lane == G) == (result.rule == 0));
    return result.lane == G;
}

static bool header_holds(struct fixture *f, const char *name, struct lk_entry_value value)
{
    struct lk_entry_named_value header = {.name = lk_str_from(name), .value = value};

    return holds(f, (struct lk_entry_match){.headers = &header, .header_count = 1});
}

static bool cookie_holds(struct fixture *f, const char *name, struct lk_entry_value value)
{
    struct lk_entry_named_value cookie = {.name = lk_str_from(name), .value = value};

    return holds(f, (struct lk_entry_match){.cookies = &cookie, .cookie_count = 1});
}

static bool query_holds(struct fixture *f, const char *name, struct lk_entry_value value)
{
    struct lk_entry_named_value query = {.name = lk_str_from(name), .value = value};

    return holds(f, (struct lk_entry_match){.queries = &query, .query_count = 1});
}

static const struct lk_entry_value present = {.test = LK_ENTRY_PRESENT};
static const struct lk_entry_value absent = {.test = LK_ENTRY_ABSENT};

/* --- conditions --------------------------------------------------------------------------------------------------- */

LK_TEST(entry, without_rules_there_is_base)
{
    struct fixture f;

    init(&f, 0);
    struct lk_entry_result result = assign(&f);
    LK_CHECK_EQ_INT(result.lane, BASE);
    LK_CHECK_EQ_INT(result.rule, -1);
    LK_CHECK_EQ_INT(result.reason, LK_ENTRY_NO_RULE);
    fini(&f);
}

LK_TEST(entry, looks_at_headers)
{
    struct fixture f;
    struct lk_entry_value in = {.test = LK_ENTRY_IN};
    struct lk_entry_value prefix = {.test = LK_ENTRY_TEXT, .text = {LK_STRING_PREFIX, false, LK_STR_INIT("ja"), NULL}};

    init(&f, 1);
    add(&f, "X-User-Id", "jason");
    add(&f, "user-agent", "curl");
    add(&f, "x-twice", "a");
    add(&f, "x-twice", "b");
    add(&f, "x-empty", "");
    LK_CHECK(header_holds(&f, "x-user-id", exact("jason")));
    LK_CHECK(!header_holds(&f, "x-user-id", exact("JASON")));
    LK_CHECK(header_holds(&f, "x-user-id", prefix));
    LK_CHECK(header_holds(&f, "user-agent", exact("curl")));
    LK_CHECK(!header_holds(&f, "x-none", exact("")));
    LK_CHECK(header_holds(&f, "x-empty", exact("")));
    LK_CHECK(header_holds(&f, "x-empty", present));
    LK_CHECK(!header_holds(&f, "x-none", present));
    LK_CHECK(header_holds(&f, "x-none", absent));
    LK_CHECK(!header_holds(&f, "x-user-id", absent));
    /* a second line cannot hide behind the first */
    LK_CHECK(!header_holds(&f, "x-twice", exact("a")));
    LK_CHECK(header_holds(&f, "x-twice", exact("a,b")));
    lk_map_init(&in.in);
    lk_map_set(&in.in, LK_STR("anna"), &in);
    LK_CHECK(!header_holds(&f, "x-user-id", in));
    lk_map_set(&in.in, LK_STR("jason"), &in);
    LK_CHECK(header_holds(&f, "x-user-id", in));
    lk_map_fini(&in.in);
    fini(&f);
}

LK_TEST(entry, looks_at_cookies)
{
    struct fixture f;

    init(&f, 1);
    LK_CHECK(!cookie_holds(&f, "a", present));
    add(&f, "cookie", "x=1; a=b; a=c;empty=; flag;  q=\"z\"");
    add(&f, "cookie", "later=yes");
    LK_CHECK(cookie_holds(&f, "a", exact("b")));
    LK_CHECK(!cookie_holds(&f, "A", present));
    LK_CHECK(cookie_holds(&f, "empty", exact("")));
    LK_CHECK(!cookie_holds(&f, "flag", present));
    LK_CHECK(cookie_holds(&f, "later", exact("yes")));
    LK_CHECK(cookie_holds(&f, "q", exact("\"z\"")));
    LK_CHECK(cookie_holds(&f, "none", absent));
    fini(&f);
}

LK_TEST(entry, looks_at_path_query_and_host)
{
    struct fixture f;
    struct lk_entry_value path = exact("/shop/cart");
    struct lk_entry_value host = exact("www.example.com");

    init(&f, 1);
    LK_CHECK(holds(&f, (struct lk_entry_match){.path = &path}));
    LK_CHECK(holds(&f, (struct lk_entry_match){.host = &host}));
    LK_CHECK(holds(&f, (struct lk_entry_match){.path = &path, .host = &host}));
    LK_CHECK(query_holds(&f, "id", exact("7")));
    LK_CHECK(query_holds(&f, "name", exact("J\xc3\xb6rg")));
    LK_CHECK(query_holds(&f, "empty", exact("")));
    LK_CHECK(query_holds(&f, "empty", present));
    LK_CHECK(query_holds(&f, "none", absent));
    path = exact("/shop");
    host = exact("WWW.Example.com");
    LK_CHECK(!holds(&f, (struct lk_entry_match){.path = &path}));
    LK_CHECK(!holds(&f, (struct lk_entry_match){.host = &host}));
    fini(&f);
}

LK_TEST(entry, looks_at_the_caller)
{
    struct fixture f;
    struct lk_cidr cidrs[2];
    struct lk_entry_value principal = exact("spiffe://td/web");

    init(&f, 1);
    LK_CHECK(lk_cidr_parse(LK_STR("192.0.2.0"), 24, &cidrs[0]));
    LK_CHECK(!holds(&f, (struct lk_entry_match){.cidrs = cidrs, .cidr_count = 1}));
    LK_CHECK(lk_cidr_parse(LK_STR("10.0.0.0"), 8, &cidrs[1]));
    LK_CHECK(holds(&f, (struct lk_entry_match){.cidrs = cidrs, .cidr_count = 2}));
    LK_CHECK(!holds(&f, (struct lk_entry_match){.principal = &principal}));
    LK_CHECK(!holds(&f, (struct lk_entry_match){.principal = &present}));
    f.request.principal = LK_STR("spiffe://td/web");
    LK_CHECK(holds(&f, (struct lk_entry_match){.principal = &principal}));
    f.request.source = NULL;
    LK_CHECK(!holds(&f, (struct lk_entry_match){.cidrs = cidrs, .cidr_count = 2}));
    fini(&f);
}

LK_TEST(entry, asks_for_the_secret)
{
    struct fixture f;
    struct lk_entry_match match = {.secret = {.name = LK_STR_INIT("x-key"), .value = LK_STR_INIT("abcdefgh")}};

    init(&f, 1);
    LK_CHECK(!holds(&f, match));
    add(&f, "x-key", "abcdefgh");
    LK_CHECK(holds(&f, match));
    match.secret.value = LK_STR("abcdefgi");
    LK_CHECK(!holds(&f, match));
    match.secret.value = LK_STR("abcdefghi");
    LK_CHECK(!holds(&f, match));
    fini(&f);
}

struct record {
    struct lk_entry_recorder recorder;
    char text[400];
};

static void on_rule(struct lk_entry_recorder *recorder, size_t rule, enum lk_entry_verdict verdict, size_t detail)
{
    struct record *record = LK_CONTAINER_OF(recorder, struct record, recorder);
    size_t len = strlen(record->text);

    snprintf(record->text + len, sizeof(record->text) - len, "%zu:%s:%zu ", rule, lk_entry_verdict_name(verdict),
             detail);
}

LK_TEST(entry, the_recorder_hears_of_each_rule_up_to_the_first_that_holds)
{
    struct fixture f;
    struct record record = {.recorder = {.on_rule = on_rule}};
    struct lk_entry_rule *rules = init(&f, 9);
    struct lk_entry_named_value values[] = {{.name = LK_STR_INIT("a"), .value = present},
                                            {.name = LK_STR_INIT("b"), .value = present}};
    struct lk_cidr cidr;

    add(&f, "a", "1");
    LK_CHECK(lk_cidr_parse(LK_STR("192.0.2.0"), 24, &cidr));
    rules[0].match = (struct lk_entry_match){.headers = values, .header_count = 2};
    rules[1].match = (struct lk_entry_match){.cookies = values, .cookie_count = 1};
    rules[2].match = (struct lk_entry_match){.queries = values, .query_count = 1};
    rules[3].match = (struct lk_entry_match){.path = &absent};
    rules[4].match = (struct lk_entry_match){.host = &absent};
    rules[5].match = (struct lk_entry_match){.principal = &present};
    rules[6].match = (struct lk_entry_match){.cidrs = &cidr, .cidr_count = 1};
    rules[7].match = (struct lk_entry_match){.headers = values, .header_count = 1};
    rules[7].lane = H;
    rules[8].lane = G;
    lk_entry_prepare(f.table);
    struct lk_entry_result result = lk_entry_assign(f.table, &f.request, 0, &record.recorder);
    LK_CHECK_STR(record.text,
                 "0:header:1 1:cookie:0 2:query:0 3:path:0 4:host:0 5:source_principal:0 6:cidr:0 7:taken:0 ");
    LK_CHECK_EQ_INT(result.lane, H);
    LK_CHECK_EQ_INT(result.rule, 7);
    fini(&f);
}

/* --- which lanes may be entered ----------------------------------------------------------------------------------- */

static void check_closed(struct fixture *f, enum lk_entry_reason reason)
{
    struct lk_entry_result result = assign(f);

    LK_CHECK_EQ_INT(result.lane, BASE);
    LK_CHECK_EQ_INT(result.intended, G);
    LK_CHECK_EQ_INT(result.reason, reason);
    LK_CHECK_EQ_INT(result.rule, 0);
}

LK_TEST(entry, only_active_lanes_are_entered)
{
    struct fixture f;
    struct lk_lane_set stopped = {{0}};

    init(&f, 2)[0].lane = G;
    f.table->rules[1].lane = H; /* never asked: the first rule decided */
    LK_CHECK_EQ_INT(assign(&f).lane, G);
    f.lanes[G].state = LK_LANE_DRAINING;
    check_closed(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[G].state = LK_LANE_DISABLED;
    check_closed(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[G].state = LK_LANE_ACTIVE;
    f.lanes[G].expires_us = NOW;
    check_closed(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[G].expires_us = NOW + 1;
    f.request.stopped = &stopped;
    lk_lane_set_add(&stopped, H);
    LK_CHECK_EQ_INT(assign(&f).lane, G);
    lk_lane_set_add(&stopped, G);
    check_closed(&f, LK_ENTRY_GUARD_TRIPPED);
    f.table->enabled = false;
    LK_CHECK_EQ_INT(assign(&f).reason, LK_ENTRY_TABLE_OFF);
    LK_CHECK_EQ_INT(assign(&f).lane, BASE);
    fini(&f);
}

static void check_refused(struct fixture *f, enum lk_entry_reason reason)
{
    struct lk_entry_result result = assign(f);

    LK_CHECK_EQ_INT(result.lane, BASE);
    LK_CHECK_EQ_INT(result.intended, H);
    LK_CHECK_EQ_INT(result.reason, reason);
    LK_CHECK(result.refused);
}

LK_TEST(entry, a_shadow_lane_that_cannot_be_entered_is_no_way_to_base)
{
    struct fixture f;

    init(&f, 2)[0].lane = H;
    f.table->rules[1].lane = G;
    f.lanes[H].kind = LK_LANE_SHADOW;
    LK_CHECK_EQ_INT(assign(&f).lane, H);
    LK_CHECK(!assign(&f).refused);
    f.lanes[H].state = LK_LANE_DRAINING;
    check_refused(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[H].state = LK_LANE_DISABLED;
    check_refused(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[H].state = LK_LANE_ACTIVE;
    f.lanes[H].expires_us = NOW;
    check_refused(&f, LK_ENTRY_NOT_ACTIVE);
    f.lanes[H].expires_us = 0;
    f.table->enabled = false;
    check_refused(&f, LK_ENTRY_TABLE_OFF);
    f.table->rules[0].lane = G; /* the first rule that holds still decides */
    f.table->rules[1].lane = H;
    LK_CHECK(!assign(&f).refused);
    LK_CHECK_EQ_INT(assign(&f).rule, -1);
    fini(&f);
}

LK_TEST(entry, lane_sets_hold_every_index)
{
    struct lk_lane_set set = {{0}};

    lk_lane_set_add(&set, LK_LANES_MAX);
    LK_CHECK(lk_lane_set_has(&set, LK_LANES_MAX));
    LK_CHECK(!lk_lane_set_has(&set, 0));
    LK_CHECK(!lk_lane_set_has(&set, LK_LANES_MAX - 1));
}

LK_TEST(entry, reasons_have_names)
{
    LK_CHECK_STR(lk_entry_reason_name(LK_ENTRY_NO_RULE), "no_rule");
    LK_CHECK_STR(lk_entry_reason_name(LK_ENTRY_GUARD_TRIPPED), "guard");
    LK_CHECK_STR(lk_entry_verdict_name(LK_ENTRY_TAKEN), "taken");
}
