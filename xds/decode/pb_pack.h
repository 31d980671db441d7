/*
 * Messages to and from bytes in an arena: the only way in which bytes from a file or a control plane
 * become messages. Any thread.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"
#include "xds/decode/pb_json.h"

#include <protobuf-c/protobuf-c.h>

/* protobuf-c recurses without a limit of its own. */
#define LK_PB_MAX_DEPTH 64

/* The message as bytes. */
struct lk_str lk_pb_pack(struct lk_arena *arena, const ProtobufCMessage *message);

/*
 * The message in bytes of its type; it lies in the arena as a whole and must not be freed by
 * protobuf-c. NULL, with *error filled, for what is malformed, nested deeper than LK_PB_MAX_DEPTH
 * or holds strings that are no UTF-8 or have a zero byte.
 */
ProtobufCMessage *lk_pb_unpack(struct lk_arena *arena, const ProtobufCMessageDescriptor *desc, struct lk_str bytes,
                               struct lk_error *error);

/*
 * The message in an Any: its type URL (or the bare name of its type) and value. A TypedStruct gives
 * the message of the type it names. NULL, with mistakes appended at the current path, for a type
 * that is not built in (LK_ERROR_UNSUPPORTED) and for bytes that are no such message; mistakes in a
 * TypedStruct are appended too, with line 0.
 */
ProtobufCMessage *lk_pb_unpack_any(struct lk_arena *arena, struct lk_str type_url, struct lk_str value,
                                   const struct lk_pb_json_options *options, struct lk_errors *errors);
