/* Socket addresses as values: parsing, comparing, text. Pure functions, any thread. */
#include "proxy/base/addr.h"

#include "proxy/base/mem.h"

#include <arpa/inet.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool lk_addr_parse_ip(struct lk_str ip, uint16_t port, struct lk_addr *out)
{
    char text[INET6_ADDRSTRLEN];
    *out = (struct lk_addr){0};
    if (ip.len == 0 || ip.len >= sizeof(text) || memchr(ip.ptr, '\0', ip.len) != NULL)
        return false;
    memcpy(text, ip.ptr, ip.len);
    text[ip.len] = '\0';
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        out->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = v4};
        out->len = sizeof(out->in);
        return true;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        out->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = v6};
        out->len = sizeof(out->in6);
        return true;
    }
    return false;
}

bool lk_addr_set_pipe(struct lk_addr *addr, struct lk_arena *arena, struct lk_str path, struct lk_error *error)
{
    *addr = (struct lk_addr){0};
    bool is_abstract = path.len > 0 && path.ptr[0] == '@';
    size_t max = sizeof(addr->un->sun_path) - (is_abstract ? 0 : 1);
    if (path.len == 0)
        return lk_error_set(error, LK_ERROR_INVALID, "the path of a Unix socket is empty");
    if (path.len > max)
        return lk_error_set(error, LK_ERROR_INVALID, "the path of a Unix socket is longer than %zu bytes: %.*s", max,
                            LK_STR_ARG(path));
    if (memchr(path.ptr, '\0', path.len) != NULL)
        return lk_error_set(error, LK_ERROR_INVALID, "the path of a Unix socket contains a null byte");
    addr->un = lk_arena_zalloc(arena, sizeof(*addr->un));
    addr->un->sun_family = AF_UNIX;
    memcpy(addr->un->sun_path, path.ptr, path.len);
    if (is_abstract)
        addr->un->sun_path[0] = '\0';
    addr->family = AF_UNIX;
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + (is_abstract ? 0 : 1));
    return true;
}

void lk_addr_from_sockaddr(struct lk_addr *addr, const struct sockaddr *sa, socklen_t len)
{
    *addr = (struct lk_addr){0};
    if (len < sizeof(sa->sa_family))
        return;
    if (sa->sa_family == AF_INET && len >= sizeof(addr->in)) {
        memcpy(&addr->in, sa, sizeof(addr->in));
        addr->len = sizeof(addr->in);
    } else if (sa->sa_family == AF_INET6 && len >= sizeof(addr->in6)) {
        memcpy(&addr->in6, sa, sizeof(addr->in6));
        addr->len = sizeof(addr->in6);
    } else if (sa->sa_family == AF_UNIX) {
        addr->family = AF_UNIX;
        addr->len = sizeof(sa->sa_family);
    }
}

const struct sockaddr *lk_addr_sockaddr(const struct lk_addr *addr, socklen_t *len)
{
    *len = addr->len;
    return addr->un != NULL ? (const struct sockaddr *)addr->un : &addr->sa;
}

static struct lk_str pipe_path(const struct lk_addr *addr)
{
    if (addr->un == NULL)
        return lk_str("", 0);
    size_t len = addr->len - offsetof(struct sockaddr_un, sun_path);
    bool is_abstract = addr->un->sun_path[0] == '\0';
    return lk_str(addr->un->sun_path, is_abstract ? len : len - 1);
}

/* The bytes of an IP address, empty for others. */
static struct lk_str ip_bytes(const struct lk_addr *addr)
{
    if (addr->len == 0)
        return lk_str("", 0);
    if (addr->family == AF_INET)
        return lk_str((const char *)&addr->in.sin_addr, sizeof(addr->in.sin_addr));
    if (addr->family == AF_INET6)
        return lk_str((const char *)&addr->in6.sin6_addr, sizeof(addr->in6.sin6_addr));
    return lk_str("", 0);
}

bool lk_addr_ip_eq(const struct lk_addr *a, const struct lk_addr *b)
{
    struct lk_str bytes = ip_bytes(a);
    if (bytes.len == 0 || !lk_str_eq(bytes, ip_bytes(b)))
        return false;
    return a->family != AF_INET6 || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

bool lk_addr_eq(const struct lk_addr *a, const struct lk_addr *b)
{
    if (a->len != b->len)
        return false;
    if (a->len == 0)
        return true;
    if (a->family != b->family)
        return false;
    if (a->family == AF_UNIX)
        return a->un == b->un || (a->un != NULL && b->un != NULL && lk_str_eq(pipe_path(a), pipe_path(b)));
    return lk_addr_ip_eq(a, b) && lk_addr_port(a) == lk_addr_port(b);
}

uint64_t lk_addr_hash(const struct lk_addr *addr)
{
    if (addr->len == 0)
        return 0;
    if (addr->family == AF_UNIX)
        return lk_str_hash(pipe_path(addr));
    char key[sizeof(struct in6_addr) + sizeof(uint16_t)];
    struct lk_str bytes = ip_bytes(addr);
    uint16_t port = lk_addr_port(addr);
    memcpy(key, bytes.ptr, bytes.len);
    memcpy(key + bytes.len, &port, sizeof(port));
    return lk_str_hash(lk_str(key, bytes.len + sizeof(port)));
}

uint16_t lk_addr_port(const struct lk_addr *addr)
{
    if (addr->len == 0)
        return 0;
    if (addr->family == AF_INET)
        return ntohs(addr->in.sin_port);
    return addr->family == AF_INET6 ? ntohs(addr->in6.sin6_port) : 0;
}

void lk_addr_set_port(struct lk_addr *addr, uint16_t port)
{
    if (addr->len == 0)
        return;
    if (addr->family == AF_INET)
        addr->in.sin_port = htons(port);
    else if (addr->family == AF_INET6)
        addr->in6.sin6_port = htons(port);
}

bool lk_addr_is_any(const struct lk_addr *addr)
{
    struct lk_str bytes = ip_bytes(addr);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != 0)
            return false;
    return bytes.len > 0;
}

