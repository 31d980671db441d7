/* What a check compares an answer with. Pure. */
#include "proxy/upstream/health_check.h"

bool lk_check_payload_found(const struct lk_check_payload *payload, struct lk_str data)
{
    for (size_t i = 0; i < payload->receive_count; i++) {
        size_t at = lk_str_find(data, payload->receive[i]);
        if (at > data.len)
            return false;
        data = lk_str_drop(data, at + payload->receive[i].len);
    }
    return true;
}

bool lk_status_ranges_have(const struct lk_status_ranges *ranges, unsigned status)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (status >= ranges->list[i].start && status < ranges->list[i].end)
            return true;
    }
    return false;
}
