/* The router's engine: from a routed request to a response in the chain. Runs on the stream's worker. See router.h. */
#include "proxy/router/router.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/filter/http_stream.h"
#include "proxy/router/router_reply.h"
#include "proxy/router/router_request.h"
#include "proxy/router/router_response.h"
#include "proxy/stats/stat_names.h"

/* Body bytes kept so that another try can be made (design: Attempts). */
#define RETAIN_MAX 65536u
/* Tries without any policy, after connections that turned out dead. */
#define REPLAYS_MAX 4u

static void start_try(struct lk_router *router, bool fresh);
static void on_try_timer(struct lk_timer *timer);

static struct lk_stats_scope *stats_of(const struct lk_router *router)
{
    return router->view->stats;
}

static const struct lk_breaker *breaker_of(const struct lk_router *router)
{
    return &router->view->cluster->breakers[router->priority];
}

/* --- the end -------------------------------------------------------------------------------------------------- */

static void release_retry(struct lk_router *router)
{
    if (router->retry_counted) {
        router->retry_counted = false;
        lk_breaker_give(&router->view->cluster->breakers[router->priority], LK_RESOURCE_RETRIES);
    }
}

static void settle(struct lk_router *router)
{
    router->done = true;
    lk_timer_clear(&router->timeout);
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_upstream_request_cancel(&router->attempt);
    release_retry(router);
    lk_buf_clear(&router->body);
}

/* --- timeouts ------------------------------------------------------------------------------------------------- */

static void on_timeout(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, timeout);
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_TIMEOUT);
    if (router->attempt.wh != NULL)
        lk_host_count(&router->attempt.wh->state->rq_timeout, 1);
    bool responding = router->responding;
    settle(router);
    if (!responding) {
        lk_router_reply_timeout(router);
    } else {
        lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_REQUEST_TIMEOUT);
        router->info->details = LK_STR("response_timeout");
        lk_http_reset(router->slot, LK_RESET_LOCAL);
    }
}

static void touch_try(struct lk_router *router)
{
    const struct lk_retry_policy *policy = router->retry.policy;
    if (policy != NULL && policy->per_try_idle_timeout_ms > 0 && !router->done && !router->backing_off)
        lk_timer_push(router->loop, &router->try_idle, policy->per_try_idle_timeout_ms);
}

static void arm_per_try(struct lk_router *router)
{
    if (router->per_try_timeout_ms > 0 && router->request_done && !router->responding && !router->backing_off &&
        router->tries > 0)
        lk_timer_set(router->loop, &router->per_try, router->per_try_timeout_ms);
}

static void request_complete(struct lk_router *router)
{
    router->request_done = true;
    router->complete_us = lk_loop_now_us(router->loop);
    if (router->timeout_ms > 0 && !router->response_done && !router->upgraded)
        lk_timer_set(router->loop, &router->timeout, router->timeout_ms);
    arm_per_try(router);
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
    router->trailers = trailers;
    request_complete(router);
    if (router->body_sent)
        lk_upstream_request_send_trailers(&router->attempt, trailers);
    return LK_FILTER_CONTINUE;
}

/* --- tries that fail ------------------------------------------------------------------------------------------ */

static bool avoid_host(const void *arg, const struct lk_host *host)
{
    const struct lk_router *router = arg;
    if (router->avoid_canary && host->canary)
        return true;
    for (unsigned i = 0; i < router->tried.count; i++) {
        if (router->tried.hosts[i] == host)
            return true;
    }
    return false;
}

/* A request that provably was not processed, or may be processed twice, moves to another connection without any policy;
 * one that met a connection dying of age is the keep-alive race. */
static bool may_replay(const struct lk_router *router, const struct lk_upstream_failure *failure)
{
    if (!router->whole || router->replays >= REPLAYS_MAX || failure->before_pool)
        return false;
    if (failure->reason != LK_RESET_CONNECTION_TERMINATION && failure->reason != LK_RESET_REMOTE_REFUSED)
        return false;
    switch (failure->progress) {
    case LK_PROGRESS_NOT_SENT:
    case LK_PROGRESS_NOT_PROCESSED:
        return true;
    case LK_PROGRESS_UNKNOWN:
        return failure->reused && router->idempotent;
    case LK_PROGRESS_ANSWERED:
        break;
    }
    return false;
}

