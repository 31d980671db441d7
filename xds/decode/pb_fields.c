/* Facts about fields and messages that protobuf-c's descriptors only imply. Pure functions. */
#include "xds/decode/pb_fields.h"

#include "proxy/base/mem.h"

bool lk_pb_is_json_name(struct lk_str name, struct lk_str json)
{
    size_t at = 0;
    bool upper = false;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (c == '_') {
            upper = true;
            continue;
        }
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        upper = false;
        if (at == json.len || json.ptr[at++] != c)
            return false;
    }
    return at == json.len;
}

const ProtobufCFieldDescriptor *lk_pb_find_field(const ProtobufCMessageDescriptor *desc, struct lk_str name)
{
    char copy[128];

    if (name.len < sizeof(copy) && !memchr(name.ptr, '\0', name.len)) {
        const ProtobufCFieldDescriptor *field;

        memcpy(copy, name.ptr, name.len);
        copy[name.len] = '\0';
        field = protobuf_c_message_descriptor_get_field_by_name(desc, copy);
        if (field)
            return field;
    }
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];

        if (lk_pb_is_json_name(lk_str_from(field->name), name))
            return field;
    }
    return NULL;
}

/* The name protoc gives to the entry message of a map field: CamelCase plus "Entry". */
static bool is_entry_name(const char *field_name, const char *short_name)
{
    bool upper = true;

    for (; *field_name; field_name++) {
        char c = *field_name;

        if (c == '_') {
            upper = true;
            continue;
        }
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        upper = false;
        if (*short_name++ != c)
            return false;
    }
    return strcmp(short_name, "Entry") == 0;
}

bool lk_pb_is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;

    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    return entry->n_fields == 2 && entry->fields[0].id == 1 && entry->fields[1].id == 2 &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0 &&
           is_entry_name(field->name, entry->short_name);
}

size_t lk_pb_value_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    }
    lk_panic("field %s has no known type", field->name);
}

const void *lk_pb_element(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t index)
{
    const char *array = *(char *const *)lk_pb_slot(message, field);

    return array + index * lk_pb_value_size(field);
}

static bool is_zero(const void *slot, size_t size)
{
    static const char zero[8];

    return memcmp(slot, zero, size) == 0;
}

bool lk_pb_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *slot = lk_pb_slot(message, field);

    if (lk_pb_is_repeated(field))
        return *lk_pb_count(message, field) > 0;
    if (lk_pb_is_oneof(field))
        return *lk_pb_case(message, field) == field->id;
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)slot != NULL;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)slot;

        return text && text[0] != '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)slot)->len > 0;
    default:
        return !is_zero(slot, lk_pb_value_size(field));
    }
}
