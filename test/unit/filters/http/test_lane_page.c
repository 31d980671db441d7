/* The page /lanes without a server: slices of many clusters, changes meanwhile, what is cut for people. */
#include "proxy/lane/lane_page_internal.h"

#include "proxy/base/clock.h"
#include "test/unit/filters/http/lane_members.h"
#include "test/unit/proxy/filter/fake_call.h"

#define MANY 450

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

LK_TEST(lane_page, is_there_without_any_filter)
{
    struct fake_call fake;

    fake_init(&fake, "format=json");
    LK_CHECK_STR(fake_answer(&fake, lk_lane_pages), "{\n \"configured\": false,\n \"membership\": []\n}\n");
    LK_CHECK_STR(fake.type, "application/json");
    fake_fini(&fake);
    fake_init(&fake, "");
    LK_CHECK_CONTAINS(fake_answer(&fake, lk_lane_pages), "No lane filter is configured here");
    fake_fini(&fake);
    fake_init(&fake, "dry_run");
    fake_answer(&fake, lk_lane_pages);
    LK_CHECK_EQ_UINT(fake.status, 400);
    fake_fini(&fake);
}

LK_TEST(lane_page, tells_membership_and_what_is_missing)
{
    struct fake_call fake;
    struct world w;
    const char *text;

    world_init(&w, "");
    set_members(&w, "b", "lane=gray,lane=gray!,-,shadow_ok=true");
    fake_init(&fake, "format=json");
    text = fake_answer(&fake, lk_lane_pages);
    LK_CHECK_CONTAINS(text, "\"cluster\": \"b\",\n     \"base\": {\n      \"total\": 2,\n      \"healthy\": 2\n");
    LK_CHECK_CONTAINS(text, "\"shadow_ok\": {\n      \"total\": 1,\n");
    LK_CHECK_CONTAINS(text, "\"gray\": {\n       \"total\": 2,\n       \"healthy\": 1\n");
    LK_CHECK_CONTAINS(text, "\"outside\": [\n    \"internet\"\n   ]");
    LK_CHECK_CONTAINS(text,
                      "\"lane\": \"other\",\n     \"kind\": \"GRAY\",\n     \"clusters\": 1,\n"
                      "     \"covered\": 0,\n     \"missing_count\": 1,\n     \"missing\": [\n      \"b\"\n     ]");
    LK_CHECK_CONTAINS(text, "\"lane\": \"shadow-l\",\n     \"kind\": \"SHADOW\",\n     \"clusters\": 1,\n"
                            "     \"covered\": 1,\n");
    LK_CHECK_NULL(strstr(text, "\"lane\": \"old\",\n     \"kind\"")); /* disabled: nobody misses it */
    fake_fini(&fake);
    fake_init(&fake, "format=html");
    text = fake_answer(&fake, lk_lane_pages);
    LK_CHECK_CONTAINS(text, "<td class='bad'>1 of 2</td><td class='bad'>missing</td><td class=''>shadow_ok 1 of 1</td>"
                            "<td class='dim'>-</td>");
    LK_CHECK_CONTAINS(text, "gray: all 1 clusters have it");
    LK_CHECK_CONTAINS(text, "<textarea name='headers'>");
    fake_fini(&fake);
    world_end(&w);
}

LK_TEST(lane_page, writes_many_clusters_in_pieces_and_cuts_them_for_people)
{
    static struct lk_cluster_config more[MANY];
    static char names[MANY][16];
    struct fake_call fake;
    struct world w;
    const char *text;

    world_init(&w, "");
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        another_cluster(&w, &more[i], names[i]);
        set_members(&w, names[i], i % 2 == 0 ? "lane=gray,-" : "-");
    }
    fake_init(&fake, "format=json");
    text = fake_answer(&fake, lk_lane_pages);
    LK_CHECK(fake.pieces >= MANY / 100);
    LK_CHECK_EQ_UINT(count_of(text, "\"cluster\": \"c"), MANY);
    LK_CHECK_EQ_UINT(count_of(text, "\"gray\": {\n       \"total\": 1,"), MANY / 2);
    LK_CHECK_CONTAINS(text, "\"missing_count\": 226,"); /* every second one, and b */
    LK_CHECK_STR(text + fake.len - 3, "\n}\n");
    fake_fini(&fake);
    fake_init(&fake, "format=text");
    text = fake_answer(&fake, lk_lane_pages);
    LK_CHECK_CONTAINS(text, "and 251 more, see ?format=json");
    LK_CHECK_CONTAINS(text, "gray: 225 of 451 clusters have it, missing in b, c1, c3, ");
    LK_CHECK_CONTAINS(text, " and 206 more\n");
    fake_fini(&fake);
    world_end(&w);
}

LK_TEST(lane_page, begins_anew_when_a_table_changes_meanwhile)
{
    struct lk_lane_table *table = lk_lane_table_new();
    const struct lk_lane_settings *settings;
    struct lk_lane_report report;
    struct lk_arena arena;
    struct world w;

    world_init(&w, "");
    settings = w.out;
    set_members(&w, "b", "lane=gray,-");
    lk_arena_init(&arena);
    lk_lane_report_begin(&report, &arena);
    LK_CHECK_EQ_UINT(report.group_count, 1); /* the sidecar's and the entry's mesh are the same, their tables too */
    table->revision = 8;
    table->hash = 1;
    LK_CHECK(lk_lane_source_publish(settings->tables->source, table));
    while (!lk_lane_report_next(&report))
        continue;
    LK_CHECK_EQ_UINT(report.tries, 2);
    LK_CHECK_EQ_UINT(report.group_count, 2);
    LK_CHECK_EQ_UINT(report.groups[0].lane_count, 1); /* base alone is left */
    LK_CHECK_EQ_UINT(lk_lane_report_count(&report.groups[0].clusters[0], 0).total, 1);
    lk_arena_reset(&arena);
    world_end(&w);
}

LK_TEST(lane_page, outlives_the_filters_it_began_with)
{
    struct lk_lane_report report;
    struct lk_arena arena;
    struct world w;

    world_init(&w, "");
    lk_arena_init(&arena);
    lk_lane_report_begin(&report, &arena);
    LK_CHECK_NOT_NULL(report.runtime);
    world_fini(&w);
    LK_CHECK(lk_lane_report_next(&report));
    LK_CHECK_NULL(report.runtime);
    LK_CHECK_EQ_UINT(report.group_count, 0);
    lk_arena_reset(&arena);
}

LK_TEST(lane_page, ages_are_short_words)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {{0, "0 s"}, {119, "119 s"}, {120, "2 min"}, {7200, "2 h"}, {3 * 86400, "3 d"}, {-60, "0 s"}};
    struct lk_arena arena;

    lk_arena_init(&arena);
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        LK_CHECK_LKSTR(lk_lane_age_text(&arena, lk_clock_wall_us() - rows[i].seconds * 1000000 - 1000), rows[i].text);
    LK_CHECK_LKSTR(lk_lane_time_text(&arena, 1700000000LL * 1000000), "2023-11-14T22:13:20Z");
    lk_arena_reset(&arena);
}

LK_TEST(lane_page, one_sentence_on_what_is_carried)
{
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(0, 0, 0), "Nothing is known");
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(0, 0, 3), "seems to drop marks");
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(9, 0, 0), "lanes go on through it");
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(9, 0, 1), "background work");
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(0, 4, 0), "a lane would end here");
    LK_CHECK_CONTAINS(lk_lane_carry_verdict(9, 4, 0), "some of its calls");
}
