/*
 * The contract of tracers. A tracer is one const descriptor; its configuration says in which formats a trace travels
 * and which habits its world has, and every finished span of a sampled request is handed to it. filters/tracer has one
 * file for each.
 */
#pragma once

#include "proxy/filter/filter_context.h"
#include "proxy/http/trace_context.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_trace_tag {
    struct lk_str name;
    struct lk_str value;
};

struct lk_trace_log { /* verbose: a moment within the span */
    struct lk_str event;
    int64_t wall_us;
};

enum lk_trace_span_kind { LK_SPAN_SERVER, LK_SPAN_CLIENT };

#define LK_TRACE_TAGS_MAX 64 /* what comes after is left out */
#define LK_TRACE_LOGS_MAX 8

/* One piece of work in a trace: a request at this proxy, or one try upstream. Everything lies in the stream's arena. */
struct lk_trace_span {
    struct lk_str name;
    enum lk_trace_span_kind kind;
    struct lk_trace_context context;         /* own ids and those of the parent */
    const struct lk_trace_context *received; /* what the caller sent; NULL: the trace began here, or this is a try */
    int64_t start_wall_us;
    int64_t end_wall_us;
    struct lk_trace_tag *tags;
    unsigned tag_count;
    struct lk_trace_log logs[LK_TRACE_LOGS_MAX];
    unsigned log_count;
    struct lk_str peer; /* address at the other end */
    bool error;
    bool shared; /* the ids are the caller's, whose span this is the other half of */
};

/* What a request's span is called unless configuration or a decorator say it. */
enum lk_span_naming {
    LK_SPAN_BY_DIRECTION, /* "ingress", "egress <host>" */
    LK_SPAN_BY_HOST,
    LK_SPAN_BY_PATH,
};

/* What a tracer's configuration begins with. */
struct lk_trace_provider {
    struct lk_trace_formats formats; /* read and injected */
    bool restart_malformed;          /* a malformed context starts a new trace; else the request is not traced at all */
    bool b3_as_received;             /* B3 that came in its single header goes out so, whatever `formats` say */
    bool local_drops;                /* a sampled trace goes on unsampled where the local decision says no */
    bool skip_unsampled;             /* no trace begins here for a request that the local decision leaves out */
    bool narrow_ids;                 /* trace ids that begin here have 64 bits, and are the span's id */
    bool share_span;                 /* an inbound span takes the ids of the caller's span */
    enum lk_span_naming naming;
    bool split_spans;      /* tries have spans of their own, whatever the manager says */
    struct lk_str service; /* who we are, for formats that tell it */
    struct lk_str instance;
};

struct lk_tracer {
    const char *name; /* "envoy.tracers.zipkin" */
    const char *type; /* "envoy.config.trace.v3.ZipkinConfig" */
    /* NULL after appending to errors. Main thread. */
    const struct lk_trace_provider *(*config_new)(struct lk_filter_context *context, const struct lk_any *any,
                                                  struct lk_errors *errors);
    /* On the span's worker; the span dies with its stream. NULL: spans are not recorded. */
    void (*on_span_end)(const struct lk_trace_provider *provider, const struct lk_trace_span *span,
                        struct lk_loop *loop);
};
