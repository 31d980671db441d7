/*
 * Messages with a JSON form of their own: Duration, Timestamp, the wrappers, Struct, Value and
 * ListValue. Called by pb_json.
 */
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_json_internal.h"
#include "xds/decode/pb_time.h"

#include <stdlib.h>

typedef Google__Protobuf__Value value_message;
typedef Google__Protobuf__Struct struct_message;
typedef Google__Protobuf__Struct__FieldsEntry entry_message;
typedef Google__Protobuf__ListValue list_message;

static void decode_duration(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message)
{
    Google__Protobuf__Duration *duration = (Google__Protobuf__Duration *)message;
    bool fits;

    if (node->kind == LK_YAML_STRING) {
        if (!lk_pb_duration_parse(node->text, &duration->seconds, &duration->nanos))
            lk_pb_json_expected(json, node, "a duration such as \"0.25s\"");
        return;
    }
    if (node->kind != LK_YAML_MAP) {
        lk_pb_json_expected(json, node, "a duration such as \"0.25s\", with its unit");
        return;
    }
    lk_pb_json_fields(json, node, message, false);
    fits = llabs(duration->seconds) <= LK_PB_DURATION_MAX && llabs(duration->nanos) < 1000000000 &&
           (duration->seconds == 0 || duration->nanos == 0 || (duration->seconds < 0) == (duration->nanos < 0));
    if (!fits)
        lk_pb_json_error(json, node->line, "seconds and nanos are out of range or differ in sign");
}

static void decode_timestamp(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message)
{
    Google__Protobuf__Timestamp *timestamp = (Google__Protobuf__Timestamp *)message;

    if (node->kind != LK_YAML_STRING || !lk_pb_timestamp_parse(node->text, &timestamp->seconds, &timestamp->nanos))
        lk_pb_json_expected(json, node, "a time such as \"2026-01-31T09:30:00Z\"");
}

static char *take_text(struct lk_pb_json *json, int line, struct lk_str text)
{
    if (memchr(text.ptr, '\0', text.len)) {
        lk_pb_json_error(json, line, "a string cannot hold a zero byte");
        return (char *)(uintptr_t) "";
    }
    return (char *)(uintptr_t)text.ptr;
}

static void decode_struct(struct lk_pb_json *json, const struct lk_yaml_node *node, struct_message *message);

static void decode_list(struct lk_pb_json *json, const struct lk_yaml_node *node, list_message *message);

static void decode_any_value(struct lk_pb_json *json, const struct lk_yaml_node *node, value_message *message)
{
    switch (node->kind) {
    case LK_YAML_NULL:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
        break;
    case LK_YAML_BOOL:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
        message->bool_value = node->integer != 0;
        break;
    case LK_YAML_INT:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        message->number_value = (double)node->integer;
        break;
    case LK_YAML_NUMBER:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        message->number_value = strtod(node->text.ptr, NULL);
        break;
    case LK_YAML_STRING:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        message->string_value = take_text(json, node->line, node->text);
        break;
    case LK_YAML_LIST:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
        message->list_value = (list_message *)lk_pb_json_new(json, &google__protobuf__list_value__descriptor);
        decode_list(json, node, message->list_value);
        break;
    case LK_YAML_MAP:
        message->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
        message->struct_value = (struct_message *)lk_pb_json_new(json, &google__protobuf__struct__descriptor);
        decode_struct(json, node, message->struct_value);
        break;
    }
}

static value_message *new_value(struct lk_pb_json *json, const struct lk_yaml_node *node)
{
    ProtobufCMessage *message = lk_pb_json_new(json, &google__protobuf__value__descriptor);

    decode_any_value(json, node, (value_message *)message);
    return (value_message *)message;
}

static void decode_struct(struct lk_pb_json *json, const struct lk_yaml_node *node, struct_message *message)
{
    if (node->kind != LK_YAML_MAP) {
        lk_pb_json_expected(json, node, "an object");
        return;
    }
    message->fields = lk_arena_array(json->arena, node->count, sizeof(*message->fields));
    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        ProtobufCMessage *entry = lk_pb_json_new(json, &google__protobuf__struct__fields_entry__descriptor);

        ((entry_message *)entry)->key = take_text(json, item->line, item->key);
        ((entry_message *)entry)->value = new_value(json, item->value);
        message->fields[message->n_fields++] = (entry_message *)entry;
    }
}

static void decode_list(struct lk_pb_json *json, const struct lk_yaml_node *node, list_message *message)
{
    if (node->kind != LK_YAML_LIST) {
        lk_pb_json_expected(json, node, "a list");
        return;
    }
    message->values = lk_arena_array(json->arena, node->count, sizeof(*message->values));
    for (const struct lk_yaml_item *item = node->items; item; item = item->next)
        message->values[message->n_values++] = new_value(json, item->value);
}

void lk_pb_json_own_form(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;

    if (desc == &google__protobuf__duration__descriptor)
        decode_duration(json, node, message);
    else if (desc == &google__protobuf__timestamp__descriptor)
        decode_timestamp(json, node, message);
    else if (desc == &google__protobuf__struct__descriptor)
        decode_struct(json, node, (struct_message *)message);
    else if (desc == &google__protobuf__value__descriptor)
        decode_any_value(json, node, (value_message *)message);
    else if (desc == &google__protobuf__list_value__descriptor)
        decode_list(json, node, (list_message *)message);
    else
        lk_pb_json_scalar(json, &desc->fields[0], node, lk_pb_slot(message, &desc->fields[0]));
}
