/*
 * Which route a request takes: a pure function of the compiled table, the request head and a random number. Nothing is
 * sent, nothing is counted. Any thread.
 */
#pragma once

#include "proxy/http/headers.h"
#include "proxy/router/domain_index.h"
#include "proxy/router/route_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_route_query {
    const struct lk_headers *headers; /* its arena may be used for scratch memory */
    uint64_t random;                  /* the request's stable random number: runtime_fraction */
    bool peer_presented;              /* the downstream peer showed a certificate ... */
    bool peer_validated;              /* ... and it was verified */
};

/* Why a candidate fell, in the order in which the conditions are tried. */
enum lk_route_verdict {
    LK_ROUTE_TAKEN,
    LK_ROUTE_FELL_REGEX, /* safe_regex did not match the path */
    LK_ROUTE_FELL_FRACTION,
    LK_ROUTE_FELL_GRPC,
    LK_ROUTE_FELL_HEADER, /* detail: index of the header matcher */
    LK_ROUTE_FELL_QUERY,  /* detail: index of the query parameter matcher */
    LK_ROUTE_FELL_TLS_CONTEXT,
};

/* Told about every candidate, in order; any callback may be NULL. Routes that the path rules out are no candidates. */
struct lk_route_trace {
    /* As lk_domain_trace.on_domain; virtual_host NULL: no domain of the kind fits. */
    void (*on_domain)(struct lk_route_trace *trace, enum lk_domain_kind kind, struct lk_str domain,
                      const struct lk_virtual_host *virtual_host);
    /* NULL: no virtual host serves this authority. */
    void (*on_virtual_host)(struct lk_route_trace *trace, const struct lk_virtual_host *virtual_host);
    void (*on_route)(struct lk_route_trace *trace, const struct lk_route *route, enum lk_route_verdict verdict,
                     size_t detail);
};

/*
 * The first route, in the order of the configuration, all of whose conditions hold; its virtual_host field says whose
 * it is. NULL: none. Where the virtual host demands TLS and x-forwarded-proto is not https, a redirect route of the
 * table's own. recorder is NULL when forwarding.
 */
const struct lk_route *lk_route_match(const struct lk_route_table *table, const struct lk_route_query *query,
                                      struct lk_route_trace *recorder);

/* content-type application/grpc or application/grpc+... */
bool lk_request_is_grpc(const struct lk_headers *headers);
