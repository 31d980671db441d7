/* Edit distance between a mistyped name and the fields of a message. Pure functions. */
#include "xds/decode/pb_suggest.h"

#include "proxy/base/mem.h"

#define NAME_MAX_LEN 64

/* Levenshtein distance without regard to case and underscores. */
static size_t distance(struct lk_str a, struct lk_str b)
{
    size_t row[NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t cost =
                diagonal + (lk_ascii_lower((unsigned char)a.ptr[i - 1]) != lk_ascii_lower((unsigned char)b.ptr[j - 1]));

            row[j] = LK_MIN(cost, LK_MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b.len];
}

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
    char given_buffer[NAME_MAX_LEN];
    char own_buffer[NAME_MAX_LEN];
    const char *best = NULL;
    size_t least = 0;

    if (name.len > NAME_MAX_LEN)
        return NULL;
    name = without_underscores(name, given_buffer);
    for (unsigned i = 0; i < desc->n_fields; i++) {
        struct lk_str own = lk_str_from(desc->fields[i].name);
        size_t far;

        if (own.len > NAME_MAX_LEN)
            continue;
        own = without_underscores(own, own_buffer);
        far = distance(name, own);
        if (far <= 1 + own.len / 5 && far < own.len && (!best || far < least)) {
            best = desc->fields[i].name;
            least = far;
        }
    }
    return best;
}
