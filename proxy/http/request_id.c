/* Request ids: the UUID form and the bits of tracing in it. See request_id.h. */
#include "proxy/http/request_id.h"

#include "proxy/base/hex.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"

static const char digits[] = {[LK_TRACE_REASON_NONE] = '4',
                              [LK_TRACE_REASON_SAMPLED] = '9',
                              [LK_TRACE_REASON_SERVICE] = 'a',
                              [LK_TRACE_REASON_CLIENT] = 'b'};

bool lk_request_id_is_uuid(struct lk_str id)
{
    uint64_t high;
    uint64_t low;
    return lk_request_id_number(id, &high, &low);
}

bool lk_request_id_number(struct lk_str id, uint64_t *high, uint64_t *low)
{
    const char *text = id.ptr;
    char first[16], second[16];
    uint64_t front;
    if (id.len != LK_UUID_LEN || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    memcpy(first, text, 8);
    memcpy(first + 8, text + 9, 4);
    memcpy(first + 12, text + 14, 4);
    memcpy(second, text + 19, 4);
    memcpy(second + 4, text + 24, 12);
    if (!lk_hex_to_u64(lk_str(first, 16), LK_HEX_ANY_CASE, &front) ||
        !lk_hex_to_u64(lk_str(second, 16), LK_HEX_ANY_CASE, low))
        return false;
    *high = front & 0xffffffffffff0fffu;
    return true;
}

enum lk_trace_reason lk_request_id_reason(struct lk_str id)
{
    if (id.len != LK_UUID_LEN)
        return LK_TRACE_REASON_NONE;
    for (unsigned reason = LK_TRACE_REASON_SAMPLED; reason < LK_ARRAY_LEN(digits); reason++)
        if (id.ptr[LK_REQUEST_ID_REASON_AT] == digits[reason])
            return (enum lk_trace_reason)reason;
    return LK_TRACE_REASON_NONE;
}

char lk_trace_reason_digit(enum lk_trace_reason reason)
{
    return digits[reason];
}

bool lk_request_id_sample(struct lk_str id, uint32_t *out)
{
    uint64_t value;
    if (id.len < 8 || !lk_hex_to_u64(lk_str(id.ptr, 8), LK_HEX_ANY_CASE, &value))
        return false;
    *out = (uint32_t)(value % 10000);
    return true;
}
