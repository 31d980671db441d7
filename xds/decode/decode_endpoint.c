/* Endpoints by locality and priority, envoy.config.endpoint.v3. Main thread. */
#include "xds/decode/decode_cluster.h"

#include "proxy/base/mem.h"
#include "proxy/config/health_config.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"
#include "xds/decode/decode_metadata.h"

#define OVERPROVISIONING_DEFAULT 140
#define PRIORITY_MAX 128

/* How the endpoint is checked, where that differs from its cluster's way. */
static const struct lk_endpoint_check *
endpoint_check(struct lk_decoder *decoder, const Envoy__Config__Endpoint__V3__Endpoint__HealthCheckConfig *in)
{
    struct lk_decoded_address address;

    if (in == NULL)
        return NULL;
    struct lk_endpoint_check *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    size_t mark = lk_errors_push(decoder->errors, "health_check_config");

    out->port = (uint16_t)lk_decode_range(decoder, "port_value", in->port_value, 0, 65535);
    out->hostname = lk_decode_header_text(decoder, "hostname", in->hostname);
    out->disabled = in->disable_active_health_check;
    if (in->address != NULL && lk_decode_address(decoder, "address", in->address, LK_ADDRESS_IP, &address))
        out->addr = address.addr;
    lk_errors_pop(decoder->errors, mark);
    return out;
}

static void endpoint(struct lk_decoder *decoder, const Envoy__Config__Endpoint__V3__LbEndpoint *in, bool names,
                     struct lk_endpoint *out)
{
    struct lk_decoded_address address;
    const Envoy__Config__Endpoint__V3__Endpoint *inner = in->endpoint;

    out->weight = 1;
    if (in->load_balancing_weight != NULL)
        out->weight =
            lk_decode_range(decoder, "load_balancing_weight", in->load_balancing_weight->value, 1, UINT32_MAX);
    if (lk_decode_enum_ok(decoder, "health_status", &envoy__config__core__v3__health_status__descriptor,
                          (int)in->health_status))
        out->health = (uint8_t)in->health_status;
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    if (in->host_identifier_case != ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT) {
        lk_errors_add_at(decoder->errors, "endpoint", "is required");
        return;
    }
    size_t mark = lk_errors_push(decoder->errors, "endpoint");

    if (lk_decode_address(decoder, "address", inner->address, names ? LK_ADDRESS_IP_OR_NAME : LK_ADDRESS_IP,
                          &address)) {
        out->addr = address.addr;
        out->dns_name = address.name;
        out->dns_port = address.port;
    }
    out->hostname = lk_decode_str(decoder, inner->hostname);
    out->check = endpoint_check(decoder, inner->health_check_config);
    lk_errors_pop(decoder->errors, mark);
}

static void locality(struct lk_decoder *decoder, const Envoy__Config__Endpoint__V3__LocalityLbEndpoints *in, bool names,
                     struct lk_locality_endpoints *out)
{
    struct lk_endpoint *list =
        in->n_lb_endpoints > 0 ? lk_arena_array(decoder->arena, in->n_lb_endpoints, sizeof(*list)) : NULL;

    lk_decode_locality(decoder, in->locality, &out->locality);
    out->priority = lk_decode_range(decoder, "priority", in->priority, 0, PRIORITY_MAX);
    if (in->load_balancing_weight != NULL)
        out->weight =
            lk_decode_range(decoder, "load_balancing_weight", in->load_balancing_weight->value, 1, UINT32_MAX);
    for (size_t i = 0; i < in->n_lb_endpoints; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "lb_endpoints", i);

        endpoint(decoder, in->lb_endpoints[i], names, &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->endpoints = list;
    out->endpoint_count = in->n_lb_endpoints;
}

/* Weights within one priority must fit the arithmetic of the balancers. */
static void check_weights(struct lk_decoder *decoder, const struct lk_endpoints *endpoints)
{
    uint64_t sums[PRIORITY_MAX + 1] = {0};

    for (size_t i = 0; i < endpoints->locality_count; i++) {
        const struct lk_locality_endpoints *group = &endpoints->localities[i];

        if (group->priority > PRIORITY_MAX)
            continue;
        sums[group->priority] += group->weight;
        if (sums[group->priority] > UINT32_MAX)
            lk_errors_add_at(decoder->errors, "endpoints",
                             "the sum of the locality weights of priority %u is more than %u", group->priority,
                             UINT32_MAX);
    }
}

struct lk_endpoints *lk_decode_endpoints(struct lk_decoder *decoder,
                                         const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *in, bool names)
{
    struct lk_endpoints *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    struct lk_locality_endpoints *list =
        in->n_endpoints > 0 ? lk_arena_array(decoder->arena, in->n_endpoints, sizeof(*list)) : NULL;

    lk_ref_init(&out->ref);
    if (in->cluster_name[0] == 0)
        lk_errors_add_at(decoder->errors, "cluster_name", "must not be empty");
    for (size_t i = 0; i < in->n_endpoints; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "endpoints", i);

        locality(decoder, in->endpoints[i], names, &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->localities = list;
    out->locality_count = in->n_endpoints;
    out->overprovisioning_factor = OVERPROVISIONING_DEFAULT;
    if (in->policy != NULL && in->policy->overprovisioning_factor != NULL)
        out->overprovisioning_factor = lk_decode_range(decoder, "policy.overprovisioning_factor",
                                                       in->policy->overprovisioning_factor->value, 1, UINT32_MAX);
    check_weights(decoder, out);
    return out;
}
