/* The canonical ids of a call chain. See trace_key.h. */
#include "proxy/http/trace_key.h"

#include "proxy/base/rand.h"
#include "proxy/http/request_id.h"
#include "proxy/http/trace_b3.h"
#include "proxy/http/trace_context.h"
#include "proxy/http/trace_jaeger.h"
#include "proxy/http/trace_skywalking.h"
#include "proxy/http/trace_w3c.h"

typedef bool (*read_fn)(const struct lk_headers *headers, const struct lk_header_key *configured,
                        struct lk_trace_key *out);

/* The value of a header that is there once and not empty. */
static bool only_value(const struct lk_headers *headers, const struct lk_header_key *key, struct lk_str *out)
{
    const struct lk_header *h = lk_headers_find_key(headers, key);
    if (h == NULL || lk_headers_next(headers, h) != NULL)
        return false;
    *out = lk_str_trim(h->value);
    return out->len > 0;
}

static bool only_id(const struct lk_headers *headers, enum lk_header_id id, struct lk_str *out)
{
    struct lk_header_key key = {id, lk_header_name(id)};
    return lk_headers_maybe(headers, id) && only_value(headers, &key, out);
}

static bool take_number(enum lk_trace_result result, const struct lk_trace_context *context, struct lk_trace_key *out)
{
    out->high = context->trace_high;
    out->low = context->trace_low;
    return result == LK_TRACE_FOUND;
}

static bool read_traceparent(const struct lk_headers *headers, const struct lk_header_key *configured,
                             struct lk_trace_key *out)
{
    (void)configured;
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    const char *why;
    return take_number(lk_traceparent_read(headers, &context, &why), &context, out);
}

static bool read_sw8(const struct lk_headers *headers, const struct lk_header_key *configured, struct lk_trace_key *out)
{
    (void)configured;
    struct lk_str value;
    return only_id(headers, LK_HEADER_SW8, &value) && lk_sw8_trace_id(value, &out->text);
}

static bool read_b3(const struct lk_headers *headers, const struct lk_header_key *configured, struct lk_trace_key *out)
{
    (void)configured;
    struct lk_str value;
    bool once = lk_headers_maybe(headers, LK_HEADER_B3) ? only_id(headers, LK_HEADER_B3, &value)
                                                        : only_id(headers, LK_HEADER_X_B3_TRACEID, &value);
    return once && lk_b3_trace_id(value, &out->high, &out->low);
}

static bool read_jaeger(const struct lk_headers *headers, const struct lk_header_key *configured,
                        struct lk_trace_key *out)
{
    (void)configured;
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    const char *why;
    struct lk_str value;
    return only_id(headers, LK_HEADER_UBER_TRACE_ID, &value) &&
           take_number(lk_trace_jaeger_read(headers, NULL, &context, &why), &context, out);
}

static bool read_configured(const struct lk_headers *headers, const struct lk_header_key *configured,
                            struct lk_trace_key *out)
{
    return configured != NULL && only_value(headers, configured, &out->text);
}

static bool read_request_id(const struct lk_headers *headers, const struct lk_header_key *configured,
                            struct lk_trace_key *out)
{
    (void)configured;
    struct lk_str value;
    if (!only_id(headers, LK_HEADER_X_REQUEST_ID, &value))
        return false;
    if (!lk_request_id_number(value, &out->high, &out->low))
        out->text = value;
    return true;
}

bool lk_trace_key_read(const struct lk_headers *headers, enum lk_trace_key_kind kind,
                       const struct lk_header_key *configured, struct lk_trace_key *out)
{
    static const read_fn readers[LK_TRACE_KEY_KIND_COUNT] = {
        [LK_TRACE_KEY_TRACEPARENT] = read_traceparent,
        [LK_TRACE_KEY_SW8] = read_sw8,
        [LK_TRACE_KEY_B3] = read_b3,
        [LK_TRACE_KEY_JAEGER] = read_jaeger,
        [LK_TRACE_KEY_HEADER] = read_configured,
        [LK_TRACE_KEY_REQUEST_ID] = read_request_id,
    };
    *out = (struct lk_trace_key){.kind = kind};
    return readers[kind](headers, configured, out);
}

bool lk_trace_key_equal(const struct lk_trace_key *a, const struct lk_trace_key *b)
{
    return a->kind == b->kind && (a->text.ptr == NULL) == (b->text.ptr == NULL) && a->high == b->high &&
           a->low == b->low && lk_str_eq(a->text, b->text);
}

uint64_t lk_trace_key_hash(const struct lk_trace_key *key)
{
    struct {
        uint64_t kind, high, low, text;
    } parts = {key->kind, key->high, key->low, key->text.ptr != NULL ? lk_str_hash(key->text) : 0};
    return lk_str_hash(lk_str((const char *)(const void *)&parts, sizeof(parts)));
}

unsigned lk_trace_seed(struct lk_headers *headers)
{
    static const struct lk_trace_formats w3c = {.count = 1, .items = {LK_TRACE_W3C}};
    unsigned seeded = 0;
    if (lk_headers_find(headers, LK_HEADER_TRACEPARENT) == NULL) {
        struct lk_trace_context context;
        lk_trace_start(&context, NULL, LK_TRACE_DROP, &w3c, headers->arena);
        lk_trace_inject(headers, &w3c, &context);
        seeded |= LK_TRACE_SEEDED_TRACEPARENT;
    }
    if (lk_headers_find(headers, LK_HEADER_X_REQUEST_ID) == NULL) {
        char *id = lk_arena_alloc(headers->arena, LK_UUID_LEN);
        lk_rand_uuid(id);
        lk_headers_add(headers, LK_HEADER_X_REQUEST_ID, lk_str(id, LK_UUID_LEN));
        seeded |= LK_TRACE_SEEDED_REQUEST_ID;
    }
    return seeded;
}
