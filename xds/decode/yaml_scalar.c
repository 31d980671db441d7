/*
 * Typing of plain scalars, and the one repair that JSON text needs before libyaml reads it. Called
 * by yaml_tree for every scalar; pure functions.
 */
#include "xds/decode/yaml_scalar.h"

#include <errno.h>
#include <stdlib.h>

static bool is_one_of(struct lk_str text, const char *const *words)
{
    for (; *words; words++) {
        if (lk_str_eq(text, lk_str_from(*words)))
            return true;
    }
    return false;
}

static void type_bool(struct lk_yaml_node *node, bool value)
{
    node->kind = LK_YAML_BOOL;
    node->integer = value;
}

/* YAML 1.1 booleans: lower case, capitalised or upper case, nothing mixed. */
static bool type_yaml_bool(struct lk_yaml_node *node)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N", NULL};

    if (is_one_of(node->text, yes))
        type_bool(node, true);
    else if (is_one_of(node->text, no))
        type_bool(node, false);
    else
        return false;
    return true;
}

/* Decimal, 0x and leading-zero octal; what needs more than 32 bits stays a string. */
static bool type_yaml_int(struct lk_yaml_node *node)
{
    const char *text = node->text.ptr;
    const char *digits = text + (*text == '-' || *text == '+');
    char *end = NULL;
    long long value;

    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    value = strtoll(text, &end, 0);
    if (errno != 0 || end != text + node->text.len || value < INT32_MIN || value > INT32_MAX)
        return false;
    node->kind = LK_YAML_INT;
    node->integer = value;
    return true;
}

/* Length of a run of digits at s. */
static size_t digit_run(const char *s)
{
    size_t n = 0;

    while (s[n] >= '0' && s[n] <= '9')
        n++;
    return n;
}

/* RFC 8259 section 6. */
static bool is_json_number(struct lk_str text)
{
    const char *s = text.ptr;
    size_t n;

    s += *s == '-';
    n = digit_run(s);
    if (n == 0 || (n > 1 && *s == '0'))
        return false;
    s += n;
    if (*s == '.') {
        n = digit_run(++s);
        if (n == 0)
            return false;
        s += n;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        n = digit_run(s);
        if (n == 0)
            return false;
        s += n;
    }
    return s == text.ptr + text.len;
}

static void type_json(struct lk_yaml_node *node)
{
    int64_t value;

    if (lk_str_eq(node->text, LK_STR("true"))) {
        type_bool(node, true);
    } else if (lk_str_eq(node->text, LK_STR("false"))) {
        type_bool(node, false);
    } else if (lk_str_eq(node->text, LK_STR("null"))) {
        node->kind = LK_YAML_NULL;
    } else if (is_json_number(node->text)) {
        node->kind = LK_YAML_NUMBER;
        if (lk_str_to_i64(node->text, &value) && value >= INT32_MIN && value <= INT32_MAX) {
            node->kind = LK_YAML_INT;
            node->integer = value;
        }
    }
}

void lk_yaml_type_plain(struct lk_yaml_node *node, enum lk_yaml_syntax syntax)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};

    node->kind = LK_YAML_STRING;
    if (syntax == LK_YAML_SYNTAX_JSON)
        type_json(node);
    else if (is_one_of(node->text, nulls))
        node->kind = LK_YAML_NULL;
    else if (!type_yaml_bool(node))
        (void)type_yaml_int(node);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The code unit of a \uXXXX escape at s, or 0. */
static uint32_t escape_at(const char *s, const char *end)
{
    uint32_t unit = 0;

    if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(s[i]);

        if (digit < 0)
            return 0;
        unit = unit << 4 | (uint32_t)digit;
    }
    return unit;
}

/* The character of a surrogate pair at s, or 0. */
static uint32_t pair_at(const char *s, const char *end)
{
    uint32_t high = escape_at(s, end);
    uint32_t low = high >= 0xd800 && high < 0xdc00 ? escape_at(s + 6, end) : 0;

    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static bool looks_like_json(struct lk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return c == '{' || c == '[';
    }
    return false;
}

struct lk_str lk_yaml_merge_surrogates(struct lk_arena *arena, struct lk_str text)
{
    const char *end = text.ptr + text.len;
    bool quoted = false;
    char *out;
    size_t len = 0;

    if (!looks_like_json(text) || lk_str_find(text, LK_STR("\\u")) > text.len)
        return text;
    out = lk_arena_alloc(arena, text.len + 1);
    for (const char *s = text.ptr; s < end;) {
        uint32_t symbol = quoted ? pair_at(s, end) : 0;

        if (symbol != 0) {
            len += (size_t)snprintf(out + len, text.len - len + 1, "\\U%08x", symbol);
            s += 12;
            continue;
        }
        if (quoted && *s == '\\' && s + 1 < end)
            out[len++] = *s++;
        else if (*s == '"')
            quoted = !quoted;
        out[len++] = *s++;
    }
    return lk_str(out, len);
}
