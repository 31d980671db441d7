/* The router's own answers. Runs on the stream's worker. */
#include "proxy/router/router_reply.h"

#include "proxy/filter/format_eval.h"
#include "proxy/filter/http_stream.h"
#include "proxy/http/status.h"
#include "proxy/router/header_mutation.h"
#include "proxy/router/router_response.h"
#include "proxy/stats/stat_names.h"

static struct lk_log_event event_of(struct lk_router *router, struct lk_headers *response)
{
    return (struct lk_log_event){.info = router->info,
                                 .request = router->request,
                                 .response = response,
                                 .arena = lk_http_arena(router->slot),
                                 .loop = router->loop};
}

/* Local answers for a cluster count there like answers of its hosts. */
static void charge(struct lk_router *router, unsigned status)
{
    if (router->view == NULL)
        return;
    lk_router_charge_code(router, status);
}

/* In the stats of the HTTP manager. */
static void count(struct lk_router *router, unsigned stat)
{
    struct lk_stats_scope *stats = lk_http_slot_stream(router->slot)->stats;
    if (stats != NULL)
        lk_stats_inc(stats, stat);
}

static void modify_error(void *arg, struct lk_headers *headers)
{
    struct lk_router *router = arg;
    struct lk_arena *arena = headers->arena;
    if (router->config->suppress_envoy_headers)
        return;
    if (router->route != NULL && router->route->virtual_host->include_attempt_count_in_response)
        lk_headers_set(headers, LK_HEADER_X_ENVOY_ATTEMPT_COUNT,
                       lk_arena_printf(arena, "%u", router->info->upstream.attempts));
}

static void modify_overflow(void *arg, struct lk_headers *headers)
{
    const struct lk_router *router = arg;
    if (!router->config->suppress_envoy_headers)
        lk_headers_add(headers, LK_HEADER_X_ENVOY_OVERLOADED, LK_STR("true"));
    modify_error(arg, headers);
}

static void answer(struct lk_router *router, unsigned status, struct lk_str body, struct lk_str details,
                   void (*modify)(void *arg, struct lk_headers *headers))
{
    struct lk_local_reply reply = {
        .status = status, .body = body, .details = details, .grpc_status = -1, .modify = modify, .arg = router};
    router->done = true;
    lk_http_local_reply(router->slot, &reply);
}

void lk_router_reply_no_route(struct lk_router *router)
{
    count(router, LK_HTTP_NO_ROUTE);
    lk_stream_info_flag(router->info, LK_FLAG_NO_ROUTE_FOUND);
    answer(router, 404, lk_str(NULL, 0), LK_STR("route_not_found"), NULL);
}

/* Logs show where a rewriting redirect leads, and keep where it came from. */
static void note_rewritten_path(struct lk_router *router)
{
    struct lk_headers *request = router->request;
    struct lk_str old = lk_headers_get(request, LK_HEADER_PATH);
    struct lk_str path = lk_route_rewrite_path(router->route, request->arena, old);
    if (path.ptr == NULL)
        return;
    lk_headers_set(request, LK_HEADER_X_ENVOY_ORIGINAL_PATH, old);
    lk_headers_set(request, LK_HEADER_PATH, path);
}

static void modify_redirect(void *arg, struct lk_headers *headers)
{
    struct lk_router *router = arg;
    struct lk_str location = lk_route_redirect_location(router->route, router->request, headers->arena);
    lk_headers_set(headers, LK_HEADER_LOCATION, location);
    note_rewritten_path(router);
    struct lk_log_event event = event_of(router, headers);
    lk_route_mutate_headers(router->route, NULL, LK_MUTATE_RESPONSE, headers, &event);
}

void lk_router_reply_redirect(struct lk_router *router)
{
    count(router, LK_HTTP_RQ_DIRECT_RESPONSE); /* rq_redirect is for redirects that the proxy follows itself */
    answer(router, router->route->redirect.code, lk_str(NULL, 0), LK_STR("direct_response"), modify_redirect);
}

static void modify_direct(void *arg, struct lk_headers *headers)
{
    struct lk_router *router = arg;
    const struct lk_log_format *format = router->route->direct.body_format;
    unsigned status = router->route->direct.status;
    if (status == 201 || status / 100 == 3) /* RFC 9110 10.2.2 */
        lk_headers_set(headers, LK_HEADER_LOCATION,
                       lk_route_redirect_location(router->route, router->request, headers->arena));
    if (format != NULL && format->content_type.len > 0)
        lk_headers_set(headers, LK_HEADER_CONTENT_TYPE, format->content_type);
    struct lk_log_event event = event_of(router, headers);
    lk_route_mutate_headers(router->route, NULL, LK_MUTATE_RESPONSE, headers, &event);
}

void lk_router_reply_direct(struct lk_router *router)
{
    const struct lk_direct_response *direct = &router->route->direct;
    struct lk_str body = direct->body;
    if (direct->body_format != NULL) {
        struct lk_log_event event = event_of(router, NULL);
        router->info->response_code = direct->status;
        router->info->local_reply_body = body;
        body = direct->body_format->json != NULL
                   ? lk_json_format_eval(direct->body_format->json, &event, direct->body_format->omit_empty_values)
                   : lk_format_eval(direct->body_format->text, &event, direct->body_format->omit_empty_values);
    }
    count(router, LK_HTTP_RQ_DIRECT_RESPONSE);
    answer(router, direct->status, body, LK_STR("direct_response"), modify_direct);
}

