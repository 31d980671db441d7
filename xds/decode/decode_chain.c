/* Filter chains with their match conditions, and listener filters with their predicates. Main thread. */
#include "proxy/base/mem.h"
#include "xds/decode/decode_cluster.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_listener_parts.h"
#include "xds/decode/decode_metadata.h"

/* "*.example.com" or an exact name. */
static void server_names(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChainMatch *in,
                         struct lk_filter_chain_match *out)
{
    struct lk_str *list =
        in->n_server_names > 0 ? lk_arena_array(decoder->arena, in->n_server_names, sizeof(*list)) : NULL;

    for (size_t i = 0; i < in->n_server_names; i++) {
        const char *star = strchr(in->server_names[i], '*');

        list[i] = lk_decode_lower(decoder, in->server_names[i]);
        if (star != NULL && (star != in->server_names[i] || star[1] != '.'))
            lk_errors_add_at(decoder->errors, "server_names",
                             "'%s': a wildcard stands for whole labels in front, as in *.example.com",
                             in->server_names[i]);
    }
    out->server_names = list;
    out->server_name_count = in->n_server_names;
}

static void source_ports(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChainMatch *in,
                         struct lk_filter_chain_match *out)
{
    uint16_t *ports =
        in->n_source_ports > 0 ? lk_arena_array(decoder->arena, in->n_source_ports, sizeof(*ports)) : NULL;

    for (size_t i = 0; i < in->n_source_ports; i++)
        ports[i] = (uint16_t)lk_decode_range(decoder, "source_ports", in->source_ports[i], 1, 65535);
    out->source_ports = ports;
    out->source_port_count = in->n_source_ports;
}

static void chain_match(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChainMatch *in,
                        struct lk_filter_chain_match *out)
{
    size_t mark = lk_errors_push(decoder->errors, "filter_chain_match");

    if (in->destination_port != NULL) {
        out->has_destination_port = true;
        out->destination_port =
            (uint16_t)lk_decode_range(decoder, "destination_port", in->destination_port->value, 1, 65535);
    }
    lk_decode_cidrs(decoder, "prefix_ranges", in->n_prefix_ranges, in->prefix_ranges, &out->prefix_ranges);
    out->prefix_range_count = in->n_prefix_ranges;
    lk_decode_cidrs(decoder, "direct_source_prefix_ranges", in->n_direct_source_prefix_ranges,
                    in->direct_source_prefix_ranges, &out->direct_source_ranges);
    out->direct_source_range_count = in->n_direct_source_prefix_ranges;
    lk_decode_cidrs(decoder, "source_prefix_ranges", in->n_source_prefix_ranges, in->source_prefix_ranges,
                    &out->source_ranges);
    out->source_range_count = in->n_source_prefix_ranges;
    if (lk_decode_enum_ok(decoder, "source_type",
                          &envoy__config__listener__v3__filter_chain_match__connection_source_type__descriptor,
                          (int)in->source_type))
        out->source_type = (enum lk_source_type)in->source_type;
    source_ports(decoder, in, out);
    server_names(decoder, in, out);
    out->transport_protocol = lk_decode_str(decoder, in->transport_protocol);
    lk_decode_strs(decoder, in->n_application_protocols, in->application_protocols, &out->application_protocols);
    out->application_protocol_count = in->n_application_protocols;
    lk_errors_pop(decoder->errors, mark);
}

static void network_filters(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChain *in,
                            struct lk_filter_chain_config *out)
{
    struct lk_network_filter_config *list =
        in->n_filters > 0 ? lk_arena_array(decoder->arena, in->n_filters, sizeof(*list)) : NULL;

    for (size_t i = 0; i < in->n_filters; i++) {
        const Envoy__Config__Listener__V3__Filter *filter = in->filters[i];
        size_t mark = lk_errors_push_index(decoder->errors, "filters", i);

        list[i].name = lk_decode_required(decoder, "name", filter->name);
        list[i].has_config = filter->config_type_case == ENVOY__CONFIG__LISTENER__V3__FILTER__CONFIG_TYPE_TYPED_CONFIG;
        list[i].any = lk_decode_any(decoder, list[i].has_config ? filter->typed_config : NULL);
        lk_errors_pop(decoder->errors, mark);
    }
    out->filters = list;
    out->filter_count = in->n_filters;
}

