/* What the files of a rehearsed request in the HTTP manager share: http_explain.c runs it, http_explain_notes.c tells
 * of it. */
#pragma once

#include "proxy/downstream/http_manager_internal.h"
#include "proxy/filter/explain.h"

struct lk_http_rehearsal {
    struct lk_http_exchange ex;
    struct lk_http_conn hc;
    struct lk_codec *codec;
    struct lk_buf out; /* what it writes; thrown away */
    struct lk_http_sink sink;
    struct lk_route_trace trace;
    struct lk_headers *head;   /* NULL: the codec has decoded none */
    struct lk_headers as_sent; /* the same before anybody touched it */
    struct lk_explain *explain;
    struct lk_note *domains, *routes; /* of the present match */
    size_t routes_tried;
    bool told_answer;
};

/* What its sink does with an answer: struct lk_http_sink.send_headers, send_data, reset. */
void lk_rehearsal_on_headers(struct lk_http_stream *stream, struct lk_headers *headers, bool end);
void lk_rehearsal_on_data(struct lk_http_stream *stream, struct lk_span data, bool end);
void lk_rehearsal_on_reset(struct lk_http_stream *stream, enum lk_reset_reason reason);

/* Sets the recorder of route matches. */
void lk_rehearsal_record_routes(struct lk_http_rehearsal *r);
/* Into a step that was begun before the head was looked at. */
void lk_rehearsal_tell_head(struct lk_http_rehearsal *r, struct lk_note *step, bool admitted);
void lk_rehearsal_tell_metadata(struct lk_http_rehearsal *r);
/* What the recorder of routes cannot tell. */
void lk_rehearsal_tell_no_route(struct lk_http_rehearsal *r);
void lk_rehearsal_tell_timeouts(struct lk_http_rehearsal *r);
