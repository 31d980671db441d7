/* The configuration of the lane filter: defaults, what is read, and what is refused. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_lane.h"
#include "xds/decode/pb_known.h"

static struct lk_decode_fixture fixture;

static const struct lk_lane_filter_config *decode(const char *yaml)
{
    return lk_decode_lane_filter(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &lanekeeper__lane__v1__lane_filter__descriptor, yaml));
}

static const struct lk_lane_filter_config *decode_good(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    const struct lk_lane_filter_config *config = decode(yaml);

    lk_decode_fixture_clean(&fixture);
    return config;
}

LK_TEST(decode_lane_filter, fills_in_defaults)
{
    const struct lk_lane_filter_config *config = decode_good("{}");

    LK_CHECK(!config->entry && config->seed_ids);
    LK_CHECK_LKSTR(config->carriers.header, "x-lane");
    LK_CHECK_LKSTR(config->carriers.baggage_key, "lane");
    LK_CHECK_EQ_UINT(config->carriers.tracestate_key.len + config->carriers.sw8_correlation_key.len, 0);
    LK_CHECK_EQ_UINT(config->carriers.alias_count, 0);
    LK_CHECK_EQ_UINT(config->trust.plaintext.count + config->trust.allow_count, 0);
    LK_CHECK(config->association.enabled);
    LK_CHECK_EQ_UINT(config->association.kinds, LK_LANE_ID_TRACEPARENT | LK_LANE_ID_SW8 | LK_LANE_ID_B3 |
                                                    LK_LANE_ID_JAEGER | LK_LANE_ID_REQUEST_ID);
    LK_CHECK_EQ_UINT(config->association.linger_ms, 30000);
    LK_CHECK_EQ_UINT(config->association.max_lifetime_ms, 600000);
    LK_CHECK_EQ_UINT(config->association.capacity, 65536);
    LK_CHECK_EQ_UINT(config->association.preflight_denominator, 1024);
    LK_CHECK(config->pod.enabled && !config->pod.recolor && !config->pod.shadow_ok);
    LK_CHECK_EQ_UINT(config->pod.lane.len, 0);
    LK_CHECK_LKSTR(config->egress.metadata_namespace, "lanekeeper.lane");
    LK_CHECK_LKSTR(config->egress.metadata_key, "mesh");
    LK_CHECK_LKSTR(config->egress.shadow_ok_key, "shadow_ok");
    LK_CHECK_LKSTR(config->membership.metadata_namespace, "envoy.lb");
    LK_CHECK_EQ_UINT(config->membership.path_len, 1);
    LK_CHECK_LKSTR(config->membership.path[0], "lane");
    LK_CHECK_EQ_UINT(config->membership.field, 0);
    LK_CHECK(!config->membership.implies_not_in_active_lane);
    LK_CHECK_NULL(config->inline_table);
    LK_CHECK_EQ_UINT(config->table_path.len, 0);
    LK_CHECK_LKSTR(config->table_name, "lane-table");
    LK_CHECK_EQ_UINT(config->stat_names, 256);
    LK_CHECK_LKSTR(config->served_header, "x-lane-served");
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane_filter, reads_everything)
{
    const struct lk_lane_filter_config *config = decode_good(
        "role: ENTRY\nseed_ids: false\n"
        "carriers: {header: X-Gray, baggage_key: tag, tracestate_key: lk, sw8_correlation_key: k,\n"
        "  aliases: [X-Mse-Tag, x-asm-prefer-tag]}\n"
        "trust:\n  plaintext_cidrs: [10.0.0.0/8]\n  principals: ['spiffe://td/*']\n"
        "  untrusted_sources: ['*/sa/gw']\n"
        "  allow:\n  - {cidrs: 192.0.2.0/24, principals: [a, '*'], secret_header: {name: K, value: abcdefgh},\n"
        "      lanes: [g, shadow-1, '*'], shadow: true}\n"
        "association: {enabled: false, kinds: [SW8, HEADER], header: X-Chain, linger: 1s, max_lifetime: 2s,\n"
        "  capacity: 64, preflight_denominator: 0}\n"
        "pod_lane: {enabled: false, lane: g, recolor: true, shadow_ok: true}\n"
        "egress: {require_shadow_mark: true, mirror_lane: shadow-m, mesh: {metadata_namespace: istio, metadata_key: m, "
        "shadow_ok_key: s,\n"
        "  clusters: ['outbound|*'], external_clusters: [x], shadow_ok_clusters: [mock], namespace_is_enough: true}}\n"
        "membership: {namespace: my, path: [a, b], field: 2, separator: ',', subset_clusters: true}\n"
        "table_source: {path_config_source: {path: /etc/lanes/t.yaml, watched_directory: {path: /etc/lanes}}}\n"
        "table_name: other\nstats: {max_names: 3}\nresponse: {served_header: X-Served}\n");

    LK_CHECK(config->entry && !config->seed_ids);
    LK_CHECK_LKSTR(config->carriers.header, "x-gray");
    LK_CHECK_LKSTR(config->carriers.baggage_key, "tag");
    LK_CHECK_LKSTR(config->carriers.tracestate_key, "lk");
    LK_CHECK_LKSTR(config->carriers.sw8_correlation_key, "k");
    LK_CHECK_LKSTR(config->carriers.aliases[0], "x-mse-tag");
    LK_CHECK_EQ_UINT(config->trust.plaintext.items[0].bits, 8);
    LK_CHECK(lk_string_matcher_match(&config->trust.principals.items[0], LK_STR("spiffe://td/a")));
    LK_CHECK(!lk_string_matcher_match(&config->trust.principals.items[0], LK_STR("spiffe://other/a")));
    LK_CHECK(lk_string_matcher_match(&config->trust.untrusted.items[0], LK_STR("spiffe://td/sa/gw")));
    LK_CHECK(!lk_string_matcher_match(&config->trust.untrusted.items[0], LK_STR("spiffe://td/sa/web")));
    LK_CHECK(lk_string_matcher_match(&config->trust.allow[0].principals.items[0], LK_STR("a")));
    LK_CHECK(lk_string_matcher_match(&config->trust.allow[0].principals.items[1], LK_STR("anybody")));
    LK_CHECK_LKSTR(config->trust.allow[0].secret.name, "k");
    LK_CHECK_EQ_UINT(config->trust.allow[0].lane_count, 3);
    LK_CHECK_LKSTR(config->trust.allow[0].lanes[1], "shadow-1");
    LK_CHECK(!config->association.enabled);
    LK_CHECK_EQ_UINT(config->association.kinds, LK_LANE_ID_SW8 | LK_LANE_ID_HEADER);
    LK_CHECK_LKSTR(config->association.header, "x-chain");
    LK_CHECK_EQ_UINT(config->association.linger_ms, 1000);
    LK_CHECK_EQ_UINT(config->association.capacity, 64);
    LK_CHECK_EQ_UINT(config->association.preflight_denominator, 0);
    LK_CHECK(!config->pod.enabled && config->pod.recolor && config->pod.shadow_ok);
    LK_CHECK_LKSTR(config->pod.lane, "g");
    LK_CHECK(config->egress.require_shadow_mark && config->egress.namespace_is_enough);
    LK_CHECK_LKSTR(config->egress.mirror_lane, "shadow-m");
    LK_CHECK(lk_lane_patterns_match(&config->egress.clusters, LK_STR("outbound|80||web")));
    LK_CHECK_EQ_UINT(config->egress.shadow_ok_clusters.count, 1);
    LK_CHECK_EQ_UINT(config->membership.path_len, 2);
    LK_CHECK_EQ_UINT(config->membership.field, 2);
    LK_CHECK_EQ_INT(config->membership.separator, ',');
    LK_CHECK(config->membership.subset_clusters);
    LK_CHECK_LKSTR(config->table_path, "/etc/lanes/t.yaml");
    LK_CHECK_LKSTR(config->table_directory, "/etc/lanes");
    LK_CHECK_LKSTR(config->table_name, "other");
    LK_CHECK_EQ_UINT(config->stat_names, 3);
    LK_CHECK_LKSTR(config->served_header, "x-served");
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane_filter, knows_the_preset_of_istio)
{
    const struct lk_lane_filter_config *config = decode_good("membership: {preset: ISTIO_WORKLOAD}");

    LK_CHECK_LKSTR(config->membership.metadata_namespace, "istio");
    LK_CHECK_LKSTR(config->membership.path[0], "workload");
    LK_CHECK_EQ_UINT(config->membership.field, 4);
    LK_CHECK_EQ_INT(config->membership.separator, ';');
    LK_CHECK(config->membership.implies_not_in_active_lane);
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane_filter, holds_an_inline_table)
{
    const struct lk_lane_filter_config *config =
        decode_good("{inline: {revision: 7, lanes: {name: g}}, response: {disabled: true}}");

    LK_CHECK_EQ_UINT(config->inline_table->revision, 7);
    LK_CHECK_EQ_UINT(config->inline_table->lane_count, 2);
    LK_CHECK_EQ_UINT(config->served_header.len, 0);
    lk_decode_fixture_fini(&fixture); /* the sanitizer would tell of a lost reference */
}

