/* The router's engine: from a routed request to a response in the chain. Runs on the stream's worker. See router.h. */
#include "proxy/router/router_internal.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/filter/http_stream.h"
#include "proxy/filter/tracing.h"
#include "proxy/router/mirror.h"
#include "proxy/router/router_reply.h"
#include "proxy/router/router_request.h"
#include "proxy/router/router_response.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/outlier.h"

/* Body bytes kept so that another try can be made (design: Attempts). */
#define RETAIN_MAX 65536u

static struct lk_stats_scope *stats_of(const struct lk_router *router)
{
    return router->view->stats;
}

/* --- the end -------------------------------------------------------------------------------------------------- */

void lk_router_settle(struct lk_router *router)
{
    router->done = true;
    lk_trace_try_end(lk_http_slot_stream(router->slot));
    lk_timer_clear(&router->timeout);
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_upstream_request_cancel(&router->attempt);
    lk_router_release_retry(router);
    if (router->mirrors != NULL)
        lk_mirrors_cancel(router);
    lk_buf_clear(&router->body);
}

/* --- timeouts ------------------------------------------------------------------------------------------------- */

static void on_timeout(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, timeout);
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_TIMEOUT);
    bool responding = router->responding;
    if (router->attempt.wh != NULL) {
        lk_host_count(&router->attempt.wh->state->rq_timeout, 1);
        if (!responding)
            lk_outlier_failed(router->view->cluster, router->attempt.wh->state, true);
    }
    lk_router_settle(router);
    if (!responding) {
        lk_router_reply_timeout(router);
    } else {
        lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_REQUEST_TIMEOUT);
        router->info->details = LK_STR("response_timeout");
        lk_http_reset(router->slot, LK_RESET_LOCAL);
    }
}

static void request_complete(struct lk_router *router)
{
    router->request_done = true;
    router->complete_us = lk_loop_now_us(router->loop);
    if (router->timeout_ms > 0 && !router->response_done && !router->upgraded)
        lk_timer_set(router->loop, &router->timeout, router->timeout_ms);
    lk_router_arm_per_try(router);
}

/* --- sending -------------------------------------------------------------------------------------------------- */

static void slow_down(struct lk_router *router, bool slow)
{
    if (router->request_paused == slow)
        return;
    router->request_paused = slow;
    if (slow)
        lk_http_pause_request(router->slot);
    else
        lk_http_resume_request(router->slot);
}

/* What was kept for another try goes, unless it has not been sent yet. */
static void stop_retaining(struct lk_router *router)
{
    router->whole = false;
    if (router->body_sent)
        lk_buf_clear(&router->body);
}

static void on_ready(struct lk_upstream_request *attempt)
{
    struct lk_router *router = attempt->owner;
    struct lk_stream_info *info = router->info;
    bool has_trailers = router->trailers != NULL;
    bool bodyless = router->bodyless;
    lk_router_note_upstream(router);
    info->upstream.first_tx_us = lk_loop_now_us(router->loop);
    lk_router_adapt_to_host(router);
    lk_trace_try_inject(lk_http_slot_stream(router->slot), router->request);
    lk_upstream_request_send_headers(attempt, router->request, bodyless);
    router->body_sent = true;
    if (!bodyless && router->body.len > 0) {
        lk_upstream_request_send_shared(attempt, &router->body, router->request_done && !has_trailers);
        if (!router->whole)
            lk_buf_clear(&router->body);
    } else if (!bodyless && router->request_done && !has_trailers) {
        lk_upstream_request_send_data(attempt, lk_span(NULL, "", 0), true);
    }
    if (has_trailers)
        lk_upstream_request_send_trailers(attempt, router->trailers);
    if (router->request_done)
        info->upstream.last_tx_us = lk_loop_now_us(router->loop);
    slow_down(router, lk_upstream_request_full(attempt));
}

static void on_writable(struct lk_upstream_request *attempt)
{
    slow_down(attempt->owner, false);
}

static void keep(struct lk_router *router, struct lk_span data)
{
    if (router->whole && router->body.len + data.len > lk_router_retain_limit(router, RETAIN_MAX) && router->body_sent)
        stop_retaining(router);
    if (router->whole || !router->body_sent)
        lk_buf_add_span(&router->body, data);
}

enum lk_filter_status lk_router_on_data(void *self, struct lk_span data, bool end)
{
    struct lk_router *router = self;
    if (router->done)
        return LK_FILTER_CONTINUE;
    if (router->mirrors != NULL)
        lk_mirrors_data(router, data, end);
    keep(router, data);
    if (end)
        request_complete(router);
    if (router->done)
        return LK_FILTER_CONTINUE;
    if (router->body_sent) {
        lk_upstream_request_send_data(&router->attempt, data, end);
        if (end)
            router->info->upstream.last_tx_us = lk_loop_now_us(router->loop);
        if (!router->done && lk_upstream_request_full(&router->attempt))
            slow_down(router, true);
    } else {
        router->whole = router->whole && router->body.len <= lk_router_retain_limit(router, RETAIN_MAX);
        slow_down(router, router->body.len >= router->view->config->buffer_limit);
    }
    return LK_FILTER_CONTINUE;
}

enum lk_filter_status lk_router_on_trailers(void *self, struct lk_headers *trailers)
{
    struct lk_router *router = self;
    if (router->done)
        return LK_FILTER_CONTINUE;
    if (router->mirrors != NULL)
        lk_mirrors_trailers(router, trailers);
    router->trailers = trailers;
    request_complete(router);
    if (router->body_sent)
        lk_upstream_request_send_trailers(&router->attempt, trailers);
    return LK_FILTER_CONTINUE;
}

/* --- responses ------------------------------------------------------------------------------------------------ */

