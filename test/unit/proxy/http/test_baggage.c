/* W3C baggage: members of others byte for byte, ours first, both limits. */
#include "proxy/http/baggage.h"
#include "test/support/header_text.h"

static const struct lk_str lane = LK_STR_INIT("lane");

/* All values of "lane" the reader sees, decoded, each in brackets. */
static void check_values(const char *in, const char *expected)
{
    struct header_text t;
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    char text[256] = "";
    header_text_init(&t, in);
    lk_baggage_begin(&iter, &t.headers);
    while (lk_baggage_find(&iter, lane, &member)) {
        struct lk_str value = lk_baggage_decode(&t.arena, member.value);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.*s]", LK_STR_ARG(value));
    }
    LK_CHECK_STR(text, expected);
    header_text_fini(&t);
}

LK_TEST(baggage, finds_every_value_of_a_key_in_order)
{
    static const char *const table[][2] = {
        {"", ""},
        {"baggage: \n", ""},
        {"baggage: lane=g\n", "[g]"},
        {"baggage: lane = g ; p=1;q\n", "[g]"},
        {"baggage: lane\t=\tg\n", "[g]"},
        {"baggage: a=1, lane=g;lane=h\n", "[g]"},
        {"baggage: lane=g,lane=h\nbaggage: lane=i\n", "[g][h][i]"},
        {"Baggage: a=1\nbaggage: lane=g\n", "[g]"},
        {"baggage: lane=a=b=\n", "[a=b=]"},
        {"baggage: lane=\n", "[]"},
        {"baggage: lane=;p\n", "[]"},
        {"baggage: lane=gray%2Dv2\n", "[gray-v2]"},
        {"baggage: lane=%67%2c%68\n", "[g,h]"},
        {"baggage: lane=100%,lane=%zz,lane=%4\n", "[100%][%zz][%4]"},
        /* other keys and no keys */
        {"baggage: Lane=g,lanes=g,la ne=g,xlane=g,=g,=\n", ""},
        {"baggage: lane,lane;x=1,;lane=g,lane;=g\n", ""},
        {"x-baggage: lane=g\n", ""},
        /* a comma always separates: there is no quoting */
        {"baggage: a=\"x,lane=g,y\"\n", "[g]"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_values(table[i][0], table[i][1]);
}

LK_TEST(baggage, tells_quickly_where_a_key_cannot_stand)
{
    static const struct {
        const char *in;
        bool maybe;
    } rows[] = {
        {"", false},
        {"baggage: userId=alice\n", false},
        {"baggage: userId=alice,lane=g\n", true},
        {"baggage: userId=alice\nbaggage: lane=g\n", true},
        {"baggage: x=lane\n", true}, /* it says maybe */
        {"baggage: lan\n", false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct header_text t;
        header_text_init(&t, rows[i].in);
        LK_CHECK_MSG(lk_baggage_maybe(&t.headers, lane) == rows[i].maybe, "%s", rows[i].in);
        header_text_fini(&t);
    }
}

LK_TEST(baggage, bad_utf8_becomes_replacement_characters)
{
    static const char *const table[][2] = {
        {"baggage: lane=caf%C3%A9\n", "[caf\xc3\xa9]"},
        {"baggage: lane=%F0%9F%98%80\n", "[\xf0\x9f\x98\x80]"},
        {"baggage: lane=a%FFb\n", "[a\xef\xbf\xbd"
                                  "b]"},
        {"baggage: lane=%C3\n", "[\xef\xbf\xbd]"},
        {"baggage: lane=%C3%28\n", "[\xef\xbf\xbd(]"},
        {"baggage: lane=%ED%A0%80\n", "[\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]"},
        {"baggage: lane=\xff"
         "g\n",
         "[\xef\xbf\xbdg]"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)
        check_values(table[i][0], table[i][1]);
}

LK_TEST(baggage, gives_text_key_and_value_of_each_member)
{
    struct header_text t;
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    header_text_init(&t, "baggage: a = b%20c ;p = 1, junk\n");
    lk_baggage_begin(&iter, &t.headers);
    LK_CHECK(lk_baggage_next(&iter, &member));
    LK_CHECK_LKSTR(member.text, "a = b%20c ;p = 1");
    LK_CHECK_LKSTR(member.key, "a");
    LK_CHECK_LKSTR(member.value, "b%20c");
    LK_CHECK(lk_baggage_next(&iter, &member));
    LK_CHECK_LKSTR(member.text, "junk");
    LK_CHECK_EQ_UINT(member.key.len, 0);
    LK_CHECK(!lk_baggage_next(&iter, &member));
    header_text_fini(&t);
}

LK_TEST(baggage, set_writes_one_line_with_our_member_first)
{
    static const char *const table[][2] = {
        {"", "baggage: lane=g\n"},
        {"via: x\n", "via: x\nbaggage: lane=g\n"},
        {"baggage: \n", "baggage: lane=g\n"},
        {"baggage: a=1\n", "baggage: lane=g,a=1\n"},
        {"baggage: lane=g\n", "baggage: lane=g\n"},
        {"baggage: a=1, lane=old;p=1 ,b=2\n", "baggage: lane=g,a=1,b=2\n"},
        {"baggage: lane=1,a=1,lane=2\nbaggage: lane=3\n", "baggage: lane=g,a=1\n"},
        {"Baggage: a=1\nvia: x\nbaggage: b=2\n", "Baggage: lane=g,a=1,b=2\nvia: x\n"},
        {"baggage: a = b%20%2C ; p = 1;q,c=%zz\n", "baggage: lane=g,a = b%20%2C ; p = 1;q,c=%zz\n"},
        {"baggage: junk,=,;;,x y=z,lane\n", "baggage: lane=g,junk,=,;;,x y=z,lane\n"},
        {"baggage: ,,a=1,,\n", "baggage: lane=g,a=1\n"},
        {"baggage: k=\"a, b\"\n", "baggage: lane=g,k=\"a,b\"\n"},
        {"baggage: k=\xff\x80\n", "baggage: lane=g,k=\xff\x80\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("g")));
        CHECK_HEADERS(&t, table[i][1]);
        LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("g")));
        CHECK_HEADERS(&t, table[i][1]);
        header_text_fini(&t);
    }
}

LK_TEST(baggage, set_encodes_what_a_value_may_not_hold)
{
    struct header_text t;
    header_text_init(&t, "");
    LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("a b,c;d\\e\"f%g=h\xc3\xa9\x7f\t!~")));
    CHECK_HEADERS(&t, "baggage: lane=a%20b%2Cc%3Bd%5Ce%22f%25g=h%C3%A9%7F%09!~\n");
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    lk_baggage_begin(&iter, &t.headers);
    LK_CHECK(lk_baggage_find(&iter, lane, &member));
    LK_CHECK_LKSTR(lk_baggage_decode(&t.arena, member.value), "a b,c;d\\e\"f%g=h\xc3\xa9\x7f\t!~");
    header_text_fini(&t);
}

/* "baggage: k0=vvv,k1=vvv,..." of `count` members of `size` bytes each, then the tail. */
static char *many(unsigned count, unsigned size, const char *separator, const char *tail)
{
    size_t cap = 32 + (size_t)count * (size + strlen(separator)) + strlen(tail);
    char *text = lk_malloc(cap);
    size_t used = (size_t)snprintf(text, cap, "baggage: ");
    for (unsigned i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, cap - used, "%s%02u=", i > 0 ? separator : "", i);
        memset(text + used, 'v', size - 3);
        used += size - 3;
    }
    snprintf(text + used, cap - used, "%s\n", tail);
    return text;
}

