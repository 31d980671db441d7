/* Edit distance between a mistyped name and the fields of a message. Pure functions. */
#include "xds/decode/pb_suggest.h"

#include "proxy/base/mem.h"

static struct lk_str without_underscores(struct lk_str name, char *buffer)
{
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '_')
            buffer[len++] = name.ptr[i];
    }
    return lk_str(buffer, len);
}

const char *lk_pb_suggest(const ProtobufCMessageDescriptor *desc, struct lk_str name)
{
    char given_buffer[LK_STR_DISTANCE_MAX];
    char own_buffer[LK_STR_DISTANCE_MAX];
    const char *best = NULL;
    size_t least = 0;

    if (name.len > LK_STR_DISTANCE_MAX)
        return NULL;
    name = without_underscores(name, given_buffer);
    for (unsigned i = 0; i < desc->n_fields; i++) {
        struct lk_str own = lk_str_from(desc->fields[i].name);
        size_t far;

        if (own.len > LK_STR_DISTANCE_MAX)
            continue;
        own = without_underscores(own, own_buffer);
        far = lk_str_distance(name, own);
        if (far <= 1 + own.len / 5 && far < own.len && (!best || far < least)) {
            best = desc->fields[i].name;
            least = far;
        }
    }
    return best;
}
