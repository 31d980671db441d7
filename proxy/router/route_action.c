/* Effects of a route: cluster choice, path and host rewriting, redirect targets. Pure. */
#include "proxy/router/route_action.h"

#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/http/path.h"

static struct lk_str header_by_name(const struct lk_headers *headers, struct lk_str name)
{
    const struct lk_header *header = name.len > 0 ? lk_headers_find_name(headers, name) : NULL;

    return header != NULL ? header->value : (struct lk_str){NULL, 0};
}

static uint32_t weight_of(const struct lk_weighted_cluster *cluster)
{
    if (LK_LIKELY(cluster->runtime_key.len == 0))
        return cluster->weight;
    uint64_t weight = lk_runtime_u64(cluster->runtime_key, cluster->weight);

    return (uint32_t)LK_MIN(weight, (uint64_t)UINT32_MAX);
}

static uint64_t total_weight(const struct lk_route_action *action)
{
    uint64_t total = 0;

    if (action->weighted[0].runtime_key.len == 0)
        return action->total_weight;
    for (size_t i = 0; i < action->weighted_count; i++)
        total += weight_of(&action->weighted[i]);
    return total;
}

/* weighted_clusters.header_name: a request that carries its own random number. */
static uint64_t random_of(const struct lk_route_action *action, const struct lk_headers *headers, uint64_t random)
{
    const struct lk_header *header;
    uint64_t value;

    if (action->weight_header.len == 0)
        return random;
    header = lk_headers_find_name(headers, action->weight_header);
    if (header == NULL || lk_headers_next(headers, header) != NULL ||
        !lk_str_to_u64(lk_str_trim(header->value), &value))
        return random;
    return value;
}

static struct lk_cluster_choice choose_weighted(const struct lk_route_action *action, const struct lk_headers *headers,
                                                uint64_t random)
{
    const struct lk_weighted_cluster *chosen = &action->weighted[action->weighted_count - 1];
    uint64_t total = total_weight(action);
    uint64_t point = total > 0 ? random_of(action, headers, random) % total : 0;
    uint64_t end = 0;

    for (size_t i = 0; i < action->weighted_count; i++) {
        end += weight_of(&action->weighted[i]);
        if (point < end) {
            chosen = &action->weighted[i];
            break;
        }
    }
    struct lk_str cluster = chosen->cluster.len > 0 ? chosen->cluster : header_by_name(headers, chosen->cluster_header);

    return (struct lk_cluster_choice){cluster, chosen};
}

struct lk_cluster_choice lk_route_choose_cluster(const struct lk_route_action *action, const struct lk_headers *headers,
                                                 uint64_t random)
{
    switch (action->specifier) {
    case LK_CLUSTER_BY_HEADER:
        return (struct lk_cluster_choice){header_by_name(headers, action->cluster), NULL};
    case LK_CLUSTER_WEIGHTED:
        return choose_weighted(action, headers, random);
    case LK_CLUSTER_BY_NAME:
        break;
    }
    return (struct lk_cluster_choice){action->cluster, NULL};
}

static struct lk_str join(struct lk_arena *arena, struct lk_str a, struct lk_str b)
{
    char *out = lk_arena_alloc(arena, a.len + b.len + 1);

    if (a.len > 0)
        memcpy(out, a.ptr, a.len);
    if (b.len > 0)
        memcpy(out + a.len, b.ptr, b.len);
    out[a.len + b.len] = 0;
    return lk_str(out, a.len + b.len);
}

/* How much of the path the route's condition covers: what prefix_rewrite replaces. */
static size_t matched_length(const struct lk_route_match *match, struct lk_str path)
{
    if (match->kind == LK_PATH_MATCH_REGEX || match->kind == LK_PATH_MATCH_CONNECT)
        return lk_path_only(path).len;
    return LK_MIN(match->path.len, path.len);
}

struct lk_str lk_route_rewrite_path(const struct lk_route *route, struct lk_arena *arena, struct lk_str path)
{
    bool redirect = route->kind == LK_ROUTE_REDIRECT;
    struct lk_str prefix = redirect ? route->redirect.prefix_rewrite : route->action.prefix_rewrite;
    const struct lk_regex_rewrite *regex = redirect ? &route->redirect.regex_rewrite : &route->action.regex_rewrite;

