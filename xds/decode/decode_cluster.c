/* Clusters: identity, discovery type, sockets, limits; the rest is in decode_cluster_*.c. Main thread. */
#include "xds/decode/decode_cluster.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_cluster_parts.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"
#include "xds/decode/decode_metadata.h"

#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb-c.h"

#define CONNECT_TIMEOUT_DEFAULT_MS 5000
#define CLEANUP_DEFAULT_MS 5000
#define BUFFER_LIMIT_DEFAULT (1024 * 1024)

static const struct lk_circuit_limits default_limits[2] = {
    {.max_connections = 1024,
     .max_pending = 1024,
     .max_requests = 1024,
     .max_retries = 3,
     .budget_percent = 20,
     .min_retry_concurrency = 3},
    {.max_connections = 1024,
     .max_pending = 1024,
     .max_requests = 1024,
     .max_retries = 3,
     .budget_percent = 20,
     .min_retry_concurrency = 3},
};

static void thresholds(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__CircuitBreakers__Thresholds *in,
                       struct lk_circuit_limits *out)
{
    out->max_connections = lk_decode_u32(in->max_connections, out->max_connections);
    out->max_pending = lk_decode_u32(in->max_pending_requests, out->max_pending);
    out->max_requests = lk_decode_u32(in->max_requests, out->max_requests);
    out->max_retries = lk_decode_u32(in->max_retries, out->max_retries);
    if (in->retry_budget == NULL)
        return;
    out->has_retry_budget = true;
    out->budget_percent = lk_decode_percent(decoder, "retry_budget.budget_percent", in->retry_budget->budget_percent,
                                            out->budget_percent);
    out->min_retry_concurrency = lk_decode_u32(in->retry_budget->min_retry_concurrency, out->min_retry_concurrency);
}

void lk_decode_circuit_limits(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__CircuitBreakers *in,
                              struct lk_cluster_config *out)
{
    struct lk_circuit_limits *limits;
    bool seen[2] = {false, false};

    out->limits = default_limits;
    if (in == NULL || in->n_thresholds == 0)
        return;
    limits = lk_arena_alloc(decoder->arena, sizeof(default_limits));
    memcpy(limits, default_limits, sizeof(default_limits));
    for (size_t i = 0; i < in->n_thresholds; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "circuit_breakers.thresholds", i);
        unsigned priority = (unsigned)in->thresholds[i]->priority;

        /* The first entry of a priority counts. */
        if (lk_decode_enum_ok(decoder, "priority", &envoy__config__core__v3__routing_priority__descriptor,
                              (int)priority) &&
            !seen[priority]) {
            seen[priority] = true;
            thresholds(decoder, in->thresholds[i], &limits[priority]);
        }
        lk_errors_pop(decoder->errors, mark);
    }
    out->limits = limits;
}

void lk_decode_transport_socket(struct lk_decoder *decoder, const Envoy__Config__Core__V3__TransportSocket *in,
                                struct lk_str *name, struct lk_any *out)
{
    *out = (struct lk_any){.type = {"", 0}, .value = {"", 0}};
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "transport_socket");
    struct lk_str own = lk_decode_required(decoder, "name", in->name);
    const Google__Protobuf__Any *config = in->typed_config;

    if (name != NULL)
        *name = own;
    if (config == NULL) {
        lk_errors_add_at(decoder->errors, "typed_config", "is required");
    } else if (!lk_any_is(config, &envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__descriptor)) {
        *out = lk_decode_any(decoder, config);
    }
    lk_errors_pop(decoder->errors, mark);
}

static void bind_address(struct lk_decoder *decoder, const char *field,
                         const Envoy__Config__Core__V3__SocketAddress *in, struct lk_addr *out)
{
    struct lk_decoded_address address;

    lk_decode_socket_address(decoder, field, in, LK_ADDRESS_IP, &address);
    *out = address.addr;
}

static void bind_config(struct lk_decoder *decoder, const Envoy__Config__Core__V3__BindConfig *in,
                        struct lk_bind_config *out)
{
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "upstream_bind_config");
    size_t count = in->n_extra_source_addresses + in->n_additional_source_addresses;
    struct lk_addr *extra = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*extra)) : NULL;

    out->set = true;
    out->freebind = lk_decode_bool(in->freebind, false);
    if (in->source_address != NULL)
        bind_address(decoder, "source_address", in->source_address, &out->source);
    else if (count > 0)
        lk_errors_add_at(decoder->errors, "source_address", "is required with extra_source_addresses");
    if (in->n_extra_source_addresses > 0 && in->n_additional_source_addresses > 0)
        lk_errors_add_at(decoder->errors, "additional_source_addresses", "excludes extra_source_addresses");
    for (size_t i = 0; extra != NULL && i < in->n_extra_source_addresses; i++) {
        size_t at = lk_errors_push_index(decoder->errors, "extra_source_addresses", i);

        if (in->extra_source_addresses[i]->address == NULL)
            lk_errors_add_at(decoder->errors, "address", "is required");
        else
            bind_address(decoder, "address", in->extra_source_addresses[i]->address, &extra[out->extra_count++]);
        lk_errors_pop(decoder->errors, at);
    }
    for (size_t i = 0; extra != NULL && i < in->n_additional_source_addresses; i++)
        bind_address(decoder, "additional_source_addresses", in->additional_source_addresses[i],
                     &extra[out->extra_count++]);
    out->extra = extra;
    lk_errors_pop(decoder->errors, mark);
}

