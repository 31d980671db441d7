/* Query strings; see admin_query.h. */
#include "proxy/server/admin_query.h"

static int hex_digit(char c)
{
    unsigned char lower = lk_ascii_lower((unsigned char)c);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

struct lk_str lk_admin_decode(struct lk_arena *arena, struct lk_str text)
{
    size_t used = 0;
    char *out;

    if (lk_str_find_byte(text, '%') == text.len)
        return text;
    out = lk_arena_alloc(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;

        if (low >= 0) {
            out[used++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[used++] = text.ptr[i];
        }
    }
    return lk_str(out, used);
}

static size_t count_params(struct lk_str text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '&';
    return count;
}

static void read_params(struct lk_admin_query *query, struct lk_arena *arena, struct lk_str rest)
{
    struct lk_admin_param *params = lk_arena_array(arena, query->count + count_params(rest), sizeof(*params));

    if (query->count > 0)
        memcpy(params, query->params, query->count * sizeof(*params));
    query->params = params;
    while (rest.ptr != NULL) {
        struct lk_str value = lk_str_split(&rest, '&');
        struct lk_str name;

        if (value.len == 0)
            continue;
        name = lk_str_split(&value, '=');
        query->params[query->count].name = lk_admin_decode(arena, name);
        query->params[query->count].value = value.ptr != NULL ? lk_admin_decode(arena, value) : LK_STR("");
        query->count++;
    }
}

/* "http://host/path" is the path: RFC 9112 3.2.2. */
static struct lk_str origin_form(struct lk_str target)
{
    size_t scheme = lk_str_find(target, LK_STR("://"));
    struct lk_str rest;

    if (lk_str_has_prefix(target, LK_STR("/")) || scheme >= target.len)
        return target;
    rest = lk_str_drop(target, scheme + 3);
    rest = lk_str_drop(rest, lk_str_find_byte(rest, '/'));
    return rest.len > 0 ? rest : LK_STR("/");
}

void lk_admin_query_parse(struct lk_admin_query *query, struct lk_arena *arena, struct lk_str target)
{
    struct lk_str copy = lk_arena_str(arena, target);
    size_t question;

    *query = (struct lk_admin_query){0};
    copy.len = lk_str_find_byte(copy, '#');
    copy = origin_form(copy);
    question = lk_str_find_byte(copy, '?');
    query->path = lk_str(copy.ptr, question);
    if (question < copy.len)
        read_params(query, arena, lk_str_drop(copy, question + 1));
}

void lk_admin_query_add_form(struct lk_admin_query *query, struct lk_arena *arena, struct lk_str form)
{
    char *copy = lk_arena_cstr(arena, form);

    for (size_t i = 0; i < form.len; i++) {
        if (copy[i] == '+')
            copy[i] = ' ';
    }
    if (form.len > 0)
        read_params(query, arena, lk_str(copy, form.len));
}

const struct lk_admin_param *lk_admin_query_find(const struct lk_admin_query *query, struct lk_str name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (lk_str_eq(query->params[i].name, name))
            return &query->params[i];
    }
    return NULL;
}