/* What says so is left alone, blanks between members included. */
LK_TEST(baggage, tells_whether_it_is_as_set_would_leave_it)
{
    static const struct {
        const char *in;
        bool says;
    } table[] = {
        {"", false},
        {"baggage: lane=g\n", true},
        {"via: 1\nBaggage: lane=g,a=1 ;p , b\n", true},
        {"baggage: lane=g,Lane=h\n", true},
        {"baggage: lane=g,x=lane\n", false}, /* sure only when the key is nowhere */
        {"baggage: lane=g,lane=g\n", false},
        {"baggage: lane=g;p\n", false},
        {"baggage: lane=gg\n", false},
        {"baggage: lane=\n", false},
        {"baggage: lane\n", false},
        {"baggage: lane =g\n", false},
        {"baggage:  lane=g\n", false},
        {"baggage: a=1,lane=g\n", false},
        {"baggage: lane=g\nbaggage: a=1\n", false},
        {"baggage: lane=g\nbaggage: \n", false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i].in);
        LK_CHECK_MSG(lk_baggage_says(&t.headers, lane, LK_STR("g")) == table[i].says, "%s", table[i].in);
        if (table[i].says) {
            LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("g")));
            CHECK_HEADERS(&t, table[i].in);
        }
        header_text_fini(&t);
    }
}

