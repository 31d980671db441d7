/* request_headers_to_add/remove and response_headers_to_add/remove, applied level by level. Any worker. */
#pragma once

#include "proxy/config/route_config.h"
#include "proxy/filter/access_logger.h"
#include "proxy/http/headers.h"

/* One level: removals first, then additions (envoy: HeaderParser::evaluateHeaders). Values are formatted with what
 * `event` knows. */
void lk_header_mutations_apply(const struct lk_header_mutations *mutations, struct lk_headers *headers,
                               const struct lk_log_event *event);

enum lk_mutation_side { LK_MUTATE_REQUEST, LK_MUTATE_RESPONSE };
/* All levels of a route in Envoy's order: weighted cluster (may be NULL), then route, virtual host, route
 * configuration; the other way round after the weighted cluster with most_specific_header_mutations_wins. */
void lk_route_mutate_headers(const struct lk_route *route, const struct lk_weighted_cluster *weighted,
                             enum lk_mutation_side side, struct lk_headers *headers, const struct lk_log_event *event);
