/* uber-trace-id. Ids may lack leading zeros; a trace id of more than 16 digits is taken for one of 128 bits. */
#include "proxy/http/trace_jaeger.h"

#include "proxy/base/hex.h"

#define FLAG_SAMPLED 1u
#define FLAG_DEBUG 2u

static enum lk_trace_result malformed(const char **why, const char *reason)
{
    *why = reason;
    return LK_TRACE_MALFORMED;
}

/* Cuts off the part before the next ':' or "%3A"; *rest is empty (ptr NULL) behind the last. */
static struct lk_str next_part(struct lk_str *rest)
{
    for (size_t i = 0; i < rest->len; i++) {
        bool escaped = rest->len - i >= 3 && lk_str_ieq(lk_str(rest->ptr + i, 3), LK_STR("%3a"));
        if (rest->ptr[i] != ':' && !escaped)
            continue;
        struct lk_str part = lk_str(rest->ptr, i);
        *rest = lk_str_drop(*rest, i + (escaped ? 3 : 1));
        return part;
    }
    struct lk_str part = *rest;
    *rest = lk_str(NULL, 0);
    return part;
}

static bool parse_trace_id(struct lk_str text, struct lk_trace_context *out)
{
    out->wide = text.len > 16;
    if (out->wide &&
        (text.len > 32 || !lk_hex_to_u64(lk_str(text.ptr, text.len - 16), LK_HEX_ANY_CASE, &out->trace_high)))
        return false;
    if (out->wide)
        text = lk_str_drop(text, text.len - 16);
    return lk_hex_to_u64(text, LK_HEX_ANY_CASE, &out->trace_low) && (out->trace_high | out->trace_low) != 0;
}

static enum lk_trace_result parse(struct lk_str value, struct lk_trace_context *out, const char **why)
{
    struct lk_str parts[4];
    uint64_t flags;
    size_t count = 0;
    while (value.ptr != NULL && count < 4)
        parts[count++] = next_part(&value);
    if (count != 4 || value.ptr != NULL)
        return malformed(why, "uber-trace-id has not four parts");
    if (!parse_trace_id(parts[0], out))
        return malformed(why, "uber-trace-id has no valid trace id");
    if (!lk_hex_to_u64(parts[1], LK_HEX_ANY_CASE, &out->span) || out->span == 0)
        return malformed(why, "uber-trace-id has no valid span id");
    if (!lk_hex_to_u64(parts[2], LK_HEX_ANY_CASE, &out->parent))
        return malformed(why, "uber-trace-id has no valid parent id");
    if (parts[3].len > 2 || !lk_hex_to_u64(parts[3], LK_HEX_ANY_CASE, &flags))
        return malformed(why, "uber-trace-id has no valid flags");
    out->debug = (flags & FLAG_DEBUG) != 0;
    out->decision = flags & (FLAG_SAMPLED | FLAG_DEBUG) ? LK_TRACE_SAMPLE : LK_TRACE_DROP;
    return LK_TRACE_FOUND;
}

enum lk_trace_result lk_trace_jaeger_read(const struct lk_headers *headers, struct lk_arena *arena,
                                          struct lk_trace_context *out, const char **why)
{
    (void)arena;
    const struct lk_header *h = lk_headers_find(headers, LK_HEADER_UBER_TRACE_ID);
    if (h == NULL)
        return LK_TRACE_ABSENT;
    struct lk_trace_context read = {.decision = LK_TRACE_DEFER};
    enum lk_trace_result result = parse(lk_str_trim(h->value), &read, why);
    if (result == LK_TRACE_FOUND)
        *out = read;
    return result;
}

bool lk_trace_jaeger_add(struct lk_headers *headers, const struct lk_trace_context *context)
{
    if ((context->trace_high | context->trace_low) == 0 || context->span == 0)
        return false;
    char *text = lk_arena_alloc(headers->arena, 32 + 1 + 16 + 4);
    char *at = text;
    if (context->wide || context->trace_high != 0)
        at = lk_hex_put(at, context->trace_high, 16);
    at = lk_hex_put(at, context->trace_low, 16);
    *at++ = ':';
    at = lk_hex_put(at, context->span, 16);
    *at++ = ':';
    *at++ = '0';
    *at++ = ':';
    *at++ = (char)('0' + (context->decision == LK_TRACE_SAMPLE ? FLAG_SAMPLED : 0) + (context->debug ? FLAG_DEBUG : 0));
    lk_headers_add(headers, LK_HEADER_UBER_TRACE_ID, lk_str(text, (size_t)(at - text)));
    return true;
}

void lk_trace_jaeger_strip(struct lk_headers *headers)
{
    lk_headers_remove(headers, LK_HEADER_UBER_TRACE_ID);
}
