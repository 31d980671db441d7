/* The response side of the router: counts and header changes. */
#pragma once

#include "proxy/router/router.h"

/* x-envoy-upstream-service-time and the route's response header changes. */
void lk_router_prepare_response(struct lk_router *router, struct lk_headers *headers);
/* One more answer with this status from the cluster, by a host or by ourselves. */
/* One more answer with this status, of a request that came from outside or from within. */
void lk_cluster_charge_code(struct lk_stats_scope *stats, bool internal, unsigned status);
void lk_router_charge_code(struct lk_router *router, unsigned status);
/* One more answer from the host of the present try. */
void lk_router_count_host(struct lk_router *router, unsigned status);
/* What the host's answer says about its health. */
void lk_router_report_answer(struct lk_router *router, const struct lk_headers *headers);
/* The response is complete: its time. */
void lk_router_count_response(struct lk_router *router);
/* A try ended without a complete response. */
void lk_router_count_failure(struct lk_router *router, const struct lk_upstream_failure *failure);
struct lk_str lk_router_reset_details(struct lk_router *router, enum lk_reset_reason reason);
