/* Resolves header names of a route configuration to ids and prepares its formats: proxy/config knows no header names.
 * Main thread, before use. */
#include "proxy/filter/format_eval.h"
#include "proxy/filter/tracing.h"
#include "proxy/http/headers.h"
#include "proxy/router/route_table.h"

/* The arrays are const for everyone else; until the table exists nobody else has them. */
void lk_header_matches_resolve(const struct lk_header_match *matches, size_t count)
{
    struct lk_header_match *own = (struct lk_header_match *)matches;

    for (size_t i = 0; i < count; i++)
        own[i].header_id = (int)lk_header_id_of(own[i].name);
}

static void resolve_mutations(const struct lk_header_mutations *mutations)
{
    struct lk_header_mutation *own = (struct lk_header_mutation *)mutations->add;

    for (size_t i = 0; i < mutations->add_count; i++) {
        own[i].header_id = (int)lk_header_id_of(own[i].name);
        lk_format_prepare((struct lk_format *)own[i].value);
    }
}

static void resolve_reply_format(const struct lk_log_format *format)
{
    if (format == NULL)
        return;
    if (format->text != NULL)
        lk_format_prepare((struct lk_format *)format->text);
    if (format->json != NULL)
        lk_json_format_prepare((struct lk_json_format *)format->json);
}

static void resolve_retry(const struct lk_retry_policy *retry)
{
    if (retry == NULL)
        return;
    lk_header_matches_resolve(retry->retriable_headers, retry->retriable_header_count);
    lk_header_matches_resolve(retry->retriable_request_headers, retry->retriable_request_header_count);
}

static void resolve_route(const struct lk_route *route)
{
    lk_header_matches_resolve(route->match.headers, route->match.header_count);
    resolve_mutations(&route->request_headers);
    resolve_mutations(&route->response_headers);
    resolve_retry(route->action.retry);
    resolve_reply_format(route->direct.body_format);
    lk_route_tracing_prepare(route->tracing);
    for (size_t i = 0; i < route->action.weighted_count; i++) {
        resolve_mutations(&route->action.weighted[i].request_headers);
        resolve_mutations(&route->action.weighted[i].response_headers);
    }
}

static void resolve_host(const struct lk_virtual_host *host)
{
    resolve_mutations(&host->request_headers);
    resolve_mutations(&host->response_headers);
    resolve_retry(host->retry);
    for (size_t i = 0; i < host->route_count; i++)
        resolve_route(&host->routes[i]);
}

void lk_route_config_resolve_headers(struct lk_route_config *config)
{
    resolve_mutations(&config->request_headers);
    resolve_mutations(&config->response_headers);
    for (size_t i = 0; i < config->virtual_host_count; i++)
        resolve_host(&config->virtual_hosts[i]);
}
