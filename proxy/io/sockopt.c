/*
 * Creating sockets: listening ones for main, connecting ones for conn.c, and what the kernel knows of their addresses.
 * An option that cannot be set is an error, because the configuration asked for it.
 */
#include "proxy/io/sockopt.h"

#include "proxy/base/mem.h"
#include "proxy/io/conn.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

/* linux/netfilter_ipv6/ip6_tables.h cannot be included beside netinet/in.h. */
#define LK_IP6T_SO_ORIGINAL_DST 80

struct wanted_option {
    bool wanted;
    int level;
    int name;
    int value;
    const char *text;
};

static bool set_options(int fd, const struct lk_addr *addr, const struct wanted_option *options, size_t count,
                        struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct wanted_option *option = &options[i];
        if (!option->wanted)
            continue;
        if (setsockopt(fd, option->level, option->name, &option->value, sizeof(option->value)) != 0)
            return lk_error_errno(error, "%.*s: setting %s", LK_STR_ARG(lk_addr_text(addr, text)), option->text);
    }
    return true;
}

static bool set_keepalive(int fd, const struct lk_addr *addr, uint32_t time, uint32_t interval, uint32_t probes,
                          struct lk_error *error)
{
    const struct wanted_option options[] = {
        {true, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"},
        {time != 0, IPPROTO_TCP, TCP_KEEPIDLE, (int)time, "TCP_KEEPIDLE"},
        {interval != 0, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval, "TCP_KEEPINTVL"},
        {probes != 0, IPPROTO_TCP, TCP_KEEPCNT, (int)probes, "TCP_KEEPCNT"},
    };
    return set_options(fd, addr, options, LK_ARRAY_LEN(options), error);
}

static int stream_socket(const struct lk_addr *addr, struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        lk_error_errno(error, "%.*s: creating a socket", LK_STR_ARG(lk_addr_text(addr, text)));
    return fd;
}

/* Keeps errno for the caller. */
static int close_failed(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool set_listen_options(int fd, const struct lk_addr *addr, const struct lk_listen_options *options,
                               struct lk_error *error)
{
    bool is_v6 = addr->family == AF_INET6;
    bool takes_v4 = !is_v6 || options->ipv4_compat;
    const struct wanted_option wanted[] = {
        {true, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"},
        {options->reuse_port, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"},
        {is_v6, IPPROTO_IPV6, IPV6_V6ONLY, !options->ipv4_compat, "IPV6_V6ONLY"},
        {options->transparent && takes_v4, IPPROTO_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT"},
        {options->transparent && is_v6, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT"},
        {options->freebind && takes_v4, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND"},
        {options->freebind && is_v6, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND"},
        {true, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"},
    };
    if (!set_options(fd, addr, wanted, LK_ARRAY_LEN(wanted), error))
        return false;
    if (!options->keepalive)
        return true;
    return set_keepalive(fd, addr, options->keepalive_time, options->keepalive_interval, options->keepalive_probes,
                         error);
}

/* A socket file that refuses connections was left behind by a process that is gone. */
static void remove_stale_pipe(const struct lk_addr *addr)
{
    struct stat info;
    const char *path = addr->un->sun_path;
    if (path[0] == '\0' || lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)addr->un, addr->len) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

static bool bind_and_listen(int fd, const struct lk_addr *addr, const struct lk_listen_options *options,
                            struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(addr, &len);
    if (addr->family == AF_UNIX)
        remove_stale_pipe(addr);
    if (bind(fd, sa, len) != 0)
        return lk_error_errno(error, "%.*s: bind", LK_STR_ARG(lk_addr_text(addr, text)));
    bool has_file = addr->family == AF_UNIX && addr->un->sun_path[0] != '\0';
    if (has_file && options->pipe_mode != 0 && chmod(addr->un->sun_path, (mode_t)options->pipe_mode) != 0)
        return lk_error_errno(error, "%s: chmod %o", addr->un->sun_path, options->pipe_mode);
    if (listen(fd, options->backlog > 0 ? options->backlog : SOMAXCONN) != 0)
        return lk_error_errno(error, "%.*s: listen", LK_STR_ARG(lk_addr_text(addr, text)));
    return true;
}

int lk_listen(const struct lk_addr *addr, const struct lk_listen_options *options, struct lk_error *error)
{
    if (addr->len == 0 || (addr->family == AF_UNIX && addr->un == NULL)) {
        lk_error_set(error, LK_ERROR_INVALID, "no address to listen on");
        return -1;
    }
    if (options->reuse_port && addr->family == AF_UNIX) {
        lk_error_set(error, LK_ERROR_UNSUPPORTED, "SO_REUSEPORT does not exist for Unix sockets");
        return -1;
    }
    int fd = stream_socket(addr, error);
    if (fd < 0)
        return -1;
    if (addr->family != AF_UNIX && !set_listen_options(fd, addr, options, error))
        return close_failed(fd);
    return bind_and_listen(fd, addr, options, error) ? fd : close_failed(fd);
}

static bool set_connect_options(int fd, const struct lk_addr *addr, const struct lk_connect_options *options,
                                struct lk_error *error)
{
    bool is_v6 = addr->family == AF_INET6;
    bool is_pipe = addr->family == AF_UNIX;
    const struct wanted_option wanted[] = {
        {!is_pipe, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"},
        {options != NULL && options->mark != 0, SOL_SOCKET, SO_MARK, options != NULL ? (int)options->mark : 0,
         "SO_MARK"},
        {options != NULL && options->freebind && !is_pipe, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
         is_v6 ? IPV6_FREEBIND : IP_FREEBIND, 1, "IP_FREEBIND"},
        {options != NULL && options->transparent && !is_pipe, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
         is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1, "IP_TRANSPARENT"},
        {options != NULL && options->source != NULL && !is_pipe && lk_addr_port(options->source) == 0, IPPROTO_IP,
         IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT"},
    };
    if (!set_options(fd, addr, wanted, LK_ARRAY_LEN(wanted), error))
        return false;
    if (options == NULL || !options->keepalive || is_pipe)
        return true;
    return set_keepalive(fd, addr, options->keepalive_time, options->keepalive_interval, options->keepalive_probes,
                         error);
}

int lk_connect_socket(const struct lk_addr *addr, const struct lk_connect_options *options, struct lk_error *error)
{
    char text[LK_ADDR_TEXT_MAX];
    if (addr->len == 0 || (addr->family == AF_UNIX && addr->un == NULL)) {
        errno = EINVAL;
        lk_error_set(error, LK_ERROR_INVALID, "no address to connect to");
        return -1;
    }
    int fd = stream_socket(addr, error);
    if (fd < 0)
        return -1;
    if (!set_connect_options(fd, addr, options, error))
        return close_failed(fd);
    if (options == NULL || options->source == NULL || addr->family == AF_UNIX)
        return fd;
    socklen_t len;
    const struct sockaddr *source = lk_addr_sockaddr(options->source, &len);
    if (bind(fd, source, len) != 0) {
        lk_error_errno(error, "%.*s: bind to the source address", LK_STR_ARG(lk_addr_text(options->source, text)));
        return close_failed(fd);
    }
    return fd;
}

bool lk_local_addr(int fd, struct lk_addr *out)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    *out = (struct lk_addr){0};
    if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0)
        return false;
    lk_addr_from_sockaddr(out, (const struct sockaddr *)&storage, len);
    return out->len != 0;
}

bool lk_original_dst(int fd, const struct lk_addr *local, struct lk_addr *out)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    struct lk_addr plain = *local;
    *out = (struct lk_addr){0};
    lk_addr_unmap(&plain);
    if (plain.len == 0 || plain.family == AF_UNIX)
        return false;
    bool is_v6 = plain.family == AF_INET6;
    if (getsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? LK_IP6T_SO_ORIGINAL_DST : SO_ORIGINAL_DST, &storage,
                   &len) != 0)
        return false;
    lk_addr_from_sockaddr(out, (const struct sockaddr *)&storage, len);
    return out->len != 0;
}
