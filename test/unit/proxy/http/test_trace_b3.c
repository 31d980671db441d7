/* B3: what each form is read as and written as. */
#include "proxy/http/trace_b3.h"

#include "proxy/base/mem.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define WIDE "80f198ee56343ba864fe8b2a57d3eff7"
#define NARROW "64fe8b2a57d3eff7"
#define SPAN "e457b5a2e4d86bd1"
#define UP "05e3ac9a4f6e3b90"
#define BAD(in_)                                                                                                       \
    {                                                                                                                  \
        in_, LK_TRACE_MALFORMED, NULL                                                                                  \
    }

LK_TEST(trace_b3, single_keeps_width_state_and_parent)
{
    static const struct lk_trace_row rows[] = {
        {"", LK_TRACE_ABSENT, NULL},
        {"b3: " WIDE "-" SPAN "\n", LK_TRACE_FOUND, "b3: " WIDE "-" SPAN "\n"},
        {"b3: " NARROW "-" SPAN "\n", LK_TRACE_FOUND, "b3: " NARROW "-" SPAN "\n"},
        {"b3: " WIDE "-" SPAN "-0\n", LK_TRACE_FOUND, "b3: " WIDE "-" SPAN "-0\n"},
        {"b3: " NARROW "-" SPAN "-1\n", LK_TRACE_FOUND, "b3: " NARROW "-" SPAN "-1\n"},
        {"b3: " NARROW "-" SPAN "-d-" UP "\n", LK_TRACE_FOUND, "b3: " NARROW "-" SPAN "-d-" UP "\n"},
        {"B3: " WIDE "-" SPAN "-1-" UP " \n", LK_TRACE_FOUND, "b3: " WIDE "-" SPAN "-1-" UP "\n"},
        /* 128 bits whose upper half is zeros stay so */
        {"b3: 0000000000000000" NARROW "-" SPAN "\n", LK_TRACE_FOUND, "b3: 0000000000000000" NARROW "-" SPAN "\n"},
        /* the single header wins, the first of two counts */
        {"x-b3-traceid: " WIDE "\nx-b3-spanid: " UP "\nb3: " NARROW "-" SPAN "-0\nb3: 1\n", LK_TRACE_FOUND,
         "b3: " NARROW "-" SPAN "-0\n"},
    };
    lk_trace_rows_check(LK_TRACE_B3, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_b3, single_reads_the_other_form_and_writes_its_own)
{
    static const struct lk_trace_row rows[] = {
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 1\nx-b3-parentspanid: " UP "\n",
         LK_TRACE_FOUND, "b3: " NARROW "-" SPAN "-1-" UP "\n"},
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-flags: 1\n", LK_TRACE_FOUND,
         "b3: " NARROW "-" SPAN "-d\n"},
        /* without a state there is no room for the parent */
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: " UP "\n", LK_TRACE_FOUND,
         "b3: " NARROW "-" SPAN "\n"},
    };
    lk_trace_rows_check(LK_TRACE_B3, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_b3, single_malformed)
{
    static const struct lk_trace_row rows[] = {
        BAD("b3: \n"),
        BAD("b3: -\n"),
        BAD("b3: 2\n"),
        BAD("b3: D\n"),
        BAD("b3: " WIDE "\n"),
        BAD("b3: " WIDE "-\n"),
        BAD("b3: " WIDE "-" SPAN "-\n"),
        BAD("b3: " WIDE "-" SPAN "-2\n"),
        BAD("b3: " WIDE "-" SPAN "-11\n"),
        BAD("b3: " WIDE "-" SPAN "-1-\n"),
        BAD("b3: " WIDE "-" SPAN "-1-" UP "-\n"),
        BAD("b3: " WIDE "-" SPAN "-" UP "\n"),
        BAD("b3: " WIDE "-" SPAN "-1-05e3ac9a4f6e3b9\n"),
        BAD("b3: 80F198EE56343BA864FE8B2A57D3EFF7-" SPAN "\n"),
        BAD("b3: 64fe8b2a57d3eff-" SPAN "\n"),
        BAD("b3: 00000000000000000000000000000000-" SPAN "\n"),
        BAD("b3: " WIDE "-0000000000000000\n"),
        BAD("b3: x\nx-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\n"),
    };
    lk_trace_rows_check(LK_TRACE_B3, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_b3, several_headers)
{
    static const struct lk_trace_row rows[] = {
        {"x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\n", LK_TRACE_FOUND,
         "x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\n"},
        {"X-B3-TraceId: " NARROW "\nX-B3-SpanId: " SPAN "\nX-B3-ParentSpanId: " UP "\nX-B3-Sampled: true\n",
         LK_TRACE_FOUND,
         "x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: " UP "\nx-b3-sampled: 1\n"},
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-sampled: false\n", LK_TRACE_FOUND,
         "x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 0\n"},
        /* debug implies sampled, which is then not said */
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 0\nx-b3-flags: 1\n", LK_TRACE_FOUND,
         "x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-flags: 1\n"},
        {"x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-flags: 0\n", LK_TRACE_FOUND,
         "x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\n"},
        {"b3: " NARROW "-" SPAN "-d-" UP "\n", LK_TRACE_FOUND,
         "x-b3-traceid: " NARROW "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: " UP "\nx-b3-flags: 1\n"},
        BAD("x-b3-traceid: " WIDE "\n"),
        BAD("x-b3-spanid: " SPAN "\n"),
        BAD("x-b3-traceid: \nx-b3-spanid: " SPAN "\n"),
        BAD("x-b3-traceid: -\nx-b3-spanid: " SPAN "\n"),
        BAD("x-b3-traceid: " WIDE "\nx-b3-spanid: \n"),
        BAD("x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: -\n"),
        BAD("x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\nx-b3-sampled: \n"),
        BAD("x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\nx-b3-sampled: yes\n"),
        BAD("x-b3-traceid: " WIDE "\nx-b3-spanid: " SPAN "\nx-b3-flags: 2\n"),
        BAD("x-b3-traceid: " WIDE "0\nx-b3-spanid: " SPAN "\n"),
    };
    lk_trace_rows_check(LK_TRACE_B3_MULTI, rows, LK_ARRAY_LEN(rows));
}

