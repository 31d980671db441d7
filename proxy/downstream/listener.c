/* Builds listeners from configuration and binds their sockets. Main thread. */
#include "proxy/downstream/listener.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/filter/registry.h"
#include "proxy/io/sockopt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct lk_listeners *lk_listeners_new(unsigned worker_count, uint32_t max_connections)
{
    struct lk_listeners *listeners = lk_calloc(1, sizeof(*listeners));
    listeners->worker_count = worker_count;
    listeners->max_connections = max_connections;
    lk_map_init(&listeners->by_address);
    return listeners;
}

static void listener_free(struct lk_listener *listener)
{
    for (unsigned i = 0; i < listener->fd_count; i++) {
        if (listener->fds[i] >= 0)
            close(listener->fds[i]);
    }
    lk_free(listener->fds);
    lk_free(listener->bound);
    lk_stats_scope_unref(listener->stats);
    lk_free(listener);
}

void lk_listeners_free(struct lk_listeners *listeners)
{
    if (listeners == NULL)
        return;
    for (size_t i = 0; i < listeners->count; i++)
        listener_free(listeners->all[i]);
    lk_map_fini(&listeners->by_address);
    lk_free(listeners->by_port);
    lk_free(listeners->all);
    lk_free(listeners);
}

static struct lk_str addr_key(const struct lk_addr *addr)
{
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(addr, &len);
    return lk_str((const char *)sa, len);
}

/* Envoy's stat name of a listener: stat_prefix, or the address with ':' replaced. */
static void stat_name(const struct lk_listener_config *config, char *out, size_t cap)
{
    char text[LK_ADDR_TEXT_MAX];
    struct lk_str name = config->stat_prefix;
    if (name.len == 0)
        name = lk_addr_text(&config->addresses[0].addr, text);
    int len = snprintf(out, cap, "listener.%.*s.", LK_STR_ARG(name));
    for (int i = 9; i < len && i < (int)cap; i++) {
        if (out[i] == ':')
            out[i] = '_';
    }
}

static bool build_listener_filter(struct lk_listener_filter_entry *entry,
                                  const struct lk_listener_filter_config *config, struct lk_filter_context *context,
                                  struct lk_errors *errors)
{
    const struct lk_listener_filter *filter = lk_registry_listener(context->registry, config->name, config->any.type);
    if (filter == NULL) {
        struct lk_str what = config->any.type.len > 0 ? config->any.type : config->name;
        return lk_errors_unsupported(errors, config->any.type.len > 0 ? "typed_config" : "name",
                                     "listener filter '%.*s' is not built into this version", LK_STR_ARG(what));
    }
    size_t mark = lk_errors_push(errors, "typed_config");
    entry->filter = filter;
    entry->disabled = config->disabled;
    entry->config = filter->config_new(context, &config->any, errors);
    lk_errors_pop(errors, mark);
    return entry->config != NULL;
}

static bool has_filter(const struct lk_listener *listener, const char *name)
{
    for (unsigned i = 0; i < listener->filter_count; i++) {
        if (listener->filters[i].filter != NULL && strcmp(listener->filters[i].filter->name, name) == 0)
            return true;
    }
    return false;
}

/* use_original_dst implies the filter that finds the destination. */
static bool imply_original_dst(struct lk_listener *listener, struct lk_filter_context *context,
                               struct lk_errors *errors)
{
    if (!listener->config->use_original_dst || has_filter(listener, "envoy.filters.listener.original_dst"))
        return true;
    struct lk_listener_filter_config implied = {.name = LK_STR("envoy.filters.listener.original_dst")};
    struct lk_listener_filter_entry *filters = listener->filters;
    memmove(filters + 1, filters, listener->filter_count * sizeof(*filters));
    memset(filters, 0, sizeof(*filters));
    listener->filter_count++;
    return build_listener_filter(&filters[0], &implied, context, errors);
}

static bool build_filters(struct lk_listener *listener, struct lk_filter_context *context, struct lk_errors *errors)
{
    const struct lk_listener_config *config = listener->config;
    bool ok = true;
    listener->filters = lk_arena_array(context->arena, config->filter_count + 1, sizeof(*listener->filters));
    for (size_t i = 0; i < config->filter_count; i++) {
        size_t mark = lk_errors_push_index(errors, "listener_filters", i);
        ok &= build_listener_filter(&listener->filters[i], &config->filters[i], context, errors);
        lk_errors_pop(errors, mark);
    }
    listener->filter_count = (unsigned)config->filter_count;
    return ok && imply_original_dst(listener, context, errors);
}

static bool build_chains(struct lk_listener *listener, struct lk_filter_context *context, struct lk_errors *errors)
{
    const struct lk_listener_config *config = listener->config;
    bool ok = true;
    listener->chains = lk_arena_array(context->arena, config->chain_count, sizeof(*listener->chains));
    listener->chain_count = config->chain_count;
    for (size_t i = 0; i < config->chain_count; i++) {
        size_t mark = lk_errors_push_index(errors, "filter_chains", i);
        ok &= lk_filter_chain_build(&listener->chains[i], &config->chains[i], context, &listener->worker_slots, errors);
        lk_errors_pop(errors, mark);
    }
    ok = lk_filter_chains_check(listener->chains, listener->chain_count, errors) && ok;
    if (config->default_chain != NULL) {
        size_t mark = lk_errors_push(errors, "default_filter_chain");
        listener->default_chain = lk_arena_zalloc(context->arena, sizeof(*listener->default_chain));
        ok &= lk_filter_chain_build(listener->default_chain, config->default_chain, context, &listener->worker_slots,
                                    errors);
        lk_errors_pop(errors, mark);
    }
    return ok;
}

