/* YAML and JSON text to nodes: typing, lines, aliases, limits. */
#include "test/unit/xds/decode/fixture.h"

#include <stdio.h>

static const struct lk_yaml_node *value_of(const struct fixture *f, const char *key)
{
    const struct lk_yaml_item *item = lk_yaml_get(f->tree, lk_str_from(key));

    LK_CHECK_MSG(item != NULL, "no key %s", key);
    return item->value;
}

static void check_scalar(const struct fixture *f, const char *key, enum lk_yaml_kind kind, int64_t integer)
{
    const struct lk_yaml_node *node = value_of(f, key);

    LK_CHECK_MSG(node->kind == kind, "%s is of kind %d", key, (int)node->kind);
    LK_CHECK_EQ_INT(node->integer, integer);
}

LK_TEST(yaml_tree, types_plain_scalars_like_yaml_1_1)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f,
          "a: yes\nb: Off\nc: TRUE\nd: yEs\ne: 0x1f\nf: 010\ng: -12\nh: ~\ni:\nj: 1.5\nk: 3000000000\n"
          "l: 08\nm: n\nn: +7\no: null\n",
          LK_YAML_SYNTAX_YAML);
    check_scalar(&f, "a", LK_YAML_BOOL, 1);
    check_scalar(&f, "b", LK_YAML_BOOL, 0);
    check_scalar(&f, "c", LK_YAML_BOOL, 1);
    check_scalar(&f, "d", LK_YAML_STRING, 0);
    check_scalar(&f, "e", LK_YAML_INT, 31);
    check_scalar(&f, "f", LK_YAML_INT, 8);
    check_scalar(&f, "g", LK_YAML_INT, -12);
    check_scalar(&f, "h", LK_YAML_NULL, 0);
    check_scalar(&f, "i", LK_YAML_NULL, 0);
    check_scalar(&f, "j", LK_YAML_STRING, 0);
    check_scalar(&f, "k", LK_YAML_STRING, 0);
    check_scalar(&f, "l", LK_YAML_STRING, 0);
    check_scalar(&f, "m", LK_YAML_BOOL, 0);
    check_scalar(&f, "n", LK_YAML_INT, 7);
    check_scalar(&f, "o", LK_YAML_NULL, 0);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, quoted_and_tagged_scalars_are_strings)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "a: 'yes'\nb: \"12\"\nc: !!str 12\nd: |\n  5\n", LK_YAML_SYNTAX_YAML);
    check_scalar(&f, "a", LK_YAML_STRING, 0);
    check_scalar(&f, "b", LK_YAML_STRING, 0);
    check_scalar(&f, "c", LK_YAML_STRING, 0);
    LK_CHECK_LKSTR(value_of(&f, "d")->text, "5\n");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, json_types_only_what_json_has)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "{\"a\": true, \"b\": null, \"c\": 1.5e3, \"d\": 3000000000, \"e\": -4, \"f\": 01, \"g\": yes,}",
          LK_YAML_SYNTAX_JSON);
    check_scalar(&f, "a", LK_YAML_BOOL, 1);
    check_scalar(&f, "b", LK_YAML_NULL, 0);
    check_scalar(&f, "c", LK_YAML_NUMBER, 0);
    check_scalar(&f, "d", LK_YAML_NUMBER, 0);
    check_scalar(&f, "e", LK_YAML_INT, -4);
    check_scalar(&f, "f", LK_YAML_STRING, 0);
    check_scalar(&f, "g", LK_YAML_STRING, 0);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, surrogate_pairs_in_json_become_one_character)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "{\n \"a\": \"x\\uD83D\\uDE00y\", \"b\": \"\\\\uD83D\\\\uDE00\",\n \"c\": \"\\u00e9\"}",
          LK_YAML_SYNTAX_JSON);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_LKSTR(value_of(&f, "a")->text, "x\xf0\x9f\x98\x80y");
    LK_CHECK_LKSTR(value_of(&f, "b")->text, "\\uD83D\\uDE00");
    LK_CHECK_LKSTR(value_of(&f, "c")->text, "\xc3\xa9");
    LK_CHECK_EQ_INT(value_of(&f, "c")->line, 3);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, a_lone_surrogate_is_a_syntax_error)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, "{\n \"a\": \"\\uD83D\"}", LK_YAML_SYNTAX_JSON));
    check_only_error(&f, 2, "", "syntax error");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, nodes_know_their_line)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "\xef\xbb\xbf# first\na:\n  b:\n  - x\n  - {c: 1}\n", LK_YAML_SYNTAX_YAML);
    LK_CHECK_EQ_INT(lk_yaml_get(f.tree, LK_STR("a"))->line, 2);
    LK_CHECK_EQ_INT(lk_yaml_get(value_of(&f, "a"), LK_STR("b"))->value->items->next->value->line, 5);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, ignored_keys_vanish_but_their_anchors_stay)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "!ignore shared:\n  x: &x {k: 5}\na: *x\nb: *x\n", LK_YAML_SYNTAX_YAML);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_EQ_UINT(f.tree->count, 2);
    LK_CHECK_EQ_INT(lk_yaml_get(value_of(&f, "a"), LK_STR("k"))->value->integer, 5);
    LK_CHECK_EQ_PTR(value_of(&f, "a"), value_of(&f, "b"));
    fixture_fini(&f);
}

