/* One exchange: codec events go into the filter chain, what comes out of the chain goes to the codec. Runs on the
 * session's worker. */
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"
#include "proxy/router/route_action.h"
#include "proxy/router/route_match.h"

/* --- from the codec ----------------------------------------------------------------------------------------------- */

static void on_headers(struct lk_codec_stream *cs, struct lk_headers *headers, bool end)
{
    struct lk_http_exchange *ex = cs->arg;
    lk_exchange_request(ex, headers, end);
}

static void on_data(struct lk_codec_stream *cs, struct lk_span data, bool end)
{
    struct lk_http_exchange *ex = cs->arg;
    ex->stream.info.bytes_received += data.len;
    if (ex->ended)
        return;
    lk_exchange_touch(ex);
    if (end)
        ex->stream.info.last_downstream_rx_us = lk_loop_now_us(ex->stream.loop);
    if (ex->chain_started)
        lk_http_chain_request_data(&ex->stream, data, end);
    else
        ex->stream.request_ended |= end;
}

static void on_trailers(struct lk_codec_stream *cs, struct lk_headers *trailers)
{
    struct lk_http_exchange *ex = cs->arg;
    if (ex->ended)
        return;
    lk_exchange_touch(ex);
    ex->stream.request_trailers = trailers;
    ex->stream.info.last_downstream_rx_us = lk_loop_now_us(ex->stream.loop);
    if (ex->chain_started)
        lk_http_chain_request_trailers(&ex->stream);
    else
        ex->stream.request_ended = true;
}

static void on_reset(struct lk_codec_stream *cs, enum lk_reset_reason reason)
{
    struct lk_http_exchange *ex = cs->arg;
    (void)reason;
    ex->cs = NULL;
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_RX_RESET);
    lk_stream_info_flag(&ex->stream.info, LK_FLAG_DOWNSTREAM_REMOTE_RESET);
    lk_exchange_end(ex);
}

const struct lk_stream_events lk_http_manager_stream_events = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
};

/* --- to the codec ------------------------------------------------------------------------------------------------- */

/* The response has left completely. A request that is still arriving has nobody to go to: HTTP/1 then ends with the
 * connection. When both sides are done the codec has said so already. */
static void response_sent(struct lk_http_exchange *ex)
{
    struct lk_http_conn *hc = ex->hc;
    if (ex->ended || ex->cs == NULL || hc->closing)
        return;
    if (!ex->cs->remote_done) {
        lk_stats_inc(hc->config->stats, LK_HTTP_RQ_RESPONSE_BEFORE_COMPLETE);
        ex->cs = NULL;
        lk_exchange_end(ex);
        lk_http_conn_close(hc, LK_CLOSE_LINGER, true);
    }
}

static void sent_something(struct lk_http_exchange *ex)
{
    struct lk_stream_info *info = &ex->stream.info;
    info->last_downstream_tx_us = lk_loop_now_us(ex->stream.loop);
    if (info->first_downstream_tx_us == 0)
        info->first_downstream_tx_us = info->last_downstream_tx_us;
}

static void send_informational(struct lk_http_stream *stream, struct lk_headers *headers)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    if (ex->cs == NULL || ex->stream.info.protocol == LK_HTTP10)
        return;
    /* 100 was answered by us already; of the others Envoy passes none on */
    if (lk_headers_status(headers) != 100 || !ex->hc->config->proxy_100_continue)
        return;
    lk_codec_send_informational(ex->cs, headers);
}

static void send_headers(struct lk_http_stream *stream, struct lk_headers *headers, bool end)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    if (ex->cs == NULL)
        return;
    lk_exchange_touch(ex);
    stream->info.response_code = lk_headers_status(headers);
    stream->response = headers;
    if (stream->info.response_code == 101) {
        ex->upgraded = true;
        lk_stats_inc(ex->hc->config->stats, LK_HTTP_CX_UPGRADES_TOTAL);
        lk_stats_inc(ex->hc->config->stats, LK_HTTP_CX_UPGRADES_ACTIVE);
    }
    lk_exchange_finish_response_head(ex, headers);
    sent_something(ex);
    struct lk_http_conn *hc = ex->hc;
    lk_codec_send_headers(ex->cs, headers, end);
    if (stream->info.response_code == 101)
        lk_conn_poke(hc->conn); /* payload that the client did not hold back */
    if (end)
        response_sent(ex);
    else
        lk_http_conn_check_output(hc);
}

static void send_data(struct lk_http_stream *stream, struct lk_span data, bool end)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    if (ex->cs == NULL)
        return;
    struct lk_http_conn *hc = ex->hc;
    lk_exchange_touch(ex);
    if (!ex->head_request)
        stream->info.bytes_sent += data.len;
    sent_something(ex);
    lk_codec_send_data(ex->cs, data, end);
    if (end)
        response_sent(ex);
    else
        lk_http_conn_check_output(hc);
}

static void send_trailers(struct lk_http_stream *stream, struct lk_headers *trailers)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    if (ex->cs == NULL)
        return;
    sent_something(ex);
    stream->info.response_trailers_bytes = trailers->bytes;
    lk_codec_send_trailers(ex->cs, trailers);
    response_sent(ex);
}

