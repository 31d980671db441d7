/* Route configurations: values, defaults and every mistake with its path. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_route.h"

static struct lk_decode_fixture fixture;

static const struct lk_route_config *decode(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_route_config(
        &fixture.decoder,
        lk_decode_fixture_message(&fixture, &envoy__config__route__v3__route_configuration__descriptor, yaml), true);
}

/* One route in one virtual host. */
static const struct lk_route *decode_one(const char *route)
{
    static char yaml[8192];

    snprintf(yaml, sizeof(yaml), "{name: r, virtual_hosts: [{name: v, domains: ['*'], routes: [%s]}]}", route);
    return decode(yaml)->virtual_hosts[0].routes;
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

#define ROUTE "virtual_hosts[0].routes[0]."

static void mistake(const char *route, const char *path, const char *part)
{
    char full[256];

    decode_one(route);
    snprintf(full, sizeof(full), ROUTE "%s", path);
    lk_decode_fixture_mistake(&fixture, full, part);
    end();
}

LK_TEST(decode_route, reads_a_whole_configuration)
{
    const struct lk_route_config *config =
        decode("name: r\n"
               "ignore_port_in_host_matching: true\n"
               "vhost_header: X-Host\n"
               "most_specific_header_mutations_wins: true\n"
               "max_direct_response_body_size_bytes: 10\n"
               "request_headers_to_add: [{header: {key: X-A, value: '%PROTOCOL%'}, append_action: ADD_IF_ABSENT}]\n"
               "response_headers_to_remove: [X-B]\n"
               "virtual_hosts:\n"
               "- name: v\n"
               "  domains: [a.com, '*.b.com']\n"
               "  require_tls: EXTERNAL_ONLY\n"
               "  include_request_attempt_count: true\n"
               "  retry_policy: {retry_on: 5xx, num_retries: 3}\n"
               "  typed_per_filter_config:\n"
               "    f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}\n"
               "  routes:\n"
               "  - name: one\n"
               "    match: {path: /x}\n"
               "    route: {cluster: c}\n"
               "    decorator: {operation: op}\n"
               "    request_body_buffer_limit: 100\n"
               "  - match: {prefix: /}\n"
               "    non_forwarding_action: {}\n");
    const struct lk_virtual_host *host = &config->virtual_hosts[0];

    lk_decode_fixture_clean(&fixture);
    LK_CHECK(config->validate_clusters);
    LK_CHECK(config->ignore_port_in_host_matching);
    LK_CHECK(config->most_specific_mutations_wins);
    LK_CHECK_LKSTR(config->vhost_header, "x-host");
    LK_CHECK_LKSTR(config->request_headers.add[0].name, "X-A");
    LK_CHECK_EQ_INT(config->request_headers.add[0].action, LK_APPEND_ADD_IF_ABSENT);
    LK_CHECK_EQ_INT(config->request_headers.add[0].value->parts[0].op, LK_FORMAT_PROTOCOL);
    LK_CHECK_LKSTR(config->response_headers.remove[0], "x-b");
    LK_CHECK_EQ_UINT(host->domain_count, 2);
    LK_CHECK_EQ_INT(host->require_tls, LK_TLS_EXTERNAL_ONLY);
    LK_CHECK_EQ_UINT(host->retry->num_retries, 3);
    LK_CHECK(host->per_filter[0].disabled);
    LK_CHECK_LKSTR(host->per_filter[0].filter, "f");
    LK_CHECK_LKSTR(host->routes[0].name, "one");
    LK_CHECK_EQ_PTR(host->routes[0].virtual_host, host);
    LK_CHECK_LKSTR(host->routes[0].decorator_operation, "op");
    LK_CHECK(host->routes[0].decorator_propagate);
    LK_CHECK(host->routes[0].has_body_buffer_limit);
    LK_CHECK_EQ_UINT(host->routes[0].body_buffer_limit, 100);
    LK_CHECK_EQ_INT(host->routes[1].kind, LK_ROUTE_NON_FORWARDING);
    end();
}

LK_TEST(decode_route, reads_conditions)
{
    const struct lk_route *route = decode_one(
        "{match: {path_separated_prefix: /a, case_sensitive: false, grpc: {}, runtime_fraction: {default_value: "
        "{numerator: 10}, runtime_key: k}, tls_context: {presented: true}, headers: [{name: X-A, exact_match: v}, "
        "{name: "
        "b, range_match: {start: 1, end: 5}, invert_match: true}, {name: c, present_match: false}, {name: d}, {name: "
        "e, "
        "exact_match: ''}, {name: f, string_match: {contains: XyZ, ignore_case: true}, treat_missing_header_as_empty: "
        "true}], query_parameters: [{name: q, string_match: {safe_regex: {regex: 'a+'}}}]}, route: {cluster: c}}");
    const struct lk_route_match *match = &route->match;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(match->kind, LK_PATH_MATCH_SEPARATED_PREFIX);
    LK_CHECK(!match->case_sensitive);
    LK_CHECK(match->grpc_only);
    LK_CHECK(match->has_fraction);
    LK_CHECK_EQ_UINT(match->fraction.per_million, 100000);
    LK_CHECK(match->has_tls_presented && match->tls_presented && !match->has_tls_validated);
    LK_CHECK_LKSTR(match->headers[0].name, "x-a");
    LK_CHECK_EQ_INT(match->headers[0].value.string.kind, LK_STRING_EXACT);
    LK_CHECK_EQ_INT(match->headers[1].value.kind, LK_VALUE_RANGE);
    LK_CHECK(match->headers[1].value.invert);
    LK_CHECK_EQ_INT(match->headers[2].value.kind, LK_VALUE_ABSENT);
    LK_CHECK_EQ_INT(match->headers[3].value.kind, LK_VALUE_PRESENT);
    LK_CHECK(lk_value_matcher_match(&match->headers[4].value, true, LK_STR("anything")));
    LK_CHECK_LKSTR(match->headers[5].value.string.text, "xyz");
    LK_CHECK(match->headers[5].value.treat_missing_as_empty);
    LK_CHECK(lk_regex_full_match(match->queries[0].value.string.regex, LK_STR("aaa")));
    end();
}

LK_TEST(decode_route, reads_a_forwarding_action)
{
    const struct lk_route *route = decode_one(
        "{match: {prefix: /}, route: {weighted_clusters: {runtime_key_prefix: w, header_name: X-R, clusters: [{name: "
        "a, "
        "weight: 30, host_rewrite_literal: h}, {cluster_header: X-C, weight: 70}]}, timeout: 3s, idle_timeout: 0s, "
        "max_stream_duration: {max_stream_duration: 9s, grpc_timeout_header_max: 8s}, cluster_not_found_response_code: "
        "NOT_FOUND, priority: HIGH, regex_rewrite: {pattern: {regex: '(a)'}, substitution: '\\1'}, "
        "host_rewrite_header: "
        "X-H, append_x_forwarded_host: true, upgrade_configs: [{upgrade_type: WebSocket, enabled: false}], "
        "retry_policy: "
        "{retry_on: 'reset,typo', per_try_timeout: 1s, retriable_status_codes: [503, 1000], retry_back_off: "
        "{base_interval: 0.1s}, retry_host_predicate: [{name: x, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}], "
        "host_selection_retry_max_attempts: 5}}}");
    const struct lk_route_action *action = &route->action;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(action->specifier, LK_CLUSTER_WEIGHTED);
    LK_CHECK_EQ_UINT(action->total_weight, 100);
    LK_CHECK_LKSTR(action->weight_header, "x-r");
    LK_CHECK_LKSTR(action->weighted[0].runtime_key, "w.a");
    LK_CHECK_LKSTR(action->weighted[0].host_rewrite_literal, "h");
    LK_CHECK_LKSTR(action->weighted[1].cluster_header, "x-c");
    LK_CHECK(action->has_timeout);
    LK_CHECK_EQ_UINT(action->timeout_ms, 3000);
    LK_CHECK(action->has_idle_timeout);
    LK_CHECK_EQ_UINT(action->idle_timeout_ms, 0);
    LK_CHECK_EQ_UINT(action->max_stream_duration_ms, 9000);
    LK_CHECK_EQ_UINT(action->cluster_not_found_code, 404);
    LK_CHECK(action->high_priority);
    LK_CHECK_LKSTR(action->regex_rewrite.substitution, "\\1");
    LK_CHECK_LKSTR(action->host_rewrite_header, "x-h");
    LK_CHECK(action->append_x_forwarded_host);
    LK_CHECK_LKSTR(action->upgrades[0].type, "websocket");
    LK_CHECK(!action->upgrades[0].enabled);
    LK_CHECK_EQ_UINT(action->retry->retry_on, LK_RETRY_RESET);
    LK_CHECK_EQ_UINT(action->retry->num_retries, 1);
    LK_CHECK_EQ_UINT(action->retry->per_try_timeout_ms, 1000);
    LK_CHECK_EQ_UINT(action->retry->status_code_count, 1);
    LK_CHECK_EQ_UINT(action->retry->backoff_base_ms, 100);
    LK_CHECK_EQ_UINT(action->retry->backoff_max_ms, 1000);
    LK_CHECK(action->retry->previous_hosts);
    LK_CHECK_EQ_UINT(action->retry->host_selection_max_attempts, 5);
    lk_decode_fixture_warning(&fixture, ROUTE "route.retry_policy.retry_on", "typo");
    end();
}

LK_TEST(decode_route, reads_what_endpoints_are_to_match)
{
    const struct lk_route *route = decode_one(
        "{match: {prefix: /}, route: {metadata_match: {filter_metadata: {envoy.lb: {stage: prod, lane: base}, other: "
        "{x: y}}}, weighted_clusters: {clusters: [{name: a, weight: 1, metadata_match: {filter_metadata: {envoy.lb: "
        "{lane: gray, n: 1}}}}, {name: b, weight: 1}, {name: c, weight: 1, metadata_match: {filter_metadata: {other: "
        "{x: y}}}}]}}}");
    const struct lk_route_action *action = &route->action;
    const struct lk_match_criteria *own = action->weighted[0].metadata_match;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(action->metadata_match->count, 2);
    LK_CHECK_LKSTR(action->metadata_match->items[0].name, "lane");
    LK_CHECK_LKSTR(action->metadata_match->items[0].text, "base");
    LK_CHECK_EQ_UINT(own->count, 3);
    LK_CHECK_LKSTR(lk_match_criteria_get(own, LK_STR("lane"))->text, "gray");
    LK_CHECK_LKSTR(lk_match_criteria_get(own, LK_STR("stage"))->text, "prod");
    LK_CHECK_EQ_PTR(action->weighted[1].metadata_match, action->metadata_match);
    LK_CHECK_EQ_PTR(action->weighted[2].metadata_match, action->metadata_match);
    end();
    LK_CHECK_NULL(decode_one("{match: {prefix: /}, route: {cluster: a}}")->action.metadata_match);
    end();
}

LK_TEST(decode_route, gives_a_route_its_defaults)
{
    const struct lk_route_action *action = &decode_one("{match: {prefix: /}, route: {cluster: c}}")->action;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(action->timeout_ms, 15000);
    LK_CHECK(!action->has_timeout && !action->has_idle_timeout && !action->has_max_stream_duration);
    LK_CHECK_EQ_UINT(action->cluster_not_found_code, 503);
    LK_CHECK_NULL(action->retry);
    end();
}

LK_TEST(decode_route, reads_redirects_and_direct_responses)
{
    const struct lk_route *route = decode_one(
        "{match: {prefix: /}, redirect: {https_redirect: true, host_redirect: h, port_redirect: 8443, prefix_rewrite: "
        "/p, response_code: PERMANENT_REDIRECT, strip_query: true}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(route->kind, LK_ROUTE_REDIRECT);
    LK_CHECK_LKSTR(route->redirect.scheme, "https");
    LK_CHECK_EQ_UINT(route->redirect.code, 308);
    LK_CHECK_LKSTR(route->redirect.prefix_rewrite, "/p");
    LK_CHECK(route->redirect.strip_query);
    end();
    route = decode_one("{match: {prefix: /}, direct_response: {status: 418, body: {inline_string: tea}, body_format: "
                       "{text_format: '%LOCAL_REPLY_BODY%', content_type: text/x}}}");
    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(route->direct.status, 418);
    LK_CHECK_LKSTR(route->direct.body, "tea");
    LK_CHECK_LKSTR(route->direct.body_format->content_type, "text/x");
    end();
}

#define TO_C ", route: {cluster: c}}"

LK_TEST(decode_route, names_mistakes_in_conditions)
{
    mistake("{route: {cluster: c}}", "match", "required");
    mistake("{match: {}" TO_C, "match", "expected one of");
    mistake("{match: {path_separated_prefix: /a/}" TO_C, "match.path_separated_prefix", "not end with /");
    mistake("{match: {safe_regex: {regex: '(?=a)'}}" TO_C, "match.safe_regex.regex", "look-ahead");
    mistake("{match: {safe_regex: {}}" TO_C, "match.safe_regex.regex", "empty");
    mistake("{match: {prefix: /, headers: [{name: 'a b'}]}" TO_C, "match.headers[0].name", "no header name");
    mistake("{match: {prefix: /, headers: [{name: a, string_match: {}}]}" TO_C, "match.headers[0].string_match",
            "expected one of");
    mistake("{match: {prefix: /, headers: [{name: a, prefix_match: ''}]}" TO_C, "match.headers[0].prefix_match",
            "empty");
    mistake("{match: {prefix: /, query_parameters: [{}]}" TO_C, "match.query_parameters[0].name", "empty");
    mistake("{match: {prefix: /, runtime_fraction: {}}" TO_C, "match.runtime_fraction.default_value", "required");
}

#define ANY "{match: {prefix: /}, "

LK_TEST(decode_route, names_mistakes_in_actions)
{
    mistake(ANY "route: {}}", "route", "expected one of");
    mistake(ANY "route: {cluster: ''}}", "route.cluster", "empty");
    mistake(ANY "route: {cluster_header: 'a b'}}", "route.cluster_header", "no header name");
    mistake(ANY "route: {weighted_clusters: {}}}", "route.weighted_clusters.clusters", "empty");
    mistake(ANY "route: {weighted_clusters: {clusters: [{name: c}]}}}", "route.weighted_clusters.clusters[0].weight",
            "required");
    mistake(ANY "route: {weighted_clusters: {clusters: [{name: c, weight: 0}]}}}", "route.weighted_clusters",
            "more than 0");
    mistake(ANY "route: {weighted_clusters: {clusters: [{name: c, cluster_header: d, weight: 1}]}}}",
            "route.weighted_clusters.clusters[0]", "exactly one");
    mistake(ANY "route: {cluster: c, prefix_rewrite: /a, regex_rewrite: {pattern: {regex: a}}}}", "route.regex_rewrite",
            "excludes");
    mistake(ANY "route: {cluster: c, regex_rewrite: {pattern: {regex: a}, substitution: '\\1'}}}",
            "route.regex_rewrite.substitution", "group 1");
    mistake(ANY "route: {cluster: c, timeout: -1s}}", "route.timeout", "negative");
    mistake(ANY "route: {cluster: c, upgrade_configs: [{upgrade_type: a}, {upgrade_type: A}]}}",
            "route.upgrade_configs[1].upgrade_type", "twice");
    mistake(ANY "route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT}]}}",
            "route.upgrade_configs[0].upgrade_type", "not supported");
    mistake(ANY "route: {cluster: c, retry_policy: {retry_back_off: {base_interval: 1s, max_interval: 0.5s}}}}",
            "route.retry_policy.retry_back_off.max_interval", "less than");
    mistake(ANY "direct_response: {status: 600}}", "direct_response.status", "200 and 599");
    mistake(ANY "direct_response: {status: 200, body: {}}}", "direct_response.body", "expected one of");
    mistake(ANY "redirect: {port_redirect: 65536}}", "redirect.port_redirect", "65535");
    mistake(ANY "redirect: {host_redirect: \"a\\nb\"}}", "redirect.host_redirect", "line breaks");
}

LK_TEST(decode_route, names_mistakes_in_header_mutations)
{
#define ADD(option) "{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [" option "]}"
    mistake(ADD("{}"), "request_headers_to_add[0].header", "required");
    mistake(ADD("{header: {key: ':path', value: x}}"), "request_headers_to_add[0].header.key", "cannot be changed");
    mistake(ADD("{header: {key: Host, value: x}}"), "request_headers_to_add[0].header.key", "cannot be changed");
    mistake(ADD("{header: {key: a, value: '%NOPE%'}}"), "request_headers_to_add[0].header.value", "NOPE");
    mistake(ADD("{header: {key: a, value: \"x\\ny\"}}"), "request_headers_to_add[0].header.value", "line breaks");
    mistake(ADD("{header: {key: a, value: x}, append: true, append_action: ADD_IF_ABSENT}"),
            "request_headers_to_add[0]", "exclude each other");
#undef ADD
    mistake("{match: {prefix: /}, route: {cluster: c}, request_headers_to_remove: [':path']}",
            "request_headers_to_remove[0]", "cannot be removed");
}

LK_TEST(decode_route, understands_older_forms_of_header_mutations)
{
    const struct lk_header_mutations *mutations =
        &decode_one("{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: a, value: "
                    "'x%UPSTREAM_METADATA([\"ns\", \"k\"])%y'}, append: false}]}")
             ->request_headers;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(mutations->add[0].action, LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD);
    LK_CHECK_LKSTR(mutations->add[0].value->parts[1].text, "ns:k");
    LK_CHECK_LKSTR(mutations->add[0].value->parts[2].text, "y");
    end();
}

LK_TEST(decode_route, names_mistakes_in_virtual_hosts_all_in_one_run)
{
    decode("{virtual_hosts: [{domains: ['a.com', 'A.com']}, {name: v, routes: [{}]}]}");
    lk_decode_fixture_mistake(&fixture, "virtual_hosts[0].name", "empty");
    lk_decode_fixture_mistake(&fixture, "virtual_hosts[0].domains[1]", "twice");
    lk_decode_fixture_mistake(&fixture, "virtual_hosts[1].domains", "empty");
    lk_decode_fixture_mistake(&fixture, "virtual_hosts[1].routes[0].match", "required");
    lk_decode_fixture_mistake(&fixture, "virtual_hosts[1].routes[0]", "expected one of");
    end();
}

LK_TEST(decode_route, warns_that_connect_is_refused)
{
    decode_one("{match: {connect_matcher: {}}, route: {cluster: c}}");
    lk_decode_fixture_clean(&fixture);
    lk_decode_fixture_warning(&fixture, ROUTE "match.connect_matcher", "never taken");
    end();
}

/* --- mirrors ------------------------------------------------------------------------------------------------------ */

LK_TEST(decode_route, mirror_policies_are_those_of_the_most_specific_level)
{
    const struct lk_route_config *config = decode(
        "name: r\n"
        "request_mirror_policies: [{cluster: table}]\n"
        "virtual_hosts:\n"
        "- name: own\n"
        "  domains: [own]\n"
        "  request_mirror_policies: [{cluster: host, trace_sampled: false}]\n"
        "  routes:\n"
        "  - match: {prefix: /a}\n"
        "    route: {cluster: c, request_mirror_policies: [{cluster_header: X-To, disable_shadow_host_suffix_append: "
        "true, trace_sampled: true, runtime_fraction: {runtime_key: k, default_value: {numerator: 5}}}, {cluster: "
        "m}]}\n"
        "  - match: {prefix: /}\n"
        "    route: {cluster: c}\n"
        "- {name: other, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c}}]}\n");
    const struct lk_mirror_policies *own = &config->virtual_hosts[0].routes[0].action.mirrors;
    const struct lk_mirror_policies *of_host = &config->virtual_hosts[0].routes[1].action.mirrors;
    const struct lk_mirror_policies *of_table = &config->virtual_hosts[1].routes[0].action.mirrors;

    LK_CHECK_EQ_UINT(own->count, 2);
    LK_CHECK_LKSTR(own->items[0].cluster_header, "x-to");
    LK_CHECK(own->items[0].keep_host);
    LK_CHECK_EQ_INT(own->items[0].sampled, LK_MIRROR_SAMPLED);
    LK_CHECK_EQ_UINT(own->items[0].fraction.per_million, 50000);
    LK_CHECK_LKSTR(own->items[0].fraction.runtime_key, "k");
    LK_CHECK_LKSTR(own->items[1].cluster, "m");
    LK_CHECK_EQ_UINT(own->items[1].fraction.per_million, 1000000);
    LK_CHECK(!own->items[1].keep_host);
    LK_CHECK_EQ_INT(own->items[1].sampled, LK_MIRROR_SAMPLED_AS_REQUEST);
    LK_CHECK_EQ_UINT(of_host->count, 1);
    LK_CHECK_LKSTR(of_host->items[0].cluster, "host");
    LK_CHECK_EQ_INT(of_host->items[0].sampled, LK_MIRROR_NOT_SAMPLED);
    LK_CHECK_EQ_UINT(of_table->count, 1);
    LK_CHECK_LKSTR(of_table->items[0].cluster, "table");
    end();
}

LK_TEST(decode_route, mirror_goes_to_one_place)
{
    mistake(ANY "route: {cluster: c, request_mirror_policies: [{}]}}", "route.request_mirror_policies[0]", "none of");
    mistake(ANY "route: {cluster: c, request_mirror_policies: [{cluster: a, cluster_header: b}]}}",
            "route.request_mirror_policies[0]", "both of");
    mistake(ANY "route: {cluster: c, request_mirror_policies: [{cluster_header: 'a b'}]}}",
            "route.request_mirror_policies[0].cluster_header", "a b");
}