/* Listeners that original destinations can be handed to. */
static bool index_addresses(struct lk_listeners *listeners, struct lk_listener *listener, struct lk_errors *errors)
{
    const struct lk_listener_config *config = listener->config;
    for (size_t i = 0; i < config->address_count; i++) {
        const struct lk_addr *addr = &config->addresses[i].addr;
        if (addr->family == AF_UNIX || (config->bind_to_port && lk_addr_port(addr) == 0))
            continue;
        if (lk_map_get(&listeners->by_address, addr_key(addr)) != NULL) {
            char text[LK_ADDR_TEXT_MAX];
            return lk_errors_add_at(errors, "address", "another listener has the address %s already",
                                    lk_addr_text(addr, text).ptr);
        }
        lk_map_set(&listeners->by_address, addr_key(addr), listener);
        if (!lk_addr_is_any(addr))
            continue;
        listeners->by_port = lk_grow(listeners->by_port, &listeners->by_port_cap, listeners->by_port_count + 1,
                                     sizeof(struct lk_listener *));
        listeners->by_port[listeners->by_port_count++] = listener;
    }
    return true;
}

bool lk_listeners_add(struct lk_listeners *listeners, const struct lk_listener_config *config,
                      struct lk_filter_context *context, struct lk_errors *errors)
{
    char name[512];
    struct lk_listener *listener = lk_calloc(1, sizeof(*listener));
    listener->config = config;
    listener->set = listeners;
    listener->index = (unsigned)listeners->count;
    stat_name(config, name, sizeof(name));
    listener->stats = lk_stats_scope_ref(context->stats, &lk_listener_stat_block, lk_str_from(name));
    listeners->all = lk_grow(listeners->all, &listeners->cap, listeners->count + 1, sizeof(struct lk_listener *));
    listeners->all[listeners->count++] = listener;
    context->direction = config->direction;
    context->listener_name = config->name;
    context->listener_stat_prefix = lk_arena_str(context->arena, lk_str_from(name));
    bool ok = build_filters(listener, context, errors);
    ok &= build_chains(listener, context, errors);
    ok &= index_addresses(listeners, listener, errors);
    listener->access_logs = lk_access_logs_build(context, config->access_logs, config->access_log_count, errors);
    listener->access_log_count = config->access_log_count;
    return ok && (listener->access_logs != NULL || config->access_log_count == 0);
}

static bool bind_listener(struct lk_listener *listener, unsigned worker_count, struct lk_error *error)
{
    const struct lk_listener_config *config = listener->config;
    if (!config->bind_to_port)
        return true;
    unsigned per_address = config->reuse_port ? worker_count : 1;
    listener->fd_count = (unsigned)config->address_count * per_address;
    listener->fds = lk_malloc(listener->fd_count * sizeof(int));
    listener->bound = lk_calloc(config->address_count, sizeof(*listener->bound));
    memset(listener->fds, 0xff, listener->fd_count * sizeof(int));
    for (size_t a = 0; a < config->address_count; a++) {
        const struct lk_listen_address *address = &config->addresses[a];
        bool is_unix = address->addr.family == AF_UNIX;
        const struct lk_keepalive_config *keepalive = address->keepalive.set ? &address->keepalive : &config->keepalive;
        struct lk_listen_options options = {
            .transparent = config->transparent,
            .freebind = config->freebind,
            .reuse_port = config->reuse_port && !is_unix,
            .ipv4_compat = address->ipv4_compat,
            .backlog = (int)config->backlog,
            .pipe_mode = address->pipe_mode,
            .keepalive = keepalive->set,
            .keepalive_time = keepalive->time_s,
            .keepalive_interval = keepalive->interval_s,
            .keepalive_probes = keepalive->probes,
        };
        struct lk_addr addr = address->addr;
        for (unsigned w = 0; w < (is_unix ? 1 : per_address); w++) {
            int fd = lk_listen(&addr, &options, error);
            if (fd < 0)
                return false;
            listener->fds[a * per_address + w] = fd;
            if (!lk_local_addr(fd, &addr))
                addr = address->addr;
        }
        listener->bound[a] = addr;
    }
    return true;
}

bool lk_listeners_bind(struct lk_listeners *listeners, struct lk_error *error)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (!bind_listener(listeners->all[i], listeners->worker_count, error))
            return false;
    }
    return true;
}

static bool takes_port(const struct lk_listener_config *config, const struct lk_addr *destination)
{
    for (size_t a = 0; a < config->address_count; a++) {
        const struct lk_listen_address *address = &config->addresses[a];
        bool same_family =
            address->addr.family == destination->family || (address->ipv4_compat && destination->family == AF_INET);
        if (same_family && lk_addr_is_any(&address->addr) && lk_addr_port(&address->addr) == lk_addr_port(destination))
            return true;
    }
    return false;
}

static void tell(struct lk_owner_trace *recorder, const struct lk_listener *listener, const char *why)
{
    if (LK_UNLIKELY(recorder != NULL))
        recorder->on_listener(recorder, listener, why);
}

struct lk_listener *lk_listeners_owner(struct lk_listeners *listeners, const struct lk_addr *destination,
                                       struct lk_owner_trace *recorder)
{
    struct lk_listener *exact = lk_map_get(&listeners->by_address, addr_key(destination));
    tell(recorder, exact, exact != NULL ? NULL : "no listener has exactly this address");
    if (exact != NULL)
        return exact;
    for (size_t i = 0; i < listeners->by_port_count; i++) {
        bool takes = takes_port(listeners->by_port[i]->config, destination);
        tell(recorder, listeners->by_port[i], takes ? NULL : "its wildcard address has another port or family");
        if (takes)
            return listeners->by_port[i];
    }
    return NULL;
}
