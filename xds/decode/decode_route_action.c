/* The actions of a route: forward, redirect, answer. Main thread. */
#include "xds/decode/decode_route_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"
#include "xds/decode/decode_matcher.h"
#include "xds/decode/decode_metadata.h"

#define ROUTE_TIMEOUT_DEFAULT_MS 15000

static void cluster(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                    struct lk_route_action *out)
{
    switch (in->cluster_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER:
        out->specifier = LK_CLUSTER_BY_NAME;
        out->cluster = lk_decode_required(decoder, "cluster", in->cluster);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER_HEADER:
        out->specifier = LK_CLUSTER_BY_HEADER;
        lk_decode_header_name_ok(decoder, "cluster_header", in->cluster_header, true);
        out->cluster = lk_decode_lower(decoder, in->cluster_header);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS:
        out->specifier = LK_CLUSTER_WEIGHTED;
        lk_decode_weighted_clusters(decoder, in->weighted_clusters, out);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER_SPECIFIER_PLUGIN:
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_INLINE_CLUSTER_SPECIFIER_PLUGIN:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add(decoder->errors, "expected one of cluster, cluster_header, weighted_clusters");
        break;
    }
}

static void host_rewrite(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                         struct lk_route_action *out)
{
    switch (in->host_rewrite_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL:
        out->host_rewrite_literal = lk_decode_header_text(decoder, "host_rewrite_literal", in->host_rewrite_literal);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_AUTO_HOST_REWRITE:
        out->auto_host_rewrite = lk_decode_bool(in->auto_host_rewrite, false);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_HEADER:
        if (in->host_rewrite_header[0] != 0)
            lk_decode_header_name_ok(decoder, "host_rewrite_header", in->host_rewrite_header, true);
        out->host_rewrite_header = lk_decode_lower(decoder, in->host_rewrite_header);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_PATH_REGEX:
        lk_decode_regex_rewrite(decoder, "host_rewrite_path_regex", in->host_rewrite_path_regex,
                                &out->host_rewrite_path_regex);
        break;
    default:
        break;
    }
    out->append_x_forwarded_host = in->append_x_forwarded_host;
}

static void timeouts(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                     struct lk_route_action *out)
{
    const Envoy__Config__Route__V3__RouteAction__MaxStreamDuration *duration = in->max_stream_duration;

    out->has_timeout = in->timeout != NULL;
    out->timeout_ms = lk_decode_ms(decoder, "timeout", in->timeout, ROUTE_TIMEOUT_DEFAULT_MS, LK_DURATION_ANY);
    out->has_idle_timeout = in->idle_timeout != NULL;
    out->idle_timeout_ms = lk_decode_ms(decoder, "idle_timeout", in->idle_timeout, 0, LK_DURATION_ANY);
    if (duration == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "max_stream_duration");

    out->has_max_stream_duration = duration->max_stream_duration != NULL;
    out->max_stream_duration_ms =
        lk_decode_ms(decoder, "max_stream_duration", duration->max_stream_duration, 0, LK_DURATION_ANY);
    lk_errors_pop(decoder->errors, mark);
}

static void upgrades(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                     struct lk_route_action *out)
{
    struct lk_upgrade_config *list =
        in->n_upgrade_configs > 0 ? lk_arena_array(decoder->arena, in->n_upgrade_configs, sizeof(*list)) : NULL;

    for (size_t i = 0; i < in->n_upgrade_configs; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "upgrade_configs", i);

        lk_decode_required(decoder, "upgrade_type", in->upgrade_configs[i]->upgrade_type);
        list[i].type = lk_decode_lower(decoder, in->upgrade_configs[i]->upgrade_type);
        list[i].enabled = lk_decode_bool(in->upgrade_configs[i]->enabled, true);
        for (size_t j = 0; j < i; j++)
            if (lk_str_eq(list[i].type, list[j].type))
                lk_errors_add_at(decoder->errors, "upgrade_type", "'%.*s' occurs twice", LK_STR_ARG(list[i].type));
        if (list[i].enabled && lk_str_has_prefix(list[i].type, LK_STR("connect")))
            lk_errors_unsupported(decoder->errors, "upgrade_type", "'%.*s' upgrades are not supported",
                                  LK_STR_ARG(list[i].type));
        lk_errors_pop(decoder->errors, mark);
    }
    out->upgrades = list;
    out->upgrade_count = in->n_upgrade_configs;
}

