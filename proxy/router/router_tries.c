/* Tries of one routed request: picking a host, timing a try, and what follows one that failed. */
#include "proxy/base/rand.h"
#include "proxy/filter/http_stream.h"
#include "proxy/filter/tracing.h"
#include "proxy/router/router_internal.h"
#include "proxy/router/router_reply.h"
#include "proxy/router/router_request.h"
#include "proxy/router/router_response.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/host_selector.h"
#include "proxy/upstream/outlier.h"

/* Tries without any policy, after connections that turned out dead. */
#define REPLAYS_MAX 4u

static struct lk_stats_scope *stats_of(const struct lk_router *router)
{
    return router->view->stats;
}

static const struct lk_breaker *breaker_of(const struct lk_router *router)
{
    return &router->breakers[router->priority];
}

/* --- one try -------------------------------------------------------------------------------------------------- */

void lk_router_touch_try(struct lk_router *router)
{
    const struct lk_retry_policy *policy = router->retry.policy;
    if (policy != NULL && policy->per_try_idle_timeout_ms > 0 && !router->done && !router->backing_off)
        lk_timer_push(router->loop, &router->try_idle, policy->per_try_idle_timeout_ms);
}

void lk_router_arm_per_try(struct lk_router *router)
{
    if (router->per_try_timeout_ms > 0 && router->request_done && !router->responding && !router->backing_off &&
        router->tries > 0)
        lk_timer_set(router->loop, &router->per_try, router->per_try_timeout_ms);
}

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

/* Asks for the cluster of the route, whoever served the try before. A selector may answer with a host of another one:
 * what is counted of this try is counted there. */
static struct lk_host_selection select_host(struct lk_router *router, const struct lk_pick *pick)
{
    struct lk_host_selector *selector = router->info->selector;
    struct lk_host_selection chosen = {.host = NULL};
    if (selector == NULL) {
        chosen.host = lk_cluster_pick(router->view, pick);
        return chosen;
    }
    bool last = router->retry.done > 0 && router->retry.remaining == 0;
    chosen = selector->select(selector, router->view, pick, last);
    if (chosen.host != NULL)
        lk_router_use_cluster(router, chosen.host->view);
    return chosen;
}

static struct lk_host_selection pick_host(struct lk_router *router, struct lk_pick_recorder *recorder)
{
    const struct lk_retry_policy *policy = router->retry.policy;
    if (router->view != router->routed)
        lk_router_use_cluster(router, router->routed);
    struct lk_pick pick = {
        .original_dst = lk_router_original_dst(router), .match = router->match, .recorder = recorder};
    if (router->retry.done > 0 && policy != NULL && (policy->previous_hosts || policy->omit_canary_hosts)) {
        router->avoid_canary = policy->omit_canary_hosts;
        pick.avoid = avoid_host;
        pick.arg = router;
        pick.max_attempts = policy->host_selection_max_attempts;
    }
    struct lk_host_selection chosen = select_host(router, &pick);
    if (chosen.host != NULL && policy != NULL && policy->previous_hosts &&
        router->tried.count < LK_ARRAY_LEN(router->tried.hosts))
        router->tried.hosts[router->tried.count++] = chosen.host->host;
    return chosen;
}

struct lk_worker_host *lk_router_choose_host(struct lk_router *router, struct lk_pick_recorder *recorder)
{
    struct lk_host_selection chosen = pick_host(router, recorder);
    if (chosen.host != NULL)
        return chosen.host;
    lk_router_settle(router);
    if (chosen.refused)
        lk_router_reply_refused(router, chosen.flag, chosen.details);
    else
        lk_router_reply_no_healthy_host(router);
    return NULL;
}

void lk_router_start_try(struct lk_router *router, bool fresh)
{
    struct lk_worker_host *wh = lk_router_choose_host(router, NULL);
    if (wh == NULL)
        return;
    router->breakers = wh->breakers;
    if (router->tries++ > 0)
        router->info->upstream.attempts++;
    lk_router_note_host(router, wh);
    lk_router_start_attempt(router, wh, fresh);
    if (!router->done) {
        lk_router_arm_per_try(router);
        lk_router_touch_try(router);
    }
}

/* --- tries that fail ------------------------------------------------------------------------------------------ */

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

void lk_router_release_retry(struct lk_router *router)
{
    if (router->retry_counted != NULL)
        lk_breaker_give(router->retry_counted, LK_RESOURCE_RETRIES);
    router->retry_counted = NULL;
}

