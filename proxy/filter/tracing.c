/* Spans of a request and its tries. See tracing.h. */
#include "proxy/filter/tracing.h"

#include "proxy/base/clock.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/http_stream.h"

static struct lk_log_event event_of(struct lk_http_stream *stream)
{
    return (struct lk_log_event){.info = &stream->info,
                                 .request = stream->request,
                                 .response = stream->response,
                                 .trailers = stream->response_trailers,
                                 .arena = &stream->arena,
                                 .loop = stream->loop};
}

static const struct lk_format *operation_of(const struct lk_request_trace *trace)
{
    return trace->route != NULL && trace->route->operation != NULL ? trace->route->operation : trace->config->operation;
}

static const struct lk_format *upstream_operation_of(const struct lk_request_trace *trace)
{
    return trace->route != NULL && trace->route->upstream_operation != NULL ? trace->route->upstream_operation
                                                                            : trace->config->upstream_operation;
}

static bool splits_spans(const struct lk_request_trace *trace)
{
    return trace->config->spawn_upstream_span || trace->config->provider->split_spans;
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static struct lk_str first_name(struct lk_http_stream *stream, const struct lk_request_trace *trace)
{
    const struct lk_format *operation = operation_of(trace);
    struct lk_str host = lk_headers_get(stream->request, LK_HEADER_AUTHORITY);
    if (operation != NULL) {
        struct lk_log_event event = event_of(stream);
        return lk_format_eval(operation, &event, true);
    }
    switch (trace->config->provider->naming) {
    case LK_SPAN_BY_HOST:
        return host;
    case LK_SPAN_BY_PATH:
        return lk_headers_get(stream->request, LK_HEADER_PATH);
    case LK_SPAN_BY_DIRECTION:
        break;
    }
    return trace->config->outbound ? lk_arena_printf(&stream->arena, "egress %.*s", LK_STR_ARG(host))
                                   : LK_STR("ingress");
}

static void start(struct lk_request_trace *trace, enum lk_trace_decision decision, struct lk_arena *arena)
{
    const struct lk_trace_provider *provider = trace->config->provider;
    struct lk_trace_context *own = &trace->span.context;
    lk_trace_start(own, &trace->received, decision, &provider->formats, arena);
    if (!provider->narrow_ids)
        return;
    own->trace_high = 0;
    own->trace_low = own->span;
    own->wide = false;
    own->random = false;
}

static void resume(struct lk_request_trace *trace, enum lk_trace_decision decision, struct lk_arena *arena)
{
    const struct lk_trace_provider *provider = trace->config->provider;
    trace->span.received = &trace->received;
    if (provider->share_span && !trace->config->outbound && trace->received.span != 0) {
        trace->span.context = trace->received;
        trace->span.shared = true;
    } else {
        lk_trace_continue(&trace->span.context, &trace->received, &provider->formats, arena);
    }
    trace->span.context.decision = decision;
}

static enum lk_trace_decision decision_of(const struct lk_request_trace *trace, bool traced)
{
    enum lk_trace_decision decision = trace->received.decision;
    if (decision == LK_TRACE_DEFER || (trace->config->provider->local_drops && !traced))
        decision = decision != LK_TRACE_DROP && traced ? LK_TRACE_SAMPLE : LK_TRACE_DROP;
    return decision;
}

/* What comes in the single header of B3 is answered so. */
static void choose_formats(struct lk_request_trace *trace)
{
    const struct lk_trace_provider *provider = trace->config->provider;
    trace->formats = provider->formats;
    for (unsigned i = 0; i < trace->formats.count && provider->b3_as_received && trace->received.single; i++)
        if (trace->formats.items[i] == LK_TRACE_B3_MULTI)
            trace->formats.items[i] = LK_TRACE_B3;
}

/* False: the request is in no trace, and its headers stay as they are. */
static bool open_context(struct lk_http_stream *stream, struct lk_request_trace *trace, bool traced)
{
    const struct lk_trace_provider *provider = trace->config->provider;
    enum lk_trace_result result =
        lk_trace_read(stream->request, &stream->arena, &provider->formats, &trace->received, NULL);
    if (result == LK_TRACE_MALFORMED && !provider->restart_malformed)
        return false;
    if (result != LK_TRACE_FOUND && !traced && provider->skip_unsampled)
        return false;
    enum lk_trace_decision decision = decision_of(trace, traced);
    if (result == LK_TRACE_FOUND)
        resume(trace, decision, &stream->arena);
    else
        start(trace, decision, &stream->arena);
    trace->span.context.debug = trace->received.debug && decision == LK_TRACE_SAMPLE;
    choose_formats(trace);
    return true;
}

/* As the provider's own world writes it. */
static struct lk_str trace_id_of(const struct lk_request_trace *trace, struct lk_arena *arena)
{
    const struct lk_trace_context *context = &trace->span.context;
    if (trace->formats.count > 0 && trace->formats.items[0] == LK_TRACE_SKYWALKING)
        return context->sw.trace_id;
    struct lk_str text = lk_trace_id_text(context, arena);
    return context->wide ? text : lk_str_drop(text, LK_TRACE_ID_LEN - LK_SPAN_ID_LEN);
}

void lk_trace_request_begin(struct lk_http_stream *stream, const struct lk_tracing_config *config,
                            const struct lk_route_tracing *route, bool traced)
{
    if (config->tracer == NULL)
        return;
    struct lk_request_trace *trace = lk_arena_zalloc(&stream->arena, sizeof(*trace));
    trace->config = config;
    trace->route = route;
    if (!open_context(stream, trace, traced))
        return;
    stream->trace = trace;
    trace->recording = config->tracer->on_span_end != NULL && trace->span.context.decision == LK_TRACE_SAMPLE;
    trace->span.kind = config->outbound && !splits_spans(trace) ? LK_SPAN_CLIENT : LK_SPAN_SERVER;
    trace->span.start_wall_us = stream->info.start_wall_us;
    trace->endpoint = trace->span.name = first_name(stream, trace);
    stream->info.trace_id = trace_id_of(trace, &stream->arena);
    stream->info.span_id = lk_trace_span_text(&trace->span.context, &stream->arena);
}

void lk_trace_request_rename(struct lk_http_stream *stream, struct lk_str name)
{
    if (stream->trace != NULL)
        stream->trace->span.name = name;
}

static void hand_over(struct lk_http_stream *stream, const struct lk_trace_span *span)
{
    const struct lk_tracing_config *config = stream->trace->config;
    config->tracer->on_span_end(config->provider, span, stream->loop);
}

static void flush_try(struct lk_http_stream *stream, struct lk_request_trace *trace)
{
    if (trace->try_open && trace->recording) {
        lk_trace_try_end(stream);
        lk_trace_try_tags(stream, trace);
        hand_over(stream, &trace->try_span);
    }
    trace->try_open = false;
}

void lk_trace_request_end(struct lk_http_stream *stream)
{
    struct lk_request_trace *trace = stream->trace;
    if (trace == NULL || !trace->recording)
        return;
    flush_try(stream, trace);
    trace->span.end_wall_us = lk_clock_wall_us();
    lk_trace_request_tags(stream, trace);
    hand_over(stream, &trace->span);
    trace->recording = false;
}

/* --- tries -------------------------------------------------------------------------------------------------------- */

static struct lk_str try_name(struct lk_http_stream *stream, const struct lk_request_trace *trace)
{
    const struct lk_format *operation = upstream_operation_of(trace);
    if (operation == NULL)
        return lk_arena_printf(&stream->arena, "router %.*s egress", LK_STR_ARG(stream->info.upstream.cluster_alt));
    struct lk_log_event event = event_of(stream);
    return lk_format_eval(operation, &event, true);
}

static struct lk_str address_text(struct lk_http_stream *stream)
{
    char text[LK_ADDR_TEXT_MAX];
    const struct lk_addr *addr = stream->info.upstream.host_addr;
    return addr != NULL ? lk_arena_str(&stream->arena, lk_addr_text(addr, text)) : lk_str(NULL, 0);
}

void lk_trace_try_begin(struct lk_http_stream *stream, unsigned attempt)
{
    struct lk_request_trace *trace = stream->trace;
    if (trace == NULL || !splits_spans(trace))
        return;
    flush_try(stream, trace);
    trace->try_status = 0;
    trace->try_span = (struct lk_trace_span){.kind = LK_SPAN_CLIENT, .start_wall_us = lk_clock_wall_us()};
    lk_trace_child(&trace->try_span.context, &trace->span.context, attempt);
    trace->try_open = true;
    if (!trace->recording)
        return;
    trace->try_span.name = try_name(stream, trace);
    trace->try_span.peer = address_text(stream);
    if (attempt > 1)
        lk_trace_tag_add(&trace->try_span, &stream->arena, LK_STR("retry.count"),
                         lk_arena_printf(&stream->arena, "%u", attempt - 1));
}

static void inject(struct lk_http_stream *stream, struct lk_headers *headers, struct lk_trace_context context)
{
    struct lk_request_trace *trace = stream->trace;
    const struct lk_trace_provider *provider = trace->config->provider;
    if (lk_trace_formats_have(&trace->formats, LK_TRACE_SKYWALKING)) {
        context.sw.service = provider->service;
        context.sw.instance = provider->instance;
        context.sw.endpoint = trace->endpoint;
        context.sw.target = address_text(stream);
    }
    lk_trace_inject(headers, &trace->formats, &context);
}

void lk_trace_try_inject(struct lk_http_stream *stream, struct lk_headers *headers)
{
    struct lk_request_trace *trace = stream->trace;
    if (trace != NULL && !trace->config->no_propagation)
        inject(stream, headers, trace->try_open ? trace->try_span.context : trace->span.context);
}

void lk_trace_mirror_inject(struct lk_http_stream *stream, struct lk_headers *headers, enum lk_mirror_sampling sampled)
{
    struct lk_request_trace *trace = stream->trace;
    if (trace == NULL || trace->config->no_propagation)
        return;
    struct lk_trace_context context = trace->span.context;
    if (sampled != LK_MIRROR_SAMPLED_AS_REQUEST)
        context.decision = sampled == LK_MIRROR_SAMPLED ? LK_TRACE_SAMPLE : LK_TRACE_DROP;
    inject(stream, headers, context);
}

void lk_trace_try_answered(struct lk_http_stream *stream, unsigned status)
{
    if (stream->trace != NULL)
        stream->trace->try_status = status;
}

void lk_trace_try_end(struct lk_http_stream *stream)
{
    struct lk_request_trace *trace = stream->trace;
    if (trace != NULL && trace->try_open && trace->recording && trace->try_span.end_wall_us == 0)
        trace->try_span.end_wall_us = lk_clock_wall_us();
}
