/* Looking things up in a tree of yaml_tree, and reading the file it comes from. Pure functions. */
#include "xds/decode/yaml_tree.h"

#include "xds/decode/pb_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum lk_yaml_syntax lk_yaml_syntax_of(struct lk_str file_name)
{
    return lk_str_has_isuffix(file_name, LK_STR(".json")) ? LK_YAML_SYNTAX_JSON : LK_YAML_SYNTAX_YAML;
}

static bool read_all(struct lk_arena *arena, int fd, const char *path, struct lk_str *out, struct lk_error *error)
{
    size_t cap = 0;
    size_t len = 0;
    char *buffer = NULL;
    ssize_t n;

    do {
        if (cap - len < 4096)
            buffer = lk_grow(buffer, &cap, cap + 65536, 1);
        n = read(fd, buffer + len, cap - len);
        if (n > 0)
            len += (size_t)n;
    } while (len <= LK_YAML_MAX_BYTES && (n > 0 || (n < 0 && errno == EINTR)));
    if (n >= 0 && len <= LK_YAML_MAX_BYTES)
        *out = lk_arena_str(arena, lk_str(buffer, len));
    else if (n < 0)
        lk_error_errno(error, "cannot read %s", path);
    else
        lk_error_set(error, LK_ERROR_LIMIT, "%s is larger than %zu bytes", path, LK_YAML_MAX_BYTES);
    lk_free(buffer);
    return n >= 0 && len <= LK_YAML_MAX_BYTES;
}

bool lk_yaml_read_file(struct lk_arena *arena, const char *path, struct lk_str *out, struct lk_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok;

    if (fd < 0)
        return lk_error_errno(error, "cannot open %s", path);
    ok = read_all(arena, fd, path, out, error);
    close(fd);
    return ok;
}

const struct lk_yaml_item *lk_yaml_get(const struct lk_yaml_node *node, struct lk_str key)
{
    if (!node || node->kind != LK_YAML_MAP)
        return NULL;
    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        if (lk_str_eq(item->key, key))
            return item;
    }
    return NULL;
}

const struct lk_yaml_item *lk_yaml_get_field(const struct lk_yaml_node *node, struct lk_str name)
{
    if (!node || node->kind != LK_YAML_MAP)
        return NULL;
    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        if (lk_str_eq(item->key, name) || lk_pb_is_json_name(name, item->key))
            return item;
    }
    return NULL;
}

const struct lk_yaml_node *lk_yaml_at(const struct lk_yaml_node *node, size_t index)
{
    const struct lk_yaml_item *item = node && node->kind == LK_YAML_LIST ? node->items : NULL;

    while (item && index-- > 0)
        item = item->next;
    return item ? item->value : NULL;
}

const char *lk_yaml_describe(const struct lk_yaml_node *node, struct lk_arena *arena)
{
    int len = (int)LK_MIN(node->text.len, (size_t)60);
    const char *more = node->text.len > 60 ? "..." : "";

    switch (node->kind) {
    case LK_YAML_NULL:
        return "null";
    case LK_YAML_LIST:
        return "a list";
    case LK_YAML_MAP:
        return "an object";
    case LK_YAML_STRING:
        return lk_arena_printf(arena, "the string \"%.*s%s\"", len, node->text.ptr, more).ptr;
    case LK_YAML_BOOL:
    case LK_YAML_INT:
    case LK_YAML_NUMBER:
        break;
    }
    return lk_arena_printf(arena, "%.*s%s", len, node->text.ptr, more).ptr;
}
