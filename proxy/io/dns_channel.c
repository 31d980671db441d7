/* Drives a c-ares channel with the loop: its sockets are events, its timeout is a timer. */
#include "proxy/base/mem.h"
#include "proxy/io/dns_private.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct dns_socket {
    struct lk_list node;
    struct lk_dns_channel *channel;
    ares_socket_t fd;
    struct event event;
};

static void set_timer(struct lk_dns_channel *channel)
{
    struct timeval left;
    if (ares_timeout(channel->ares, NULL, &left) == NULL) {
        lk_timer_clear(&channel->timer);
        return;
    }
    uint64_t ms = (uint64_t)left.tv_sec * 1000 + ((uint64_t)left.tv_usec + 999) / 1000;
    lk_timer_set(channel->loop, &channel->timer, ms);
}

static void on_timer(struct lk_timer *timer)
{
    struct lk_dns_channel *channel = LK_CONTAINER_OF(timer, struct lk_dns_channel, timer);
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(channel);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct dns_socket *socket = arg;
    struct lk_dns_channel *channel = socket->channel; /* the socket may go in between */
    (void)lk_loop_now_us(channel->loop);
    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    set_timer(channel);
}

static struct dns_socket *find_socket(struct lk_dns_channel *channel, ares_socket_t fd)
{
    LK_LIST_FOREACH(node, &channel->sockets)
    {
        struct dns_socket *socket = LK_LIST_ENTRY(node, struct dns_socket, node);
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static void forget_socket(struct lk_dns_channel *channel, struct dns_socket *socket)
{
    event_del(&socket->event);
    lk_list_remove(&socket->node);
    lk_list_push_back(&channel->dead_sockets, &socket->node);
    lk_loop_defer(channel->loop, &channel->cleanup);
}

/* c-ares tells what it wants to know of a socket; nothing at all means that it is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct lk_dns_channel *channel = data;
    struct dns_socket *socket = find_socket(channel, fd);
    if (!readable && !writable) {
        if (socket != NULL)
            forget_socket(channel, socket);
        return;
    }
    if (socket == NULL) {
        socket = lk_calloc(1, sizeof(*socket));
        socket->channel = channel;
        socket->fd = fd;
        lk_list_push_back(&channel->sockets, &socket->node);
    } else {
        event_del(&socket->event);
    }
    short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    event_assign(&socket->event, lk_loop_base(channel->loop), fd, what, on_socket, socket);
    event_add(&socket->event, NULL); /* if this fails, the lookup ends by its timeout */
}

static void free_sockets(struct lk_list *sockets)
{
    LK_LIST_FOREACH_SAFE(node, sockets)
    {
        lk_list_remove(node);
        lk_free(LK_LIST_ENTRY(node, struct dns_socket, node));
    }
}

static void on_cleanup(struct lk_deferred *deferred)
{
    struct lk_dns_channel *channel = LK_CONTAINER_OF(deferred, struct lk_dns_channel, cleanup);
    free_sockets(&channel->dead_sockets);
    if (channel->retired && channel->pending == 0)
        lk_dns_channel_free(channel);
}

static bool set_servers(struct lk_dns_channel *channel, const struct lk_dns_options *options, struct lk_error *error)
{
    struct ares_addr_port_node *nodes = lk_calloc(options->resolver_count, sizeof(*nodes));
    for (size_t i = 0; i < options->resolver_count; i++) {
        const struct lk_addr *addr = &options->resolvers[i];
        bool is_v6 = addr->family == AF_INET6;
        nodes[i].family = addr->family;
        nodes[i].udp_port = nodes[i].tcp_port = lk_addr_port(addr);
        if (is_v6)
            memcpy(&nodes[i].addr.addr6, &addr->in6.sin6_addr, sizeof(addr->in6.sin6_addr));
        else
            nodes[i].addr.addr4 = addr->in.sin_addr;
        nodes[i].next = i + 1 < options->resolver_count ? &nodes[i + 1] : NULL;
    }
    int status = ares_set_servers_ports(channel->ares, nodes);
    lk_free(nodes);
    return status == ARES_SUCCESS ||
           lk_error_set(error, LK_ERROR_INVALID, "DNS resolvers were refused: %s", ares_strerror(status));
}

static bool init_ares(struct lk_dns_channel *channel, const struct lk_dns_options *options, struct lk_error *error)
{
    char lookups[] = "b"; /* servers only */
    struct ares_options settings = {
        .flags = (options->use_tcp ? ARES_FLAG_USEVC : 0) | (options->no_default_search ? ARES_FLAG_NOSEARCH : 0),
        .timeout = (int)options->query_timeout_ms,
        .tries = (int)options->query_tries,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    mask |= options->query_timeout_ms != 0 ? ARES_OPT_TIMEOUTMS : 0;
    mask |= options->query_tries != 0 ? ARES_OPT_TRIES : 0;
    int status = ares_init_options(&channel->ares, &settings, mask);
    if (status != ARES_SUCCESS)
        return lk_error_set(error, LK_ERROR_IO, "cannot start the DNS resolver: %s", ares_strerror(status));
    return options->resolver_count == 0 || set_servers(channel, options, error);
}

struct lk_dns_channel *lk_dns_channel_new(struct lk_loop *loop, const struct lk_dns_options *options,
                                          struct lk_error *error)
{
    struct lk_dns_channel *channel = lk_calloc(1, sizeof(*channel));
    channel->loop = loop;
    lk_list_init(&channel->node);
    lk_list_init(&channel->sockets);
    lk_list_init(&channel->dead_sockets);
    lk_timer_init(&channel->timer, on_timer);
    lk_deferred_init(&channel->cleanup, on_cleanup);
    if (init_ares(channel, options, error))
        return channel;
    if (channel->ares != NULL)
        ares_destroy(channel->ares);
    lk_free(channel);
    return NULL;
}

void lk_dns_channel_free(struct lk_dns_channel *channel)
{
    channel->retired = false; /* nothing else frees it meanwhile */
    ares_destroy(channel->ares);
    lk_timer_clear(&channel->timer);
    lk_list_remove(&channel->cleanup.node);
    lk_list_remove(&channel->node);
    free_sockets(&channel->dead_sockets);
    LK_ASSERT(lk_list_empty(&channel->sockets));
    lk_free(channel);
}

void lk_dns_channel_retire(struct lk_dns_channel *channel)
{
    channel->retired = true;
    lk_loop_defer(channel->loop, &channel->cleanup);
}

void lk_dns_channel_lookup(struct lk_dns_channel *channel, const char *name, int family, ares_addrinfo_callback done,
                           void *arg)
{
    const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = family, .ai_socktype = SOCK_STREAM};
    channel->lookups++;
    channel->pending++;
    ares_getaddrinfo(channel->ares, name, NULL, &hints, done, arg);
    set_timer(channel);
}

void lk_dns_channel_lookup_done(struct lk_dns_channel *channel)
{
    channel->pending--;
    if (channel->retired)
        lk_loop_defer(channel->loop, &channel->cleanup);
}