static void discovery_type(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                           struct lk_cluster_config *out)
{
    if (in->cluster_discovery_type_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE) {
        lk_decode_cluster_type(decoder, in->cluster_type, out);
        return;
    }
    if (lk_decode_enum_ok(decoder, "type", &envoy__config__cluster__v3__cluster__discovery_type__descriptor,
                          (int)in->type))
        out->type = (enum lk_discovery_type)in->type;
    if (out->type == LK_CLUSTER_EDS)
        lk_errors_unsupported(decoder->errors, "type",
                              "EDS is not supported: endpoints come from no control plane yet");
}

static void original_dst(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                         struct lk_cluster_config *out)
{
    const Envoy__Config__Cluster__V3__Cluster__OriginalDstLbConfig *config;

    out->cleanup_interval_ms =
        lk_decode_ms(decoder, "cleanup_interval", in->cleanup_interval, CLEANUP_DEFAULT_MS, LK_DURATION_POSITIVE);
    if (in->lb_config_case != ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_ORIGINAL_DST_LB_CONFIG)
        return;
    size_t mark = lk_errors_push(decoder->errors, "original_dst_lb_config");

    config = in->original_dst_lb_config;
    out->original_dst_use_header = config->use_http_header;
    out->original_dst_header = lk_decode_lower(decoder, config->http_header_name[0] != 0 ? config->http_header_name
                                                                                         : "x-envoy-original-dst-host");
    if (config->http_header_name[0] != 0)
        lk_decode_header_name_ok(decoder, "http_header_name", config->http_header_name, true);
    if (config->upstream_port_override != NULL)
        out->original_dst_port_override =
            lk_decode_range(decoder, "upstream_port_override", config->upstream_port_override->value, 0, 65535);
    lk_errors_pop(decoder->errors, mark);
}

/* LOGICAL_DNS connects to one name. */
static void check_logical(struct lk_decoder *decoder, const struct lk_endpoints *endpoints)
{
    if (endpoints == NULL || endpoints->locality_count != 1 || endpoints->localities[0].endpoint_count != 1)
        lk_errors_add_at(decoder->errors, "load_assignment", "a LOGICAL_DNS cluster has exactly one endpoint");
}

static void endpoints(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                      struct lk_cluster_config *out)
{
    bool dns = out->type == LK_CLUSTER_STRICT_DNS || out->type == LK_CLUSTER_LOGICAL_DNS;

    if (in->load_assignment != NULL) {
        size_t mark = lk_errors_push(decoder->errors, "load_assignment");

        if (out->type == LK_CLUSTER_ORIGINAL_DST)
            lk_errors_add(decoder->errors, "an ORIGINAL_DST cluster has no endpoints of its own");
        out->endpoints = lk_decode_endpoints(decoder, in->load_assignment, dns);
        lk_errors_pop(decoder->errors, mark);
    }
    if (out->type == LK_CLUSTER_LOGICAL_DNS)
        check_logical(decoder, out->endpoints);
}

static void connections(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                        struct lk_cluster_config *out)
{
    out->connect_timeout_ms =
        lk_decode_ms(decoder, "connect_timeout", in->connect_timeout, CONNECT_TIMEOUT_DEFAULT_MS, LK_DURATION_POSITIVE);
    out->buffer_limit = lk_decode_u32(in->per_connection_buffer_limit_bytes, BUFFER_LIMIT_DEFAULT);
    bind_config(decoder, in->upstream_bind_config, &out->bind);
    if (in->upstream_connection_options != NULL)
        lk_decode_keepalive(in->upstream_connection_options->tcp_keepalive, &out->keepalive);
    lk_decode_transport_socket(decoder, in->transport_socket, NULL, &out->transport_socket);
    lk_decode_circuit_limits(decoder, in->circuit_breakers, out);
}

struct lk_cluster_config *lk_decode_cluster(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in)
{
    struct lk_cluster_config *out = lk_arena_zalloc(decoder->arena, sizeof(*out));

    lk_ref_init(&out->ref);
    out->name = lk_decode_required(decoder, "name", in->name);
    out->stat_name = in->alt_stat_name[0] != 0 ? lk_decode_str(decoder, in->alt_stat_name) : out->name;
    discovery_type(decoder, in, out);
    connections(decoder, in, out);
    lk_decode_cluster_lb(decoder, in, out);
    lk_decode_cluster_dns(decoder, in, out);
    lk_decode_cluster_http(decoder, in, out);
    lk_decode_cluster_health(decoder, in, out);
    original_dst(decoder, in, out);
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    endpoints(decoder, in, out);
    out->hash = lk_decode_hash(decoder, &in->base);
    return out;
}
