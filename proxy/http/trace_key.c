/* The canonical ids of a call chain. See trace_key.h. */
#include "proxy/http/trace_key.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/http/request_id.h"
#include "proxy/http/trace_b3.h"
#include "proxy/http/trace_context.h"
#include "proxy/http/trace_jaeger.h"
#include "proxy/http/trace_skywalking.h"
#include "proxy/http/trace_w3c.h"

#include <endian.h>

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
    return lk_traceparent_id(headers, &out->high, &out->low);
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

/* Eight hexadecimal digits of either case as a number; anything else gives some number too. */
static uint32_t low_digits(const char *digits)
{
    uint64_t word;
    memcpy(&word, digits, sizeof(word));
    word = be64toh(word);
    word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) + (word >> 6 & UINT64_C(0x0101010101010101)) * 9;
    word = (word | word >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word | word >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(word | word >> 16);
}

/* A request id in the form of a UUID ends in its lowest digits. */
uint32_t lk_trace_text_low(struct lk_str text)
{
    uint64_t words[2];
    if (text.len == LK_UUID_LEN)
        return low_digits(text.ptr + LK_UUID_LEN - 8);
    if (text.len != sizeof(words))
        return (uint32_t)lk_str_hash(text);
    memcpy(words, text.ptr, sizeof(words));
    return (uint32_t)words[1];
}

static enum lk_trace_glance glance_at(const struct lk_headers *headers, enum lk_header_id id, size_t min_len,
                                      size_t digits_at, uint32_t *low)
{
    const struct lk_header *h = lk_headers_find(headers, id);
    struct lk_str value = h != NULL ? lk_str_trim(h->value) : lk_str(NULL, 0);
    if (value.len < min_len)
        return LK_TRACE_GLANCE_ABSENT;
    *low = digits_at > 0 ? low_digits(value.ptr + digits_at) : lk_trace_text_low(value);
    return LK_TRACE_GLANCE_LOW;
}

unsigned lk_trace_key_kinds(const struct lk_headers *headers, bool configured)
{
    const struct {
        enum lk_trace_key_kind kind;
        bool there;
    } items[] = {
        {LK_TRACE_KEY_TRACEPARENT, lk_headers_maybe(headers, LK_HEADER_TRACEPARENT)},
        {LK_TRACE_KEY_SW8, lk_headers_maybe(headers, LK_HEADER_SW8)},
        {LK_TRACE_KEY_B3, lk_headers_maybe(headers, LK_HEADER_B3)},
        {LK_TRACE_KEY_B3, lk_headers_maybe(headers, LK_HEADER_X_B3_TRACEID)},
        {LK_TRACE_KEY_JAEGER, lk_headers_maybe(headers, LK_HEADER_UBER_TRACE_ID)},
        {LK_TRACE_KEY_HEADER, configured},
        {LK_TRACE_KEY_REQUEST_ID, lk_headers_maybe(headers, LK_HEADER_X_REQUEST_ID)},
    };
    unsigned kinds = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < LK_ARRAY_LEN(items); i++)
        kinds |= (unsigned)items[i].there << items[i].kind;
    return kinds;
}

enum lk_trace_glance lk_trace_key_glance(const struct lk_headers *headers, enum lk_trace_key_kind kind, uint32_t *low)
{
    if (kind == LK_TRACE_KEY_TRACEPARENT)
        return glance_at(headers, LK_HEADER_TRACEPARENT, LK_TRACEPARENT_LEN, 27, low);
    if (kind == LK_TRACE_KEY_REQUEST_ID)
        return glance_at(headers, LK_HEADER_X_REQUEST_ID, 1, 0, low);
    return LK_TRACE_GLANCE_UNREAD;
}

bool lk_trace_key_equal(const struct lk_trace_key *a, const struct lk_trace_key *b)
{
    return a->kind == b->kind && (a->text.ptr == NULL) == (b->text.ptr == NULL) && a->high == b->high &&
           a->low == b->low && lk_str_eq(a->text, b->text);
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
