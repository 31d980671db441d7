/* W3C Trace Context, level 2. A bad traceparent voids both headers, a bad member voids the whole tracestate. */
#include "proxy/http/trace_w3c.h"

#include "proxy/base/hex.h"

#define FLAG_SAMPLED 1u
#define FLAG_RANDOM 2u
#define STATE_MEMBERS_MAX 32u
#define STATE_TEXT_MAX 256u

static enum lk_trace_result malformed(const char **why, const char *reason)
{
    *why = reason;
    return LK_TRACE_MALFORMED;
}

static bool field(struct lk_str value, size_t from, size_t digits, uint64_t *out)
{
    return lk_hex_to_u64(lk_str(value.ptr + from, digits), LK_HEX_LOWER, out);
}

/* Versions and flags are nearly always decimal digits. */
static bool short_field(struct lk_str value, size_t from, uint64_t *out)
{
    unsigned high = (unsigned)(unsigned char)value.ptr[from] - '0',
             low = (unsigned)(unsigned char)value.ptr[from + 1] - '0';
    *out = high << 4 | low;
    return (high < 10 && low < 10) || field(value, from, 2, out);
}

static bool dashes_fit(struct lk_str value)
{
    return value.ptr[2] == '-' && value.ptr[35] == '-' && value.ptr[52] == '-';
}

struct parent {
    uint64_t version, high, low, span, flags;
};

/* What is wrong with it; NULL: nothing. */
static const char *parse_traceparent(struct lk_str value, struct parent *out)
{
    if (value.len < LK_TRACEPARENT_LEN || !dashes_fit(value))
        return "traceparent is not version-trace-parent-flags";
    if (!short_field(value, 0, &out->version) || out->version == 0xff)
        return "traceparent has no valid version";
    if (value.len > LK_TRACEPARENT_LEN && (out->version == 0 || value.ptr[LK_TRACEPARENT_LEN] != '-'))
        return "traceparent is too long for its version";
    if (!field(value, 3, 16, &out->high) || !field(value, 19, 16, &out->low) || !field(value, 36, 16, &out->span) ||
        !short_field(value, 53, &out->flags))
        return "traceparent holds something else than lower-case hexadecimal digits";
    if ((out->high | out->low) == 0 || out->span == 0)
        return "traceparent has an id of zeros";
    return NULL;
}

enum lk_trace_result lk_traceparent_read(const struct lk_headers *headers, struct lk_trace_context *out,
                                         const char **why)
{
    const struct lk_header *h = lk_headers_find(headers, LK_HEADER_TRACEPARENT);
    struct parent parent;
    if (h == NULL)
        return LK_TRACE_ABSENT;
    if (lk_headers_next(headers, h) != NULL)
        return malformed(why, "more than one traceparent");
    const char *wrong = parse_traceparent(lk_str_trim(h->value), &parent);
    if (wrong != NULL)
        return malformed(why, wrong);
    *out = (struct lk_trace_context){
        .trace_high = parent.high,
        .trace_low = parent.low,
        .span = parent.span,
        .wide = true,
        .decision = parent.flags & FLAG_SAMPLED ? LK_TRACE_SAMPLE : LK_TRACE_DROP,
        .random = parent.version == 0 && (parent.flags & FLAG_RANDOM) != 0,
    };
    return LK_TRACE_FOUND;
}

bool lk_traceparent_id(const struct lk_headers *headers, uint64_t *high, uint64_t *low)
{
    const struct lk_header *h = lk_headers_find(headers, LK_HEADER_TRACEPARENT);
    struct parent parent;
    if (h == NULL || lk_headers_next(headers, h) != NULL || parse_traceparent(lk_str_trim(h->value), &parent) != NULL)
        return false;
    *high = parent.high;
    *low = parent.low;
    return true;
}

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key(struct lk_str key)
{
    if (key.len == 0 || key.len > STATE_TEXT_MAX || !is_key_start(key.ptr[0]))
        return false;
    for (size_t i = 1; i < key.len; i++)
        if (!is_key_start(key.ptr[i]) && lk_str_find_byte(LK_STR("_-*/@"), key.ptr[i]) == 5)
            return false;
    return true;
}

/* Blanks around a member are no part of it, so that a value never ends in one. Those before the value are its own. */
static bool is_value(struct lk_str value)
{
    if (value.len == 0 || value.len > STATE_TEXT_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == '=')
            return false;
    return true;
}

bool lk_tracestate_valid(struct lk_str value)
{
    unsigned members = 0;
    while (value.ptr != NULL) {
        struct lk_str member = lk_str_trim(lk_str_split(&value, ','));
        if (member.len == 0)
            continue;
        size_t equals = lk_str_find_byte(member, '=');
        if (++members > STATE_MEMBERS_MAX || equals == member.len || !is_key(lk_str(member.ptr, equals)) ||
            !is_value(lk_str_drop(member, equals + 1)))
            return false;
    }
    return true;
}

enum lk_trace_result lk_trace_w3c_read(const struct lk_headers *headers, struct lk_arena *arena,
                                       struct lk_trace_context *out, const char **why)
{
    static const struct lk_header_key key = {LK_HEADER_TRACESTATE, LK_STR_INIT("tracestate")};
    (void)arena;
    enum lk_trace_result result = lk_traceparent_read(headers, out, why);
    if (result != LK_TRACE_FOUND || !lk_headers_maybe(headers, LK_HEADER_TRACESTATE))
        return result;
    struct lk_str state = lk_str_trim(lk_headers_get_joined(headers, &key));
    if (lk_tracestate_valid(state))
        out->tracestate = state;
    return result;
}

bool lk_trace_w3c_add(struct lk_headers *headers, const struct lk_trace_context *context)
{
    if ((context->trace_high | context->trace_low) == 0 || context->span == 0)
        return false;
    unsigned flags = (context->decision == LK_TRACE_SAMPLE ? FLAG_SAMPLED : 0) | (context->random ? FLAG_RANDOM : 0);
    char *text = lk_arena_alloc(headers->arena, LK_TRACEPARENT_LEN);
    char *at = lk_hex_put(text, 0, 2);
    *at++ = '-';
    at = lk_hex_put(lk_hex_put(at, context->trace_high, 16), context->trace_low, 16);
    *at++ = '-';
    at = lk_hex_put(at, context->span, 16);
    *at++ = '-';
    lk_hex_put(at, flags, 2);
    lk_headers_add(headers, LK_HEADER_TRACEPARENT, lk_str(text, LK_TRACEPARENT_LEN));
    if (context->tracestate.len > 0)
        lk_headers_add(headers, LK_HEADER_TRACESTATE, context->tracestate);
    return true;
}

void lk_trace_w3c_strip(struct lk_headers *headers)
{
    lk_headers_remove(headers, LK_HEADER_TRACEPARENT);
    lk_headers_remove(headers, LK_HEADER_TRACESTATE);
}
