/* sw8, sw8-x, sw8-correlation. Texts are base64, with or without padding; '-' never occurs in one and separates them.
 */
#include "proxy/http/trace_skywalking.h"

#include "proxy/base/base64.h"
#include "proxy/base/hex.h"
#include "proxy/base/mem.h"

enum { SAMPLE, TRACE, SEGMENT, SPAN, SERVICE, INSTANCE, ENDPOINT, TARGET, FIELD_COUNT };

#define NAME_MAX_BYTES 50u
#define ENDPOINT_MAX_BYTES 149u

/* The texts among the fields, and where their decoded form lies. */
static const struct {
    uint8_t field;
    uint16_t max; /* bytes that are written */
    size_t offset;
} texts[] = {
    {TRACE, UINT16_MAX, offsetof(struct lk_trace_skywalking, trace_id)},
    {SEGMENT, UINT16_MAX, offsetof(struct lk_trace_skywalking, segment_id)},
    {SERVICE, NAME_MAX_BYTES, offsetof(struct lk_trace_skywalking, service)},
    {INSTANCE, NAME_MAX_BYTES, offsetof(struct lk_trace_skywalking, instance)},
    {ENDPOINT, ENDPOINT_MAX_BYTES, offsetof(struct lk_trace_skywalking, endpoint)},
    {TARGET, UINT16_MAX, offsetof(struct lk_trace_skywalking, target)},
};

static bool is_base64(struct lk_str text)
{
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.ptr[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        unsigned char lower = lk_ascii_lower(c);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '/')
            return false;
    }
    return digits % 4 != 1 && (digits == text.len || text.len % 4 == 0);
}

/* The eight fields as they stand. NULL, or the rule that they break. */
static const char *split_fields(struct lk_str value, struct lk_str fields[FIELD_COUNT], uint32_t *span_id)
{
    uint64_t number;
    size_t count = 0;
    if (value.len >= LK_SW8_MAX)
        return "sw8 is longer than 2 kB";
    while (value.ptr != NULL && count < FIELD_COUNT)
        fields[count++] = lk_str_split(&value, '-');
    if (count != FIELD_COUNT || value.ptr != NULL)
        return "sw8 has not eight fields";
    if (!lk_str_eq(fields[SAMPLE], LK_STR("0")) && !lk_str_eq(fields[SAMPLE], LK_STR("1")))
        return "sw8 has a sample flag other than 0 and 1";
    if (!lk_str_to_u64(fields[SPAN], &number) || number > INT32_MAX)
        return "sw8 has no valid span id";
    *span_id = (uint32_t)number;
    for (size_t i = 0; i < LK_ARRAY_LEN(texts); i++)
        if (!is_base64(fields[texts[i].field]))
            return "sw8 has a field that is not base64";
    if (fields[TRACE].len == 0 || fields[SEGMENT].len == 0)
        return "sw8 has an empty trace or segment id";
    return NULL;
}

static struct lk_str *text_at(struct lk_trace_skywalking *sw, size_t offset)
{
    return (struct lk_str *)(void *)((char *)sw + offset);
}

static void read_mode(const struct lk_headers *headers, struct lk_trace_skywalking *sw)
{
    struct lk_str rest = lk_str_trim(lk_headers_get(headers, LK_HEADER_SW8_X));
    struct lk_str mode = lk_str_split(&rest, '-');
    struct lk_str sent_at = rest.ptr != NULL ? lk_str_trim(lk_str_split(&rest, '-')) : LK_STR("");
    uint64_t number;
    sw->skip_analysis = lk_str_eq(mode, LK_STR("1"));
    if ((mode.len == 0 || sw->skip_analysis || lk_str_eq(mode, LK_STR("0"))) && lk_str_to_u64(sent_at, &number))
        sw->sent_at = sent_at;
}

static void read_numeric_id(struct lk_trace_context *out)
{
    struct lk_str id = out->sw.trace_id;
    uint64_t high;
    uint64_t low;
    if (id.len != LK_TRACE_ID_LEN || !lk_hex_to_u64(lk_str(id.ptr, 16), LK_HEX_LOWER, &high) ||
        !lk_hex_to_u64(lk_str_drop(id, 16), LK_HEX_LOWER, &low))
        return;
    out->trace_high = high;
    out->trace_low = low;
    out->wide = true;
}

