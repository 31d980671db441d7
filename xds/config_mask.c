/* Field masks; see config_mask.h. Recursion follows a path, so it is as deep as the longest path has names. */
#include "xds/config_mask.h"

#include "proxy/base/mem.h"

static json_t *apply(struct lk_arena *arena, const struct lk_str *paths, size_t count, json_t *value);

static json_t *apply_list(struct lk_arena *arena, const struct lk_str *paths, size_t count, json_t *list)
{
    json_t *out = json_array();
    json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        json_t *kept = apply(arena, paths, count, element);

        if (kept)
            json_array_append_new(out, kept);
    }
    return out;
}

/* What is left of each path that begins with the name. */
static size_t below(const struct lk_str *paths, size_t count, struct lk_str name, struct lk_str *rest)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        struct lk_str tail = paths[i];

        if (lk_str_eq(lk_str_split(&tail, '.'), name))
            rest[found++] = tail;
    }
    return found;
}

static json_t *apply_object(struct lk_arena *arena, const struct lk_str *paths, size_t count, json_t *object)
{
    struct lk_str *rest = lk_arena_array(arena, count, sizeof(*rest));
    json_t *out = json_object();
    json_t *field;
    const char *key;

    json_object_foreach(object, key, field)
    {
        size_t found = below(paths, count, lk_str_from(key), rest);
        json_t *kept = NULL;

        if (found > 0)
            kept = apply(arena, rest, found, field);
        else if (strcmp(key, "@type") == 0)
            kept = json_incref(field);
        if (kept)
            json_object_set_new(out, key, kept);
    }
    return out;
}

static json_t *apply(struct lk_arena *arena, const struct lk_str *paths, size_t count, json_t *value)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i].ptr == NULL)
            return json_incref(value);
    }
    if (json_is_array(value))
        return apply_list(arena, paths, count, value);
    return json_is_object(value) ? apply_object(arena, paths, count, value) : NULL;
}

struct lk_config_mask lk_config_mask_parse(struct lk_arena *arena, struct lk_str text)
{
    struct lk_str *paths;
    size_t parts = 1, count = 0;

    for (size_t i = 0; i < text.len; i++)
        parts += text.ptr[i] == ',';
    paths = lk_arena_array(arena, parts, sizeof(*paths));
    while (text.ptr != NULL) {
        struct lk_str path = lk_str_trim(lk_str_split(&text, ','));

        if (path.len > 0)
            paths[count++] = path;
    }
    return (struct lk_config_mask){.paths = paths, .count = count};
}

json_t *lk_config_mask_apply(const struct lk_config_mask *mask, json_t *value)
{
    struct lk_arena arena;
    json_t *out;

    lk_arena_init(&arena);
    out = apply(&arena, mask->paths, mask->count, value);
    lk_arena_reset(&arena);
    return out ? out : json_null();
}
