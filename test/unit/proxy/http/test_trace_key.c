/* The ids of call chains: canonical forms, equality, seeding. */
#include "proxy/http/trace_key.h"

#include "proxy/base/mem.h"
#include "proxy/http/request_id.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define NARROW "64fe8b2a57d3eff7"
#define SPAN "b7ad6b7169203331"
#define WHO "c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA="
#define UUID(digit) "7a1b2c3d-0000-" digit "123-8abc-0123456789ab"

struct row {
    enum lk_trace_key_kind kind;
    const char *a;
    const char *b; /* the same chain as a, or NULL: a has no id */
};

/* Keys point into the fixture of their block. */
static bool read_key(struct lk_header_fixture *f, const char *lines, enum lk_trace_key_kind kind,
                     struct lk_trace_key *key)
{
    lk_header_fixture_begin(f, lines);
    struct lk_header_key configured = lk_header_key(&f->arena, LK_STR("X-Chain"));
    return lk_trace_key_read(&f->headers, kind, &configured, key);
}

/* A look tells of every id that is there, and of its lowest bits no other than those it has. */
static void check_glance(const struct lk_headers *headers, const struct lk_trace_key *key)
{
    uint64_t words[2] = {key->high, key->low};
    struct lk_str id = key->text.ptr != NULL ? key->text : lk_str((const char *)(const void *)words, sizeof(words));
    uint32_t low = 0;
    LK_CHECK((lk_trace_key_kinds(headers, true) >> key->kind & 1) != 0);
    switch (lk_trace_key_glance(headers, key->kind, &low)) {
    case LK_TRACE_GLANCE_LOW:
        LK_CHECK_EQ_UINT(low, lk_trace_text_low(id));
        break;
    case LK_TRACE_GLANCE_UNREAD:
        break;
    case LK_TRACE_GLANCE_ABSENT:
        LK_CHECK_MSG(false, "kind %d: the id is passed over", (int)key->kind);
        break;
    }
}

static void check_row(const struct row *row)
{
    struct lk_header_fixture *fa = malloc(sizeof(*fa));
    struct lk_header_fixture *fb = malloc(sizeof(*fb));
    struct lk_trace_key a;
    struct lk_trace_key b;
    bool found = read_key(fa, row->a, row->kind, &a);
    LK_CHECK_MSG(found == (row->b != NULL), "%s: %d", row->a, found);
    bool other = read_key(fb, row->b != NULL ? row->b : "", row->kind, &b);
    LK_CHECK_EQ_INT(other, row->b != NULL);
    if (found) {
        LK_CHECK_MSG(lk_trace_key_equal(&a, &b), "%s and\n%s differ", row->a, row->b);
        check_glance(&fa->headers, &a);
        check_glance(&fb->headers, &b);
    }
    lk_header_fixture_end(fa);
    lk_header_fixture_end(fb);
    free(fa);
    free(fb);
}

