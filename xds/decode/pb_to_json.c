/* Messages to JSON by walking descriptors. Recursion is bounded by the depth of messages. */
#include "xds/decode/pb_to_json.h"

#include "google/protobuf/any.pb-c.h"
#include "proxy/base/arena.h"
#include "proxy/base/base64.h"
#include "proxy/base/mem.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/pb_sensitive.h"
#include "xds/decode/pb_to_json_known.h"
#include "xds/proto_registry.h"

#include <inttypes.h>
#include <math.h>

static json_t *print_message(struct lk_pb_printer *printer, const ProtobufCMessage *message);

json_t *lk_pb_print_text(struct lk_pb_printer *printer, struct lk_str text)
{
    if (printer->redact > 0)
        return json_string("[redacted]");
    return json_stringn(text.ptr, text.len);
}

/* Sixty-four bit integers are strings in protobuf JSON. */
static json_t *print_format(struct lk_pb_printer *printer, const char *fmt, ...) LK_PRINTF(2, 3);

static json_t *print_format(struct lk_pb_printer *printer, const char *fmt, ...)
{
    struct lk_str text;
    va_list args;

    va_start(args, fmt);
    text = lk_arena_vprintf(printer->arena, fmt, args);
    va_end(args);
    return json_stringn(text.ptr, text.len);
}

static json_t *print_double(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0 ? "Infinity" : "-Infinity");
    if (value == floor(value) && fabs(value) < 0x1p53)
        return json_integer((json_int_t)value);
    return json_real(value);
}

static json_t *print_enum(const ProtobufCEnumDescriptor *desc, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(desc, value);

    return known ? json_string(known->name) : json_integer(value);
}

static json_t *print_bytes(struct lk_pb_printer *printer, const ProtobufCBinaryData *bytes)
{
    struct lk_str raw = lk_str((const char *)bytes->data, bytes->len);

    if (printer->redact > 0)
        raw = LK_STR("[redacted]");
    raw = lk_base64_encode(printer->arena, raw);
    return json_stringn(raw.ptr, raw.len);
}

json_t *lk_pb_print_value(struct lk_pb_printer *printer, const ProtobufCFieldDescriptor *field, const void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)slot);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)slot);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return print_format(printer, "%" PRId64, *(const int64_t *)slot);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return print_format(printer, "%" PRIu64, *(const uint64_t *)slot);
    case PROTOBUF_C_TYPE_FLOAT:
        return print_double((double)*(const float *)slot);
    case PROTOBUF_C_TYPE_DOUBLE:
        return print_double(*(const double *)slot);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)slot);
    case PROTOBUF_C_TYPE_ENUM:
        return print_enum(field->descriptor, *(const int *)slot);
    case PROTOBUF_C_TYPE_STRING:
        return lk_pb_print_text(printer, lk_str_from(*(char *const *)slot));
    case PROTOBUF_C_TYPE_BYTES:
        return print_bytes(printer, slot);
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(printer, *(ProtobufCMessage *const *)slot);
    }
    lk_panic("field %s has no known type", field->name);
}

/* Keys of JSON objects are strings, whatever the key type of the map. */
static struct lk_str key_text(struct lk_pb_printer *printer, const ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
    const void *slot = lk_pb_slot(entry, key);

    if (key->type == PROTOBUF_C_TYPE_STRING)
        return lk_str_from(*(char *const *)slot);
    if (key->type == PROTOBUF_C_TYPE_BOOL)
        return lk_str_from(*(const protobuf_c_boolean *)slot ? "true" : "false");
    if (key->type == PROTOBUF_C_TYPE_UINT32)
        return lk_arena_printf(printer->arena, "%" PRIu32, *(const uint32_t *)slot);
    if (key->type == PROTOBUF_C_TYPE_INT32)
        return lk_arena_printf(printer->arena, "%" PRId32, *(const int32_t *)slot);
    if (key->type == PROTOBUF_C_TYPE_UINT64)
        return lk_arena_printf(printer->arena, "%" PRIu64, *(const uint64_t *)slot);
    return lk_arena_printf(printer->arena, "%" PRId64, *(const int64_t *)slot);
}