void lk_decode_filter_chain(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__FilterChain *in,
                            struct lk_filter_chain_config *out)
{
    out->name = lk_decode_str(decoder, in->name);
    if (in->filter_chain_match != NULL)
        chain_match(decoder, in->filter_chain_match, &out->match);
    network_filters(decoder, in, out);
    lk_decode_transport_socket(decoder, in->transport_socket, &out->transport_socket_name, &out->transport_socket);
    out->transport_connect_timeout_ms = lk_decode_ms(decoder, "transport_socket_connect_timeout",
                                                     in->transport_socket_connect_timeout, 0, LK_DURATION_ANY);
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    out->hash = lk_decode_hash(decoder, &in->base);
}

static void predicate(struct lk_decoder *decoder,
                      const Envoy__Config__Listener__V3__ListenerFilterChainMatchPredicate *in,
                      struct lk_listener_predicate *out);

static void predicates(struct lk_decoder *decoder, const char *field,
                       const Envoy__Config__Listener__V3__ListenerFilterChainMatchPredicate__MatchSet *in,
                       struct lk_listener_predicate *out)
{
    struct lk_listener_predicate *list =
        in->n_rules > 0 ? lk_arena_array(decoder->arena, in->n_rules, sizeof(*list)) : NULL;
    size_t mark = lk_errors_push(decoder->errors, field);

    if (in->n_rules < 2)
        lk_errors_add_at(decoder->errors, "rules", "needs at least 2 rules");
    for (size_t i = 0; i < in->n_rules; i++) {
        size_t at = lk_errors_push_index(decoder->errors, "rules", i);

        predicate(decoder, in->rules[i], &list[i]);
        lk_errors_pop(decoder->errors, at);
    }
    out->rules = list;
    out->rule_count = in->n_rules;
    lk_errors_pop(decoder->errors, mark);
}

static void predicate(struct lk_decoder *decoder,
                      const Envoy__Config__Listener__V3__ListenerFilterChainMatchPredicate *in,
                      struct lk_listener_predicate *out)
{
    struct lk_listener_predicate *inner;

    switch (in->rule_case) {
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_OR_MATCH:
        out->kind = LK_PREDICATE_OR;
        predicates(decoder, "or_match", in->or_match, out);
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_AND_MATCH:
        out->kind = LK_PREDICATE_AND;
        predicates(decoder, "and_match", in->and_match, out);
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_NOT_MATCH: {
        size_t mark = lk_errors_push(decoder->errors, "not_match");

        out->kind = LK_PREDICATE_NOT;
        inner = lk_arena_zalloc(decoder->arena, sizeof(*inner));
        predicate(decoder, in->not_match, inner);
        out->rules = inner;
        out->rule_count = 1;
        lk_errors_pop(decoder->errors, mark);
        break;
    }
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_ANY_MATCH:
        out->kind = LK_PREDICATE_ANY;
        if (!in->any_match)
            lk_errors_add_at(decoder->errors, "any_match", "must be true");
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_DESTINATION_PORT_RANGE:
        out->kind = LK_PREDICATE_PORT_RANGE;
        out->port_start = in->destination_port_range->start;
        out->port_end = in->destination_port_range->end;
        if (out->port_start >= out->port_end)
            lk_errors_warn(decoder->errors, "destination_port_range", "an empty range never matches");
        break;
    default:
        lk_errors_add(decoder->errors,
                      "expected one of or_match, and_match, not_match, any_match, destination_port_range");
        break;
    }
}

static void listener_filter(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__ListenerFilter *in,
                            struct lk_listener_filter_config *out)
{
    struct lk_listener_predicate *disabled;

    out->name = lk_decode_required(decoder, "name", in->name);
    out->has_config = in->config_type_case == ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER__CONFIG_TYPE_TYPED_CONFIG;
    out->any = lk_decode_any(decoder, out->has_config ? in->typed_config : NULL);
    if (in->filter_disabled == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "filter_disabled");

    disabled = lk_arena_zalloc(decoder->arena, sizeof(*disabled));
    predicate(decoder, in->filter_disabled, disabled);
    out->disabled = disabled;
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_listener_filters(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__Listener *in,
                                struct lk_listener_config *out)
{
    struct lk_listener_filter_config *list =
        in->n_listener_filters > 0 ? lk_arena_array(decoder->arena, in->n_listener_filters, sizeof(*list)) : NULL;

    for (size_t i = 0; i < in->n_listener_filters; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "listener_filters", i);

        listener_filter(decoder, in->listener_filters[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->filters = list;
    out->filter_count = in->n_listener_filters;
}
