/* Workers' state of an HTTP manager, and the life of an exchange: born, timed, logged, ended. Runs on the session's
 * worker. */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"

#include <string.h>

#define EXCHANGES_KEPT 64

/* --- worker ------------------------------------------------------------------------------------------------------- */

struct lk_http_manager_worker *lk_http_manager_worker_new(const struct lk_http_manager_config *config,
                                                          struct lk_loop *loop)
{
    struct lk_http_manager_worker *worker = lk_calloc(1, sizeof(*worker));
    worker->config = config;
    worker->loop = loop;
    lk_list_init(&worker->free_exchanges);
    worker->filter_workers = lk_calloc(config->chain.count + 1, sizeof(void *));
    for (unsigned i = 0; i < config->chain.count; i++) {
        const struct lk_http_filter_entry *entry = &config->chain.entries[i];
        if (entry->filter->worker_new != NULL)
            worker->filter_workers[i] = entry->filter->worker_new(entry->config, loop);
    }
    return worker;
}

void lk_http_manager_worker_free(struct lk_http_manager_worker *worker)
{
    for (unsigned i = 0; i < worker->config->chain.count; i++) {
        const struct lk_http_filter *filter = worker->config->chain.entries[i].filter;
        if (filter->worker_free != NULL && worker->filter_workers[i] != NULL)
            filter->worker_free(worker->filter_workers[i]);
    }
    while (!lk_list_empty(&worker->free_exchanges)) {
        struct lk_http_exchange *ex = LK_LIST_ENTRY(worker->free_exchanges.next, struct lk_http_exchange, node);
        lk_list_remove(&ex->node);
        lk_free(ex);
    }
    lk_free(worker->filter_workers);
    lk_free(worker);
}

/* --- exchanges ------------------------------------------------------------------------------------------------- */

static void exchange_free(struct lk_deferred *deferred)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(deferred, struct lk_http_exchange, free_later);
    struct lk_http_manager_worker *worker = ex->worker; /* the connection may be gone */
    lk_arena_reset(&ex->stream.arena);
    if (ex->routes != NULL)
        lk_route_table_unref(ex->routes);
    if (worker->free_count < EXCHANGES_KEPT) {
        worker->free_count++;
        lk_list_init(&ex->node);
        lk_list_push_front(&worker->free_exchanges, &ex->node);
    } else {
        lk_free(ex);
    }
}

static void on_stream_idle(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, idle);
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_IDLE_TIMEOUT);
    lk_stream_info_flag(&ex->stream.info, LK_FLAG_STREAM_IDLE_TIMEOUT);
    if (ex->stream.response_started) {
        ex->stream.info.details = LK_STR("stream_idle_timeout");
        lk_exchange_reset(ex, LK_RESET_LOCAL);
        return;
    }
    bool waiting_for_upstream = ex->stream.request_ended;
    ex->close_after |= !waiting_for_upstream;
    lk_exchange_reply(ex, waiting_for_upstream ? 504 : 408, LK_STR("stream timeout"), LK_STR("stream_idle_timeout"));
}

static void on_request_deadline(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, request_deadline);
    if (ex->stream.request_ended || ex->stream.response_started)
        return;
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_TIMEOUT);
    ex->close_after = true;
    lk_exchange_reply(ex, 408, LK_STR("request timeout"), LK_STR("request_overall_timeout"));
}

static void on_max_duration(struct lk_timer *timer)
{
    struct lk_http_exchange *ex = LK_CONTAINER_OF(timer, struct lk_http_exchange, duration);
    lk_stats_inc(ex->hc->config->stats, LK_HTTP_RQ_MAX_DURATION);
    if (ex->stream.response_started) {
        ex->stream.info.details = LK_STR("max_duration_timeout");
        lk_exchange_reset(ex, LK_RESET_LOCAL);
        return;
    }
    bool complete = ex->stream.request_ended;
    ex->close_after |= !complete;
    lk_exchange_reply(ex, complete ? 504 : 408, LK_STR("downstream duration timeout"), LK_STR("max_duration_timeout"));
}

static struct lk_http_exchange *exchange_alloc(struct lk_http_manager_worker *worker)
{
    if (lk_list_empty(&worker->free_exchanges))
        return lk_calloc(1, sizeof(struct lk_http_exchange));
    struct lk_http_exchange *ex = LK_LIST_ENTRY(worker->free_exchanges.next, struct lk_http_exchange, node);
    lk_list_remove(&ex->node);
    worker->free_count--;
    memset(ex, 0, sizeof(*ex));
    return ex;
}

