/*
 * Scalars of the protobuf JSON mapping: numbers (also as strings), booleans, strings, bytes in
 * base64, enums by name in any case or by number. Called by pb_json; pure but for the error list.
 */
#include "proxy/base/base64.h"
#include "proxy/base/mem.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_json_internal.h"

#include <math.h>
#include <stdlib.h>

#define ENUM_NAMES_MAX 12 /* how many names an error lists */

/* A decimal number with optional fraction and exponent, nothing before or after it. */
static bool text_to_double(struct lk_str text, double *out)
{
    char *end = NULL;

    for (size_t i = 0; i < text.len; i++) {
        if (!strchr("0123456789+-.eE", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    }
    if (text.len == 0)
        return false;
    *out = strtod(text.ptr, &end);
    return end == text.ptr + text.len;
}

static bool is_numeric(const struct lk_yaml_node *node)
{
    return node->kind == LK_YAML_INT || node->kind == LK_YAML_NUMBER || node->kind == LK_YAML_STRING;
}

static bool to_i64(const struct lk_yaml_node *node, int64_t *out)
{
    double value;

    if (node->kind == LK_YAML_INT)
        *out = node->integer;
    if (node->kind == LK_YAML_INT || (is_numeric(node) && lk_str_to_i64(node->text, out)))
        return true;
    if (!is_numeric(node) || !text_to_double(node->text, &value) || value != floor(value) || value < -0x1p63 ||
        value >= 0x1p63)
        return false;
    *out = (int64_t)value;
    return true;
}

static bool to_u64(const struct lk_yaml_node *node, uint64_t *out)
{
    double value;

    if (node->kind == LK_YAML_INT)
        *out = (uint64_t)node->integer;
    if (node->kind == LK_YAML_INT)
        return node->integer >= 0;
    if (is_numeric(node) && lk_str_to_u64(node->text, out))
        return true;
    if (!is_numeric(node) || !text_to_double(node->text, &value) || value != floor(value) || value < 0 ||
        value >= 0x1p64)
        return false;
    *out = (uint64_t)value;
    return true;
}

static bool decode_signed(struct lk_pb_json *json, const struct lk_yaml_node *node, size_t size, void *slot)
{
    int64_t value;

    if (!to_i64(node, &value) || (size == 4 && (value < INT32_MIN || value > INT32_MAX)))
        return lk_pb_json_expected(
            json, node, size == 4 ? "a whole number from -2147483648 to 2147483647" : "a whole number of 64 bits");
    if (size == 4)
        *(int32_t *)slot = (int32_t)value;
    else
        *(int64_t *)slot = value;
    return true;
}

static bool decode_unsigned(struct lk_pb_json *json, const struct lk_yaml_node *node, size_t size, void *slot)
{
    uint64_t value;

    if (!to_u64(node, &value) || (size == 4 && value > UINT32_MAX))
        return lk_pb_json_expected(json, node,
                                   size == 4 ? "a whole number from 0 to 4294967295"
                                             : "a whole number from 0 to 18446744073709551615");
    if (size == 4)
        *(uint32_t *)slot = (uint32_t)value;
    else
        *(uint64_t *)slot = value;
    return true;
}

static bool decode_double(struct lk_pb_json *json, const struct lk_yaml_node *node, double *out)
{
    if (node->kind == LK_YAML_INT) {
        *out = (double)node->integer;
        return true;
    }
    if (is_numeric(node) && text_to_double(node->text, out) && isfinite(*out))
        return true;
    if (node->kind == LK_YAML_STRING) {
        bool negative = node->text.len > 0 && node->text.ptr[0] == '-';
        struct lk_str name = lk_str_drop(node->text, negative);

        *out = lk_str_eq(name, LK_STR("Infinity")) ? HUGE_VAL : NAN;
        if (!isnan(*out) || (!negative && lk_str_eq(name, LK_STR("NaN")))) {
            *out = negative ? -*out : *out;
            return true;
        }
    }
    return lk_pb_json_expected(json, node, "a number");
}

static bool decode_float(struct lk_pb_json *json, const struct lk_yaml_node *node, float *out)
{
    double value = 0;

    if (!decode_double(json, node, &value))
        return false;
    if (isfinite(value) && fabs(value) > 0x1.fffffep127)
        return lk_pb_json_expected(json, node, "a number of single precision");
    *out = (float)value;
    return true;
}

static bool decode_bool(struct lk_pb_json *json, const struct lk_yaml_node *node, void *slot)
{
    bool quoted_true = node->kind == LK_YAML_STRING && lk_str_eq(node->text, LK_STR("true"));
    bool quoted_false = node->kind == LK_YAML_STRING && lk_str_eq(node->text, LK_STR("false"));

    if (node->kind != LK_YAML_BOOL && !quoted_true && !quoted_false)
        return lk_pb_json_expected(json, node, "true or false");
    *(protobuf_c_boolean *)slot = quoted_true || (node->kind == LK_YAML_BOOL && node->integer);
    return true;
}

static bool decode_string(struct lk_pb_json *json, const struct lk_yaml_node *node, char **out)
{
    if (node->kind == LK_YAML_BOOL || node->kind == LK_YAML_INT || node->kind == LK_YAML_NUMBER)
        return lk_pb_json_error(json, node->line, "expected a string, found %.*s; write it in quotes",
                                (int)LK_MIN(node->text.len, (size_t)60), node->text.ptr);
    if (node->kind != LK_YAML_STRING)
        return lk_pb_json_expected(json, node, "a string");
    if (memchr(node->text.ptr, '\0', node->text.len))
        return lk_pb_json_error(json, node->line, "a string cannot hold a zero byte");
    *out = (char *)(uintptr_t)node->text.ptr;
    return true;
}

static bool decode_bytes(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCBinaryData *out)
{
    struct lk_str bytes;

    if (node->kind != LK_YAML_STRING)
        return lk_pb_json_expected(json, node, "a string of base64 (in quotes)");
    if (!lk_base64_decode(json->arena, node->text, &bytes))
        return lk_pb_json_error(json, node->line, "expected base64, found %zu characters that are not", node->text.len);
    out->len = bytes.len;
    out->data = (uint8_t *)(uintptr_t)bytes.ptr;
    return true;
}

/* "A, B or C" for an error; shortened for long enums. */
static const char *enum_names(struct lk_pb_json *json, const ProtobufCEnumDescriptor *desc)
{
    struct lk_str text = LK_STR("");
    unsigned count = LK_MIN(desc->n_values, (unsigned)ENUM_NAMES_MAX);

    LK_ASSERT(count == 0 || desc->values != NULL);
    /* in the order of their numbers; without aliases */
    for (unsigned i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 == desc->n_values ? " or " : ", ";

        text = lk_arena_printf(json->arena, "%.*s%s%s", LK_STR_ARG(text), between, desc->values[i].name);
    }
    if (count < desc->n_values)
        text = lk_arena_printf(json->arena, "%.*s, ...", LK_STR_ARG(text));
    return text.ptr;
}

/* By name in any case, aliases included. */
static const ProtobufCEnumValue *enum_by_name(const ProtobufCEnumDescriptor *desc, struct lk_str name)
{
    for (unsigned i = 0; i < desc->n_value_names; i++) {
        if (lk_str_ieq(name, lk_str_from(desc->values_by_name[i].name)))
            return &desc->values[desc->values_by_name[i].index];
    }
    return NULL;
}

static bool decode_enum(struct lk_pb_json *json, const ProtobufCEnumDescriptor *desc, const struct lk_yaml_node *node,
                        void *slot)
{
    const ProtobufCEnumValue *value = NULL;

    /* A name such as OFF or NO is a boolean to YAML; the text still tells. */
    if (node->kind == LK_YAML_STRING || node->kind == LK_YAML_BOOL)
        value = enum_by_name(desc, node->text);
    else if (node->kind == LK_YAML_INT)
        value = protobuf_c_enum_descriptor_get_value(desc, (int)node->integer);
    if (!value)
        return lk_pb_json_expected(json, node, enum_names(json, desc));
    *(int *)slot = value->value;
    return true;
}

bool lk_pb_json_scalar(struct lk_pb_json *json, const ProtobufCFieldDescriptor *field, const struct lk_yaml_node *node,
                       void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return decode_signed(json, node, lk_pb_value_size(field), slot);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return decode_unsigned(json, node, lk_pb_value_size(field), slot);
    case PROTOBUF_C_TYPE_FLOAT:
        return decode_float(json, node, slot);
    case PROTOBUF_C_TYPE_DOUBLE:
        return decode_double(json, node, slot);
    case PROTOBUF_C_TYPE_BOOL:
        return decode_bool(json, node, slot);
    case PROTOBUF_C_TYPE_ENUM:
        return decode_enum(json, field->descriptor, node, slot);
    case PROTOBUF_C_TYPE_STRING:
        return decode_string(json, node, slot);
    case PROTOBUF_C_TYPE_BYTES:
        return decode_bytes(json, node, slot);
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    lk_panic("field %s is no scalar", field->name);
}
