/* What the two halves of the router's engine, router.c and router_tries.c, call in each other. All on the stream's
 * worker. */
#pragma once

#include "proxy/router/router.h"

/* router.c: true: the route is one that forwards, and view is set. Otherwise the answer was given. */
bool lk_router_choose_cluster(struct lk_router *router);
/* router_tries.c: a host for the present try, referenced; NULL: the answer was given. recorder is NULL when forwarding.
 */
struct lk_worker_host *lk_router_choose_host(struct lk_router *router, struct lk_pick_recorder *recorder);
/* router.c: nothing more happens upstream; what was kept goes. */
void lk_router_settle(struct lk_router *router);
void lk_router_start_attempt(struct lk_router *router, struct lk_worker_host *wh, bool fresh);

/* Picks a host and starts a try there; without a host the answer is given. fresh: on a new connection. */
void lk_router_start_try(struct lk_router *router, bool fresh);
/* The present try ended without a response: another one, or the answer. */
void lk_router_on_failed(struct lk_upstream_request *attempt, const struct lk_upstream_failure *failure);
/* True: these response headers lead to another try and go no further. */
bool lk_router_retry_response(struct lk_router *router, struct lk_headers *headers);
/* Gives back what a running retry counts for in the circuit breaker. */
void lk_router_release_retry(struct lk_router *router);

void lk_router_arm_per_try(struct lk_router *router);
void lk_router_touch_try(struct lk_router *router);
void lk_router_on_try_timer(struct lk_timer *timer);
void lk_router_on_try_idle(struct lk_timer *timer);