static void back_off(struct lk_router *router)
{
    router->backing_off = true;
    router->body_sent = false;
    lk_breaker_take(&router->view->cluster->breakers[router->priority], LK_RESOURCE_RETRIES);
    router->retry_counted = true;
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY);
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY_BACKOFF_EXP);
    lk_timer_set(router->loop, &router->per_try, lk_retry_backoff_ms(&router->retry, lk_rand_u64()));
}

static void note_refusal(struct lk_router *router, enum lk_retry_verdict verdict)
{
    if (verdict == LK_RETRY_LIMIT) {
        lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY_LIMIT);
        lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
    } else if (verdict == LK_RETRY_OVERFLOW) {
        lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY_OVERFLOW);
        lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_OVERFLOW);
    }
}

/* True: another try is on its way. */
static bool try_again(struct lk_router *router, const struct lk_upstream_failure *failure)
{
    if (may_replay(router, failure)) {
        router->replays++;
        lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_REPLAYED);
        router->body_sent = false;
        start_try(router, true);
        return true;
    }
    if (!lk_retry_enabled(&router->retry))
        return false;
    if (!router->whole) {
        lk_stats_inc(stats_of(router), LK_CLUSTER_RETRY_OR_SHADOW_ABANDONED);
        return false;
    }
    release_retry(router);
    enum lk_retry_verdict verdict =
        lk_retry_on_reset(&router->retry, failure->reason, failure->progress, breaker_of(router));
    if (verdict == LK_RETRY_YES) {
        back_off(router);
        return true;
    }
    note_refusal(router, verdict);
    return false;
}

static void on_failed(struct lk_upstream_request *attempt, const struct lk_upstream_failure *failure)
{
    struct lk_router *router = attempt->owner;
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_router_count_failure(router, failure);
    if (router->responding) {
        settle(router);
        lk_router_flag_reset(router->info, failure->reason);
        router->info->details = lk_router_reset_details(router, failure->reason);
        lk_http_reset(router->slot, failure->reason);
        return;
    }
    if (try_again(router, failure))
        return;
    settle(router);
    router->info->upstream.transport_failure = failure->text;
    lk_router_reply_reset(router, failure->reason, failure->text);
}

/* The present try took too long: the next one, or the answer. */
static void give_up_try(struct lk_router *router, bool idle)
{
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_stats_inc(stats_of(router), idle ? LK_CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT : LK_CLUSTER_RQ_PER_TRY_TIMEOUT);
    if (router->attempt.wh != NULL)
        lk_host_count(&router->attempt.wh->state->rq_timeout, 1);
    struct lk_upstream_failure failure = {.reason = LK_RESET_LOCAL, .progress = LK_PROGRESS_UNKNOWN};
    lk_upstream_request_cancel(&router->attempt);
    if (try_again(router, &failure))
        return;
    settle(router);
    lk_router_reply_try_timeout(router, idle);
}

static void on_try_timer(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, per_try);
    if (!router->backing_off) {
        give_up_try(router, false);
        return;
    }
    router->backing_off = false;
    start_try(router, false);
}

static void on_try_idle(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, try_idle);
    if (!router->responding) {
        give_up_try(router, true);
        return;
    }
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT);
    settle(router);
    lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_REQUEST_TIMEOUT);
    router->info->details = LK_STR("upstream_per_try_idle_timeout");
    lk_http_reset(router->slot, LK_RESET_LOCAL);
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
    settle(router);
}

static bool retry_response(struct lk_router *router, struct lk_headers *headers)
{
    if (!lk_retry_enabled(&router->retry))
        return false;
    bool was_retry = router->retry_counted;
    release_retry(router);
    enum lk_retry_verdict verdict = router->whole && router->request_done
                                        ? lk_retry_on_response(&router->retry, headers, breaker_of(router))
                                        : LK_RETRY_NO;
    if (verdict == LK_RETRY_YES) {
        lk_timer_clear(&router->per_try);
        lk_timer_clear(&router->try_idle);
        lk_router_count_host(router, lk_headers_status(headers));
        lk_upstream_request_cancel(&router->attempt);
        back_off(router);
        return true;
    }
    note_refusal(router, verdict);
    if (verdict == LK_RETRY_NO && was_retry)
        lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY_SUCCESS);
    return false;
}

