/* MergeFrom by descriptors. Runs once at start-up; recursion is bounded by the depth of messages. */
#include "xds/decode/pb_merge.h"

#include "proxy/base/mem.h"
#include "xds/decode/pb_fields.h"

static bool same_key(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    const void *left = lk_pb_slot(a, key);
    const void *right = lk_pb_slot(b, key);

    if (key->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    return memcmp(left, right, lk_pb_value_size(key)) == 0;
}

static void merge_map_entry(ProtobufCMessage **entries, size_t *count, ProtobufCMessage *entry)
{
    for (size_t i = 0; i < *count; i++) {
        if (same_key(entries[i], entry)) {
            entries[i] = entry;
            return;
        }
    }
    entries[(*count)++] = entry;
}

static void merge_repeated(struct lk_arena *arena, ProtobufCMessage *into, const ProtobufCMessage *from,
                           const ProtobufCFieldDescriptor *field)
{
    size_t *count = lk_pb_count(into, field);
    size_t more = *lk_pb_count(from, field);
    size_t size = lk_pb_value_size(field);
    char *array = lk_arena_array(arena, *count + more, size);

    if (*count > 0)
        memcpy(array, lk_pb_element(into, field, 0), *count * size);
    *(char **)lk_pb_slot(into, field) = array;
    if (lk_pb_is_map(field)) {
        for (size_t i = 0; i < more; i++)
            merge_map_entry((ProtobufCMessage **)(void *)array, count,
                            *(ProtobufCMessage *const *)lk_pb_element(from, field, i));
    } else {
        memcpy(array + *count * size, lk_pb_element(from, field, 0), more * size);
        *count += more;
    }
}

static void merge_singular(struct lk_arena *arena, ProtobufCMessage *into, const ProtobufCMessage *from,
                           const ProtobufCFieldDescriptor *field)
{
    void *slot = lk_pb_slot(into, field);

    if (lk_pb_is_message(field) && lk_pb_is_set(into, field)) {
        lk_pb_merge(arena, *(ProtobufCMessage **)slot, *(ProtobufCMessage *const *)lk_pb_slot(from, field));
        return;
    }
    memcpy(slot, lk_pb_slot(from, field), lk_pb_value_size(field));
    if (lk_pb_is_oneof(field))
        *lk_pb_case(into, field) = field->id;
}

void lk_pb_merge(struct lk_arena *arena, ProtobufCMessage *into, const ProtobufCMessage *from)
{
    LK_ASSERT(into->descriptor == from->descriptor);
    for (unsigned i = 0; i < from->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &from->descriptor->fields[i];

        if (!lk_pb_is_set(from, field))
            continue;
        if (lk_pb_is_repeated(field))
            merge_repeated(arena, into, from, field);
        else
            merge_singular(arena, into, from, field);
    }
}
