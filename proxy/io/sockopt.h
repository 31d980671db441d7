/* Listening sockets and socket options in one place. Errors name the address and the option. */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_listen_options {
    bool transparent; /* IP_TRANSPARENT / IPV6_TRANSPARENT */
    bool freebind;
    bool reuse_port;
    bool ipv4_compat;   /* an IPv6 wildcard also takes IPv4 */
    int backlog;        /* 0: SOMAXCONN */
    uint32_t pipe_mode; /* of a Unix socket; 0: unchanged */
    uint32_t keepalive_time, keepalive_interval, keepalive_probes;
    bool keepalive;
};
/* A non-blocking, close-on-exec stream socket bound and listening, or -1. TCP_NODELAY is set (children inherit it). A
 * stale Unix socket file that nobody listens on is removed first. */
int lk_listen(const struct lk_addr *addr, const struct lk_listen_options *options, struct lk_error *error);
struct lk_connect_options;
/* A non-blocking, close-on-exec stream socket for an outgoing connection to addr, bound to options->source if any,
 * TCP_NODELAY set; or -1 with errno. */
int lk_connect_socket(const struct lk_addr *addr, const struct lk_connect_options *options, struct lk_error *error);
/* Bound address of a socket (port chosen by the kernel). */
bool lk_local_addr(int fd, struct lk_addr *out);
/* Destination before REDIRECT: SO_ORIGINAL_DST / IP6T_SO_ORIGINAL_DST. False when there is none. */
bool lk_original_dst(int fd, const struct lk_addr *local, struct lk_addr *out);
