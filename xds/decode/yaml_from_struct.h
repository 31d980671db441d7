/* A google.protobuf.Struct as a tree of yaml_tree nodes (lines 0), so that pb_json can read it. */
#pragma once

#include "xds/decode/yaml_tree.h"

#include "google/protobuf/struct.pb-c.h"

/* Numbers become LK_YAML_INT or LK_YAML_NUMBER. The message must have passed lk_pb_wire_check. */
struct lk_yaml_node *lk_yaml_from_struct(struct lk_arena *arena, const Google__Protobuf__Struct *from);
