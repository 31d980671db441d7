/* sw8, sw8-x and sw8-correlation: what is read and what the same context is written as. */
#include "proxy/http/trace_skywalking.h"

#include "proxy/base/mem.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

/* trace "1.2.3", segment "1.2.4", span 4, service "service", instance "instance", endpoint "/app", target
 * "127.0.0.1:8080" */
#define IDS "MS4yLjM=-MS4yLjQ=-4"
#define WHO "c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA="
#define SW8 "sw8: 1-" IDS "-" WHO "\n"
#define GOOD(in_, out_)                                                                                                \
    {                                                                                                                  \
        in_, LK_TRACE_FOUND, out_                                                                                      \
    }
#define BAD(in_)                                                                                                       \
    {                                                                                                                  \
        "sw8: " in_ "\n", LK_TRACE_MALFORMED, NULL                                                                     \
    }

LK_TEST(trace_skywalking, reads_with_and_without_padding)
{
    static const struct lk_trace_row rows[] = {
        {"", LK_TRACE_ABSENT, NULL},
        GOOD(SW8, SW8),
        GOOD("SW8: 1-MS4yLjM-MS4yLjQ-4-c2VydmljZQ-aW5zdGFuY2U-L2FwcA-MTI3LjAuMC4xOjgwODA\n", SW8),
        /* sample 0 is honoured and goes on */
        GOOD("sw8: 0-" IDS "-" WHO "\n", "sw8: 0-" IDS "-" WHO "\n"),
        GOOD("sw8: 1-" IDS "----\n", "sw8: 1-" IDS "----\n"),
        GOOD("sw8: 1-MS4yLjM=-MS4yLjQ=-2147483647-" WHO "\n", "sw8: 1-MS4yLjM=-MS4yLjQ=-2147483647-" WHO "\n"),
    };
    lk_trace_rows_check(LK_TRACE_SKYWALKING, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_skywalking, malformed)
{
    static const struct lk_trace_row rows[] = {
        BAD(""),
        BAD("1"),
        BAD("1-" IDS "-" WHO "-"),
        BAD("1-" IDS "-c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA=="),
        BAD("2-" IDS "-" WHO),
        BAD("-" IDS "-" WHO),
        BAD("01-" IDS "-" WHO),
        BAD("1-MS4yLjM=-MS4yLjQ=-x-" WHO),
        BAD("1-MS4yLjM=-MS4yLjQ=--" WHO),
        BAD("1-MS4yLjM=-MS4yLjQ=-2147483648-" WHO),
        BAD("1--MS4yLjQ=-4-" WHO),
        BAD("1-MS4yLjM=--4-" WHO),
        BAD("1-MS4yL-MS4yLjQ=-4-" WHO),
        BAD("1-MS4yLjM=-MS4yLjQ==-4-" WHO),
        BAD("1-MS4_LjM=-MS4yLjQ=-4-" WHO),
        BAD("1-MS 4yLjM=-MS4yLjQ=-4-" WHO),
        BAD("1-" IDS "-" WHO "\nsw8: 1-" IDS "-" WHO),
    };
    lk_trace_rows_check(LK_TRACE_SKYWALKING, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_skywalking, mode_and_correlation_go_along)
{
    static const struct lk_trace_row rows[] = {
        GOOD(SW8 "sw8-x: 1-\n", "sw8-x: 1-\n" SW8),
        GOOD(SW8 "sw8-x: 1\n", "sw8-x: 1-\n" SW8),
        GOOD(SW8 "sw8-x: 1-1700000000000\n", "sw8-x: 1-1700000000000\n" SW8),
        GOOD(SW8 "sw8-x: 0-1700000000000\n", "sw8-x: 0-1700000000000\n" SW8),
        GOOD(SW8 "sw8-x: -17\n", "sw8-x: 0-17\n" SW8),
        GOOD(SW8 "sw8-x: 0- \n", SW8),
        GOOD(SW8 "sw8-x: 0\n", SW8),
        GOOD(SW8 "sw8-x: \n", SW8),
        GOOD(SW8 "sw8-x: 2-17\n", SW8),
        GOOD(SW8 "sw8-x: 0-then\n", SW8),
        GOOD(SW8 "sw8-correlation: bGFuZQ==:Zw==,YQ==:Yg==\n", "sw8-correlation: bGFuZQ==:Zw==,YQ==:Yg==\n" SW8),
        GOOD(SW8 "sw8-correlation: YQ==:Yg==\nsw8-correlation: Yw==:ZA==\n",
             "sw8-correlation: YQ==:Yg==,Yw==:ZA==\n" SW8),
    };
    lk_trace_rows_check(LK_TRACE_SKYWALKING, rows, LK_ARRAY_LEN(rows));
}

/* Reads a block and writes it again; the text lies in the fixture. */
static const char *rewritten(struct lk_header_fixture *f, struct lk_trace_context *context, bool *added)
{
    const char *why;
    lk_trace_skywalking_read(&f->headers, &f->arena, context, &why);
    lk_trace_skywalking_strip(&f->headers);
    *added = lk_trace_skywalking_add(&f->headers, context);
    return lk_header_fixture_text(f);
}

LK_TEST(trace_skywalking, mode_and_correlation_outlive_a_bad_sw8)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    bool added;
    lk_header_fixture_begin(f, "sw8: bad\nsw8-x: 1-\nsw8-correlation: YQ==:Yg==\n");
    LK_CHECK_STR(rewritten(f, &context, &added), "sw8-x: 1-\nsw8-correlation: YQ==:Yg==\n");
    LK_CHECK(!added);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_skywalking, texts_are_decoded_and_stay_opaque)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    bool added;
    lk_header_fixture_begin(f, SW8);
    rewritten(f, &context, &added);
    LK_CHECK_LKSTR(context.sw.trace_id, "1.2.3");
    LK_CHECK_LKSTR(context.sw.segment_id, "1.2.4");
    LK_CHECK_EQ_UINT(context.sw.span_id, 4);
    LK_CHECK_LKSTR(context.sw.service, "service");
    LK_CHECK_LKSTR(context.sw.instance, "instance");
    LK_CHECK_LKSTR(context.sw.endpoint, "/app");
    LK_CHECK_LKSTR(context.sw.target, "127.0.0.1:8080");
    LK_CHECK_EQ_INT(context.decision, LK_TRACE_SAMPLE);
    LK_CHECK_EQ_UINT(context.trace_high | context.trace_low, 0);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_skywalking, a_trace_id_of_32_digits_is_a_number_too)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    const char *why;
    lk_header_fixture_begin(f, "sw8: 1-ODBmMTk4ZWU1NjM0M2JhODY0ZmU4YjJhNTdkM2VmZjc=-MS4yLjQ=-4-" WHO "\n");
    LK_CHECK_EQ_INT(lk_trace_skywalking_read(&f->headers, &f->arena, &context, &why), LK_TRACE_FOUND);
    LK_CHECK_EQ_UINT(context.trace_high, 0x80f198ee56343ba8);
    LK_CHECK_EQ_UINT(context.trace_low, 0x64fe8b2a57d3eff7);
    LK_CHECK(context.wide);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_skywalking, a_value_of_2_kb_is_malformed_and_never_written)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    char line[2200] = "sw8: 1-" IDS "-" WHO;
    struct lk_trace_context context = {.decision = LK_TRACE_SAMPLE};
    const char *why;
    memset(line + strlen(line), 'A', 2100 - strlen(line));
    lk_header_fixture_begin(f, line);
    LK_CHECK_EQ_INT(lk_trace_skywalking_read(&f->headers, &f->arena, &context, &why), LK_TRACE_MALFORMED);
    lk_trace_skywalking_strip(&f->headers);
    context.sw.trace_id = lk_str(line, 2000);
    context.sw.segment_id = LK_STR("s");
    LK_CHECK(!lk_trace_skywalking_add(&f->headers, &context));
    LK_CHECK_STR(lk_header_fixture_text(f), "");
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_skywalking, names_are_cut_to_what_the_backend_takes)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    char name[200];
    struct lk_trace_context context = {.decision = LK_TRACE_SAMPLE};
    const char *why;
    memset(name, 'n', sizeof(name));
    memcpy(name + 49, "\xc3\xa4", 2); /* one character across the limit */
    lk_header_fixture_begin(f, "");
    context.sw = (struct lk_trace_skywalking){.trace_id = LK_STR("t"),
                                              .segment_id = LK_STR("s"),
                                              .service = lk_str(name, 200),
                                              .instance = lk_str(name + 100, 100),
                                              .endpoint = lk_str(name, 200)};
    LK_CHECK(lk_trace_skywalking_add(&f->headers, &context));
    LK_CHECK_EQ_INT(lk_trace_skywalking_read(&f->headers, &f->arena, &context, &why), LK_TRACE_FOUND);
    LK_CHECK_EQ_UINT(context.sw.service.len, 49);
    LK_CHECK_EQ_UINT(context.sw.instance.len, 50);
    LK_CHECK_EQ_UINT(context.sw.endpoint.len, 149);
    lk_header_fixture_end(f);
    free(f);
}
