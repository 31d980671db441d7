/* Listeners, chains, listener filters, access logs. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "proxy/filter/stream_info.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_listener.h"

static struct lk_decode_fixture fixture;

#define ADDRESS "address: {socket_address: {address: 127.0.0.1, port_value: 10000}}"
#define CHAIN "filter_chains: [{filters: []}]"

static const struct lk_listener_config *decode(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_listener(
        &fixture.decoder,
        lk_decode_fixture_message(&fixture, &envoy__config__listener__v3__listener__descriptor, yaml));
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static void mistake(const char *yaml, const char *path, const char *part)
{
    decode(yaml);
    lk_decode_fixture_mistake(&fixture, path, part);
    end();
}

LK_TEST(decode_listener, gives_defaults)
{
    const struct lk_listener_config *config = decode("{" ADDRESS ", " CHAIN "}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK(config->bind_to_port);
    LK_CHECK(!config->use_original_dst && !config->transparent && !config->reuse_port);
    LK_CHECK_EQ_UINT(config->filters_timeout_ms, 15000);
    LK_CHECK_EQ_UINT(config->buffer_limit, 1024 * 1024);
    LK_CHECK_EQ_UINT(config->address_count, 1);
    LK_CHECK_EQ_UINT(config->backlog, 0);
    LK_CHECK_EQ_INT(config->direction, LK_DIRECTION_UNSPECIFIED);
    end();
}

LK_TEST(decode_listener, reads_addresses_and_options)
{
    const struct lk_listener_config *config = decode(
        "{name: l, stat_prefix: s, " ADDRESS ", additional_addresses: [{address: {socket_address: {address: '::', "
        "port_value: 10001, ipv4_compat: true}}}], bind_to_port: false, use_original_dst: true, transparent: true, "
        "freebind: true, enable_reuse_port: true, listener_filters_timeout: 0s, continue_on_listener_filters_timeout: "
        "true, tcp_backlog_size: 9, max_connections_to_accept_per_socket_event: 2, traffic_direction: OUTBOUND, "
        "drain_type: MODIFY_ONLY, default_filter_chain: {name: d}, access_log: [{name: a, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(config->address_count, 2);
    LK_CHECK(config->addresses[1].ipv4_compat);
    LK_CHECK(!config->bind_to_port && config->use_original_dst && config->transparent && config->freebind);
    LK_CHECK(config->reuse_port && config->continue_on_timeout);
    LK_CHECK_EQ_UINT(config->filters_timeout_ms, 0);
    LK_CHECK_EQ_UINT(config->backlog, 9);
    LK_CHECK_EQ_UINT(config->accepts_per_event, 2);
    LK_CHECK_EQ_INT(config->direction, LK_DIRECTION_OUTBOUND);
    LK_CHECK_LKSTR(config->default_chain->name, "d");
    LK_CHECK_LKSTR(config->access_logs[0].any.type, "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog");
    end();
}

LK_TEST(decode_listener, reads_chains)
{
    const struct lk_filter_chain_config *chain =
        decode(
            "{" ADDRESS ", filter_chains: [{name: c, filter_chain_match: {destination_port: 80, prefix_ranges: "
            "[{address_prefix: 10.0.0.0, prefix_len: 8}], server_names: ['*.Foo.com', bar], transport_protocol: tls, "
            "application_protocols: [h2], source_type: EXTERNAL, source_ports: [7]}, "
            "transport_socket_connect_timeout: 2s, filters: [{name: t, typed_config: {'@type': "
            "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: x, cluster: c}}, "
            "{name: old}]}]}")
            ->chains;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK(chain->match.has_destination_port);
    LK_CHECK_EQ_UINT(chain->match.destination_port, 80);
    LK_CHECK_EQ_UINT(chain->match.prefix_ranges[0].bits, 8);
    LK_CHECK_LKSTR(chain->match.server_names[0], "*.foo.com");
    LK_CHECK_LKSTR(chain->match.application_protocols[0], "h2");
    LK_CHECK_EQ_INT(chain->match.source_type, LK_SOURCE_EXTERNAL);
    LK_CHECK_EQ_UINT(chain->match.source_ports[0], 7);
    LK_CHECK_EQ_UINT(chain->transport_connect_timeout_ms, 2000);
    LK_CHECK_LKSTR(chain->filters[0].any.type, "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy");
    LK_CHECK(chain->filters[0].has_config && !chain->filters[1].has_config);
    end();
}

LK_TEST(decode_listener, reads_predicates)
{
    const struct lk_listener_filter_config *filter =
        decode("{" ADDRESS ", " CHAIN ", listener_filters: [{name: f, filter_disabled: {and_match: {rules: "
               "[{destination_port_range: {start: 5, end: 6}}, {not_match: {any_match: true}}]}}}]}")
            ->filters;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(filter->disabled->kind, LK_PREDICATE_AND);
    LK_CHECK_EQ_UINT(filter->disabled->rule_count, 2);
    LK_CHECK_EQ_INT(filter->disabled->rules[0].port_start, 5);
    LK_CHECK_EQ_INT(filter->disabled->rules[1].kind, LK_PREDICATE_NOT);
    LK_CHECK_EQ_INT(filter->disabled->rules[1].rules[0].kind, LK_PREDICATE_ANY);
    end();
}

LK_TEST(decode_listener, names_mistakes)
{
    mistake("{" CHAIN "}", "address", "required");
    mistake("{" ADDRESS "}", "filter_chains", "empty");
    mistake("{" ADDRESS ", " CHAIN ", listener_filters_timeout: -1s}", "listener_filters_timeout", "negative");
    mistake("{" ADDRESS ", " CHAIN ", max_connections_to_accept_per_socket_event: 0}",
            "max_connections_to_accept_per_socket_event", "between 1");
    mistake("{" ADDRESS ", " CHAIN ", additional_addresses: [{}]}", "additional_addresses[0].address", "required");
    mistake("{" ADDRESS ", " CHAIN ", listener_filters: [{name: ''}]}", "listener_filters[0].name", "empty");
    mistake("{" ADDRESS ", " CHAIN ", listener_filters: [{name: a, filter_disabled: {}}]}",
            "listener_filters[0].filter_disabled", "expected one of");
    mistake("{" ADDRESS ", " CHAIN ", listener_filters: [{name: a, filter_disabled: {or_match: {rules: [{any_match: "
            "true}]}}}]}",
            "listener_filters[0].filter_disabled.or_match.rules", "at least 2");
    mistake("{" ADDRESS ", filter_chains: [{filters: [{name: ''}]}]}", "filter_chains[0].filters[0].name", "empty");
    mistake("{" ADDRESS ", filter_chains: [{filter_chain_match: {destination_port: 0}}]}",
            "filter_chains[0].filter_chain_match.destination_port", "between 1");
    mistake("{" ADDRESS ", filter_chains: [{filter_chain_match: {server_names: ['*foo.com']}}]}",
            "filter_chains[0].filter_chain_match.server_names", "*foo.com");
    mistake("{" ADDRESS ", filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: foo}]}}]}",
            "filter_chains[0].filter_chain_match.prefix_ranges[0]", "no network range");
    mistake("{" ADDRESS ", filter_chains: [{filter_chain_match: {source_ports: [65536]}}]}",
            "filter_chains[0].filter_chain_match.source_ports", "65535");
}

static const struct lk_log_filter *filter(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_log_filter(
        &fixture.decoder, "filter",
        lk_decode_fixture_message(&fixture, &envoy__config__accesslog__v3__access_log_filter__descriptor, yaml));
}

static void filter_mistake(const char *yaml, const char *path, const char *part)
{
    filter(yaml);
    lk_decode_fixture_mistake(&fixture, path, part);
    end();
}

LK_TEST(decode_access_log, reads_every_filter)
{
    const struct lk_log_filter *out =
        filter("{and_filter: {filters: [{status_code_filter: {comparison: {op: GE, value: {default_value: 500, "
               "runtime_key: k}}}}, {duration_filter: {comparison: {op: NE, value: {default_value: 1}}}}, "
               "{or_filter: {filters: [{not_health_check_filter: {}}, {traceable_filter: {}}]}}, {runtime_filter: "
               "{runtime_key: r, percent_sampled: {numerator: 50}}}, {header_filter: {header: {name: X-A}}}, "
               "{response_flag_filter: {flags: [NR, UO]}}]}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(out->kind, LK_LOG_FILTER_AND);
    LK_CHECK_EQ_UINT(out->child_count, 6);
    LK_CHECK_EQ_INT(out->children[0].op, LK_COMPARE_GE);
    LK_CHECK_EQ_UINT(out->children[0].value, 500);
    LK_CHECK_EQ_INT(out->children[1].op, LK_COMPARE_NE);
    LK_CHECK_EQ_INT(out->children[2].children[1].kind, LK_LOG_FILTER_TRACEABLE);
    LK_CHECK_EQ_UINT(out->children[3].fraction.per_million, 500000);
    LK_CHECK_LKSTR(out->children[3].fraction.runtime_key, "r");
    LK_CHECK_LKSTR(out->children[4].header->name, "x-a");
    LK_CHECK_EQ_UINT(out->children[5].flags, LK_FLAG_BIT(NO_ROUTE_FOUND) | LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    end();
}

/* The decoder may not see the enumerators of the filter layer, so their order is checked here. */
LK_TEST(decode_access_log, numbers_response_flags_as_the_streams_do)
{
    static const char *const names[] = {
#define X(id, short_name, long_name) short_name,
        LK_RESPONSE_FLAGS(X)
#undef X
    };

    for (unsigned i = 0; i < LK_FLAG_COUNT; i++) {
        char yaml[64];

        snprintf(yaml, sizeof(yaml), "{response_flag_filter: {flags: [%s]}}", names[i]);
        LK_CHECK_EQ_UINT(filter(yaml)->flags, (uint64_t)1 << i);
        lk_decode_fixture_clean(&fixture);
        end();
    }
}

LK_TEST(decode_access_log, names_mistakes)
{
    filter_mistake("{}", "filter", "expected a filter");
    filter_mistake("{status_code_filter: {}}", "filter.status_code_filter.comparison", "required");
    filter_mistake("{duration_filter: {comparison: {}}}", "filter.duration_filter.comparison.value", "required");
    filter_mistake("{and_filter: {filters: [{traceable_filter: {}}]}}", "filter.and_filter.filters", "at least 2");
    filter_mistake("{runtime_filter: {}}", "filter.runtime_filter.runtime_key", "empty");
    filter_mistake("{header_filter: {}}", "filter.header_filter.header", "required");
    filter_mistake("{response_flag_filter: {flags: [XX]}}", "filter.response_flag_filter.flags", "'XX'");
}
