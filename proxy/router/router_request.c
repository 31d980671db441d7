/* Prepares a request for its cluster: timeouts, headers, rewrites. Runs on the stream's worker. */
#include "proxy/router/router_request.h"

#include "proxy/base/mem.h"
#include "proxy/http/path.h"
#include "proxy/router/header_mutation.h"

#define DEFAULT_TIMEOUT_MS 15000u

/* Reads a number of milliseconds and removes the header. */
static bool take_ms(struct lk_headers *headers, enum lk_header_id id, uint32_t *out)
{
    struct lk_str value = lk_headers_get(headers, id);
    uint64_t ms;
    if (value.ptr == NULL)
        return false;
    bool valid = lk_str_to_u64(value, &ms) && ms <= UINT32_MAX;
    if (valid)
        *out = (uint32_t)ms;
    lk_headers_remove(headers, id);
    return valid;
}

static void set_timeouts(struct lk_router *router)
{
    const struct lk_route_action *action = &router->route->action;
    struct lk_headers *headers = router->request;
    router->timeout_ms = action->has_timeout ? action->timeout_ms : DEFAULT_TIMEOUT_MS;
    if (router->retry.policy != NULL)
        router->per_try_timeout_ms = router->retry.policy->per_try_timeout_ms;
    if (lk_headers_maybe(headers, LK_HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS))
        take_ms(headers, LK_HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, &router->timeout_ms);
    if (lk_headers_maybe(headers, LK_HEADER_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS))
        take_ms(headers, LK_HEADER_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, &router->per_try_timeout_ms);
    if (router->config->respect_expected_rq_timeout) {
        uint32_t expected;
        struct lk_str value = lk_headers_get(headers, LK_HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS);
        uint64_t ms;
        if (value.ptr != NULL && lk_str_to_u64(value, &ms) && ms > 0 && ms <= UINT32_MAX) {
            expected = (uint32_t)ms;
            router->timeout_ms = expected;
        }
    }
    if (router->timeout_ms > 0 && router->per_try_timeout_ms >= router->timeout_ms)
        router->per_try_timeout_ms = 0;
}

static void tell_timeout(struct lk_router *router)
{
    struct lk_headers *headers = router->request;
    uint32_t expected = router->per_try_timeout_ms > 0 ? router->per_try_timeout_ms : router->timeout_ms;
    if (router->config->suppress_envoy_headers || expected == 0)
        return;
    lk_headers_set(headers, LK_HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, lk_arena_printf(headers->arena, "%u", expected));
}

/* The old name goes along in headers of its own. */
static void set_host(struct lk_router *router, struct lk_str host)
{
    struct lk_headers *headers = router->request;
    struct lk_str old = lk_headers_get(headers, LK_HEADER_AUTHORITY);
    if (!router->config->suppress_envoy_headers && old.ptr != NULL)
        lk_headers_set(headers, LK_HEADER_X_ENVOY_ORIGINAL_HOST, old);
    if (router->route->action.append_x_forwarded_host && old.ptr != NULL)
        lk_headers_add(headers, LK_HEADER_X_FORWARDED_HOST, old);
    lk_headers_set(headers, LK_HEADER_AUTHORITY, host);
}

static void rewrite_host(struct lk_router *router)
{
    struct lk_headers *headers = router->request;
    struct lk_str host = lk_route_rewrite_host(&router->route->action, router->weighted, headers, headers->arena);
    if (host.ptr != NULL)
        set_host(router, host);
}

static void rewrite_path(struct lk_router *router)
{
    struct lk_headers *headers = router->request;
    struct lk_str old = lk_headers_get(headers, LK_HEADER_PATH);
    struct lk_str path = lk_route_rewrite_path(router->route, headers->arena, old);
    if (path.ptr == NULL)
        return;
    if (!router->config->suppress_envoy_headers)
        lk_headers_set(headers, LK_HEADER_X_ENVOY_ORIGINAL_PATH, old);
    lk_headers_set(headers, LK_HEADER_PATH, path);
}

/* Methods that may be sent twice (RFC 9110 9.2.2). */
static bool is_idempotent(struct lk_str method)
{
    static const struct lk_str methods[] = {LK_STR_INIT("GET"),    LK_STR_INIT("HEAD"),    LK_STR_INIT("PUT"),
                                            LK_STR_INIT("DELETE"), LK_STR_INIT("OPTIONS"), LK_STR_INIT("TRACE")};
    for (size_t i = 0; i < LK_ARRAY_LEN(methods); i++) {
        if (lk_str_eq(method, methods[i]))
            return true;
    }
    return false;
}

void lk_router_use_cluster(struct lk_router *router, struct lk_cluster_view *view)
{
    struct lk_upstream_info *upstream = &router->info->upstream;
    router->view = view;
    upstream->cluster = view->config->name;
    upstream->cluster_alt = view->config->stat_name;
    upstream->cluster_metadata = view->config->metadata;
}

