/* Field paths back to lines, over one text or two. */
#include "test/unit/xds/decode/fixture.h"

#include "xds/decode/source_map.h"

static const char file_text[] = "staticResources:\n"     /* 1 */
                                "  listeners:\n"         /* 2 */
                                "  - name: a\n"          /* 3 */
                                "    filterChains:\n"    /* 4 */
                                "      filters:\n"       /* 5 */
                                "      - name: x\n"      /* 6 */
                                "        typedConfig:\n" /* 7 */
                                "          '@type': t/xds.type.v3.TypedStruct\n"
                                "          type_url: y\n" /* 9 */
                                "          value:\n"      /* 10 */
                                "            stat_prefix: q\n"
                                "    metadata:\n"          /* 12 */
                                "      filter_metadata:\n" /* 13 */
                                "        a.b[c]: {d: 1}\n" /* 14 */
                                "  - name: b\n";           /* 15 */

static void check_line(const struct lk_source_map *map, const char *path, const char *name, int line)
{
    const char *found;
    int at = lk_source_map_find(map, path, &found);

    LK_CHECK_MSG(at == line, "%s: line %d instead of %d", path, at, line);
    LK_CHECK_STR(found, name);
}

LK_TEST(source_map, finds_fields_elements_and_keys)
{
    struct fixture f;
    struct lk_source_map map = {0};

    fixture_init(&f);
    lk_source_map_add(&map, "file", parse(&f, file_text, LK_YAML_SYNTAX_YAML));
    check_line(&map, "static_resources", "file", 1);
    check_line(&map, "static_resources.listeners[0]", "file", 3);
    check_line(&map, "static_resources.listeners[1].name", "file", 15);
    check_line(&map, "static_resources.listeners[0].filter_chains[0].filters[0].name", "file", 6);
    check_line(&map, "static_resources.listeners[0].metadata.filter_metadata[\"a.b[c]\"].d", "file", 14);
    fixture_fini(&f);
}

LK_TEST(source_map, sees_through_a_typed_struct)
{
    struct fixture f;
    struct lk_source_map map = {0};

    fixture_init(&f);
    lk_source_map_add(&map, "file", parse(&f, file_text, LK_YAML_SYNTAX_YAML));
    check_line(&map, "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix", "file", 11);
    check_line(&map, "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.value.stat_prefix", "file",
               11);
    fixture_fini(&f);
}

LK_TEST(source_map, falls_back_to_what_encloses_a_missing_field)
{
    struct fixture f;
    struct lk_source_map map = {0};

    fixture_init(&f);
    lk_source_map_add(&map, "file", parse(&f, file_text, LK_YAML_SYNTAX_YAML));
    check_line(&map, "static_resources.listeners[1].address.socket_address", "file", 15);
    check_line(&map, "static_resources.listeners[0].filter_chains[0].filters[0].zzz", "file", 6);
    check_line(&map, "nothing.of.this", NULL, 0);
    check_line(&map, "", NULL, 0);
    fixture_fini(&f);
}

LK_TEST(source_map, a_second_text_has_the_appended_elements_and_the_last_word)
{
    struct fixture f;
    struct lk_source_map map = {0};

    fixture_init(&f);
    lk_source_map_add(&map, "file", parse(&f, file_text, LK_YAML_SYNTAX_YAML));
    lk_source_map_add(&map, "over",
                      parse(&f, "admin: {}\nstatic_resources:\n  listeners:\n    name: c\n", LK_YAML_SYNTAX_YAML));
    check_line(&map, "static_resources.listeners[0].name", "file", 3);
    check_line(&map, "static_resources.listeners[2].name", "over", 4);
    check_line(&map, "static_resources.listeners[2].address", "over", 4);
    check_line(&map, "static_resources", "over", 2);
    check_line(&map, "admin", "over", 1);
    fixture_fini(&f);
}

LK_TEST(source_map, odd_paths_do_no_harm)
{
    struct fixture f;
    struct lk_source_map map = {0};
    const char *name;

    fixture_init(&f);
    lk_source_map_add(&map, "file", parse(&f, file_text, LK_YAML_SYNTAX_YAML));
    lk_source_map_find(&map, "[", &name);
    lk_source_map_find(&map, "[\"", &name);
    lk_source_map_find(&map, "a[99999999999999999999999]", &name);
    lk_source_map_find(&map, "...[][]", &name);
    check_line(&map, "static_resources.listeners[18446744073709551615]", "file", 2);
    fixture_fini(&f);
}
