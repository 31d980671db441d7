/* The neutral trace context and the table of wire formats. See trace_context.h. */
#include "proxy/http/trace_context.h"

#include "proxy/base/hex.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/http/trace_b3.h"
#include "proxy/http/trace_jaeger.h"
#include "proxy/http/trace_skywalking.h"
#include "proxy/http/trace_w3c.h"

const struct lk_trace_propagator lk_trace_propagators[LK_TRACE_FORMAT_COUNT] = {
    [LK_TRACE_W3C] = {LK_STR_INIT("w3c"), lk_trace_w3c_read, lk_trace_w3c_add, lk_trace_w3c_strip},
    [LK_TRACE_B3] = {LK_STR_INIT("b3"), lk_trace_b3_read, lk_trace_b3_add_single, lk_trace_b3_strip},
    [LK_TRACE_B3_MULTI] = {LK_STR_INIT("b3multi"), lk_trace_b3_read, lk_trace_b3_add_multi, lk_trace_b3_strip},
    [LK_TRACE_JAEGER] = {LK_STR_INIT("jaeger"), lk_trace_jaeger_read, lk_trace_jaeger_add, lk_trace_jaeger_strip},
    [LK_TRACE_SKYWALKING] = {LK_STR_INIT("sw8"), lk_trace_skywalking_read, lk_trace_skywalking_add,
                             lk_trace_skywalking_strip},
};

bool lk_trace_formats_have(const struct lk_trace_formats *formats, enum lk_trace_format format)
{
    for (unsigned i = 0; i < formats->count; i++)
        if (formats->items[i] == format)
            return true;
    return false;
}

void lk_trace_formats_add(struct lk_trace_formats *formats, enum lk_trace_format format)
{
    if (!lk_trace_formats_have(formats, format))
        formats->items[formats->count++] = (uint8_t)format;
}

enum lk_trace_result lk_trace_read(const struct lk_headers *headers, struct lk_arena *arena,
                                   const struct lk_trace_formats *formats, struct lk_trace_context *out,
                                   const char **why)
{
    /* From least to most telling. */
    static const uint8_t weight[] = {
        [LK_TRACE_ABSENT] = 0, [LK_TRACE_MALFORMED] = 1, [LK_TRACE_DECIDED] = 2, [LK_TRACE_FOUND] = 3};
    enum lk_trace_result result = LK_TRACE_ABSENT;
    struct lk_trace_skywalking sw = {.span_id = 0};
    const char *reason = NULL;
    *out = (struct lk_trace_context){.decision = LK_TRACE_DEFER};
    for (unsigned i = 0; i < formats->count; i++) {
        struct lk_trace_context one = {.decision = LK_TRACE_DEFER};
        const char *one_reason = NULL;
        enum lk_trace_result r = lk_trace_propagators[formats->items[i]].read(headers, arena, &one, &one_reason);
        if (formats->items[i] == LK_TRACE_SKYWALKING)
            sw = one.sw;
        if (weight[r] <= weight[result])
            continue;
        result = r;
        reason = one_reason;
        *out = one;
    }
    out->sw = sw;
    if (why != NULL && result == LK_TRACE_MALFORMED)
        *why = reason;
    return result;
}

static uint64_t random_id(void)
{
    uint64_t id;
    do
        id = lk_rand_u64();
    while (id == 0);
    return id;
}

static void new_trace_id(struct lk_trace_context *context)
{
    context->trace_high = lk_rand_u64();
    context->trace_low = random_id();
    context->wide = true;
    context->random = true;
}

/* SkyWalking wants texts: the trace id where none was received, and a segment of our own. */
static void new_segment(struct lk_trace_context *context, const struct lk_trace_formats *formats,
                        struct lk_arena *arena)
{
    if (!lk_trace_formats_have(formats, LK_TRACE_SKYWALKING))
        return;
    if (context->sw.trace_id.len == 0)
        context->sw.trace_id = lk_trace_id_text(context, arena);
    char *text = lk_arena_alloc(arena, LK_TRACE_ID_LEN);
    lk_hex_put(lk_hex_put(text, random_id(), 16), random_id(), 16);
    context->sw.segment_id = lk_str(text, LK_TRACE_ID_LEN);
}

static struct lk_trace_skywalking unbound_part(const struct lk_trace_skywalking *received)
{
    return (struct lk_trace_skywalking){.skip_analysis = received->skip_analysis, .correlation = received->correlation};
}

void lk_trace_start(struct lk_trace_context *out, const struct lk_trace_context *received,
                    enum lk_trace_decision decision, const struct lk_trace_formats *formats, struct lk_arena *arena)
{
    struct lk_trace_context fresh = {.decision = decision, .span = random_id()};
    if (received != NULL)
        fresh.sw = unbound_part(&received->sw);
    *out = fresh;
    new_trace_id(out);
    new_segment(out, formats, arena);
}

void lk_trace_continue(struct lk_trace_context *out, const struct lk_trace_context *received,
                       const struct lk_trace_formats *formats, struct lk_arena *arena)
{
    *out = *received;
    out->parent = received->span;
    out->span = random_id();
    if (out->trace_high == 0 && out->trace_low == 0)
        new_trace_id(out);
    out->sw = unbound_part(&received->sw);
    out->sw.trace_id = received->sw.trace_id;
    new_segment(out, formats, arena);
}

void lk_trace_child(struct lk_trace_context *out, const struct lk_trace_context *own, uint32_t span_id)
{
    *out = *own;
    out->parent = own->span;
    out->span = random_id();
    out->sw.span_id = span_id;
}

void lk_trace_inject(struct lk_headers *headers, const struct lk_trace_formats *formats,
                     const struct lk_trace_context *context)
{
    lk_trace_strip(headers, formats);
    for (unsigned i = 0; i < formats->count; i++)
        lk_trace_propagators[formats->items[i]].add(headers, context);
}

void lk_trace_strip(struct lk_headers *headers, const struct lk_trace_formats *formats)
{
    for (unsigned i = 0; i < formats->count; i++)
        lk_trace_propagators[formats->items[i]].strip(headers);
}

struct lk_str lk_trace_id_text(const struct lk_trace_context *context, struct lk_arena *arena)
{
    char *text = lk_arena_alloc(arena, LK_TRACE_ID_LEN);
    lk_hex_put(lk_hex_put(text, context->trace_high, 16), context->trace_low, 16);
    return lk_str(text, LK_TRACE_ID_LEN);
}

struct lk_str lk_trace_span_text(const struct lk_trace_context *context, struct lk_arena *arena)
{
    char *text = lk_arena_alloc(arena, LK_SPAN_ID_LEN);
    lk_hex_put(text, context->span, LK_SPAN_ID_LEN);
    return lk_str(text, LK_SPAN_ID_LEN);
}
