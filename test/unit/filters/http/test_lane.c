/* lanekeeper.filters.http.lane: what a request meets on its way into a pod and through a gateway; mistakes. */
#include "test/unit/filters/http/lane_fixture.h"

#include <stdlib.h>

/* --- inbound ------------------------------------------------------------------------------------------------------ */

LK_TEST(lane_inbound, trusted_mark_reaches_the_application)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *h = begin(&w, w.in, "b");
    chain_set(h, "baggage", "k=v");
    chain_set(h, "x-lane", "gray");
    chain_request(h, true);
    check_decision(h, "gray", "explicit");
    LK_CHECK_LKSTR(sent(h, "x-lane"), "gray");
    LK_CHECK_LKSTR(sent(h, "baggage"), "lane=gray,k=v");
    LK_CHECK_LKSTR(sent(h, "x-version"), "2");
    LK_CHECK_EQ_UINT(sent(h, "traceparent").len, 55);
    LK_CHECK_EQ_UINT(sent(h, "x-request-id").len, 36);
    chain_answer(h, 200, true);
    LK_CHECK_LKSTR(lk_headers_find_name(h->stream.response, LK_STR("x-lane-served"))->value, "base");
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(counter(&w, "lane.gray.rq_in"), 1);
    world_fini(&w);
}

LK_TEST(lane_inbound, stranger_loses_marks_but_not_baggage)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *h = begin(&w, w.in, "b");
    LK_CHECK(lk_addr_parse_ip(LK_STR("192.0.2.1"), 1000, &h->conn.remote));
    chain_set(h, "x-lane", "gray");
    chain_set(h, "baggage", "lane=gray,k=v");
    chain_set(h, "x-version", "2");
    chain_request(h, true);
    check_decision(h, "", "none");
    LK_CHECK_LKSTR(sent(h, "x-lane"), "(none)");
    LK_CHECK_LKSTR(sent(h, "x-version"), "(none)");
    LK_CHECK_LKSTR(sent(h, "baggage"), "k=v");
    LK_CHECK(h->stream.info.flags & LK_FLAG_BIT(LANE_STRIPPED));
    chain_answer(h, 200, true);
    LK_CHECK_NULL(lk_headers_find_name(h->stream.response, LK_STR("x-lane-served")));
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(counter(&w, "lane.stripped"), 1);
    LK_CHECK_EQ_UINT(counter(&w, "lane.gray.stripped"), 1);
    world_fini(&w);
}

LK_TEST(lane_inbound, shadow_fails_closed)
{
    static const struct {
        const char *remote, *mark;
    } cases[] = {
        {"192.0.2.1", "shadow-l"}, /* a stranger's */
        {"10.1.2.3", "shadow-zz"}, /* no such lane */
        {"10.1.2.3", "Shadow-L"},  /* no name, but meant as one */
        {"10.1.2.3", "shadow-l"},  /* the pod did not opt in */
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w, "");
        struct chain_harness *h = begin(&w, w.in, "b");
        LK_CHECK(lk_addr_parse_ip(lk_str_from(cases[i].remote), 1000, &h->conn.remote));
        chain_set(h, "x-lane", cases[i].mark);
        chain_request(h, true);
        check_refused(h, LK_FLAG_LANE_SHADOW_REFUSED);
        chain_harness_free(h);
        world_fini(&w);
    }
}

LK_TEST(lane_inbound, shadow_is_served_where_the_pod_opted_in)
{
    struct world w;
    world_init(&w, ", pod_lane: {shadow_ok: true}");
    struct chain_harness *h = begin(&w, w.in, "b");
    chain_set(h, "x-lane", "shadow-l");
    chain_request(h, true);
    LK_CHECK_EQ_UINT(h->local_status, 0);
    check_decision(h, "shadow-l", "explicit");
    chain_harness_free(h);
    world_fini(&w);
}

LK_TEST(lane_inbound, unmarked_request_on_a_pod_of_a_lane)
{
    struct world w;
    world_init(&w, ", pod_lane: {lane: gray}");
    struct chain_harness *h = begin(&w, w.in, "b");
    chain_request(h, true);
    check_decision(h, "", "none");
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(counter(&w, "lane.gray.base_on_lane_pod"), 1);
    world_fini(&w);
    world_init(&w, ", pod_lane: {lane: gray, recolor: true}");
    h = begin(&w, w.in, "b");
    chain_request(h, true);
    check_decision(h, "gray", "pod");
    LK_CHECK_LKSTR(sent(h, "x-lane"), "gray");
    chain_harness_free(h);
    world_fini(&w);
}

