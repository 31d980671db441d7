/*
 * What must hold of bytes before protobuf-c may unpack them: it recurses without a limit, and it
 * hands out strings that end at their first zero byte. Pure functions, any thread.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * Walks the wire format by the descriptor. False, with *error filled, when messages are nested
 * deeper than max_depth (the outermost is 1), a length or tag is malformed, or a string is not UTF-8
 * or holds a zero byte. The content of an Any is bytes and checked when it is unpacked itself.
 */
bool lk_pb_wire_check(const ProtobufCMessageDescriptor *desc, struct lk_str bytes, unsigned max_depth,
                      struct lk_error *error) LK_MUST_CHECK;
