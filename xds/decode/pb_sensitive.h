/* Which fields hold secrets that must not be shown. Pure function, any thread. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

bool lk_pb_is_sensitive(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);
