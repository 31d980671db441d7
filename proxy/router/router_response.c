/* Counts a cluster's answers and finishes their heads. Runs on the stream's worker. */
#include "proxy/router/router_response.h"

#include "proxy/base/mem.h"
#include "proxy/router/header_mutation.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/health_checker.h"
#include "proxy/upstream/outlier.h"

static uint64_t since_request_ms(const struct lk_router *router)
{
    uint64_t now = lk_loop_now_us(router->loop);
    return router->request_done && now > router->complete_us ? (now - router->complete_us) / 1000 : 0;
}

static struct lk_str decimal(struct lk_arena *arena, uint64_t value)
{
    char text[20];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return lk_arena_str(arena, lk_str(text + at, sizeof(text) - at));
}

void lk_router_prepare_response(struct lk_router *router, struct lk_headers *headers)
{
    if (!router->config->suppress_envoy_headers) {
        if (router->request_done)
            lk_headers_set(headers, LK_HEADER_X_ENVOY_UPSTREAM_SERVICE_TIME,
                           decimal(headers->arena, since_request_ms(router)));
        if (router->route->virtual_host->include_attempt_count_in_response)
            lk_headers_set(headers, LK_HEADER_X_ENVOY_ATTEMPT_COUNT,
                           decimal(headers->arena, router->info->upstream.attempts));
    }
    struct lk_log_event event = {.info = router->info,
                                 .request = router->request,
                                 .response = headers,
                                 .arena = headers->arena,
                                 .loop = router->loop};
    router->info->response_code = lk_headers_status(headers);
    router->info->details = LK_STR("via_upstream");
    lk_route_mutate_headers(router->route, router->weighted, LK_MUTATE_RESPONSE, headers, &event);
}

/* The block lists completed, 1xx to 5xx in a row, three times. */
static void charge_group(struct lk_stats_scope *stats, unsigned completed, unsigned first_class, unsigned codes,
                         unsigned status)
{
    lk_stats_inc(stats, completed);
    if (status >= 100 && status < 600)
        lk_stats_inc(stats, first_class + status / 100 - 1);
    lk_stats_code(stats, codes, status);
}

void lk_cluster_charge_code(struct lk_stats_scope *stats, bool internal, unsigned status)
{
    charge_group(stats, LK_CLUSTER_RQ_COMPLETED, LK_CLUSTER_RQ_1XX, LK_CLUSTER_RQ_CODES, status);
    if (internal)
        charge_group(stats, LK_CLUSTER_INTERNAL_COMPLETED, LK_CLUSTER_INTERNAL_1XX, LK_CLUSTER_INTERNAL_CODES, status);
    else
        charge_group(stats, LK_CLUSTER_EXTERNAL_COMPLETED, LK_CLUSTER_EXTERNAL_1XX, LK_CLUSTER_EXTERNAL_CODES, status);
}

void lk_router_charge_code(struct lk_router *router, unsigned status)
{
    lk_cluster_charge_code(router->view->stats, router->info->internal_request, status);
}

void lk_router_count_host(struct lk_router *router, unsigned status)
{
    struct lk_worker_host *wh = router->attempt.wh;
    if (wh != NULL)
        lk_host_count(status >= 500 ? &wh->state->rq_error : &wh->state->rq_success, 1);
}

void lk_router_report_answer(struct lk_router *router, const struct lk_headers *headers)
{
    struct lk_worker_host *wh = router->attempt.wh;
    struct lk_cluster *cluster = router->view->cluster;
    if (wh == NULL)
        return;
    lk_outlier_answered(cluster, wh->state, lk_headers_status(headers));
    if (lk_headers_maybe(headers, LK_HEADER_X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL) &&
        cluster->config->health_check != NULL &&
        lk_headers_find(headers, LK_HEADER_X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL) != NULL)
        lk_health_fail_now(cluster, wh->state);
}

void lk_router_count_response(struct lk_router *router)
{
    lk_stats_record(router->view->stats, LK_CLUSTER_RQ_TIME, since_request_ms(router));
}

void lk_router_count_failure(struct lk_router *router, const struct lk_upstream_failure *failure)
{
    struct lk_stats_scope *stats = router->view->stats;
    if (failure->reason == LK_RESET_OVERFLOW)
        return;
    if (failure->before_pool)
        lk_stats_inc(stats, LK_CLUSTER_RQ_PENDING_FAILURE_EJECT);
    else
        lk_stats_inc(stats, LK_CLUSTER_RQ_RX_RESET);
    if (router->info->upstream.host != NULL)
        lk_host_count(&router->info->upstream.host->state->rq_error, 1);
}

struct lk_str lk_router_reset_details(struct lk_router *router, enum lk_reset_reason reason)
{
    struct lk_arena *arena = lk_http_arena(router->slot);
    struct lk_str name = lk_arena_str(arena, lk_str_from(lk_reset_reason_text(reason)));
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ' ')
            ((char *)name.ptr)[i] = '_';
    }
    return lk_arena_printf(arena, "upstream_reset_after_response_started{%.*s}", LK_STR_ARG(name));
}
