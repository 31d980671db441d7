/* Copies of a request for other clusters. See mirror.h. Runs on the stream's worker. */
#include "proxy/router/mirror.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/config/runtime.h"
#include "proxy/filter/http_stream.h"
#include "proxy/filter/tracing.h"
#include "proxy/http/path.h"
#include "proxy/io/local_address.h"
#include "proxy/router/router_response.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/host_selector.h"
#include "proxy/upstream/outlier.h"

struct lk_mirror {
    struct lk_list node;   /* of the same request, until that has arrived */
    struct lk_arena arena; /* head and trailers */
    struct lk_cluster_view *view;
    struct lk_headers head;
    struct lk_headers trailers;
    struct lk_buf body; /* what came before there was a connection */
    struct lk_upstream_request attempt;
    struct lk_timer timeout; /* of the route, from the end of the request on */
    struct lk_deferred gone;
    uint32_t timeout_ms;
    uint64_t complete_us; /* when the request had arrived; 0: not yet */
    uint8_t priority;
    bool bodyless;
    bool has_trailers;
    bool sending; /* the head went out */
    bool answered;
    bool over;
};

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void on_gone(struct lk_deferred *deferred)
{
    struct lk_mirror *mirror = LK_CONTAINER_OF(deferred, struct lk_mirror, gone);
    lk_buf_clear(&mirror->body);
    lk_arena_reset(&mirror->arena);
    lk_free(mirror);
}

/* Nothing more is heard of it. */
static void finish(struct lk_mirror *mirror)
{
    if (mirror->over)
        return;
    mirror->over = true;
    lk_list_remove(&mirror->node);
    lk_timer_clear(&mirror->timeout);
    lk_upstream_request_cancel(&mirror->attempt);
    lk_loop_defer(mirror->view->loop, &mirror->gone);
}

/* Where a client would have got an answer of ours. */
static void charge(struct lk_mirror *mirror, unsigned status)
{
    if (!mirror->answered)
        lk_cluster_charge_code(mirror->view->stats, true, status);
}

