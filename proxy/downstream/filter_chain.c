/* Instantiates the network filters of a chain. Main thread, once per configuration. */
#include "proxy/downstream/filter_chain.h"

#include "proxy/base/mem.h"
#include "proxy/config/transport_socket.h"
#include "proxy/filter/registry.h"

#include <string.h>

static bool check_order(const struct lk_network_filter *filter, unsigned index, size_t count, struct lk_errors *errors)
{
    bool last = index + 1 == count;
    if (filter->terminal && !last)
        return lk_errors_add(errors, "terminal filter %s must be the last one of its chain", filter->name);
    if (!filter->terminal && last)
        return lk_errors_add(errors,
                             "the last filter of a chain must be terminal (tcp_proxy, http_connection_manager, "
                             "...), %s is not",
                             filter->name);
    return true;
}

/* A filter that the terminal one never asks would do nothing, in silence. */
static bool check_end(const struct lk_network_filter *filter, const struct lk_filter_chain_config *chain,
                      struct lk_filter_context *context, struct lk_errors *errors)
{
    const struct lk_network_filter_config *last = &chain->filters[chain->filter_count - 1];
    const struct lk_network_filter *end = lk_registry_network(context->registry, last->name, last->any.type);

    if (filter->ends_in == NULL || end == NULL || strcmp(end->name, filter->ends_in) == 0)
        return true;
    return lk_errors_add(errors, "%s has no effect in a chain that ends in %s, expected %s", filter->name, end->name,
                         filter->ends_in);
}

static bool build_filter(struct lk_network_filter_entry *entry, const struct lk_network_filter_config *config,
                         unsigned index, const struct lk_filter_chain_config *chain, struct lk_filter_context *context,
                         struct lk_errors *errors)
{
    const struct lk_network_filter *filter = lk_registry_network(context->registry, config->name, config->any.type);
    if (filter == NULL) {
        struct lk_str what = config->any.type.len > 0 ? config->any.type : config->name;
        return lk_errors_unsupported(errors, config->any.type.len > 0 ? "typed_config" : "name",
                                     "network filter '%.*s' is not built into this version", LK_STR_ARG(what));
    }
    if (!check_order(filter, index, chain->filter_count, errors) || !check_end(filter, chain, context, errors))
        return false;
    size_t mark = lk_errors_push(errors, "typed_config");
    entry->filter = filter;
    entry->config = filter->config_new(context, &config->any, errors);
    lk_errors_pop(errors, mark);
    return entry->config != NULL;
}

bool lk_filter_chain_build(struct lk_filter_chain *chain, const struct lk_filter_chain_config *config,
                           struct lk_filter_context *context, unsigned *next_slot, struct lk_errors *errors)
{
    bool ok = true;
    chain->config = config;
    chain->name = config->name;
    chain->filters = lk_arena_array(context->arena, config->filter_count, sizeof(*chain->filters));
    ok &= lk_transport_socket_check(&config->transport_socket, errors);
    for (unsigned i = 0; i < config->filter_count; i++) {
        size_t mark = lk_errors_push_index(errors, "filters", i);
        ok &= build_filter(&chain->filters[i], &config->filters[i], i, config, context, errors);
        chain->filters[i].worker_slot = (*next_slot)++;
        lk_errors_pop(errors, mark);
    }
    chain->filter_count = (unsigned)config->filter_count;
    return ok;
}
