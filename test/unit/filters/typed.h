/* What tests of filters share: typed configurations from YAML, and a context to build them in. */
#pragma once

#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "proxy/upstream/cluster.h"
#include "test/support/lk_test.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/yaml_tree.h"
#include "xds/proto_registry.h"

#include <string.h>

/* YAML text as a packed message of the type; what is wrong with the text fails the test. */
static inline struct lk_any typed_any(struct lk_arena *arena, const char *type, const char *yaml)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find(type, strlen(type));
    struct lk_pb_json_options options = {.allow_unknown = false};
    struct lk_errors errors;
    lk_errors_init(&errors);
    LK_CHECK_MSG(desc != NULL, "no message %s", type);
    const struct lk_yaml_node *tree = lk_yaml_parse(arena, lk_str_from(yaml), LK_YAML_SYNTAX_YAML, &errors);
    LK_CHECK_MSG(tree != NULL && errors.count == 0, "not YAML: %s", errors.count > 0 ? errors.items[0].text : "?");
    ProtobufCMessage *message = lk_pb_from_tree(arena, desc, tree, &options, &errors);
    LK_CHECK_MSG(errors.count == 0, "%s: %s", errors.items[0].path, errors.items[0].text);
    lk_errors_fini(&errors);
    uint8_t *bytes = lk_arena_alloc(arena, protobuf_c_message_get_packed_size(message) + 1);
    size_t len = protobuf_c_message_pack(message, bytes);
    return (struct lk_any){lk_str_from(type), lk_str((const char *)bytes, len)};
}

struct typed_test {
    struct lk_filter_context context;
    struct lk_errors errors;
    struct lk_loop *loop;
    struct lk_loop *loops[1];
    struct lk_clusters *clusters;
    struct lk_any any; /* of the last typed_config */
};

static inline void typed_init(struct typed_test *t)
{
    memset(t, 0, sizeof(*t));
    lk_errors_init(&t->errors);
    t->loop = t->loops[0] = lk_loop_new(&(struct lk_loop_options){.index = 0, .name = "test_typed"});
    lk_stats_thread = 0;
    t->context.arena = lk_arena_new();
    t->context.stats = lk_stats_new(1);
    t->context.main_loop = t->loop;
    t->context.worker_count = 1;
    t->context.registry = &lk_filter_table;
    struct lk_clusters_options options = {
        .stats = t->context.stats, .main_loop = t->loop, .loops = t->loops, .loop_count = 1};
    t->clusters = t->context.clusters = lk_clusters_new(&options);
}

static inline void typed_fini(struct typed_test *t)
{
    lk_errors_fini(&t->errors);
    lk_arena_free(t->context.arena);
    lk_clusters_free(t->clusters);
    lk_stats_free(t->context.stats);
    lk_loop_free(t->loop);
}

/* The mistake's path and a part of its text. */
static inline void typed_check_error(struct typed_test *t, const char *path, const char *part)
{
    LK_CHECK_MSG(t->errors.count > 0, "no mistake, wanted: %s", part);
    LK_CHECK_STR(t->errors.items[0].path, path);
    LK_CHECK_CONTAINS(t->errors.items[0].text, part);
    lk_errors_fini(&t->errors);
    lk_errors_init(&t->errors);
}
