/* What the files of the tree-to-message decoder (pb_json*.c) share; nobody else includes this. */
#pragma once

#include "xds/decode/pb_json.h"

struct lk_pb_json {
    struct lk_arena *arena;
    struct lk_errors *errors;
    struct lk_pb_json_options options;
    /* The enclosing object says is_optional or disabled: an unknown @type in it is no mistake. */
    bool optional;
};

/* Appends a mistake at the current path with the line of a node. Returns false. */
bool lk_pb_json_error(struct lk_pb_json *json, int line, const char *fmt, ...) LK_PRINTF(3, 4);
/* The same: "expected <what>, found <node>". */
bool lk_pb_json_expected(struct lk_pb_json *json, const struct lk_yaml_node *node, const char *what);

/* A message of the type with default values. */
ProtobufCMessage *lk_pb_json_new(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc);
/* The message for a node, whatever JSON form its type has. Never NULL. */
ProtobufCMessage *lk_pb_json_message(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                                     const struct lk_yaml_node *node);
/* The fields of an object; an "@type" entry is skipped when in_any. */
void lk_pb_json_fields(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message,
                       bool in_any);

/* One scalar, enum, string or bytes into *slot; reports mistakes. */
bool lk_pb_json_scalar(struct lk_pb_json *json, const ProtobufCFieldDescriptor *field, const struct lk_yaml_node *node,
                       void *slot);

/* Messages for which lk_pb_is_known_type holds. */
void lk_pb_json_own_form(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message);

/* google.protobuf.Any */
void lk_pb_json_any(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message);
