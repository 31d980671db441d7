/* B3 in its two forms. Ids are lower-case hexadecimal; a trace id keeps its width of 64 or 128 bits. */
#include "proxy/http/trace_b3.h"

#include "proxy/base/hex.h"
#include "proxy/base/mem.h"

static enum lk_trace_result malformed(const char **why, const char *reason)
{
    *why = reason;
    return LK_TRACE_MALFORMED;
}

static bool parse_trace_id(struct lk_str text, struct lk_trace_context *out)
{
    out->wide = text.len == 32;
    if (out->wide && !lk_hex_to_u64(lk_str(text.ptr, 16), LK_HEX_LOWER, &out->trace_high))
        return false;
    if (out->wide)
        text = lk_str_drop(text, 16);
    return text.len == 16 && lk_hex_to_u64(text, LK_HEX_LOWER, &out->trace_low) &&
           (out->trace_high | out->trace_low) != 0;
}

static bool parse_span_id(struct lk_str text, uint64_t *out)
{
    return text.len == 16 && lk_hex_to_u64(text, LK_HEX_LOWER, out) && *out != 0;
}

static bool parse_state(struct lk_str text, struct lk_trace_context *out)
{
    if (text.len != 1 || lk_str_find_byte(LK_STR("01d"), text.ptr[0]) == 3)
        return false;
    out->debug = text.ptr[0] == 'd';
    out->decision = text.ptr[0] == '0' ? LK_TRACE_DROP : LK_TRACE_SAMPLE;
    return true;
}

/* trace-span[-state[-parent]], or a state alone. */
static enum lk_trace_result parse_single(struct lk_str value, struct lk_trace_context *out, const char **why)
{
    if (value.len == 1)
        return parse_state(value, out) ? LK_TRACE_DECIDED : malformed(why, "b3 is one character but no decision");
    if (!parse_trace_id(lk_str_split(&value, '-'), out))
        return malformed(why, "b3 has no valid trace id");
    if (value.ptr == NULL || !parse_span_id(lk_str_split(&value, '-'), &out->span))
        return malformed(why, "b3 has no valid span id");
    if (value.ptr != NULL && !parse_state(lk_str_split(&value, '-'), out))
        return malformed(why, "b3 has an unknown sampling state");
    if (value.ptr != NULL && (!parse_span_id(lk_str_split(&value, '-'), &out->parent) || value.ptr != NULL))
        return malformed(why, "b3 has no valid parent id");
    return LK_TRACE_FOUND;
}

/* Whether the header is there; *value without blanks. */
static bool get(const struct lk_headers *headers, enum lk_header_id id, struct lk_str *value)
{
    const struct lk_header *h = lk_headers_find(headers, id);
    if (h == NULL)
        return false;
    *value = lk_str_trim(h->value);
    return true;
}

static bool parse_sampled(struct lk_str value, struct lk_trace_context *out)
{
    if (lk_str_eq(value, LK_STR("1")) || lk_str_eq(value, LK_STR("true")))
        out->decision = LK_TRACE_SAMPLE;
    else if (lk_str_eq(value, LK_STR("0")) || lk_str_eq(value, LK_STR("false")))
        out->decision = LK_TRACE_DROP;
    else
        return false;
    return true;
}

/* Debug implies sampled, whatever x-b3-sampled says. */
static bool parse_decision(const struct lk_headers *headers, struct lk_trace_context *out, const char **why)
{
    struct lk_str value;
    if (get(headers, LK_HEADER_X_B3_SAMPLED, &value) && !parse_sampled(value, out)) {
        *why = "x-b3-sampled is neither 0 nor 1";
        return false;
    }
    if (!get(headers, LK_HEADER_X_B3_FLAGS, &value) || lk_str_eq(value, LK_STR("0")))
        return true;
    if (!lk_str_eq(value, LK_STR("1"))) {
        *why = "x-b3-flags is neither 0 nor 1";
        return false;
    }
    out->debug = true;
    out->decision = LK_TRACE_SAMPLE;
    return true;
}

