/* Trees to messages: names, scalars, lists, maps, oneofs, and what is said about mistakes. */
#include "test/unit/xds/decode/fixture.h"

#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/listener/v3/listener.pb-c.h"
#include "envoy/config/route/v3/header_matcher.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"

#define CLUSTER "envoy.config.cluster.v3.Cluster"
#define ROUTE "envoy.config.route.v3.Route"

typedef Envoy__Config__Cluster__V3__Cluster cluster_message;

LK_TEST(pb_json, takes_snake_case_and_lower_camel_names)
{
    struct fixture f;
    cluster_message *cluster;

    fixture_init(&f);
    cluster = decode_good(&f, CLUSTER,
                          "altStatName: a\nname: b\noutlierDetection: {consecutive5xx: 3}\n"
                          "lb_policy: RANDOM\n");
    LK_CHECK_STR(cluster->alt_stat_name, "a");
    LK_CHECK_STR(cluster->name, "b");
    LK_CHECK_EQ_UINT(cluster->outlier_detection->consecutive_5xx->value, 3);
    fixture_fini(&f);
}

LK_TEST(pb_json, takes_enums_by_name_in_any_case_and_by_number)
{
    struct fixture f;
    cluster_message *cluster;

    fixture_init(&f);
    cluster = decode_good(&f, CLUSTER, "type: strict_dns\nlb_policy: Random\ndns_lookup_family: 1\n");
    LK_CHECK_EQ_INT(cluster->type, ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STRICT_DNS);
    LK_CHECK_EQ_INT(cluster->lb_policy, ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RANDOM);
    LK_CHECK_EQ_INT(cluster->dns_lookup_family, ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__V4_ONLY);
    fixture_fini(&f);
}

LK_TEST(pb_json, takes_aliases_of_enum_values)
{
    struct fixture f;

    fixture_init(&f);
    decode_good(&f, "envoy.extensions.compression.gzip.compressor.v3.Gzip", "compression_level: best_compression\n");
    fixture_fini(&f);
}

LK_TEST(pb_json, an_unknown_enum_value_lists_the_known_ones)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "name: a\ntype: STATIK\n");
    check_only_error(&f, 2, "type",
                     "expected STATIC, STRICT_DNS, LOGICAL_DNS, EDS or ORIGINAL_DST, found the string \"STATIK\"");
    fixture_fini(&f);
}

LK_TEST(pb_json, takes_numbers_as_strings_and_whole_floats)
{
    struct fixture f;
    Envoy__Config__Route__V3__HeaderMatcher *matcher;

    fixture_init(&f);
    matcher = decode_good(&f, "envoy.config.route.v3.HeaderMatcher",
                          "name: a\nrange_match: {start: \"-9223372036854775808\", end: 1e3}\n");
    LK_CHECK_EQ_INT(matcher->range_match->start, INT64_MIN);
    LK_CHECK_EQ_INT(matcher->range_match->end, 1000);
    fixture_fini(&f);
}

static void check_port(const char *value, const char *part)
{
    struct fixture f;
    char text[128];

    fixture_init(&f);
    snprintf(text, sizeof(text), "socket_address:\n  port_value: %s\n", value);
    decode(&f, "envoy.config.core.v3.Address", text);
    check_only_error(&f, 2, "socket_address.port_value", part);
    fixture_fini(&f);
}

LK_TEST(pb_json, refuses_numbers_out_of_range_or_with_fraction)
{
    check_port("-1", "expected a whole number from 0 to 4294967295, found -1");
    check_port("4294967296", "found the string \"4294967296\"");
    check_port("1.5", "found the string \"1.5\"");
}

LK_TEST(pb_json, refuses_words_objects_and_lists_for_numbers)
{
    check_port("abc", "found the string \"abc\"");
    check_port("{a: 1}", "found an object");
    check_port("[1]", "found a list");
    check_port("true", "found true");
    check_port("0x", "found the string \"0x\"");
    check_port("nan", "found the string \"nan\"");
    check_port("''", "found the string \"\"");
}

