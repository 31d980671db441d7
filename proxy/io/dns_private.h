/* The inside of the resolver: dns.c has the queries, dns_hosts.c the hosts file, dns_channel.c drives c-ares with the
 * loop. */
#pragma once

#include "proxy/base/list.h"
#include "proxy/io/dns.h"
#include "proxy/io/timer.h"

#include <ares.h>

struct lk_dns_addrs {
    struct lk_addr *list; /* heap */
    size_t count;
    size_t cap;
};

/* Appends the addresses (port 0) that a hosts file gives the name, of both families in the order of the file. localhost
 * has its addresses without a file. */
void lk_dns_hosts_lookup(const char *path, struct lk_str name, struct lk_dns_addrs *out);

/* A c-ares channel with its sockets and timeout. Freed at the end of a turn, never inside a call into c-ares. */
struct lk_dns_channel {
    struct lk_list node; /* the resolver's channels */
    struct lk_loop *loop;
    ares_channel ares;
    struct lk_list sockets;
    struct lk_list dead_sockets;
    struct lk_timer timer;
    struct lk_deferred cleanup;
    uint32_t lookups; /* started so far */
    uint32_t pending;
    bool retired; /* no new lookups; freed when none is pending */
};

/* NULL and error when c-ares refuses the options. */
struct lk_dns_channel *lk_dns_channel_new(struct lk_loop *loop, const struct lk_dns_options *options,
                                          struct lk_error *error);
/* Ends its pending lookups, whose callbacks run inside this call. */
void lk_dns_channel_free(struct lk_dns_channel *channel);
/* Frees it as soon as nothing is pending. */
void lk_dns_channel_retire(struct lk_dns_channel *channel);
/* The callback may run inside this call. */
void lk_dns_channel_lookup(struct lk_dns_channel *channel, const char *name, int family, ares_addrinfo_callback done,
                           void *arg);
/* To be called by each lookup's callback. */
void lk_dns_channel_lookup_done(struct lk_dns_channel *channel);
