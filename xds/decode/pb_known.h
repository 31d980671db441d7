/*
 * Nothing is silently ignored: reports what a message sets that this build does not act on. What is
 * acted on is listed in supported_fields.txt. Main thread, when a configuration is accepted.
 */
#pragma once

#include "proxy/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * Walks the fields that are acted on, into messages, lists, maps and known Anys, and appends at
 * their paths below the current one:
 * - a mistake (LK_ERROR_UNSUPPORTED) for a set field that is not acted on where ignoring it would
 *   change who may pass or where traffic goes;
 * - a warning for any other set field that is not acted on;
 * - for a field number that nobody knows, a mistake with reject_unknown, else a warning.
 * A message that is not listed at all is left to its reader, which refuses the type.
 */
void lk_pb_report_unsupported(const ProtobufCMessage *message, bool reject_unknown, struct lk_errors *errors);
