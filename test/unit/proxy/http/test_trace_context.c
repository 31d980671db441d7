/* Contexts across formats: which ids count, what a new or continued trace is, what is injected. */
#include "proxy/http/trace_context.h"

#include "proxy/base/mem.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define W3C "traceparent: 00-" TRACE "-" SPAN "-01\n"
#define OTHER "80f198ee56343ba864fe8b2a57d3eff7"
#define B3 "b3: " OTHER "-e457b5a2e4d86bd1-0\n"
#define SW8 "sw8: 0-MS4yLjM=-MS4yLjQ=-4-c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA=\n"

static const struct lk_trace_formats w3c = {1, {LK_TRACE_W3C}};
static const struct lk_trace_formats w3c_b3 = {2, {LK_TRACE_W3C, LK_TRACE_B3}};
static const struct lk_trace_formats b3_w3c = {2, {LK_TRACE_B3, LK_TRACE_W3C}};
static const struct lk_trace_formats sw8_w3c = {2, {LK_TRACE_SKYWALKING, LK_TRACE_W3C}};
static const struct lk_trace_formats w3c_sw8 = {2, {LK_TRACE_W3C, LK_TRACE_SKYWALKING}};
static const struct lk_trace_formats both_b3 = {2, {LK_TRACE_B3, LK_TRACE_B3_MULTI}};

struct merge {
    const struct lk_trace_formats *formats;
    const char *in;
    enum lk_trace_result result;
    uint64_t low;
    enum lk_trace_decision decision;
    bool sw8;
};

LK_TEST(trace_context, the_first_format_that_is_found_gives_the_ids)
{
    static const struct merge rows[] = {
        {&w3c_b3, W3C B3, LK_TRACE_FOUND, 0x8448eb211c80319c, LK_TRACE_SAMPLE, false},
        {&b3_w3c, W3C B3, LK_TRACE_FOUND, 0x64fe8b2a57d3eff7, LK_TRACE_DROP, false},
        {&w3c_b3, B3, LK_TRACE_FOUND, 0x64fe8b2a57d3eff7, LK_TRACE_DROP, false},
        {&w3c_b3, "traceparent: bad\n" B3, LK_TRACE_FOUND, 0x64fe8b2a57d3eff7, LK_TRACE_DROP, false},
        {&w3c, B3, LK_TRACE_ABSENT, 0, LK_TRACE_DEFER, false},
        {&w3c_b3, "traceparent: bad\n", LK_TRACE_MALFORMED, 0, LK_TRACE_DEFER, false},
        {&w3c_b3, "traceparent: bad\nb3: 0\n", LK_TRACE_DECIDED, 0, LK_TRACE_DROP, false},
        {&b3_w3c, W3C "b3: 0\n", LK_TRACE_FOUND, 0x8448eb211c80319c, LK_TRACE_SAMPLE, false},
        {&b3_w3c, "b3: 1\n", LK_TRACE_DECIDED, 0, LK_TRACE_SAMPLE, false},
        {&w3c_sw8, W3C SW8, LK_TRACE_FOUND, 0x8448eb211c80319c, LK_TRACE_SAMPLE, true},
        {&sw8_w3c, W3C SW8, LK_TRACE_FOUND, 0, LK_TRACE_DROP, true},
        {&sw8_w3c, W3C "sw8: bad\n", LK_TRACE_FOUND, 0x8448eb211c80319c, LK_TRACE_SAMPLE, false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_header_fixture *f = malloc(sizeof(*f));
        struct lk_trace_context context;
        const char *why = NULL;
        lk_header_fixture_begin(f, rows[i].in);
        enum lk_trace_result result = lk_trace_read(&f->headers, &f->arena, rows[i].formats, &context, &why);
        LK_CHECK_EQ_INT(result, rows[i].result);
        LK_CHECK_EQ_INT(why != NULL, result == LK_TRACE_MALFORMED);
        LK_CHECK_EQ_UINT(context.trace_low, rows[i].low);
        LK_CHECK_EQ_INT(context.decision, rows[i].decision);
        LK_CHECK_EQ_INT(context.sw.trace_id.len > 0, rows[i].sw8);
        lk_header_fixture_end(f);
        free(f);
    }
}

LK_TEST(trace_context, formats_are_a_list_without_repetition)
{
    struct lk_trace_formats formats = {0};
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = LK_TRACE_FORMAT_COUNT; i > 0; i--)
            lk_trace_formats_add(&formats, (enum lk_trace_format)(i - 1));
    LK_CHECK_EQ_UINT(formats.count, LK_TRACE_FORMAT_COUNT);
    LK_CHECK_EQ_UINT(formats.items[0], LK_TRACE_SKYWALKING);
    LK_CHECK(lk_trace_formats_have(&formats, LK_TRACE_B3));
    LK_CHECK(!lk_trace_formats_have(&w3c, LK_TRACE_B3));
}

