/* lanekeeper.filters.http.lane: which lane a request of the application belongs to, and where the mesh ends. */
#include "test/unit/filters/http/lane_fixture.h"

/* An outbound request with these headers while inbound ones are open; NULL: no such header. */
static struct chain_harness *call(struct world *w, const char *cluster, const char *mark, const char *traceparent)
{
    struct chain_harness *h = begin(w, w->out, cluster);

    if (mark != NULL)
        chain_set(h, "x-lane", mark);
    if (traceparent != NULL)
        chain_set(h, "traceparent", traceparent);
    chain_request(h, true);
    return h;
}

static struct chain_harness *serve(struct world *w, const char *mark, const char *traceparent)
{
    struct chain_harness *h = begin(w, w->in, "b");

    if (mark != NULL)
        chain_set(h, "x-lane", mark);
    if (traceparent != NULL)
        chain_set(h, "traceparent", traceparent);
    chain_request(h, true);
    return h;
}

static void check_call(struct world *w, const char *mark, const char *traceparent, const char *requested,
                       const char *source)
{
    struct chain_harness *h = call(w, "b", mark, traceparent);

    check_decision(h, requested, source);
    LK_CHECK_LKSTR(sent(h, "x-lane"), requested[0] != 0 ? requested : "(none)");
    LK_CHECK_LKSTR(sent(h, "x-version"), "(none)");
    LK_CHECK_NOT_NULL(h->stream.info.selector);
    chain_harness_free(h);
}

LK_TEST(lane_outbound, evidence_by_precedence)
{
    struct world w;
    world_init(&w, "");
    check_call(&w, NULL, TRACE, "", "none");
    struct chain_harness *open = serve(&w, "gray", TRACE);
    check_call(&w, NULL, TRACE, "gray", "trace");
    check_call(&w, NULL, TRACE, "gray", "trace"); /* as often as it calls */
    check_call(&w, "other", TRACE, "other", "explicit");
    LK_CHECK_EQ_UINT(counter(&w, "lane.other.conflict"), 1);
    LK_CHECK_EQ_UINT(counter(&w, "lane.suspect_lost"), 0);
    check_call(&w, NULL, NULL, "", "none");
    LK_CHECK_EQ_UINT(counter(&w, "lane.suspect_lost"), 1);
    chain_harness_free(open);
    check_call(&w, NULL, TRACE, "gray", "trace"); /* lingers */
    world_fini(&w);
}

LK_TEST(lane_outbound, an_id_of_two_lanes_tells_nothing)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *one = serve(&w, "gray", TRACE), *two = serve(&w, "other", TRACE);
    check_call(&w, NULL, TRACE, "", "none");
    LK_CHECK_EQ_UINT(counter(&w, "lane.conflict"), 1);
    check_call(&w, "gray", TRACE, "gray", "explicit");
    chain_harness_free(one);
    chain_harness_free(two);
    world_fini(&w);
}

LK_TEST(lane_outbound, shadow_is_never_outdone)
{
    struct world w;
    world_init(&w, ", pod_lane: {shadow_ok: true}");
    struct chain_harness *open = serve(&w, "shadow-l", TRACE);
    check_call(&w, "gray", TRACE, "shadow-l", "trace");
    struct chain_harness *h = call(&w, "internet", NULL, TRACE);
    check_refused(h, LK_FLAG_LANE_SHADOW_REFUSED);
    chain_harness_free(h);
    chain_harness_free(open);
    LK_CHECK_EQ_UINT(counter(&w, "lane.shadow-l.leak_blocked"), 1);
    world_fini(&w);
}

LK_TEST(lane_outbound, the_request_id_ties_whatever_its_trace_digit)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *open = begin(&w, w.in, "b");
    chain_set(open, "x-lane", "gray");
    chain_set(open, "x-request-id", "6f1b1f2a-0d5c-4a67-8c3e-000000000001");
    chain_request(open, true);
    struct chain_harness *h = begin(&w, w.out, "b");
    chain_set(h, "x-request-id", "6f1b1f2a-0d5c-9a67-8c3e-000000000001");
    chain_request(h, true);
    check_decision(h, "gray", "reqid");
    chain_harness_free(h);
    chain_harness_free(open);
    world_fini(&w);
}

LK_TEST(lane_outbound, the_pod_speaks_for_itself_unless_it_serves_base)
{
    struct world w;
    world_init(&w, ", pod_lane: {lane: gray}");
    check_call(&w, NULL, NULL, "gray", "pod");
    struct chain_harness *open = serve(&w, NULL, NULL);
    check_call(&w, NULL, NULL, "", "none");
    chain_harness_free(open);
    check_call(&w, NULL, NULL, "gray", "pod");
    world_fini(&w);
}

