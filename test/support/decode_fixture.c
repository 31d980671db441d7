/* See decode_fixture.h. */
#include "test/support/decode_fixture.h"

#include "test/support/lk_test.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/yaml_tree.h"

void lk_decode_fixture_init(struct lk_decode_fixture *fixture)
{
    fixture->arena = lk_arena_new();
    lk_errors_init(&fixture->errors);
    lk_decoder_init(&fixture->decoder, fixture->arena, &fixture->errors);
}

void lk_decode_fixture_fini(struct lk_decode_fixture *fixture)
{
    lk_decoder_fini(&fixture->decoder);
    lk_errors_fini(&fixture->errors);
    lk_arena_free(fixture->arena);
}

void lk_decode_fixture_clean(const struct lk_decode_fixture *fixture)
{
    if (fixture->errors.count > 0)
        LK_FAIL("%s: %s", fixture->errors.items[0].path, fixture->errors.items[0].text);
}

const void *lk_decode_fixture_message(struct lk_decode_fixture *fixture, const ProtobufCMessageDescriptor *desc,
                                      const char *yaml)
{
    struct lk_pb_json_options options = {0};
    struct lk_yaml_node *node =
        lk_yaml_parse(&fixture->decoder.scratch, lk_str_from(yaml), LK_YAML_SYNTAX_YAML, &fixture->errors);

    lk_decode_fixture_clean(fixture);
    const void *message = lk_pb_from_tree(&fixture->decoder.scratch, desc, node, &options, &fixture->errors);

    lk_decode_fixture_clean(fixture);
    return message;
}

static bool found(const struct lk_error_item *items, size_t count, const char *path, const char *part)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].path, path) == 0 && strstr(items[i].text, part) != NULL)
            return true;
    return false;
}

static void show(const struct lk_error_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  %s: %s\n", items[i].path, items[i].text);
}

void lk_decode_fixture_mistake(const struct lk_decode_fixture *fixture, const char *path, const char *part)
{
    if (found(fixture->errors.items, fixture->errors.count, path, part))
        return;
    show(fixture->errors.items, fixture->errors.count);
    LK_FAIL("no mistake at '%s' with '%s'", path, part);
}

void lk_decode_fixture_warning(const struct lk_decode_fixture *fixture, const char *path, const char *part)
{
    if (found(fixture->errors.warnings, fixture->errors.warning_count, path, part))
        return;
    show(fixture->errors.warnings, fixture->errors.warning_count);
    LK_FAIL("no warning at '%s' with '%s'", path, part);
}
