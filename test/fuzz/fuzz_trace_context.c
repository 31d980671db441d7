/*
 * Trace headers of any bytes through every propagator: what is read can be written, reads back equal and is then
 * written alike; keys of call chains and request ids never read beyond their slice. The input is a block of lines, each
 * a digit or letter that chooses the header and then its value. lk_fuzz_library: lk_http
 */
#include "proxy/base/mem.h"
#include "proxy/http/request_id.h"
#include "proxy/http/trace_context.h"
#include "proxy/http/trace_key.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 40u

static const uint8_t header_ids[] = {
    LK_HEADER_TRACEPARENT,   LK_HEADER_TRACESTATE,   LK_HEADER_B3,         LK_HEADER_X_B3_TRACEID,
    LK_HEADER_X_B3_SPANID,   LK_HEADER_X_B3_SAMPLED, LK_HEADER_X_B3_FLAGS, LK_HEADER_X_B3_PARENTSPANID,
    LK_HEADER_UBER_TRACE_ID, LK_HEADER_SW8,          LK_HEADER_SW8_X,      LK_HEADER_SW8_CORRELATION,
    LK_HEADER_X_REQUEST_ID,
};

static void build(struct lk_headers *headers, struct lk_str rest)
{
    for (unsigned i = 0; i < LINES_MAX && rest.ptr != NULL; i++) {
        struct lk_str line = lk_str_split(&rest, '\n');
        if (line.len > 0)
            lk_headers_add(headers, header_ids[(unsigned char)(line.ptr[0] - 'a') % LK_ARRAY_LEN(header_ids)],
                           lk_str_drop(line, 1));
    }
}

static bool same_text(const struct lk_headers *a, const struct lk_headers *b)
{
    unsigned count = 0;
    LK_HEADERS_FOREACH(h, a)
    {
        const struct lk_header *other = lk_headers_find(b, h->id);
        if (other == NULL || !lk_str_eq(h->value, other->value))
            return false;
        count++;
    }
    LK_HEADERS_FOREACH(h, b)
    count--;
    return count == 0;
}

static void check_equal(const struct lk_trace_context *a, const struct lk_trace_context *b, enum lk_trace_format format)
{
    LK_ASSERT(a->trace_high == b->trace_high && a->trace_low == b->trace_low);
    LK_ASSERT(a->wide == b->wide && a->debug == b->debug && a->random == b->random);
    LK_ASSERT(a->decision == b->decision && lk_str_eq(a->tracestate, b->tracestate));
    LK_ASSERT(format == LK_TRACE_SKYWALKING || a->span == b->span);
    LK_ASSERT(lk_str_eq(a->sw.trace_id, b->sw.trace_id) && lk_str_eq(a->sw.segment_id, b->sw.segment_id));
    LK_ASSERT(a->sw.span_id == b->sw.span_id && a->sw.skip_analysis == b->sw.skip_analysis);
    LK_ASSERT(lk_str_eq(a->sw.sent_at, b->sw.sent_at) && lk_str_eq(a->sw.correlation, b->sw.correlation));
    LK_ASSERT(lk_str_eq(a->sw.target, b->sw.target) && a->sw.service.len >= b->sw.service.len);
}

/* Read, write, read again, write again. */
static void check_round_trip(const struct lk_headers *headers, struct lk_arena *arena, enum lk_trace_format format)
{
    const struct lk_trace_propagator *propagator = &lk_trace_propagators[format];
    struct lk_trace_context read = {.decision = LK_TRACE_DEFER};
    struct lk_trace_context again = {.decision = LK_TRACE_DEFER};
    struct lk_headers first;
    struct lk_headers second;
    const char *why = NULL;
    enum lk_trace_result result = propagator->read(headers, arena, &read, &why);
    LK_ASSERT((result == LK_TRACE_MALFORMED) == (why != NULL));
    lk_headers_init(&first, arena);
    lk_headers_init(&second, arena);
    bool added = propagator->add(&first, &read);
    LK_ASSERT(result == LK_TRACE_FOUND || !added);
    if (!added)
        return; /* one longer than sw8 may be, or none at all */
    LK_ASSERT(propagator->read(&first, arena, &again, &why) == LK_TRACE_FOUND);
    check_equal(&read, &again, format);
    LK_ASSERT(propagator->add(&second, &again));
    LK_ASSERT(same_text(&first, &second));
    propagator->strip(&second);
    LK_ASSERT(second.bytes == 0);
}

