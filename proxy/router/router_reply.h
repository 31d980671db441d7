/* What the router answers by itself: redirects, direct responses, and errors with Envoy's texts, flags and details. */
#pragma once

#include "proxy/router/router.h"

void lk_router_reply_no_route(struct lk_router *router);
void lk_router_reply_redirect(struct lk_router *router);
void lk_router_reply_direct(struct lk_router *router);
void lk_router_reply_no_cluster(struct lk_router *router);
void lk_router_reply_no_healthy_host(struct lk_router *router);
/* A host selector refused: 503 with its flag; details, static, are the body too. */
void lk_router_reply_refused(struct lk_router *router, enum lk_response_flag flag, const char *details);
/* The upstream answered an upgrade with success, but did not switch. */
void lk_router_reply_not_upgraded(struct lk_router *router, const struct lk_headers *response);
void lk_router_reply_timeout(struct lk_router *router);
void lk_router_reply_try_timeout(struct lk_router *router, bool idle);
/* The last try failed before a response began. */
void lk_router_reply_reset(struct lk_router *router, enum lk_reset_reason reason, struct lk_str transport_text);
/* Flags the stream for a reset reason. */
void lk_router_flag_reset(struct lk_stream_info *info, enum lk_reset_reason reason);
