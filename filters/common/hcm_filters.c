/* HTTP filters of a connection manager, and what routes say to them. Main thread. */
#include "filters/common/hcm_decode.h"
#include "proxy/base/mem.h"
#include "proxy/filter/registry.h"
#include "proxy/upstream/cluster.h"
#include "xds/decode/decode_common.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter http_filter_proto;
#define CONFIG_CASE(name)                                                                                              \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_FILTER__CONFIG_TYPE_##name

/* What decides who may pass is never skipped, whatever is_optional says. Types that are not built in are judged by
 * name. */
static bool may_skip(struct lk_str type)
{
    static const char *const gates[] = {".rbac.",       ".jwt_authn.",    ".ext_authz.", ".oauth2.",
                                        ".basic_auth.", ".api_key_auth.", ".ext_proc.",  ".credential_injector.",
                                        ".csrf.",       ".geoip."};
    for (size_t i = 0; i < LK_ARRAY_LEN(gates); i++) {
        if (lk_str_find(type, lk_str_from(gates[i])) <= type.len)
            return false;
    }
    return true;
}

/* False: this filter is left out of the chain. */
static bool decode_filter(struct lk_decoder *decoder, struct lk_filter_context *context, const http_filter_proto *in,
                          struct lk_http_filter_entry *entry)
{
    struct lk_errors *errors = decoder->errors;
    struct lk_any any = {{NULL, 0}, {NULL, 0}};
    entry->name = lk_decode_required(decoder, "name", in->name);
    if (in->config_type_case == CONFIG_CASE(CONFIG_DISCOVERY))
        return lk_errors_unsupported(errors, "config_discovery", "extension configuration discovery is not built in");
    if (in->config_type_case == CONFIG_CASE(TYPED_CONFIG))
        any = lk_decode_any(decoder, in->typed_config);
    if (any.type.len == 0)
        return lk_errors_add_at(errors, "typed_config", "is required: the type of the filter's configuration");
    const struct lk_http_filter *filter = lk_registry_http(context->registry, entry->name, any.type);
    if (filter == NULL) {
        struct lk_str what = any.type.len > 0 ? any.type : entry->name;
        if (in->is_optional && may_skip(what)) {
            lk_errors_warn(errors, NULL, "optional HTTP filter '%.*s' is not built in and is skipped",
                           LK_STR_ARG(what));
            return false;
        }
        return lk_errors_unsupported(errors, any.type.len > 0 ? "typed_config" : "name",
                                     "HTTP filter '%.*s' is not built into this version", LK_STR_ARG(what));
    }
    size_t mark = lk_errors_push(errors, "typed_config");
    entry->filter = filter;
    entry->disabled = in->disabled;
    entry->config = filter->config_new(context, &any, errors);
    lk_errors_pop(errors, mark);
    return entry->config != NULL;
}

void lk_hcm_decode_filters(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_chain_config *chain)
{
    struct lk_errors *errors = decoder->errors;
    struct lk_http_filter_entry *entries = lk_arena_array(context->arena, in->n_http_filters + 1, sizeof(*entries));
    unsigned count = 0;
    bool terminal = false;
    size_t before = errors->count;
    for (size_t i = 0; i < in->n_http_filters; i++) {
        size_t mark = lk_errors_push_index(errors, "http_filters", i);
        if (terminal)
            lk_errors_add(errors, "no filter may follow the terminal filter");
        if (decode_filter(decoder, context, in->http_filters[i], &entries[count])) {
            terminal |= entries[count].filter->terminal;
            if (terminal && entries[count].disabled)
                lk_errors_add_at(errors, "disabled", "the terminal filter cannot be disabled");
            chain->route_switches |= entries[count].disabled;
            count++;
        }
        lk_errors_pop(errors, mark);
    }
    if (!terminal && in->n_http_filters > 0 && errors->count == before)
        lk_errors_add_at(errors, "http_filters", "must end with a terminal filter such as envoy.filters.http.router");
    chain->entries = entries;
    chain->count = count;
}

/* --- per route ---------------------------------------------------------------------------------------------------- */

static const struct lk_http_filter_entry *find_entry(const struct lk_http_chain_config *chain, struct lk_str name)
{
    for (unsigned i = 0; i < chain->count; i++) {
        if (lk_str_eq(chain->entries[i].name, name))
            return &chain->entries[i];
    }
    return NULL;
}

/* FilterConfig without a config only switches the filter on or off. */
static void build_config(struct lk_filter_context *context, struct lk_per_filter_config *config,
                         const struct lk_http_filter *filter, struct lk_errors *errors)
{
    if (config->any.type.len == 0)
        return;
    if (filter != NULL && filter->route_config_new != NULL)
        config->config = filter->route_config_new(context, &config->any, errors);
    else if (!config->is_optional && filter == NULL)
        lk_errors_unsupported(errors, NULL, "configuration of type '%.*s' is for a filter that is not built in",
                              LK_STR_ARG(config->any.type));
    else if (!config->is_optional)
        lk_errors_unsupported(errors, NULL, "filter '%s' takes no configuration by route", filter->name);
}