static json_t *print_map(struct lk_pb_printer *printer, const ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field)
{
    json_t *object = json_object();

    for (size_t i = 0; i < *lk_pb_count(message, field); i++) {
        const ProtobufCMessage *entry = *(ProtobufCMessage *const *)lk_pb_element(message, field, i);
        const ProtobufCFieldDescriptor *value = &entry->descriptor->fields[1];
        const void *slot = lk_pb_slot(entry, value);
        struct lk_str key = key_text(printer, entry);

        /* an entry whose value was left out on the wire */
        if (lk_pb_is_message(value) && !*(ProtobufCMessage *const *)slot)
            json_object_setn_new(object, key.ptr, key.len, json_object());
        else
            json_object_setn_new(object, key.ptr, key.len, lk_pb_print_value(printer, value, slot));
    }
    return object;
}

static json_t *print_field(struct lk_pb_printer *printer, const ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field)
{
    json_t *list;

    if (lk_pb_is_map(field))
        return print_map(printer, message, field);
    if (!lk_pb_is_repeated(field))
        return lk_pb_print_value(printer, field, lk_pb_slot(message, field));
    list = json_array();
    for (size_t i = 0; i < *lk_pb_count(message, field); i++)
        json_array_append_new(list, lk_pb_print_value(printer, field, lk_pb_element(message, field, i)));
    return list;
}

static json_t *print_fields(struct lk_pb_printer *printer, const ProtobufCMessage *message)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        bool sensitive;

        if (!lk_pb_is_set(message, field))
            continue;
        sensitive = lk_pb_is_sensitive(message->descriptor, field);
        printer->redact += sensitive;
        json_object_set_new(object, field->name, print_field(printer, message, field));
        printer->redact -= sensitive;
    }
    return object;
}

/* Any with a known type: the fields of its message beside "@type". */
static json_t *print_any(struct lk_pb_printer *printer, const Google__Protobuf__Any *any)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find_url(lk_str_from(any->type_url));
    struct lk_str bytes = lk_str((const char *)any->value.data, any->value.len);
    const ProtobufCMessage *message = NULL;
    struct lk_error error = {0};
    json_t *object = NULL;

    if (desc && printer->depth < LK_PB_MAX_DEPTH)
        message = lk_pb_unpack(printer->arena, desc, bytes, &error);
    if (message && !lk_pb_has_own_json(desc)) {
        object = print_message(printer, message);
    } else {
        object = json_object();
        if (message)
            json_object_set_new(object, "value", print_message(printer, message));
        else if (desc)
            json_object_set_new(object, "error", json_string(error.text));
        else if (any->value.len > 0)
            json_object_set_new(object, "value", print_bytes(printer, &any->value));
    }
    if (any->type_url[0] != '\0')
        json_object_set_new(object, "@type", json_string(any->type_url));
    return object;
}

static json_t *print_message(struct lk_pb_printer *printer, const ProtobufCMessage *message)
{
    json_t *out;

    printer->depth++;
    if (message->descriptor == &google__protobuf__any__descriptor)
        out = print_any(printer, (const Google__Protobuf__Any *)message);
    else if (lk_pb_has_own_json(message->descriptor))
        out = lk_pb_print_known(printer, message);
    else
        out = print_fields(printer, message);
    printer->depth--;
    return out;
}

json_t *lk_pb_to_json(const ProtobufCMessage *message)
{
    struct lk_arena arena;
    struct lk_pb_printer printer = {.arena = &arena};
    json_t *out;

    lk_arena_init(&arena);
    out = print_message(&printer, message);
    lk_arena_reset(&arena);
    return out;
}

char *lk_pb_to_json_text(const ProtobufCMessage *message)
{
    json_t *json = lk_pb_to_json(message);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);

    json_decref(json);
    return text;
}
