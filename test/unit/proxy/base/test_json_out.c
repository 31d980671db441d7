/* JSON in pieces: layout, escapes, numbers, misuse of nothing. */
#include "proxy/base/json_out.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <math.h>

struct text {
    char bytes[4096];
    size_t len;
};

static void take(void *arg, const char *data, size_t len)
{
    struct text *text = arg;

    LK_CHECK(text->len + len < sizeof(text->bytes));
    memcpy(text->bytes + text->len, data, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

LK_TEST(json_out, lays_out_objects_and_lists)
{
    struct text text = {.len = 0};
    struct lk_json_out out = {.write = take, .arg = &text};

    lk_json_object(&out, NULL);
    lk_json_uint(&out, "n", UINT64_MAX);
    lk_json_list(&out, "list");
    lk_json_text(&out, NULL, LK_STR("a"));
    lk_json_object(&out, NULL);
    lk_json_end(&out);
    lk_json_end(&out);
    lk_json_list(&out, "none");
    lk_json_end(&out);
    lk_json_object_at(&out, LK_STR("a\"b"));
    lk_json_bool(&out, "yes", true);
    lk_json_null(&out, "no");
    lk_json_end(&out);
    lk_json_text_at(&out, LK_STR("k\n"), LK_STR("v"));
    lk_json_end(&out);
    LK_CHECK_STR(text.bytes, "{\n \"n\": 18446744073709551615,\n \"list\": [\n  \"a\",\n  {}\n ],\n \"none\": [],\n"
                             " \"a\\\"b\": {\n  \"yes\": true,\n  \"no\": null\n },\n \"k\\n\": \"v\"\n}\n");
}

LK_TEST(json_out, escapes_texts)
{
    static const struct {
        struct lk_str in;
        const char *out;
    } rows[] = {
        {LK_STR_INIT(""), "\"\""},
        {LK_STR_INIT("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
        {LK_STR_INIT("\n\r\t"), "\"\\n\\r\\t\""},
        {LK_STR_INIT("\0\x1f\x7f"), "\"\\u0000\\u001f\\u007f\""},
        {LK_STR_INIT("gr\xc3\xbcn \xf0\x9f\x9a\x80"), "\"gr\xc3\xbcn \xf0\x9f\x9a\x80\""},
        {LK_STR_INIT("\xff-\xc3"), "\"\xef\xbf\xbd-\xef\xbf\xbd\""},
        {LK_STR_INIT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct text text = {.len = 0};
        struct lk_json_out out = {.write = take, .arg = &text};

        lk_json_text(&out, NULL, rows[i].in);
        LK_CHECK_STR(text.bytes, rows[i].out);
    }
}

LK_TEST(json_out, writes_numbers_that_every_reader_takes)
{
    struct text text = {.len = 0};
    struct lk_json_out out = {.write = take, .arg = &text};

    lk_json_list(&out, NULL);
    lk_json_seconds(&out, NULL, 1005);
    lk_json_seconds(&out, NULL, 0);
    lk_json_real(&out, NULL, 0.25);
    lk_json_real(&out, NULL, (double)NAN);
    lk_json_real(&out, NULL, (double)INFINITY);
    lk_json_end(&out);
    LK_CHECK_STR(text.bytes, "[\n 1.005,\n 0.000,\n 0.25,\n null,\n null\n]\n");
}

LK_TEST(json_out, goes_as_deep_as_it_says)
{
    struct text text = {.len = 0};
    struct lk_json_out out = {.write = take, .arg = &text};

    for (unsigned i = 0; i < LK_JSON_DEPTH_MAX; i++)
        lk_json_list(&out, NULL);
    lk_json_uint(&out, NULL, 1);
    for (unsigned i = 0; i < LK_JSON_DEPTH_MAX; i++)
        lk_json_end(&out);
    LK_CHECK_EQ_UINT(out.depth, 0);
    LK_CHECK_STR(text.bytes + text.len - 3, "\n]\n");
}