    if (prefix.len > 0)
        return join(arena, prefix, lk_str_drop(path, matched_length(&route->match, path)));
    if (regex->regex != NULL) {
        struct lk_str only = lk_path_only(path);
        struct lk_str replaced = lk_regex_replace(regex->regex, arena, only, regex->substitution);

        return join(arena, replaced, lk_str_drop(path, only.len));
    }
    return (struct lk_str){NULL, 0};
}

struct lk_str lk_route_rewrite_host(const struct lk_route_action *action, const struct lk_weighted_cluster *weighted,
                                    const struct lk_headers *headers, struct lk_arena *arena)
{
    struct lk_str host = {NULL, 0};

    if (action->host_rewrite_literal.len > 0)
        return action->host_rewrite_literal;
    if (action->host_rewrite_header.len > 0)
        host = header_by_name(headers, action->host_rewrite_header);
    else if (action->host_rewrite_path_regex.regex != NULL)
        host = lk_regex_replace(action->host_rewrite_path_regex.regex, arena,
                                lk_path_only(lk_headers_get(headers, LK_HEADER_PATH)),
                                action->host_rewrite_path_regex.substitution);
    if (host.len > 0)
        return host;
    if (weighted != NULL && weighted->host_rewrite_literal.len > 0)
        return weighted->host_rewrite_literal;
    return (struct lk_str){NULL, 0};
}

/* The authority without a port that the redirect replaces, or that was only the default of the old scheme. */
static struct lk_str redirect_host(const struct lk_redirect_action *redirect, const struct lk_headers *headers,
                                   struct lk_str scheme)
{
    struct lk_str host = lk_headers_get(headers, LK_HEADER_AUTHORITY);
    struct lk_str old = lk_headers_get(headers, LK_HEADER_X_FORWARDED_PROTO);
    struct lk_str name;
    struct lk_str port;

    if (redirect->require_tls)
        return host;
    lk_host_split(host, &name, &port);
    if (port.len == 0)
        return host;
    bool dropped = redirect->port != 0;

    if (!lk_str_eq(scheme, old))
        dropped = dropped || (lk_str_eq(old, LK_STR("https")) && lk_str_eq(port, LK_STR("443"))) ||
                  (lk_str_eq(old, LK_STR("http")) && lk_str_eq(port, LK_STR("80")));
    return dropped ? name : host;
}

static struct lk_str redirect_path(const struct lk_route *route, const struct lk_headers *headers,
                                   struct lk_arena *arena)
{
    const struct lk_redirect_action *redirect = &route->redirect;
    struct lk_str old = lk_headers_get(headers, LK_HEADER_PATH);
    struct lk_str path = lk_route_rewrite_path(route, arena, old);
    bool own_query = lk_str_find_byte(redirect->path, '?') < redirect->path.len;

    if (path.ptr == NULL)
        path = old;
    if (own_query)
        path = redirect->path;
    else if (redirect->path.len > 0)
        path = join(arena, redirect->path, lk_str_drop(path, lk_str_find_byte(path, '?')));
    if (redirect->strip_query && !own_query)
        path.len = lk_str_find_byte(path, '?');
    if (path.len == 0 || path.ptr[0] != '/')
        path = join(arena, LK_STR("/"), path);
    return path;
}

struct lk_str lk_route_redirect_location(const struct lk_route *route, const struct lk_headers *headers,
                                         struct lk_arena *arena)
{
    const struct lk_redirect_action *redirect = &route->redirect;
    struct lk_str scheme = redirect->scheme.len > 0 ? redirect->scheme : lk_headers_get(headers, LK_HEADER_SCHEME);

    if (scheme.len == 0)
        scheme = lk_headers_get(headers, LK_HEADER_X_FORWARDED_PROTO);
    struct lk_str host = redirect->host.len > 0 ? redirect->host : redirect_host(redirect, headers, scheme);
    struct lk_str path = redirect_path(route, headers, arena);
    char port[16] = "";

    if (redirect->port != 0)
        snprintf(port, sizeof(port), ":%u", (unsigned)redirect->port);
    return lk_arena_printf(arena, "%.*s://%.*s%s%.*s", LK_STR_ARG(scheme), LK_STR_ARG(host), port, LK_STR_ARG(path));
}
