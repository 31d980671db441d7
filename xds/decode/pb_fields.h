/*
 * What the descriptors of protobuf-c do not say directly: JSON names, which repeated fields are
 * maps, where a field's value lies and whether it is set. Shared by everything that walks messages.
 * Pure functions, any thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether `json` is the lowerCamelCase form (protobuf's json_name) of a snake_case name. */
bool lk_pb_is_json_name(struct lk_str name, struct lk_str json);

/* By snake_case or lowerCamelCase name; NULL when the message has no such field. */
const ProtobufCFieldDescriptor *lk_pb_find_field(const ProtobufCMessageDescriptor *desc, struct lk_str name);
/* By number. */
static inline const ProtobufCFieldDescriptor *lk_pb_field_of(const ProtobufCMessageDescriptor *desc, unsigned number)
{
    return protobuf_c_message_descriptor_get_field(desc, number);
}

static inline bool lk_pb_is_repeated(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static inline bool lk_pb_is_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static inline bool lk_pb_is_message(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static inline const ProtobufCMessageDescriptor *lk_pb_message_of(const ProtobufCFieldDescriptor *field)
{
    return field->descriptor;
}

/* A map is a repeated field of generated entries {key = 1, value = 2}. */
bool lk_pb_is_map(const ProtobufCFieldDescriptor *field);

/* Bytes of one value of the field, as an element of an array. */
size_t lk_pb_value_size(const ProtobufCFieldDescriptor *field);

/* Where a singular field (or the array pointer of a repeated one) lies. */
static inline void *lk_pb_slot(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->offset;
}

/* Elements of a repeated field. */
static inline size_t *lk_pb_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (size_t *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

/* Number of the field that is set in a oneof, 0 when none is. */
static inline uint32_t *lk_pb_case(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

/* Element of a repeated field. */
const void *lk_pb_element(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t index);

/* Present on the wire: not the default, and the chosen one where it belongs to a oneof. */
bool lk_pb_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
