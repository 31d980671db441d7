/*
 * Name resolution for clusters, on the main loop. A query is one or two lookups (families in order of preference); its
 * result is handed over at the end of a turn, outside of c-ares, so that the receiver may do what it likes.
 */
#include "proxy/io/dns.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/dns_private.h"

#define HOSTS_PATH "/etc/hosts"

struct lk_dns {
    struct lk_loop *loop;
    struct lk_dns_options options;
    struct lk_addr *resolvers;
    struct lk_dns_channel *channel; /* for new lookups */
    struct lk_list channels;        /* that one and retired ones */
    struct lk_list queries;
    bool renew; /* the channel cannot reach its servers: read the system's settings again */
};

struct lk_dns_query {
    struct lk_list node;
    struct lk_dns *dns;
    struct lk_dns_channel *channel; /* of the lookup under way */
    char *name;
    int families[2];     /* tried in order until one has addresses; 0: none */
    lk_dns_done_fn done; /* NULL: cancelled */
    void *arg;
    enum lk_dns_status status;
    struct lk_dns_addrs addrs;
    uint32_t ttl_s;
    struct lk_deferred deliver;
};

static void query_free(struct lk_dns_query *query)
{
    lk_list_remove(&query->node);
    lk_list_remove(&query->deliver.node);
    lk_free(query->addrs.list);
    lk_free(query->name);
    lk_free(query);
}

void lk_dns_free(struct lk_dns *dns)
{
    if (dns == NULL)
        return;
    LK_LIST_FOREACH(node, &dns->queries)
    LK_LIST_ENTRY(node, struct lk_dns_query, node)->done = NULL;
    while (!lk_list_empty(&dns->channels))
        lk_dns_channel_free(LK_LIST_ENTRY(dns->channels.next, struct lk_dns_channel, node));
    while (!lk_list_empty(&dns->queries)) /* those that waited to be delivered */
        query_free(LK_LIST_ENTRY(dns->queries.next, struct lk_dns_query, node));
    lk_free(dns->resolvers);
    lk_free(dns);
    ares_library_cleanup();
}

static bool use_new_channel(struct lk_dns *dns, struct lk_error *error)
{
    struct lk_dns_channel *fresh = lk_dns_channel_new(dns->loop, &dns->options, error);
    if (fresh == NULL)
        return false;
    if (dns->channel != NULL)
        lk_dns_channel_retire(dns->channel);
    lk_list_push_back(&dns->channels, &fresh->node);
    dns->channel = fresh;
    dns->renew = false;
    return true;
}

struct lk_dns *lk_dns_new(struct lk_loop *loop, const struct lk_dns_options *options, struct lk_error *error)
{
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status != ARES_SUCCESS) {
        lk_error_set(error, LK_ERROR_IO, "cannot start the DNS library: %s", ares_strerror(status));
        return NULL;
    }
    for (size_t i = 0; i < options->resolver_count; i++) {
        sa_family_t family = options->resolvers[i].len > 0 ? options->resolvers[i].family : AF_UNSPEC;
        if (family == AF_INET || family == AF_INET6)
            continue;
        lk_error_set(error, LK_ERROR_INVALID, "a DNS resolver must be an IP address");
        ares_library_cleanup();
        return NULL;
    }
    struct lk_dns *dns = lk_calloc(1, sizeof(*dns));
    dns->loop = loop;
    dns->options = *options;
    dns->resolvers = lk_calloc(options->resolver_count + 1, sizeof(*dns->resolvers));
    if (options->resolver_count > 0)
        memcpy(dns->resolvers, options->resolvers, options->resolver_count * sizeof(*dns->resolvers));
    dns->options.resolvers = dns->resolvers;
    lk_list_init(&dns->queries);
    lk_list_init(&dns->channels);
    if (use_new_channel(dns, error))
        return dns;
    lk_dns_free(dns);
    return NULL;
}

/* The channel for the next lookup; a new one when the old has used up its sockets or lost its servers. */
static struct lk_dns_channel *current_channel(struct lk_dns *dns)
{
    struct lk_error error;
    uint32_t limit = dns->options.udp_max_queries;
    bool used_up = limit != 0 && dns->channel->lookups >= limit;
    if (!used_up && !dns->renew)
        return dns->channel;
    if (!use_new_channel(dns, &error))
        LK_LOG_LIMITED(DNS, WARN, "%s", error.text);
    return dns->channel;
}

static void on_lookup(void *arg, int status, int timeouts, struct ares_addrinfo *result);

static void look_up(struct lk_dns_query *query)
{
    int family = query->families[0];
    query->families[0] = query->families[1];
    query->families[1] = 0;
    query->channel = current_channel(query->dns);
    lk_dns_channel_lookup(query->channel, query->name, family, on_lookup, query);
}

