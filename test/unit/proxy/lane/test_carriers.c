/* Marks on the wire: read, strip and write as tables of headers, and the wire's part of the acceptance scenarios. */
#include "test/unit/proxy/lane/carriers_fixture.h"

static const char *const carrier_names[] = {
    [LK_MARK_HEADER] = "header",       [LK_MARK_BAGGAGE] = "baggage", [LK_MARK_TRACESTATE] = "tracestate",
    [LK_MARK_SW8_CORRELATION] = "sw8", [LK_MARK_ALIAS] = "alias",
};

/* "g header", "- conflict", "shadow-a baggage conflict", "- invalid 2 shadow". */
static void describe(const struct lk_mark *mark, char *text, size_t cap)
{
    size_t used =
        (size_t)snprintf(text, cap, "%.*s", mark->found ? (int)mark->name.len : 1, mark->found ? mark->name.ptr : "-");
    if (mark->found)
        used += (size_t)snprintf(text + used, cap - used, " %s", carrier_names[mark->carrier]);
    if (mark->conflict)
        used += (size_t)snprintf(text + used, cap - used, " conflict");
    if (mark->invalid > 0)
        used += (size_t)snprintf(text + used, cap - used, " invalid %u", mark->invalid);
    if (mark->invalid_shadow)
        used += (size_t)snprintf(text + used, cap - used, " shadow");
    LK_CHECK_EQ_UINT(mark->found, mark->name.len > 0);
}

struct read_row {
    const char *in;
    const char *mark;
};

static void check_read(const struct read_row *table, size_t count)
{
    struct carriers c;
    carriers_full(&c);
    for (size_t i = 0; i < count; i++) {
        struct header_text t;
        char text[256];
        header_text_init(&t, table[i].in);
        struct lk_mark mark = lk_carriers_read(&c.compiled, &t.headers);
        describe(&mark, text, sizeof(text));
        LK_CHECK_MSG(strcmp(text, table[i].mark) == 0, "%sgave \"%s\", not \"%s\"", table[i].in, text, table[i].mark);
        CHECK_HEADERS(&t, table[i].in);
        header_text_fini(&t);
    }
    carriers_fini(&c);
}