static void on_headers(struct lk_upstream_request *attempt, struct lk_headers *headers, bool end)
{
    struct lk_router *router = attempt->owner;
    router->info->upstream.first_rx_us = lk_loop_now_us(router->loop);
    touch_try(router);
    if (retry_response(router, headers))
        return;
    lk_timer_clear(&router->per_try);
    router->responding = true;
    stop_retaining(router);
    if (lk_headers_status(headers) == 101) {
        router->upgraded = true;
        lk_timer_clear(&router->timeout);
    } else if (lk_headers_status(headers) < 300 && lk_http_slot_stream(router->slot)->request_upgrade) {
        settle(router);
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
    touch_try(router);
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
    .on_failed = on_failed,
    .on_writable = on_writable,
};

/* --- starting ------------------------------------------------------------------------------------------------- */

static struct lk_worker_host *pick_host(struct lk_router *router)
{
    const struct lk_retry_policy *policy = router->retry.policy;
    struct lk_pick pick = {.original_dst = lk_router_original_dst(router)};
    if (router->retry.done > 0 && policy != NULL && (policy->previous_hosts || policy->omit_canary_hosts)) {
        router->avoid_canary = policy->omit_canary_hosts;
        pick.avoid = avoid_host;
        pick.arg = router;
        pick.max_attempts = policy->host_selection_max_attempts;
    }
    struct lk_worker_host *wh = lk_cluster_pick(router->view, &pick);
    if (wh != NULL && policy != NULL && policy->previous_hosts &&
        router->tried.count < LK_ARRAY_LEN(router->tried.hosts))
        router->tried.hosts[router->tried.count++] = wh->host;
    return wh;
}

static void start_try(struct lk_router *router, bool fresh)
{
    struct lk_worker_host *wh = pick_host(router);
    if (wh == NULL) {
        settle(router);
        lk_router_reply_no_healthy_host(router);
        return;
    }
    if (router->tries++ > 0)
        router->info->upstream.attempts++;
    lk_router_note_host(router, wh);
    lk_upstream_request_start(&router->attempt, &attempt_ops, router, lk_http_arena(router->slot), wh, router->priority,
                              !router->idempotent, fresh);
    if (!router->done) {
        arm_per_try(router);
        touch_try(router);
    }
}

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
    lk_timer_init(&router->per_try, on_try_timer);
    lk_timer_init(&router->try_idle, on_try_idle);
    return router;
}

/* True: the route is one that forwards, and view is set. Otherwise the answer was given. */
static bool choose_cluster(struct lk_router *router)
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
    struct lk_cluster_choice choice = lk_route_choose_cluster(&router->route->action, router->request, lk_rand_u64());
    router->weighted = choice.weighted;
    router->priority = router->route->action.high_priority ? 1 : 0;
    router->view =
        choice.cluster.len > 0 ? lk_cluster_view_get(router->config->clusters, router->loop, choice.cluster) : NULL;
    if (router->view == NULL) {
        lk_router_reply_no_cluster(router);
        return false;
    }
    return true;
}

enum lk_filter_status lk_router_on_headers(void *self, struct lk_headers *headers, bool end)
{
    struct lk_router *router = self;
    struct lk_stats_scope *stats = lk_http_slot_stream(router->slot)->stats;
    router->request = headers;
    if (stats != NULL)
        lk_stats_inc(stats, LK_HTTP_RQ_ROUTED_TOTAL);
    if (!choose_cluster(router))
        return LK_FILTER_CONTINUE;
    lk_router_prepare_request(router);
    router->bodyless = end;
    if (end)
        request_complete(router);
    start_try(router, false);
    return LK_FILTER_CONTINUE;
}

void lk_router_on_destroy(void *self)
{
    settle(self);
}