bool lk_addr_is_loopback(const struct lk_addr *addr)
{
    struct lk_addr plain = *addr;
    lk_addr_unmap(&plain);
    if (plain.len == 0)
        return false;
    if (plain.family == AF_INET)
        return ntohl(plain.in.sin_addr.s_addr) >> 24 == 127;
    return plain.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&plain.in6.sin6_addr);
}

void lk_addr_unmap(struct lk_addr *addr)
{
    if (addr->len == 0 || addr->family != AF_INET6)
        return;
    const uint8_t *bytes = addr->in6.sin6_addr.s6_addr;
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) != 0)
        return;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = addr->in6.sin6_port};
    memcpy(&v4.sin_addr, bytes + sizeof(mapped_prefix), sizeof(v4.sin_addr));
    addr->in6 = (struct sockaddr_in6){0};
    addr->in = v4;
    addr->len = sizeof(v4);
}

static struct lk_str pipe_text(const struct lk_addr *addr, char buf[LK_ADDR_TEXT_MAX])
{
    struct lk_str path = pipe_path(addr);
    memcpy(buf, path.ptr, path.len);
    buf[path.len] = '\0';
    if (path.len > 0 && buf[0] == '\0')
        buf[0] = '@';
    return lk_str(buf, path.len);
}

/* At most five digits. */
static char *put_number(char *out, unsigned value)
{
    char digits[8];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

/* The end of what was written. Log lines and x-forwarded-for are made of it, so no printf. */
static char *put_ip(char *out, const struct lk_addr *addr)
{
    struct lk_str bytes = ip_bytes(addr);
    if (addr->family != AF_INET || bytes.len != 4) {
        *out = '\0';
        if (bytes.len > 0)
            inet_ntop(addr->family, bytes.ptr, out, INET6_ADDRSTRLEN);
        return out + strlen(out);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *out++ = '.';
        out = put_number(out, (uint8_t)bytes.ptr[i]);
    }
    return out;
}

struct lk_str lk_addr_ip_text(const struct lk_addr *addr, char buf[LK_ADDR_TEXT_MAX])
{
    if (addr->len > 0 && addr->family == AF_UNIX)
        return pipe_text(addr, buf);
    char *end = put_ip(buf, addr);
    *end = '\0';
    return lk_str(buf, (size_t)(end - buf));
}

struct lk_str lk_addr_text(const struct lk_addr *addr, char buf[LK_ADDR_TEXT_MAX])
{
    char *end = buf;
    if (addr->len == 0 || addr->family == AF_UNIX)
        return lk_addr_ip_text(addr, buf);
    bool is_v6 = addr->family == AF_INET6;
    if (is_v6)
        *end++ = '[';
    end = put_ip(end, addr);
    if (is_v6)
        *end++ = ']';
    *end++ = ':';
    end = put_number(end, lk_addr_port(addr));
    *end = '\0';
    return lk_str(buf, (size_t)(end - buf));
}

bool lk_cidr_parse(struct lk_str ip, unsigned bits, struct lk_cidr *out)
{
    struct lk_addr addr;
    *out = (struct lk_cidr){0};
    if (!lk_addr_parse_ip(ip, 0, &addr))
        return false;
    struct lk_str bytes = ip_bytes(&addr);
    if (bits > bytes.len * 8)
        return false;
    out->family = addr.family;
    out->bits = (uint8_t)bits;
    memcpy(out->bytes, bytes.ptr, bytes.len);
    return true;
}

bool lk_cidr_contains(const struct lk_cidr *cidr, const struct lk_addr *addr)
{
    struct lk_str bytes = ip_bytes(addr);
    if (bytes.len == 0 || addr->family != cidr->family)
        return false;
    unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;
    if (memcmp(cidr->bytes, bytes.ptr, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t differing = (uint8_t)(cidr->bytes[whole] ^ (uint8_t)bytes.ptr[whole]);
    return differing >> (8 - rest) == 0;
}
