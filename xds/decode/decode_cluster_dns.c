/* Name resolution of a cluster: the fields of Cluster and of the DnsCluster extension, and resolver choice. Main
 * thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"

#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb-c.h"
#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.pb-c.h"

#define REFRESH_DEFAULT_MS 5000

static void resolvers(struct lk_decoder *decoder, size_t count, Envoy__Config__Core__V3__Address *const *in,
                      struct lk_dns_defaults *out)
{
    struct lk_addr *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        struct lk_decoded_address address;
        char field[40];

        snprintf(field, sizeof(field), "resolvers[%zu]", i);
        if (lk_decode_address(decoder, field, in[i], LK_ADDRESS_IP, &address))
            list[i] = address.addr;
    }
    out->resolvers = list;
    out->resolver_count = count;
}

static void resolver_options(const Envoy__Config__Core__V3__DnsResolverOptions *in, struct lk_dns_defaults *out)
{
    if (in == NULL)
        return;
    out->use_tcp = in->use_tcp_for_dns_lookups;
    out->no_search = in->no_default_search_domain;
}

void lk_decode_dns_resolver(struct lk_decoder *decoder, const char *field,
                            const Envoy__Config__Core__V3__TypedExtensionConfig *in, struct lk_dns_defaults *out)
{
    const Envoy__Extensions__Network__DnsResolver__Cares__V3__CaresDnsResolverConfig *config;

    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, field);

    if (in->typed_config == NULL) {
        lk_errors_add_at(decoder->errors, "typed_config", "is required");
    } else if (!lk_any_is(
                   in->typed_config,
                   &envoy__extensions__network__dns_resolver__cares__v3__cares_dns_resolver_config__descriptor)) {
        lk_errors_unsupported(decoder->errors, "typed_config",
                              "the resolver '%s' is not supported: names are resolved by c-ares", in->name);
    } else if ((config = lk_decode_unpack(decoder, in->typed_config)) != NULL) {
        *out = (struct lk_dns_defaults){0};
        lk_errors_push(decoder->errors, "typed_config");
        resolvers(decoder, config->n_resolvers, config->resolvers, out);
        resolver_options(config->dns_resolver_options, out);
    }
    lk_errors_pop(decoder->errors, mark);
}

struct rates {
    const Google__Protobuf__Duration *refresh;
    const Google__Protobuf__Duration *failure_base;
    const Google__Protobuf__Duration *failure_max;
    const Google__Protobuf__Duration *jitter;
    bool has_failure;
};

static void set_rates(struct lk_decoder *decoder, const struct rates *rates, struct lk_cluster_config *out)
{
    out->dns_refresh_ms =
        lk_decode_ms(decoder, "dns_refresh_rate", rates->refresh, REFRESH_DEFAULT_MS, LK_DURATION_POSITIVE);
    if (rates->refresh != NULL && out->dns_refresh_ms <= 1)
        lk_errors_add_at(decoder->errors, "dns_refresh_rate", "must be more than 0.001s");
    out->dns_jitter_ms = lk_decode_ms(decoder, "dns_jitter", rates->jitter, 0, LK_DURATION_ANY);
    out->dns_failure_base_ms = out->dns_failure_max_ms = out->dns_refresh_ms;
    if (!rates->has_failure)
        return;
    size_t mark = lk_errors_push(decoder->errors, "dns_failure_refresh_rate");

    if (rates->failure_base == NULL)
        lk_errors_add_at(decoder->errors, "base_interval", "is required");
    out->dns_failure_base_ms =
        lk_decode_ms(decoder, "base_interval", rates->failure_base, out->dns_refresh_ms, LK_DURATION_POSITIVE);
    uint32_t ten = (uint32_t)LK_MIN((uint64_t)out->dns_failure_base_ms * 10, (uint64_t)UINT32_MAX);

    uint32_t max = lk_decode_ms(decoder, "max_interval", rates->failure_max, ten, LK_DURATION_POSITIVE);

    out->dns_failure_max_ms = LK_MAX(max, out->dns_failure_base_ms);
    lk_errors_pop(decoder->errors, mark);
}

static void set_resolvers(struct lk_cluster_config *out, const struct lk_dns_defaults *dns)
{
    out->dns_resolvers = dns->resolvers;
    out->dns_resolver_count = dns->resolver_count;
    out->dns_use_tcp = dns->use_tcp;
    out->dns_no_search = dns->no_search;
}

/* The newest of the ways to name resolvers that is set, else the bootstrap's. */
void lk_decode_cluster_dns(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                           struct lk_cluster_config *out)
{
    struct lk_dns_defaults dns = decoder->dns != NULL ? *decoder->dns : (struct lk_dns_defaults){0};
    const Envoy__Config__Cluster__V3__Cluster__RefreshRate *failure = in->dns_failure_refresh_rate;
    struct rates rates = {.refresh = in->dns_refresh_rate,
                          .jitter = in->dns_jitter,
                          .has_failure = failure != NULL,
                          .failure_base = failure != NULL ? failure->base_interval : NULL,
                          .failure_max = failure != NULL ? failure->max_interval : NULL};

    if (in->cluster_discovery_type_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE &&
        out->dns_refresh_ms != 0)
        return; /* the extension's message said it all */
    set_rates(decoder, &rates, out);
    out->respect_dns_ttl = in->respect_dns_ttl;
    if (lk_decode_enum_ok(decoder, "dns_lookup_family",
                          &envoy__config__cluster__v3__cluster__dns_lookup_family__descriptor,
                          (int)in->dns_lookup_family))
        out->dns_family = (enum lk_dns_lookup_family)in->dns_lookup_family;
    if (in->typed_dns_resolver_config != NULL) {
        lk_decode_dns_resolver(decoder, "typed_dns_resolver_config", in->typed_dns_resolver_config, &dns);
    } else if (in->dns_resolution_config != NULL) {
        size_t mark = lk_errors_push(decoder->errors, "dns_resolution_config");

        resolvers(decoder, in->dns_resolution_config->n_resolvers, in->dns_resolution_config->resolvers, &dns);
        resolver_options(in->dns_resolution_config->dns_resolver_options, &dns);
        lk_errors_pop(decoder->errors, mark);
    } else if (in->n_dns_resolvers > 0) {
        size_t mark = lk_errors_push(decoder->errors, "dns_resolvers");

        resolvers(decoder, in->n_dns_resolvers, in->dns_resolvers, &dns);
        lk_errors_pop(decoder->errors, mark);
    }
    if (in->use_tcp_for_dns_lookups)
        dns.use_tcp = true;
    set_resolvers(out, &dns);
}

