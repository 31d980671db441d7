/* Route matching: the virtual host by its domains, then the candidates of its path index in order, until one holds. */
#include "proxy/router/route_match.h"

#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/filter/header_match.h"
#include "proxy/http/path.h"
#include "proxy/router/route_table_internal.h"

struct request {
    const struct lk_route_query *query;
    struct lk_str path;   /* without query and, where configured, without path parameters */
    struct lk_str params; /* the query string */
};

bool lk_request_is_grpc(const struct lk_headers *headers)
{
    struct lk_str type = lk_headers_get(headers, LK_HEADER_CONTENT_TYPE);
    struct lk_str rest = lk_str_drop(type, sizeof("application/grpc") - 1);

    return lk_str_has_prefix(type, LK_STR("application/grpc")) && (rest.len == 0 || rest.ptr[0] == '+');
}

static bool query_match_holds(const struct lk_query_match *match, struct lk_str params)
{
    struct lk_str value = {NULL, 0};
    bool present = lk_query_get(params, match->name, &value);

    return lk_value_matcher_match(&match->value, present, value);
}

static bool tls_context_holds(const struct lk_route_match *match, const struct lk_route_query *query)
{
    return (!match->has_tls_presented || match->tls_presented == query->peer_presented) &&
           (!match->has_tls_validated || match->tls_validated == query->peer_validated);
}

/* Everything but the path, which the index decided (except for a regex). */
static enum lk_route_verdict judge(const struct lk_route_match *match, const struct request *request, size_t *detail)
{
    const struct lk_headers *headers = request->query->headers;

    if (match->has_fraction && !lk_fraction_hit(&match->fraction, request->query->random))
        return LK_ROUTE_FELL_FRACTION;
    if (match->grpc_only && !lk_request_is_grpc(headers))
        return LK_ROUTE_FELL_GRPC;
    for (*detail = 0; *detail < match->header_count; ++*detail)
        if (!lk_header_match_holds(&match->headers[*detail], headers))
            return LK_ROUTE_FELL_HEADER;
    for (*detail = 0; *detail < match->query_count; ++*detail)
        if (!query_match_holds(&match->queries[*detail], request->params))
            return LK_ROUTE_FELL_QUERY;
    *detail = 0;
    if (!tls_context_holds(match, request->query))
        return LK_ROUTE_FELL_TLS_CONTEXT;
    if (match->kind == LK_PATH_MATCH_REGEX && !lk_regex_full_match(match->regex, request->path))
        return LK_ROUTE_FELL_REGEX;
    return LK_ROUTE_TAKEN;
}

static bool needs_tls(const struct lk_virtual_host *host, const struct lk_headers *headers)
{
    if (LK_LIKELY(host->require_tls == LK_TLS_NOT_REQUIRED))
        return false;
    if (lk_str_eq(lk_headers_get(headers, LK_HEADER_X_FORWARDED_PROTO), LK_STR("https")))
        return false;
    return host->require_tls == LK_TLS_ALL ||
           !lk_str_eq(lk_headers_get(headers, LK_HEADER_X_ENVOY_INTERNAL), LK_STR("true"));
}

static const struct lk_route *match_paths(const struct lk_compiled_host *host, const struct request *request,
                                          struct lk_route_trace *recorder)
{
    struct lk_path_cursor cursor;
    uint32_t index;

    lk_path_cursor_init(&cursor, &host->paths, request->query->headers->arena, request->path);
    while ((index = lk_path_cursor_next(&cursor)) != LK_PATH_NONE) {
        const struct lk_route *route = &host->virtual_host->routes[index];
        size_t detail = 0;
        enum lk_route_verdict verdict = judge(&route->match, request, &detail);

        if (LK_UNLIKELY(recorder != NULL) && recorder->on_route != NULL)
            recorder->on_route(recorder, route, verdict, detail);
        if (verdict == LK_ROUTE_TAKEN)
            return route;
    }
    return NULL;
}

static void request_init(struct request *request, const struct lk_route_table *table,
                         const struct lk_route_query *query, struct lk_str target)
{
    request->query = query;
    request->path = lk_path_only(target);
    request->params = lk_path_query(target);
    if (table->config->ignore_path_parameters_in_path_matching)
        request->path.len = lk_str_find_byte(request->path, ';');
}

struct domain_relay {
    struct lk_domain_trace base;
    struct lk_route_trace *recorder;
};

static void relay_domain(struct lk_domain_trace *base, enum lk_domain_kind kind, struct lk_str domain, void *value)
{
    struct lk_route_trace *recorder = LK_CONTAINER_OF(base, struct domain_relay, base)->recorder;
    const struct lk_compiled_host *host = value;

    if (recorder->on_domain != NULL)
        recorder->on_domain(recorder, kind, domain, host != NULL ? host->virtual_host : NULL);
}

static const struct lk_compiled_host *find_host(const struct lk_route_table *table, struct lk_arena *scratch,
                                                struct lk_str authority, struct lk_route_trace *recorder)
{
    struct domain_relay relay = {.base = {relay_domain}, .recorder = recorder};

    return lk_route_table_host(table, scratch, authority, recorder != NULL ? &relay.base : NULL);
}

const struct lk_route *lk_route_match(const struct lk_route_table *table, const struct lk_route_query *query,
                                      struct lk_route_trace *recorder)
{
    const struct lk_headers *headers = query->headers;
    const struct lk_header *authority = lk_headers_find_key(headers, &table->vhost_header);
    struct lk_str target = lk_headers_get(headers, LK_HEADER_PATH);
    const struct lk_compiled_host *host = NULL;
    struct request request;

    if (authority != NULL || lk_domain_index_only_any(&table->domains))
        host = find_host(table, headers->arena, authority != NULL ? authority->value : target, recorder);
    if (LK_UNLIKELY(recorder != NULL) && recorder->on_virtual_host != NULL)
        recorder->on_virtual_host(recorder, host != NULL ? host->virtual_host : NULL);
    if (host == NULL)
        return NULL;
    if (LK_UNLIKELY(needs_tls(host->virtual_host, headers)))
        return &host->tls_redirect;
    if (target.ptr == NULL)
        return NULL;
    request_init(&request, table, query, target);
    return match_paths(host, &request, recorder);
}