static void route_action(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                         struct lk_route_action *out)
{
    static const unsigned codes[] = {503, 404, 500};

    out->metadata_match = lk_match_criteria_of(decoder->arena, NULL, lk_decode_metadata(decoder, in->metadata_match));
    cluster(decoder, in, out);
    out->cluster_not_found_code = codes[0];
    if (lk_decode_enum_ok(decoder, "cluster_not_found_response_code",
                          &envoy__config__route__v3__route_action__cluster_not_found_response_code__descriptor,
                          (int)in->cluster_not_found_response_code))
        out->cluster_not_found_code = codes[in->cluster_not_found_response_code];
    lk_decode_enum_ok(decoder, "priority", &envoy__config__core__v3__routing_priority__descriptor, (int)in->priority);
    out->high_priority = in->priority == ENVOY__CONFIG__CORE__V3__ROUTING_PRIORITY__HIGH;
    out->prefix_rewrite = lk_decode_header_text(decoder, "prefix_rewrite", in->prefix_rewrite);
    lk_decode_regex_rewrite(decoder, "regex_rewrite", in->regex_rewrite, &out->regex_rewrite);
    if (out->prefix_rewrite.len > 0 && in->regex_rewrite != NULL)
        lk_errors_add_at(decoder->errors, "regex_rewrite", "excludes prefix_rewrite");
    host_rewrite(decoder, in, out);
    timeouts(decoder, in, out);
    out->retry = lk_decode_retry_policy(decoder, "retry_policy", in->retry_policy);
    upgrades(decoder, in, out);
    out->mirrors = lk_decode_mirrors(decoder, in->n_request_mirror_policies, in->request_mirror_policies);
}

void lk_decode_route_action(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                            struct lk_route_action *out)
{
    size_t mark = lk_errors_push(decoder->errors, "route");

    route_action(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
}

static void redirect(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RedirectAction *in,
                     struct lk_redirect_action *out)
{
    static const unsigned codes[] = {301, 302, 303, 307, 308};

    out->host = lk_decode_header_text(decoder, "host_redirect", in->host_redirect);
    out->port = lk_decode_range(decoder, "port_redirect", in->port_redirect, 0, 65535);
    out->strip_query = in->strip_query;
    out->code = codes[0];
    if (lk_decode_enum_ok(decoder, "response_code",
                          &envoy__config__route__v3__redirect_action__redirect_response_code__descriptor,
                          (int)in->response_code))
        out->code = codes[in->response_code];
    if (in->scheme_rewrite_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_SCHEME_REDIRECT)
        out->scheme = lk_decode_header_text(decoder, "scheme_redirect", in->scheme_redirect);
    else if (in->scheme_rewrite_specifier_case ==
                 ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_HTTPS_REDIRECT &&
             in->https_redirect) {
        out->https = true;
        out->scheme = LK_STR("https");
    }
    switch (in->path_rewrite_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PATH_REDIRECT:
        out->path = lk_decode_header_text(decoder, "path_redirect", in->path_redirect);
        break;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PREFIX_REWRITE:
        out->prefix_rewrite = lk_decode_header_text(decoder, "prefix_rewrite", in->prefix_rewrite);
        break;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_REGEX_REWRITE:
        lk_decode_regex_rewrite(decoder, "regex_rewrite", in->regex_rewrite, &out->regex_rewrite);
        break;
    default:
        break;
    }
}

void lk_decode_redirect(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RedirectAction *in,
                        struct lk_redirect_action *out)
{
    size_t mark = lk_errors_push(decoder->errors, "redirect");

    redirect(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_direct_response(struct lk_decoder *decoder, const Envoy__Config__Route__V3__DirectResponseAction *in,
                               uint32_t max_body, struct lk_direct_response *out)
{
    size_t mark = lk_errors_push(decoder->errors, "direct_response");

    out->status = lk_decode_range(decoder, "status", in->status, 200, 599);
    if (in->body != NULL)
        lk_decode_data_source(decoder, "body", in->body, max_body, &out->body);
    out->body_format = lk_decode_log_format(decoder, "body_format", in->body_format);
    lk_errors_pop(decoder->errors, mark);
}
