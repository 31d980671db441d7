/*
 * google.protobuf.Any in JSON: an object with "@type" beside the fields of the packed message, and
 * the two TypedStructs that carry a configuration as plain JSON. Called by pb_json.
 */
#include "google/protobuf/any.pb-c.h"
#include "udpa/type/v1/typed_struct.pb-c.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_json_internal.h"
#include "xds/decode/pb_known_types.h"
#include "xds/decode/pb_pack.h"
#include "xds/proto_registry.h"
#include "xds/type/v3/typed_struct.pb-c.h"

static bool is_typed_struct(const ProtobufCMessageDescriptor *desc)
{
    return desc == &udpa__type__v1__typed_struct__descriptor || desc == &xds__type__v3__typed_struct__descriptor;
}

/* The type URL in a key of an object, NULL with a mistake where it is no string. */
static const char *type_url_of(struct lk_pb_json *json, const struct lk_yaml_item *item)
{
    const struct lk_yaml_node *node = item->value;

    if (node->kind == LK_YAML_STRING && node->text.len > 0 && !memchr(node->text.ptr, '\0', node->text.len))
        return node->text.ptr;
    lk_pb_json_expected(json, node, "a type URL such as \"type.googleapis.com/envoy...\"");
    return NULL;
}

static void report_unknown_type(struct lk_pb_json *json, const char *type_url, int line)
{
    size_t before = json->errors->count;

    if (json->optional) {
        lk_errors_warn(json->errors, NULL, "line %d: type %s is not built in; left out as optional", line, type_url);
        return;
    }
    lk_errors_unsupported(json->errors, NULL, "type %s is not built in", type_url);
    if (json->errors->count > before)
        json->errors->items[before].line = line;
}

/* Any{"@type", "value"}: the packed type has a JSON form that is no object. */
static ProtobufCMessage *decode_value_form(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                                           const struct lk_yaml_node *node)
{
    const struct lk_yaml_item *value = lk_yaml_get(node, LK_STR("value"));
    ProtobufCMessage *message;
    size_t mark;

    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        if (item != value && !lk_str_eq(item->key, LK_STR("@type")))
            lk_pb_json_error(json, item->line, "unexpected \"%.*s\": %s is written in \"value\"", LK_STR_ARG(item->key),
                             desc->name);
    }
    if (!value) {
        lk_pb_json_error(json, node->line, "\"value\" is missing beside \"@type\": %s", desc->name);
        return lk_pb_json_new(json, desc);
    }
    mark = lk_errors_push(json->errors, "value");
    message = lk_pb_json_message(json, desc, value->value);
    lk_errors_pop(json->errors, mark);
    return message;
}

static void store(struct lk_pb_json *json, Google__Protobuf__Any *any, const char *type_url,
                  const ProtobufCMessage *message)
{
    struct lk_str bytes = lk_pb_pack(json->arena, message);

    any->type_url = (char *)(uintptr_t)type_url;
    any->value.len = bytes.len;
    any->value.data = (uint8_t *)(uintptr_t)bytes.ptr;
}

/* The message inside a TypedStruct, packed in the place of it. */
static void decode_inner(struct lk_pb_json *json, const struct lk_yaml_node *node, Google__Protobuf__Any *any)
{
    static const struct lk_yaml_node nothing = {.kind = LK_YAML_MAP, .text = LK_STR_INIT(""), .height = 1, .weight = 1};
    const struct lk_yaml_item *type = lk_yaml_get_field(node, LK_STR("type_url"));
    const struct lk_yaml_item *value = lk_yaml_get_field(node, LK_STR("value"));
    const ProtobufCMessageDescriptor *desc;
    ProtobufCMessage *message;
    const char *type_url;
    size_t mark;

    if (!type) {
        lk_pb_json_error(json, node->line, "\"type_url\" is missing; it names what \"value\" is");
        return;
    }
    type_url = type_url_of(json, type);
    if (!type_url)
        return;
    desc = lk_proto_find_url(lk_str_from(type_url));
    if (!desc || is_typed_struct(desc)) {
        any->type_url = (char *)(uintptr_t)type_url;
        report_unknown_type(json, type_url, type->line);
        return;
    }
    mark = lk_errors_push(json->errors, "value");
    message = lk_pb_json_message(json, desc, value ? value->value : &nothing);
    lk_errors_pop(json->errors, mark);
    store(json, any, type_url, message);
}

static ProtobufCMessage *decode_packed(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                                       const struct lk_yaml_node *node)
{
    ProtobufCMessage *message;

    if (desc == &google__protobuf__any__descriptor || lk_pb_is_known_type(desc))
        return decode_value_form(json, desc, node);
    message = lk_pb_json_new(json, desc);
    lk_pb_json_fields(json, node, message, true);
    return message;
}

void lk_pb_json_any(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = (Google__Protobuf__Any *)message;
    const struct lk_yaml_item *type = lk_yaml_get(node, LK_STR("@type"));
    const ProtobufCMessageDescriptor *desc;
    const char *type_url;
    ProtobufCMessage *packed;

    if (node->kind != LK_YAML_MAP) {
        lk_pb_json_expected(json, node, "an object with \"@type\"");
        return;
    }
    if (!type) {
        if (node->count > 0)
            lk_pb_json_error(json, node->line, "\"@type\" is missing; it names what this object is");
        return;
    }
    type_url = type_url_of(json, type);
    if (!type_url)
        return;
    desc = lk_proto_find_url(lk_str_from(type_url));
    if (!desc) {
        any->type_url = (char *)(uintptr_t)type_url;
        report_unknown_type(json, type_url, type->line);
        return;
    }
    packed = decode_packed(json, desc, node);
    if (is_typed_struct(desc))
        decode_inner(json, node, any);
    else
        store(json, any, type_url, packed);
}
