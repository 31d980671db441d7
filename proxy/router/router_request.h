/* The request side of the router: what is set before and at each try. */
#pragma once

#include "proxy/router/router.h"

/* Timeouts, retry state, header changes and rewrites; once per request. */
void lk_router_prepare_request(struct lk_router *router);
/* From now on this cluster is counted and logged as the one that serves. */
void lk_router_use_cluster(struct lk_router *router, struct lk_cluster_view *view);
/* Each try: x-envoy-attempt-count and auto_host_rewrite. */
void lk_router_adapt_to_host(struct lk_router *router);
/* Where the client wanted to go, for ORIGINAL_DST clusters; NULL: unknown. */
const struct lk_addr *lk_router_original_dst(struct lk_router *router);
/* What the route and the filters ask of the endpoint's metadata: the latter's dynamic metadata "envoy.lb" lies over the
 * route's metadata_match. NULL: nothing, or the cluster has no subsets. */
const struct lk_match_criteria *lk_router_match(struct lk_router *router);
/* Body bytes that may be kept for another try. */
size_t lk_router_retain_limit(const struct lk_router *router, size_t fallback);
/* The chosen host and the connection, for logs. */
void lk_router_note_host(struct lk_router *router, struct lk_worker_host *wh);
void lk_router_note_upstream(struct lk_router *router);
