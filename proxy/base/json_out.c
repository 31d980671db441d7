/* JSON in pieces. See json_out.h. */
#include "proxy/base/json_out.h"

#include "proxy/base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void put(struct lk_json_out *out, struct lk_str text)
{
    if (text.len > 0)
        out->write(out->arg, text.ptr, text.len);
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static const char *escape_of(char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* One character; returns how many bytes it took. */
static size_t put_character(struct lk_json_out *out, struct lk_str rest)
{
    unsigned char c = (unsigned char)rest.ptr[0];
    const char *escape = escape_of(rest.ptr[0]);
    size_t len = lk_str_utf8_length(rest);
    char code[8];

    if (escape != NULL) {
        put(out, lk_str_from(escape));
    } else if (c < 0x20 || c == 0x7f) {
        snprintf(code, sizeof(code), "\\u%04x", c);
        put(out, lk_str_from(code));
    } else {
        put(out, len > 0 ? lk_str(rest.ptr, len) : LK_STR("\xef\xbf\xbd"));
    }
    return len > 0 ? len : 1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(struct lk_json_out *out, struct lk_str text)
{
    put(out, LK_STR("\""));
    while (text.len > 0) {
        size_t plain = 0;

        while (plain < text.len && is_plain(text.ptr[plain]))
            plain++;
        put(out, lk_str(text.ptr, plain));
        text = lk_str_drop(text, plain);
        if (text.len > 0)
            text = lk_str_drop(text, put_character(out, text));
    }
    put(out, LK_STR("\""));
}

/* --- places ------------------------------------------------------------------------------------------------------- */

static void new_line(struct lk_json_out *out)
{
    static const char blanks[] = "\n                                ";

    put(out, lk_str(blanks, 1 + out->depth));
}

static void begin(struct lk_json_out *out, struct lk_str key)
{
    uint32_t bit = (uint32_t)1 << out->depth;
    bool in_object = out->depth > 0 && (out->lists & bit) == 0;

    LK_ASSERT(in_object == (key.ptr != NULL));
    if (out->filled & bit)
        put(out, LK_STR(","));
    if (out->depth > 0)
        new_line(out);
    out->filled |= bit;
    if (in_object) {
        put_string(out, key);
        put(out, LK_STR(": "));
    }
}

static void open_level(struct lk_json_out *out, struct lk_str key, bool is_list)
{
    uint32_t bit;

    begin(out, key);
    LK_ASSERT(out->depth < LK_JSON_DEPTH_MAX);
    put(out, is_list ? LK_STR("[") : LK_STR("{"));
    bit = (uint32_t)1 << ++out->depth;
    out->filled &= ~bit;
    out->lists = is_list ? out->lists | bit : out->lists & ~bit;
}

void lk_json_object(struct lk_json_out *out, const char *key)
{
    open_level(out, lk_str_from(key), false);
}

void lk_json_object_at(struct lk_json_out *out, struct lk_str key)
{
    open_level(out, key, false);
}

void lk_json_list(struct lk_json_out *out, const char *key)
{
    open_level(out, lk_str_from(key), true);
}

void lk_json_end(struct lk_json_out *out)
{
    uint32_t bit = (uint32_t)1 << out->depth;

    LK_ASSERT(out->depth > 0);
    out->depth--;
    if (out->filled & bit)
        new_line(out);
    put(out, out->lists & bit ? LK_STR("]") : LK_STR("}"));
    if (out->depth == 0)
        put(out, LK_STR("\n"));
}

/* --- values ------------------------------------------------------------------------------------------------------- */

void lk_json_text_at(struct lk_json_out *out, struct lk_str key, struct lk_str text)
{
    begin(out, key);
    put_string(out, text);
}

void lk_json_text(struct lk_json_out *out, const char *key, struct lk_str text)
{
    lk_json_text_at(out, lk_str_from(key), text);
}

static void put_raw(struct lk_json_out *out, const char *key, const char *text)
{
    begin(out, lk_str_from(key));
    put(out, lk_str_from(text));
}

void lk_json_uint(struct lk_json_out *out, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    put_raw(out, key, text);
}

void lk_json_seconds(struct lk_json_out *out, const char *key, uint64_t ms)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
    put_raw(out, key, text);
}

void lk_json_real(struct lk_json_out *out, const char *key, double value)
{
    char text[32];

    snprintf(text, sizeof(text), "%.6g", value);
    put_raw(out, key, isfinite(value) ? text : "null");
}

void lk_json_bool(struct lk_json_out *out, const char *key, bool value)
{
    put_raw(out, key, value ? "true" : "false");
}

void lk_json_null(struct lk_json_out *out, const char *key)
{
    put_raw(out, key, "null");
}
