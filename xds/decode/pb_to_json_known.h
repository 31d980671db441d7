/* The part of pb_to_json for messages whose JSON form is no list of fields; internal to it. */
#pragma once

#include "proxy/base/arena.h"

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct lk_pb_printer {
    struct lk_arena *arena;
    unsigned depth;
    unsigned redact; /* > 0 below a sensitive field */
};

/* Duration, Timestamp, wrappers, Struct, Value, ListValue and Any itself. */
bool lk_pb_has_own_json(const ProtobufCMessageDescriptor *desc);
/* Any excepted. */
json_t *lk_pb_print_known(struct lk_pb_printer *printer, const ProtobufCMessage *message);

/* A string value, or its stand-in below a sensitive field. */
json_t *lk_pb_print_text(struct lk_pb_printer *printer, struct lk_str text);
/* One value of a field, as it lies in memory. */
json_t *lk_pb_print_value(struct lk_pb_printer *printer, const ProtobufCFieldDescriptor *field, const void *slot);