static void local_reply(struct lk_http_stream *stream, const struct lk_local_reply *reply)
{
    lk_exchange_local_reply(LK_EXCHANGE_OF(stream), reply);
}

static void reset(struct lk_http_stream *stream, enum lk_reset_reason reason)
{
    lk_exchange_reset(LK_EXCHANGE_OF(stream), reason);
}

static void pause_request(struct lk_http_stream *stream, bool pause)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    if (ex->cs == NULL)
        return;
    if (pause)
        lk_codec_pause(ex->cs);
    else
        lk_codec_resume(ex->cs);
}

/* --- routes ---------------------------------------------------------------------------------------------------------
 */

static void choose_cluster(struct lk_http_exchange *ex)
{
    struct lk_stream_info *info = &ex->stream.info;
    if (ex->route->kind != LK_ROUTE_CLUSTER)
        return;
    struct lk_cluster_choice choice = lk_route_choose_cluster(&ex->route->action, ex->stream.request, ex->random);
    info->route_cluster = choice.cluster;
    info->weighted = choice.weighted;
}

const struct lk_route *lk_exchange_route(struct lk_http_exchange *ex)
{
    struct lk_stream_info *info = &ex->stream.info;
    if (ex->route_known)
        return ex->route;
    struct lk_route_query query = {.headers = ex->stream.request, .random = ex->random};
    ex->route_known = true;
    if (ex->routes == NULL)
        ex->routes = lk_route_table_ref(ex->hc->config->routes);
    ex->route = lk_route_match(ex->routes, &query, ex->route_trace);
    info->route = ex->route;
    if (ex->route != NULL) {
        lk_loop_set_activity(ex->stream.loop, ex->route->label);
        info->vhost = ex->route->virtual_host;
        info->route_config = lk_route_table_config(ex->routes);
        info->route_name = ex->route->name;
        choose_cluster(ex);
        if (ex->route->action.has_idle_timeout) {
            ex->idle_ms = ex->route->action.idle_timeout_ms;
            lk_timer_clear(&ex->idle);
            lk_exchange_touch(ex);
        }
        if (ex->route->action.has_max_stream_duration) {
            lk_timer_clear(&ex->duration);
            if (ex->route->action.max_stream_duration_ms > 0)
                lk_timer_set(ex->stream.loop, &ex->duration, ex->route->action.max_stream_duration_ms);
        }
    }
    return ex->route;
}

static const struct lk_route *route(struct lk_http_stream *stream)
{
    return lk_exchange_route(LK_EXCHANGE_OF(stream));
}

static void clear_route(struct lk_http_stream *stream)
{
    struct lk_http_exchange *ex = LK_EXCHANGE_OF(stream);
    ex->route_known = false;
    ex->route = NULL;
    stream->info.route = NULL;
    stream->info.route_cluster = lk_str(NULL, 0);
    stream->info.weighted = NULL;
}

static const struct lk_per_filter_config *find_config(const struct lk_per_filter_config *configs, size_t count,
                                                      struct lk_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (lk_str_eq(configs[i].filter, name))
            return &configs[i];
    }
    return NULL;
}

/* The most specific entry of typed_per_filter_config, or NULL. */
static const struct lk_per_filter_config *per_filter(struct lk_http_stream *stream, struct lk_str name)
{
    const struct lk_route *matched = lk_exchange_route(LK_EXCHANGE_OF(stream));
    if (matched == NULL)
        return NULL;
    const struct lk_weighted_cluster *weighted = stream->info.weighted;
    const struct lk_virtual_host *vhost = matched->virtual_host;
    const struct lk_route_config *table = stream->info.route_config;
    const struct lk_per_filter_config *found = NULL;
    if (weighted != NULL)
        found = find_config(weighted->per_filter, weighted->per_filter_count, name);
    if (found == NULL)
        found = find_config(matched->per_filter, matched->per_filter_count, name);
    if (found == NULL)
        found = find_config(vhost->per_filter, vhost->per_filter_count, name);
    if (found == NULL)
        found = find_config(table->per_filter, table->per_filter_count, name);
    return found;
}

static const void *route_config(struct lk_http_stream *stream, struct lk_str name)
{
    const struct lk_per_filter_config *found = per_filter(stream, name);
    return found != NULL ? found->config : NULL;
}

static enum lk_filter_switch filter_switch(struct lk_http_stream *stream, struct lk_str name)
{
    const struct lk_per_filter_config *found = per_filter(stream, name);
    if (found == NULL)
        return LK_FILTER_AS_CONFIGURED;
    return found->disabled ? LK_FILTER_OFF : LK_FILTER_ON;
}

const struct lk_http_sink lk_http_manager_sink = {
    .send_informational = send_informational,
    .send_headers = send_headers,
    .send_data = send_data,
    .send_trailers = send_trailers,
    .local_reply = local_reply,
    .reset = reset,
    .pause_request = pause_request,
    .route = route,
    .clear_route = clear_route,
    .route_config = route_config,
    .filter_switch = filter_switch,
};
