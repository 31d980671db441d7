/*
 * The router: the engine behind the terminal HTTP filter. Takes a request that passed all filters, chooses cluster and
 * host, runs tries, and feeds the response back into the chain. filters/http/router.c is its descriptor.
 *
 * What belongs to the request (deadline, retry state, retained body) is here; what belongs to one try is
 * upstream_request.
 */
#pragma once

#include "proxy/base/list.h"
#include "proxy/filter/http_filter.h"
#include "proxy/io/timer.h"
#include "proxy/router/retry.h"
#include "proxy/router/route_action.h"
#include "proxy/router/upstream_request.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_router_config {
    struct lk_clusters *clusters;
    bool suppress_envoy_headers;
    bool respect_expected_rq_timeout;
};

struct lk_host_list {
    const struct lk_host *hosts[16];
    unsigned count;
};

struct lk_router {
    struct lk_http_slot *slot;
    const struct lk_router_config *config;
    struct lk_loop *loop;
    struct lk_stream_info *info;
    const struct lk_route *route;
    const struct lk_weighted_cluster *weighted;
    const struct lk_match_criteria *match; /* what endpoints are to match; NULL: nothing, or nobody asks */
    struct lk_cluster_view *routed;        /* the route's cluster */
    struct lk_cluster_view *view;          /* of the present try: the same, unless a host selector chose elsewhere */
    struct lk_headers *request;
    struct lk_headers *trailers;
    struct lk_buf body;  /* the request body from its start while `whole`, else what no try has taken yet */
    bool whole;          /* body has every byte so far: another try can be made */
    bool request_done;   /* the request has arrived completely */
    bool request_paused; /* we slow the downstream down */
    bool body_sent;      /* the present try has got all of body */
    bool bodyless;       /* the request ended with its head */
    bool upgraded;       /* 101 came: no deadline holds */
    bool responding;     /* response headers went into the chain */
    bool response_done;
    bool idempotent;
    bool done;                                /* nothing more to do: answered, reset or destroyed */
    struct lk_breaker *breakers;              /* of the last try, by routing priority; NULL: there was none */
    struct lk_breaker *retry_counted;         /* where a running retry counts; NULL: nowhere */
    uint8_t priority;                         /* whose limits count: 0 DEFAULT, 1 HIGH */
    struct lk_list *mirrors;                  /* copies that await the rest of the request; NULL: none */
    const struct lk_headers *refused_upgrade; /* answered without switching protocols */
    unsigned replays;
    unsigned tries;
    uint32_t timeout_ms, per_try_timeout_ms;
    uint64_t complete_us; /* when request_done was set */
    struct lk_timer timeout;
    struct lk_timer try_idle; /* per_try_idle_timeout: since the try's last sign of life */
    struct lk_timer per_try;  /* per-try timeout, or the back-off before the next try */
    bool backing_off;
    bool avoid_canary;
    struct lk_retry_state retry;
    struct lk_host_list tried;
    struct lk_upstream_request attempt;
};

/* The filter's callbacks; `self` is a struct lk_router in the stream's arena. */
struct lk_router *lk_router_new(struct lk_http_slot *slot, const struct lk_router_config *config);
enum lk_filter_status lk_router_on_headers(void *self, struct lk_headers *headers, bool end);
enum lk_filter_status lk_router_on_data(void *self, struct lk_span data, bool end);
enum lk_filter_status lk_router_on_trailers(void *self, struct lk_headers *trailers);
void lk_router_on_response_blocked(void *self, bool blocked);
void lk_router_on_destroy(void *self);
/* router_explain.c: struct lk_http_filter.explain */
void lk_router_explain(void *self, struct lk_headers *headers, bool end, struct lk_explain *explain);
