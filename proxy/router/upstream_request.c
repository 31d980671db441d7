/* One try of a request on one host. Runs on the stream's worker. */
#include "proxy/router/upstream_request.h"

#include "proxy/base/mem.h"

#include <string.h>

static struct lk_stats_scope *stats_of(const struct lk_upstream_request *request)
{
    return request->wh->view->stats;
}

static void count_begin(struct lk_upstream_request *request)
{
    struct lk_worker_host *wh = request->wh;
    request->counted = true;
    wh->rq_active++;
    lk_breaker_take(&wh->breakers[request->priority], LK_RESOURCE_REQUESTS);
    lk_host_count(&wh->state->rq_total, 1);
    lk_host_count(&wh->state->rq_active, 1);
    lk_stats_inc(stats_of(request), LK_CLUSTER_RQ_TOTAL);
    lk_stats_inc(stats_of(request), LK_CLUSTER_RQ_ACTIVE);
}

/* The try holds nothing after this. */
static void finish(struct lk_upstream_request *request)
{
    struct lk_worker_host *wh = request->wh;
    if (request->counted) {
        request->counted = false;
        wh->rq_active--;
        lk_breaker_give(&wh->breakers[request->priority], LK_RESOURCE_REQUESTS);
        lk_host_count(&wh->state->rq_active, (uint64_t)-1);
        lk_stats_dec(stats_of(request), LK_CLUSTER_RQ_ACTIVE);
    }
    request->state = LK_TRY_DONE;
    request->stream = NULL;
    request->uc = NULL;
    if (wh != NULL) {
        request->wh = NULL;
        lk_worker_host_unref(wh);
    }
}

static void fail(struct lk_upstream_request *request, const struct lk_upstream_failure *failure)
{
    finish(request);
    request->ops->on_failed(request, failure);
}

/* --- codec events --------------------------------------------------------------------------------------------- */

/* Both sides are done: the codec gives the connection back by itself. */
static void ended(struct lk_upstream_request *request)
{
    request->stream = NULL;
}

static void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end)
{
    struct lk_upstream_request *request = stream->arg;
    request->answered = true;
    if (end && stream->local_done)
        ended(request);
    request->ops->on_headers(request, headers, end);
}

static void on_informational(struct lk_codec_stream *stream, struct lk_headers *headers)
{
    struct lk_upstream_request *request = stream->arg;
    request->ops->on_informational(request, headers);
}

static void on_data(struct lk_codec_stream *stream, struct lk_span data, bool end)
{
    struct lk_upstream_request *request = stream->arg;
    if (end && stream->local_done)
        ended(request);
    request->ops->on_data(request, data, end);
}

static void on_trailers(struct lk_codec_stream *stream, struct lk_headers *trailers)
{
    struct lk_upstream_request *request = stream->arg;
    if (stream->local_done)
        ended(request);
    request->ops->on_trailers(request, trailers);
}

static void on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    struct lk_upstream_request *request = stream->arg;
    struct lk_upstream_failure failure = {
        .reason = reason,
        .progress = lk_upstream_conn_progress(request->uc),
        .reused = request->uc->requests > 1,
    };
    fail(request, &failure);
}

static void on_writable(struct lk_codec_stream *stream)
{
    struct lk_upstream_request *request = stream->arg;
    request->ops->on_writable(request);
}

static const struct lk_stream_events stream_events = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_writable = on_writable,
};

/* --- pool events -------------------------------------------------------------------------------------------------- */

static void pool_ready(struct lk_pool_waiter *waiter, struct lk_upstream_conn *uc)
{
    struct lk_upstream_request *request = LK_CONTAINER_OF(waiter, struct lk_upstream_request, waiter);
    request->state = LK_TRY_ACTIVE;
    request->uc = uc;
    request->stream = lk_upstream_conn_begin(uc);
    request->stream->events = &stream_events;
    request->stream->arg = request;
    request->stream->arena = request->arena;
    count_begin(request);
    request->ops->on_ready(request);
}

