/* W3C Trace Context, level 2: what is read and what the same context is written as. */
#include "proxy/http/trace_w3c.h"

#include "proxy/base/mem.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define PARENT "traceparent: 00-" TRACE "-" SPAN "-01\n"
#define GOOD(in_, out_)                                                                                                \
    {                                                                                                                  \
        in_, LK_TRACE_FOUND, out_                                                                                      \
    }
#define BAD(in_)                                                                                                       \
    {                                                                                                                  \
        in_, LK_TRACE_MALFORMED, NULL                                                                                  \
    }

LK_TEST(trace_w3c, reads_versions_and_flags)
{
    static const struct lk_trace_row rows[] = {
        {"", LK_TRACE_ABSENT, NULL},
        GOOD(PARENT, PARENT),
        GOOD("TraceParent: \t 00-" TRACE "-" SPAN "-01 \t\n", PARENT),
        GOOD("traceparent: 00-" TRACE "-" SPAN "-00\n", "traceparent: 00-" TRACE "-" SPAN "-00\n"),
        /* the random bit goes along, all others are sent as 0 */
        GOOD("traceparent: 00-" TRACE "-" SPAN "-02\n", "traceparent: 00-" TRACE "-" SPAN "-02\n"),
        GOOD("traceparent: 00-" TRACE "-" SPAN "-03\n", "traceparent: 00-" TRACE "-" SPAN "-03\n"),
        GOOD("traceparent: 00-" TRACE "-" SPAN "-ff\n", "traceparent: 00-" TRACE "-" SPAN "-03\n"),
        GOOD("traceparent: 00-" TRACE "-" SPAN "-fc\n", "traceparent: 00-" TRACE "-" SPAN "-00\n"),
        /* one half of the trace id may be zeros */
        GOOD("traceparent: 00-0000000000000000" SPAN "-" SPAN "-01\n",
             "traceparent: 00-0000000000000000" SPAN "-" SPAN "-01\n"),
        /* a higher version: only the sampled bit is understood, what follows is not */
        GOOD("traceparent: 01-" TRACE "-" SPAN "-03\n", PARENT),
        GOOD("traceparent: cc-" TRACE "-" SPAN "-01-what-comes\n", PARENT),
        GOOD("traceparent: fe-" TRACE "-" SPAN "-00-\n", "traceparent: 00-" TRACE "-" SPAN "-00\n"),
    };
    lk_trace_rows_check(LK_TRACE_W3C, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_w3c, a_malformed_traceparent_voids_both_headers)
{
    static const struct lk_trace_row rows[] = {
        BAD("traceparent: \n"),
        BAD("traceparent: 00\n"),
        BAD("traceparent: ff-" TRACE "-" SPAN "-01\n"),
        BAD("traceparent: 0g-" TRACE "-" SPAN "-01\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-01-\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-01.\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-0\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-0x\n"),
        BAD("traceparent: 01-" TRACE "-" SPAN "-01.more\n"),
        BAD("traceparent: 00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01\n"),
        BAD("traceparent: 00-" TRACE "-B7AD6B7169203331-01\n"),
        BAD("traceparent: 0A-" TRACE "-" SPAN "-01\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-0A\n"),
        BAD("traceparent: 00-00000000000000000000000000000000-" SPAN "-01\n"),
        BAD("traceparent: 00-" TRACE "-0000000000000000-01\n"),
        BAD("traceparent: 00_" TRACE "_" SPAN "_01\n"),
        BAD("traceparent: 00-" TRACE "--" SPAN "-01\n"),
        BAD("traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: a=1\ntraceparent: 00-" TRACE "-" SPAN "-01\n"),
        BAD("traceparent: x\ntracestate: a=1\n"),
        {"tracestate: a=1\n", LK_TRACE_ABSENT, NULL},
    };
    lk_trace_rows_check(LK_TRACE_W3C, rows, LK_ARRAY_LEN(rows));
}

LK_TEST(trace_w3c, a_good_tracestate_goes_along_and_a_bad_member_drops_all_of_it)
{
    static const struct lk_trace_row rows[] = {
        GOOD(PARENT "tracestate: foo=1\n", PARENT "tracestate: foo=1\n"),
        GOOD("tracestate: foo=1\n" PARENT "tracestate: bar=2,baz=3\n", PARENT "tracestate: foo=1,bar=2,baz=3\n"),
        GOOD(PARENT "tracestate: foo=1 \t , \t bar=2, ,,\n", PARENT "tracestate: foo=1 \t , \t bar=2, ,,\n"),
        GOOD(PARENT "tracestate: \ntracestate: foo=1\n", PARENT "tracestate: foo=1\n"),
        GOOD(PARENT "tracestate: \n", PARENT),
        GOOD(PARENT "tracestate: foo@=1,foo@@bar=2,a@b@c=3,0_-*/=4\n",
             PARENT "tracestate: foo@=1,foo@@bar=2,a@b@c=3,0_-*/=4\n"),
        GOOD(PARENT "tracestate: foo= 1\n", PARENT "tracestate: foo= 1\n"),
        GOOD(PARENT "tracestate: foo=1,foo=1\n", PARENT "tracestate: foo=1,foo=1\n"),
        GOOD(PARENT "tracestate: @foo=1,bar=2\n", PARENT),
        GOOD(PARENT "tracestate: foo=1,=2\n", PARENT),
        GOOD(PARENT "tracestate: foo=1,bar\n", PARENT),
        GOOD(PARENT "tracestate: foo=\n", PARENT),
        GOOD(PARENT "tracestate: foo=1=2\n", PARENT),
        GOOD(PARENT "tracestate: foo =1\n", PARENT),
        GOOD(PARENT "tracestate: fOo=1\n", PARENT),
        GOOD(PARENT "tracestate: foo.bar=1\n", PARENT),
        GOOD(PARENT "tracestate: _foo=1\n", PARENT),
        GOOD(PARENT "tracestate: foo=b\xc3\xa4r\n", PARENT),
        GOOD(PARENT "tracestate: foo=a\tb\n", PARENT),
    };
    lk_trace_rows_check(LK_TRACE_W3C, rows, LK_ARRAY_LEN(rows));
}

static bool valid_with(size_t key, size_t value, unsigned members)
{
    char *text = lk_malloc((key + value + 2) * members + 1);
    size_t used = 0;
    for (unsigned i = 0; i < members; i++) {
        memset(text + used, 'k', key);
        text[used + key] = '=';
        memset(text + used + key + 1, 'v', value);
        used += key + value + 1;
        text[used++] = ',';
    }
    bool valid = lk_tracestate_valid(lk_str(text, used));
    lk_free(text);
    return valid;
}

LK_TEST(trace_w3c, tracestate_limits)
{
    LK_CHECK(valid_with(256, 256, 32));
    LK_CHECK(!valid_with(257, 1, 1));
    LK_CHECK(!valid_with(1, 257, 1));
    LK_CHECK(!valid_with(1, 1, 33));
    LK_CHECK(lk_tracestate_valid(LK_STR("")));
    LK_CHECK(lk_tracestate_valid(lk_str(NULL, 0)));
}
