/* What pages of filters share, on top of the few operations of the admin server. See admin_page.h. */
#include "proxy/filter/admin_page.h"

bool lk_admin_call_param(const struct lk_admin_call *call, const char *name, struct lk_str *value)
{
    for (size_t i = 0; i < call->param_count; i++) {
        if (!lk_str_eq(call->params[i].name, lk_str_from(name)))
            continue;
        if (value != NULL)
            *value = call->params[i].value;
        return true;
    }
    return false;
}

/* --- formats ------------------------------------------------------------------------------------------------------ */

/* Whether a media type is named; what a client would rather not have is not told apart. */
static bool accepts(struct lk_str accept, struct lk_str type)
{
    while (accept.ptr != NULL) {
        struct lk_str range = lk_str_split(&accept, ',');

        if (lk_str_ieq(lk_str_trim(lk_str_split(&range, ';')), type))
            return true;
    }
    return false;
}

bool lk_admin_call_format(struct lk_admin_call *call, enum lk_admin_format *format)
{
    static const struct {
        struct lk_str name, type;
        enum lk_admin_format format;
    } formats[] = {
        {LK_STR_INIT("html"), LK_STR_INIT("text/html"), LK_ADMIN_HTML},
        {LK_STR_INIT("json"), LK_STR_INIT("application/json"), LK_ADMIN_JSON},
        {LK_STR_INIT("text"), LK_STR_INIT("text/plain"), LK_ADMIN_TEXT},
    };
    struct lk_str wanted;
    bool asked = lk_admin_call_param(call, "format", &wanted);

    *format = LK_ADMIN_TEXT;
    for (size_t i = 0; i < LK_ARRAY_LEN(formats); i++) {
        if (asked ? lk_str_eq(wanted, formats[i].name) : accepts(call->accept, formats[i].type)) {
            *format = formats[i].format;
            return true;
        }
    }
    if (asked)
        lk_admin_call_fail(call, 400, "usage: ?format=(text|json|html)\n");
    return !asked;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void lk_admin_call_put(struct lk_admin_call *call, struct lk_str text)
{
    if (text.len > 0)
        call->ops->write(call, text.ptr, text.len);
}

void lk_admin_call_printf(struct lk_admin_call *call, const char *fmt, ...)
{
    struct lk_arena scratch;
    va_list args;

    lk_arena_init(&scratch);
    va_start(args, fmt);
    lk_admin_call_put(call, lk_arena_vprintf(&scratch, fmt, args));
    va_end(args);
    lk_arena_reset(&scratch);
}

void lk_admin_call_status(struct lk_admin_call *call, unsigned status, const char *content_type)
{
    call->ops->status(call, status, content_type);
}

void lk_admin_call_fail(struct lk_admin_call *call, unsigned status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    call->ops->fail(call, status, lk_arena_vprintf(call->arena, fmt, args));
    va_end(args);
}

static void write_json(void *arg, const char *data, size_t len)
{
    struct lk_admin_call *call = arg;

    call->ops->write(call, data, len);
}

struct lk_json_out lk_admin_call_json(struct lk_admin_call *call)
{
    lk_admin_call_status(call, 200, "application/json");
    return (struct lk_json_out){.write = write_json, .arg = call};
}

void lk_admin_call_html(struct lk_admin_call *call, const char *title)
{
    call->ops->html_begin(call, title);
}

static struct lk_str entity_of(char c)
{
    switch (c) {
    case '<':
        return LK_STR("&lt;");
    case '>':
        return LK_STR("&gt;");
    case '&':
        return LK_STR("&amp;");
    case '"':
        return LK_STR("&quot;");
    case '\'':
        return LK_STR("&#39;");
    default:
        return lk_str(NULL, 0);
    }
}

void lk_admin_call_escaped(struct lk_admin_call *call, struct lk_str text)
{
    bool is_utf8 = lk_str_is_utf8(text);
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        struct lk_str entity =
            is_utf8 || (unsigned char)text.ptr[i] < 0x80 ? entity_of(text.ptr[i]) : LK_STR("\xef\xbf\xbd");

        if (entity.len == 0)
            continue;
        lk_admin_call_put(call, lk_str(text.ptr + from, i - from));
        lk_admin_call_put(call, entity);
        from = i + 1;
    }
    lk_admin_call_put(call, lk_str_drop(text, from));
}

void lk_admin_call_stream(struct lk_admin_call *call, bool (*next)(struct lk_admin_call *call))
{
    call->ops->stream(call, next);
}