static void on_deliver(struct lk_deferred *deferred)
{
    struct lk_dns_query *query = LK_CONTAINER_OF(deferred, struct lk_dns_query, deliver);
    bool has_more = query->families[0] != 0;
    if (query->done != NULL && query->addrs.count == 0 && has_more) {
        look_up(query);
        return;
    }
    struct lk_dns_query finished = *query;
    query->addrs.list = NULL;
    query_free(query);
    if (finished.done != NULL)
        finished.done(finished.arg, finished.status, finished.addrs.list, finished.addrs.count, finished.ttl_s);
    lk_free(finished.addrs.list);
}

static enum lk_dns_status status_of(int status, size_t count)
{
    switch (status) {
    case ARES_SUCCESS:
        return count > 0 ? LK_DNS_SUCCESS : LK_DNS_EMPTY;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return LK_DNS_EMPTY;
    case ARES_ETIMEOUT:
        return LK_DNS_TIMEOUT;
    default:
        return LK_DNS_FAILURE;
    }
}

static void note_ttl(struct lk_dns_query *query, int ttl)
{
    if (ttl > 0 && (uint32_t)ttl < query->ttl_s)
        query->ttl_s = (uint32_t)ttl;
}

static void copy_result(struct lk_dns_query *query, const struct ares_addrinfo *result)
{
    struct lk_dns_addrs *addrs = &query->addrs;
    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next) {
        struct lk_addr addr;
        lk_addr_from_sockaddr(&addr, node->ai_addr, node->ai_addrlen);
        if (addr.len == 0)
            continue;
        lk_addr_set_port(&addr, 0);
        addrs->list = lk_grow(addrs->list, &addrs->cap, addrs->count + 1, sizeof(*addrs->list));
        addrs->list[addrs->count++] = addr;
        note_ttl(query, node->ai_ttl);
    }
    for (const struct ares_addrinfo_cname *cname = result->cnames; cname != NULL; cname = cname->next)
        note_ttl(query, cname->ttl);
}

static void on_lookup(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    (void)timeouts;
    struct lk_dns_query *query = arg;
    lk_dns_channel_lookup_done(query->channel);
    query->channel = NULL;
    if (status == ARES_SUCCESS && result != NULL)
        copy_result(query, result);
    if (result != NULL)
        ares_freeaddrinfo(result);
    if (status == ARES_ECONNREFUSED)
        query->dns->renew = true;
    query->status = status_of(status, query->addrs.count);
    if (query->done == NULL)
        query_free(query);
    else
        lk_loop_defer(query->dns->loop, &query->deliver);
}

static void keep_family(struct lk_dns_addrs *addrs, int family)
{
    size_t kept = 0;
    for (size_t i = 0; i < addrs->count; i++)
        if (family == AF_UNSPEC || addrs->list[i].family == family)
            addrs->list[kept++] = addrs->list[i];
    addrs->count = kept;
}

static bool has_family(const struct lk_dns_addrs *addrs, int family)
{
    for (size_t i = 0; i < addrs->count; i++)
        if (addrs->list[i].family == family)
            return true;
    return false;
}

/* Whether the hosts file has an address that is wanted. Then no server is asked, for no family. */
static bool look_up_hosts(struct lk_dns_query *query)
{
    struct lk_dns_addrs *addrs = &query->addrs;
    lk_dns_hosts_lookup(HOSTS_PATH, lk_str_from(query->name), addrs);
    bool use_second = query->families[1] != 0 && !has_family(addrs, query->families[0]);
    keep_family(addrs, query->families[use_second ? 1 : 0]);
    if (addrs->count == 0)
        return false;
    query->families[0] = query->families[1] = 0;
    query->status = LK_DNS_SUCCESS;
    return true;
}

struct lk_dns_query *lk_dns_resolve(struct lk_dns *dns, const char *name, enum lk_dns_family family,
                                    lk_dns_done_fn done, void *arg)
{
    static const int families[][2] = {
        [LK_DNS_AUTO] = {AF_INET6, AF_INET},         [LK_DNS_V4_ONLY] = {AF_INET, 0}, [LK_DNS_V6_ONLY] = {AF_INET6, 0},
        [LK_DNS_V4_PREFERRED] = {AF_INET, AF_INET6}, [LK_DNS_ALL] = {AF_UNSPEC, 0},
    };
    struct lk_dns_query *query = lk_calloc(1, sizeof(*query));
    query->dns = dns;
    query->name = lk_strdup(name);
    query->families[0] = families[family][0];
    query->families[1] = families[family][1];
    query->done = done;
    query->arg = arg;
    query->ttl_s = UINT32_MAX;
    lk_deferred_init(&query->deliver, on_deliver);
    lk_list_push_back(&dns->queries, &query->node);
    if (look_up_hosts(query))
        lk_loop_defer(dns->loop, &query->deliver);
    else
        look_up(query);
    return query;
}

void lk_dns_cancel(struct lk_dns_query *query)
{
    query->done = NULL;
    if (query->channel == NULL)
        query_free(query);
}
