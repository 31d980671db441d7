/* The header block. */
#include "proxy/base/mem.h"
#include "proxy/http/headers.h"
#include "test/support/lk_test.h"

struct block {
    struct lk_arena arena;
    struct lk_headers headers;
};

static struct block *block_new(void)
{
    struct block *b = lk_malloc(sizeof(*b));
    lk_arena_init(&b->arena);
    lk_headers_init(&b->headers, &b->arena);
    return b;
}

static void block_free(struct block *b)
{
    lk_arena_reset(&b->arena);
    lk_free(b);
}

static void add(struct block *b, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&b->arena, lk_str_from(name));
    lk_headers_add_raw(&b->headers, key.id, lk_str_from(name), lk_str_from(value));
}

static void check_text(const struct lk_headers *headers, const char *expected)
{
    char text[1024] = "";
    size_t used = 0;
    uint32_t bytes = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        int n = snprintf(text + used, sizeof(text) - used, "%.*s=%.*s;", LK_STR_ARG(h->name), LK_STR_ARG(h->value));
        used += (size_t)n;
        bytes += (uint32_t)(h->name.len + h->value.len);
    }
    LK_CHECK_STR(text, expected);
    LK_CHECK_EQ_UINT(headers->bytes, bytes);
}

LK_TEST(headers, keeps_order_case_and_repetition)
{
    struct block *b = block_new();
    add(b, "X-One", "1");
    add(b, "Cookie", "a");
    add(b, "x-one", "2");
    check_text(&b->headers, "X-One=1;Cookie=a;x-one=2;");
    block_free(b);
}

LK_TEST(headers, finds_by_id_key_and_name_in_any_case)
{
    struct block *b = block_new();
    add(b, "Content-Type", "text/plain");
    add(b, "X-Custom", "1");
    struct lk_header_key known = lk_header_key(&b->arena, LK_STR("CONTENT-TYPE"));
    struct lk_header_key other = lk_header_key(&b->arena, LK_STR("x-CUSTOM"));
    LK_CHECK_EQ_INT(known.id, LK_HEADER_CONTENT_TYPE);
    LK_CHECK_LKSTR(known.name, "content-type");
    LK_CHECK_EQ_INT(other.id, LK_HEADER_OTHER);
    LK_CHECK_LKSTR(other.name, "x-custom");
    LK_CHECK_LKSTR(lk_headers_get(&b->headers, LK_HEADER_CONTENT_TYPE), "text/plain");
    LK_CHECK_LKSTR(lk_headers_find_key(&b->headers, &known)->value, "text/plain");
    LK_CHECK_LKSTR(lk_headers_find_key(&b->headers, &other)->value, "1");
    LK_CHECK_LKSTR(lk_headers_find_name(&b->headers, LK_STR("X-cUsToM"))->value, "1");
    LK_CHECK_NULL(lk_headers_find_name(&b->headers, LK_STR("x-customs")));
    LK_CHECK_NULL(lk_headers_find(&b->headers, LK_HEADER_COOKIE));
    LK_CHECK_NULL(lk_headers_find(&b->headers, LK_HEADER_OTHER));
    LK_CHECK_NULL(lk_headers_get(&b->headers, LK_HEADER_COOKIE).ptr);
    block_free(b);
}

LK_TEST(headers, nothing_is_found_in_an_empty_block)
{
    struct block *b = block_new();
    LK_CHECK_NULL(lk_headers_find_name(&b->headers, LK_STR("x")));
    LK_CHECK_NULL(lk_headers_find(&b->headers, LK_HEADER_DATE));
    LK_CHECK_EQ_UINT(lk_headers_remove(&b->headers, LK_HEADER_DATE), 0);
    LK_CHECK_EQ_UINT(lk_headers_status(&b->headers), 0);
    block_free(b);
}

LK_TEST(headers, next_walks_one_name)
{
    struct block *b = block_new();
    add(b, "x-a", "1");
    add(b, "via", "v");
    add(b, "x-b", "2");
    add(b, "X-A", "3");
    add(b, "Via", "w");
    struct lk_header *h = lk_headers_find_name(&b->headers, LK_STR("x-a"));
    h = lk_headers_next(&b->headers, h);
    LK_CHECK_LKSTR(h->value, "3");
    LK_CHECK_NULL(lk_headers_next(&b->headers, h));
    h = lk_headers_next(&b->headers, lk_headers_find(&b->headers, LK_HEADER_VIA));
    LK_CHECK_LKSTR(h->value, "w");
    block_free(b);
}

LK_TEST(headers, joins_values_with_commas)
{
    struct block *b = block_new();
    struct lk_header_key key = lk_header_key(&b->arena, LK_STR("x-a"));
    LK_CHECK_NULL(lk_headers_get_joined(&b->headers, &key).ptr);
    add(b, "x-a", "1");
    LK_CHECK_LKSTR(lk_headers_get_joined(&b->headers, &key), "1");
    add(b, "X-A", "");
    add(b, "x-a", "3, 4");
    LK_CHECK_LKSTR(lk_headers_get_joined(&b->headers, &key), "1,,3, 4");
    block_free(b);
}