LK_TEST(decode_lane_filter, reads_a_plain_path)
{
    LK_CHECK_LKSTR(decode_good("table_source: {path: /t}")->table_path, "/t");
    lk_decode_fixture_fini(&fixture);
}

LK_TEST(decode_lane_filter, refuses_mistakes_by_path)
{
    static const struct {
        const char *yaml, *path, *part;
    } table[] = {
        {"carriers: {header: 'a b'}", "carriers.header", "no header name"},
        {"carriers: {baggage_key: 'a=b'}", "carriers.baggage_key", "no key"},
        {"carriers: {sw8_correlation_key: 'a b'}", "carriers.sw8_correlation_key", "no key"},
        {"carriers: {tracestate_key: LK}", "carriers.tracestate_key", "no key of tracestate"},
        {"carriers: {aliases: [x-a, X-Lane]}", "carriers.aliases[1]", "the carrier itself"},
        {"carriers: {aliases: ['']}", "carriers.aliases[0]", "must not be empty"},
        {"trust: {plaintext_cidrs: [x]}", "trust.plaintext_cidrs[0]", "no network range"},
        {"trust: {principals: ['*a*']}", "trust.principals[0]", "at most one '*'"},
        {"trust: {principals: ['a*b']}", "trust.principals[0]", "at most one '*', at an end"},
        {"trust: {untrusted_sources: ['']}", "trust.untrusted_sources[0]", "no identity"},
        {"trust: {allow: [{cidrs: 10.0.0.0/8, lanes: '*', shadow: true}]}", "trust.allow[0].lanes", "by its name"},
        {"trust: {allow: [{lanes: g}]}", "trust.allow[0]", "says of nobody"},
        {"trust: {allow: [{cidrs: 10.0.0.0/8}]}", "trust.allow[0].lanes", "is missing"},
        {"trust: {allow: [{cidrs: 10.0.0.0/8, lanes: base}]}", "trust.allow[0].lanes[0]", "no name of a lane"},
        {"trust: {allow: [{cidrs: 10.0.0.0/8, lanes: shadow-1}]}", "trust.allow[0].lanes[0]", "shadow: true"},
        {"association: {kinds: [HEADER]}", "association.header", "is missing"},
        {"association: {kinds: [SW8], header: x}", "association.kinds", "HEADER among them"},
        {"association: {linger: 0s}", "association.linger", "more than 0s"},
        {"association: {linger: 3s, max_lifetime: 2s}", "association.max_lifetime", "less than linger"},
        {"association: {capacity: 63}", "association.capacity", "between 64 and 524288"},
        {"pod_lane: {lane: A}", "pod_lane.lane", "no name of a lane"},
        {"egress: {mirror_lane: g}", "egress.mirror_lane", "no name of a shadow lane"},
        {"egress: {mirror_lane: 'shadow-A'}", "egress.mirror_lane", "no name of a shadow lane"},
        {"egress: {mesh: {clusters: ['']}}", "egress.mesh.clusters[0]", "no pattern"},
        {"membership: {path: [a]}", "membership.namespace", "is missing"},
        {"membership: {namespace: a}", "membership.path", "is missing"},
        {"membership: {namespace: a, path: b, preset: ISTIO_WORKLOAD}", "membership.preset", "one of the two"},
        {"membership: {namespace: a, path: b, field: 1, separator: ab}", "membership.separator", "one character"},
        {"membership: {namespace: a, path: b, separator: a}", "membership.field", "is missing"},
        {"inline: {lanes: [{name: base}]}", "inline.lanes[0].name", "reserved"},
        {"table_source: {}", "table_source", "expected path"},
        {"table_source: {path: ''}", "table_source.path", "must not be empty"},
        {"table_source: {path_config_source: {}}", "table_source.path_config_source.path", "must not be empty"},
        {"table_source: {ads: {}}", "table_source", "not supported yet"},
        {"stats: {max_names: 257}", "stats.max_names", "between 1 and 256"},
        {"response: {served_header: 'a b'}", "response.served_header", "no header name"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        lk_decode_fixture_init(&fixture);
        decode(table[i].yaml);
        lk_decode_fixture_mistake(&fixture, table[i].path, table[i].part);
        LK_CHECK_EQ_UINT(fixture.errors.count, 1);
        lk_decode_fixture_fini(&fixture);
    }
}

LK_TEST(decode_lane_filter, every_field_is_acted_on)
{
    lk_decode_fixture_init(&fixture);
    const ProtobufCMessage *message = lk_decode_fixture_message(
        &fixture, &lanekeeper__lane__v1__lane_filter__descriptor,
        "{role: ENTRY, trust: {allow: {lanes: g}}, egress: {mesh: {clusters: a}}, membership: {field: 1},\n"
        " table_source: {path_config_source: {path: a, watched_directory: {path: b}}, resource_api_version: V3}}");

    lk_pb_report_unsupported(message, true, &fixture.errors);
    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(fixture.errors.warning_count, 0);
    lk_decode_fixture_fini(&fixture);
}
