/* A filter that does what its script says and notes what it saw. */
#pragma once

#include "proxy/base/mem.h"
#include "test/support/chain_harness.h"
#include "test/support/lk_test.h"

struct script {
    const char *name; /* in the transcript; NULL: stays silent */
    enum lk_filter_status request_headers, request_data, request_trailers;
    enum lk_filter_status response_headers, response_data, response_trailers;
    size_t want_request, want_response; /* whole body up to so many bytes */
    bool absent;                        /* stream_new says NULL */
    bool resume_inside;                 /* resumes in the callback that pauses */
    bool once;                          /* pauses at its first event only */
    void (*on_event)(struct script *script, const char *event);
    struct lk_http_slot *slot;
    unsigned destroyed;
};

static inline void note(struct script *s, const char *event)
{
    if (s->name != NULL)
        chain_note(chain_harness_of(s->slot), "%s: %s", s->name, event);
    if (s->on_event != NULL)
        s->on_event(s, event);
}

static inline enum lk_filter_status give(struct script *s, enum lk_filter_status *status, enum lk_http_direction dir)
{
    enum lk_filter_status result = *status;
    if (s->once && result == LK_FILTER_PAUSE)
        *status = LK_FILTER_CONTINUE;
    if (s->resume_inside)
        lk_http_resume(s->slot, dir);
    return result;
}

static inline void *script_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct script *s = (struct script *)config;
    (void)worker;
    s->slot = slot;
    return s->absent ? NULL : s;
}

static inline enum lk_filter_status request_headers(void *self, struct lk_headers *headers, bool end)
{
    struct script *s = self;
    (void)headers;
    if (s->want_request > 0)
        lk_http_want_body(s->slot, LK_HTTP_REQUEST, s->want_request);
    note(s, end ? "request end" : "request");
    return give(s, &s->request_headers, LK_HTTP_REQUEST);
}

static inline void note_data(struct script *s, const char *what, struct lk_span data, bool end)
{
    char text[128];
    snprintf(text, sizeof(text), "%s \"%.*s\"%s", what, (int)LK_MIN(data.len, 64u), data.ptr, end ? " end" : "");
    note(s, text);
}

static inline enum lk_filter_status request_data(void *self, struct lk_span data, bool end)
{
    struct script *s = self;
    note_data(s, "request data", data, end);
    return give(s, &s->request_data, LK_HTTP_REQUEST);
}

static inline enum lk_filter_status request_trailers(void *self, struct lk_headers *trailers)
{
    struct script *s = self;
    (void)trailers;
    note(s, "request trailers");
    return give(s, &s->request_trailers, LK_HTTP_REQUEST);
}

static inline enum lk_filter_status response_headers(void *self, struct lk_headers *headers, bool end)
{
    struct script *s = self;
    char text[64];
    if (s->want_response > 0)
        lk_http_want_body(s->slot, LK_HTTP_RESPONSE, s->want_response);
    snprintf(text, sizeof(text), "response %u%s", lk_headers_status(headers), end ? " end" : "");
    note(s, text);
    return give(s, &s->response_headers, LK_HTTP_RESPONSE);
}

static inline enum lk_filter_status response_data(void *self, struct lk_span data, bool end)
{
    struct script *s = self;
    note_data(s, "response data", data, end);
    return give(s, &s->response_data, LK_HTTP_RESPONSE);
}

static inline enum lk_filter_status response_trailers(void *self, struct lk_headers *trailers)
{
    struct script *s = self;
    (void)trailers;
    note(s, "response trailers");
    return give(s, &s->response_trailers, LK_HTTP_RESPONSE);
}

static inline void destroy(void *self)
{
    ((struct script *)self)->destroyed++;
}

static const struct lk_http_filter script_filter = {
    .name = "test.script",
    .type = "test.Script",
    .stream_new = script_new,
    .on_request_headers = request_headers,
    .on_request_data = request_data,
    .on_request_trailers = request_trailers,
    .on_response_headers = response_headers,
    .on_response_data = response_data,
    .on_response_trailers = response_trailers,
    .on_destroy = destroy,
};

static inline struct chain_harness *chain_of(struct script *a, struct script *b)
{
    const struct lk_http_filter_entry entries[] = {
        {.filter = &script_filter, .name = LK_STR_INIT("a"), .config = a},
        {.filter = &script_filter, .name = LK_STR_INIT("b"), .config = b},
    };
    return chain_harness_new(entries, b != NULL ? 2 : 1);
}