static void on_informational(struct lk_upstream_request *attempt, struct lk_headers *headers)
{
    struct lk_router *router = attempt->owner;
    if (!router->done)
        lk_http_respond_informational(router->slot, headers);
}

/* The whole response is in the chain. A request still arriving has nowhere to go. */
static void response_complete(struct lk_router *router)
{
    router->response_done = true;
    router->info->upstream.last_rx_us = lk_loop_now_us(router->loop);
    lk_router_count_response(router);
    lk_router_settle(router);
}

static void on_headers(struct lk_upstream_request *attempt, struct lk_headers *headers, bool end)
{
    struct lk_router *router = attempt->owner;
    lk_loop_set_activity(router->loop, router->route->label);
    router->info->upstream.first_rx_us = lk_loop_now_us(router->loop);
    lk_trace_try_answered(lk_http_slot_stream(router->slot), lk_headers_status(headers));
    lk_router_touch_try(router);
    lk_router_report_answer(router, headers);
    if (lk_router_retry_response(router, headers))
        return;
    lk_timer_clear(&router->per_try);
    router->responding = true;
    stop_retaining(router);
    if (lk_headers_status(headers) == 101) {
        router->upgraded = true;
        lk_timer_clear(&router->timeout);
    } else if (lk_headers_status(headers) < 300 && lk_http_slot_stream(router->slot)->request_upgrade) {
        lk_router_settle(router);
        lk_router_reply_not_upgraded(router, headers);
        return;
    }
    lk_router_prepare_response(router, headers);
    lk_router_charge_code(router, lk_headers_status(headers));
    lk_router_count_host(router, lk_headers_status(headers));
    if (end)
        response_complete(router);
    lk_http_respond_headers(router->slot, headers, end);
}

static void on_data(struct lk_upstream_request *attempt, struct lk_span data, bool end)
{
    struct lk_router *router = attempt->owner;
    lk_loop_set_activity(router->loop, router->route->label);
    lk_router_touch_try(router);
    if (end)
        response_complete(router);
    lk_http_respond_data(router->slot, data, end);
}

static void on_trailers(struct lk_upstream_request *attempt, struct lk_headers *trailers)
{
    struct lk_router *router = attempt->owner;
    response_complete(router);
    lk_http_respond_trailers(router->slot, trailers);
}

void lk_router_on_response_blocked(void *self, bool blocked)
{
    struct lk_router *router = self;
    if (!router->done)
        lk_upstream_request_pause(&router->attempt, blocked);
}

static const struct lk_upstream_request_ops attempt_ops = {
    .on_ready = on_ready,
    .on_informational = on_informational,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_failed = lk_router_on_failed,
    .on_writable = on_writable,
};

void lk_router_start_attempt(struct lk_router *router, struct lk_worker_host *wh, bool fresh)
{
    lk_trace_try_begin(lk_http_slot_stream(router->slot), router->info->upstream.attempts);
    lk_upstream_request_start(&router->attempt, &attempt_ops, router, lk_http_arena(router->slot), wh, router->priority,
                              !router->idempotent, fresh);
}

/* --- starting ------------------------------------------------------------------------------------------------- */

struct lk_router *lk_router_new(struct lk_http_slot *slot, const struct lk_router_config *config)
{
    struct lk_router *router = lk_arena_zalloc(lk_http_arena(slot), sizeof(*router));
    router->slot = slot;
    router->config = config;
    router->loop = lk_http_loop(slot);
    router->info = lk_http_info(slot);
    router->whole = true;
    lk_buf_init(&router->body, lk_loop_pool(router->loop));
    lk_timer_init(&router->timeout, on_timeout);
    lk_timer_init(&router->per_try, lk_router_on_try_timer);
    lk_timer_init(&router->try_idle, lk_router_on_try_idle);
    return router;
}

bool lk_router_choose_cluster(struct lk_router *router)
{
    struct lk_http_stream *stream = lk_http_slot_stream(router->slot);
    router->route = stream->sink->route(stream);
    if (router->route == NULL || router->route->kind == LK_ROUTE_NON_FORWARDING) {
        lk_router_reply_no_route(router);
        return false;
    }
    if (router->route->kind == LK_ROUTE_REDIRECT) {
        lk_router_reply_redirect(router);
        return false;
    }
    if (router->route->kind == LK_ROUTE_DIRECT) {
        lk_router_reply_direct(router);
        return false;
    }
    struct lk_str cluster = router->info->route_cluster;
    router->weighted = router->info->weighted;
    router->priority = router->route->action.high_priority ? 1 : 0;
    router->view = cluster.len > 0 ? lk_cluster_view_get(router->config->clusters, router->loop, cluster) : NULL;
    router->routed = router->view;
    if (router->view == NULL) {
        lk_router_reply_no_cluster(router);
        return false;
    }
    router->match = lk_router_match(router);
    return true;
}

enum lk_filter_status lk_router_on_headers(void *self, struct lk_headers *headers, bool end)
{
    struct lk_router *router = self;
    struct lk_stats_scope *stats = lk_http_slot_stream(router->slot)->stats;
    router->request = headers;
    if (stats != NULL)
        lk_stats_inc(stats, LK_HTTP_RQ_ROUTED_TOTAL);
    if (!lk_router_choose_cluster(router))
        return LK_FILTER_CONTINUE;
    lk_router_prepare_request(router);
    router->bodyless = end;
    if (end)
        request_complete(router);
    struct lk_list *mirrors = router->route->action.mirrors.count > 0 ? lk_mirrors_new(router) : NULL;
    lk_router_start_try(router, false);
    if (mirrors != NULL)
        lk_mirrors_start(router, mirrors, end);
    return LK_FILTER_CONTINUE;
}

void lk_router_on_destroy(void *self)
{
    lk_router_settle(self);
}
