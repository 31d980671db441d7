/* A router as the only filter of a chain, with one upstream host on loopback behind it. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/router/route_table.h"
#include "proxy/router/router.h"
#include "test/support/chain_harness.h"
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static inline void *router_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    (void)worker;
    return lk_router_new(slot, config);
}

static const struct lk_http_filter router_filter = {
    .name = "test.router",
    .type = "test.Router",
    .terminal = true,
    .stream_new = router_new,
    .on_request_headers = lk_router_on_headers,
    .on_request_data = lk_router_on_data,
    .on_request_trailers = lk_router_on_trailers,
    .on_response_blocked = lk_router_on_response_blocked,
    .on_destroy = lk_router_on_destroy,
};

/* One upstream host, one route to it, and requests one after the other. */
struct setup {
    struct upstream_fixture *f;
    struct lk_router_config config;
    struct lk_route_config table;
    struct lk_virtual_host host;
    struct lk_route route;
    struct lk_retry_policy retry;
    struct chain_harness *h;
};

static inline void begin(struct setup *s)
{
    memset(s, 0, sizeof(*s));
    s->f = upstream_new(1);
    s->route.virtual_host = &s->host;
    s->route.action.cluster = LK_STR("upstream");
    s->route.action.cluster_not_found_code = 503;
}

/* A request enters; the router is the only filter. */
static inline void request(struct setup *s, const char *method, bool end)
{
    const struct lk_http_filter_entry entry = {
        .filter = &router_filter, .name = LK_STR("router"), .config = &s->config};
    if (s->f->clusters == NULL)
        upstream_start(s->f);
    s->config.clusters = s->f->clusters;
    s->h = chain_harness_on(s->f->loop, &entry, 1);
    s->h->route = &s->route;
    s->h->stream.info.route = &s->route;
    s->h->stream.info.route_config = &s->table;
    chain_set(s->h, ":method", method);
    chain_request(s->h, end);
}

static inline struct lk_stream_info *info_of(struct setup *s)
{
    return &s->h->stream.info;
}

static inline void done(struct setup *s)
{
    chain_harness_free(s->h);
    s->h = NULL;
}

static inline void finish(struct setup *s)
{
    if (s->h != NULL)
        done(s);
    upstream_turn(s->f, 3);
    for (unsigned p = 0; p < 2; p++) {
        LK_CHECK_EQ_UINT(lk_breaker_used(&s->f->cluster->breakers[p], LK_RESOURCE_REQUESTS), 0);
        LK_CHECK_EQ_UINT(lk_breaker_used(&s->f->cluster->breakers[p], LK_RESOURCE_PENDING), 0);
        LK_CHECK_EQ_UINT(lk_breaker_used(&s->f->cluster->breakers[p], LK_RESOURCE_RETRIES), 0);
    }
    LK_CHECK_EQ_UINT(upstream_stat(s->f, LK_CLUSTER_RQ_ACTIVE), 0);
    LK_CHECK_EQ_UINT(upstream_stat(s->f, LK_CLUSTER_RQ_PENDING_ACTIVE), 0);
    upstream_free(s->f);
}

#define OK_BODY "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

static inline void client_done(struct setup *s)
{
    UPSTREAM_UNTIL(s->f, s->h->client_done);
}

/* Takes the next connection, reads a whole head and answers. */
static inline int serve(struct setup *s, const char *answer)
{
    int server = upstream_accept(s->f, 0);
    upstream_read(s->f, server, "\r\n\r\n");
    upstream_write(server, answer);
    return server;
}
