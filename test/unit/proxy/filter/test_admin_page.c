/* What pages of filters share: parameters, which form a reply takes, escaping. */
#include "test/unit/proxy/filter/fake_call.h"

LK_TEST(admin_call, finds_the_first_parameter_of_a_name)
{
    struct fake_call fake;
    struct lk_str value;

    fake_init(&fake, "a=1&b&a=2");
    LK_CHECK(lk_admin_call_param(&fake.call, "a", &value));
    LK_CHECK_LKSTR(value, "1");
    LK_CHECK(lk_admin_call_param(&fake.call, "b", &value));
    LK_CHECK_LKSTR(value, "");
    LK_CHECK(lk_admin_call_param(&fake.call, "b", NULL));
    LK_CHECK(!lk_admin_call_param(&fake.call, "c", &value));
    fake_fini(&fake);
}

LK_TEST(admin_call, chooses_a_form_by_parameter_then_by_what_the_client_accepts)
{
    static const struct {
        const char *query, *accept;
        enum lk_admin_format format;
    } rows[] = {
        {"", NULL, LK_ADMIN_TEXT},
        {"", "*/*", LK_ADMIN_TEXT},
        {"", "application/json", LK_ADMIN_JSON},
        {"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", LK_ADMIN_HTML},
        {"", "application/json, TEXT/HTML;q=0.1", LK_ADMIN_HTML},
        {"", "text/htmlx, application/jsonp", LK_ADMIN_TEXT},
        {"", ",;,", LK_ADMIN_TEXT},
        {"format=json", "text/html", LK_ADMIN_JSON},
        {"format=text", "text/html", LK_ADMIN_TEXT},
        {"format=html", "", LK_ADMIN_HTML},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        enum lk_admin_format format;
        struct fake_call fake;

        fake_init(&fake, rows[i].query);
        fake.call.accept = lk_str_from(rows[i].accept);
        LK_CHECK(lk_admin_call_format(&fake.call, &format));
        LK_CHECK_EQ_INT(format, rows[i].format);
        fake_fini(&fake);
    }
}

LK_TEST(admin_call, refuses_a_form_that_there_is_not)
{
    enum lk_admin_format format;
    struct fake_call fake;

    fake_init(&fake, "format=xml");
    lk_admin_call_put(&fake.call, LK_STR("what was written before goes"));
    LK_CHECK(!lk_admin_call_format(&fake.call, &format));
    LK_CHECK_EQ_UINT(fake.status, 400);
    LK_CHECK_STR(fake.text, "usage: ?format=(text|json|html)\n");
    fake_fini(&fake);
}

LK_TEST(admin_call, escapes_for_html)
{
    struct fake_call fake;

    fake_init(&fake, "");
    lk_admin_call_escaped(&fake.call, LK_STR("<a href=\"x\">&'</a>"));
    lk_admin_call_escaped(&fake.call, LK_STR(""));
    lk_admin_call_escaped(&fake.call, LK_STR(" gr\xc3\xbcn"));
    lk_admin_call_escaped(&fake.call, LK_STR(" \xff<"));
    LK_CHECK_STR(fake.text, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt; gr\xc3\xbcn \xef\xbf\xbd&lt;");
    fake_fini(&fake);
}

LK_TEST(admin_call, prints_texts_of_any_length)
{
    char longer[3000];
    struct fake_call fake;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    fake_init(&fake, "");
    lk_admin_call_printf(&fake.call, "%s%d", longer, 7);
    LK_CHECK_EQ_UINT(fake.len, sizeof(longer));
    LK_CHECK_STR(fake.text + fake.len - 2, "x7");
    fake_fini(&fake);
}

LK_TEST(admin_call, writes_json_of_its_type)
{
    struct fake_call fake;
    struct lk_json_out out;

    fake_init(&fake, "");
    out = lk_admin_call_json(&fake.call);
    lk_json_list(&out, NULL);
    lk_json_end(&out);
    LK_CHECK_STR(fake.type, "application/json");
    LK_CHECK_STR(fake.text, "[]\n");
    fake_fini(&fake);
}