LK_TEST(lane_outbound, strangers_tie_nothing)
{
    struct world w;
    world_init(&w, ", pod_lane: {lane: gray, recolor: true}");
    struct chain_harness *open = begin(&w, w.in, "b");
    LK_CHECK(lk_addr_parse_ip(LK_STR("192.0.2.1"), 1000, &open->conn.remote));
    chain_set(open, "traceparent", TRACE);
    chain_request(open, true);
    check_call(&w, NULL, TRACE, "gray", "pod"); /* not trace */
    chain_harness_free(open);
    world_fini(&w);
}

LK_TEST(lane_outbound, nothing_leaves_the_mesh)
{
    struct world w;
    world_init(&w, "");
    struct chain_harness *open = serve(&w, "gray", TRACE);
    struct chain_harness *h = begin(&w, w.out, "internet");
    chain_set(h, "x-lane", "gray");
    chain_set(h, "baggage", "a=b,lane=gray");
    chain_set(h, "x-version", "2");
    chain_request(h, true);
    LK_CHECK_LKSTR(sent(h, "x-lane"), "(none)");
    LK_CHECK_LKSTR(sent(h, "x-version"), "(none)");
    LK_CHECK_LKSTR(sent(h, "baggage"), "a=b");
    LK_CHECK(h->stream.info.flags & LK_FLAG_BIT(LANE_STRIPPED));
    LK_CHECK_NULL(h->stream.info.selector);
    chain_harness_free(h);
    h = call(&w, "internet", NULL, TRACE); /* what is only inferred does not count there */
    check_decision(h, "", "none");
    LK_CHECK(!(h->stream.info.flags & LK_FLAG_BIT(LANE_STRIPPED)));
    chain_harness_free(h);
    chain_harness_free(open);
    world_fini(&w);
}

LK_TEST(lane_outbound, preflight_tells_who_carries)
{
    struct world w;
    world_init(&w, ", association: {preflight_denominator: 1}");
    struct chain_harness *open = serve(&w, NULL, TRACE);
    check_call(&w, NULL, TRACE, "", "none");
    LK_CHECK_EQ_UINT(counter(&w, "lane.carry.carried"), 1);
    check_call(&w, NULL, NULL, "", "none");
    LK_CHECK_EQ_UINT(counter(&w, "lane.carry.lost"), 1);
    struct chain_harness *second = serve(&w, NULL, NULL);
    check_call(&w, NULL, NULL, "", "none"); /* might be the other's */
    LK_CHECK_EQ_UINT(counter(&w, "lane.carry.lost"), 1);
    chain_harness_free(second);
    chain_harness_free(open);
    world_fini(&w);
}

/* --- span tags ---------------------------------------------------------------------------------------------------- */

/* "lane.requested=gray ..." of those that the span gets. */
static const char *tags_of(struct chain_harness *h)
{
    static char text[256];
    const struct lk_log_event event = {.info = &h->stream.info, .arena = &h->stream.arena};
    size_t len = 0;

    text[0] = '\0';
    for (const struct lk_log_operator *tag = lk_lane_filter.span_tags; tag->name != NULL; tag++) {
        struct lk_str value = tag->value(&event, lk_str(NULL, 0));

        if (value.len > 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%.*s ", tag->name, LK_STR_ARG(value));
    }
    return text;
}

LK_TEST(lane_span, tells_of_lanes_where_there_was_a_decision)
{
    struct world w;

    world_init(&w, "");
    begin(&w, w.in, "b");
    chain_set(w.h, "x-lane", "gray");
    chain_request(w.h, true);
    LK_CHECK_STR(tags_of(w.h), "lane.requested=gray lane.served=base lane.source=explicit lane.reason=ok ");
    chain_harness_free(w.h);
    begin(&w, w.in, "b");
    chain_set(w.h, "x-lane", "shadow-l");
    chain_request(w.h, true);
    LK_CHECK_STR(tags_of(w.h), "lane.requested=shadow-l lane.source=explicit lane.reason=shadow_refused ");
    chain_harness_free(w.h);
    begin(&w, w.in, "b");
    chain_request(w.h, true);
    LK_CHECK_STR(tags_of(w.h), "");
    chain_harness_free(w.h);
    begin(&w, w.out, "internet");
    chain_set(w.h, "x-lane", "gray");
    chain_request(w.h, true);
    LK_CHECK_STR(tags_of(w.h), "lane.requested=gray lane.source=explicit lane.reason=stripped ");
    w.h->stream.info.lane = NULL; /* no lane filter */
    LK_CHECK_STR(tags_of(w.h), "");
    chain_harness_free(w.h);
    world_fini(&w);
}
