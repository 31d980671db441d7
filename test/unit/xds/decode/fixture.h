/* What the tests of xds/decode share: text to tree or message, and checks on the mistakes. */
#pragma once

#include "test/support/lk_test.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/yaml_tree.h"
#include "xds/proto_registry.h"

#include <string.h>

struct fixture {
    struct lk_arena arena;
    struct lk_errors errors;
    struct lk_pb_json_options options;
    const struct lk_yaml_node *tree;
    ProtobufCMessage *message;
};

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    lk_arena_init(&f->arena);
    lk_errors_init(&f->errors);
}

static inline void fixture_fini(struct fixture *f)
{
    lk_errors_fini(&f->errors);
    lk_arena_reset(&f->arena);
}

static inline const struct lk_yaml_node *parse(struct fixture *f, const char *text, enum lk_yaml_syntax syntax)
{
    f->tree = lk_yaml_parse(&f->arena, lk_str_from(text), syntax, &f->errors);
    return f->tree;
}

/* YAML text as a message of the named type. */
static inline void *decode(struct fixture *f, const char *type, const char *text)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find(type, strlen(type));

    LK_CHECK_MSG(desc != NULL, "no message %s", type);
    LK_CHECK_MSG(parse(f, text, LK_YAML_SYNTAX_YAML) != NULL, "no tree: %s",
                 f->errors.count > 0 ? f->errors.items[0].text : "?");
    f->message = lk_pb_from_tree(&f->arena, desc, f->tree, &f->options, &f->errors);
    return f->message;
}

/* The same, without a mistake. */
static inline void *decode_good(struct fixture *f, const char *type, const char *text)
{
    void *message = decode(f, type, text);

    LK_CHECK_MSG(f->errors.count == 0, "%s: %s", f->errors.items[0].path, f->errors.items[0].text);
    return message;
}

/* Mistake number i is this one; `part` is held by its text. */
static inline void check_error(const struct fixture *f, size_t i, int line, const char *path, const char *part)
{
    LK_CHECK_MSG(i < f->errors.count, "only %zu mistakes, wanted %s", f->errors.count, part);
    LK_CHECK_STR(f->errors.items[i].path, path);
    LK_CHECK_CONTAINS(f->errors.items[i].text, part);
    LK_CHECK_EQ_INT(f->errors.items[i].line, line);
}

/* One mistake and no more. */
static inline void check_only_error(const struct fixture *f, int line, const char *path, const char *part)
{
    check_error(f, 0, line, path, part);
    LK_CHECK_EQ_UINT(f->errors.count, 1);
}