LK_TEST(lane_inbound, disabled_and_unknown_lanes_are_carried_on)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *h = begin(&w, w.in, "b");
    chain_set(h, "x-lane", "old");
    chain_request(h, true);
    LK_CHECK_LKSTR(sent(h, "x-lane"), "old");
    chain_harness_free(h);
    h = begin(&w, w.in, "b");
    chain_set(h, "x-lane", "nobody");
    chain_request(h, true);
    LK_CHECK_LKSTR(sent(h, "x-lane"), "nobody");
    LK_CHECK(h->stream.info.flags & LK_FLAG_BIT(LANE_UNKNOWN));
    chain_harness_free(h);
    world_fini(&w);
}

LK_TEST(lane_inbound, what_comes_before_any_table_is_counted)
{
    struct world w;
    world_init(&w, "");
    const void *bare = configure(&w.t, LK_DIRECTION_INBOUND, "{" TRUSTED "}");
    struct chain_harness *h = begin(&w, bare, "b");
    chain_set(h, "x-lane", "gray");
    chain_request(h, true);
    LK_CHECK_LKSTR(sent(h, "x-lane"), "gray");
    LK_CHECK(h->stream.info.flags & LK_FLAG_BIT(LANE_UNKNOWN));
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(counter(&w, "lane._other.unknown"), 1);
    h = begin(&w, bare, "b");
    chain_set(h, "x-lane", "shadow-l");
    chain_request(h, true);
    check_refused(h, LK_FLAG_LANE_SHADOW_REFUSED);
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(counter(&w, "lane._other.shadow_refused"), 1);
    world_fini(&w);
}

/* --- entry -------------------------------------------------------------------------------------------------------- */

LK_TEST(lane_inbound, request_that_the_client_gave_up_is_no_failure)
{
    static const struct {
        uint64_t flags;
        unsigned code, failures;
    } cases[] = {
        {0, 0, 1}, /* cut off by us or by the upstream */
        {LK_FLAG_BIT(UPSTREAM_REMOTE_RESET), 0, 1},
        {LK_FLAG_BIT(DOWNSTREAM_CONNECTION_TERMINATION), 0, 0},
        {LK_FLAG_BIT(DOWNSTREAM_REMOTE_RESET), 0, 0},
        {LK_FLAG_BIT(DOWNSTREAM_REMOTE_RESET), 503, 1}, /* after it had its answer */
        {LK_FLAG_BIT(DOWNSTREAM_REMOTE_RESET), 200, 0},
        {0, 499, 0},
        {0, 500, 1},
    };
    struct world w;
    unsigned failures = 0;

    world_init(&w, "");
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        begin(&w, w.in, "b");
        chain_set(w.h, "x-lane", "gray");
        chain_request(w.h, true);
        w.h->stream.info.flags = cases[i].flags;
        w.h->stream.info.response_code = cases[i].code;
        chain_harness_free(w.h);
        failures += cases[i].failures;
        LK_CHECK_MSG(counter(&w, "lane.gray.5xx") == failures, "case %zu", i);
    }
    world_fini(&w);
}

LK_TEST(lane_entry, rules_assign_and_marks_of_strangers_do_not_count)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *h = begin(&w, w.entry, "b");
    chain_set(h, "x-user", "jason");
    chain_set(h, "x-lane", "other");
    chain_request(h, true);
    check_decision(h, "gray", "entry");
    LK_CHECK_LKSTR(sent(h, "x-lane"), "gray");
    LK_CHECK_LKSTR(sent(h, "x-version"), "(none)");
    LK_CHECK_NOT_NULL(h->stream.info.selector);
    chain_answer(h, 200, true);
    LK_CHECK_NULL(lk_headers_find_name(h->stream.response, LK_STR("x-lane")));
    chain_harness_free(h);
    world_fini(&w);
}