LK_TEST(yaml_tree, aliases_without_finished_anchor_are_reported_with_their_line)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "a: *nothing\nb: &b\n  c: *b\n", LK_YAML_SYNTAX_YAML);
    check_error(&f, 0, 1, "", "*nothing");
    check_error(&f, 1, 3, "", "*b");
    LK_CHECK_EQ_UINT(f.errors.count, 2);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, an_alias_can_be_a_key_when_it_stands_for_a_scalar)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "a: &a name\n*a : 5\n", LK_YAML_SYNTAX_YAML);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    check_scalar(&f, "name", LK_YAML_INT, 5);
    parse(&f, "*gone : 5\n", LK_YAML_SYNTAX_YAML);
    check_only_error(&f, 1, "", "*gone");
    LK_CHECK_LKSTR(f.tree->items->key, "");
    parse(&f, "a: &l [x]\n*l : 5\n", LK_YAML_SYNTAX_YAML);
    check_error(&f, 1, 2, "", "a key must be a scalar");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, alias_bombs_are_refused_before_they_expand)
{
    struct fixture f;
    char text[4096];
    int len = snprintf(text, sizeof(text), "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");

    for (int i = 1; i < 10; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1,
                        i - 1, i - 1, i - 1, i - 1, i - 1);
    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, text, LK_YAML_SYNTAX_YAML));
    LK_CHECK_EQ_UINT(f.errors.count, 1);
    LK_CHECK_CONTAINS(f.errors.items[0].text, "too many values");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, nesting_is_bounded_also_through_aliases)
{
    struct fixture f;
    char text[4096];
    int len = 0;

    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, text, LK_YAML_SYNTAX_YAML));
    check_only_error(&f, 1, "", "nested too deeply");
    fixture_fini(&f);

    len = snprintf(text, sizeof(text), "a0: &a0 [x]\n");
    for (int i = 1; i < 70; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, text, LK_YAML_SYNTAX_YAML));
    LK_CHECK_CONTAINS(f.errors.items[0].text, "nested too deeply");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, nesting_of_sixty_three_lists_is_read)
{
    struct fixture f;
    char text[200];

    memset(text, '[', 63);
    memset(text + 63, ']', 63);
    text[126] = '\0';
    fixture_init(&f);
    LK_CHECK_NOT_NULL(parse(&f, text, LK_YAML_SYNTAX_YAML));
    LK_CHECK_EQ_UINT(f.tree->height, 63);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, several_documents_are_refused)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, "a: 1\n---\nb: 2\n", LK_YAML_SYNTAX_YAML));
    check_only_error(&f, 2, "", "second document");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, one_document_may_have_its_markers)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NOT_NULL(parse(&f, "---\na: 1\n...\n", LK_YAML_SYNTAX_YAML));
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, an_empty_text_is_null)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_EQ_INT(parse(&f, "", LK_YAML_SYNTAX_YAML)->kind, LK_YAML_NULL);
    LK_CHECK_EQ_INT(parse(&f, "# nothing\n", LK_YAML_SYNTAX_YAML)->kind, LK_YAML_NULL);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, repeated_keys_are_reported_each)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "a: 1\nb: 2\na: 3\nb: 4\n", LK_YAML_SYNTAX_YAML);
    check_error(&f, 0, 3, "", "\"a\" is given twice");
    check_error(&f, 1, 4, "", "first in line 2");
    LK_CHECK_EQ_UINT(f.errors.count, 2);
    fixture_fini(&f);
}

LK_TEST(yaml_tree, keys_must_be_scalars)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, "a: 1\n? [x]\n: 2\n", LK_YAML_SYNTAX_YAML));
    check_only_error(&f, 2, "", "a key must be a scalar");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, bytes_that_are_no_utf_8_are_reported)
{
    struct fixture f;

    fixture_init(&f);
    LK_CHECK_NULL(parse(&f, "a: \xff\xfe\n", LK_YAML_SYNTAX_YAML));
    LK_CHECK_EQ_UINT(f.errors.count, 1);
    LK_CHECK_CONTAINS(f.errors.items[0].text, "unreadable text at byte 3");
    fixture_fini(&f);
}

LK_TEST(yaml_tree, the_syntax_follows_the_file_name)
{
    LK_CHECK_EQ_INT(lk_yaml_syntax_of(LK_STR("/etc/x.JSON")), LK_YAML_SYNTAX_JSON);
    LK_CHECK_EQ_INT(lk_yaml_syntax_of(LK_STR("x.yaml")), LK_YAML_SYNTAX_YAML);
    LK_CHECK_EQ_INT(lk_yaml_syntax_of(LK_STR("json")), LK_YAML_SYNTAX_YAML);
}

LK_TEST(yaml_tree, a_file_that_cannot_be_read_says_why)
{
    struct lk_arena arena;
    struct lk_error error;
    struct lk_str text;

    lk_arena_init(&arena);
    LK_CHECK(!lk_yaml_read_file(&arena, "/nonexistent/x.yaml", &text, &error));
    LK_CHECK_CONTAINS(error.text, "/nonexistent/x.yaml");
    LK_CHECK(!lk_yaml_read_file(&arena, "/", &text, &error));
    LK_CHECK_EQ_INT(error.code, LK_ERROR_IO);
    lk_arena_reset(&arena);
}

LK_TEST(yaml_tree, fields_are_found_in_both_spellings)
{
    struct fixture f;

    fixture_init(&f);
    parse(&f, "fooBar: 1\nbaz_qux: 2\nconsecutive5xx: 3\n", LK_YAML_SYNTAX_YAML);
    LK_CHECK_NOT_NULL(lk_yaml_get_field(f.tree, LK_STR("foo_bar")));
    LK_CHECK_NOT_NULL(lk_yaml_get_field(f.tree, LK_STR("baz_qux")));
    LK_CHECK_NOT_NULL(lk_yaml_get_field(f.tree, LK_STR("consecutive_5xx")));
    LK_CHECK_NULL(lk_yaml_get_field(f.tree, LK_STR("foo")));
    fixture_fini(&f);
}
