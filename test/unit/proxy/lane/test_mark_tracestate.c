/* tracestate as a carrier: far left, 32 members, nothing without a valid traceparent. */
#include "proxy/lane/mark_tracestate.h"
#include "test/support/header_text.h"

#define TP "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"

static const struct lk_str lk = LK_STR_INIT("lk");

LK_TEST(mark_tracestate, counts_only_beside_one_valid_traceparent)
{
    static const struct {
        const char *in;
        bool usable;
    } table[] = {
        {TP "tracestate: a=1\n", true},
        {TP, true},
        {"tracestate: a=1\n", false},
        {TP TP "tracestate: a=1\n", false},
        {"traceparent:  00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 \n", true},
        {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x\n", false},
        {"traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x\n", true},
        {"traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x\n", false},
        {"traceparent: fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", true},
        {"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", false},
        {"traceparent: 0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", false},
        {"traceparent: 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", false},
        {"traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\n", false},
        {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\n", false},
        {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n", false},
        {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x\n", false},
        {"traceparent: 00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", false},
        {"traceparent: \n", false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i].in);
        LK_CHECK_MSG(lk_mark_tracestate_usable(&t.headers) == table[i].usable, "%s", table[i].in);
        header_text_fini(&t);
    }
}

LK_TEST(mark_tracestate, one_bad_member_spoils_the_list)
{
    static const struct {
        const char *list;
        bool usable;
    } table[] = {
        {"", true},          {"a=1,b=2", true}, {"a=1 ,\t b=2,", true}, {",,", true},          {"a= 1", true},
        {"a=x y:;!~", true}, {"foo@=1", true},  {"a=1,a=2", true},      {"@foo=1,b=2", false}, {"a", false},
        {"a=", false},       {"a=b=c", false},  {"A=1", false},         {"a.b=1", false},      {"a =1", false},
        {"=1", false},       {"a=\x7f", false}, {"a=\xc3\xa9", false},  {"a=1;b=2", false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        char in[256];
        snprintf(in, sizeof(in), TP "tracestate: %s\n", table[i].list);
        header_text_init(&t, in);
        LK_CHECK_MSG(lk_mark_tracestate_usable(&t.headers) == table[i].usable, "%s", table[i].list);
        header_text_fini(&t);
    }
}

LK_TEST(mark_tracestate, tells_our_member_from_others)
{
    struct lk_str value;
    LK_CHECK(lk_mark_tracestate_value(LK_STR("lk=g"), lk, &value));
    LK_CHECK_LKSTR(value, "g");
    LK_CHECK(lk_mark_tracestate_value(LK_STR("lk= g"), lk, &value));
    LK_CHECK_LKSTR(value, " g");
    LK_CHECK(!lk_mark_tracestate_value(LK_STR("lkx=g"), lk, &value));
    LK_CHECK(!lk_mark_tracestate_value(LK_STR("l=g"), lk, &value));
    LK_CHECK(!lk_mark_tracestate_value(LK_STR("lk"), lk, &value));
}

LK_TEST(mark_tracestate, set_puts_our_member_to_the_far_left)
{
    static const char *const table[][2] = {
        {TP, TP "tracestate: lk=g\n"},
        {TP "tracestate: a=1 , b= 2\nvia: x\ntracestate: c=3\n", TP "tracestate: lk=g,a=1,b= 2,c=3\nvia: x\n"},
        {TP "tracestate: a=1,lk=old,b=2,lk=older\n", TP "tracestate: lk=g,a=1,b=2\n"},
        /* spoilt: the others are lost anyway */
        {TP "tracestate: a=1,@b=2,lk=old\n", TP "tracestate: lk=g\n"},
        /* no context: ours goes, the rest is not ours to judge */
        {"tracestate: a=1,lk=old\n", "tracestate: a=1\n"},
        {TP TP "tracestate: lk=old\n", TP TP},
        {"via: x\n", "via: x\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        lk_mark_tracestate_set(&t.headers, lk, LK_STR("g"));
        CHECK_HEADERS(&t, table[i][1]);
        lk_mark_tracestate_set(&t.headers, lk, LK_STR("g"));
        CHECK_HEADERS(&t, table[i][1]);
        header_text_fini(&t);
    }
}

LK_TEST(mark_tracestate, remove_keeps_others_even_of_a_spoilt_list)
{
    static const char *const table[][2] = {
        {"via: x\n", NULL},
        {"tracestate: a=1 , b=2\ntracestate: c=3\n", NULL},
        {"tracestate: lk=g\n", ""},
        {"tracestate: a=1 , lk=g,b= 2\ntracestate: lk=h\n", "tracestate: a=1,b= 2\n"},
        {"tracestate: @a=1,lk=g,B\n", "tracestate: @a=1,B\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        LK_CHECK_EQ_INT(lk_mark_tracestate_remove(&t.headers, lk), table[i][1] != NULL);
        CHECK_HEADERS(&t, table[i][1] != NULL ? table[i][1] : table[i][0]);
        header_text_fini(&t);
    }
}

/* "k0=v" ... of `count` members, the one at `long_at` longer than 128 bytes, then `tail`. */
static void many(char *text, size_t cap, unsigned count, int long_at, const char *tail)
{
    size_t used = (size_t)snprintf(text, cap, TP "tracestate: ");
    for (unsigned i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, cap - used, "%sk%u=%0*d", i > 0 ? "," : "", i,
                                 long_at == (int)i ? 130 : 1, 7);
    snprintf(text + used, cap - used, "%s\n", tail);
}

static bool carries(const struct header_text *t, const char *part)
{
    struct lk_str line = lk_headers_get(&t->headers, LK_HEADER_TRACESTATE);
    return lk_str_find(line, lk_str_from(part)) <= line.len;
}

static unsigned count_members(const struct header_text *t)
{
    struct lk_header_key key = {LK_HEADER_TRACESTATE, LK_STR("tracestate")};
    struct lk_list_iter iter;
    struct lk_str member;
    unsigned members = 0;
    lk_list_begin(&iter, &t->headers, &key);
    while (lk_list_next(&iter, &member))
        members++;
    return members;
}

LK_TEST(mark_tracestate, the_33rd_member_makes_room)
{
    static const struct {
        unsigned count;
        int long_at;
        const char *tail;
        unsigned members;
        const char *gone; /* NULL: none */
    } table[] = {
        {31, -1, "", 32, NULL}, {32, -1, "", 32, "k31="},    {32, 5, "", 32, "k5="},
        {31, 5, "", 32, NULL},  {31, -1, ",lk=o", 32, NULL}, {33, -1, "", 1, "k0="},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        char in[2048];
        many(in, sizeof(in), table[i].count, table[i].long_at, table[i].tail);
        header_text_init(&t, in);
        lk_mark_tracestate_set(&t.headers, lk, LK_STR("g"));
        LK_CHECK_EQ_UINT(count_members(&t), table[i].members);
        LK_CHECK(lk_str_has_prefix(lk_headers_get(&t.headers, LK_HEADER_TRACESTATE), LK_STR("lk=g")));
        for (unsigned k = 0; k < table[i].count && table[i].members > 1; k++) {
            char key[16];
            snprintf(key, sizeof(key), "k%u=", k);
            bool gone = table[i].gone != NULL && strcmp(key, table[i].gone) == 0;
            LK_CHECK_MSG(carries(&t, key) == !gone, "row %zu: %s", i, key);
        }
        header_text_fini(&t);
    }
}
