/* sw8-correlation as a carrier: items of base64, fewer than three keys. */
#include "proxy/lane/mark_correlation.h"
#include "test/support/header_text.h"

static const struct lk_str lane = LK_STR_INIT("lane");

LK_TEST(mark_correlation, decodes_items_of_our_key)
{
    static const struct {
        const char *item;
        const char *value; /* NULL: another key; "!": the item itself */
    } table[] = {
        {"bGFuZQ==:Zw==", "g"},
        {"bGFuZQ:Zw", "g"},
        {"bGFuZQ==:Z3JheS12Mg==", "gray-v2"},
        {"bGFuZR==:Zw==", "g"}, /* unused bits: the same bytes */
        {"bGFuZQ==:", ""},
        {"bGFuZQ==", ""},
        {"bGFuZQ==:Z", "!"},
        {"bGFuZQ==:Zw=", "!"},
        {"bGFuZQ==:Z===", "!"},
        {"bGFuZQ==:Zw==:x", "!"},
        {"bGFuZQ==:Z w=", "!"},
        {"bGFuZQ==:Zw-_", "g\x0f\xbf"}, /* the other alphabet */
        {"bGFuZQ===:Zw==", NULL},
        {"a2V5:Zw==", NULL},
        {":Zw==", NULL},
        {"lane:Zw==", NULL},
        {"TGFuZQ==:Zw==", NULL},
        {"", NULL},
    };
    struct lk_arena arena;
    lk_arena_init(&arena);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct lk_str item = lk_str_from(table[i].item);
        struct lk_str value;
        LK_CHECK_MSG(lk_mark_correlation_value(item, lane, &arena, &value) == (table[i].value != NULL), "%s",
                     table[i].item);
        if (table[i].value != NULL)
            LK_CHECK_LKSTR(value, strcmp(table[i].value, "!") == 0 ? table[i].item : table[i].value);
    }
    lk_arena_reset(&arena);
}

LK_TEST(mark_correlation, a_value_of_128_bytes_is_too_long)
{
    struct lk_arena arena;
    struct lk_str value;
    char item[256] = "bGFuZQ==:";
    lk_arena_init(&arena);
    memset(item + 9, 'A', 170); /* 127 bytes and 4 bits */
    LK_CHECK(lk_mark_correlation_value(lk_str(item, 9 + 170), lane, &arena, &value));
    LK_CHECK_EQ_UINT(value.len, 127);
    memset(item + 9, 'A', 171);
    LK_CHECK(lk_mark_correlation_value(lk_str(item, 9 + 171), lane, &arena, &value));
    LK_CHECK_LKSTR_EQ(value, lk_str(item, 9 + 171));
    lk_arena_reset(&arena);
}

LK_TEST(mark_correlation, set_writes_where_the_key_count_allows)
{
    static const char *const table[][2] = {
        {"", "sw8-correlation: bGFuZQ==:Z3JheQ==\n"},
        {"sw8-correlation: \n", "sw8-correlation: bGFuZQ==:Z3JheQ==\n"},
        {"sw8-correlation: YQ==:MQ==\n", "sw8-correlation: bGFuZQ==:Z3JheQ==,YQ==:MQ==\n"},
        {"sw8-correlation: YQ:MQ , bGFuZQ:eA\n", "sw8-correlation: bGFuZQ==:Z3JheQ==,YQ:MQ\n"},
        /* with ours there would be three keys: the old value goes all the same */
        {"sw8-correlation: YQ==:MQ==,Yg==:Mg==\n", "sw8-correlation: YQ==:MQ==,Yg==:Mg==\n"},
        {"sw8-correlation: YQ==:MQ==,bGFuZQ==:eA==\nsw8-correlation: Yg==:Mg==\n",
         "sw8-correlation: YQ==:MQ==,Yg==:Mg==\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        lk_mark_correlation_set(&t.headers, lane, LK_STR("gray"));
        CHECK_HEADERS(&t, table[i][1]);
        header_text_fini(&t);
    }
}

LK_TEST(mark_correlation, what_is_set_is_read_back)
{
    char value[LK_CORRELATION_VALUE_MAX + 1];
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)('!' + i * 7 % 90);
    for (size_t len = 1; len <= sizeof(value); len++) {
        struct header_text t;
        struct lk_str found;
        header_text_init(&t, "");
        lk_mark_correlation_set(&t.headers, lk_str(value, len), lk_str(value, len));
        struct lk_str line = lk_headers_get(&t.headers, LK_HEADER_SW8_CORRELATION);
        bool fits = len <= LK_CORRELATION_VALUE_MAX;
        LK_CHECK_EQ_UINT(line.len, fits ? (len + 2) / 3 * 8 + 1 : 0);
        if (fits) {
            LK_CHECK(lk_mark_correlation_value(line, lk_str(value, len), &t.arena, &found));
            LK_CHECK_LKSTR_EQ(found, lk_str(value, len));
        }
        header_text_fini(&t);
    }
}

LK_TEST(mark_correlation, remove_keeps_other_items)
{
    static const char *const table[][2] = {
        {"", NULL},
        {"sw8-correlation: YQ==:MQ== , x\n", NULL},
        {"sw8-correlation: bGFuZQ==:Zw==\n", ""},
        {"sw8-correlation: YQ==:MQ== , bGFuZQ:Zw, !junk:::\n", "sw8-correlation: YQ==:MQ==,!junk:::\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i][0]);
        LK_CHECK_EQ_INT(lk_mark_correlation_remove(&t.headers, lane), table[i][1] != NULL);
        CHECK_HEADERS(&t, table[i][1] != NULL ? table[i][1] : table[i][0]);
        header_text_fini(&t);
    }
}