LK_TEST(baggage, what_is_beyond_the_limits_is_not_as_set_would_leave_it)
{
    static const struct {
        unsigned count, size;
        bool says;
    } table[] = {
        {63, 10, true}, {64, 10, false}, {63, 130, false}, {1, 8185, true}, {1, 8186, false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        char *in = many(table[i].count, table[i].size, ",", "");
        char *with = lk_malloc(strlen(in) + 8);
        sprintf(with, "baggage: lane=g,%s", in + strlen("baggage: "));
        header_text_init(&t, with);
        LK_CHECK_MSG(lk_baggage_says(&t.headers, lane, LK_STR("g")) == table[i].says, "row %zu", i);
        LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("g")));
        LK_CHECK(lk_baggage_says(&t.headers, lane, LK_STR("g")));
        header_text_fini(&t);
        lk_free(with);
        lk_free(in);
    }
}

LK_TEST(baggage, remove_keeps_the_members_of_others)
{
    static const char *const table[][2] = {
        {"", NULL},
        {"baggage: a=1 , b=2\nbaggage: c=3\n", NULL},
        {"baggage: lane,Lane=g,x=lane\n", NULL},
        {"baggage: lane=g\n", ""},
        {"baggage: lane=g,,\nvia: x\nbaggage: lane=h;p\n", "via: x\n"},
        {"baggage: lane=g,k=v\n", "baggage: k=v\n"},
        {"baggage: k = v ; p , lane=g\nbaggage: m=%20\n", "baggage: k = v ; p,m=%20\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        LK_CHECK_EQ_INT(lk_baggage_remove(&t.headers, lane), table[i][1] != NULL);
        CHECK_HEADERS(&t, table[i][1] != NULL ? table[i][1] : table[i][0]);
        header_text_fini(&t);
    }
}

static void check_shape(struct header_text *t, unsigned members, size_t bytes)
{
    struct lk_header_key key = {LK_HEADER_BAGGAGE, LK_STR("baggage")};
    struct lk_list_iter iter;
    struct lk_str member;
    unsigned seen = 0;
    const struct lk_header *line = lk_headers_find(&t->headers, LK_HEADER_BAGGAGE);
    LK_CHECK_NOT_NULL(line);
    LK_CHECK_NULL(lk_headers_next(&t->headers, line));
    LK_CHECK_EQ_UINT(line->value.len, bytes);
    lk_list_begin(&iter, &t->headers, &key);
    while (lk_list_next(&iter, &member)) {
        char head[16];
        snprintf(head, sizeof(head), "%02u=", seen > 0 ? seen - 1 : 0);
        LK_CHECK(lk_str_has_prefix(member, seen > 0 ? lk_str_from(head) : LK_STR("lane=g")));
        seen++;
    }
    LK_CHECK_EQ_UINT(seen, members);
}

LK_TEST(baggage, whole_members_are_dropped_from_the_tail)
{
    static const struct {
        unsigned count, size;
        unsigned members;
        size_t bytes;
    } table[] = {
        {63, 10, 64, 6 + 63 * 11},   /* just fits */
        {64, 10, 64, 6 + 63 * 11},   /* one member too many */
        {64, 127, 64, 6 + 63 * 128}, /* 64 members and 8191 bytes came in */
        {100, 10, 64, 6 + 63 * 11},  /* far too many */
        {8, 1022, 9, 6 + 8 * 1023},  /* 8190 bytes */
        {2, 8000, 2, 6 + 8001},      /* the second does not fit */
        {1, 8185, 2, 8192},          /* to the byte */
        {1, 8186, 1, 6},             /* one byte more */
        {1, 60000, 1, 6},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        char *in = many(table[i].count, table[i].size, ", ", "");
        header_text_init(&t, in);
        LK_CHECK(lk_baggage_set(&t.headers, lane, LK_STR("g")));
        check_shape(&t, table[i].members, table[i].bytes);
        lk_free(in);
        header_text_fini(&t);
    }
}

static unsigned count_members(const struct lk_headers *headers)
{
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    unsigned members = 0;
    lk_baggage_begin(&iter, headers);
    while (lk_baggage_next(&iter, &member))
        members++;
    LK_CHECK(!lk_baggage_next(&iter, &member));
    return members;
}

LK_TEST(baggage, members_behind_the_limits_are_not_read)
{
    static const struct {
        unsigned count, size;
        const char *separator;
        unsigned read;
    } table[] = {
        {64, 10, ",", 64}, {65, 10, ",", 64}, {64, 127, ",", 64}, {64, 127, " ,\t", 64}, {64, 128, ",", 63},
        {1, 8192, ",", 1}, {1, 8193, ",", 0}, {2, 4096, ",", 1},  {64, 127, ",,,", 64},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        char *in = many(table[i].count, table[i].size, table[i].separator, "");
        header_text_init(&t, in);
        LK_CHECK_EQ_UINT(count_members(&t.headers), table[i].read);
        lk_free(in);
        header_text_fini(&t);
    }
}

LK_TEST(baggage, a_key_behind_the_limits_is_not_found_but_removed)
{
    struct header_text t;
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    char *in = many(64, 10, ",", ",lane=g");
    header_text_init(&t, in);
    lk_baggage_begin(&iter, &t.headers);
    LK_CHECK(!lk_baggage_find(&iter, lane, &member));
    LK_CHECK(lk_baggage_remove(&t.headers, lane));
    LK_CHECK_EQ_UINT(count_members(&t.headers), 64);
    LK_CHECK_EQ_UINT(lk_str_find(lk_headers_get(&t.headers, LK_HEADER_BAGGAGE), LK_STR("lane")),
                     lk_headers_get(&t.headers, LK_HEADER_BAGGAGE).len + 1);
    lk_free(in);
    header_text_fini(&t);
}

LK_TEST(baggage, a_member_longer_than_the_limit_changes_nothing)
{
    struct header_text t;
    char *value = lk_malloc(9000);
    memset(value, 'v', 9000);
    header_text_init(&t, "baggage: a=1, lane=g\n");
    LK_CHECK(!lk_baggage_set(&t.headers, lane, lk_str(value, 9000)));
    LK_CHECK(!lk_baggage_set(&t.headers, lane, lk_str(value, 8188)));
    memset(value, ' ', 9000);
    LK_CHECK(!lk_baggage_set(&t.headers, lane, lk_str(value, 2730)));
    value[0] = 'v'; /* 5 + 1 + 2729 * 3 = 8193 */
    LK_CHECK(!lk_baggage_set(&t.headers, lane, lk_str(value, 2730)));
    value[0] = ' ';
    CHECK_HEADERS(&t, "baggage: a=1, lane=g\n");
    LK_CHECK(lk_baggage_set(&t.headers, lane, lk_str(value, 2729)));
    LK_CHECK_EQ_UINT(lk_headers_get(&t.headers, LK_HEADER_BAGGAGE).len, 5 + 2729 * 3);
    lk_free(value);
    header_text_fini(&t);
}
