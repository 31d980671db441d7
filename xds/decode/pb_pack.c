/* Bytes to messages and back, with an arena as the only memory. */
#include "xds/decode/pb_pack.h"

#include "udpa/type/v1/typed_struct.pb-c.h"
#include "xds/decode/pb_arena.h"
#include "xds/decode/pb_wire.h"
#include "xds/decode/yaml_from_struct.h"
#include "xds/proto_registry.h"
#include "xds/type/v3/typed_struct.pb-c.h"

struct lk_str lk_pb_pack(struct lk_arena *arena, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = lk_arena_alloc(arena, size + 1);

    return lk_str((const char *)bytes, protobuf_c_message_pack(message, bytes));
}

ProtobufCMessage *lk_pb_unpack(struct lk_arena *arena, const ProtobufCMessageDescriptor *desc, struct lk_str bytes,
                               struct lk_error *error)
{
    ProtobufCAllocator allocator = lk_pb_arena_allocator(arena);
    ProtobufCMessage *message;

    if (!lk_pb_wire_check(desc, bytes, LK_PB_MAX_DEPTH, error))
        return NULL;
    message = protobuf_c_message_unpack(desc, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (!message)
        lk_error_set(error, LK_ERROR_INVALID, "the bytes are no %s", desc->name);
    return message;
}

/* The inner message of a TypedStruct. */
static ProtobufCMessage *unwrap(struct lk_arena *arena, const char *type_url, const Google__Protobuf__Struct *value,
                                const struct lk_pb_json_options *options, struct lk_errors *errors)
{
    static const Google__Protobuf__Struct nothing = GOOGLE__PROTOBUF__STRUCT__INIT;
    const ProtobufCMessageDescriptor *desc = lk_proto_find_url(lk_str_from(type_url));
    const struct lk_yaml_node *tree;
    ProtobufCMessage *message;
    size_t mark;

    if (!desc) {
        lk_errors_unsupported(errors, NULL, "type %s is not built in", type_url);
        return NULL;
    }
    tree = lk_yaml_from_struct(arena, value ? value : &nothing);
    mark = lk_errors_push(errors, "value");
    message = lk_pb_from_tree(arena, desc, tree, options, errors);
    lk_errors_pop(errors, mark);
    return message;
}

ProtobufCMessage *lk_pb_unpack_any(struct lk_arena *arena, struct lk_str type_url, struct lk_str value,
                                   const struct lk_pb_json_options *options, struct lk_errors *errors)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find_url(type_url);
    struct lk_error error;
    ProtobufCMessage *message;

    if (!desc) {
        lk_errors_unsupported(errors, NULL, "type %.*s is not built in", LK_STR_ARG(type_url));
        return NULL;
    }
    message = lk_pb_unpack(arena, desc, value, &error);
    if (!message) {
        lk_errors_add(errors, "%s", error.text);
        return NULL;
    }
    if (desc == &udpa__type__v1__typed_struct__descriptor) {
        Udpa__Type__V1__TypedStruct *typed = (Udpa__Type__V1__TypedStruct *)message;

        return unwrap(arena, typed->type_url, typed->value, options, errors);
    }
    if (desc == &xds__type__v3__typed_struct__descriptor) {
        Xds__Type__V3__TypedStruct *typed = (Xds__Type__V3__TypedStruct *)message;

        return unwrap(arena, typed->type_url, typed->value, options, errors);
    }
    return message;
}
