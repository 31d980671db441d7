/* Route configurations: virtual hosts, routes, per-filter settings. Main thread. */
#include "xds/decode/decode_route.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"
#include "xds/decode/decode_metadata.h"
#include "xds/decode/decode_route_parts.h"
#include "xds/decode/decode_tracing.h"

#define DIRECT_BODY_DEFAULT 4096

void lk_decode_per_filter(struct lk_decoder *decoder, const char *key, const Google__Protobuf__Any *value,
                          struct lk_per_filter_config *out)
{
    size_t mark = lk_errors_push_key(decoder->errors, "typed_per_filter_config", lk_str_from(key));

    out->filter = lk_decode_str(decoder, key);
    if (lk_any_is(value, &envoy__config__route__v3__filter_config__descriptor)) {
        const Envoy__Config__Route__V3__FilterConfig *wrapper = lk_decode_unpack(decoder, value);

        if (wrapper != NULL) {
            if (wrapper->config != NULL && wrapper->config->type_url[0] != '\0') /* `{}` only switches the filter on */
                out->any = lk_decode_any(decoder, wrapper->config);
            out->disabled = wrapper->disabled;
            out->is_optional = wrapper->is_optional;
            if (wrapper->config == NULL && !wrapper->disabled)
                lk_errors_add_at(decoder->errors, "config", "is required unless the filter is disabled");
        }
    } else {
        out->any = lk_decode_any(decoder, value);
    }
    lk_errors_pop(decoder->errors, mark);
}

static void action(struct lk_decoder *decoder, const Envoy__Config__Route__V3__Route *in, uint32_t max_body,
                   struct lk_route *out)
{
    switch (in->action_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE:
        out->kind = LK_ROUTE_CLUSTER;
        lk_decode_route_action(decoder, in->route, &out->action);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_REDIRECT:
        out->kind = LK_ROUTE_REDIRECT;
        lk_decode_redirect(decoder, in->redirect, &out->redirect);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_DIRECT_RESPONSE:
        out->kind = LK_ROUTE_DIRECT;
        lk_decode_direct_response(decoder, in->direct_response, max_body, &out->direct);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_NON_FORWARDING_ACTION:
        out->kind = LK_ROUTE_NON_FORWARDING;
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_FILTER_ACTION:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add(decoder->errors, "expected one of route, redirect, direct_response, non_forwarding_action");
        break;
    }
}

static void body_limit(const Google__Protobuf__UInt32Value *old, const Google__Protobuf__UInt64Value *limit, bool *has,
                       uint64_t *out)
{
    *has = old != NULL || limit != NULL;
    if (*has)
        *out = limit != NULL ? limit->value : old->value;
}

static void route(struct lk_decoder *decoder, const Envoy__Config__Route__V3__Route *in, uint32_t max_body,
                  struct lk_route *out)
{
    out->name = lk_decode_str(decoder, in->name);
    out->label = lk_arena_printf(decoder->arena, "route '%.*s' of virtual host '%.*s'", LK_STR_ARG(out->name),
                                 LK_STR_ARG(out->virtual_host->name))
                     .ptr;
    out->stat_prefix = lk_decode_str(decoder, in->stat_prefix);
    if (in->match == NULL) {
        lk_errors_add_at(decoder->errors, "match", "is required");
    } else {
        size_t mark = lk_errors_push(decoder->errors, "match");

        lk_decode_route_match(decoder, in->match, &out->match);
        lk_errors_pop(decoder->errors, mark);
    }
    action(decoder, in, max_body, out);
    lk_decode_mutations(decoder, "request_headers", in->n_request_headers_to_add, in->request_headers_to_add,
                        in->n_request_headers_to_remove, in->request_headers_to_remove, &out->request_headers);
    lk_decode_mutations(decoder, "response_headers", in->n_response_headers_to_add, in->response_headers_to_add,
                        in->n_response_headers_to_remove, in->response_headers_to_remove, &out->response_headers);
    LK_DECODE_PER_FILTERS(decoder, in, &out->per_filter, &out->per_filter_count);
    if (in->decorator != NULL) {
        out->decorator_operation = lk_decode_str(decoder, in->decorator->operation);
        out->decorator_propagate = lk_decode_bool(in->decorator->propagate, true);
        if (out->decorator_operation.len == 0)
            lk_errors_add_at(decoder->errors, "decorator.operation", "must not be empty");
    }
    out->tracing = lk_decode_route_tracing(decoder, in->tracing);
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    body_limit(in->per_request_buffer_limit_bytes, in->request_body_buffer_limit, &out->has_body_buffer_limit,
               &out->body_buffer_limit);
}

static void domains(struct lk_decoder *decoder, const Envoy__Config__Route__V3__VirtualHost *in,
                    struct lk_virtual_host *out)
{
    if (in->n_domains == 0)
        lk_errors_add_at(decoder->errors, "domains", "must not be empty");
    for (size_t i = 0; i < in->n_domains; i++)
        if (strpbrk(in->domains[i], "\r\n") != NULL)
            lk_errors_add_at(decoder->errors, "domains", "a domain has no line breaks");
    lk_decode_strs(decoder, in->n_domains, in->domains, &out->domains);
    out->domain_count = in->n_domains;
}

/* The most specific list holds; lists are not joined. */
static void inherit_mirrors(struct lk_mirror_policies *mirrors, const struct lk_mirror_policies *outer)
{
    if (mirrors->count == 0)
        *mirrors = *outer;
}