static void pool_failed(struct lk_pool_waiter *waiter, enum lk_reset_reason reason, struct lk_str text)
{
    struct lk_upstream_request *request = LK_CONTAINER_OF(waiter, struct lk_upstream_request, waiter);
    struct lk_upstream_failure failure = {
        .reason = reason,
        .progress = LK_PROGRESS_NOT_SENT,
        .text = lk_arena_str(request->arena, text),
        .before_pool = true,
    };
    fail(request, &failure);
}

static const struct lk_pool_waiter_ops waiter_ops = {.on_ready = pool_ready, .on_failure = pool_failed};

/* --- verbs -------------------------------------------------------------------------------------------------------- */

void lk_upstream_request_start(struct lk_upstream_request *request, const struct lk_upstream_request_ops *ops,
                               void *owner, struct lk_arena *arena, struct lk_worker_host *wh, uint8_t priority,
                               bool careful, bool fresh)
{
    struct lk_upstream_conn *uc;
    memset(request, 0, sizeof(*request));
    request->ops = ops;
    request->owner = owner;
    request->arena = arena;
    request->wh = wh;
    request->priority = priority;
    request->started_us = lk_loop_now_us(wh->view->loop);
    request->state = LK_TRY_WAITING;
    lk_pool_waiter_init(&request->waiter, &waiter_ops);
    switch (lk_pool_acquire(wh, priority, careful, fresh, &request->waiter, &uc)) {
    case LK_POOL_READY:
        pool_ready(&request->waiter, uc);
        break;
    case LK_POOL_WAITING:
        break;
    case LK_POOL_OVERFLOW:
        pool_failed(&request->waiter, LK_RESET_OVERFLOW, lk_str(NULL, 0));
        break;
    case LK_POOL_FAILED:
        pool_failed(&request->waiter, LK_RESET_CONNECTION_FAILURE, lk_str(NULL, 0));
        break;
    }
}

void lk_upstream_request_send_headers(struct lk_upstream_request *request, const struct lk_headers *headers, bool end)
{
    /* only an upgrade that the manager let through is still in the headers */
    request->stream->upgrade =
        lk_headers_maybe(headers, LK_HEADER_UPGRADE) && lk_headers_find(headers, LK_HEADER_UPGRADE) != NULL;
    lk_codec_send_headers(request->stream, headers, end);
}

void lk_upstream_request_send_data(struct lk_upstream_request *request, struct lk_span data, bool end)
{
    if (request->stream != NULL)
        lk_codec_send_data(request->stream, data, end);
}

void lk_upstream_request_send_shared(struct lk_upstream_request *request, const struct lk_buf *data, bool end)
{
    struct lk_buf copy;
    lk_buf_init(&copy, data->pool);
    lk_buf_share(&copy, data);
    lk_codec_send_buf(request->stream, &copy, end);
    lk_buf_clear(&copy);
}

void lk_upstream_request_send_trailers(struct lk_upstream_request *request, const struct lk_headers *trailers)
{
    if (request->stream != NULL)
        lk_codec_send_trailers(request->stream, trailers);
}

bool lk_upstream_request_full(const struct lk_upstream_request *request)
{
    return request->uc != NULL && request->stream != NULL &&
           (lk_conn_is_full(&request->uc->conn) || lk_codec_stream_blocked(request->stream));
}

void lk_upstream_request_pause(struct lk_upstream_request *request, bool pause)
{
    if (request->stream == NULL || request->paused == pause)
        return;
    request->paused = pause;
    if (pause)
        lk_codec_pause(request->stream);
    else
        lk_codec_resume(request->stream);
}

void lk_upstream_request_cancel(struct lk_upstream_request *request)
{
    switch ((enum lk_try_state)request->state) {
    case LK_TRY_IDLE:
    case LK_TRY_DONE:
        return;
    case LK_TRY_WAITING:
        lk_pool_cancel(&request->waiter);
        lk_stats_inc(stats_of(request), LK_CLUSTER_RQ_CANCELLED);
        break;
    case LK_TRY_ACTIVE:
        if (request->stream != NULL) {
            struct lk_codec_stream *stream = request->stream;
            request->stream = NULL;
            lk_codec_reset(stream, LK_RESET_LOCAL);
        }
        break;
    }
    finish(request);
}
