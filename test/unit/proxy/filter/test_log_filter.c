/* Which streams are logged. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/filter/log_filter.h"

struct setup {
    struct lk_arena arena;
    struct lk_headers request;
    struct lk_conn_info conn;
    struct lk_stream_info info;
    struct lk_log_event event;
};

static void begin(struct setup *s)
{
    memset(s, 0, sizeof(*s));
    lk_arena_init(&s->arena);
    lk_headers_init(&s->request, &s->arena);
    s->info.conn = &s->conn;
    s->event = (struct lk_log_event){.info = &s->info, .request = &s->request, .arena = &s->arena};
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->arena);
}

static void have(struct setup *s, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&s->arena, lk_str_from(name));
    lk_headers_add_key(&s->request, &key, lk_str_from(value));
}

LK_TEST(log_filter, compares_status_and_duration)
{
    struct setup s;
    begin(&s);
    struct lk_log_filter filter = {.kind = LK_LOG_FILTER_STATUS, .value = 500};
    static const bool expected[4][3] = {
        /* 499, 500, 501 */
        [LK_COMPARE_EQ] = {false, true, false},
        [LK_COMPARE_GE] = {false, true, true},
        [LK_COMPARE_LE] = {true, true, false},
        [LK_COMPARE_NE] = {true, false, true},
    };
    for (unsigned kind = LK_LOG_FILTER_STATUS; kind <= LK_LOG_FILTER_DURATION; kind++) {
        for (unsigned op = 0; op < 4; op++) {
            for (unsigned i = 0; i < 3; i++) {
                filter.kind = (enum lk_log_filter_kind)kind;
                filter.op = (enum lk_compare_op)op;
                s.info.response_code = 499 + i;
                s.info.start_us = 1000000;
                s.info.end_us = s.info.start_us + (499 + i) * 1000 + 999;
                LK_CHECK_EQ_INT(lk_log_filter_match(&filter, &s.event), expected[op][i]);
            }
        }
    }
    finish(&s);
}

LK_TEST(log_filter, threshold_may_come_from_the_runtime)
{
    struct setup s;
    struct lk_runtime *runtime = lk_runtime_new();
    begin(&s);
    struct lk_log_filter filter = {
        .kind = LK_LOG_FILTER_STATUS, .op = LK_COMPARE_GE, .value = 500, .runtime_key = LK_STR("log.from")};
    s.info.response_code = 404;
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    lk_runtime_set(runtime, LK_STR("log.from"), LK_STR("400"));
    lk_runtime_install(runtime);
    LK_CHECK(lk_log_filter_match(&filter, &s.event));
    lk_runtime_install(NULL);
    lk_runtime_free(runtime);
    finish(&s);
}

LK_TEST(log_filter, flags_of_a_list_or_any)
{
    struct setup s;
    begin(&s);
    struct lk_log_filter any = {.kind = LK_LOG_FILTER_RESPONSE_FLAG};
    struct lk_log_filter some = {.kind = LK_LOG_FILTER_RESPONSE_FLAG,
                                 .flags = LK_FLAG_BIT(UPSTREAM_OVERFLOW) | LK_FLAG_BIT(NO_ROUTE_FOUND)};
    LK_CHECK(!lk_log_filter_match(&any, &s.event));
    LK_CHECK(!lk_log_filter_match(&some, &s.event));
    s.info.flags = LK_FLAG_BIT(UPSTREAM_REQUEST_TIMEOUT);
    LK_CHECK(lk_log_filter_match(&any, &s.event));
    LK_CHECK(!lk_log_filter_match(&some, &s.event));
    s.info.flags |= LK_FLAG_BIT(NO_ROUTE_FOUND);
    LK_CHECK(lk_log_filter_match(&some, &s.event));
    finish(&s);
}

LK_TEST(log_filter, health_checks_and_traces)
{
    struct setup s;
    begin(&s);
    struct lk_log_filter no_checks = {.kind = LK_LOG_FILTER_NOT_HEALTH_CHECK};
    struct lk_log_filter traced = {.kind = LK_LOG_FILTER_TRACEABLE};
    LK_CHECK(lk_log_filter_match(&no_checks, &s.event));
    LK_CHECK(!lk_log_filter_match(&traced, &s.event));
    s.info.health_check = true;
    s.info.traced = true;
    LK_CHECK(!lk_log_filter_match(&no_checks, &s.event));
    LK_CHECK(lk_log_filter_match(&traced, &s.event));
    finish(&s);
}

LK_TEST(log_filter, header_condition_looks_at_each_value)
{
    struct setup s;
    struct lk_header_match match = {
        .name = LK_STR("user-agent"),
        .value = {.kind = LK_VALUE_STRING, .string = {.kind = LK_STRING_PREFIX, .text = LK_STR("probe")}}};
    struct lk_log_filter filter = {.kind = LK_LOG_FILTER_HEADER, .header = &match};
    begin(&s);
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    have(&s, "User-Agent", "curl");
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    have(&s, "User-Agent", "probe/1");
    LK_CHECK(lk_log_filter_match(&filter, &s.event));
    match.value.invert = true;
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    match.value.kind = LK_VALUE_PRESENT;
    match.value.invert = false;
    LK_CHECK(lk_log_filter_match(&filter, &s.event));
    s.event.request = NULL; /* a TCP session has no headers */
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    finish(&s);
}

LK_TEST(log_filter, and_or_combine)
{
    struct setup s;
    begin(&s);
    const struct lk_log_filter yes = {.kind = LK_LOG_FILTER_NOT_HEALTH_CHECK};
    const struct lk_log_filter no = {.kind = LK_LOG_FILTER_TRACEABLE};
    const struct lk_log_filter children[] = {yes, no};
    struct lk_log_filter filter = {.kind = LK_LOG_FILTER_AND, .children = children, .child_count = 2};
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    filter.kind = LK_LOG_FILTER_OR;
    LK_CHECK(lk_log_filter_match(&filter, &s.event));
    filter.children = &children[1];
    filter.child_count = 1;
    LK_CHECK(!lk_log_filter_match(&filter, &s.event));
    finish(&s);
}

LK_TEST(log_filter, request_id_decides_about_samples_so_that_every_hop_agrees)
{
    struct setup s;
    struct lk_log_filter filter = {.kind = LK_LOG_FILTER_RUNTIME,
                                   .fraction = {.per_million = 250000, .denominator = 100}};
    unsigned hits = 0;
    for (unsigned i = 0; i < 400; i++) {
        char id[64];
        begin(&s);
        snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i);
        have(&s, "x-request-id", id);
        bool hit = lk_log_filter_match(&filter, &s.event);
        LK_CHECK_EQ_INT(hit, i % 100 < 25); /* as Envoy: the first digits, modulo the denominator */
        LK_CHECK_EQ_INT(lk_log_filter_match(&filter, &s.event), hit);
        hits += hit;
        finish(&s);
    }
    LK_CHECK_EQ_UINT(hits, 100);
    begin(&s);
    have(&s, "x-request-id", "not-a-uuid");
    bool first = lk_log_filter_match(&filter, &s.event);
    for (unsigned i = 0; i < 20; i++)
        LK_CHECK_EQ_INT(lk_log_filter_match(&filter, &s.event), first);
    finish(&s);
    begin(&s);
    hits = 0;
    for (unsigned i = 0; i < 4000; i++)
        hits += lk_log_filter_match(&filter, &s.event); /* nothing to go by: chance */
    LK_CHECK_NEAR(hits, 1000, 200);
    finish(&s);
}
