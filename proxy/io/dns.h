/*
 * Asynchronous name resolution with c-ares, driven by one loop (main). Results carry the smallest TTL. Names that are
 * addresses never come here.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/error.h"
#include "proxy/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_dns_family { LK_DNS_AUTO, LK_DNS_V4_ONLY, LK_DNS_V6_ONLY, LK_DNS_V4_PREFERRED, LK_DNS_ALL };
enum lk_dns_status { LK_DNS_SUCCESS, LK_DNS_EMPTY, LK_DNS_FAILURE, LK_DNS_TIMEOUT };

struct lk_dns_options {
    const struct lk_addr *resolvers; /* NULL: /etc/resolv.conf */
    size_t resolver_count;
    bool use_tcp;              /* dns_resolver_options.use_tcp_for_dns_lookups */
    bool no_default_search;    /* dns_resolver_options.no_default_search_domain */
    uint32_t udp_max_queries;  /* lookups before new sockets are used, 0: no limit */
    uint32_t query_timeout_ms; /* of the first try of a server; 0: the library's 5 s */
    uint32_t query_tries;      /* 0: the library's 4 */
};

struct lk_dns;
struct lk_dns_query;

/* addrs (port 0) are valid during the call. ttl_s is UINT32_MAX when none is known: from /etc/hosts, or a TTL of 0,
 * with which nobody could do anything. EMPTY: the name or the wanted family does not exist there. */
typedef void (*lk_dns_done_fn)(void *arg, enum lk_dns_status status, const struct lk_addr *addrs, size_t count,
                               uint32_t ttl_s);

/* /etc/hosts first, then servers, like the C library. */
struct lk_dns *lk_dns_new(struct lk_loop *loop, const struct lk_dns_options *options, struct lk_error *error);
void lk_dns_free(struct lk_dns *dns);
/* Never calls done before it returns. AUTO: v6 then v4; V4_PREFERRED: v4 then v6; ALL: both. */
struct lk_dns_query *lk_dns_resolve(struct lk_dns *dns, const char *name, enum lk_dns_family family,
                                    lk_dns_done_fn done, void *arg);
/* done is not called any more. Only before done was called. */
void lk_dns_cancel(struct lk_dns_query *query);