LK_TEST(pb_json, a_number_or_boolean_for_a_string_asks_for_quotes)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "name: 12\nalt_stat_name: yes\n");
    check_error(&f, 0, 1, "name", "write it in quotes");
    check_error(&f, 1, 2, "alt_stat_name", "expected a string, found yes");
    fixture_fini(&f);
}

LK_TEST(pb_json, strings_cannot_hold_zero_bytes)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "name: \"a\\0b\"\n");
    check_only_error(&f, 1, "name", "zero byte");
    fixture_fini(&f);
}

LK_TEST(pb_json, null_leaves_a_field_unset)
{
    struct fixture f;
    cluster_message *cluster;

    fixture_init(&f);
    cluster = decode_good(&f, CLUSTER, "name:\ncircuit_breakers: null\ntype: ~\nload_assignment:\n");
    LK_CHECK_STR(cluster->name, "");
    LK_CHECK_NULL(cluster->circuit_breakers);
    LK_CHECK_EQ_INT(cluster->cluster_discovery_type_case, 0);
    fixture_fini(&f);
}

LK_TEST(pb_json, a_single_value_is_a_list_of_one)
{
    struct fixture f;
    Envoy__Config__Listener__V3__Listener *listener;

    fixture_init(&f);
    listener = decode_good(&f, "envoy.config.listener.v3.Listener",
                           "filter_chains:\n  name: only\n  filter_chain_match: {server_names: a.example}\n");
    LK_CHECK_EQ_UINT(listener->n_filter_chains, 1);
    LK_CHECK_STR(listener->filter_chains[0]->name, "only");
    LK_CHECK_STR(listener->filter_chains[0]->filter_chain_match->server_names[0], "a.example");
    fixture_fini(&f);
}

LK_TEST(pb_json, a_null_in_a_list_is_a_mistake_and_the_rest_is_read)
{
    struct fixture f;
    Envoy__Config__Route__V3__VirtualHost *host;

    fixture_init(&f);
    host = decode(&f, "envoy.config.route.v3.VirtualHost", "name: v\ndomains:\n- a\n-\n- c\n");
    check_only_error(&f, 4, "domains[1]", "null");
    LK_CHECK_EQ_UINT(host->n_domains, 2);
    LK_CHECK_STR(host->domains[1], "c");
    fixture_fini(&f);
}

LK_TEST(pb_json, reads_maps)
{
    struct fixture f;
    Envoy__Config__Core__V3__Metadata *metadata;

    fixture_init(&f);
    metadata =
        decode_good(&f, "envoy.config.core.v3.Metadata", "filter_metadata:\n  envoy.lb: {canary: true}\n  other: {}\n");
    LK_CHECK_EQ_UINT(metadata->n_filter_metadata, 2);
    LK_CHECK_STR(metadata->filter_metadata[0]->key, "envoy.lb");
    LK_CHECK_EQ_UINT(metadata->filter_metadata[0]->value->n_fields, 1);
    fixture_fini(&f);
}

LK_TEST(pb_json, map_mistakes_name_the_key)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, "envoy.config.core.v3.Metadata", "filter_metadata:\n  a: 5\n  b:\n");
    check_error(&f, 0, 2, "filter_metadata[\"a\"]", "expected an object, found 5");
    check_error(&f, 1, 3, "filter_metadata[\"b\"]", "null");
    fixture_fini(&f);

    fixture_init(&f);
    decode(&f, "envoy.config.core.v3.Metadata", "filter_metadata: [a]\n");
    check_only_error(&f, 1, "filter_metadata", "this field is a map");
    fixture_fini(&f);
}

LK_TEST(pb_json, two_choices_of_a_oneof_exclude_each_other)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, ROUTE, "match: {prefix: /}\nroute: {cluster: a}\nredirect: {}\n");
    check_only_error(&f, 3, "redirect", "route and redirect exclude each other");
    fixture_fini(&f);
}

