/* The check of the wire format before unpacking (protobuf encoding guide). Pure functions. */
#include "xds/decode/pb_wire.h"

#include "xds/decode/pb_fields.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5 };

static bool take_varint(struct lk_str *rest, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < rest->len && i < 10; i++) {
        unsigned char c = (unsigned char)rest->ptr[i];

        *out |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *rest = lk_str_drop(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Bytes that a UTF-8 sequence at s has, 0 when it is none (RFC 3629, no surrogates). */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

static bool is_text(struct lk_str value)
{
    const unsigned char *s = (const unsigned char *)value.ptr;

    for (size_t i = 0; i < value.len;) {
        size_t len = s[i] == 0 ? 0 : utf8_sequence(s + i, value.len - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* Cuts the value behind a tag off *rest; *value is the content of a length-delimited one. */
static bool take_value(struct lk_str *rest, unsigned type, struct lk_str *value)
{
    uint64_t number;
    size_t skip;

    *value = lk_str(NULL, 0);
    switch (type) {
    case WIRE_VARINT:
        return take_varint(rest, &number);
    case WIRE_64:
    case WIRE_32:
        skip = type == WIRE_64 ? 8 : 4;
        break;
    case WIRE_LENGTH:
        if (!take_varint(rest, &number) || number > rest->len)
            return false;
        skip = (size_t)number;
        *value = lk_str(rest->ptr, skip);
        break;
    default:
        return false;
    }
    if (skip > rest->len)
        return false;
    *rest = lk_str_drop(*rest, skip);
    return true;
}

static bool check_value(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field,
                        struct lk_str value, unsigned depth, struct lk_error *error)
{
    if (field->type == PROTOBUF_C_TYPE_STRING && !is_text(value))
        return lk_error_set(error, LK_ERROR_INVALID, "%s.%s is not UTF-8 text without zero bytes", desc->name,
                            field->name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return lk_pb_wire_check(field->descriptor, value, depth - 1, error);
    return true;
}

bool lk_pb_wire_check(const ProtobufCMessageDescriptor *desc, struct lk_str bytes, unsigned max_depth,
                      struct lk_error *error)
{
    if (max_depth == 0)
        return lk_error_set(error, LK_ERROR_LIMIT, "%s is nested too deeply", desc->name);
    while (bytes.len > 0) {
        const ProtobufCFieldDescriptor *field;
        struct lk_str value;
        uint64_t tag;

        if (!take_varint(&bytes, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
            return lk_error_set(error, LK_ERROR_INVALID, "malformed tag in %s", desc->name);
        if (!take_value(&bytes, (unsigned)(tag & 7), &value))
            return lk_error_set(error, LK_ERROR_INVALID, "malformed value of field %u in %s", (unsigned)(tag >> 3),
                                desc->name);
        field = (tag & 7) == WIRE_LENGTH ? lk_pb_field_of(desc, (unsigned)(tag >> 3)) : NULL;
        if (field && !check_value(desc, field, value, max_depth, error))
            return false;
    }
    return true;
}
