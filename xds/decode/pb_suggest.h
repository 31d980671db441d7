/* The field name that a mistyped one was probably meant to be. Pure functions. */
#pragma once

#include "proxy/base/str.h"

#include <protobuf-c/protobuf-c.h>

/* The nearest field name, when one is near enough to be the likely intention; else NULL. */
const char *lk_pb_suggest(const ProtobufCMessageDescriptor *desc, struct lk_str name);
