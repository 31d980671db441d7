/*
 * tracestate as a carrier of marks, see mark_tracestate.h.
 */
#include "proxy/lane/mark_tracestate.h"

#include "proxy/http/trace_w3c.h"

#include <limits.h>

#define MEMBER_SHORT 128u

static const struct lk_header_key header = {LK_HEADER_TRACESTATE, LK_STR_INIT("tracestate")};

static bool traceparent_valid(const struct lk_headers *headers)
{
    struct lk_trace_context context;
    const char *why;
    return lk_traceparent_read(headers, &context, &why) == LK_TRACE_FOUND;
}

static bool list_valid(const struct lk_headers *headers)
{
    return lk_tracestate_valid(lk_headers_get_joined(headers, &header));
}

bool lk_mark_tracestate_usable(const struct lk_headers *headers)
{
    return traceparent_valid(headers) && list_valid(headers);
}

bool lk_mark_tracestate_value(struct lk_str member, struct lk_str key, struct lk_str *value)
{
    size_t equals = lk_str_find_byte(member, '=');
    *value = lk_str_drop(member, equals + 1);
    return equals < member.len && lk_str_eq(lk_str(member.ptr, equals), key);
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
