/*
 * One HTTP request and its response, as the filter chain sees it. The HTTP manager (proxy/downstream) owns it and
 * provides the sink; http_chain.c runs the filters. Owner: one worker.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/filter/http_filter.h"
#include "proxy/filter/stream_info.h"

#include <stdbool.h>
#include <stdint.h>

/* One configured filter of an HTTP manager. */
struct lk_http_filter_entry {
    const struct lk_http_filter *filter;
    struct lk_str name; /* configured name, the key of typed_per_filter_config */
    const void *config;
    bool disabled; /* off unless a route turns it on */
};
struct lk_http_chain_config {
    const struct lk_http_filter_entry *entries;
    unsigned count;
    bool route_switches; /* some entry is disabled, or some route switches one on or off */
};

/* What a route says of a filter: envoy.config.route.v3.FilterConfig.disabled, or a configuration for it. */
enum lk_filter_switch { LK_FILTER_AS_CONFIGURED, LK_FILTER_ON, LK_FILTER_OFF };

enum lk_slot_state { LK_SLOT_FLOWING, LK_SLOT_PAUSED_HEADERS, LK_SLOT_PAUSED_DATA, LK_SLOT_PAUSED_TRAILERS };

struct lk_slot_direction {
    uint8_t state; /* enum lk_slot_state */
    bool saw_headers;
    bool in_callback;
    bool resume_asked; /* resumed inside its own callback */
    bool want_body;
    bool end_held;      /* end of stream is in the queue */
    bool source_paused; /* this slot's queue holds the source back */
    bool end_seen;      /* the filter had the end before it paused */
    size_t body_limit;
    size_t seen; /* bytes at the front of the queue that the filter had before it paused */
    struct lk_headers *trailers_held;
    struct lk_buf queue;
};

struct lk_http_slot {
    struct lk_http_stream *stream;
    const struct lk_http_filter_entry *entry;
    void *self; /* NULL: not interested */
    struct lk_slot_direction dir[2];
};

/* What the HTTP manager does for a stream. */
struct lk_http_sink {
    void (*send_informational)(struct lk_http_stream *stream, struct lk_headers *headers);
    void (*send_headers)(struct lk_http_stream *stream, struct lk_headers *headers, bool end);
    void (*send_data)(struct lk_http_stream *stream, struct lk_span data, bool end);
    void (*send_trailers)(struct lk_http_stream *stream, struct lk_headers *trailers);
    /* Builds the reply and hands it to lk_http_chain_local_response. */
    void (*local_reply)(struct lk_http_stream *stream, const struct lk_local_reply *reply);
    void (*reset)(struct lk_http_stream *stream, enum lk_reset_reason reason);
    void (*pause_request)(struct lk_http_stream *stream, bool pause);
    /* The matched route, found on first use. */
    const struct lk_route *(*route)(struct lk_http_stream *stream);
    void (*clear_route)(struct lk_http_stream *stream);
    const void *(*route_config)(struct lk_http_stream *stream, struct lk_str filter_name);
    /* Asked once for each entry, when the chain starts, and only with route_switches. */
    enum lk_filter_switch (*filter_switch)(struct lk_http_stream *stream, struct lk_str filter_name);
};

struct lk_http_stream {
    struct lk_arena arena;
    struct lk_loop *loop;
    const struct lk_http_sink *sink;
    struct lk_stats_scope *stats; /* of the HTTP manager, lk_http_stat_block; NULL in tests */
    struct lk_stream_info info;
    struct lk_request_trace *trace; /* tracing.h; NULL: the request is in no trace */
    struct lk_headers *request;
    struct lk_headers *request_trailers;
    struct lk_headers *response;
    struct lk_headers *response_trailers;
    struct lk_http_slot *slots;
    unsigned slot_count;
    uint32_t buffer_limit;     /* per direction, before the source is paused */
    bool request_upgrade : 1;  /* the request asks to leave HTTP, and may */
    bool request_stopped : 1;  /* a local reply began: request events are dropped */
    bool request_ended : 1;    /* the whole request entered the chain */
    bool response_started : 1; /* response headers reached the sink */
    bool response_ended : 1;
    bool local_response : 1;
    bool destroyed : 1;
};

/* Makes the slots. `workers` are the filters' per-worker states, in the order of the entries (NULL entries allowed).
 * With route_switches the route is looked up first: what it says of a filter holds for the whole stream. */
void lk_http_chain_start(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                         void *const *workers);

/* The same for a rehearsal (explain.h): filters that cannot explain get no instance; then each that can is asked in
 * turn, until one answers the request. */
void lk_http_chain_explain(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                           void *const *workers, struct lk_explain *explain);
bool lk_http_chain_is_on(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                         const struct lk_http_filter_entry *entry);

/* The request enters. */
void lk_http_chain_request_headers(struct lk_http_stream *stream, bool end);
void lk_http_chain_request_data(struct lk_http_stream *stream, struct lk_span data, bool end);
void lk_http_chain_request_trailers(struct lk_http_stream *stream);
/* A complete local response: headers with end when body is empty. */
void lk_http_chain_local_response(struct lk_http_stream *stream, struct lk_headers *headers, struct lk_str body);
/* The sink cannot take more response bytes (true), or can again. */
void lk_http_chain_response_blocked(struct lk_http_stream *stream, bool blocked);
/* on_destroy of every instance, once. */
void lk_http_chain_destroy(struct lk_http_stream *stream);
