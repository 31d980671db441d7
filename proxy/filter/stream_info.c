/* Dynamic metadata of a stream, and names of response flags. */
#include "proxy/filter/stream_info.h"

#include "proxy/config/metadata.h"

static const struct {
    const char *short_name;
    const char *long_name;
} names[LK_FLAG_COUNT] = {
#define X(id, short_name, long_name) [LK_FLAG_##id] = {short_name, long_name},
    LK_RESPONSE_FLAGS(X)
#undef X
};

const char *lk_response_flag_name(enum lk_response_flag flag, bool long_name)
{
    return long_name ? names[flag].long_name : names[flag].short_name;
}

enum lk_response_flag lk_response_flag_find(struct lk_str short_name)
{
    for (unsigned i = 0; i < LK_FLAG_COUNT; i++) {
        if (lk_str_eq(short_name, lk_str_from(names[i].short_name)))
            return (enum lk_response_flag)i;
    }
    return LK_FLAG_COUNT;
}

static struct lk_dynamic_metadata *find_metadata(const struct lk_stream_info *info, struct lk_str ns, struct lk_str key)
{
    struct lk_dynamic_metadata *item = info->dynamic_metadata;
    while (item != NULL && !(lk_str_eq(item->ns, ns) && lk_str_eq(item->key, key)))
        item = item->next;
    return item;
}

void lk_stream_info_set_metadata(struct lk_stream_info *info, struct lk_arena *arena, struct lk_str ns,
                                 struct lk_str key, const struct lk_value *value)
{
    struct lk_dynamic_metadata *item = find_metadata(info, ns, key);
    if (item == NULL) {
        item = lk_arena_alloc(arena, sizeof(*item));
        *item = (struct lk_dynamic_metadata){.next = info->dynamic_metadata, .ns = ns, .key = key};
        info->dynamic_metadata = item;
    }
    item->value = value;
}

const struct lk_value *lk_stream_info_metadata(const struct lk_stream_info *info, struct lk_arena *arena,
                                               struct lk_str ns)
{
    size_t count = 0;
    for (const struct lk_dynamic_metadata *item = info->dynamic_metadata; item != NULL; item = item->next)
        count += lk_str_eq(item->ns, ns);
    if (count == 0)
        return NULL;
    struct lk_value *children = lk_arena_array(arena, count, sizeof(*children));
    struct lk_value *object = lk_arena_zalloc(arena, sizeof(*object));
    *object = (struct lk_value){.kind = LK_VALUE_OBJECT, .name = ns, .children = children, .child_count = count};
    for (const struct lk_dynamic_metadata *item = info->dynamic_metadata; item != NULL; item = item->next) {
        if (!lk_str_eq(item->ns, ns))
            continue;
        children[--count] = *item->value; /* the list is newest first */
        children[count].name = item->key;
    }
    return object;
}