static void dns_cluster(struct lk_decoder *decoder, const Envoy__Extensions__Clusters__Dns__V3__DnsCluster *in,
                        struct lk_cluster_config *out)
{
    static const enum lk_dns_lookup_family families[] = {LK_FAMILY_AUTO,    LK_FAMILY_AUTO,         LK_FAMILY_V4_ONLY,
                                                         LK_FAMILY_V6_ONLY, LK_FAMILY_V4_PREFERRED, LK_FAMILY_ALL};
    const Envoy__Extensions__Clusters__Dns__V3__DnsCluster__RefreshRate *failure = in->dns_failure_refresh_rate;
    struct lk_dns_defaults dns = decoder->dns != NULL ? *decoder->dns : (struct lk_dns_defaults){0};
    struct rates rates = {.refresh = in->dns_refresh_rate,
                          .jitter = in->dns_jitter,
                          .has_failure = failure != NULL,
                          .failure_base = failure != NULL ? failure->base_interval : NULL,
                          .failure_max = failure != NULL ? failure->max_interval : NULL};

    out->type = in->all_addresses_in_single_endpoint ? LK_CLUSTER_LOGICAL_DNS : LK_CLUSTER_STRICT_DNS;
    set_rates(decoder, &rates, out);
    out->respect_dns_ttl = in->respect_dns_ttl;
    if (lk_decode_enum_ok(decoder, "dns_lookup_family",
                          &envoy__extensions__clusters__common__dns__v3__dns_lookup_family__descriptor,
                          (int)in->dns_lookup_family))
        out->dns_family = families[in->dns_lookup_family];
    lk_decode_dns_resolver(decoder, "typed_dns_resolver_config", in->typed_dns_resolver_config, &dns);
    set_resolvers(out, &dns);
}

void lk_decode_cluster_type(struct lk_decoder *decoder,
                            const Envoy__Config__Cluster__V3__Cluster__CustomClusterType *in,
                            struct lk_cluster_config *out)
{
    static const struct {
        const char *name;
        enum lk_discovery_type type;
    } names[] = {
        {"envoy.cluster.static", LK_CLUSTER_STATIC},
        {"envoy.cluster.strict_dns", LK_CLUSTER_STRICT_DNS},
        {"envoy.cluster.logical_dns", LK_CLUSTER_LOGICAL_DNS},
        {"envoy.cluster.original_dst", LK_CLUSTER_ORIGINAL_DST},
    };
    size_t mark = lk_errors_push(decoder->errors, "cluster_type");
    const Envoy__Extensions__Clusters__Dns__V3__DnsCluster *dns;
    bool found = false;

    if (lk_any_is(in->typed_config, &envoy__extensions__clusters__dns__v3__dns_cluster__descriptor)) {
        found = true;
        lk_errors_push(decoder->errors, "typed_config");
        if ((dns = lk_decode_unpack(decoder, in->typed_config)) != NULL)
            dns_cluster(decoder, dns, out);
    }
    for (size_t i = 0; i < LK_ARRAY_LEN(names) && !found; i++) {
        if (in->typed_config == NULL && lk_str_eq(lk_str_from(in->name), lk_str_from(names[i].name))) {
            out->type = names[i].type;
            found = true;
        }
    }
    if (!found)
        lk_errors_unsupported(decoder->errors, NULL, "the cluster type '%s' is not supported", in->name);
    lk_errors_pop(decoder->errors, mark);
}
