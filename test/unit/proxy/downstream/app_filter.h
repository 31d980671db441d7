/* The application behind the chain: a terminal filter that answers as the test says. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/downstream/http_manager.h"
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* One request at the terminal filter. /hello answers; /big sends BIG bytes as fast as it may; /echo gives back the
 * body; /ws is a tunnel that gives back what it gets, once the test has granted it; /wait leaves the answer to the
 * test; /early answers before the body. */
#define BIG (2u << 20)

struct call {
    struct lk_http_slot *slot;
    size_t sent; /* of /big */
    bool big, echo, blocked;
    char early[64]; /* payload before the upgrade was granted */
    size_t early_len;
    struct lk_deferred again;
};

static struct {
    struct call *last;
    unsigned created, destroyed, blocked, heads;
    char head[4096]; /* of the last request, "name: value" lines */
    uint64_t flags;  /* of the last stream, at its end */
    char details[128];
    unsigned code;
} app;

static inline struct lk_headers *make_head(struct lk_http_slot *slot, unsigned status)
{
    struct lk_headers *headers = lk_arena_zalloc(lk_http_arena(slot), sizeof(*headers));
    lk_headers_init(headers, lk_http_arena(slot));
    lk_headers_set_status(headers, status);
    return headers;
}

static inline void answer(struct call *call, unsigned status, const char *body)
{
    struct lk_headers *headers = make_head(call->slot, status);
    lk_headers_add(headers, LK_HEADER_CONTENT_LENGTH, lk_arena_printf(lk_http_arena(call->slot), "%zu", strlen(body)));
    lk_http_respond_headers(call->slot, headers, body[0] == '\0');
    if (body[0] != '\0')
        lk_http_respond_data(call->slot, lk_span(NULL, body, strlen(body)), true);
}

static inline void pump(struct lk_deferred *deferred)
{
    static char block[16384];
    struct call *call = LK_CONTAINER_OF(deferred, struct call, again);
    memset(block, 'b', sizeof(block));
    if (call->blocked)
        return;
    call->sent += sizeof(block);
    bool end = call->sent >= BIG;
    struct lk_loop *loop = lk_http_loop(call->slot);
    if (!end)
        lk_loop_defer(loop, &call->again);
    lk_http_respond_data(call->slot, lk_span(NULL, block, sizeof(block)), end);
}

static inline void *call_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct call *call = lk_arena_zalloc(lk_http_arena(slot), sizeof(*call));
    (void)config;
    (void)worker;
    call->slot = slot;
    lk_deferred_init(&call->again, pump);
    app.last = call;
    app.created++;
    return call;
}

static inline void write_head(const struct lk_headers *headers)
{
    size_t len = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        len += (size_t)snprintf(app.head + len, sizeof(app.head) - len, "%.*s: %.*s\n", LK_STR_ARG(h->name),
                                LK_STR_ARG(h->value));
    }
    app.heads++;
}

static inline enum lk_filter_status call_headers(void *self, struct lk_headers *headers, bool end)
{
    struct call *call = self;
    struct lk_str path = lk_headers_get(headers, LK_HEADER_PATH);
    write_head(headers);
    if (lk_str_eq(path, LK_STR("/hello"))) {
        if (end)
            answer(call, 200, "hello");
    } else if (lk_str_eq(path, LK_STR("/early"))) {
        answer(call, 200, "early");
    } else if (lk_str_eq(path, LK_STR("/big"))) {
        call->big = true;
        lk_http_respond_headers(call->slot, make_head(call->slot, 200), false);
        lk_loop_defer(lk_http_loop(call->slot), &call->again);
    } else if (lk_str_eq(path, LK_STR("/echo"))) {
        call->echo = true;
        lk_http_respond_headers(call->slot, make_head(call->slot, 200), end);
    } else if (lk_str_eq(path, LK_STR("/ws"))) {
        call->echo = true; /* granted by the test */
    }
    return LK_FILTER_CONTINUE;
}

static inline enum lk_filter_status call_data(void *self, struct lk_span data, bool end)
{
    struct call *call = self;
    if (call->echo && !lk_http_slot_stream(call->slot)->response_started)
        call->early_len += (size_t)snprintf(call->early + call->early_len, sizeof(call->early) - call->early_len,
                                            "%.*s", (int)data.len, data.ptr);
    else if (call->echo)
        lk_http_respond_data(call->slot, data, end);
    else if (end && !lk_http_slot_stream(call->slot)->response_started)
        answer(call, 200, "hello");
    return LK_FILTER_CONTINUE;
}

static inline void call_blocked(void *self, bool blocked)
{
    struct call *call = self;
    app.blocked += blocked;
    call->blocked = blocked;
    if (!blocked && call->big)
        lk_loop_defer(lk_http_loop(call->slot), &call->again);
}

static inline void call_destroy(void *self)
{
    struct call *call = self;
    const struct lk_stream_info *info = lk_http_info(call->slot);
    lk_list_remove(&call->again.node);
    app.destroyed++;
    app.flags = info->flags;
    app.code = info->response_code;
    snprintf(app.details, sizeof(app.details), "%.*s", LK_STR_ARG(info->details));
    if (app.last == call)
        app.last = NULL;
}

static const struct lk_http_filter app_filter = {
    .name = "test.app",
    .type = "test.App",
    .terminal = true,
    .stream_new = call_new,
    .on_request_headers = call_headers,
    .on_request_data = call_data,
    .on_response_blocked = call_blocked,
    .on_destroy = call_destroy,
};
