/*
 * tracestate as a carrier of marks, see mark_tracestate.h.
 */
#include "proxy/lane/mark_tracestate.h"

#include "proxy/base/mem.h"

#include <limits.h>

#define MEMBER_SHORT 128u
#define KEY_MAX 256u
#define VALUE_MAX 256u
#define TRACEPARENT_SIZE 55u

static const struct lk_header_key header = {LK_HEADER_TRACESTATE, LK_STR_INIT("tracestate")};

static bool is_lower_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Lower-case hex digits of which one at least is not 0. */
static bool is_id(struct lk_str s)
{
    bool any = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_lower_hex(s.ptr[i]))
            return false;
        any |= s.ptr[i] != '0';
    }
    return any;
}

static bool traceparent_valid(const struct lk_headers *headers)
{
    const struct lk_header *line = lk_headers_find(headers, LK_HEADER_TRACEPARENT);
    if (line == NULL || lk_headers_next(headers, line) != NULL)
        return false;
    struct lk_str s = lk_str_trim(line->value);
    if (s.len < TRACEPARENT_SIZE || s.ptr[2] != '-' || s.ptr[35] != '-' || s.ptr[52] != '-')
        return false;
    bool version0 = lk_str_has_prefix(s, LK_STR("00"));
    bool ends = s.len == TRACEPARENT_SIZE || (!version0 && s.ptr[TRACEPARENT_SIZE] == '-');
    return ends && is_lower_hex(s.ptr[0]) && is_lower_hex(s.ptr[1]) && !lk_str_has_prefix(s, LK_STR("ff")) &&
           is_id(lk_str(s.ptr + 3, 32)) && is_id(lk_str(s.ptr + 36, 16)) && is_lower_hex(s.ptr[53]) &&
           is_lower_hex(s.ptr[54]);
}

bool lk_mark_tracestate_key_valid(struct lk_str key)
{
    if (key.len == 0 || key.len > KEY_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || c == '\0' || strchr("_-*/@", c) == NULL))
            return false;
    }
    return true;
}

/* Printable ASCII without "="; commas and a blank at the end cannot occur in a member. */
static bool value_valid(struct lk_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == '=')
            return false;
    }
    return value.len > 0 && value.len <= VALUE_MAX;
}

static bool split(struct lk_str member, struct lk_str *key, struct lk_str *value)
{
    size_t equals = lk_str_find_byte(member, '=');
    *key = lk_str(member.ptr, equals);
    *value = lk_str_drop(member, equals + 1);
    return equals < member.len;
}

static bool list_valid(const struct lk_headers *headers)
{
    struct lk_list_iter iter;
    struct lk_str member;
    struct lk_str key;
    struct lk_str value;
    unsigned members = 0;
    lk_list_begin(&iter, headers, &header);
    while (lk_list_next(&iter, &member)) {
        if (++members > LK_TRACESTATE_MAX_MEMBERS || !split(member, &key, &value) ||
            !lk_mark_tracestate_key_valid(key) || !value_valid(value))
            return false;
    }
    return true;
}

bool lk_mark_tracestate_usable(const struct lk_headers *headers)
{
    return traceparent_valid(headers) && list_valid(headers);
}

bool lk_mark_tracestate_value(struct lk_str member, struct lk_str key, struct lk_str *value)
{
    struct lk_str found;
    return split(member, &found, value) && lk_str_eq(found, key);
}

/* What a rewrite leaves out: our members, and the one that gives way to ours. */
struct leave_out {
    struct lk_str key;
    const char *victim;
};

static bool left_out(struct lk_str member, const void *arg)
{
    const struct leave_out *out = arg;
    struct lk_str value;
    return member.ptr == out->victim || lk_mark_tracestate_value(member, out->key, &value);
}

static struct lk_list_edit edit_of(const struct leave_out *out, unsigned max_members)
{
    return (struct lk_list_edit){LK_HEADER_TRACESTATE, left_out, out, max_members, SIZE_MAX};
}

/* The member that has to go so that ours fits, or NULL. */
static const char *choose_victim(const struct lk_headers *headers, const struct leave_out *out)
{
    struct lk_list_iter iter;
    struct lk_str member;
    const char *last = NULL;
    const char *last_long = NULL;
    unsigned others = 0;
    lk_list_begin(&iter, headers, &header);
    while (lk_list_next(&iter, &member)) {
        if (left_out(member, out))
            continue;
        others++;
        last = member.ptr;
        if (member.len > MEMBER_SHORT)
            last_long = member.ptr;
    }
    if (others < LK_TRACESTATE_MAX_MEMBERS)
        return NULL;
    return last_long != NULL ? last_long : last;
}

void lk_mark_tracestate_set(struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    struct leave_out out = {key, NULL};
    if (!traceparent_valid(headers)) {
        lk_mark_tracestate_remove(headers, key);
        return;
    }
    if (!list_valid(headers))
        lk_headers_remove(headers, LK_HEADER_TRACESTATE);
    out.victim = choose_victim(headers, &out);
    struct lk_list_edit edit = edit_of(&out, LK_TRACESTATE_MAX_MEMBERS);
    struct lk_str member = lk_arena_printf(headers->arena, "%.*s=%.*s", LK_STR_ARG(key), LK_STR_ARG(value));
    lk_list_put(headers, &edit, member);
}

bool lk_mark_tracestate_remove(struct lk_headers *headers, struct lk_str key)
{
    struct leave_out out = {key, NULL};
    struct lk_list_edit edit = edit_of(&out, UINT_MAX);
    return lk_list_take(headers, &edit);
}