static void on_timeout(struct lk_timer *timer)
{
    struct lk_mirror *mirror = LK_CONTAINER_OF(timer, struct lk_mirror, timeout);
    lk_stats_inc(mirror->view->stats, LK_CLUSTER_RQ_TIMEOUT);
    if (mirror->attempt.wh != NULL)
        lk_outlier_failed(mirror->view->cluster, mirror->attempt.wh->state, true);
    charge(mirror, 504);
    finish(mirror);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void answer_complete(struct lk_mirror *mirror)
{
    uint64_t now_us = lk_loop_now_us(mirror->view->loop);
    uint64_t since_us = mirror->complete_us != 0 && now_us > mirror->complete_us ? now_us - mirror->complete_us : 0;
    lk_stats_record(mirror->view->stats, LK_CLUSTER_RQ_TIME, since_us / 1000);
    finish(mirror);
}

static void on_informational(struct lk_upstream_request *attempt, struct lk_headers *headers)
{
    (void)attempt;
    (void)headers;
}

static void on_headers(struct lk_upstream_request *attempt, struct lk_headers *headers, bool end)
{
    struct lk_mirror *mirror = attempt->owner;
    unsigned status = lk_headers_status(headers);
    charge(mirror, status);
    mirror->answered = true;
    if (attempt->wh != NULL) {
        lk_host_count(status >= 500 ? &attempt->wh->state->rq_error : &attempt->wh->state->rq_success, 1);
        lk_outlier_answered(mirror->view->cluster, attempt->wh->state, status);
    }
    if (end)
        answer_complete(mirror);
}

static void on_data(struct lk_upstream_request *attempt, struct lk_span data, bool end)
{
    (void)data;
    if (end)
        answer_complete(attempt->owner);
}

static void on_trailers(struct lk_upstream_request *attempt, struct lk_headers *trailers)
{
    (void)trailers;
    answer_complete(attempt->owner);
}

static void on_failed(struct lk_upstream_request *attempt, const struct lk_upstream_failure *failure)
{
    struct lk_mirror *mirror = attempt->owner;
    if (failure->reason != LK_RESET_OVERFLOW)
        lk_stats_inc(mirror->view->stats,
                     failure->before_pool ? LK_CLUSTER_RQ_PENDING_FAILURE_EJECT : LK_CLUSTER_RQ_RX_RESET);
    charge(mirror, failure->reason == LK_RESET_PROTOCOL_ERROR ? 502 : 503);
    finish(mirror);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static bool is_complete(const struct lk_mirror *mirror)
{
    return mirror->complete_us != 0;
}

static void on_ready(struct lk_upstream_request *attempt)
{
    struct lk_mirror *mirror = attempt->owner;
    bool ends_here = is_complete(mirror) && !mirror->has_trailers;
    mirror->sending = true;
    lk_upstream_request_send_headers(attempt, &mirror->head, mirror->bodyless);
    if (mirror->bodyless)
        return;
    if (mirror->body.len > 0)
        lk_upstream_request_send_shared(attempt, &mirror->body, ends_here);
    else if (ends_here)
        lk_upstream_request_send_data(attempt, lk_span(NULL, "", 0), true);
    lk_buf_clear(&mirror->body);
    if (mirror->has_trailers)
        lk_upstream_request_send_trailers(attempt, &mirror->trailers);
}

static void on_writable(struct lk_upstream_request *attempt)
{
    (void)attempt;
}

static const struct lk_upstream_request_ops attempt_ops = {
    .on_ready = on_ready,
    .on_informational = on_informational,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_failed = on_failed,
    .on_writable = on_writable,
};

static void request_complete(struct lk_mirror *mirror)
{
    mirror->complete_us = lk_loop_now_us(mirror->view->loop);
    if (mirror->timeout_ms > 0 && !mirror->over)
        lk_timer_set(mirror->view->loop, &mirror->timeout, mirror->timeout_ms);
}

/* A host that reads more slowly than the client sends is not waited for. */
static void give_up(struct lk_mirror *mirror)
{
    lk_stats_inc(mirror->view->stats, LK_CLUSTER_RETRY_OR_SHADOW_ABANDONED);
    finish(mirror);
}

static void copy_data(struct lk_mirror *mirror, struct lk_span data, bool end)
{
    if (mirror->over)
        return;
    if (!mirror->sending)
        lk_buf_add_span(&mirror->body, data);
    if (mirror->body.len > mirror->view->config->buffer_limit ||
        (mirror->sending && lk_upstream_request_full(&mirror->attempt))) {
        give_up(mirror);
        return;
    }
    if (end)
        request_complete(mirror);
    if (mirror->sending)
        lk_upstream_request_send_data(&mirror->attempt, data, end);
}

static void copy_trailers(struct lk_mirror *mirror, const struct lk_headers *trailers)
{
    if (mirror->over)
        return;
    lk_headers_clone(&mirror->trailers, trailers, &mirror->arena);
    mirror->has_trailers = true;
    request_complete(mirror);
    if (mirror->sending)
        lk_upstream_request_send_trailers(&mirror->attempt, &mirror->trailers);
}

/* --- the copy's head ---------------------------------------------------------------------------------------------- */

/* "web.test:8080" -> "web.test-shadow:8080" */
static void mark_host(struct lk_headers *head)
{
    struct lk_str authority = lk_headers_get(head, LK_HEADER_AUTHORITY);
    struct lk_str host, port;
    if (authority.len == 0)
        return;
    lk_host_split(authority, &host, &port);
    lk_headers_set(head, LK_HEADER_AUTHORITY,
                   port.len > 0 ? lk_arena_printf(head->arena, "%.*s-shadow:%.*s", LK_STR_ARG(host), LK_STR_ARG(port))
                                : lk_arena_printf(head->arena, "%.*s-shadow", LK_STR_ARG(authority)));
}

/* As a request that this process makes itself. */
static void mark_internal(struct lk_headers *head)
{
    static const struct lk_header_key forwarded = {LK_HEADER_X_FORWARDED_FOR, LK_STR_INIT("x-forwarded-for")};
    struct lk_str from = lk_headers_get_joined(head, &forwarded);
    struct lk_str own = lk_local_address_text(AF_INET);
    if (from.ptr != NULL)
        own = lk_arena_printf(head->arena, "%.*s,%.*s", LK_STR_ARG(from), LK_STR_ARG(own));
    lk_headers_set(head, LK_HEADER_X_FORWARDED_FOR, own);
    lk_headers_set(head, LK_HEADER_X_ENVOY_INTERNAL, LK_STR("true"));
}

static struct lk_cluster_view *cluster_of(const struct lk_router *router, const struct lk_mirror_policy *policy)
{
    struct lk_str name = policy->cluster;
    if (policy->cluster_header.len > 0) {
        const struct lk_header *header = lk_headers_find_name(router->request, policy->cluster_header);
        name = header != NULL ? header->value : lk_str(NULL, 0);
    }
    return name.len > 0 ? lk_cluster_view_get(router->config->clusters, router->loop, name) : NULL;
}

struct lk_cluster_view *lk_mirror_cluster(const struct lk_router *router, const struct lk_mirror_policy *policy,
                                          uint64_t random)
{
    return lk_fraction_hit(&policy->fraction, random) ? cluster_of(router, policy) : NULL;
}

static struct lk_mirror *mirror_new(const struct lk_router *router, const struct lk_mirror_policy *policy,
                                    struct lk_cluster_view *view)
{
    struct lk_mirror *mirror = lk_calloc(1, sizeof(*mirror));
    lk_list_init(&mirror->node);
    lk_arena_init(&mirror->arena);
    mirror->view = view;
    mirror->priority = router->priority;
    mirror->timeout_ms = router->timeout_ms;
    lk_buf_init(&mirror->body, lk_loop_pool(router->loop));
    lk_timer_init(&mirror->timeout, on_timeout);
    lk_deferred_init(&mirror->gone, on_gone);
    lk_headers_clone(&mirror->head, router->request, &mirror->arena);
    lk_trace_mirror_inject(lk_http_slot_stream(router->slot), &mirror->head, policy->sampled);
    if (!policy->keep_host)
        mark_host(&mirror->head);
    mark_internal(&mirror->head);
    return mirror;
}

struct lk_list *lk_mirrors_new(struct lk_router *router)
{
    const struct lk_route_action *action = &router->route->action;
    struct lk_list *list;
    if (lk_http_slot_stream(router->slot)->request_upgrade)
        return NULL; /* what follows an upgrade is no request any more */
    list = lk_arena_alloc(lk_http_arena(router->slot), sizeof(*list));
    lk_list_init(list);
    for (size_t i = 0; i < action->mirrors.count; i++) {
        const struct lk_mirror_policy *policy = &action->mirrors.items[i];
        struct lk_cluster_view *view = lk_mirror_cluster(router, policy, lk_rand_u64());
        if (view != NULL)
            lk_list_push_back(list, &mirror_new(router, policy, view)->node);
    }
    return list;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static struct lk_host_selection select_host(const struct lk_router *router, struct lk_mirror *mirror)
{
    const struct lk_conn_info *conn = router->info->conn;
    struct lk_mirror_selector *selector = router->info->mirrors;
    const struct lk_pick pick = {.original_dst = conn->local_restored ? &conn->local : NULL};
    if (selector != NULL)
        return selector->select(selector, mirror->view, &mirror->head, &pick);
    return (struct lk_host_selection){.host = lk_cluster_pick(mirror->view, &pick)};
}

static void start(const struct lk_router *router, struct lk_mirror *mirror, bool end)
{
    struct lk_host_selection chosen = select_host(router, mirror);
    mirror->bodyless = end;
    if (chosen.host == NULL) {
        if (!chosen.refused) {
            lk_stats_inc(mirror->view->stats, LK_CLUSTER_CX_NONE_HEALTHY);
            charge(mirror, 503);
        }
        finish(mirror);
        return;
    }
    mirror->view = chosen.host->view; /* a sibling's, where clusters are lanes */
    if (end)
        request_complete(mirror);
    lk_upstream_request_start(&mirror->attempt, &attempt_ops, mirror, &mirror->arena, chosen.host, mirror->priority,
                              false, false);
}

#define MIRROR(node_) LK_LIST_ENTRY(node_, struct lk_mirror, node)

/* The request has arrived: they go on by themselves. */
static void release(struct lk_router *router)
{
    LK_LIST_FOREACH_SAFE(node, router->mirrors)
    {
        lk_list_remove(node);
    }
    router->mirrors = NULL;
}

void lk_mirrors_start(struct lk_router *router, struct lk_list *mirrors, bool end)
{
    bool wanted = router->tries > 0 && (end || !router->done);
    router->mirrors = mirrors;
    if (!wanted) {
        lk_mirrors_cancel(router);
        return;
    }
    LK_LIST_FOREACH_SAFE(node, mirrors)
    {
        start(router, MIRROR(node), end);
    }
    if (end)
        release(router);
}

void lk_mirrors_data(struct lk_router *router, struct lk_span data, bool end)
{
    LK_LIST_FOREACH_SAFE(node, router->mirrors)
    {
        copy_data(MIRROR(node), data, end);
    }
    if (end)
        release(router);
}

void lk_mirrors_trailers(struct lk_router *router, const struct lk_headers *trailers)
{
    LK_LIST_FOREACH_SAFE(node, router->mirrors)
    {
        copy_trailers(MIRROR(node), trailers);
    }
    release(router);
}

void lk_mirrors_cancel(struct lk_router *router)
{
    LK_LIST_FOREACH_SAFE(node, router->mirrors)
    {
        finish(MIRROR(node));
    }
    router->mirrors = NULL;
}
