/* A request head has arrived: checks, header policy, route, upgrade, then the filter chain. Runs on the session's
 * worker. */
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/downstream/http_manager_internal.h"
#include "proxy/router/route_match.h"

static void answer_continue(struct lk_http_exchange *ex)
{
    struct lk_headers *headers = lk_arena_zalloc(&ex->stream.arena, sizeof(*headers));
    lk_headers_init(headers, &ex->stream.arena);
    lk_headers_set_status(headers, 100);
    lk_codec_send_informational(ex->cs, headers);
}

/* RFC 9110 10.1.1: the proxy answers for the upstream unless proxy_100_continue. */
static void handle_expect(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (!lk_headers_maybe(headers, LK_HEADER_EXPECT) || ex->hc->config->proxy_100_continue)
        return;
    struct lk_str expect = lk_headers_get(headers, LK_HEADER_EXPECT);
    if (expect.ptr == NULL || !lk_str_ieq(expect, LK_STR("100-continue")))
        return;
    if (ex->stream.info.protocol != LK_HTTP10)
        answer_continue(ex);
    lk_headers_remove(headers, LK_HEADER_EXPECT);
}

static bool upgrade_enabled(const struct lk_upgrade_config *configs, size_t count, struct lk_str type, bool *known)
{
    for (size_t i = 0; i < count; i++) {
        if (lk_str_ieq(configs[i].type, type)) {
            *known = true;
            return configs[i].enabled;
        }
    }
    *known = false;
    return false;
}

/* The route's word counts before the manager's. */
static bool may_upgrade(struct lk_http_exchange *ex, struct lk_str type)
{
    const struct lk_route *route = lk_exchange_route(ex);
    const struct lk_http_manager_config *config = ex->hc->config;
    bool known = false;
    bool enabled = false;
    if (route != NULL)
        enabled = upgrade_enabled(route->action.upgrades, route->action.upgrade_count, type, &known);
    return known ? enabled : upgrade_enabled(config->upgrades, config->upgrade_count, type, &known);
}

/* False: the request was refused. One with a body of its own (`end` is false) cannot upgrade. */
static bool handle_upgrade(struct lk_http_exchange *ex, struct lk_headers *headers, bool end)
{
    if (!ex->upgrade_asked)
        return true;
    struct lk_str type = lk_headers_get(headers, LK_HEADER_UPGRADE);
    if (end && may_upgrade(ex, type)) {
        ex->cs->upgrade = true;
        ex->stream.request_upgrade = true;
        ex->stream.request_ended = false; /* what follows the head is payload */
        return true;
    }
    const struct lk_route *route = lk_exchange_route(ex);
    if (route != NULL && route->kind == LK_ROUTE_CLUSTER && route->action.specifier == LK_CLUSTER_BY_NAME)
        ex->stream.info.upstream.cluster = ex->stream.info.upstream.cluster_alt = route->action.cluster;
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_WS_ON_NON_WS);
    ex->close_after = true;
    lk_exchange_reply(ex, 403, lk_str(NULL, 0), LK_STR("upgrade_failed"));
    return false;
}

void lk_exchange_note_head(struct lk_http_exchange *ex, struct lk_headers *headers, bool end)
{
    struct lk_stream_info *info = &ex->stream.info;
    ex->stream.request = headers;
    info->protocol = ex->cs->http10 ? LK_HTTP10 : ex->hc->codec->ops->protocol;
    info->has_protocol = true;
    info->request_headers_bytes = headers->bytes;
    ex->head_request = ex->cs->is_head;
    ex->is_grpc = lk_headers_maybe(headers, LK_HEADER_CONTENT_TYPE) && lk_request_is_grpc(headers);
    ex->random = lk_rand_u64();
    if (end) {
        ex->stream.request_ended = true;
        info->last_downstream_rx_us = lk_loop_now_us(ex->stream.loop);
    }
}

bool lk_exchange_admit(struct lk_http_exchange *ex, struct lk_headers *headers, bool end)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    handle_expect(ex, headers);
    if (lk_exchange_header_policy(ex, headers) == LK_POLICY_ANSWERED)
        return false;
    if (ex->cs->is_connect) {
        lk_stream_info_flag(&ex->stream.info, LK_FLAG_NO_ROUTE_FOUND);
        lk_stats_inc(config->stats, LK_HTTP_NO_ROUTE);
        ex->close_after = true;
        lk_exchange_reply(ex, 404, lk_str(NULL, 0), LK_STR("route_not_found"));
        return false;
    }
    if (config->tracing != NULL)
        lk_exchange_trace(ex, headers);
    if (!handle_upgrade(ex, headers, end))
        return false;
    if (config->chain.count == 0) {
        /* a manager without filters has nothing that could answer */
        lk_stream_info_flag(&ex->stream.info, LK_FLAG_NO_ROUTE_FOUND);
        lk_exchange_reply(ex, 404, lk_str(NULL, 0), LK_STR("route_not_found"));
        return false;
    }
    return true;
}

void lk_exchange_request(struct lk_http_exchange *ex, struct lk_headers *headers, bool end)
{
    struct lk_http_conn *hc = ex->hc;
    lk_exchange_note_head(ex, headers, end);
    if (!lk_exchange_admit(ex, headers, end))
        return;
    if (hc->config->log_new_requests) {
        lk_exchange_route(ex);
        lk_exchange_log(ex, "DownstreamStart");
    }
    ex->chain_started = true;
    lk_http_chain_start(&ex->stream, &hc->config->chain, hc->worker->filter_workers);
    lk_http_chain_request_headers(&ex->stream, end && !ex->cs->upgrade);
}
