/* Texts to lane tables: in every wrapping that a control plane would push, and mistakes with line and path. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "xds/decode/lane_file.h"

#include <unistd.h>

#define TABLE_TYPE "type.googleapis.com/lanekeeper.lane.v1.LaneTable"
#define STRUCT_TYPE "type.googleapis.com/xds.type.v3.TypedStruct"
#define NAMED_TYPE "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

static struct lk_errors errors;

static struct lk_lane_table *load(const char *text, enum lk_yaml_syntax syntax, const char *resource)
{
    struct lk_lane_file_options options = {.resource = lk_str_from(resource)};

    lk_errors_init(&errors);
    return lk_lane_text_load(lk_str_from(text), syntax, &options, &errors);
}

static uint64_t load_good(const char *text, enum lk_yaml_syntax syntax, const char *resource)
{
    struct lk_lane_table *table = load(text, syntax, resource);
    uint64_t hash;

    LK_CHECK_MSG(table != NULL && errors.count == 0, "%s\n%d: %s: %s", text,
                 errors.count > 0 ? errors.items[0].line : 0, errors.count > 0 ? errors.items[0].path : "",
                 errors.count > 0 ? errors.items[0].text : "");
    hash = table->hash;
    lk_lane_table_unref(table);
    lk_errors_fini(&errors);
    return hash;
}

LK_TEST(lane_file, takes_a_table_in_any_wrapping)
{
    static const char *const texts[] = {
        "revision: 42\nlanes: [{name: g}]\n",
        "'@type': " TABLE_TYPE "\nrevision: 42\nlanes: [{name: g}]\n",
        "'@type': " STRUCT_TYPE "\ntype_url: " TABLE_TYPE "\nvalue: {revision: 42, lanes: [{name: g}]}\n",
        "name: lane-table\ntyped_config: {'@type': " TABLE_TYPE ", revision: 42, lanes: [{name: g}]}\n",
        "name: lane-table\ntyped_config:\n  '@type': " STRUCT_TYPE "\n  type_url: " TABLE_TYPE "\n"
        "  value: {revision: 42, lanes: {name: g}}\n",
        "'@type': " NAMED_TYPE "\nname: lane-table\n"
        "typed_config: {'@type': " TABLE_TYPE ", revision: 42, lanes: [{name: g}]}\n",
        "version_info: '1'\nresources:\n- {'@type': " TABLE_TYPE ", revision: 42, lanes: [{name: g}]}\n",
        "resources: {'@type': " TABLE_TYPE ", revision: 42, lanes: [{name: g}]}\n",
        "resources:\n- '@type': " NAMED_TYPE "\n  name: lane-table\n"
        "  typed_config: {'@type': " STRUCT_TYPE ", type_url: " TABLE_TYPE
        ", value: {revision: 42, lanes: [{name: g}]}}\n",
        "resources:\n- '@type': type.googleapis.com/envoy.service.discovery.v3.Resource\n  name: lane-table\n"
        "  resource: {'@type': " TABLE_TYPE ", revision: 42, lanes: [{name: g}]}\n",
    };
    uint64_t hash = load_good(texts[0], LK_YAML_SYNTAX_YAML, NULL);

    for (size_t i = 1; i < LK_ARRAY_LEN(texts); i++)
        LK_CHECK_EQ_UINT(load_good(texts[i], LK_YAML_SYNTAX_YAML, i % 2 ? NULL : "lane-table"), hash);
    LK_CHECK_EQ_UINT(load_good("{\"revision\": \"42\", \"lanes\": [{\"name\": \"g\"}]}", LK_YAML_SYNTAX_JSON, NULL),
                     hash);
}

LK_TEST(lane_file, chooses_among_resources_by_name)
{
    static const char text[] =
        "resources:\n"
        "- {'@type': " NAMED_TYPE ", name: a, typed_config: {'@type': " TABLE_TYPE ", revision: 1}}\n"
        "- {'@type': " NAMED_TYPE ", name: b, typed_config: {'@type': " TABLE_TYPE ", revision: 2}}\n";
    struct lk_lane_table *table = load(text, LK_YAML_SYNTAX_YAML, "b");

    LK_CHECK_EQ_UINT(table->revision, 2);
    lk_lane_table_unref(table);
    lk_errors_fini(&errors);
    LK_CHECK_NULL(load(text, LK_YAML_SYNTAX_YAML, NULL));
    LK_CHECK_CONTAINS(errors.items[0].text, "a second lane table");
    lk_errors_fini(&errors);
    LK_CHECK_NULL(load(text, LK_YAML_SYNTAX_YAML, "c"));
    LK_CHECK_CONTAINS(errors.items[0].text, "holds no lane table named 'c'");
    lk_errors_fini(&errors);
}

static void check_mistake(const char *text, size_t index, int line, const char *path, const char *part)
{
    LK_CHECK_MSG(load(text, LK_YAML_SYNTAX_YAML, NULL) == NULL, "accepted: %s", text);
    LK_CHECK_MSG(errors.count > index, "only %zu mistakes: %s", errors.count, text);
    LK_CHECK_STR(errors.items[index].path, path);
    LK_CHECK_CONTAINS(errors.items[index].text, part);
    LK_CHECK_EQ_INT(errors.items[index].line, line);
    lk_errors_fini(&errors);
}

LK_TEST(lane_file, finds_the_line_of_a_mistake_in_any_wrapping)
{
    check_mistake("revision: 1\nlanes:\n- name: g\n- name: G\n", 0, 4, "lanes[1].name", "no name of a lane");
    check_mistake("name: x\ntyped_config:\n  '@type': " TABLE_TYPE "\n  lanes:\n  - name: G\n", 0, 5,
                  "typed_config.lanes[0].name", "no name of a lane");
    check_mistake("name: x\ntyped_config:\n  '@type': " STRUCT_TYPE "\n  type_url: " TABLE_TYPE
                  "\n  value:\n    lanes:\n    - name: G\n",
                  0, 7, "typed_config.lanes[0].name", "no name of a lane");
    check_mistake("resources:\n- '@type': " TABLE_TYPE "\n  lanes:\n  - name: G\n", 0, 4, "resources[0].lanes[0].name",
                  "no name of a lane");
}

LK_TEST(lane_file, tells_mistakes_of_form_and_of_meaning_in_one_run)
{
    static const char text[] = "revison: 1\nlanes:\n- name: 5\n- {name: g, parent: x}\n- {name: h, kind: GREY}\n";

    LK_CHECK_NULL(load(text, LK_YAML_SYNTAX_YAML, NULL));
    LK_CHECK_EQ_UINT(errors.count, 4);
    lk_errors_fini(&errors);
    check_mistake(text, 0, 1, "revison", "did you mean \"revision\"?");
    check_mistake(text, 1, 3, "lanes[0].name", "expected a string");
    check_mistake(text, 2, 4, "lanes[1].parent", "no lane 'x'");
    check_mistake(text, 3, 5, "lanes[2].kind", "");
}

LK_TEST(lane_file, refuses_other_documents)
{
    check_mistake("", 0, 1, "", "is empty");
    check_mistake("[]", 0, 1, "", "expected an object");
    check_mistake("just text", 0, 1, "", "expected an object");
    check_mistake("{", 0, 2, "", "syntax error");
    check_mistake("'@type': type.googleapis.com/google.protobuf.Empty\n", 0, 1, "", "expected a lanekeeper");
    check_mistake("'@type': no.such.Type\n", 0, 1, "", "not built in");
    check_mistake("name: x\ntyped_config: {}\n", 0, 2, "typed_config", "holds nothing");
    check_mistake("resources: []\n", 0, 1, "", "holds no lane table");
}

LK_TEST(lane_file, unknown_fields_can_be_warnings)
{
    struct lk_lane_file_options options = {.allow_unknown = true};
    struct lk_lane_table *table;

    lk_errors_init(&errors);
    table = lk_lane_text_load(LK_STR("a: 1\nrevision: 3\n"), LK_YAML_SYNTAX_YAML, &options, &errors);
    LK_CHECK_EQ_UINT(table->revision, 3);
    LK_CHECK_EQ_UINT(errors.warning_count, 1);
    lk_lane_table_unref(table);
    lk_errors_fini(&errors);
}

LK_TEST(lane_file, reads_files)
{
    char path[] = "/tmp/lk_lane_file_XXXXXX";
    struct lk_lane_file_options options = {.resource = {NULL, 0}};
    struct lk_lane_table *table;
    int fd = mkstemp(path);

    LK_CHECK(fd >= 0 && write(fd, "revision: 9\n", 12) == 12);
    lk_errors_init(&errors);
    table = lk_lane_file_load(path, &options, &errors);
    LK_CHECK_EQ_UINT(table->revision, 9);
    lk_lane_table_unref(table);
    LK_CHECK(ftruncate(fd, (off_t)LK_LANE_FILE_MAX + 1) == 0);
    LK_CHECK_NULL(lk_lane_file_load(path, &options, &errors));
    LK_CHECK_CONTAINS(errors.items[0].text, "expected at most");
    close(fd);
    unlink(path);
    LK_CHECK_NULL(lk_lane_file_load(path, &options, &errors));
    LK_CHECK_CONTAINS(errors.items[1].text, "cannot open");
    lk_errors_fini(&errors);
}