LK_TEST(headers, set_replaces_the_first_and_drops_the_others)
{
    struct block *b = block_new();
    add(b, "Via", "1");
    add(b, "x-a", "1");
    add(b, "via", "2");
    add(b, "X-A", "2");
    lk_headers_set(&b->headers, LK_HEADER_VIA, LK_STR("longer value"));
    struct lk_header_key key = lk_header_key(&b->arena, LK_STR("x-a"));
    lk_headers_set_key(&b->headers, &key, LK_STR(""));
    lk_headers_set(&b->headers, LK_HEADER_DATE, LK_STR("today"));
    check_text(&b->headers, "Via=longer value;x-a=;date=today;");
    block_free(b);
}

LK_TEST(headers, removed_entries_are_gone_from_every_view)
{
    struct block *b = block_new();
    add(b, "via", "1");
    add(b, "x-a", "1");
    add(b, "via", "2");
    add(b, "x-a", "2");
    LK_CHECK_EQ_UINT(lk_headers_remove(&b->headers, LK_HEADER_VIA), 2);
    LK_CHECK(!lk_headers_maybe(&b->headers, LK_HEADER_VIA));
    struct lk_header *first = lk_headers_find_name(&b->headers, LK_STR("x-a"));
    lk_headers_remove_entry(&b->headers, first);
    lk_headers_remove_entry(&b->headers, first);
    check_text(&b->headers, "x-a=2;");
    struct lk_header_key key = lk_header_key(&b->arena, LK_STR("X-A"));
    LK_CHECK_EQ_UINT(lk_headers_remove_key(&b->headers, &key), 1);
    check_text(&b->headers, "");
    add(b, "via", "3");
    LK_CHECK_LKSTR(lk_headers_get(&b->headers, LK_HEADER_VIA), "3");
    block_free(b);
}

LK_TEST(headers, grows_far_beyond_its_first_room)
{
    struct block *b = block_new();
    char names[500][16];
    for (int i = 0; i < 500; i++) {
        snprintf(names[i], sizeof(names[i]), "x-%d", i);
        add(b, names[i], names[i]);
    }
    for (int i = 0; i < 500; i++)
        LK_CHECK_LKSTR(lk_headers_find_name(&b->headers, lk_str_from(names[i]))->value, names[i]);
    LK_CHECK_EQ_INT(b->headers.count, 500);
    block_free(b);
}

LK_TEST(headers, a_copy_has_its_own_entries)
{
    struct block *b = block_new();
    add(b, "via", "1");
    add(b, "x-gone", "1");
    lk_headers_remove_entry(&b->headers, lk_headers_find_name(&b->headers, LK_STR("x-gone")));
    struct lk_headers copy;
    lk_headers_copy(&copy, &b->headers, &b->arena);
    lk_headers_set(&copy, LK_HEADER_VIA, LK_STR("2"));
    check_text(&copy, "via=2;");
    check_text(&b->headers, "via=1;");
    LK_CHECK_EQ_INT(copy.count, 1);
    block_free(b);
}

LK_TEST(headers, a_clone_has_its_own_bytes)
{
    struct block *b = block_new();
    char name[] = "X-Name";
    char value[] = "value";
    add(b, name, value);
    add(b, "via", "");
    struct lk_headers clone;
    struct lk_arena arena;
    lk_arena_init(&arena);
    lk_headers_clone(&clone, &b->headers, &arena);
    memset(name, '#', sizeof(name) - 1);
    memset(value, '#', sizeof(value) - 1);
    block_free(b);
    check_text(&clone, "X-Name=value;via=;");
    lk_arena_reset(&arena);
}

LK_TEST(headers, copies_of_nothing_are_empty)
{
    struct block *b = block_new();
    struct lk_headers copy;
    lk_headers_clone(&copy, &b->headers, &b->arena);
    check_text(&copy, "");
    block_free(b);
}

LK_TEST(headers, status_is_a_number_of_three_digits)
{
    struct block *b = block_new();
    lk_headers_set_status(&b->headers, 503);
    LK_CHECK_EQ_UINT(lk_headers_status(&b->headers), 503);
    check_text(&b->headers, ":status=503;");
    lk_headers_set_status(&b->headers, 100);
    LK_CHECK_EQ_UINT(lk_headers_status(&b->headers), 100);
    static const char *const bad[] = {"", "20", "2000", "2x0", "-10", "+20"};
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++) {
        lk_headers_set(&b->headers, LK_HEADER_STATUS, lk_str_from(bad[i]));
        LK_CHECK_EQ_UINT(lk_headers_status(&b->headers), 0);
    }
    block_free(b);
}

LK_TEST(headers, finds_tokens_in_lists)
{
    struct lk_str close = LK_STR("close");
    static const char *const with[] = {"close",          "Close",  " close ", "keep-alive,close",
                                       "a , CLOSE\t, b", ",close", "close,"};
    static const char *const without[] = {"", "closed", "a close", "clo,se", "clos", "x-close", ",,"};
    for (size_t i = 0; i < LK_ARRAY_LEN(with); i++)
        LK_CHECK_MSG(lk_header_has_token(lk_str_from(with[i]), close), "%s", with[i]);
    for (size_t i = 0; i < LK_ARRAY_LEN(without); i++)
        LK_CHECK_MSG(!lk_header_has_token(lk_str_from(without[i]), close), "%s", without[i]);
}
