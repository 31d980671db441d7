/* Runs compiled formats over a stream: text lines, header values, JSON lines. Any worker. */
#include "proxy/filter/format_eval.h"

#include "proxy/base/mem.h"
#include "proxy/filter/format_value.h"

#include <string.h>

#define EXTENSIONS_MAX 32

static struct {
    const char *name;
    lk_format_extension_fn fn;
} extensions[EXTENSIONS_MAX];
static const char *extension_names[EXTENSIONS_MAX + 1];
static unsigned extension_count;

const char lk_default_log_format[] =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% "
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
    "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

void lk_format_register(const char *name, lk_format_extension_fn fn)
{
    LK_ASSERT(extension_count < EXTENSIONS_MAX);
    extensions[extension_count].name = name;
    extensions[extension_count].fn = fn;
    extension_names[extension_count++] = name;
}

const char *const *lk_format_extension_names(void)
{
    return extension_names;
}

static const void *find_extension(struct lk_str name)
{
    for (unsigned i = 0; i < extension_count; i++) {
        if (lk_str_eq(name, lk_str_from(extensions[i].name)))
            return &extensions[i];
    }
    return NULL;
}

void lk_format_prepare(struct lk_format *format)
{
    for (unsigned i = 0; i < format->count; i++) {
        struct lk_format_part *part = &format->parts[i];
        part->header_id = part->text.len > 0 ? (int)lk_header_id_of(part->text) : -1;
        part->header_id_alt = part->text_alt.len > 0 ? (int)lk_header_id_of(part->text_alt) : -1;
        if (part->op == LK_FORMAT_EXTENSION)
            part->extension = find_extension(part->text);
    }
}

void lk_json_format_prepare(struct lk_json_format *format)
{
    if (format->format != NULL)
        lk_format_prepare(format->format);
    for (unsigned i = 0; i < format->child_count; i++)
        lk_json_format_prepare(&format->children[i]);
}

/* --- output ---------------------------------------------------------------------------------------------------------
 */

struct out {
    struct lk_arena *arena;
    char *data;
    size_t len, cap;
};

static void grow(struct out *out, size_t need)
{
    size_t cap = (out->cap + need) * 2;
    char *data = lk_arena_alloc(out->arena, cap);
    memcpy(data, out->data, out->len);
    out->data = data;
    out->cap = cap;
}

static inline char *room(struct out *out, size_t need)
{
    if (LK_UNLIKELY(out->cap - out->len < need))
        grow(out, need);
    return out->data + out->len;
}

static void put(struct out *out, struct lk_str s)
{
    if (s.len == 0)
        return;
    memcpy(room(out, s.len), s.ptr, s.len);
    out->len += s.len;
}

static void out_init(struct out *out, struct lk_arena *arena)
{
    *out = (struct out){.arena = arena, .data = lk_arena_alloc(arena, 512), .cap = 512};
}

static struct lk_format_value value_of(const struct lk_format_part *part, const struct lk_log_event *event,
                                       char *scratch)
{
    struct lk_format_value value;
    if (part->op == LK_FORMAT_EXTENSION) {
        lk_format_extension_fn fn = NULL;
        for (unsigned i = 0; i < extension_count && fn == NULL; i++) {
            if (part->extension == &extensions[i])
                fn = extensions[i].fn;
        }
        value = (struct lk_format_value){fn != NULL ? fn(event, part->text_alt) : lk_str(NULL, 0), false};
    } else {
        value = lk_format_value_of(part, event, scratch);
    }
    if (part->max_len >= 0 && value.text.len > (size_t)part->max_len)
        value.text.len = (size_t)part->max_len;
    return value;
}

/* --- text
 * ------------------------------------------------------------------------------------------------------------- */

static void put_format(struct out *out, const struct lk_format *format, const struct lk_log_event *event,
                       struct lk_str missing)
{
    char scratch[LK_FORMAT_SCRATCH];
    for (unsigned i = 0; i < format->count; i++) {
        const struct lk_format_part *part = &format->parts[i];
        if (part->op == LK_FORMAT_TEXT) {
            put(out, part->text);
            continue;
        }
        struct lk_format_value value = value_of(part, event, scratch);
        put(out, value.text.ptr != NULL ? value.text : missing);
    }
}

