/* An arena as the allocator of protobuf-c: freeing is a no-op, the arena frees all at once. */
#pragma once

#include "proxy/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* Valid as long as the arena; give its address to an unpack function. */
ProtobufCAllocator lk_pb_arena_allocator(struct lk_arena *arena);
