/* Header conditions of routes, retries and log filters (envoy.config.route.v3.HeaderMatcher). Pure; any thread. */
#pragma once

#include "proxy/config/route_config.h"
#include "proxy/http/headers.h"

/* A repeated header holds when one of its values does; inverted, when none does (as Envoy, which looks at each value by
 * itself). match->header_id is resolved (lk_header_matches_resolve). */
bool lk_header_match_holds(const struct lk_header_match *match, const struct lk_headers *headers);
