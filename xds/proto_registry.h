/*
 * Every protobuf message this build knows, by full name: what the "@type" of an Any is resolved
 * with. The table is generated from the .proto files; constant, any thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "proxy/base/str.h"

/* By full name such as "envoy.config.core.v3.Node"; NULL when this build has no such message. */
const ProtobufCMessageDescriptor *lk_proto_find(const char *full_name, size_t len);

/* By type URL: what follows the last '/' is the name (google.protobuf.Any, type_url). */
const ProtobufCMessageDescriptor *lk_proto_find_url(struct lk_str type_url);

/* All of them in the order of their names, for checks that walk everything. */
size_t lk_proto_count(void);
const ProtobufCMessageDescriptor *lk_proto_at(size_t index);