LK_TEST(trace_key, one_chain_has_one_id_however_it_is_written)
{
    static const struct row rows[] = {
        {LK_TRACE_KEY_TRACEPARENT, "traceparent: 00-" TRACE "-" SPAN "-01\n",
         "traceparent: cc-" TRACE "-0000000000000001-00-more\n"},
        {LK_TRACE_KEY_SW8, "sw8: 1-MS4yLjM=-MS4yLjQ=-4-" WHO "\n", "sw8: 0-MS4yLjM-eA-0----\n"},
        {LK_TRACE_KEY_B3, "b3: " NARROW "-" SPAN "-1\n", "x-b3-traceid: 0000000000000000" NARROW "\n"},
        {LK_TRACE_KEY_B3, "b3: " TRACE "-" SPAN "-d\nx-b3-traceid: " NARROW "\n", "x-b3-traceid: " TRACE "\n"},
        {LK_TRACE_KEY_JAEGER, "uber-trace-id: a:1:0:1\n", "uber-trace-id: 000000000000000A%3A2%3A0%3A0\n"},
        {LK_TRACE_KEY_HEADER, "x-chain: one\n", "X-Chain: one\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: " UUID("4") "\n", "x-request-id: " UUID("9") "\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: " UUID("a") "\n",
         "x-request-id: 7A1B2C3D-0000-b123-8ABC-0123456789AB\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: any text\n", "x-request-id: any text\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: sixteen.letters..\n", "x-request-id: sixteen.letters..\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: seventeen.letters\n", "x-request-id: seventeen.letters\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: " UUID("4") "\t\n", "x-request-id:  " UUID("9") "\n"},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: thirty-six-letters-that-are-no-uuid-x\n",
         "x-request-id: thirty-six-letters-that-are-no-uuid-x\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

LK_TEST(trace_key, what_is_absent_malformed_or_repeated_ties_to_nothing)
{
    static const struct row rows[] = {
        {LK_TRACE_KEY_TRACEPARENT, "", NULL},
        {LK_TRACE_KEY_TRACEPARENT, "traceparent: 00-" TRACE "-" SPAN "\n", NULL},
        {LK_TRACE_KEY_TRACEPARENT, "traceparent: 00-" TRACE "-" SPAN "-01\ntraceparent: 00-" TRACE "-" SPAN "-01\n",
         NULL},
        {LK_TRACE_KEY_SW8, "sw8: 1--MS4yLjQ=-4-" WHO "\n", NULL},
        {LK_TRACE_KEY_SW8, "sw8: x\n", NULL},
        {LK_TRACE_KEY_B3, "b3: 0\n", NULL},
        {LK_TRACE_KEY_B3, "b3: 1\nx-b3-traceid: " TRACE "\n", NULL},
        {LK_TRACE_KEY_B3, "x-b3-traceid: 0\n", NULL},
        {LK_TRACE_KEY_JAEGER, "uber-trace-id: 0:1:0:1\n", NULL},
        {LK_TRACE_KEY_HEADER, "x-chain: \n", NULL},
        {LK_TRACE_KEY_HEADER, "x-chain: a\nx-chain: a\n", NULL},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: \n", NULL},
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: a\nx-request-id: b\n", NULL},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

LK_TEST(trace_key, different_chains_differ)
{
    static const struct row rows[] = {
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: " UUID("4") "\n",
         "x-request-id: 7a1b2c3d-0000-4124-8abc-0123456789ab\n"},
        /* only a UUID has a digit that does not count */
        {LK_TRACE_KEY_REQUEST_ID, "x-request-id: 7a1b2c3d-0000-4123-8abc-0123456789aX\n",
         "x-request-id: 7a1b2c3d-0000-9123-8abc-0123456789aX\n"},
        {LK_TRACE_KEY_B3, "x-b3-traceid: " TRACE "\n", "x-b3-traceid: 8448eb211c80319c\n"},
        {LK_TRACE_KEY_SW8, "sw8: 1-MS4yLjM=-MS4yLjQ=-4-" WHO "\n", "sw8: 1-MS4yLjQ=-MS4yLjQ=-4-" WHO "\n"},
        {LK_TRACE_KEY_HEADER, "x-chain: a\n", "x-chain: A\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_header_fixture *fa = malloc(sizeof(*fa));
        struct lk_header_fixture *fb = malloc(sizeof(*fb));
        struct lk_trace_key a;
        struct lk_trace_key b;
        LK_CHECK(read_key(fa, rows[i].a, rows[i].kind, &a));
        LK_CHECK(read_key(fb, rows[i].b, rows[i].kind, &b));
        LK_CHECK_MSG(!lk_trace_key_equal(&a, &b), "%s and\n%s are equal", rows[i].a, rows[i].b);
        lk_header_fixture_end(fa);
        lk_header_fixture_end(fb);
        free(fa);
        free(fb);
    }
}

LK_TEST(trace_key, kinds_never_equal_each_other)
{
    struct lk_trace_key a = {.kind = LK_TRACE_KEY_TRACEPARENT, .high = 1, .low = 2};
    struct lk_trace_key b = {.kind = LK_TRACE_KEY_B3, .high = 1, .low = 2};
    LK_CHECK(!lk_trace_key_equal(&a, &b));
}

LK_TEST(trace_key, a_look_passes_over_what_is_absent_or_too_short)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    uint32_t low;
    lk_header_fixture_begin(f, "traceparent: 00-" TRACE "-" SPAN "\nx-request-id: \n");
    LK_CHECK_EQ_INT(lk_trace_key_glance(&f->headers, LK_TRACE_KEY_TRACEPARENT, &low), LK_TRACE_GLANCE_ABSENT);
    LK_CHECK_EQ_INT(lk_trace_key_glance(&f->headers, LK_TRACE_KEY_REQUEST_ID, &low), LK_TRACE_GLANCE_ABSENT);
    LK_CHECK_EQ_UINT(lk_trace_key_kinds(&f->headers, false),
                     1u << LK_TRACE_KEY_TRACEPARENT | 1u << LK_TRACE_KEY_REQUEST_ID);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_key, without_a_configured_header_there_is_no_id_of_that_kind)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_key key;
    lk_header_fixture_begin(f, "x-chain: a\n");
    LK_CHECK(!lk_trace_key_read(&f->headers, LK_TRACE_KEY_HEADER, NULL, &key));
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_key, seeding_adds_what_is_absent)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    lk_header_fixture_begin(f, "tracestate: a=1\n");
    LK_CHECK_EQ_UINT(lk_trace_seed(&f->headers), LK_TRACE_SEEDED_TRACEPARENT | LK_TRACE_SEEDED_REQUEST_ID);
    struct lk_trace_key key;
    LK_CHECK(lk_trace_key_read(&f->headers, LK_TRACE_KEY_TRACEPARENT, NULL, &key));
    LK_CHECK(key.low != 0);
    struct lk_str parent = lk_headers_get(&f->headers, LK_HEADER_TRACEPARENT);
    LK_CHECK_LKSTR(lk_str_drop(parent, 52), "-02"); /* not sampled, random */
    LK_CHECK(lk_request_id_is_uuid(lk_headers_get(&f->headers, LK_HEADER_X_REQUEST_ID)));
    LK_CHECK_NULL(lk_headers_find(&f->headers, LK_HEADER_TRACESTATE));
    LK_CHECK_EQ_UINT(lk_trace_seed(&f->headers), 0);
    lk_header_fixture_end(f);
    free(f);
}

LK_TEST(trace_key, seeding_leaves_what_is_there)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    const char *lines = "traceparent: anything\ntracestate: a=1\nx-request-id: 7\n";
    lk_header_fixture_begin(f, lines);
    LK_CHECK_EQ_UINT(lk_trace_seed(&f->headers), 0);
    LK_CHECK_STR(lk_header_fixture_text(f), lines);
    lk_header_fixture_end(f);
    free(f);
}
