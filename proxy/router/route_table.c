/* Compiles a route configuration and owns the result. Main thread; look-ups from any. */
#include "proxy/router/route_table.h"

#include "proxy/base/mem.h"
#include "proxy/router/route_table_internal.h"

static void config_unref(struct lk_route_config *config)
{
    if (lk_ref_put(&config->ref))
        lk_arena_free(config->arena);
}

static void table_free(struct lk_route_table *table)
{
    for (size_t i = 0; i < table->config->virtual_host_count; i++)
        lk_path_index_fini(&table->hosts[i].paths);
    lk_domain_index_fini(&table->domains);
    config_unref(table->config);
    lk_arena_free(table->arena);
}

static void compile_host(struct lk_route_table *table, struct lk_compiled_host *host,
                         const struct lk_virtual_host *virtual_host)
{
    host->virtual_host = virtual_host;
    lk_path_index_init(&host->paths, table->arena, virtual_host->routes, virtual_host->route_count);
    host->tls_redirect.virtual_host = virtual_host;
    host->tls_redirect.kind = LK_ROUTE_REDIRECT;
    host->tls_redirect.redirect.code = 301;
    host->tls_redirect.redirect.https = true;
    host->tls_redirect.redirect.require_tls = true;
    host->tls_redirect.redirect.scheme = LK_STR("https");
}

static bool compile(struct lk_route_table *table, struct lk_error *error)
{
    const struct lk_route_config *config = table->config;
    bool ok = true;

    table->hosts = lk_arena_array(table->arena, config->virtual_host_count, sizeof(*table->hosts));
    for (size_t i = 0; i < config->virtual_host_count; i++)
        compile_host(table, &table->hosts[i], &config->virtual_hosts[i]);
    for (size_t i = 0; i < config->virtual_host_count && ok; i++) {
        const struct lk_virtual_host *host = &config->virtual_hosts[i];

        for (size_t j = 0; j < host->domain_count && ok; j++)
            ok = lk_domain_index_add(&table->domains, table->arena, host->domains[j], &table->hosts[i], error);
    }
    return ok;
}

struct lk_route_table *lk_route_table_new(struct lk_route_config *config, struct lk_error *error)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_route_table *table = lk_arena_zalloc(arena, sizeof(*table));

    lk_ref_init(&table->ref);
    table->arena = arena;
    table->config = config;
    lk_domain_index_init(&table->domains);
    table->vhost_header =
        lk_header_key(arena, config->vhost_header.len > 0 ? config->vhost_header : LK_STR(":authority"));
    lk_route_config_resolve_headers(config);
    if (compile(table, error))
        return table;
    table_free(table);
    return NULL;
}

struct lk_route_table *lk_route_table_ref(struct lk_route_table *table)
{
    lk_ref_get(&table->ref);
    return table;
}

void lk_route_table_unref(struct lk_route_table *table)
{
    if (table != NULL && lk_ref_put(&table->ref))
        table_free(table);
}

const struct lk_route_config *lk_route_table_config(const struct lk_route_table *table)
{
    return table->config;
}

/* "host:80" without the port; an IPv6 literal keeps what is in its brackets. */
static struct lk_str without_port(struct lk_str authority)
{
    const char *colon = authority.len > 0 ? memrchr(authority.ptr, ':', authority.len) : NULL;
    const char *bracket = authority.len > 0 ? memrchr(authority.ptr, ']', authority.len) : NULL;

    if (colon == NULL || (bracket != NULL && bracket > colon))
        return authority;
    return lk_str(authority.ptr, (size_t)(colon - authority.ptr));
}

const struct lk_compiled_host *lk_route_table_host(const struct lk_route_table *table, struct lk_arena *scratch,
                                                   struct lk_str authority, struct lk_domain_trace *recorder)
{
    if (table->config->ignore_port_in_host_matching)
        authority = without_port(authority);
    return lk_domain_index_find(&table->domains, scratch, authority, recorder);
}

const struct lk_virtual_host *lk_route_table_virtual_host(const struct lk_route_table *table, struct lk_arena *arena,
                                                          struct lk_str authority)
{
    const struct lk_compiled_host *host = lk_route_table_host(table, arena, authority, NULL);

    return host != NULL ? host->virtual_host : NULL;
}