static uint64_t next_stream_id(void)
{
    static _Atomic uint64_t next = 1;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

struct lk_http_exchange *lk_exchange_new(struct lk_http_conn *hc, struct lk_codec_stream *cs)
{
    struct lk_http_exchange *ex = exchange_alloc(hc->worker);
    struct lk_http_stream *stream = &ex->stream;
    const struct lk_http_manager_config *config = hc->config;
    ex->hc = hc;
    ex->worker = hc->worker;
    ex->cs = cs;
    cs->events = &lk_http_manager_stream_events;
    cs->arg = ex;
    lk_arena_init(&stream->arena);
    cs->arena = &stream->arena;
    stream->loop = hc->worker->loop;
    stream->sink = &lk_http_manager_sink;
    stream->stats = config->stats;
    stream->buffer_limit = lk_session_listener(hc->session)->buffer_limit;
    stream->info.conn = lk_session_info(hc->session);
    stream->info.id = next_stream_id();
    stream->info.start_us = hc->head_start_us != 0 ? hc->head_start_us : lk_loop_now_us(stream->loop);
    stream->info.start_wall_us = lk_clock_wall_us();
    hc->head_start_us = 0;
    lk_timer_init(&ex->idle, on_stream_idle);
    lk_timer_init(&ex->request_deadline, on_request_deadline);
    lk_timer_init(&ex->duration, on_max_duration);
    lk_deferred_init(&ex->free_later, exchange_free);
    lk_list_init(&ex->node);
    lk_list_push_back(&hc->exchanges, &ex->node);
    hc->active++;
    hc->requests++;
    lk_timer_clear(&hc->timer);
    ex->idle_ms = config->stream_idle_timeout_ms;
    lk_exchange_touch(ex);
    if (config->request_timeout_ms > 0)
        lk_timer_set(stream->loop, &ex->request_deadline, config->request_timeout_ms);
    if (config->max_stream_duration_ms > 0)
        lk_timer_set(stream->loop, &ex->duration, config->max_stream_duration_ms);
    lk_stats_inc(config->stats, LK_HTTP_RQ_TOTAL);
    lk_stats_inc(config->stats, LK_HTTP_RQ_HTTP1_TOTAL);
    lk_stats_inc(config->stats, LK_HTTP_RQ_ACTIVE);
    return ex;
}

void lk_exchange_without_head(struct lk_http_exchange *ex)
{
    lk_headers_init(&ex->no_headers, &ex->stream.arena);
    ex->stream.request = &ex->no_headers;
    ex->stream.info.protocol = LK_HTTP11;
    ex->stream.info.has_protocol = true;
}

void lk_exchange_touch(struct lk_http_exchange *ex)
{
    if (ex->idle_ms > 0)
        lk_timer_push(ex->stream.loop, &ex->idle, ex->idle_ms);
}

static void count_code(struct lk_http_exchange *ex)
{
    struct lk_stats_scope *stats = ex->hc->config->stats;
    struct lk_stats_scope *listener = ex->hc->config->listener_stats;
    unsigned code = ex->stream.info.response_code;
    if (code < 100 || code >= 600)
        return;
    lk_stats_inc(stats, LK_HTTP_RQ_COMPLETED);
    lk_stats_inc(stats, LK_HTTP_RQ_1XX + code / 100 - 1);
    lk_stats_inc(listener, LK_LISTENER_HTTP_RQ_COMPLETED);
    lk_stats_inc(listener, LK_LISTENER_HTTP_RQ_1XX + code / 100 - 1);
}

void lk_exchange_log(struct lk_http_exchange *ex, const char *type)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_http_stream *stream = &ex->stream;
    if (config->access_log_count == 0)
        return;
    struct lk_log_event event = {.info = &stream->info,
                                 .request = stream->request,
                                 .response = stream->response,
                                 .trailers = stream->response_trailers,
                                 .arena = &stream->arena,
                                 .loop = stream->loop,
                                 .type = type};
    lk_access_logs_write(config->access_logs, config->access_log_count, &event);
}

void lk_exchange_end(struct lk_http_exchange *ex)
{
    struct lk_http_conn *hc = ex->hc;
    struct lk_stats_scope *stats = hc->config->stats;
    if (ex->ended)
        return;
    ex->ended = true;
    lk_timer_clear(&ex->idle);
    lk_timer_clear(&ex->request_deadline);
    lk_timer_clear(&ex->duration);
    count_code(ex);
    ex->stream.info.end_us = lk_loop_now_us(ex->stream.loop);
    lk_trace_request_end(&ex->stream);
    lk_exchange_log(ex, "DownstreamEnd");
    lk_stats_dec(stats, LK_HTTP_RQ_ACTIVE);
    if (ex->upgraded)
        lk_stats_dec(stats, LK_HTTP_CX_UPGRADES_ACTIVE);
    lk_stats_record(stats, LK_HTTP_RQ_TIME, (ex->stream.info.end_us - ex->stream.info.start_us) / 1000);
    lk_http_chain_destroy(&ex->stream);
    lk_list_remove(&ex->node);
    hc->active--;
    lk_loop_defer(ex->stream.loop, &ex->free_later);
}

void lk_exchange_reset(struct lk_http_exchange *ex, enum lk_reset_reason reason)
{
    struct lk_http_conn *hc = ex->hc;
    if (ex->ended)
        return;
    if (reason == LK_RESET_LOCAL)
        lk_stats_inc(hc->config->stats, LK_HTTP_RQ_TX_RESET);
    struct lk_codec_stream *cs = ex->cs;
    ex->cs = NULL;
    ex->close_after = true;
    lk_exchange_end(ex);
    if (cs != NULL)
        lk_codec_reset(cs, reason);
    if (!hc->closing)
        lk_http_conn_close(hc, LK_CLOSE_FLUSH, true);
}
