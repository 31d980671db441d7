/* Answers made here: body and headers of local replies, shaped by local_reply_config (envoy HttpConnectionManager).
 * Runs on the session's worker. */
#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager_internal.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/log_filter.h"
#include "proxy/http/status.h"
#include "proxy/router/header_mutation.h"

struct draft {
    unsigned status;
    struct lk_str body;
    struct lk_str content_type;
    const struct lk_log_format *format;
    const struct lk_header_mutations *headers;
};

static struct lk_log_event event_of(struct lk_http_exchange *ex, const struct lk_headers *response)
{
    return (struct lk_log_event){.info = &ex->stream.info,
                                 .request = ex->stream.request,
                                 .response = response,
                                 .arena = &ex->stream.arena,
                                 .loop = ex->stream.loop};
}

static void apply_mapper(struct lk_http_exchange *ex, struct draft *draft)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_log_event event = event_of(ex, NULL);
    for (size_t i = 0; i < config->mapper_count; i++) {
        const struct lk_reply_mapper *mapper = &config->mappers[i];
        if (mapper->filter != NULL && !lk_log_filter_match(mapper->filter, &event))
            continue;
        if (mapper->status != 0)
            draft->status = mapper->status;
        if (mapper->has_body)
            draft->body = mapper->body;
        if (mapper->body_format != NULL)
            draft->format = mapper->body_format;
        draft->headers = &mapper->headers;
        return;
    }
}

static void apply_format(struct lk_http_exchange *ex, struct draft *draft)
{
    const struct lk_log_format *format = draft->format;
    if (format == NULL)
        return;
    struct lk_log_event event = event_of(ex, NULL);
    ex->stream.info.local_reply_body = draft->body;
    if (format->json != NULL) {
        struct lk_str json = lk_json_format_eval(format->json, &event, format->omit_empty_values);
        draft->body = lk_arena_printf(&ex->stream.arena, "%.*s\n", LK_STR_ARG(json));
        draft->content_type = LK_STR("application/json");
    } else {
        draft->body = lk_format_eval(format->text, &event, format->omit_empty_values);
    }
    if (format->content_type.len > 0)
        draft->content_type = format->content_type;
}

static struct lk_headers *make_head(struct lk_http_exchange *ex, const struct draft *draft,
                                    const struct lk_local_reply *reply)
{
    struct lk_arena *arena = &ex->stream.arena;
    struct lk_headers *headers = lk_arena_zalloc(arena, sizeof(*headers));
    lk_headers_init(headers, arena);
    lk_headers_set_status(headers, draft->status);
    if (draft->headers != NULL) {
        struct lk_log_event event = event_of(ex, headers);
        lk_header_mutations_apply(draft->headers, headers, &event);
    }
    if (reply->modify != NULL)
        reply->modify(reply->arg, headers);
    if (draft->body.len > 0) {
        lk_headers_set(headers, LK_HEADER_CONTENT_LENGTH, lk_arena_printf(arena, "%zu", draft->body.len));
        if (lk_headers_find(headers, LK_HEADER_CONTENT_TYPE) == NULL)
            lk_headers_add(headers, LK_HEADER_CONTENT_TYPE, draft->content_type);
    }
    return headers;
}

/* A gRPC client reads trailers-only replies: HTTP 200 with grpc-status (gRPC over HTTP/2, "Responses"). */
static struct lk_headers *make_grpc_head(struct lk_http_exchange *ex, const struct draft *draft,
                                         const struct lk_local_reply *reply)
{
    struct lk_arena *arena = &ex->stream.arena;
    struct lk_headers *headers = lk_arena_zalloc(arena, sizeof(*headers));
    unsigned status = reply->grpc_status >= 0 ? (unsigned)reply->grpc_status : lk_status_to_grpc(draft->status);
    lk_headers_init(headers, arena);
    lk_headers_set_status(headers, 200);
    if (draft->headers != NULL) {
        struct lk_log_event event = event_of(ex, headers);
        lk_header_mutations_apply(draft->headers, headers, &event);
    }
    lk_headers_add(headers, LK_HEADER_CONTENT_TYPE, LK_STR("application/grpc"));
    lk_headers_add(headers, LK_HEADER_GRPC_STATUS, lk_arena_printf(arena, "%u", status));
    if (draft->body.len > 0 && !ex->head_request)
        lk_headers_add(headers, LK_HEADER_GRPC_MESSAGE, lk_percent_encode(arena, draft->body, "%"));
    if (reply->modify != NULL)
        reply->modify(reply->arg, headers);
    return headers;
}

void lk_exchange_local_reply(struct lk_http_exchange *ex, const struct lk_local_reply *reply)
{
    struct lk_http_stream *stream = &ex->stream;
    if (ex->ended || ex->cs == NULL)
        return;
    if (stream->response_started || stream->local_response) {
        stream->info.details = reply->details;
        lk_exchange_reset(ex, LK_RESET_LOCAL);
        return;
    }
    struct draft draft = {.status = reply->status,
                          .body = reply->body,
                          .content_type = LK_STR("text/plain"),
                          .format = ex->hc->config->reply_format};
    stream->info.response_code = reply->status;
    stream->info.details = reply->details;
    stream->info.local_reply_body = reply->body;
    apply_mapper(ex, &draft);
    stream->info.response_code = draft.status;
    apply_format(ex, &draft);
    if (ex->is_grpc) {
        lk_http_chain_local_response(stream, make_grpc_head(ex, &draft, reply), lk_str(NULL, 0));
        return;
    }
    struct lk_headers *headers = make_head(ex, &draft, reply);
    lk_http_chain_local_response(stream, headers, ex->head_request ? lk_str(NULL, 0) : draft.body);
}

void lk_exchange_reply(struct lk_http_exchange *ex, unsigned status, struct lk_str body, struct lk_str details)
{
    struct lk_local_reply reply = {.status = status, .body = body, .details = details, .grpc_status = -1};
    lk_exchange_local_reply(ex, &reply);
}
