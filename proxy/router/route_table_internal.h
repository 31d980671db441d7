/* The inside of a route table, for route_table.c and route_match.c. */
#pragma once

#include "proxy/http/headers.h"
#include "proxy/router/domain_index.h"
#include "proxy/router/path_index.h"
#include "proxy/router/route_table.h"

struct lk_compiled_host {
    const struct lk_virtual_host *virtual_host;
    struct lk_path_index paths;
    struct lk_route tls_redirect; /* of require_tls */
};

struct lk_route_table {
    struct lk_ref ref;
    struct lk_arena *arena;
    struct lk_route_config *config;
    struct lk_domain_index domains; /* -> struct lk_compiled_host */
    struct lk_compiled_host *hosts; /* one for each virtual host */
    struct lk_header_key vhost_header;
};

const struct lk_compiled_host *lk_route_table_host(const struct lk_route_table *table, struct lk_arena *scratch,
                                                   struct lk_str authority, struct lk_domain_trace *recorder);
