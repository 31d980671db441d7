/*
 * Any bytes as a bootstrap: text to tree to message to bytes and back, to JSON, and the walk over
 * unsupported fields. Nothing may crash; what was accepted must survive the round trip.
 * lk_fuzz_library: lk_xds_decode
 */
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "proxy/base/mem.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/pb_known.h"
#include "xds/decode/pb_merge.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/pb_to_json.h"
#include "xds/decode/source_map.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(struct lk_arena *arena, ProtobufCMessage *message, struct lk_errors *errors)
{
    struct lk_str bytes = lk_pb_pack(arena, message);
    struct lk_error error;
    ProtobufCMessage *again = lk_pb_unpack(arena, message->descriptor, bytes, &error);

    lk_pb_report_unsupported(message, false, errors);
    free(lk_pb_to_json_text(message));
    /* a tree may be as deep as a message may not be: a Struct level is three message levels */
    if (!again) {
        LK_ASSERT(error.code == LK_ERROR_LIMIT);
        return;
    }
    LK_ASSERT(lk_str_eq(bytes, lk_pb_pack(arena, again)));
    lk_pb_merge(arena, message, again);
}

static void check_lines(const struct lk_yaml_node *tree, const struct lk_errors *errors)
{
    struct lk_source_map map = {0};
    const char *name;

    lk_source_map_add(&map, "input", tree);
    for (size_t i = 0; i < errors->count; i++)
        lk_source_map_find(&map, errors->items[i].path, &name);
}

/* The first byte chooses the syntax. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lk_pb_json_options options = {.allow_unknown = size > 0 && (data[0] & 2) != 0};
    struct lk_arena arena;
    struct lk_errors errors;
    struct lk_yaml_node *tree;

    if (size == 0)
        return 0;
    lk_arena_init(&arena);
    lk_errors_init(&errors);
    tree = lk_yaml_parse(&arena, lk_str((const char *)data + 1, size - 1),
                         data[0] & 1 ? LK_YAML_SYNTAX_JSON : LK_YAML_SYNTAX_YAML, &errors);
    if (tree) {
        ProtobufCMessage *message =
            lk_pb_from_tree(&arena, &envoy__config__bootstrap__v3__bootstrap__descriptor, tree, &options, &errors);

        if (!lk_errors_any(&errors))
            check_accepted(&arena, message, &errors);
        check_lines(tree, &errors);
    }
    lk_errors_fini(&errors);
    lk_arena_reset(&arena);
    return 0;
}
