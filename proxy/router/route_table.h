/*
 * A route configuration compiled for look-up: hosts and exact paths by hash, wildcards and prefixes by radix tree, only
 * regexes as a list (DESIGN 5.5). Built on the main thread, immutable and shared by all workers afterwards.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/route_config.h"

struct lk_route_table;

/* Takes over the caller's reference on config (also on failure) and resolves the header ids in it, so the configuration
 * must not be in use yet. Fails on a domain that occurs twice. */
struct lk_route_table *lk_route_table_new(struct lk_route_config *config, struct lk_error *error) LK_MUST_CHECK;
struct lk_route_table *lk_route_table_ref(struct lk_route_table *table);
void lk_route_table_unref(struct lk_route_table *table);

const struct lk_route_config *lk_route_table_config(const struct lk_route_table *table);

/* The virtual host that serves an authority (any case, with or without port): exact, then the longest "*.suffix", then
 * the longest "prefix.*", then "*". arena: scratch for very long or upper-case names. NULL: none. */
const struct lk_virtual_host *lk_route_table_virtual_host(const struct lk_route_table *table, struct lk_arena *arena,
                                                          struct lk_str authority);

/* Sets the header ids of matchers and mutations; lk_route_table_new calls it. Matchers elsewhere (access log filters,
 * retry policies) use the second. */
void lk_route_config_resolve_headers(struct lk_route_config *config);
void lk_header_matches_resolve(const struct lk_header_match *matches, size_t count);
