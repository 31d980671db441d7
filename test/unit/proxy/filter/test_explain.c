/* The account of a rehearsal: a tree in its order, bounded, with a result whose last word stands. */
#include "proxy/filter/explain.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

struct setup {
    struct lk_arena arena;
    struct lk_explain explain;
};

static void begin(struct setup *s)
{
    lk_arena_init(&s->arena);
    lk_explain_init(&s->explain, &s->arena);
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->arena);
}

static size_t count(const struct lk_note *note)
{
    size_t n = 0;

    for (const struct lk_note *child = note->first; child != NULL; child = child->next)
        n++;
    return n;
}

LK_TEST(explain, decisions_stand_in_their_order_with_what_is_noted_in_them)
{
    struct setup s;
    struct lk_addr addr;
    char bytes[] = "copied";

    begin(&s);
    lk_explain_step(&s.explain, "first", "taken", "because of %d", 7);
    struct lk_note *step = lk_explain_step(&s.explain, "second", "fell", "%s", "why");
    lk_note_text(&s.explain, step, "text", lk_str_from(bytes));
    bytes[0] = 'X';
    lk_note_number(&s.explain, step, "number", UINT64_MAX);
    lk_note_bool(&s.explain, step, "bool", true);
    lk_note_text_if(&s.explain, step, "none", lk_str(NULL, 0));
    LK_CHECK(lk_addr_parse_ip(LK_STR("::1"), 80, &addr));
    lk_note_addr(&s.explain, step, "addr", &addr);
    struct lk_note *list = lk_note_list(&s.explain, step, "list");
    lk_note_format(&s.explain, lk_note_object(&s.explain, list, NULL), "key", "%u", 3u);

    LK_CHECK_EQ_UINT(count(&s.explain.decisions), 2);
    LK_CHECK_LKSTR(lk_note_get(s.explain.decisions.first, "why")->text, "because of 7");
    LK_CHECK_LKSTR(lk_note_get(step, "step")->text, "second");
    LK_CHECK_LKSTR(lk_note_get(step, "verdict")->text, "fell");
    LK_CHECK_LKSTR(lk_note_get(step, "text")->text, "copied");
    LK_CHECK_LKSTR(lk_note_get(step, "addr")->text, "[::1]:80");
    LK_CHECK_EQ_UINT(lk_note_get(step, "number")->number, UINT64_MAX);
    LK_CHECK(lk_note_get(step, "bool")->boolean);
    LK_CHECK_NULL(lk_note_get(step, "none"));
    LK_CHECK_LKSTR(lk_note_get(list->first, "key")->text, "3");
    LK_CHECK(!s.explain.cut);
    finish(&s);
}

LK_TEST(explain, last_word_on_a_line_of_the_result_stands)
{
    struct setup s;

    begin(&s);
    lk_explain_result(&s.explain, "cluster", LK_STR("a"));
    lk_explain_result_number(&s.explain, "status", 404);
    lk_explain_result(&s.explain, "cluster", LK_STR("b"));
    LK_CHECK_EQ_UINT(count(&s.explain.result), 2);
    LK_CHECK_LKSTR(lk_note_get(&s.explain.result, "cluster")->text, "b");
    LK_CHECK_EQ_UINT(lk_note_get(&s.explain.result, "status")->number, 404);
    finish(&s);
}

LK_TEST(explain, too_many_notes_are_left_out_but_for_the_result)
{
    struct setup s;

    begin(&s);
    struct lk_note *step = lk_explain_step(&s.explain, "routes", "tried", "many");
    struct lk_note *list = lk_note_list(&s.explain, step, "tried");
    for (unsigned i = 0; i < LK_EXPLAIN_NOTES_MAX + 100; i++) {
        struct lk_note *note = lk_note_object(&s.explain, list, NULL);

        lk_note_number(&s.explain, note, "index", i);
        lk_note_text(&s.explain, note, "name", LK_STR("x"));
    }
    struct lk_note *late = lk_explain_step(&s.explain, "late", "lost", "there is no room");
    lk_note_number(&s.explain, lk_note_list(&s.explain, late, "list"), NULL, 1);
    lk_explain_result(&s.explain, "cluster", LK_STR("kept"));
    LK_CHECK(s.explain.cut);
    LK_CHECK_EQ_UINT(s.explain.notes, LK_EXPLAIN_NOTES_MAX);
    LK_CHECK(count(list) < LK_EXPLAIN_NOTES_MAX / 2);
    LK_CHECK_EQ_UINT(count(&s.explain.decisions), 1);
    LK_CHECK_LKSTR(lk_note_get(&s.explain.result, "cluster")->text, "kept");
    finish(&s);
}

LK_TEST(explain, long_texts_are_cut_and_say_so)
{
    struct setup s;
    size_t len = LK_EXPLAIN_TEXT_MAX + 10;
    char *text = lk_malloc(len);

    memset(text, 'a', len);
    begin(&s);
    struct lk_note *step = lk_explain_step(&s.explain, "s", "v", "w");
    lk_note_text(&s.explain, step, "long", lk_str(text, len));
    lk_note_text(&s.explain, step, "just", lk_str(text, LK_EXPLAIN_TEXT_MAX));
    LK_CHECK(lk_str_has_suffix(lk_note_get(step, "long")->text, LK_STR("aaa ... (cut)")));
    LK_CHECK_EQ_UINT(lk_note_get(step, "just")->text.len, LK_EXPLAIN_TEXT_MAX);
    lk_free(text);
    finish(&s);
}
