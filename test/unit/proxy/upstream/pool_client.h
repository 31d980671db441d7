/* A client of the HTTP/1 pool, as the router would be one, and servers that the test plays. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/upstream/idle_learner.h"
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"
#include <sys/socket.h>
#include <unistd.h>

/* One request as the router would make it. */
struct client {
    struct upstream_fixture *f;
    struct lk_pool_waiter waiter;
    struct lk_upstream_conn *uc;
    struct lk_codec_stream *stream;
    struct lk_arena arena;
    struct lk_headers head;
    unsigned status;
    size_t body;
    bool waiting, ended, failed, reset;
    enum lk_reset_reason reason;
    enum lk_progress progress;
    char text[128];
    struct client *again; /* asked for when this one fails */
    struct lk_worker_host *wh;
};

static inline enum lk_pool_result ask(struct client *c, bool careful, bool fresh);

static inline void on_headers(struct lk_codec_stream *stream, struct lk_headers *headers, bool end)
{
    struct client *c = stream->arg;
    c->status = lk_headers_status(headers);
    c->ended = end;
}

static inline void on_data(struct lk_codec_stream *stream, struct lk_span data, bool end)
{
    struct client *c = stream->arg;
    c->body += data.len;
    c->ended = end;
}

static inline void on_reset(struct lk_codec_stream *stream, enum lk_reset_reason reason)
{
    struct client *c = stream->arg;
    LK_CHECK(!c->reset);
    c->reset = true;
    c->reason = reason;
    c->progress = lk_upstream_conn_progress(c->uc);
}

static const struct lk_stream_events events = {.on_headers = on_headers, .on_data = on_data, .on_reset = on_reset};

static inline void on_ready(struct lk_pool_waiter *waiter, struct lk_upstream_conn *uc)
{
    struct client *c = LK_CONTAINER_OF(waiter, struct client, waiter);
    LK_CHECK(c->waiting);
    c->waiting = false;
    c->uc = uc;
    c->stream = lk_upstream_conn_begin(uc);
    c->stream->events = &events;
    c->stream->arg = c;
    c->stream->arena = &c->arena;
}

static inline void on_failure(struct lk_pool_waiter *waiter, enum lk_reset_reason reason, struct lk_str text)
{
    struct client *c = LK_CONTAINER_OF(waiter, struct client, waiter);
    LK_CHECK(c->waiting);
    c->waiting = false;
    c->failed = true;
    c->reason = reason;
    snprintf(c->text, sizeof(c->text), "%.*s", LK_STR_ARG(text));
    if (c->again != NULL)
        LK_CHECK_EQ_INT(ask(c->again, false, false), LK_POOL_WAITING);
}

static const struct lk_pool_waiter_ops ops = {.on_ready = on_ready, .on_failure = on_failure};

static inline void client_init(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    memset(c, 0, sizeof(*c));
    c->f = f;
    c->wh = wh;
    lk_arena_init(&c->arena);
    lk_pool_waiter_init(&c->waiter, &ops);
}

static inline void client_fini(struct client *c)
{
    lk_arena_reset(&c->arena);
}

static inline enum lk_pool_result ask(struct client *c, bool careful, bool fresh)
{
    struct lk_upstream_conn *uc = NULL;
    c->waiting = true;
    enum lk_pool_result result = lk_pool_acquire(c->wh, 0, careful, fresh, &c->waiter, &uc);
    if (result == LK_POOL_READY)
        on_ready(&c->waiter, uc);
    else if (result != LK_POOL_WAITING)
        c->waiting = false;
    return result;
}

static inline void send_request(struct client *c, const char *method, bool end)
{
    lk_headers_init(&c->head, &c->arena);
    lk_headers_add(&c->head, LK_HEADER_METHOD, lk_str_from(method));
    lk_headers_add(&c->head, LK_HEADER_AUTHORITY, LK_STR("h"));
    lk_headers_add(&c->head, LK_HEADER_PATH, LK_STR("/"));
    lk_codec_send_headers(c->stream, &c->head, end);
}

#define OK_EMPTY "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

/* Sends a request on the client's connection and has it answered on `server`. */
static inline void exchange(struct client *c, int server, const char *answer)
{
    send_request(c, "GET", true);
    upstream_read(c->f, server, "\r\n\r\n");
    upstream_write(server, answer);
    UPSTREAM_UNTIL(c->f, c->ended || c->reset);
    upstream_turn(c->f, 2);
}

/* A fixture with one host, and its per-loop state. */
static inline struct lk_worker_host *begin(struct upstream_fixture **f)
{
    *f = upstream_new(1);
    upstream_start(*f);
    return upstream_pick(*f);
}

static inline void finish(struct upstream_fixture *f, struct lk_worker_host *wh)
{
    lk_worker_host_unref(wh);
    upstream_turn(f, 2);
    for (unsigned r = 0; r < LK_RESOURCE_COUNT; r++) {
        if (r != LK_RESOURCE_CONNECTIONS)
            LK_CHECK_EQ_UINT(lk_breaker_used(&f->cluster->breakers[0], (enum lk_resource)r), 0);
    }
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_RQ_PENDING_ACTIVE), 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_ACTIVE),
                     lk_breaker_used(&f->cluster->breakers[0], LK_RESOURCE_CONNECTIONS));
    upstream_free(f);
}

/* A client with a new connection to the only host; returns the server's end. */
static inline int connect_one(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    client_init(c, f, wh);
    LK_CHECK_EQ_INT(ask(c, false, true), LK_POOL_WAITING);
    int server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, c->uc != NULL);
    return server;
}

static inline int idle_one(struct client *c, struct upstream_fixture *f, struct lk_worker_host *wh)
{
    int server = connect_one(c, f, wh);
    exchange(c, server, OK_EMPTY);
    LK_CHECK_EQ_UINT(c->status, 200);
    return server;
}