void lk_router_reply_no_cluster(struct lk_router *router)
{
    count(router, LK_HTTP_NO_CLUSTER);
    lk_stream_info_flag(router->info, LK_FLAG_NO_CLUSTER_FOUND);
    answer(router, router->route->action.cluster_not_found_code, lk_str(NULL, 0), LK_STR("cluster_not_found"), NULL);
}

void lk_router_reply_no_healthy_host(struct lk_router *router)
{
    lk_stream_info_flag(router->info, LK_FLAG_NO_HEALTHY_UPSTREAM);
    lk_stats_inc(router->view->stats, LK_CLUSTER_CX_NONE_HEALTHY);
    charge(router, 503);
    answer(router, 503, LK_STR("no healthy upstream"), LK_STR("no_healthy_upstream"), modify_error);
}

void lk_router_reply_refused(struct lk_router *router, enum lk_response_flag flag, const char *details)
{
    bool overflow = flag == LK_FLAG_UPSTREAM_OVERFLOW;
    lk_stream_info_flag(router->info, flag);
    if (overflow)
        lk_stats_inc(router->view->stats, LK_CLUSTER_RQ_PENDING_OVERFLOW);
    charge(router, 503);
    answer(router, 503, lk_str_from(details), lk_str_from(details), overflow ? modify_overflow : modify_error);
}

/* The upstream's own headers stay, without those of the body that is dropped. */
static void modify_not_upgraded(void *arg, struct lk_headers *headers)
{
    const struct lk_router *router = arg;
    LK_HEADERS_FOREACH(h, router->refused_upgrade)
    {
        bool of_body = h->id == LK_HEADER_CONTENT_LENGTH || h->id == LK_HEADER_CONTENT_TYPE ||
                       h->id == LK_HEADER_TRANSFER_ENCODING || h->id == LK_HEADER_STATUS;
        if (!of_body)
            lk_headers_add_raw(headers, (enum lk_header_id)h->id, h->name, h->value);
    }
}

void lk_router_reply_not_upgraded(struct lk_router *router, const struct lk_headers *response)
{
    router->refused_upgrade = response;
    answer(router, lk_headers_status(response), lk_str(NULL, 0), LK_STR("websocket_handshake_unsuccessful"),
           modify_not_upgraded);
}

static void reply_timeout(struct lk_router *router, struct lk_str details)
{
    lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_REQUEST_TIMEOUT);
    charge(router, 504);
    answer(router, 504, LK_STR("upstream request timeout"), details, modify_error);
}

void lk_router_reply_timeout(struct lk_router *router)
{
    reply_timeout(router, LK_STR("response_timeout"));
}

void lk_router_reply_try_timeout(struct lk_router *router, bool idle)
{
    reply_timeout(router, idle ? LK_STR("upstream_per_try_idle_timeout") : LK_STR("upstream_per_try_timeout"));
}

void lk_router_flag_reset(struct lk_stream_info *info, enum lk_reset_reason reason)
{
    switch (reason) {
    case LK_RESET_LOCAL:
    case LK_RESET_LOCAL_REFUSED:
        lk_stream_info_flag(info, LK_FLAG_LOCAL_RESET);
        break;
    case LK_RESET_REMOTE:
    case LK_RESET_REMOTE_REFUSED:
        lk_stream_info_flag(info, LK_FLAG_UPSTREAM_REMOTE_RESET);
        break;
    case LK_RESET_CONNECTION_FAILURE:
    case LK_RESET_CONNECTION_TIMEOUT:
        lk_stream_info_flag(info, LK_FLAG_UPSTREAM_CONNECTION_FAILURE);
        break;
    case LK_RESET_CONNECTION_TERMINATION:
        lk_stream_info_flag(info, LK_FLAG_UPSTREAM_CONNECTION_TERMINATION);
        break;
    case LK_RESET_OVERFLOW:
        lk_stream_info_flag(info, LK_FLAG_UPSTREAM_OVERFLOW);
        break;
    case LK_RESET_PROTOCOL_ERROR:
        lk_stream_info_flag(info, LK_FLAG_UPSTREAM_PROTOCOL_ERROR);
        break;
    }
}

/* "connection termination" -> "connection_termination" */
static struct lk_str underscored(struct lk_arena *arena, const char *text)
{
    struct lk_str copy = lk_arena_str(arena, lk_str_from(text));
    for (size_t i = 0; i < copy.len; i++) {
        if (copy.ptr[i] == ' ')
            ((char *)copy.ptr)[i] = '_';
    }
    return copy;
}

void lk_router_reply_reset(struct lk_router *router, enum lk_reset_reason reason, struct lk_str transport_text)
{
    struct lk_arena *arena = lk_http_arena(router->slot);
    unsigned status = reason == LK_RESET_PROTOCOL_ERROR ? 502 : 503;
    const char *text = lk_reset_reason_text(reason);
    struct lk_str name = underscored(arena, text);
    const char *again = router->retry.done > 0 ? "retried and the latest " : "";
    struct lk_str body, details;
    body = lk_arena_printf(arena, "upstream connect error or disconnect/reset before headers. %sreset reason: %s",
                           again, text);
    if (transport_text.len > 0) {
        struct lk_str detail_text = underscored(arena, lk_arena_cstr(arena, transport_text));
        details = lk_arena_printf(arena, "upstream_reset_before_response_started{%.*s|%.*s}", LK_STR_ARG(name),
                                  LK_STR_ARG(detail_text));
    } else {
        details = lk_arena_printf(arena, "upstream_reset_before_response_started{%.*s}", LK_STR_ARG(name));
    }
    lk_router_flag_reset(router->info, reason);
    charge(router, status);
    answer(router, status, body, details, reason == LK_RESET_OVERFLOW ? modify_overflow : modify_error);
}
