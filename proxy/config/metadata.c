/* Trees of metadata values: look-up, comparison, JSON text. Pure, any thread. */
#include "proxy/config/metadata.h"

#include "proxy/base/mem.h"

#include <math.h>

const struct lk_value *lk_value_get(const struct lk_value *object, struct lk_str key)
{
    if (object == NULL || object->kind != LK_VALUE_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->child_count; i++)
        if (lk_str_eq(object->children[i].name, key))
            return &object->children[i];
    return NULL;
}

const struct lk_value *lk_metadata_get(const struct lk_metadata *metadata, struct lk_str ns, const struct lk_str *path,
                                       size_t path_len)
{
    if (metadata == NULL)
        return NULL;
    const struct lk_value *value = lk_value_get(&metadata->root, ns);

    for (size_t i = 0; i < path_len && value != NULL; i++)
        value = lk_value_get(value, path[i]);
    return value;
}

static bool children_eq(const struct lk_value *a, const struct lk_value *b)
{
    if (a->child_count != b->child_count)
        return false;
    for (size_t i = 0; i < a->child_count; i++) {
        const struct lk_value *other =
            a->kind == LK_VALUE_OBJECT ? lk_value_get(b, a->children[i].name) : &b->children[i];

        if (other == NULL || !lk_value_eq(&a->children[i], other))
            return false;
    }
    return true;
}

bool lk_value_eq(const struct lk_value *a, const struct lk_value *b)
{
    if (a == NULL || b == NULL || a->kind != b->kind)
        return a == b;
    switch (a->kind) {
    case LK_VALUE_NULL:
        return true;
    case LK_VALUE_NUMBER:
        return a->number == b->number;
    case LK_VALUE_TEXT:
        return lk_str_eq(a->text, b->text);
    case LK_VALUE_BOOL:
        return a->boolean == b->boolean;
    case LK_VALUE_OBJECT:
    case LK_VALUE_LIST:
        break;
    }
    return children_eq(a, b);
}

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static uint64_t children_hash(const struct lk_value *value)
{
    uint64_t hash = mix(value->kind, value->child_count);

    for (size_t i = 0; i < value->child_count; i++) {
        uint64_t child = lk_value_hash(&value->children[i]);

        if (value->kind == LK_VALUE_OBJECT)
            hash += mix(lk_str_hash(value->children[i].name), child);
        else
            hash = mix(hash, child);
    }
    return hash;
}

uint64_t lk_value_hash(const struct lk_value *value)
{
    uint64_t bits = 0;

    switch (value->kind) {
    case LK_VALUE_NULL:
        break;
    case LK_VALUE_NUMBER:
        if (value->number != 0) /* 0.0 and -0.0 are equal */
            memcpy(&bits, &value->number, sizeof(bits));
        break;
    case LK_VALUE_TEXT:
        bits = lk_str_hash(value->text);
        break;
    case LK_VALUE_BOOL:
        bits = value->boolean;
        break;
    case LK_VALUE_OBJECT:
    case LK_VALUE_LIST:
        return children_hash(value);
    }
    return mix(value->kind, bits);
}

struct text {
    char *ptr;
    size_t len;
    size_t cap;
};

static void put(struct text *text, const char *ptr, size_t len)
{
    text->ptr = lk_grow(text->ptr, &text->cap, text->len + len + 1, 1);
    memcpy(text->ptr + text->len, ptr, len);
    text->len += len;
}

static void put_quoted(struct text *text, struct lk_str s)
{
    char escape[8];

    put(text, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == '"' || c == '\\')
            put(text, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20)
            put(text, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
        else
            put(text, s.ptr + i, 1);
    }
    put(text, "\"", 1);
}

static void put_number(struct text *text, double number)
{
    char digits[40];
    int n;

    if (!isfinite(number))
        n = snprintf(digits, sizeof(digits), "null");
    else if (number > -1e15 && number < 1e15 && number == (double)(long long)number &&
             (number != 0 || !signbit(number)))
        n = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    else
        n = snprintf(digits, sizeof(digits), "%.15g", number);
    if (isfinite(number) && strtod(digits, NULL) != number)
        n = snprintf(digits, sizeof(digits), "%.17g", number);
    put(text, digits, (size_t)n);
}

/* The depth is that of the message it came from, bounded by the walk before unpack. */
static void put_value(struct text *text, const struct lk_value *value)
{
    bool object = value->kind == LK_VALUE_OBJECT;

    switch (value->kind) {
    case LK_VALUE_NULL:
        put(text, "null", 4);
        return;
    case LK_VALUE_NUMBER:
        put_number(text, value->number);
        return;
    case LK_VALUE_TEXT:
        put_quoted(text, value->text);
        return;
    case LK_VALUE_BOOL:
        put(text, value->boolean ? "true" : "false", value->boolean ? 4 : 5);
        return;
    case LK_VALUE_OBJECT:
    case LK_VALUE_LIST:
        break;
    }
    put(text, object ? "{" : "[", 1);
    for (size_t i = 0; i < value->child_count; i++) {
        if (i > 0)
            put(text, ",", 1);
        if (object) {
            put_quoted(text, value->children[i].name);
            put(text, ":", 1);
        }
        put_value(text, &value->children[i]);
    }
    put(text, object ? "}" : "]", 1);
}

struct lk_str lk_value_text(const struct lk_value *value, struct lk_arena *arena)
{
    struct text text = {0};

    if (value->kind == LK_VALUE_TEXT)
        return lk_arena_str(arena, value->text);
    put_value(&text, value);
    struct lk_str out = lk_arena_str(arena, lk_str(text.ptr, text.len));

    lk_free(text.ptr);
    return out;
}