struct decided {
    const char *in;
    enum lk_trace_decision decision;
    bool debug;
};

LK_TEST(trace_b3, a_decision_without_ids_is_obeyed)
{
    static const struct decided rows[] = {
        {"b3: 0\n", LK_TRACE_DROP, false},
        {"b3: 1\n", LK_TRACE_SAMPLE, false},
        {"b3: d\n", LK_TRACE_SAMPLE, true},
        {"x-b3-sampled: 0\n", LK_TRACE_DROP, false},
        {"x-b3-sampled: 1\n", LK_TRACE_SAMPLE, false},
        {"x-b3-flags: 1\n", LK_TRACE_SAMPLE, true},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_header_fixture *f = malloc(sizeof(*f));
        struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
        const char *why;
        lk_header_fixture_begin(f, rows[i].in);
        LK_CHECK_EQ_INT(lk_trace_b3_read(&f->headers, &f->arena, &context, &why), LK_TRACE_DECIDED);
        LK_CHECK_EQ_INT(context.decision, rows[i].decision);
        LK_CHECK_EQ_INT(context.debug, rows[i].debug);
        LK_CHECK(!lk_trace_b3_add_single(&f->headers, &context));
        lk_header_fixture_end(f);
        free(f);
    }
}

LK_TEST(trace_b3, stripping_leaves_neither_form)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    lk_header_fixture_begin(f, "b3: 0\nx-b3-traceid: a\nX-B3-SpanId: b\nx-b3-parentspanid: c\nx-b3-sampled: 1\n"
                               "x-b3-flags: 1\nx-b3-other: kept\nb3: 1\n");
    lk_trace_b3_strip(&f->headers);
    LK_CHECK_STR(lk_header_fixture_text(f), "x-b3-other: kept\n");
    lk_header_fixture_end(f);
    free(f);
}
