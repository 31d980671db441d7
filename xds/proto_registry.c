/* Binary search over the generated table of message descriptors. Any thread. */
#include "xds/proto_registry.h"

#include "proxy/base/mem.h"

#include "proto_registry_table.h"

/* Like strcmp, with a left side that has a length and may hold any byte. */
static int compare_name(const char *name, size_t len, const char *other)
{
    size_t other_len = strlen(other);
    int order = memcmp(name, other, LK_MIN(len, other_len));

    return order != 0 ? order : (len > other_len) - (len < other_len);
}

const ProtobufCMessageDescriptor *lk_proto_find(const char *full_name, size_t len)
{
    size_t low = 0;
    size_t high = LK_ARRAY_LEN(message_table);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(full_name, len, message_table[middle]->name);

        if (order == 0)
            return message_table[middle];
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const ProtobufCMessageDescriptor *lk_proto_find_url(struct lk_str type_url)
{
    for (size_t i = type_url.len; i > 0; i--) {
        if (type_url.ptr[i - 1] == '/') {
            type_url = lk_str_drop(type_url, i);
            break;
        }
    }
    return type_url.len > 0 ? lk_proto_find(type_url.ptr, type_url.len) : NULL;
}

size_t lk_proto_count(void)
{
    return LK_ARRAY_LEN(message_table);
}

const ProtobufCMessageDescriptor *lk_proto_at(size_t index)
{
    return message_table[index];
}
