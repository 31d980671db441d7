/*
 * From a tree of yaml_tree to a protobuf message, by walking protobuf-c's descriptors: the protobuf
 * JSON mapping plus the leniencies of Envoy's loader (enum names in any case, a single value for a
 * repeated field, {seconds, nanos} for a Duration). Runs at start-up and on the main loop.
 *
 * An Any with "@type" is resolved through xds/proto_registry.h and packed; a TypedStruct (udpa or
 * xds) is decoded and packed as the type it names. A type that is not built in is a mistake
 * (LK_ERROR_UNSUPPORTED), except beside `is_optional: true` or `disabled: true`: there it is a warning
 * and the Any keeps its type URL, with no value, for whoever reads it to judge.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "xds/decode/yaml_tree.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct lk_pb_json_options {
    /* Names that no message knows become warnings instead of errors (--allow-unknown-static-fields). */
    bool allow_unknown;
};

/*
 * The message lies in the arena as a whole and must not be freed by protobuf-c. Every mistake is
 * appended to *errors with line and field path, below the current path; after a mistake the
 * message holds what could be read and is good only for finding more mistakes.
 * Never NULL.
 */
ProtobufCMessage *lk_pb_from_tree(struct lk_arena *arena, const ProtobufCMessageDescriptor *desc,
                                  const struct lk_yaml_node *node, const struct lk_pb_json_options *options,
                                  struct lk_errors *errors);
