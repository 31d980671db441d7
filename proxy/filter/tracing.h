/*
 * The tracing of one request: reads and continues its context, names its spans, injects the context into each try, and
 * hands finished spans to the tracer. The HTTP manager and the router call it; all on the stream's worker.
 */
#pragma once

#include "proxy/config/mirror_policy.h"
#include "proxy/config/tracing_config.h"
#include "proxy/filter/access_logger.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/tracer.h"
#include "proxy/http/request_id.h"

struct lk_http_stream;

/* HttpConnectionManager.tracing */
struct lk_tracing_config {
    const struct lk_tracer *tracer; /* NULL: no provider; requests are marked, and nothing else */
    const struct lk_trace_provider *provider;
    struct lk_trace_sampling sampling;
    struct lk_trace_tags_config tags;
    const struct lk_format *operation; /* NULL: "ingress", or "egress <host>" */
    const struct lk_format *upstream_operation;
    uint32_t max_path_tag_length;
    bool verbose;
    bool spawn_upstream_span;
    bool no_propagation; /* no_context_propagation: nothing is injected */
    bool outbound;       /* by the listener's traffic direction */
    struct lk_str node_id;
    struct lk_str zone;
};

/* In the stream's arena; lk_http_stream.trace. */
struct lk_request_trace {
    const struct lk_tracing_config *config;
    const struct lk_route_tracing *route;
    struct lk_trace_formats formats; /* to inject */
    struct lk_trace_context received;
    struct lk_trace_span span; /* of the request */
    struct lk_trace_span try_span;
    struct lk_str endpoint; /* the first name: what sw8 tells, whatever decorators say later */
    unsigned try_status;    /* 0: the try was not answered */
    bool recording;         /* spans go to the tracer */
    bool try_open;          /* try_span is to be handed over */
};

/*
 * Starts the span of a request. `traced` is the local decision, which a received one overrides. Where the provider
 * takes the request for none of a trace, or there is no provider, nothing happens: the headers are then passed on as
 * they are. Sets info.trace_id and span_id.
 */
void lk_trace_request_begin(struct lk_http_stream *stream, const struct lk_tracing_config *config,
                            const struct lk_route_tracing *route, bool traced);
/* Another name, from a decorator. */
void lk_trace_request_rename(struct lk_http_stream *stream, struct lk_str name);
void lk_trace_request_end(struct lk_http_stream *stream);

/* A try of the router on the host of info.upstream begins; one before it ends. `attempt` counts from 1. */
void lk_trace_try_begin(struct lk_http_stream *stream, unsigned attempt);
/* A connection is there: the context of the innermost span goes into the head. */
void lk_trace_try_inject(struct lk_http_stream *stream, struct lk_headers *headers);
/* Into the head of a mirrored copy, which has no span of its own: the context of the request's span. */
void lk_trace_mirror_inject(struct lk_http_stream *stream, struct lk_headers *headers, enum lk_mirror_sampling sampled);
void lk_trace_try_answered(struct lk_http_stream *stream, unsigned status);
/* The try is over; it is handed over when the next one begins or the request ends. Further calls do nothing. */
void lk_trace_try_end(struct lk_http_stream *stream);

/* Before the first request, main thread: resolves the formats of configured tags and operations; the route's may be
 * NULL. */
void lk_trace_tags_prepare(const struct lk_trace_tags_config *tags);
void lk_route_tracing_prepare(const struct lk_route_tracing *tracing);

/* Once, before the first request, main thread: a tag that the span of each request gets where value() is not empty.
 * name is static. */
void lk_trace_register_tag(const char *name, lk_format_extension_fn value);

/* trace_tags.c: the tags of both kinds of spans, from what is known of the stream at their end. */
void lk_trace_tag_add(struct lk_trace_span *span, struct lk_arena *arena, struct lk_str name, struct lk_str value);
void lk_trace_request_tags(struct lk_http_stream *stream, struct lk_request_trace *trace);
void lk_trace_try_tags(struct lk_http_stream *stream, struct lk_request_trace *trace);
