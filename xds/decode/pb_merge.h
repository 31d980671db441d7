/* protobuf's MergeFrom over protobuf-c messages that lie in arenas: how --config-yaml is laid over
 * the bootstrap file. */
#pragma once

#include "proxy/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/*
 * Lays `from` over `into` (same type): set scalars overwrite, messages merge, lists are appended,
 * map entries replace those of their key, a chosen oneof replaces another choice. New arrays come
 * from the arena; afterwards `into` shares parts of `from`, so both must live equally long.
 */
void lk_pb_merge(struct lk_arena *arena, ProtobufCMessage *into, const ProtobufCMessage *from);
