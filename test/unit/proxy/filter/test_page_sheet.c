/* One page, shown as HTML and as text. */
#include "proxy/filter/page_sheet.h"

#include "test/unit/proxy/filter/fake_call.h"

static void write_page(struct fake_call *fake, bool html)
{
    static const char *const names[] = {"name", "#count", "more", NULL};
    struct lk_sheet sheet;

    lk_sheet_begin(&sheet, &fake->call, html, "A & B");
    lk_sheet_heading(&sheet, "head <%d>", 1);
    lk_sheet_line(&sheet, LK_TONE_BAD, "%s", "it's bad");
    lk_sheet_facts_begin(&sheet);
    lk_sheet_fact(&sheet, "fact", LK_TONE_PLAIN, "%s", "<b>");
    lk_sheet_facts_end(&sheet);
    lk_sheet_table(&sheet, names);
    lk_sheet_cell_text(&sheet, LK_TONE_GOOD, LK_STR("a-long-name"));
    lk_sheet_cell(&sheet, LK_TONE_PLAIN, "%d", 7);
    lk_sheet_cell(&sheet, LK_TONE_DIM, "x");
    lk_sheet_cell_text(&sheet, LK_TONE_PLAIN, LK_STR("b"));
    lk_sheet_cell(&sheet, LK_TONE_PLAIN, "%d", 1234567);
    lk_sheet_cell(&sheet, LK_TONE_PLAIN, "<y>");
    lk_sheet_table_end(&sheet);
    lk_sheet_end(&sheet);
}

LK_TEST(page_sheet, html_is_escaped_and_closed)
{
    struct fake_call fake;

    fake_init(&fake, "");
    write_page(&fake, true);
    LK_CHECK_STR(fake.type, "text/html");
    LK_CHECK_STR(fake.text, "<html>A & B<h1>A &amp; B</h1>\n<h2>head &lt;1&gt;</h2>\n<p class='bad'>it&#39;s bad</p>\n"
                            "<div class='facts'>\n<span>fact <b class=''>&lt;b&gt;</b></span>\n</div>\n<table>\n"
                            "<tr><th class=''>name</th><th class='n '>count</th><th class=''>more</th></tr>\n"
                            "<tr><td class='good'>a-long-name</td><td class='n '>7</td><td class='dim'>x</td></tr>\n"
                            "<tr><td class=''>b</td><td class='n '>1234567</td><td class=''>&lt;y&gt;</td></tr>\n"
                            "</table>\n</body></html>\n");
    fake_fini(&fake);
}

LK_TEST(page_sheet, text_is_lined_up)
{
    struct fake_call fake;

    fake_init(&fake, "");
    write_page(&fake, false);
    LK_CHECK_STR(fake.type, "text/plain");
    LK_CHECK_STR(fake.text, "A & B\n\n== head <1>\nit's bad\nfact: <b>\n"
                            "  name           count  more\n"
                            "  a-long-name        7  x\n"
                            "  b            1234567  <y>\n");
    fake_fini(&fake);
}

LK_TEST(page_sheet, columns_may_be_as_many_as_there_are)
{
    static const char *const first[] = {"cluster", NULL};
    struct lk_sheet sheet;
    struct fake_call fake;

    fake_init(&fake, "");
    lk_sheet_begin(&sheet, &fake.call, false, "t");
    for (unsigned table = 0; table < 2; table++) {
        lk_sheet_table(&sheet, first);
        for (unsigned i = 0; i < 100; i++)
            lk_sheet_column(&sheet, LK_STR("n"), true);
        for (unsigned i = 0; i < 101; i++)
            lk_sheet_cell(&sheet, LK_TONE_PLAIN, "%u", i);
        lk_sheet_table_end(&sheet);
    }
    lk_sheet_end(&sheet);
    LK_CHECK_CONTAINS(fake.text, "  99  100\n");
    fake_fini(&fake);
}