static enum lk_trace_result parse_multi(const struct lk_headers *headers, struct lk_trace_context *out,
                                        const char **why)
{
    struct lk_str trace;
    struct lk_str span;
    struct lk_str parent;
    if (!parse_decision(headers, out, why))
        return LK_TRACE_MALFORMED;
    bool has_trace = get(headers, LK_HEADER_X_B3_TRACEID, &trace);
    bool has_span = get(headers, LK_HEADER_X_B3_SPANID, &span);
    if (!has_trace && !has_span)
        return out->decision == LK_TRACE_DEFER ? LK_TRACE_ABSENT : LK_TRACE_DECIDED;
    if (!has_trace || !parse_trace_id(trace, out))
        return malformed(why, "x-b3-traceid is not 16 or 32 digits");
    if (!has_span || !parse_span_id(span, &out->span))
        return malformed(why, "x-b3-spanid is not 16 digits");
    if (get(headers, LK_HEADER_X_B3_PARENTSPANID, &parent) && !parse_span_id(parent, &out->parent))
        return malformed(why, "x-b3-parentspanid is not 16 digits");
    return LK_TRACE_FOUND;
}

enum lk_trace_result lk_trace_b3_read(const struct lk_headers *headers, struct lk_arena *arena,
                                      struct lk_trace_context *out, const char **why)
{
    (void)arena;
    struct lk_str single;
    struct lk_trace_context read = {.decision = LK_TRACE_DEFER, .single = get(headers, LK_HEADER_B3, &single)};
    enum lk_trace_result result = read.single ? parse_single(single, &read, why) : parse_multi(headers, &read, why);
    if (result == LK_TRACE_FOUND || result == LK_TRACE_DECIDED)
        *out = read;
    return result;
}

static bool has_ids(const struct lk_trace_context *context)
{
    return (context->trace_high | context->trace_low) != 0 && context->span != 0;
}

static char *put_trace_id(char *at, const struct lk_trace_context *context)
{
    if (context->wide || context->trace_high != 0)
        at = lk_hex_put(at, context->trace_high, 16);
    return lk_hex_put(at, context->trace_low, 16);
}

bool lk_trace_b3_add_single(struct lk_headers *headers, const struct lk_trace_context *context)
{
    if (!has_ids(context))
        return false;
    char *text = lk_arena_alloc(headers->arena, 32 + 1 + 16 + 2 + 1 + 16);
    char *at = put_trace_id(text, context);
    *at++ = '-';
    at = lk_hex_put(at, context->span, 16);
    if (context->debug || context->decision != LK_TRACE_DEFER) {
        *at++ = '-';
        *at++ = context->debug ? 'd' : context->decision == LK_TRACE_SAMPLE ? '1' : '0';
        if (context->parent != 0) {
            *at++ = '-';
            at = lk_hex_put(at, context->parent, 16);
        }
    }
    lk_headers_add(headers, LK_HEADER_B3, lk_str(text, (size_t)(at - text)));
    return true;
}

static void add_id(struct lk_headers *headers, enum lk_header_id id, uint64_t value)
{
    char *text = lk_arena_alloc(headers->arena, 16);
    lk_hex_put(text, value, 16);
    lk_headers_add(headers, id, lk_str(text, 16));
}

bool lk_trace_b3_add_multi(struct lk_headers *headers, const struct lk_trace_context *context)
{
    if (!has_ids(context))
        return false;
    char *text = lk_arena_alloc(headers->arena, 32);
    lk_headers_add(headers, LK_HEADER_X_B3_TRACEID, lk_str(text, (size_t)(put_trace_id(text, context) - text)));
    add_id(headers, LK_HEADER_X_B3_SPANID, context->span);
    if (context->parent != 0)
        add_id(headers, LK_HEADER_X_B3_PARENTSPANID, context->parent);
    if (context->debug)
        lk_headers_add(headers, LK_HEADER_X_B3_FLAGS, LK_STR("1"));
    else if (context->decision != LK_TRACE_DEFER)
        lk_headers_add(headers, LK_HEADER_X_B3_SAMPLED,
                       context->decision == LK_TRACE_SAMPLE ? LK_STR("1") : LK_STR("0"));
    return true;
}

void lk_trace_b3_strip(struct lk_headers *headers)
{
    static const uint8_t ids[] = {LK_HEADER_B3,           LK_HEADER_X_B3_TRACEID, LK_HEADER_X_B3_SPANID,
                                  LK_HEADER_X_B3_SAMPLED, LK_HEADER_X_B3_FLAGS,   LK_HEADER_X_B3_PARENTSPANID};
    for (size_t i = 0; i < LK_ARRAY_LEN(ids); i++)
        lk_headers_remove(headers, (enum lk_header_id)ids[i]);
}

bool lk_b3_trace_id(struct lk_str value, uint64_t *high, uint64_t *low)
{
    struct lk_trace_context read = {.decision = LK_TRACE_DEFER};
    if (!parse_trace_id(lk_str_split(&value, '-'), &read))
        return false;
    *high = read.trace_high;
    *low = read.trace_low;
    return true;
}