LK_TEST(lane_entry, secrets_stay_at_the_entry)
{
    struct typed_test t;
    struct world w;
    typed_init(&t);
    memset(&w, 0, sizeof(w));
    const void *config = configure(
        &t, LK_DIRECTION_UNSPECIFIED,
        "{role: ENTRY, inline: {lanes: [{name: gray}, {name: other}], entry: [{match: {secret_header: {name: x-rule, "
        "value: rule-secret}}, lane: gray}]}, trust: {allow: [{secret_header: {name: x-mark, value: mark-secret}, "
        "lanes: [other]}]}}");
    LK_CHECK_NOT_NULL(config);
    w.t = t;
    static const struct {
        const char *secret, *value, *requested, *source;
    } cases[] = {
        {"x-rule", "rule-secret", "gray", "entry"},
        {"x-rule", "rule-wrong", "", "none"},
        {"x-mark", "mark-secret", "other", "explicit"},
        {"x-mark", "mark-wrong", "", "none"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct chain_harness *h = begin(&w, config, "b");
        chain_set(h, "x-lane", "other");
        chain_set(h, cases[i].secret, cases[i].value);
        chain_request(h, true);
        check_decision(h, cases[i].requested, cases[i].source);
        LK_CHECK_LKSTR(sent(h, cases[i].secret), "(none)");
        chain_harness_free(h);
    }
    typed_fini(&t);
}

/* --- mistakes ----------------------------------------------------------------------------------------------------- */

LK_TEST(lane_config, mistakes_are_named)
{
    static const struct {
        const char *yaml, *path, *part;
    } cases[] = {
        {"{egress: {mirror_lane: gray}}", "egress.mirror_lane", "is no name of a shadow lane"},
        {"{carriers: {header: authorization}}", "carriers.header", "another meaning"},
        {"{inline: {lanes: [{name: g, emit_headers: {x-lane: g}}]}}", "inline.lanes[0].emit_headers[\"x-lane\"]",
         "carries the mark itself"},
        {"{table_source: {path: /nowhere/at/all.yaml}}", "table_source", "/nowhere"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct typed_test t;
        typed_init(&t);
        LK_CHECK_NULL(configure(&t, LK_DIRECTION_INBOUND, cases[i].yaml));
        typed_check_error(&t, cases[i].path, cases[i].part);
        typed_fini(&t);
    }
}

LK_TEST(lane_config, a_process_has_one_memory)
{
    struct typed_test t;
    typed_init(&t);
    LK_CHECK_NOT_NULL(configure(&t, LK_DIRECTION_INBOUND, "{}"));
    LK_CHECK_NULL(configure(&t, LK_DIRECTION_OUTBOUND, "{association: {capacity: 100}}"));
    typed_check_error(&t, "association.capacity", "for the whole process");
    typed_fini(&t);
}

LK_TEST(lane_config, the_pods_lane_comes_from_its_surroundings)
{
    const struct lk_value lane = {.kind = LK_VALUE_TEXT, .name = LK_STR("LANE"), .text = LK_STR("gray")};
    const struct lk_metadata metadata = {{.kind = LK_VALUE_OBJECT, .children = &lane, .child_count = 1}};
    const struct lk_bootstrap_config bootstrap = {.node = {.metadata = &metadata}};
    const struct lk_lane_settings *settings;
    struct typed_test t;
    typed_init(&t);
    LK_CHECK_EQ_INT(setenv("LANE", "other", 1), 0);
    LK_CHECK_NOT_NULL(settings = configure(&t, LK_DIRECTION_OUTBOUND, "{}"));
    LK_CHECK_LKSTR(settings->pod_lane, "other");
    t.context.bootstrap = &bootstrap;
    LK_CHECK_NOT_NULL(settings = configure(&t, LK_DIRECTION_OUTBOUND, "{}"));
    LK_CHECK_LKSTR(settings->pod_lane, "gray");
    LK_CHECK_NOT_NULL(settings = configure(&t, LK_DIRECTION_OUTBOUND, "{pod_lane: {lane: mine}}"));
    LK_CHECK_LKSTR(settings->pod_lane, "mine");
    LK_CHECK_NOT_NULL(settings = configure(&t, LK_DIRECTION_OUTBOUND, "{pod_lane: {lane: base}}"));
    LK_CHECK_EQ_UINT(settings->pod_lane.len, 0);
    LK_CHECK_NOT_NULL(settings = configure(&t, LK_DIRECTION_OUTBOUND, "{pod_lane: {enabled: false}}"));
    LK_CHECK_EQ_UINT(settings->pod_lane.len, 0);
    t.context.bootstrap = NULL;
    LK_CHECK_EQ_INT(setenv("LANE", "No_Lane", 1), 0);
    LK_CHECK_NULL(configure(&t, LK_DIRECTION_OUTBOUND, "{}"));
    typed_check_error(&t, "pod_lane", "the environment variable LANE");
    LK_CHECK_EQ_INT(unsetenv("LANE"), 0);
    typed_fini(&t);
}