static void virtual_host(struct lk_decoder *decoder, const Envoy__Config__Route__V3__VirtualHost *in,
                         const struct lk_route_config *table, struct lk_virtual_host *out)
{
    struct lk_route *routes = in->n_routes > 0 ? lk_arena_array(decoder->arena, in->n_routes, sizeof(*routes)) : NULL;

    out->name = lk_decode_required(decoder, "name", in->name);
    domains(decoder, in, out);
    out->mirrors = lk_decode_mirrors(decoder, in->n_request_mirror_policies, in->request_mirror_policies);
    inherit_mirrors(&out->mirrors, &table->mirrors);
    for (size_t i = 0; i < in->n_routes; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "routes", i);

        routes[i].virtual_host = out;
        route(decoder, in->routes[i], table->max_direct_response_body_bytes, &routes[i]);
        inherit_mirrors(&routes[i].action.mirrors, &out->mirrors);
        lk_errors_pop(decoder->errors, mark);
    }
    out->routes = routes;
    out->route_count = in->n_routes;
    if (lk_decode_enum_ok(decoder, "require_tls",
                          &envoy__config__route__v3__virtual_host__tls_requirement_type__descriptor,
                          (int)in->require_tls))
        out->require_tls = (enum lk_require_tls)in->require_tls;
    lk_decode_mutations(decoder, "request_headers", in->n_request_headers_to_add, in->request_headers_to_add,
                        in->n_request_headers_to_remove, in->request_headers_to_remove, &out->request_headers);
    lk_decode_mutations(decoder, "response_headers", in->n_response_headers_to_add, in->response_headers_to_add,
                        in->n_response_headers_to_remove, in->response_headers_to_remove, &out->response_headers);
    LK_DECODE_PER_FILTERS(decoder, in, &out->per_filter, &out->per_filter_count);
    out->retry = lk_decode_retry_policy(decoder, "retry_policy", in->retry_policy);
    out->include_request_attempt_count = in->include_request_attempt_count;
    out->include_attempt_count_in_response = in->include_attempt_count_in_response;
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    body_limit(in->per_request_buffer_limit_bytes, in->request_body_buffer_limit, &out->has_body_buffer_limit,
               &out->body_buffer_limit);
}

/* Each domain may occur once in a route configuration, in any case. */
static void check_domains(struct lk_decoder *decoder, const struct lk_route_config *config)
{
    struct lk_map seen;

    lk_map_init(&seen);
    for (size_t i = 0; i < config->virtual_host_count; i++) {
        const struct lk_virtual_host *host = &config->virtual_hosts[i];
        size_t mark = lk_errors_push_index(decoder->errors, "virtual_hosts", i);

        for (size_t j = 0; j < host->domain_count; j++) {
            char *lower = lk_arena_cstr(&decoder->scratch, host->domains[j]);

            for (size_t k = 0; k < host->domains[j].len; k++)
                lower[k] = (char)lk_ascii_lower((unsigned char)lower[k]);
            if (lk_map_set(&seen, lk_str(lower, host->domains[j].len), lower) != NULL) {
                size_t at = lk_errors_push_index(decoder->errors, "domains", j);

                lk_errors_add(decoder->errors, "domain '%s' occurs twice in the route configuration", lower);
                lk_errors_pop(decoder->errors, at);
            }
        }
        lk_errors_pop(decoder->errors, mark);
    }
    lk_map_fini(&seen);
}

static void virtual_hosts(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteConfiguration *in,
                          struct lk_route_config *out)
{
    struct lk_virtual_host *hosts =
        in->n_virtual_hosts > 0 ? lk_arena_array(decoder->arena, in->n_virtual_hosts, sizeof(*hosts)) : NULL;

    for (size_t i = 0; i < in->n_virtual_hosts; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "virtual_hosts", i);

        virtual_host(decoder, in->virtual_hosts[i], out, &hosts[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->virtual_hosts = hosts;
    out->virtual_host_count = in->n_virtual_hosts;
    check_domains(decoder, out);
}

struct lk_route_config *lk_decode_route_config(struct lk_decoder *decoder,
                                               const Envoy__Config__Route__V3__RouteConfiguration *in,
                                               bool static_config)
{
    struct lk_route_config *out = lk_arena_zalloc(decoder->arena, sizeof(*out));

    lk_ref_init(&out->ref);
    out->arena = decoder->arena;
    out->name = lk_decode_str(decoder, in->name);
    out->max_direct_response_body_bytes = lk_decode_u32(in->max_direct_response_body_size_bytes, DIRECT_BODY_DEFAULT);
    out->mirrors = lk_decode_mirrors(decoder, in->n_request_mirror_policies, in->request_mirror_policies);
    out->most_specific_mutations_wins = in->most_specific_header_mutations_wins;
    out->validate_clusters = lk_decode_bool(in->validate_clusters, static_config);
    out->ignore_port_in_host_matching = in->ignore_port_in_host_matching;
    out->ignore_path_parameters_in_path_matching = in->ignore_path_parameters_in_path_matching;
    out->vhost_header = lk_decode_lower(decoder, in->vhost_header);
    lk_decode_mutations(decoder, "request_headers", in->n_request_headers_to_add, in->request_headers_to_add,
                        in->n_request_headers_to_remove, in->request_headers_to_remove, &out->request_headers);
    lk_decode_mutations(decoder, "response_headers", in->n_response_headers_to_add, in->response_headers_to_add,
                        in->n_response_headers_to_remove, in->response_headers_to_remove, &out->response_headers);
    LK_DECODE_PER_FILTERS(decoder, in, &out->per_filter, &out->per_filter_count);
    virtual_hosts(decoder, in, out);
    return out;
}
