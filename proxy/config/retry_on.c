/* The words of retry_on and x-envoy-retry-on. Pure. */
#include "proxy/config/route_config.h"

#include "proxy/base/mem.h"

static const struct {
    struct lk_str name;
    uint32_t bit;
} words[] = {
    {LK_STR_INIT("5xx"), LK_RETRY_5XX},
    {LK_STR_INIT("gateway-error"), LK_RETRY_GATEWAY_ERROR},
    {LK_STR_INIT("reset"), LK_RETRY_RESET},
    {LK_STR_INIT("reset-before-request"), LK_RETRY_RESET_BEFORE_REQUEST},
    {LK_STR_INIT("connect-failure"), LK_RETRY_CONNECT_FAILURE},
    {LK_STR_INIT("refused-stream"), LK_RETRY_REFUSED_STREAM},
    {LK_STR_INIT("retriable-4xx"), LK_RETRY_RETRIABLE_4XX},
    {LK_STR_INIT("retriable-status-codes"), LK_RETRY_RETRIABLE_STATUS_CODES},
    {LK_STR_INIT("retriable-headers"), LK_RETRY_RETRIABLE_HEADERS},
    {LK_STR_INIT("envoy-ratelimited"), LK_RETRY_ENVOY_RATELIMITED},
    {LK_STR_INIT("http3-post-connect-failure"), LK_RETRY_HTTP3_POST_CONNECT_FAILURE},
    {LK_STR_INIT("cancelled"), LK_RETRY_GRPC_CANCELLED},
    {LK_STR_INIT("deadline-exceeded"), LK_RETRY_GRPC_DEADLINE_EXCEEDED},
    {LK_STR_INIT("internal"), LK_RETRY_GRPC_INTERNAL},
    {LK_STR_INIT("resource-exhausted"), LK_RETRY_GRPC_RESOURCE_EXHAUSTED},
    {LK_STR_INIT("unavailable"), LK_RETRY_GRPC_UNAVAILABLE},
};

uint32_t lk_retry_on_parse(struct lk_str tokens, struct lk_str *unknown)
{
    uint32_t bits = 0;

    if (unknown != NULL)
        *unknown = (struct lk_str){NULL, 0};
    while (tokens.ptr != NULL) {
        struct lk_str token = lk_str_trim(lk_str_split(&tokens, ','));
        size_t i = 0;

        while (i < LK_ARRAY_LEN(words) && !lk_str_eq(words[i].name, token))
            i++;
        if (i < LK_ARRAY_LEN(words))
            bits |= words[i].bit;
        else if (token.len > 0 && unknown != NULL && unknown->ptr == NULL)
            *unknown = token;
    }
    return bits;
}

struct lk_str lk_retry_on_name(uint32_t bit)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(words); i++)
        if (words[i].bit == bit)
            return words[i].name;
    return lk_str(NULL, 0);
}
