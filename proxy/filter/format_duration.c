/* Durations in log lines: differences of the moments that a stream recorded. Any worker. */
#include "proxy/base/mem.h"
#include "proxy/filter/format_value.h"

/* The names of moments in %COMMON_DURATION(START:END:UNIT)%. */
static uint64_t moment(struct lk_str name, const struct lk_stream_info *info)
{
    const struct {
        struct lk_str name;
        uint64_t us;
    } moments[] = {
        {LK_STR("DS_RX_BEG"), info->start_us},
        {LK_STR("DS_RX_END"), info->last_downstream_rx_us},
        {LK_STR("US_CX_BEG"), info->upstream.pool_ready_us},
        {LK_STR("US_CX_END"), info->upstream.pool_ready_us},
        {LK_STR("US_TX_BEG"), info->upstream.first_tx_us},
        {LK_STR("US_TX_END"), info->upstream.last_tx_us},
        {LK_STR("US_RX_BEG"), info->upstream.first_rx_us},
        {LK_STR("US_RX_END"), info->upstream.last_rx_us},
        {LK_STR("DS_TX_BEG"), info->first_downstream_tx_us},
        {LK_STR("DS_TX_END"), info->last_downstream_tx_us},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(moments); i++) {
        if (lk_str_eq(moments[i].name, name))
            return moments[i].us;
    }
    return 0;
}

static bool between(uint64_t from, uint64_t to, uint64_t unit_us, uint64_t *value)
{
    if (from == 0 || to == 0 || to < from)
        return false;
    *value = (to - from) / unit_us;
    return true;
}

static bool common_duration(const struct lk_format_part *part, const struct lk_stream_info *info, uint64_t *value)
{
    struct lk_str rest = part->text;
    struct lk_str start = lk_str_split(&rest, ':');
    struct lk_str end = lk_str_split(&rest, ':');
    if (!between(moment(start, info), moment(end, info), 1, value))
        return false;
    if (lk_str_eq(rest, LK_STR("ns")))
        *value *= 1000;
    else if (!lk_str_eq(rest, LK_STR("us")))
        *value /= 1000;
    return true;
}

bool lk_format_duration(const struct lk_format_part *part, const struct lk_log_event *event, uint64_t *value)
{
    const struct lk_stream_info *info = event->info;
    switch (part->op) {
    case LK_FORMAT_DURATION:
        return between(info->start_us, info->end_us, 1000, value);
    case LK_FORMAT_REQUEST_DURATION:
        return between(info->start_us, info->last_downstream_rx_us, 1000, value);
    case LK_FORMAT_REQUEST_TX_DURATION:
        return between(info->start_us, info->upstream.last_tx_us, 1000, value);
    case LK_FORMAT_RESPONSE_DURATION:
        return between(info->start_us, info->upstream.first_rx_us, 1000, value);
    case LK_FORMAT_RESPONSE_TX_DURATION:
        return between(info->upstream.first_rx_us, info->last_downstream_tx_us, 1000, value);
    case LK_FORMAT_UPSTREAM_CONNECTION_POOL_READY_DURATION:
        return between(info->start_us, info->upstream.pool_ready_us, 1000, value);
    case LK_FORMAT_COMMON_DURATION:
        return common_duration(part, info, value);
    default:
        return false; /* no handshake, no round trip time of QUIC here */
    }
}
