/* JSON forms of the well-known types (protobuf JSON mapping). Called by pb_to_json. */
#include "xds/decode/pb_to_json_known.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_known_types.h"
#include "xds/decode/pb_time.h"

bool lk_pb_has_own_json(const ProtobufCMessageDescriptor *desc)
{
    return desc == &google__protobuf__any__descriptor || lk_pb_is_known_type(desc);
}

static json_t *print_struct(struct lk_pb_printer *printer, const Google__Protobuf__Struct *from);

static json_t *print_list(struct lk_pb_printer *printer, const Google__Protobuf__ListValue *from);

static json_t *print_value(struct lk_pb_printer *printer, const Google__Protobuf__Value *from)
{
    const ProtobufCMessage *message = &from->base;

    switch (from->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        return print_struct(printer, from->struct_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        return print_list(printer, from->list_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE: {
        const ProtobufCFieldDescriptor *field = lk_pb_field_of(message->descriptor, from->kind_case);

        return lk_pb_print_value(printer, field, lk_pb_slot(message, field));
    }
    default:
        return json_null();
    }
}

static json_t *print_struct(struct lk_pb_printer *printer, const Google__Protobuf__Struct *from)
{
    json_t *object = json_object();

    for (size_t i = 0; i < from->n_fields; i++) {
        const Google__Protobuf__Value *value = from->fields[i]->value;

        json_object_set_new(object, from->fields[i]->key, value ? print_value(printer, value) : json_null());
    }
    return object;
}

static json_t *print_list(struct lk_pb_printer *printer, const Google__Protobuf__ListValue *from)
{
    json_t *list = json_array();

    for (size_t i = 0; i < from->n_values; i++)
        json_array_append_new(list, print_value(printer, from->values[i]));
    return list;
}

static json_t *print_time(struct lk_str text)
{
    return json_stringn(text.ptr, text.len);
}

json_t *lk_pb_print_known(struct lk_pb_printer *printer, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;

    if (desc == &google__protobuf__duration__descriptor) {
        const Google__Protobuf__Duration *duration = (const Google__Protobuf__Duration *)message;

        return print_time(lk_pb_duration_print(printer->arena, duration->seconds, duration->nanos));
    }
    if (desc == &google__protobuf__timestamp__descriptor) {
        const Google__Protobuf__Timestamp *time = (const Google__Protobuf__Timestamp *)message;

        return print_time(lk_pb_timestamp_print(printer->arena, time->seconds, time->nanos));
    }
    if (desc == &google__protobuf__struct__descriptor)
        return print_struct(printer, (const Google__Protobuf__Struct *)message);
    if (desc == &google__protobuf__value__descriptor)
        return print_value(printer, (const Google__Protobuf__Value *)message);
    if (desc == &google__protobuf__list_value__descriptor)
        return print_list(printer, (const Google__Protobuf__ListValue *)message);
    return lk_pb_print_value(printer, &desc->fields[0], lk_pb_slot(message, &desc->fields[0]));
}