LK_TEST(pb_json, a_field_in_both_spellings_is_given_twice)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "alt_stat_name: a\naltStatName: b\n");
    check_only_error(&f, 2, "", "altStatName is given twice");
    fixture_fini(&f);
}

LK_TEST(pb_json, a_repeated_key_is_reported_once)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "name: a\nname: b\n");
    check_only_error(&f, 2, "", "\"name\" is given twice");
    fixture_fini(&f);
}

LK_TEST(pb_json, an_unknown_field_is_an_error_with_a_suggestion)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "name: a\nconect_timeout: 1s\nload_assignment:\n  zzzzzz: 1\n");
    check_error(&f, 0, 2, "conect_timeout",
                "unknown field of envoy.config.cluster.v3.Cluster, did you mean \"connect_timeout\"?");
    check_error(&f, 1, 4, "load_assignment.zzzzzz", "unknown field of");
    LK_CHECK_NULL(strstr(f.errors.items[1].text, "did you mean"));
    fixture_fini(&f);
}

LK_TEST(pb_json, unknown_fields_can_be_allowed_and_are_then_warnings)
{
    struct fixture f;

    fixture_init(&f);
    f.options.allow_unknown = true;
    decode_good(&f, CLUSTER, "name: a\nfoo: {bar: 1}\n");
    LK_CHECK_EQ_UINT(f.errors.warning_count, 1);
    LK_CHECK_STR(f.errors.warnings[0].path, "foo");
    fixture_fini(&f);
}

LK_TEST(pb_json, one_run_reports_every_mistake)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, "envoy.config.bootstrap.v3.Bootstrap",
           "static_resources:\n"
           "  clusters:\n"
           "  - name: 1\n"
           "    typ: STATIC\n"
           "    connect_timeout: 5\n"
           "  - lb_policy: [x]\n"
           "admin: 5\n");
    check_error(&f, 0, 3, "static_resources.clusters[0].name", "quotes");
    check_error(&f, 1, 4, "static_resources.clusters[0].typ", "did you mean \"type\"");
    check_error(&f, 2, 5, "static_resources.clusters[0].connect_timeout", "with its unit");
    check_error(&f, 3, 6, "static_resources.clusters[1].lb_policy", "found a list");
    check_error(&f, 4, 7, "admin", "expected an object (envoy.config.bootstrap.v3.Admin), found 5");
    LK_CHECK_EQ_UINT(f.errors.count, 5);
    fixture_fini(&f);
}

LK_TEST(pb_json, a_root_that_is_no_object_is_a_mistake)
{
    struct fixture f;

    fixture_init(&f);
    decode(&f, CLUSTER, "");
    check_only_error(&f, 1, "", "expected an object");
    fixture_fini(&f);
}

LK_TEST(pb_json, bytes_are_base64_of_either_alphabet)
{
    struct fixture f;
    Envoy__Config__Core__V3__DataSource *source;

    fixture_init(&f);
    source = decode_good(&f, "envoy.config.core.v3.DataSource", "inline_bytes: \"-_8=\"\n");
    LK_CHECK_EQ_UINT(source->inline_bytes.len, 2);
    LK_CHECK_MEM(source->inline_bytes.data, "\xfb\xff", 2);
    decode(&f, "envoy.config.core.v3.DataSource", "inline_bytes: \"a b\"\n");
    check_only_error(&f, 1, "inline_bytes", "base64");
    fixture_fini(&f);
}

LK_TEST(pb_json, booleans_may_be_quoted_words_but_not_numbers)
{
    struct fixture f;
    Envoy__Config__Route__V3__RouteMatch *match;

    fixture_init(&f);
    match = decode_good(&f, "envoy.config.route.v3.RouteMatch", "case_sensitive: \"true\"\n");
    LK_CHECK(match->case_sensitive->value);
    decode(&f, "envoy.config.route.v3.RouteMatch", "case_sensitive: 1\n");
    check_only_error(&f, 1, "case_sensitive", "expected true or false, found 1");
    fixture_fini(&f);
}
