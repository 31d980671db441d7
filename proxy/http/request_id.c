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
    static const struct {
        uint8_t from, count;
    } groups[] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};
    uint64_t value[LK_ARRAY_LEN(groups)];
    if (id.len != LK_UUID_LEN)
        return false;
    for (size_t i = 0; i < LK_ARRAY_LEN(groups); i++) {
        struct lk_str group = lk_str(id.ptr + groups[i].from, groups[i].count);
        if ((i > 0 && group.ptr[-1] != '-') || !lk_hex_to_u64(group, LK_HEX_ANY_CASE, &value[i]))
            return false;
    }
    *high = value[0] << 32 | value[1] << 16 | (value[2] & 0x0fff);
    *low = value[3] << 48 | value[4];
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
