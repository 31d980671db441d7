/* Clusters and endpoints. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_cluster.h"

static struct lk_decode_fixture fixture;

static const struct lk_cluster_config *decode(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_cluster(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &envoy__config__cluster__v3__cluster__descriptor, yaml));
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static void mistake(const char *fields, const char *path, const char *part)
{
    char yaml[4096];

    snprintf(yaml, sizeof(yaml), "{%s%s}", strncmp(fields, "name:", 5) == 0 ? "" : "name: c, ", fields);
    decode(yaml);
    lk_decode_fixture_mistake(&fixture, path, part);
    end();
}

LK_TEST(decode_cluster, gives_defaults)
{
    const struct lk_cluster_config *config = decode("{name: c}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(config->type, LK_CLUSTER_STATIC);
    LK_CHECK_EQ_INT(config->lb, LK_LB_ROUND_ROBIN);
    LK_CHECK_LKSTR(config->stat_name, "c");
    LK_CHECK_EQ_UINT(config->connect_timeout_ms, 5000);
    LK_CHECK_EQ_UINT(config->buffer_limit, 1024 * 1024);
    LK_CHECK_EQ_UINT(config->limits[0].max_requests, 1024);
    LK_CHECK_EQ_UINT(config->limits[1].max_retries, 3);
    LK_CHECK_EQ_UINT(config->panic_percent, 50);
    LK_CHECK_EQ_UINT(config->dns_refresh_ms, 5000);
    LK_CHECK_EQ_UINT(config->dns_failure_base_ms, 5000);
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 3600000);
    LK_CHECK_EQ_UINT(config->max_headers_count, 100);
    LK_CHECK_EQ_UINT(config->max_requests_per_connection, 0);
    LK_CHECK_EQ_UINT(config->cleanup_interval_ms, 5000);
    LK_CHECK_EQ_INT(config->protocol, LK_UPSTREAM_HTTP1);
    LK_CHECK_EQ_UINT(config->transport_socket.type.len, 0);
    LK_CHECK(!config->bind.set && !config->keepalive.set);
    LK_CHECK_NULL(config->endpoints);
    end();
}

LK_TEST(decode_cluster, stays_small)
{
    struct lk_arena *arena;
    size_t before;

    decode("{name: first}");
    arena = fixture.arena;
    before = arena->bytes;
    for (int i = 0; i < 1000; i++)
        lk_decode_cluster(
            &fixture.decoder,
            lk_decode_fixture_message(
                &fixture, &envoy__config__cluster__v3__cluster__descriptor,
                "{name: outbound|80||service.default.svc.cluster.local, load_assignment: {cluster_name: x, endpoints: "
                "[{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}}]}]}}"));
    LK_CHECK_MSG(arena->bytes - before < 720 * 1000, "%zu bytes for 1000 clusters", arena->bytes - before);
    end();
}

LK_TEST(decode_cluster, reads_sockets_limits_and_http)
{
    const struct lk_cluster_config *config =
        decode("name: c\n"
               "alt_stat_name: alt\n"
               "connect_timeout: 0.25s\n"
               "lb_policy: LEAST_REQUEST\n"
               "least_request_lb_config: {choice_count: 3, active_request_bias: {default_value: 0.5, runtime_key: k}}\n"
               "common_lb_config: {healthy_panic_threshold: {value: 0}, locality_weighted_lb_config: {}}\n"
               "circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 5}, {max_connections: 6, retry_budget: "
               "{min_retry_concurrency: 1}}, {max_connections: 99}]}\n"
               "upstream_bind_config: {source_address: {address: 127.0.0.6, port_value: 0}, extra_source_addresses: "
               "[{address: "
               "{address: '::6', port_value: 0}}]}\n"
               "upstream_connection_options: {tcp_keepalive: {keepalive_time: 60}}\n"
               "transport_socket: {name: envoy.transport_sockets.raw_buffer, typed_config: {'@type': "
               "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}\n"
               "max_requests_per_connection: 9\n"
               "typed_extension_protocol_options:\n"
               "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
               "    '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
               "    common_http_protocol_options: {idle_timeout: 30s, max_headers_count: 7}\n"
               "    explicit_http_config: {http_protocol_options: {enable_trailers: true, header_key_format: "
               "{proper_case_words: {}}}}\n");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_LKSTR(config->stat_name, "alt");
    LK_CHECK_EQ_UINT(config->connect_timeout_ms, 250);
    LK_CHECK_EQ_UINT(config->least_request_choices, 3);
    LK_CHECK_NEAR(config->least_request_active_bias, 0.5, 0);
    LK_CHECK_EQ_UINT(config->panic_percent, 0);
    LK_CHECK_EQ_UINT(config->limits[0].max_connections, 6);
    LK_CHECK(config->limits[0].has_retry_budget);
    LK_CHECK_NEAR(config->limits[0].budget_percent, 20, 0);
    LK_CHECK_EQ_UINT(config->limits[1].max_requests, 5);
    LK_CHECK(config->bind.set);
    LK_CHECK_EQ_INT(config->bind.source.family, AF_INET);
    LK_CHECK_EQ_INT(config->bind.extra[0].family, AF_INET6);
    LK_CHECK_EQ_UINT(config->keepalive.time_s, 60);
    LK_CHECK_EQ_UINT(config->transport_socket.type.len, 0);
    LK_CHECK_EQ_UINT(config->idle_timeout_ms, 30000);
    LK_CHECK_EQ_UINT(config->max_headers_count, 7);
    LK_CHECK_EQ_UINT(config->max_requests_per_connection, 9);
    LK_CHECK(config->enable_trailers && config->proper_case_words);
    end();
}

LK_TEST(decode_cluster, keeps_other_transport_sockets_as_they_are)
{
    const struct lk_cluster_config *config =
        decode("{name: c, transport_socket: {name: tls, typed_config: {'@type': "
               "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: x}}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_LKSTR(config->transport_socket.type, "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
    LK_CHECK(config->transport_socket.value.len > 0);
    end();
}

LK_TEST(decode_cluster, hashes_its_content)
{
    uint64_t a = decode("{name: c, connect_timeout: 1s}")->hash;

    end();
    uint64_t b = decode("{name: c, connect_timeout: 1s}")->hash;

    end();
    uint64_t c = decode("{name: c, connect_timeout: 2s}")->hash;

    end();
    LK_CHECK_EQ_UINT(a, b);
    LK_CHECK(a != c);
}

LK_TEST(decode_cluster, reads_name_resolution)
{
    const struct lk_cluster_config *config = decode(
        "{name: c, type: STRICT_DNS, dns_refresh_rate: 10s, dns_failure_refresh_rate: {base_interval: 2s}, dns_jitter: "
        "1s, respect_dns_ttl: true, dns_lookup_family: V4_PREFERRED, typed_dns_resolver_config: {name: x, "
        "typed_config: "
        "{'@type': type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, "
        "resolvers: "
        "[{socket_address: {address: 9.9.9.9, port_value: 53}}], dns_resolver_options: {use_tcp_for_dns_lookups: "
        "true}}}, "
        "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
        "{address: "
        "foo.example, port_value: 80}}, hostname: h}}]}]}}");
    const struct lk_endpoint *endpoint = &config->endpoints->localities[0].endpoints[0];

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(config->dns_refresh_ms, 10000);
    LK_CHECK_EQ_UINT(config->dns_failure_base_ms, 2000);
    LK_CHECK_EQ_UINT(config->dns_failure_max_ms, 20000);
    LK_CHECK_EQ_UINT(config->dns_jitter_ms, 1000);
    LK_CHECK(config->respect_dns_ttl && config->dns_use_tcp);
    LK_CHECK_EQ_INT(config->dns_family, LK_FAMILY_V4_PREFERRED);
    LK_CHECK_EQ_UINT(config->dns_resolver_count, 1);
    LK_CHECK_EQ_UINT(lk_addr_port(&config->dns_resolvers[0]), 53);
    LK_CHECK_EQ_UINT(endpoint->addr.len, 0);
    LK_CHECK_LKSTR(endpoint->dns_name, "foo.example");
    LK_CHECK_EQ_UINT(endpoint->dns_port, 80);
    LK_CHECK_LKSTR(endpoint->hostname, "h");
    end();
}

LK_TEST(decode_cluster, reads_the_dns_cluster_extension)
{
    const struct lk_cluster_config *config = decode(
        "{name: c, cluster_type: {name: envoy.cluster.dns, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster, all_addresses_in_single_endpoint: true, "
        "dns_lookup_family: V6_ONLY, dns_refresh_rate: 7s}}, load_assignment: {cluster_name: c, endpoints: "
        "[{lb_endpoints: [{endpoint: {address: {socket_address: {address: foo, port_value: 80}}}}]}]}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(config->type, LK_CLUSTER_LOGICAL_DNS);
    LK_CHECK_EQ_INT(config->dns_family, LK_FAMILY_V6_ONLY);
    LK_CHECK_EQ_UINT(config->dns_refresh_ms, 7000);
    end();
    LK_CHECK_EQ_INT(decode("{name: c, cluster_type: {name: envoy.cluster.strict_dns}}")->type, LK_CLUSTER_STRICT_DNS);
    lk_decode_fixture_clean(&fixture);
    end();
}

LK_TEST(decode_cluster, takes_name_servers_from_the_bootstrap)
{
    static const struct lk_addr server = {.len = sizeof(struct sockaddr_in), .family = AF_INET};
    struct lk_dns_defaults defaults = {.resolvers = &server, .resolver_count = 1, .no_search = true};

    lk_decode_fixture_init(&fixture);
    fixture.decoder.dns = &defaults;
    const struct lk_cluster_config *config = lk_decode_cluster(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &envoy__config__cluster__v3__cluster__descriptor,
                                                    "{name: c, type: STRICT_DNS}"));

    LK_CHECK_EQ_PTR(config->dns_resolvers, &server);
    LK_CHECK(config->dns_no_search);
    end();
}

LK_TEST(decode_cluster, takes_the_first_load_balancing_policy_that_is_built)
{
    const struct lk_cluster_config *config = decode(
        "{name: c, lb_policy: ROUND_ROBIN, load_balancing_policy: {policies: [{typed_extension_config: {name: ring, "
        "typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash}}}, "
        "{typed_extension_config: {name: lr, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest, choice_count: "
        "4}}}, "
        "{typed_extension_config: {name: r, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(config->lb, LK_LB_LEAST_REQUEST);
    LK_CHECK_EQ_UINT(config->least_request_choices, 4);
    end();
}

LK_TEST(decode_cluster, reads_original_destinations)
{
    const struct lk_cluster_config *config =
        decode("{name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, cleanup_interval: 60s, "
               "original_dst_lb_config: {use_http_header: true, upstream_port_override: 99}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(config->lb, LK_LB_CLUSTER_PROVIDED);
    LK_CHECK_LKSTR(config->original_dst_header, "x-envoy-original-dst-host");
    LK_CHECK(config->original_dst_use_header);
    LK_CHECK_EQ_UINT(config->original_dst_port_override, 99);
    LK_CHECK_EQ_UINT(config->cleanup_interval_ms, 60000);
    end();
}

LK_TEST(decode_cluster, knows_the_protocol_towards_its_hosts)
{
    LK_CHECK_EQ_INT(decode("{name: c, http2_protocol_options: {}}")->protocol, LK_UPSTREAM_HTTP2);
    end();
    LK_CHECK_EQ_INT(decode("{name: c, typed_extension_protocol_options: "
                           "{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': "
                           "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                           "use_downstream_protocol_config: {}}}}")
                        ->protocol,
                    LK_UPSTREAM_DOWNSTREAM);
    end();
}

LK_TEST(decode_cluster, names_mistakes)
{
    mistake("name: ''", "name", "empty");
    mistake("connect_timeout: 0s", "connect_timeout", "more than 0s");
    mistake("type: EDS", "type", "EDS is not supported");
    mistake("type: ORIGINAL_DST", "lb_policy", "CLUSTER_PROVIDED");
    mistake("lb_policy: CLUSTER_PROVIDED", "lb_policy", "ORIGINAL_DST");
    mistake("type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, load_assignment: {cluster_name: c}", "load_assignment",
            "no endpoints");
    mistake("lb_policy: RING_HASH", "lb_policy", "not supported");
    mistake("lb_policy: MAGLEV", "lb_policy", "not supported");
    mistake("lb_policy: LOAD_BALANCING_POLICY_CONFIG", "load_balancing_policy", "required");
    mistake("load_balancing_policy: {}", "load_balancing_policy.policies", "empty");
    mistake("least_request_lb_config: {choice_count: 1}", "least_request_lb_config.choice_count", "at least 2");
    mistake("common_lb_config: {healthy_panic_threshold: {value: 101}}", "common_lb_config.healthy_panic_threshold",
            "between 0 and 100");
    mistake("cluster_type: {name: foo}", "cluster_type", "'foo' is not supported");
    mistake("dns_refresh_rate: 0.001s", "dns_refresh_rate", "more than 0.001s");
    mistake("dns_failure_refresh_rate: {}", "dns_failure_refresh_rate.base_interval", "required");
    mistake("type: LOGICAL_DNS", "load_assignment", "exactly one endpoint");
    mistake("transport_socket: {name: x}", "transport_socket.typed_config", "required");
    mistake("upstream_bind_config: {source_address: {address: foo, port_value: 0}}",
            "upstream_bind_config.source_address.address", "IP address");
    mistake("typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': "
            "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions}}",
            "typed_extension_protocol_options[\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"]",
            "expected one of");
    mistake("common_http_protocol_options: {max_headers_count: 0}", "common_http_protocol_options.max_headers_count",
            "between 1");
}

LK_TEST(decode_cluster, names_mistakes_in_endpoints)
{
#define CLA "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: ["
#define PATH "load_assignment.endpoints[0].lb_endpoints[0]"
    mistake("load_assignment: {}", "load_assignment.cluster_name", "empty");
    mistake(CLA "{}]}]}", PATH ".endpoint", "required");
    mistake(CLA "{endpoint: {}}]}]}", PATH ".endpoint.address", "required");
    mistake(CLA "{endpoint: {address: {socket_address: {address: foo, port_value: 80}}}}]}]}",
            PATH ".endpoint.address.socket_address.address", "IP address");
    mistake(CLA "{load_balancing_weight: 0, endpoint: {address: {pipe: {path: /x}}}}]}]}",
            PATH ".load_balancing_weight", "between 1");
    mistake(CLA "], priority: 129}]}", "load_assignment.endpoints[0].priority", "between 0 and 128");
    mistake("load_assignment: {cluster_name: c, endpoints: [{load_balancing_weight: 4294967295}, "
            "{load_balancing_weight: 1}]}",
            "load_assignment.endpoints", "sum of the locality weights");
#undef CLA
#undef PATH
}

LK_TEST(decode_cluster, reads_localities_weights_and_health)
{
    const struct lk_endpoints *endpoints =
        decode("{name: c, load_assignment: {cluster_name: c, policy: {overprovisioning_factor: 200}, endpoints: "
               "[{locality: {region: r, zone: z, sub_zone: s}, priority: 1, load_balancing_weight: 3, lb_endpoints: "
               "[{load_balancing_weight: 5, health_status: DRAINING, metadata: {filter_metadata: {envoy.lb: {a: b}}}, "
               "endpoint: {address: {pipe: {path: /tmp/s}}}}]}]}}")
            ->endpoints;
    const struct lk_locality_endpoints *group = &endpoints->localities[0];

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(endpoints->overprovisioning_factor, 200);
    LK_CHECK_LKSTR(group->locality.zone, "z");
    LK_CHECK_EQ_UINT(group->priority, 1);
    LK_CHECK_EQ_UINT(group->weight, 3);
    LK_CHECK_EQ_UINT(group->endpoints[0].weight, 5);
    LK_CHECK_EQ_INT(group->endpoints[0].health, LK_HEALTH_DRAINING);
    LK_CHECK_EQ_INT(group->endpoints[0].addr.family, AF_UNIX);
    LK_CHECK_NOT_NULL(group->endpoints[0].metadata);
    end();
}
