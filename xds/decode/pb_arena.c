/* protobuf-c's allocator interface over an arena. Same thread as the arena. */
#include "xds/decode/pb_arena.h"

static void *arena_alloc(void *arena, size_t size)
{
    return lk_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

ProtobufCAllocator lk_pb_arena_allocator(struct lk_arena *arena)
{
    return (ProtobufCAllocator){.alloc = arena_alloc, .free = arena_free, .allocator_data = arena};
}
