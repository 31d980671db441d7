/*
 * The contract of HTTP filters. A filter is one const descriptor. Its configuration is built once from typed bytes on
 * the main thread and is immutable; a cheap instance is made per stream, in the stream's arena.
 *
 * Two answers only: continue or pause. Everything else is a verb on the stream.
 *
 *   moment              | what the runner does on PAUSE                        | what ends it
 *   --------------------+------------------------------------------------------+------------------------------------------
 *   headers             | later events of that direction are queued before     | lk_http_resume: the next filter gets
 * the | this filter; above the stream's limit the source is  | headers, then the queue starts at THIS | paused | filter
 *   data                | the same, and this piece is queued too               | resume: this piece goes to the NEXT
 *                       |                                                      | filter, what came later to THIS one
 *   trailers            | the end of the stream is held                        | resume forwards them
 *   whole body asked    | the runner collects up to the given limit, then one  | automatic
 *   (in headers)        | on_*_data with all of it and end = true; beyond it    |
 *                       | 413, or 500 for a response                            |
 *   local reply         | the request side stops; the reply passes only the     | stream end
 *                       | response side of filters that saw the request         |
 *   reset               | nothing but on_destroy, exactly once per instance     | -
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/filter/filter_context.h"
#include "proxy/filter/stream_info.h"
#include "proxy/http/headers.h"
#include "proxy/io/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_http_stream; /* http_stream.h */
struct lk_http_slot;   /* one filter's place in one stream's chain */

enum lk_filter_status { LK_FILTER_CONTINUE, LK_FILTER_PAUSE };

struct lk_log_event;   /* access_logger.h */
struct lk_filter_page; /* admin_page.h */
struct lk_explain;     /* explain.h */

/* An operator of log formats that a filter brings, %NAME%. The value lives as long as the stream or event->arena; ptr
 * NULL: absent. */
struct lk_log_operator {
    const char *name;
    struct lk_str (*value)(const struct lk_log_event *event, struct lk_str argument);
};

struct lk_http_filter {
    const char *name;                            /* "envoy.filters.http.router" */
    const char *type;                            /* "envoy.extensions.filters.http.router.v3.Router" */
    bool decides_access;                         /* who may pass: never skipped, even when is_optional */
    bool terminal;                               /* the router: last in the chain, and only there */
    const struct lk_log_operator *log_operators; /* ended by a NULL name; NULL: none */
    const struct lk_log_operator *span_tags;     /* the same for the span of a request: tags under these names */
    const struct lk_filter_page *admin_pages;    /* admin_page.h; ended by a NULL path; NULL: none */

    /* NULL after appending to errors. any->value may be empty: all defaults. */
    const void *(*config_new)(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors);
    /* typed_per_filter_config; NULL: the filter has none. */
    const void *(*route_config_new)(struct lk_filter_context *context, const struct lk_any *any,
                                    struct lk_errors *errors);
    /* Per-worker state, made when a worker first uses the configuration, freed with it. NULL: none. */
    void *(*worker_new)(const void *config, struct lk_loop *loop);
    void (*worker_free)(void *worker);
    /* The instance for one stream, in lk_http_arena(); NULL: not interested in this stream. */
    void *(*stream_new)(struct lk_http_slot *slot, const void *config, void *worker);

    /* Any of these may be NULL: continue. */
    enum lk_filter_status (*on_request_headers)(void *self, struct lk_headers *headers, bool end);
    enum lk_filter_status (*on_request_data)(void *self, struct lk_span data, bool end);
    enum lk_filter_status (*on_request_trailers)(void *self, struct lk_headers *trailers);
    enum lk_filter_status (*on_response_headers)(void *self, struct lk_headers *headers, bool end);
    enum lk_filter_status (*on_response_data)(void *self, struct lk_span data, bool end);
    enum lk_filter_status (*on_response_trailers)(void *self, struct lk_headers *trailers);
    /* Downstream takes no more response bytes for now (true) or takes them again (false): for those who produce them.
     */
    void (*on_response_blocked)(void *self, bool blocked);
    /* The stream is over (completed or reset). The stream's info is final. */
    void (*on_destroy)(void *self);

    /* POST /explain: does to the head of a rehearsed request what on_request_headers would, by the same code, and notes
     * why. Changes nothing that outlives the stream, whose on_destroy is not called. NULL: the filter is not asked. */
    void (*explain)(void *self, struct lk_headers *headers, bool end, struct lk_explain *explain);
};

/* --- what a filter may ask ---------------------------------------------------------------------------------- */

struct lk_http_stream *lk_http_slot_stream(struct lk_http_slot *slot);
struct lk_arena *lk_http_arena(struct lk_http_slot *slot);
struct lk_loop *lk_http_loop(struct lk_http_slot *slot);
struct lk_stream_info *lk_http_info(struct lk_http_slot *slot);
struct lk_headers *lk_http_request_headers(struct lk_http_slot *slot);
struct lk_headers *lk_http_response_headers(struct lk_http_slot *slot); /* NULL before they exist */
/* The most specific typed_per_filter_config of the matched route for this filter, or NULL. */
const void *lk_http_route_config(struct lk_http_slot *slot);
/* Forget the matched route; it is looked up again when next asked for (a filter changed what routes are matched on). */
void lk_http_clear_route(struct lk_http_slot *slot);

/* --- verbs -------------------------------------------------------------------------------------------------------- */

enum lk_http_direction { LK_HTTP_REQUEST, LK_HTTP_RESPONSE };
/* Ends a pause. May be called inside the callback that returns PAUSE only after it has returned. */
void lk_http_resume(struct lk_http_slot *slot, enum lk_http_direction direction);
/* In on_*_headers, together with returning CONTINUE or PAUSE: collect the whole body. */
void lk_http_want_body(struct lk_http_slot *slot, enum lk_http_direction direction, size_t limit);
/* Slows the source of request data down: counted. */
void lk_http_pause_request(struct lk_http_slot *slot);
void lk_http_resume_request(struct lk_http_slot *slot);

struct lk_local_reply {
    unsigned status;
    struct lk_str body;    /* may be empty */
    struct lk_str details; /* response code details; static or in the stream's arena */
    int grpc_status;       /* -1: from the HTTP status */
    /* extra headers; NULL: none. arg is for modify. */
    void (*modify)(void *arg, struct lk_headers *headers);
    void *arg;
};
void lk_http_local_reply(struct lk_http_slot *slot, const struct lk_local_reply *reply);
/* Ends the stream without a complete response. */
void lk_http_reset(struct lk_http_slot *slot, enum lk_reset_reason reason);

/* --- for the terminal filter: the response enters the chain here ---------------------------------------------- */

void lk_http_respond_informational(struct lk_http_slot *slot, struct lk_headers *headers);
void lk_http_respond_headers(struct lk_http_slot *slot, struct lk_headers *headers, bool end);
void lk_http_respond_data(struct lk_http_slot *slot, struct lk_span data, bool end);
void lk_http_respond_trailers(struct lk_http_slot *slot, struct lk_headers *trailers);