static void check_merged(struct lk_headers *headers, struct lk_arena *arena)
{
    static const struct lk_trace_formats all = {
        LK_TRACE_FORMAT_COUNT, {LK_TRACE_W3C, LK_TRACE_SKYWALKING, LK_TRACE_B3, LK_TRACE_JAEGER, LK_TRACE_B3_MULTI}};
    struct lk_trace_context received;
    struct lk_trace_context own;
    struct lk_trace_context back;
    const char *why = NULL;
    enum lk_trace_result result = lk_trace_read(headers, arena, &all, &received, &why);
    if (result == LK_TRACE_FOUND)
        lk_trace_continue(&own, &received, &all, arena);
    else
        lk_trace_start(&own, &received, received.decision, &all, arena);
    lk_trace_inject(headers, &all, &own);
    LK_ASSERT(lk_trace_read(headers, arena, &all, &back, &why) == LK_TRACE_FOUND);
    LK_ASSERT(back.trace_high == own.trace_high && back.trace_low == own.trace_low && back.span == own.span);
    LK_ASSERT(lk_str_eq(back.tracestate, own.tracestate));
}

/* A look must never pass over an id that is there. */
static void check_glance(const struct lk_headers *headers, const struct lk_trace_key *key)
{
    uint32_t low = 0;
    enum lk_trace_glance glance = lk_trace_key_glance(headers, key->kind, &low);
    LK_ASSERT((lk_trace_key_kinds(headers, true) >> key->kind & 1) != 0);
    LK_ASSERT(glance != LK_TRACE_GLANCE_ABSENT);
    LK_ASSERT(glance == LK_TRACE_GLANCE_UNREAD ||
              low == (key->text.ptr != NULL ? lk_trace_text_low(key->text) : (uint32_t)key->low));
}

static void check_keys(const struct lk_headers *headers)
{
    static const struct lk_header_key configured = {LK_HEADER_SW8_CORRELATION, LK_STR_INIT("sw8-correlation")};
    for (unsigned kind = 0; kind < LK_TRACE_KEY_KIND_COUNT; kind++) {
        struct lk_trace_key key;
        if (!lk_trace_key_read(headers, (enum lk_trace_key_kind)kind, &configured, &key))
            continue;
        LK_ASSERT(lk_trace_key_equal(&key, &key));
        LK_ASSERT(key.text.ptr == NULL ? (key.high | key.low) != 0 || kind == LK_TRACE_KEY_REQUEST_ID
                                       : key.text.len > 0);
        check_glance(headers, &key);
    }
}

static void check_request_id(const struct lk_headers *headers)
{
    struct lk_str id = lk_headers_get(headers, LK_HEADER_X_REQUEST_ID);
    uint32_t value = 0;
    LK_ASSERT(!lk_request_id_sample(id, &value) || value < 10000);
    LK_ASSERT(!lk_request_id_is_uuid(id) || lk_request_id_sample(id, &value));
    (void)lk_request_id_reason(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1); /* at its exact size, so that a read beyond it is seen */
    struct lk_arena arena;
    struct lk_headers headers;
    if (size > 0)
        memcpy(copy, data, size);
    lk_arena_init(&arena);
    lk_headers_init(&headers, &arena);
    build(&headers, lk_str(copy, size));
    for (unsigned format = 0; format < LK_TRACE_FORMAT_COUNT; format++)
        check_round_trip(&headers, &arena, (enum lk_trace_format)format);
    check_keys(&headers);
    check_request_id(&headers);
    (void)lk_trace_seed(&headers);
    check_merged(&headers, &arena);
    lk_arena_reset(&arena);
    free(copy);
    return 0;
}
