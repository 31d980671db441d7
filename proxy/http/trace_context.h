/*
 * The trace a request belongs to, in one neutral form, and the wire formats it travels in. A manager reads the context
 * of a request in the formats it is configured with, continues it with a span of its own and injects that for the
 * upstream. Pure functions on the worker of the message; each format has a file pair of its own (trace_w3c, trace_b3,
 * trace_jaeger, trace_skywalking) behind the table of propagators.
 */
#pragma once

#include "proxy/http/headers.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_trace_format {
    LK_TRACE_W3C,        /* traceparent, tracestate (W3C Trace Context, level 2) */
    LK_TRACE_B3,         /* b3 */
    LK_TRACE_B3_MULTI,   /* x-b3-traceid and its kin */
    LK_TRACE_JAEGER,     /* uber-trace-id */
    LK_TRACE_SKYWALKING, /* sw8, sw8-x, sw8-correlation */
    LK_TRACE_FORMAT_COUNT,
};

/* The formats of one tracer, each at most once. The order decides whose ids count when a request has several. */
struct lk_trace_formats {
    uint8_t count;
    uint8_t items[LK_TRACE_FORMAT_COUNT];
};

enum lk_trace_decision {
    LK_TRACE_DEFER, /* nobody has decided yet */
    LK_TRACE_DROP,
    LK_TRACE_SAMPLE,
};

enum lk_trace_result {
    LK_TRACE_ABSENT,
    LK_TRACE_DECIDED, /* no ids, but a decision to obey (B3) */
    LK_TRACE_FOUND,
    LK_TRACE_MALFORMED, /* as good as absent; the reason is told */
};

/* What SkyWalking has beside numbers. Texts are decoded and opaque. */
struct lk_trace_skywalking {
    struct lk_str trace_id; /* empty: no sw8 was read and none is to be derived */
    struct lk_str segment_id;
    uint32_t span_id;      /* within the segment; at most INT32_MAX */
    struct lk_str service; /* the four below: of the sender, who fills them in before inject */
    struct lk_str instance;
    struct lk_str endpoint;    /* operation of the first span of its segment */
    struct lk_str target;      /* the address it calls */
    bool skip_analysis;        /* sw8-x mode 1: keep the trace, count no metrics; goes along with the trace */
    struct lk_str sent_at;     /* sw8-x: milliseconds, digits as received; meant for one hop only */
    struct lk_str correlation; /* sw8-correlation as received */
};

/* Of a received context: the ids of the caller's span. Of an own one: those of our span. */
struct lk_trace_context {
    uint64_t trace_high; /* zero when the sender uses 64 bits */
    uint64_t trace_low;  /* both zero: only SkyWalking's id is known */
    uint64_t span;
    uint64_t parent; /* 0: none, or not told */
    enum lk_trace_decision decision;
    bool wide;   /* the trace id was written with 128 bits */
    bool debug;  /* B3 and Jaeger: sampled whatever anybody decides */
    bool single; /* it was told in B3's single header */
    bool random; /* W3C level 2: the right-most 7 bytes of the trace id are random */
    struct lk_str tracestate;
    struct lk_trace_skywalking sw;
};

/*
 * One wire format. `read` fills only what its format carries of a zeroed context; texts lie in the block or in the
 * arena; `why` (never NULL) is set for MALFORMED only. `add` appends the format's headers (texts in the block's arena)
 * behind a strip; false when the context lacks ids that the format can write. `strip` removes them.
 */
struct lk_trace_propagator {
    struct lk_str name;
    enum lk_trace_result (*read)(const struct lk_headers *headers, struct lk_arena *arena, struct lk_trace_context *out,
                                 const char **why);
    bool (*add)(struct lk_headers *headers, const struct lk_trace_context *context);
    void (*strip)(struct lk_headers *headers);
};

extern const struct lk_trace_propagator lk_trace_propagators[LK_TRACE_FORMAT_COUNT];

/* Appends a format; nothing happens when it is there. */
void lk_trace_formats_add(struct lk_trace_formats *formats, enum lk_trace_format format);
bool lk_trace_formats_have(const struct lk_trace_formats *formats, enum lk_trace_format format);

/*
 * Reads every format. The first that is found gives ids and decision; SkyWalking's own part is kept beside the ids of
 * another format. Without one, a decision counts before a malformed header. *out is always filled; *why (may be NULL)
 * only for MALFORMED.
 */
enum lk_trace_result lk_trace_read(const struct lk_headers *headers, struct lk_arena *arena,
                                   const struct lk_trace_formats *formats, struct lk_trace_context *out,
                                   const char **why);
/* A new trace: random 128-bit id, no parent. Of `received` (may be NULL) only what no id binds is kept: SkyWalking's
 * mode and correlation. */
void lk_trace_start(struct lk_trace_context *out, const struct lk_trace_context *received,
                    enum lk_trace_decision decision, const struct lk_trace_formats *formats, struct lk_arena *arena);
/* Our first span in a received trace (its texts must outlive *out). A trace that came with nothing but an opaque
 * SkyWalking id gets random ids for the other formats. */
void lk_trace_continue(struct lk_trace_context *out, const struct lk_trace_context *received,
                       const struct lk_trace_formats *formats, struct lk_arena *arena);
/* A further span of ours below `own`, in the same SkyWalking segment as number `span_id`. */
void lk_trace_child(struct lk_trace_context *out, const struct lk_trace_context *own, uint32_t span_id);
/* Replaces the headers of all the formats. */
void lk_trace_inject(struct lk_headers *headers, const struct lk_trace_formats *formats,
                     const struct lk_trace_context *context);
void lk_trace_strip(struct lk_headers *headers, const struct lk_trace_formats *formats);

#define LK_TRACE_ID_LEN 32
#define LK_SPAN_ID_LEN 16
/* The trace id with all its 32 digits, whatever its width. */
struct lk_str lk_trace_id_text(const struct lk_trace_context *context, struct lk_arena *arena);
struct lk_str lk_trace_span_text(const struct lk_trace_context *context, struct lk_arena *arena);