LK_TEST(trace_context, a_new_trace_has_random_ids_of_full_width_and_says_so)
{
    struct lk_arena arena;
    struct lk_trace_context a;
    struct lk_trace_context b;
    lk_arena_init(&arena);
    lk_trace_start(&a, NULL, LK_TRACE_SAMPLE, &w3c, &arena);
    lk_trace_start(&b, NULL, LK_TRACE_DROP, &w3c, &arena);
    LK_CHECK(a.wide && a.random && a.span != 0 && a.parent == 0 && a.trace_low != 0);
    LK_CHECK(a.trace_high != b.trace_high && a.trace_low != b.trace_low && a.span != b.span);
    LK_CHECK_EQ_INT(a.decision, LK_TRACE_SAMPLE);
    LK_CHECK_EQ_UINT(a.sw.segment_id.len, 0);
    lk_arena_reset(&arena);
}

LK_TEST(trace_context, a_continued_trace_keeps_all_but_the_span)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context received;
    struct lk_trace_context own;
    struct lk_trace_context child;
    lk_header_fixture_begin(f, W3C "tracestate: a=1,b=2\n");
    lk_trace_read(&f->headers, &f->arena, &w3c, &received, NULL);
    lk_trace_continue(&own, &received, &w3c, &f->arena);
    LK_CHECK_EQ_UINT(own.trace_high, received.trace_high);
    LK_CHECK_EQ_UINT(own.trace_low, received.trace_low);
    LK_CHECK_EQ_UINT(own.parent, received.span);
    LK_CHECK(own.span != received.span && own.span != 0);
    LK_CHECK_LKSTR(own.tracestate, "a=1,b=2");
    LK_CHECK_EQ_INT(own.random, received.random);
    lk_trace_child(&child, &own, 1);
    LK_CHECK_EQ_UINT(child.parent, own.span);
    LK_CHECK(child.span != own.span);
    LK_CHECK_EQ_UINT(child.trace_low, own.trace_low);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_context, skywalking_gets_a_segment_of_ours_and_keeps_its_opaque_id)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context received;
    struct lk_trace_context own;
    struct lk_trace_context child;
    lk_header_fixture_begin(f, SW8 "sw8-x: 1-17\nsw8-correlation: YQ==:Yg==\n");
    lk_trace_read(&f->headers, &f->arena, &sw8_w3c, &received, NULL);
    lk_trace_continue(&own, &received, &sw8_w3c, &f->arena);
    LK_CHECK_LKSTR(own.sw.trace_id, "1.2.3");
    LK_CHECK_EQ_UINT(own.sw.segment_id.len, 32);
    LK_CHECK_EQ_UINT(own.sw.span_id, 0);
    LK_CHECK_EQ_UINT(own.sw.service.len + own.sw.target.len + own.sw.sent_at.len, 0);
    LK_CHECK(own.sw.skip_analysis);
    LK_CHECK_LKSTR(own.sw.correlation, "YQ==:Yg==");
    /* for the other formats there is an id of its own */
    LK_CHECK(own.trace_low != 0 && own.random && own.span != 0 && own.parent == 0);
    LK_CHECK_EQ_INT(own.decision, LK_TRACE_DROP);
    lk_trace_child(&child, &own, 1);
    LK_CHECK_LKSTR_EQ(child.sw.segment_id, own.sw.segment_id);
    LK_CHECK_EQ_UINT(child.sw.span_id, 1);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_context, skywalking_takes_the_hexadecimal_id_of_another_format)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context received;
    struct lk_trace_context own;
    lk_header_fixture_begin(f, W3C);
    lk_trace_read(&f->headers, &f->arena, &w3c_sw8, &received, NULL);
    lk_trace_continue(&own, &received, &w3c_sw8, &f->arena);
    LK_CHECK_LKSTR(own.sw.trace_id, TRACE);
    lk_trace_start(&own, NULL, LK_TRACE_SAMPLE, &w3c_sw8, &f->arena);
    LK_CHECK_LKSTR_EQ(own.sw.trace_id, lk_trace_id_text(&own, &f->arena));
    LK_CHECK_EQ_UINT(own.sw.segment_id.len, 32);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_context, a_new_trace_keeps_what_no_id_binds)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context received;
    struct lk_trace_context own;
    lk_header_fixture_begin(f, "traceparent: bad\ntracestate: a=1\nsw8-x: 1-\nsw8-correlation: YQ==:Yg==\n");
    LK_CHECK_EQ_INT(lk_trace_read(&f->headers, &f->arena, &w3c_sw8, &received, NULL), LK_TRACE_MALFORMED);
    lk_trace_start(&own, &received, LK_TRACE_DROP, &w3c_sw8, &f->arena);
    LK_CHECK(own.sw.skip_analysis);
    LK_CHECK_LKSTR(own.sw.correlation, "YQ==:Yg==");
    LK_CHECK_EQ_UINT(own.tracestate.len, 0);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_context, injection_replaces_the_headers_of_its_formats_and_no_others)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    const struct lk_trace_context context = {
        .trace_high = 0xa, .trace_low = 0xb, .span = 0xc, .decision = LK_TRACE_SAMPLE, .wide = true};
    lk_header_fixture_begin(f, W3C "tracestate: a=1\nuber-trace-id: 1:2:0:1\nx-b3-traceid: old\nb3: 0\n");
    lk_trace_inject(&f->headers, &w3c, &context);
    LK_CHECK_STR(lk_header_fixture_text(f), "uber-trace-id: 1:2:0:1\nx-b3-traceid: old\nb3: 0\n"
                                            "traceparent: 00-000000000000000a000000000000000b-000000000000000c-01\n");
    lk_trace_inject(&f->headers, &both_b3, &context);
    LK_CHECK_STR(lk_header_fixture_text(f),
                 "uber-trace-id: 1:2:0:1\n"
                 "traceparent: 00-000000000000000a000000000000000b-000000000000000c-01\n"
                 "b3: 000000000000000a000000000000000b-000000000000000c-1\n"
                 "x-b3-traceid: 000000000000000a000000000000000b\nx-b3-spanid: 000000000000000c\nx-b3-sampled: 1\n");
    lk_trace_strip(&f->headers, &both_b3);
    lk_trace_strip(&f->headers, &w3c);
    LK_CHECK_STR(lk_header_fixture_text(f), "uber-trace-id: 1:2:0:1\n");
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_context, narrow_ids_are_padded_where_a_format_needs_it)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context received;
    struct lk_trace_context own;
    static const struct lk_trace_formats all = {3, {LK_TRACE_B3, LK_TRACE_W3C, LK_TRACE_JAEGER}};
    lk_header_fixture_begin(f, "b3: 64fe8b2a57d3eff7-e457b5a2e4d86bd1-1\n");
    lk_trace_read(&f->headers, &f->arena, &all, &received, NULL);
    lk_trace_continue(&own, &received, &all, &f->arena);
    own.span = 0xc;
    lk_trace_inject(&f->headers, &all, &own);
    LK_CHECK_STR(lk_header_fixture_text(f), "b3: 64fe8b2a57d3eff7-000000000000000c-1-e457b5a2e4d86bd1\n"
                                            "traceparent: 00-000000000000000064fe8b2a57d3eff7-000000000000000c-01\n"
                                            "uber-trace-id: 64fe8b2a57d3eff7:000000000000000c:0:1\n");
    LK_CHECK_LKSTR(lk_trace_id_text(&own, &f->arena), "000000000000000064fe8b2a57d3eff7");
    LK_CHECK_LKSTR(lk_trace_span_text(&own, &f->arena), "000000000000000c");
    lk_header_fixture_end(f);
    free(f);
}
