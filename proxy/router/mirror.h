/*
 * Mirrored copies of a request (request_mirror_policies): sent to other clusters beside the request itself, and
 * forgotten. A copy has a life of its own: it outlives the stream once the request has arrived completely, its answer
 * is drained and dropped, and whatever happens to it never slows, changes or fails the request. A body is copied as it
 * arrives; a copy whose host does not keep up is given up. Owner: the stream's worker.
 */
#pragma once

#include "proxy/router/router.h"

/* The copies that the route's policies want of this request, not sent yet; NULL: none is wanted. Called when the
 * request is as its cluster gets it, but for what depends on a host. */
struct lk_list *lk_mirrors_new(struct lk_router *router);
/* The cluster that one policy sends a copy to; NULL: none, by the draw or for want of such a cluster. */
struct lk_cluster_view *lk_mirror_cluster(const struct lk_router *router, const struct lk_mirror_policy *policy,
                                          uint64_t random);
/* Sends them, or drops them all where the request itself found no host. end: the request has no body. */
void lk_mirrors_start(struct lk_router *router, struct lk_list *mirrors, bool end);

/* The following concern router->mirrors (not NULL), those whose request is still arriving. */
void lk_mirrors_data(struct lk_router *router, struct lk_span data, bool end);
void lk_mirrors_trailers(struct lk_router *router, const struct lk_headers *trailers);
/* The request will not arrive completely. */
void lk_mirrors_cancel(struct lk_router *router);
