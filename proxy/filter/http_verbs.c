/* The accessors and verbs that filters use on their stream (http_filter.h). Runs on the stream's worker. */
#include "proxy/filter/http_stream.h"

struct lk_http_stream *lk_http_slot_stream(struct lk_http_slot *slot)
{
    return slot->stream;
}

struct lk_arena *lk_http_arena(struct lk_http_slot *slot)
{
    return &slot->stream->arena;
}

struct lk_loop *lk_http_loop(struct lk_http_slot *slot)
{
    return slot->stream->loop;
}

struct lk_stream_info *lk_http_info(struct lk_http_slot *slot)
{
    return &slot->stream->info;
}

struct lk_headers *lk_http_request_headers(struct lk_http_slot *slot)
{
    return slot->stream->request;
}

struct lk_headers *lk_http_response_headers(struct lk_http_slot *slot)
{
    return slot->stream->response;
}

const void *lk_http_route_config(struct lk_http_slot *slot)
{
    return slot->stream->sink->route_config(slot->stream, slot->entry->name);
}

void lk_http_clear_route(struct lk_http_slot *slot)
{
    slot->stream->sink->clear_route(slot->stream);
}

void lk_http_pause_request(struct lk_http_slot *slot)
{
    slot->stream->sink->pause_request(slot->stream, true);
}

void lk_http_resume_request(struct lk_http_slot *slot)
{
    slot->stream->sink->pause_request(slot->stream, false);
}

void lk_http_local_reply(struct lk_http_slot *slot, const struct lk_local_reply *reply)
{
    if (!slot->stream->destroyed)
        slot->stream->sink->local_reply(slot->stream, reply);
}

void lk_http_reset(struct lk_http_slot *slot, enum lk_reset_reason reason)
{
    if (!slot->stream->destroyed)
        slot->stream->sink->reset(slot->stream, reason);
}

void lk_http_respond_informational(struct lk_http_slot *slot, struct lk_headers *headers)
{
    struct lk_http_stream *stream = slot->stream;
    if (!stream->destroyed && !stream->response_started)
        stream->sink->send_informational(stream, headers);
}
