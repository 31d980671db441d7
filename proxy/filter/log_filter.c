/* Access-log filters. Any worker. */
#include "proxy/filter/log_filter.h"

#include "proxy/base/rand.h"
#include "proxy/config/runtime.h"
#include "proxy/filter/header_match.h"

static bool compare(const struct lk_log_filter *filter, uint64_t actual)
{
    uint64_t value = filter->runtime_key.len > 0 ? lk_runtime_u64(filter->runtime_key, filter->value) : filter->value;
    switch (filter->op) {
    case LK_COMPARE_EQ:
        return actual == value;
    case LK_COMPARE_GE:
        return actual >= value;
    case LK_COMPARE_LE:
        return actual <= value;
    case LK_COMPARE_NE:
        return actual != value;
    }
    return false;
}

static bool header_holds(const struct lk_header_match *match, const struct lk_headers *headers)
{
    struct lk_header_match resolved = *match;
    if (headers == NULL)
        return lk_value_matcher_match(&match->value, false, lk_str(NULL, 0));
    resolved.header_id = (int)lk_header_id_of(match->name);
    return lk_header_match_holds(&resolved, headers);
}

/* The first digits of a UUID, as Envoy takes them; anything else by its hash. */
static uint64_t number_of(struct lk_str id)
{
    uint64_t number = 0;
    for (size_t i = 0; i < 8; i++) {
        unsigned char c = i < id.len ? lk_ascii_lower((unsigned char)id.ptr[i]) : 0;
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return lk_str_hash(id);
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return number;
}

/* The request id decides, so that all hops of a chain log the same requests. */
static bool sampled(const struct lk_log_filter *filter, const struct lk_log_event *event)
{
    struct lk_str id = lk_str(NULL, 0);
    if (!filter->use_independent_randomness && event->request != NULL)
        id = lk_headers_get(event->request, LK_HEADER_X_REQUEST_ID);
    return lk_fraction_hit(&filter->fraction, id.len > 0 ? number_of(id) : lk_rand_u64());
}

bool lk_log_filter_match(const struct lk_log_filter *filter, const struct lk_log_event *event)
{
    const struct lk_stream_info *info = event->info;
    switch (filter->kind) {
    case LK_LOG_FILTER_STATUS:
        return compare(filter, info->response_code);
    case LK_LOG_FILTER_DURATION:
        return compare(filter, info->end_us > info->start_us ? (info->end_us - info->start_us) / 1000 : 0);
    case LK_LOG_FILTER_NOT_HEALTH_CHECK:
        return !info->health_check;
    case LK_LOG_FILTER_TRACEABLE:
        return info->traced;
    case LK_LOG_FILTER_RUNTIME:
        return sampled(filter, event);
    case LK_LOG_FILTER_HEADER:
        return header_holds(filter->header, event->request);
    case LK_LOG_FILTER_RESPONSE_FLAG:
        return filter->flags == 0 ? info->flags != 0 : (info->flags & filter->flags) != 0;
    case LK_LOG_FILTER_AND:
        for (size_t i = 0; i < filter->child_count; i++) {
            if (!lk_log_filter_match(&filter->children[i], event))
                return false;
        }
        return true;
    case LK_LOG_FILTER_OR:
        for (size_t i = 0; i < filter->child_count; i++) {
            if (lk_log_filter_match(&filter->children[i], event))
                return true;
        }
        return false;
    }
    return true;
}