static void back_off(struct lk_router *router)
{
    router->backing_off = true;
    router->body_sent = false;
    router->retry_counted = &router->breakers[router->priority];
    lk_breaker_take(router->retry_counted, LK_RESOURCE_RETRIES);
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
        lk_router_start_try(router, true);
        return true;
    }
    if (!lk_retry_enabled(&router->retry))
        return false;
    if (!router->whole) {
        lk_stats_inc(stats_of(router), LK_CLUSTER_RETRY_OR_SHADOW_ABANDONED);
        return false;
    }
    lk_router_release_retry(router);
    enum lk_retry_verdict verdict =
        lk_retry_on_reset(&router->retry, failure->reason, failure->progress, breaker_of(router));
    if (verdict == LK_RETRY_YES) {
        back_off(router);
        return true;
    }
    note_refusal(router, verdict);
    return false;
}

/* What outlier detection hears of it. A connection that turned out dead before the request reached anybody says nothing
 * about the host; our own limits and endings neither. */
static void report_failure(const struct lk_router *router, const struct lk_upstream_failure *failure)
{
    bool ours = failure->reason == LK_RESET_OVERFLOW || failure->reason == LK_RESET_LOCAL;
    if (!ours && router->info->upstream.host != NULL && !may_replay(router, failure))
        lk_outlier_failed(router->view->cluster, router->info->upstream.host->state, false);
}

void lk_router_on_failed(struct lk_upstream_request *attempt, const struct lk_upstream_failure *failure)
{
    struct lk_router *router = attempt->owner;
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_router_count_failure(router, failure);
    report_failure(router, failure);
    lk_trace_try_end(lk_http_slot_stream(router->slot));
    if (router->responding) {
        lk_router_settle(router);
        lk_router_flag_reset(router->info, failure->reason);
        router->info->details = lk_router_reset_details(router, failure->reason);
        lk_http_reset(router->slot, failure->reason);
        return;
    }
    if (try_again(router, failure))
        return;
    lk_router_settle(router);
    router->info->upstream.transport_failure = failure->text;
    lk_router_reply_reset(router, failure->reason, failure->text);
}

/* The present try took too long: the next one, or the answer. */
static void give_up_try(struct lk_router *router, bool idle)
{
    lk_timer_clear(&router->per_try);
    lk_timer_clear(&router->try_idle);
    lk_stats_inc(stats_of(router), idle ? LK_CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT : LK_CLUSTER_RQ_PER_TRY_TIMEOUT);
    if (router->attempt.wh != NULL) {
        lk_host_count(&router->attempt.wh->state->rq_timeout, 1);
        lk_outlier_failed(router->view->cluster, router->attempt.wh->state, true);
    }
    struct lk_upstream_failure failure = {.reason = LK_RESET_LOCAL, .progress = LK_PROGRESS_UNKNOWN};
    lk_upstream_request_cancel(&router->attempt);
    lk_trace_try_end(lk_http_slot_stream(router->slot));
    if (try_again(router, &failure))
        return;
    lk_router_settle(router);
    lk_router_reply_try_timeout(router, idle);
}

void lk_router_on_try_timer(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, per_try);
    if (!router->backing_off) {
        give_up_try(router, false);
        return;
    }
    router->backing_off = false;
    lk_router_start_try(router, false);
}

void lk_router_on_try_idle(struct lk_timer *timer)
{
    struct lk_router *router = LK_CONTAINER_OF(timer, struct lk_router, try_idle);
    if (!router->responding) {
        give_up_try(router, true);
        return;
    }
    lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT);
    lk_router_settle(router);
    lk_stream_info_flag(router->info, LK_FLAG_UPSTREAM_REQUEST_TIMEOUT);
    router->info->details = LK_STR("upstream_per_try_idle_timeout");
    lk_http_reset(router->slot, LK_RESET_LOCAL);
}

bool lk_router_retry_response(struct lk_router *router, struct lk_headers *headers)
{
    if (!lk_retry_enabled(&router->retry))
        return false;
    bool was_retry = router->retry_counted != NULL;
    lk_router_release_retry(router);
    enum lk_retry_verdict verdict = router->whole && router->request_done
                                        ? lk_retry_on_response(&router->retry, headers, breaker_of(router))
                                        : LK_RETRY_NO;
    if (verdict == LK_RETRY_YES) {
        lk_timer_clear(&router->per_try);
        lk_timer_clear(&router->try_idle);
        lk_router_count_host(router, lk_headers_status(headers));
        lk_upstream_request_cancel(&router->attempt);
        lk_trace_try_end(lk_http_slot_stream(router->slot));
        back_off(router);
        return true;
    }
    note_refusal(router, verdict);
    if (verdict == LK_RETRY_NO && was_retry)
        lk_stats_inc(stats_of(router), LK_CLUSTER_RQ_RETRY_SUCCESS);
    return false;
}