static void build_list(struct lk_filter_context *context, const struct lk_per_filter_config *list, size_t count,
                       struct lk_http_chain_config *chain, struct lk_errors *errors)
{
    for (size_t i = 0; i < count; i++) {
        struct lk_per_filter_config *config = (struct lk_per_filter_config *)&list[i]; /* still being built */
        const struct lk_http_filter_entry *entry = find_entry(chain, config->filter);
        size_t mark = lk_errors_push_key(errors, "typed_per_filter_config", config->filter);
        const struct lk_http_filter *filter =
            entry != NULL ? entry->filter : lk_registry_http(context->registry, config->filter, config->any.type);
        build_config(context, config, filter, errors);
        if (config->disabled && filter != NULL && filter->terminal)
            lk_errors_add_at(errors, "disabled", "the terminal filter cannot be disabled");
        chain->route_switches |= config->disabled;
        lk_errors_pop(errors, mark);
    }
}

void lk_hcm_build_route_filters(struct lk_filter_context *context, struct lk_route_config *routes,
                                struct lk_http_chain_config *chain, struct lk_errors *errors)
{
    build_list(context, routes->per_filter, routes->per_filter_count, chain, errors);
    for (size_t v = 0; v < routes->virtual_host_count; v++) {
        const struct lk_virtual_host *vhost = &routes->virtual_hosts[v];
        size_t vhost_mark = lk_errors_push_index(errors, "virtual_hosts", v);
        build_list(context, vhost->per_filter, vhost->per_filter_count, chain, errors);
        for (size_t r = 0; r < vhost->route_count; r++) {
            const struct lk_route *route = &vhost->routes[r];
            size_t route_mark = lk_errors_push_index(errors, "routes", r);
            build_list(context, route->per_filter, route->per_filter_count, chain, errors);
            for (size_t w = 0; w < route->action.weighted_count; w++)
                build_list(context, route->action.weighted[w].per_filter, route->action.weighted[w].per_filter_count,
                           chain, errors);
            lk_errors_pop(errors, route_mark);
        }
        lk_errors_pop(errors, vhost_mark);
    }
}

/* --- clusters -------------------------------------------------------------------------------------------------------
 */

static void check_cluster(struct lk_filter_context *context, struct lk_str name, const char *field,
                          struct lk_errors *errors)
{
    if (name.len > 0 && !lk_clusters_has(context->clusters, name))
        lk_errors_add_at(errors, field, "unknown cluster '%.*s'", LK_STR_ARG(name));
}

/* Where the list itself was written: policies that are inherited are looked at there. */
static void check_mirrors(struct lk_filter_context *context, const struct lk_mirror_policies *mirrors,
                          const struct lk_mirror_policies *outer, struct lk_errors *errors)
{
    if (outer != NULL && mirrors->items == outer->items)
        return;
    for (size_t i = 0; i < mirrors->count; i++) {
        size_t mark = lk_errors_push_index(errors, "request_mirror_policies", i);
        check_cluster(context, mirrors->items[i].cluster, "cluster", errors);
        lk_errors_pop(errors, mark);
    }
}

static void check_route(struct lk_filter_context *context, const struct lk_route *route, struct lk_errors *errors)
{
    if (route->kind != LK_ROUTE_CLUSTER)
        return;
    size_t mark = lk_errors_push(errors, "route");
    if (route->action.specifier == LK_CLUSTER_BY_NAME)
        check_cluster(context, route->action.cluster, "cluster", errors);
    for (size_t w = 0; w < route->action.weighted_count; w++) {
        size_t weighted = lk_errors_push(errors, "weighted_clusters");
        size_t item = lk_errors_push_index(errors, "clusters", w);
        check_cluster(context, route->action.weighted[w].cluster, "name", errors);
        lk_errors_pop(errors, item);
        lk_errors_pop(errors, weighted);
    }
    check_mirrors(context, &route->action.mirrors, &route->virtual_host->mirrors, errors);
    lk_errors_pop(errors, mark);
}

void lk_hcm_check_clusters(struct lk_filter_context *context, const struct lk_route_config *routes,
                           struct lk_errors *errors)
{
    check_mirrors(context, &routes->mirrors, NULL, errors);
    for (size_t v = 0; v < routes->virtual_host_count; v++) {
        size_t vhost_mark = lk_errors_push_index(errors, "virtual_hosts", v);
        check_mirrors(context, &routes->virtual_hosts[v].mirrors, &routes->mirrors, errors);
        for (size_t r = 0; r < routes->virtual_hosts[v].route_count; r++) {
            size_t route_mark = lk_errors_push_index(errors, "routes", r);
            check_route(context, &routes->virtual_hosts[v].routes[r], errors);
            lk_errors_pop(errors, route_mark);
        }
        lk_errors_pop(errors, vhost_mark);
    }
}