void lk_router_prepare_request(struct lk_router *router)
{
    struct lk_headers *headers = router->request;
    struct lk_stream_info *info = router->info;
    info->upstream.attempts = 1; /* the one about to be made */
    lk_router_use_cluster(router, router->view);
    router->idempotent =
        is_idempotent(lk_headers_get(headers, LK_HEADER_METHOD)) && !lk_headers_maybe(headers, LK_HEADER_UPGRADE);
    lk_retry_init(&router->retry, router->route, headers);
    set_timeouts(router);
    struct lk_log_event event = {.info = info, .request = headers, .arena = headers->arena, .loop = router->loop};
    tell_timeout(router);
    lk_route_mutate_headers(router->route, router->weighted, LK_MUTATE_REQUEST, headers, &event);
    rewrite_host(router);
    rewrite_path(router);
}

void lk_router_adapt_to_host(struct lk_router *router)
{
    struct lk_headers *headers = router->request;
    if (router->route->virtual_host->include_request_attempt_count)
        lk_headers_set(headers, LK_HEADER_X_ENVOY_ATTEMPT_COUNT,
                       lk_arena_printf(headers->arena, "%u", router->info->upstream.attempts));
    const struct lk_host *host = router->attempt.wh->host;
    if (router->route->action.auto_host_rewrite && host->hostname.len > 0) {
        if (!lk_str_eq(lk_headers_get(headers, LK_HEADER_AUTHORITY), host->hostname))
            set_host(router, host->hostname);
    }
}

/* use_http_header of the cluster's original_dst_lb_config names a header with "ip:port". */
static const struct lk_addr *header_destination(struct lk_router *router)
{
    const struct lk_cluster_config *config = router->view->config;
    struct lk_str name =
        config->original_dst_header.len > 0 ? config->original_dst_header : LK_STR("x-envoy-original-dst-host");
    struct lk_header *header = lk_headers_find_name(router->request, name);
    struct lk_str ip, port;
    uint64_t number;
    if (header == NULL)
        return NULL;
    lk_host_split(header->value, &ip, &port);
    if (ip.len > 2 && ip.ptr[0] == '[')
        ip = lk_str(ip.ptr + 1, ip.len - 2);
    struct lk_addr *addr = lk_arena_zalloc(lk_http_arena(router->slot), sizeof(*addr));
    if (!lk_str_to_u64(port, &number) || number > 65535 || !lk_addr_parse_ip(ip, (uint16_t)number, addr))
        return NULL;
    return addr;
}

const struct lk_match_criteria *lk_router_match(struct lk_router *router)
{
    const struct lk_match_criteria *match = router->route->action.metadata_match;
    if (router->view->cluster->subsets == NULL)
        return NULL;
    if (router->weighted != NULL)
        match = router->weighted->metadata_match;
    struct lk_arena *arena = lk_http_arena(router->slot);
    const struct lk_value *dynamic = lk_stream_info_metadata(router->info, arena, LK_STR("envoy.lb"));
    return dynamic != NULL ? lk_match_criteria_merge(arena, match, dynamic) : match;
}

const struct lk_addr *lk_router_original_dst(struct lk_router *router)
{
    if (router->view->config->type != LK_CLUSTER_ORIGINAL_DST)
        return NULL;
    if (router->view->config->original_dst_use_header) {
        const struct lk_addr *addr = header_destination(router);
        if (addr != NULL)
            return addr;
    }
    const struct lk_conn_info *conn = router->info->conn;
    return conn->local_restored ? &conn->local : NULL;
}

size_t lk_router_retain_limit(const struct lk_router *router, size_t fallback)
{
    if (router->route->has_body_buffer_limit)
        return router->route->body_buffer_limit;
    if (router->route->virtual_host->has_body_buffer_limit)
        return router->route->virtual_host->body_buffer_limit;
    return fallback;
}

static void forget_host(void *host)
{
    lk_host_unref(host);
}

void lk_router_note_host(struct lk_router *router, struct lk_worker_host *wh)
{
    struct lk_upstream_info *upstream = &router->info->upstream;
    if (upstream->host != wh->host) {
        /* the access log names the host when the try is long over */
        lk_host_ref(wh->host);
        lk_arena_on_free(lk_http_arena(router->slot), forget_host, wh->host);
    }
    upstream->host = wh->host;
    upstream->host_addr = &wh->state->addr;
    upstream->host_name = wh->host->hostname;
    upstream->host_metadata = wh->host->metadata;
    upstream->transport_failure = lk_str(NULL, 0);
    upstream->local.len = 0;
    upstream->connection_id = 0;
}

void lk_router_note_upstream(struct lk_router *router)
{
    struct lk_upstream_info *upstream = &router->info->upstream;
    const struct lk_upstream_conn *uc = router->attempt.uc;
    upstream->pool_ready_us = lk_loop_now_us(router->loop);
    upstream->local = uc->local;
    upstream->connection_id = uc->id;
    upstream->protocol = uc->codec->ops->protocol;
    upstream->has_protocol = true;
}
