/*
 * One try of a request on one host: waits for a connection, sends, hears the response. Knows nothing of retries: it
 * reports how far it got. Lives in the stream's arena; owner: one worker.
 */
#pragma once

#include "proxy/http/codec.h"
#include "proxy/io/timer.h"
#include "proxy/upstream/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_upstream_request;

struct lk_upstream_failure {
    enum lk_reset_reason reason;
    enum lk_progress progress;
    struct lk_str text; /* the transport's reason, or empty */
    bool reused;        /* the connection had carried requests before */
    bool before_pool;   /* no connection was ever had */
};

struct lk_upstream_request_ops {
    /* A connection is there: send the head, then whatever is held (lk_upstream_request_send_*). */
    void (*on_ready)(struct lk_upstream_request *request);
    void (*on_informational)(struct lk_upstream_request *request, struct lk_headers *headers);
    void (*on_headers)(struct lk_upstream_request *request, struct lk_headers *headers, bool end);
    void (*on_data)(struct lk_upstream_request *request, struct lk_span data, bool end);
    void (*on_trailers)(struct lk_upstream_request *request, struct lk_headers *trailers);
    /* The try is over without a (complete) response; it holds nothing any more. */
    void (*on_failed)(struct lk_upstream_request *request, const struct lk_upstream_failure *failure);
    /* The upstream connection takes more bytes again. */
    void (*on_writable)(struct lk_upstream_request *request);
};

enum lk_try_state { LK_TRY_IDLE, LK_TRY_WAITING, LK_TRY_ACTIVE, LK_TRY_DONE };

struct lk_upstream_request {
    const struct lk_upstream_request_ops *ops;
    void *owner;
    struct lk_arena *arena;
    struct lk_worker_host *wh; /* referenced while the try lives */
    struct lk_pool_waiter waiter;
    struct lk_upstream_conn *uc;
    struct lk_codec_stream *stream;
    uint8_t state; /* enum lk_try_state */
    uint8_t priority;
    bool counted;  /* in rq_active and the breaker */
    bool answered; /* response headers arrived */
    bool paused;   /* we paused the response */
    uint64_t started_us;
};

/* Starts a try on wh (takes over the reference). Calls on_ready or on_failed before it returns where the answer is
 * known. */
void lk_upstream_request_start(struct lk_upstream_request *request, const struct lk_upstream_request_ops *ops,
                               void *owner, struct lk_arena *arena, struct lk_worker_host *wh, uint8_t priority,
                               bool careful, bool fresh);
void lk_upstream_request_send_headers(struct lk_upstream_request *request, const struct lk_headers *headers, bool end);
void lk_upstream_request_send_data(struct lk_upstream_request *request, struct lk_span data, bool end);
/* References the bytes; data keeps them. */
void lk_upstream_request_send_shared(struct lk_upstream_request *request, const struct lk_buf *data, bool end);
void lk_upstream_request_send_trailers(struct lk_upstream_request *request, const struct lk_headers *trailers);
/* Whether the upstream connection has as much output pending as it should. */
bool lk_upstream_request_full(const struct lk_upstream_request *request);
void lk_upstream_request_pause(struct lk_upstream_request *request, bool pause);
/* Gives the try up; no event follows. Safe in any state. */
void lk_upstream_request_cancel(struct lk_upstream_request *request);
