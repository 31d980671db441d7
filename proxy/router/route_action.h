/*
 * What a chosen route does to a request, as pure functions: cluster choice, rewritten path and host, redirect target.
 * Inputs are the route and the request head, outputs are slices in the arena or of the configuration. Any thread.
 */
#pragma once

#include "proxy/config/route_config.h"
#include "proxy/http/headers.h"

#include <stdint.h>

struct lk_cluster_choice {
    struct lk_str cluster;                      /* empty: cluster_header names a header the request has not */
    const struct lk_weighted_cluster *weighted; /* NULL: the route is not weighted */
};

/* random: any 64 bits, the same for the whole request. */
struct lk_cluster_choice lk_route_choose_cluster(const struct lk_route_action *action, const struct lk_headers *headers,
                                                 uint64_t random);

/* prefix_rewrite or regex_rewrite of the route, or of its redirect, applied to path-with-query; ptr NULL: nothing to
 * rewrite. */
struct lk_str lk_route_rewrite_path(const struct lk_route *route, struct lk_arena *arena, struct lk_str path);

/* The new authority by host_rewrite_literal, host_rewrite_header, host_rewrite_path_regex or the weighted cluster's
 * literal; ptr NULL: unchanged. auto_host_rewrite is not decided here: it needs the host. */
struct lk_str lk_route_rewrite_host(const struct lk_route_action *action, const struct lk_weighted_cluster *weighted,
                                    const struct lk_headers *headers, struct lk_arena *arena);

/* The Location of a redirect route (RouteAction redirect, or a virtual host's require_tls). */
struct lk_str lk_route_redirect_location(const struct lk_route *route, const struct lk_headers *headers,
                                         struct lk_arena *arena);
