/*
 * Socket addresses: IPv4, IPv6 and Unix, as values. Text forms are Envoy's: "10.0.0.1:80", "[::1]:80", a path for Unix
 * (an abstract one starts with '@').
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct lk_addr {
    socklen_t len; /* 0: no address */
    union {
        sa_family_t family;
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    struct sockaddr_un *un; /* for AF_UNIX: in the owner's arena or static; the union then holds only the family */
};

#define LK_ADDR_TEXT_MAX 128

bool lk_addr_parse_ip(struct lk_str ip, uint16_t port, struct lk_addr *out);
bool lk_addr_set_pipe(struct lk_addr *addr, struct lk_arena *arena, struct lk_str path, struct lk_error *error);
void lk_addr_from_sockaddr(struct lk_addr *addr, const struct sockaddr *sa, socklen_t len);
/* For system calls. */
const struct sockaddr *lk_addr_sockaddr(const struct lk_addr *addr, socklen_t *len);
bool lk_addr_eq(const struct lk_addr *a, const struct lk_addr *b);
bool lk_addr_ip_eq(const struct lk_addr *a, const struct lk_addr *b); /* without ports */
uint64_t lk_addr_hash(const struct lk_addr *addr);
uint16_t lk_addr_port(const struct lk_addr *addr);
void lk_addr_set_port(struct lk_addr *addr, uint16_t port);
bool lk_addr_is_any(const struct lk_addr *addr);
bool lk_addr_is_loopback(const struct lk_addr *addr);
/* ::ffff:a.b.c.d becomes a.b.c.d (dual-stack sockets). */
void lk_addr_unmap(struct lk_addr *addr);
/* Writes with terminator; returns the slice of buf. */
struct lk_str lk_addr_text(const struct lk_addr *addr, char buf[LK_ADDR_TEXT_MAX]);
struct lk_str lk_addr_ip_text(const struct lk_addr *addr, char buf[LK_ADDR_TEXT_MAX]);

/* A network range, envoy.config.core.v3.CidrRange. */
struct lk_cidr {
    sa_family_t family;
    uint8_t bits;
    uint8_t bytes[16];
};
bool lk_cidr_parse(struct lk_str ip, unsigned bits, struct lk_cidr *out);
bool lk_cidr_contains(const struct lk_cidr *cidr, const struct lk_addr *addr);
