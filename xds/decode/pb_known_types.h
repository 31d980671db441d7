/* Which messages of google.protobuf have a JSON form of their own. Pure function, any thread. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Duration, Timestamp, Struct, Value, ListValue and the nine wrappers; not Any, not Empty. */
bool lk_pb_is_known_type(const ProtobufCMessageDescriptor *desc);