static enum lk_trace_result read_sw8(struct lk_str value, struct lk_arena *arena, struct lk_trace_context *out,
                                     const char **why)
{
    struct lk_str fields[FIELD_COUNT];
    uint32_t span_id;
    const char *broken = split_fields(value, fields, &span_id);
    if (broken != NULL) {
        *why = broken;
        return LK_TRACE_MALFORMED;
    }
    for (size_t i = 0; i < LK_ARRAY_LEN(texts); i++)
        LK_ASSERT(lk_base64_decode(arena, fields[texts[i].field], text_at(&out->sw, texts[i].offset)));
    out->sw.span_id = span_id;
    out->decision = fields[SAMPLE].ptr[0] == '1' ? LK_TRACE_SAMPLE : LK_TRACE_DROP;
    read_numeric_id(out);
    return LK_TRACE_FOUND;
}

enum lk_trace_result lk_trace_skywalking_read(const struct lk_headers *headers, struct lk_arena *arena,
                                              struct lk_trace_context *out, const char **why)
{
    static const struct lk_header_key correlation = {LK_HEADER_SW8_CORRELATION, LK_STR_INIT("sw8-correlation")};
    read_mode(headers, &out->sw);
    if (lk_headers_maybe(headers, LK_HEADER_SW8_CORRELATION))
        out->sw.correlation = lk_headers_get_joined(headers, &correlation);
    const struct lk_header *h = lk_headers_find(headers, LK_HEADER_SW8);
    if (h == NULL)
        return LK_TRACE_ABSENT;
    if (lk_headers_next(headers, h) != NULL) {
        *why = "more than one sw8";
        return LK_TRACE_MALFORMED;
    }
    return read_sw8(lk_str_trim(h->value), arena, out, why);
}

/* No more than `max` bytes, and no part of a UTF-8 sequence at the end. */
static struct lk_str cut(struct lk_str text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
        max--;
    return lk_str(text.ptr, max);
}

static struct lk_str append(struct lk_arena *arena, struct lk_str head, struct lk_str part)
{
    char *out = lk_arena_alloc(arena, head.len + 1 + part.len);
    if (head.len > 0)
        memcpy(out, head.ptr, head.len);
    out[head.len] = '-';
    if (part.len > 0)
        memcpy(out + head.len + 1, part.ptr, part.len);
    return lk_str(out, head.len + 1 + part.len);
}

static struct lk_str write_sw8(struct lk_arena *arena, const struct lk_trace_context *context)
{
    struct lk_trace_skywalking sw = context->sw;
    struct lk_str value = context->decision == LK_TRACE_DROP ? LK_STR("0") : LK_STR("1");
    for (size_t i = 0; i < LK_ARRAY_LEN(texts); i++) {
        if (texts[i].field == SERVICE)
            value = append(arena, value, lk_arena_printf(arena, "%u", sw.span_id));
        struct lk_str text = cut(*text_at(&sw, texts[i].offset), texts[i].max);
        value = append(arena, value, lk_base64_encode(arena, text));
    }
    return value;
}

static void add_mode(struct lk_headers *headers, const struct lk_trace_skywalking *sw)
{
    if (!sw->skip_analysis && sw->sent_at.len == 0)
        return;
    struct lk_str mode = sw->skip_analysis ? LK_STR("1") : LK_STR("0");
    lk_headers_add(headers, LK_HEADER_SW8_X, append(headers->arena, mode, sw->sent_at));
}

bool lk_trace_skywalking_add(struct lk_headers *headers, const struct lk_trace_context *context)
{
    const struct lk_trace_skywalking *sw = &context->sw;
    add_mode(headers, sw);
    if (sw->correlation.len > 0)
        lk_headers_add(headers, LK_HEADER_SW8_CORRELATION, sw->correlation);
    if (sw->trace_id.len == 0 || sw->segment_id.len == 0)
        return false;
    struct lk_str value = write_sw8(headers->arena, context);
    if (value.len >= LK_SW8_MAX)
        return false;
    lk_headers_add(headers, LK_HEADER_SW8, value);
    return true;
}

void lk_trace_skywalking_strip(struct lk_headers *headers)
{
    lk_headers_remove(headers, LK_HEADER_SW8);
    lk_headers_remove(headers, LK_HEADER_SW8_X);
    lk_headers_remove(headers, LK_HEADER_SW8_CORRELATION);
}

bool lk_sw8_trace_id(struct lk_str value, struct lk_str *encoded)
{
    struct lk_str fields[FIELD_COUNT];
    uint32_t span_id;
    if (split_fields(lk_str_trim(value), fields, &span_id) != NULL)
        return false;
    *encoded = fields[TRACE];
    while (encoded->len > 0 && encoded->ptr[encoded->len - 1] == '=')
        encoded->len--;
    return true;
}
