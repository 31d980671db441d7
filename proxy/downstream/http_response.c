/* What every response head gets before it leaves: hop-by-hop headers out, date, server, via and connection in. Order
 * follows Envoy's. Runs on the session's worker. */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"

#include <stdio.h>
#include <time.h>

/* IMF-fixdate (RFC 9110 5.6.7), formatted once a second. */
struct lk_str lk_http_date(struct lk_http_manager_worker *worker)
{
    int64_t second = lk_clock_wall_us() / 1000000;
    if (second != worker->date_second) {
        time_t when = (time_t)second;
        struct tm tm;
        gmtime_r(&when, &tm);
        worker->date_second = second;
        worker->date_len = (unsigned)strftime(worker->date, sizeof(worker->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return lk_str(worker->date, worker->date_len);
}

static void remove_if_there(struct lk_headers *headers, enum lk_header_id id)
{
    if (lk_headers_maybe(headers, id))
        lk_headers_remove(headers, id);
}

static void remove_hop_by_hop(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (!ex->upgraded) {
        remove_if_there(headers, LK_HEADER_CONNECTION);
        remove_if_there(headers, LK_HEADER_UPGRADE);
    }
    remove_if_there(headers, LK_HEADER_TRANSFER_ENCODING);
    remove_if_there(headers, LK_HEADER_KEEP_ALIVE);
    remove_if_there(headers, LK_HEADER_PROXY_CONNECTION);
}

static void add_via(const struct lk_http_manager_config *config, struct lk_headers *headers)
{
    if (config->via.len == 0)
        return;
    struct lk_header *via = lk_headers_find(headers, LK_HEADER_VIA);
    if (via == NULL)
        lk_headers_add(headers, LK_HEADER_VIA, config->via);
    else
        via->value = lk_arena_printf(headers->arena, "%.*s, %.*s", LK_STR_ARG(via->value), LK_STR_ARG(config->via));
}

static void set_server(const struct lk_http_manager_config *config, struct lk_headers *headers)
{
    bool present = lk_headers_maybe(headers, LK_HEADER_SERVER) && lk_headers_find(headers, LK_HEADER_SERVER) != NULL;
    if (config->server_header == LK_SERVER_OVERWRITE)
        lk_headers_set(headers, LK_HEADER_SERVER, config->server_name);
    else if (config->server_header == LK_SERVER_APPEND_IF_ABSENT && !present)
        lk_headers_add(headers, LK_HEADER_SERVER, config->server_name);
}

static void echo_request_id(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (!ex->hc->config->always_set_request_id_in_response &&
        !lk_headers_maybe(ex->stream.request, LK_HEADER_X_ENVOY_FORCE_TRACE))
        return;
    struct lk_str id = lk_headers_get(ex->stream.request, LK_HEADER_X_REQUEST_ID);
    if (id.ptr != NULL)
        lk_headers_set(headers, LK_HEADER_X_REQUEST_ID, id);
}

/* Whether this response is the connection's last. */
static bool is_last(struct lk_http_exchange *ex)
{
    struct lk_http_conn *hc = ex->hc;
    if (!hc->draining && lk_session_draining(hc->session)) {
        hc->draining = true;
        lk_stats_inc(hc->config->stats, LK_HTTP_CX_DRAIN_CLOSE);
    }
    if (hc->config->max_requests_per_connection > 0 && hc->requests >= hc->config->max_requests_per_connection &&
        !hc->draining) {
        hc->draining = true;
        lk_stats_inc(hc->config->stats, LK_HTTP_CX_MAX_REQUESTS);
    }
    return (hc->draining || ex->close_after) && !ex->upgraded;
}

void lk_exchange_finish_response_head(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    remove_hop_by_hop(ex, headers);
    if (!lk_headers_maybe(headers, LK_HEADER_DATE) || lk_headers_find(headers, LK_HEADER_DATE) == NULL)
        lk_headers_add(headers, LK_HEADER_DATE, lk_arena_str(headers->arena, lk_http_date(ex->hc->worker)));
    set_server(config, headers);
    add_via(config, headers);
    echo_request_id(ex, headers);
    if (config->tracing != NULL)
        lk_exchange_trace_response(ex, headers);
    if (is_last(ex))
        ex->cs->close_after = true;
    ex->stream.info.response_headers_bytes = headers->bytes;
}