LK_TEST(carriers, each_carrier_is_read)
{
    static const struct read_row table[] = {
        {"", "-"},
        {"via: 1\ncookie: x-lane=g\nx-lanes: g\n", "-"},
        {"x-lane: g\n", "g header"},
        {"X-Lane:  gray-v2 \n", "gray-v2 header"},
        {"baggage: a=1,lane=g;p=1\n", "g baggage"},
        {"baggage: lane=gray%2Dv2\n", "gray-v2 baggage"},
        {TP "tracestate: a=1,lk=g\n", "g tracestate"},
        {"sw8-correlation: YQ==:MQ==,bGFuZQ==:Zw==\n", "g sw8"},
        {"x-asm-prefer-tag: g\n", "g alias"},
        {"X-TAG: g\n", "g alias"},
        /* not carriers: other keys, a header that nobody configured, tracestate without a context */
        {"baggage: Lane=g,lane\nsw8-correlation: lane:g\nx-mse-tag: g\n", "-"},
        {"tracestate: lk=g\n", "-"},
        {TP TP "tracestate: lk=g\n", "-"},
        {TP "tracestate: lk=g,@bad=1\n", "-"},
        {TP "tracestate: LK=g\n", "-"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, the_first_carrier_is_named_when_all_agree)
{
    static const struct read_row table[] = {
        {TP "x-tag: g\nsw8-correlation: bGFuZQ==:Zw==\ntracestate: lk=g\nbaggage: lane=g\nx-lane: g\n", "g header"},
        {TP "x-tag: g\nsw8-correlation: bGFuZQ==:Zw==\ntracestate: lk=g\nbaggage: lane=g\n", "g baggage"},
        {TP "x-tag: g\nsw8-correlation: bGFuZQ==:Zw==\ntracestate: lk=g\n", "g tracestate"},
        {"x-tag: g\nsw8-correlation: bGFuZQ==:Zw==\n", "g sw8"},
        {"x-lane: g\nx-lane: g\n", "g header"},
        {"x-lane: g, g,g\n", "g header"},
        {"x-lane: ,g,,\n", "g header"},
        {"baggage: lane=g,lane=g\nbaggage: lane=%67\n", "g baggage"},
        {"x-tag: g\nx-asm-prefer-tag: g, g\n", "g alias"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, base_and_nothing_are_no_marks)
{
    static const struct read_row table[] = {
        {"x-lane: base\n", "-"},
        {"x-lane: \n", "-"},
        {"x-lane: , ,\nbaggage: lane=,lane=base;p\nx-tag: base\n", "-"},
        {TP "tracestate: lk=base\nsw8-correlation: bGFuZQ==:YmFzZQ==,bGFuZQ==:\n", "-"},
        {"x-lane: base\nbaggage: lane=g\n", "g baggage"},
        {"x-lane: base, g\n", "g header"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, different_names_cancel_each_other)
{
    static const struct read_row table[] = {
        {"x-lane: g\nx-lane: h\n", "- conflict"},
        {"x-lane: g, h\n", "- conflict"},
        {"x-lane: g,h,g\n", "- conflict"},
        {"x-lane: g\nbaggage: lane=h\n", "- conflict"},
        {"baggage: lane=g,a=1,lane=h\n", "- conflict"},
        {"baggage: lane=g\nbaggage: lane=h\n", "- conflict"},
        {"x-lane: g\nx-tag: h\n", "- conflict"},
        {"x-asm-prefer-tag: g\nx-tag: h\n", "- conflict"},
        {TP "tracestate: lk=g,lk=h\n", "- conflict"},
        {"sw8-correlation: bGFuZQ==:Zw==,bGFuZQ==:aA==\n", "- conflict"},
        {"x-lane: g\nx-lane: G\n", "g header invalid 1"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, of_different_names_a_shadow_lane_stands)
{
    static const struct read_row table[] = {
        {"x-lane: g\nx-lane: shadow-l1\n", "shadow-l1 header conflict"},
        {"x-lane: shadow-l1, g\n", "shadow-l1 header conflict"},
        {"x-lane: g\nbaggage: lane=shadow-l1\n", "shadow-l1 baggage conflict"},
        {"x-lane: shadow-l1\nbaggage: lane=g\n", "shadow-l1 header conflict"},
        {"x-lane: g\nbaggage: lane=h\nx-tag: shadow-l1\n", "shadow-l1 alias conflict"},
        {"x-lane: g,shadow-l1,h,shadow-l2\n", "shadow-l1 header conflict"},
        {"baggage: lane=shadow-l2\nx-tag: shadow-l1\n", "shadow-l2 baggage conflict"},
        {"x-lane: base\nx-tag: shadow-l1\n", "shadow-l1 alias"},
        {"x-lane: Bad\nx-tag: shadow-l1\n", "shadow-l1 alias invalid 1"},
        {"x-lane: shadow\nx-tag: h\n", "- conflict"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, what_is_no_lane_name_is_dropped_and_counted)
{
    static const struct read_row table[] = {
        {"x-lane: G\n", "- invalid 1"},
        {"x-lane: Gray\nx-lane: gray-\n", "- invalid 2"},
        {"x-lane: g h\n", "- invalid 1"},
        {"x-lane: g;q=1\n", "- invalid 1"},
        {"x-lane: \"g\"\n", "- invalid 1"},
        {"x-lane: BASE\n", "- invalid 1"},
        {"x-lane: g\nbaggage: lane=G,lane=%20g\nx-tag: -g\n", "g header invalid 3"},
        {"baggage: lane=g%2Ch\n", "- invalid 1"},
        {"baggage: lane=%\n", "- invalid 1"},
        {TP "tracestate: lk= g\n", "- invalid 1"},
        {"sw8-correlation: bGFuZQ==:!,bGFuZQ==:RQ==\n", "- invalid 2"},
        {"x-lane: a23456789012345678901234567890123456789012345678901234567890123\n",
         "a23456789012345678901234567890123456789012345678901234567890123 header"},
        {"x-lane: a234567890123456789012345678901234567890123456789012345678901234\n", "- invalid 1"},
        /* meant as a shadow lane, so the caller can fail closed */
        {"x-lane: Shadow-L1\n", "- invalid 1 shadow"},
        {"x-lane: shadow-\n", "- invalid 1 shadow"},
        {"x-lane: g\nbaggage: lane=shadow-l%201\n", "g header invalid 1 shadow"},
    };
    check_read(table, LK_ARRAY_LEN(table));
}

LK_TEST(carriers, the_baggage_of_a_tunnel_is_not_the_request_s)
{
    static const struct read_row table[] = {
        {":method: CONNECT\nbaggage: lane=g\n", "-"},
        {":method: CONNECT\nx-lane: g\nbaggage: lane=h\n", "g header"},
        {":method: CONNECT\n:protocol: websocket\nbaggage: lane=g\n", "g baggage"},
        {":method: GET\nbaggage: lane=g\n", "g baggage"},
    };
    check_read(table, LK_ARRAY_LEN(table));
    struct carriers c;
    struct header_text t;
    carriers_default(&c);
    header_text_init(&t, ":method: CONNECT\nbaggage: k8s.pod.name=a\n");
    lk_carriers_write(&c.compiled, NULL, NULL, LK_STR("g"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, ":method: CONNECT\nbaggage: k8s.pod.name=a\nx-lane: g\n");
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers, strip_removes_every_trace_and_nothing_else)
{
    static const char *const table[][2] = {
        {"", NULL},
        {"via: 1\nbaggage: a=1 , b=2\nbaggage: c=3\ntracestate: a=1\nx-mse-tag: g\n", NULL},
        {"via: 1\nX-Lane: g\nx-lane: h\n", "via: 1\n"},
        {"x-lane: base\n", ""},
        {"baggage: lane=g\nvia: 1\n", "via: 1\n"},
        {"baggage: a = 1;p , lane=g\nbaggage: b=%20,lane=G\n", "baggage: a = 1;p,b=%20\n"},
        {"tracestate: a=1,lk=g\n", "tracestate: a=1\n"},
        {TP "tracestate: lk=g\n", TP},
        {"sw8-correlation: YQ==:MQ==,bGFuZQ==:Zw==,x\n", "sw8-correlation: YQ==:MQ==,x\n"},
        {"x-asm-prefer-tag: anything\nx-TAG: a\nvia: 1\n", "via: 1\n"},
        {"p-pradar-cluster-test: 1\nx-color: red\nx-colour: red\n", "x-colour: red\n"},
        {":method: CONNECT\nbaggage: lane=g,a=1\n", ":method: CONNECT\nbaggage: a=1\n"},
    };
    struct carriers c;
    carriers_full(&c);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        LK_CHECK_MSG(lk_carriers_strip(&c.compiled, &c.emit_names, &t.headers) == (table[i][1] != NULL), "%s",
                     table[i][0]);
        CHECK_HEADERS(&t, table[i][1] != NULL ? table[i][1] : table[i][0]);
        LK_CHECK(!lk_carriers_strip(&c.compiled, &c.emit_names, &t.headers));
        header_text_fini(&t);
    }
    carriers_fini(&c);
}

struct write_row {
    const char *in;
    const char *lane;
    const char *out;
};

static void check_write(const struct carriers *c, const struct write_row *row, const struct lk_lane_header *emit,
                        size_t emit_count)
{
    struct header_text t;
    header_text_init(&t, row->in);
    for (unsigned again = 0; again < 2; again++) {
        lk_carriers_write(&c->compiled, &c->emit_names, NULL, lk_str_from(row->lane), emit, emit_count, &t.headers);
        CHECK_HEADERS(&t, row->out);
    }
    struct lk_mark mark = lk_carriers_read(&c->compiled, &t.headers);
    bool none = row->lane[0] == '\0' || strcmp(row->lane, "base") == 0;
    LK_CHECK_LKSTR(mark.name, none ? "" : row->lane);
    LK_CHECK(!mark.conflict && mark.invalid == 0);
    header_text_fini(&t);
}

LK_TEST(carriers, write_puts_the_mark_into_header_and_baggage)
{
    static const struct write_row table[] = {
        {"", "g", "x-lane: g\nbaggage: lane=g\n"},
        {"X-Lane: g\nBaggage: lane=g\n", "g", "X-Lane: g\nBaggage: lane=g\n"},
        {"x-lane: old\nvia: 1\nx-lane: older\n", "g", "x-lane: g\nvia: 1\nbaggage: lane=g\n"},
        {"baggage: a = 1;p\nbaggage: lane=h;x,b=%2C\n", "g", "baggage: lane=g,a = 1;p,b=%2C\nx-lane: g\n"},
        {"tracestate: lk=h\nsw8-correlation: bGFuZQ==:aA==\n", "g",
         "tracestate: lk=h\nsw8-correlation: bGFuZQ==:aA==\nx-lane: g\nbaggage: lane=g\n"},
        {"x-lane: g\nbaggage: lane=g,a=1\n", "base", "baggage: a=1\n"},
        {"x-lane: g\nbaggage: lane=g\n", "", ""},
    };
    struct carriers c;
    carriers_default(&c);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_write(&c, &table[i], NULL, 0);
    carriers_fini(&c);
}

LK_TEST(carriers, write_fills_every_configured_carrier)
{
    static const struct write_row table[] = {
        {TP "x-tag: g\n", "g",
         TP "x-tag: g\nx-lane: g\nbaggage: lane=g\ntracestate: lk=g\nsw8-correlation: bGFuZQ==:Zw==\n"},
        {TP "tracestate: a=1,lk=old\nsw8-correlation: YQ==:MQ==\n", "g",
         TP "tracestate: lk=g,a=1\nsw8-correlation: bGFuZQ==:Zw==,YQ==:MQ==\nx-lane: g\nbaggage: lane=g\n"},
        /* no context for tracestate, no room for a key */
        {"tracestate: a=1,lk=old\nsw8-correlation: YQ==:MQ==,bGFuZQ==:aA==,Yg==:Mg==\n", "g",
         "tracestate: a=1\nsw8-correlation: YQ==:MQ==,Yg==:Mg==\nx-lane: g\nbaggage: lane=g\n"},
        /* an alias that says something else would be a second mark at the next hop */
        {"x-tag: h\nx-asm-prefer-tag:  g \nx-tag: G\nx-tag: g, g\nsw8-correlation: YQ:MQ,Yg:Mg\n", "g",
         "x-asm-prefer-tag:  g \nsw8-correlation: YQ:MQ,Yg:Mg\nx-lane: g\nbaggage: lane=g\n"},
    };
    struct carriers c;
    carriers_full(&c);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_write(&c, &table[i], NULL, 0);
    carriers_fini(&c);
}

LK_TEST(carriers, emit_headers_replace_those_of_any_lane)
{
    static const struct write_row table[] = {
        {"X-Color: red\nvia: 1\nx-color: blue\n", "shadow-l1",
         "via: 1\nx-lane: shadow-l1\nbaggage: lane=shadow-l1\np-pradar-cluster-test: 1\nx-asm-prefer-tag: shadow-l1\n"},
        {"p-pradar-cluster-test: 0\n", "shadow-l1",
         "x-lane: shadow-l1\nbaggage: lane=shadow-l1\np-pradar-cluster-test: 1\nx-asm-prefer-tag: shadow-l1\n"},
        {"p-pradar-cluster-test: 1\nx-color: red\nvia: 1\n", "base", "via: 1\n"},
    };
    struct carriers c;
    struct lk_str alias = LK_STR("x-asm-prefer-tag");
    carriers_compile(&c, &(struct lk_lane_filter_carriers){DEFAULTS, .aliases = &alias, .alias_count = 1});
    struct lk_header_key names[] = {lk_header_key(&c.arena, LK_STR("x-color")), lk_header_key(&c.arena, alias),
                                    lk_header_key(&c.arena, LK_STR("p-pradar-cluster-test"))};
    lk_header_set_init(&c.emit_names, &c.arena, names, LK_ARRAY_LEN(names));
    struct lk_lane_header emit[] = {
        {LK_STR("p-pradar-cluster-test"), LK_STR("1")},
        {LK_STR("x-asm-prefer-tag"), LK_STR("shadow-l1")},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_write(&c, &table[i], emit, LK_ARRAY_LEN(emit));
    carriers_fini(&c);
}

LK_TEST(carriers, the_block_does_not_point_into_the_lane_table)
{
    struct carriers c;
    struct header_text t;
    char lane[] = "gray";
    char name[] = "x-own";
    char value[] = "yes";
    carriers_default(&c);
    header_text_init(&t, "");
    struct lk_lane_header emit = {lk_str_from(name), lk_str_from(value)};
    lk_carriers_write(&c.compiled, NULL, NULL, lk_str_from(lane), &emit, 1, &t.headers);
    memset(lane, '#', 4);
    memset(name, '#', 5);
    memset(value, '#', 3);
    CHECK_HEADERS(&t, "x-lane: gray\nbaggage: lane=gray\nx-own: yes\n");
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers, a_mark_may_be_written_from_the_block_it_was_read_from)
{
    struct carriers c;
    struct header_text t;
    carriers_full(&c);
    header_text_init(&t, TP "baggage: a=1,lane=gray\nx-tag: gray\n");
    struct lk_mark mark = lk_carriers_read(&c.compiled, &t.headers);
    lk_carriers_strip(&c.compiled, NULL, &t.headers);
    lk_carriers_write(&c.compiled, NULL, NULL, mark.name, NULL, 0, &t.headers);
    CHECK_HEADERS(&t, TP "baggage: lane=gray,a=1\nx-lane: gray\ntracestate: lk=gray\n"
                         "sw8-correlation: bGFuZQ==:Z3JheQ==\n");
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers, a_settled_block_needs_no_writing)
{
    static const struct {
        const char *in;
        bool settled;
    } table[] = {
        {"", false},
        {"x-lane: g\nbaggage: lane=g\n", true},
        {"Via: 1\nX-Lane: g\nBaggage: lane=g,a=1 , b;c\n", true},
        {":method: CONNECT\nx-lane: g\nbaggage: k8s=1\n", true},
        {"x-lane: shadow-l1\nbaggage: lane=shadow-l1\n", true},
        {"x-lane: g\n", false},
        {"baggage: lane=g\n", false},
        {"x-lane:  g\nbaggage: lane=g\n", false},
        {"x-lane: g,\nbaggage: lane=g\n", false},
        {"x-lane: g\nx-lane: g\nbaggage: lane=g\n", false},
        {"x-lane: g\nbaggage: a=1,lane=g\n", false},
        {"x-lane: g\nbaggage: lane=g;p\n", false},
        {"x-lane: g\nbaggage: lane=gg\n", false},
        {"x-lane: g\nbaggage: lane=h\n", false},
        {"x-lane: g\nbaggage: lane=g\nbaggage: a=1\n", false},
        {"x-lane: g\nbaggage: lane=g,lane=h\n", false},
        {"x-lane: g\nbaggage: lane=g\nx-tag: g\n", false},
        {"x-lane: base\nbaggage: lane=base\n", false},
        {"x-lane: G\nbaggage: lane=G\n", false},
    };
    struct carriers c;
    struct lk_str alias = LK_STR("x-tag");
    carriers_compile(&c, &(struct lk_lane_filter_carriers){DEFAULTS, .aliases = &alias, .alias_count = 1});
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i].in);
        struct lk_mark mark = lk_carriers_read(&c.compiled, &t.headers);
        LK_CHECK_MSG(mark.settled == table[i].settled, "%s", table[i].in);
        if (mark.settled) {
            lk_carriers_write(&c.compiled, NULL, NULL, mark.name, NULL, 0, &t.headers);
            CHECK_HEADERS(&t, table[i].in);
        }
        header_text_fini(&t);
    }
    carriers_fini(&c);
    carriers_full(&c); /* other carriers are not looked at so closely */
    struct header_text t;
    header_text_init(&t, "x-lane: g\nbaggage: lane=g\n");
    LK_CHECK(!lk_carriers_read(&c.compiled, &t.headers).settled);
    header_text_fini(&t);
    carriers_fini(&c);
}

LK_TEST(carriers, another_name_or_emit_headers_are_written_into_a_settled_block)
{
    struct carriers c;
    struct header_text t;
    carriers_default(&c);
    struct lk_lane_header emit = {LK_STR("x-color"), LK_STR("red")};
    header_text_init(&t, "x-lane: g\nbaggage: lane=g\nx-color: blue\n");
    struct lk_mark mark = lk_carriers_read(&c.compiled, &t.headers);
    LK_CHECK(mark.settled);
    lk_carriers_write(&c.compiled, &c.emit_names, &mark, LK_STR("g"), &emit, 1, &t.headers);
    CHECK_HEADERS(&t, "x-lane: g\nbaggage: lane=g\nx-color: red\n");
    lk_carriers_write(&c.compiled, &c.emit_names, &mark, LK_STR("h"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, "x-lane: h\nbaggage: lane=h\n");
    header_text_fini(&t);
    carriers_fini(&c);
}

/* Acceptance scenario 5: a client of the internet sends marks in every way it can think of. */
LK_TEST(carriers, scenario_5_marks_of_strangers_leave_no_trace)
{
    struct carriers c;
    struct header_text t;
    carriers_full(&c);
    header_text_init(&t, "via: 1\nx-lane: g\nX-LANE: g\nbaggage: lane=g,k=v\nbaggage: lane=h\n"
                         "x-asm-prefer-tag: g\nx-asm-prefer-tag: h\n");
    LK_CHECK(lk_carriers_strip(&c.compiled, &c.emit_names, &t.headers));
    CHECK_HEADERS(&t, "via: 1\nbaggage: k=v\n");
    struct lk_mark mark = lk_carriers_read(&c.compiled, &t.headers);
    LK_CHECK(!mark.found && !mark.conflict && mark.invalid == 0);
    header_text_fini(&t);
    carriers_fini(&c);
}

/* Scenario 12: what leaves the mesh is clean, the call inside it keeps its mark. */
LK_TEST(carriers, scenario_12_a_stripped_copy_leaves_the_request_marked)
{
    static const char in[] = TP "x-lane: g\nbaggage: lane=g,user=7;p\ntracestate: lk=g,a=1\nx-color: red\n"
                                "sw8-correlation: bGFuZQ==:Zw==,YQ==:MQ==\nx-tag: g\n";
    struct carriers c;
    struct header_text t;
    struct lk_headers outside;
    carriers_full(&c);
    header_text_init(&t, in);
    lk_headers_copy(&outside, &t.headers, &t.arena);
    LK_CHECK(lk_carriers_strip(&c.compiled, &c.emit_names, &outside));
    LK_CHECK_STR(header_text_of(&t, &outside), TP "baggage: user=7;p\ntracestate: a=1\nsw8-correlation: YQ==:MQ==\n");
    CHECK_HEADERS(&t, in);
    LK_CHECK_LKSTR(lk_carriers_read(&c.compiled, &t.headers).name, "g");
    header_text_fini(&t);
    carriers_fini(&c);
}

/* Scenario 13: 64 members and 8192 bytes in two lines, with properties and escapes. */
LK_TEST(carriers, scenario_13_a_full_baggage_makes_room_for_the_mark)
{
    struct carriers c;
    struct header_text t;
    char in[9000] = "baggage: ";
    char expected[9000] = "baggage: lane=g";
    for (unsigned i = 0; i < 64; i++) {
        char member[160];
        /* 64 of 127 bytes and the commas make 8191 */
        int n = snprintf(member, sizeof(member), "k%02u=%%20%%2C%0109u;p=%%3B;q", i, i);
        LK_CHECK_EQ_INT(n, 127);
        strcat(in, i == 0 ? "" : i == 32 ? "\nbaggage: " : i % 2 == 0 ? "," : " , ");
        strcat(in, member);
        if (i < 63) {
            strcat(expected, ",");
            strcat(expected, member);
        }
    }
    strcat(in, "\n");
    strcat(expected, "\nx-lane: g\n");
    carriers_default(&c);
    header_text_init(&t, in);
    lk_carriers_write(&c.compiled, NULL, NULL, LK_STR("g"), NULL, 0, &t.headers);
    CHECK_HEADERS(&t, expected);
    LK_CHECK_EQ_UINT(lk_headers_get(&t.headers, LK_HEADER_BAGGAGE).len, 6 + 63 * 128);
    header_text_fini(&t);
    carriers_fini(&c);
}
