/* uber-trace-id: what is read and what the same context is written as. */
#include "proxy/http/trace_jaeger.h"

#include "proxy/base/mem.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define WIDE "80f198ee56343ba864fe8b2a57d3eff7"
#define NARROW "64fe8b2a57d3eff7"
#define SPAN "e457b5a2e4d86bd1"
#define NAME "uber-trace-id: "
#define GOOD(in_, out_)                                                                                                \
    {                                                                                                                  \
        NAME in_ "\n", LK_TRACE_FOUND, NAME out_ "\n"                                                                  \
    }
#define BAD(in_)                                                                                                       \
    {                                                                                                                  \
        NAME in_ "\n", LK_TRACE_MALFORMED, NULL                                                                        \
    }

LK_TEST(trace_jaeger, reads_any_length_and_keeps_the_width)
{
    static const struct lk_trace_row rows[] = {
        {"", LK_TRACE_ABSENT, NULL},
        GOOD(NARROW ":" SPAN ":0:1", NARROW ":" SPAN ":0:1"),
        GOOD(WIDE ":" SPAN ":0:0", WIDE ":" SPAN ":0:0"),
        GOOD(NARROW ":" SPAN ":" NARROW ":01", NARROW ":" SPAN ":0:1"),
        GOOD("1:2:0:1", "0000000000000001:0000000000000002:0:1"),
        GOOD("10000000000000001:2:0:1", "00000000000000010000000000000001:0000000000000002:0:1"),
        GOOD("ABC:2:0:1", "0000000000000abc:0000000000000002:0:1"),
        GOOD(NARROW "%3A" SPAN "%3a0:1", NARROW ":" SPAN ":0:1"),
        GOOD(NARROW ":" SPAN ":0:3", NARROW ":" SPAN ":0:3"),
        GOOD(NARROW ":" SPAN ":0:2", NARROW ":" SPAN ":0:3"),
        GOOD(NARROW ":" SPAN ":0:fc", NARROW ":" SPAN ":0:0"),
    };
    lk_trace_rows_check(LK_TRACE_JAEGER, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_jaeger, malformed)
{
    static const struct lk_trace_row rows[] = {
        BAD(""),
        BAD(":::"),
        BAD(NARROW),
        BAD(NARROW ":" SPAN ":0"),
        BAD(NARROW ":" SPAN ":0:1:"),
        BAD(NARROW ":" SPAN ":0:"),
        BAD(NARROW ":" SPAN "::1"),
        BAD(NARROW "::0:1"),
        BAD("0:" SPAN ":0:1"),
        BAD("00000000000000000000000000000000:" SPAN ":0:1"),
        BAD(NARROW ":0:0:1"),
        BAD(WIDE "0:" SPAN ":0:1"),
        BAD(NARROW ":" SPAN "0:0:1"),
        BAD(NARROW ":" SPAN ":0:100"),
        BAD(NARROW ":" SPAN ":0:x"),
        BAD("xyz:" SPAN ":0:1"),
        BAD(NARROW "%3" SPAN ":0:1"),
    };
    lk_trace_rows_check(LK_TRACE_JAEGER, rows, LK_ARRAY_LEN(rows));
}