struct lk_str lk_format_eval(const struct lk_format *format, const struct lk_log_event *event, bool omit_empty)
{
    struct out out;
    out_init(&out, event->arena);
    put_format(&out, format, event, omit_empty ? lk_str(NULL, 0) : LK_STR("-"));
    return lk_str(out.data, out.len);
}

struct lk_str lk_format_eval_header(const struct lk_format *format, const struct lk_log_event *event)
{
    struct lk_str literal;
    if (lk_format_is_literal(format, &literal))
        return literal;
    struct out out;
    out_init(&out, event->arena);
    put_format(&out, format, event, lk_str(NULL, 0));
    return lk_str(out.data, out.len);
}

/* --- JSON
 * --------------------------------------------------------------------------------------------------------------- */

/* Text that is not UTF-8 has each byte that is not plain ASCII escaped, as Envoy does it. */
static bool is_written_as_code(unsigned char c, bool foreign)
{
    if (foreign)
        return c < 0x20 || c >= 0x7f || c == '"' || c == '\\';
    return c == 0x7f || (c < 0x20 && c != '\n' && c != '\r' && c != '\t');
}

static void put_json_string(struct out *out, struct lk_str s)
{
    static const char hex[] = "0123456789abcdef";
    static const char unicode[4] = {'\\', 'u', '0', '0'};
    bool foreign = !lk_str_is_utf8(s);
    char *p = room(out, s.len * 6 + 2);
    *p++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_written_as_code(c, foreign)) {
            memcpy(p, unicode, sizeof(unicode));
            p[4] = hex[c >> 4];
            p[5] = hex[c & 15];
            p += 6;
        } else if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            *p++ = '\\';
            *p++ = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
        } else {
            *p++ = (char)c;
        }
    }
    *p++ = '"';
    out->len = (size_t)(p - out->data);
}

/* A value that is one operator keeps its type: numbers stay numbers, what is absent is null. */
static bool put_json_value(struct out *out, const struct lk_format *format, const struct lk_log_event *event,
                           bool omit_empty)
{
    char scratch[LK_FORMAT_SCRATCH];
    if (format->count == 1 && format->parts[0].op != LK_FORMAT_TEXT) {
        struct lk_format_value value = value_of(&format->parts[0], event, scratch);
        if (value.text.ptr == NULL) {
            if (omit_empty)
                return false;
            put(out, LK_STR("null"));
        } else if (value.number) {
            put(out, value.text);
        } else {
            put_json_string(out, value.text);
        }
        return true;
    }
    put_json_string(out, lk_format_eval(format, event, omit_empty));
    return true;
}

static bool put_json(struct out *out, const struct lk_json_format *format, const struct lk_log_event *event,
                     bool omit_empty)
{
    bool object = format->kind == LK_JSON_FORMAT_OBJECT;
    bool first = true;
    if (format->kind == LK_JSON_FORMAT_LITERAL) {
        put(out, format->literal);
        return true;
    }
    if (format->kind == LK_JSON_FORMAT_VALUE)
        return put_json_value(out, format->format, event, omit_empty);
    put(out, object ? LK_STR("{") : LK_STR("["));
    for (unsigned i = 0; i < format->child_count; i++) {
        size_t mark = out->len;
        if (!first)
            put(out, LK_STR(","));
        if (object) {
            put_json_string(out, format->children[i].name);
            put(out, LK_STR(":"));
        }
        if (put_json(out, &format->children[i], event, omit_empty))
            first = false;
        else
            out->len = mark;
    }
    put(out, object ? LK_STR("}") : LK_STR("]"));
    return true;
}

struct lk_str lk_json_format_eval(const struct lk_json_format *format, const struct lk_log_event *event,
                                  bool omit_empty)
{
    struct out out;
    out_init(&out, event->arena);
    put_json(&out, format, event, omit_empty);
    return lk_str(out.data, out.len);
}
