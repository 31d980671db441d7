/* The configuration dump: sections, choosing from them, and what is never shown. */
#include "xds/config_dump.h"

#include "test/support/lk_test.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/yaml_tree.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

#include <jansson.h>

static const char bootstrap_text[] =
    "node: {id: me, cluster: us}\n"
    "static_resources:\n"
    "  listeners:\n"
    "  - name: in\n"
    "    address: {socket_address: {address: 127.0.0.1, port_value: 1}}\n"
    "    filter_chains:\n"
    "    - filters:\n"
    "      - name: http\n"
    "        typed_config:\n"
    "          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager\n"
    "          stat_prefix: my_in\n"
    "          route_config: {name: first, virtual_hosts: [{name: all, domains: ['*']}]}\n"
    "    default_filter_chain:\n"
    "      filters:\n"
    "      - name: http\n"
    "        typed_config:\n"
    "          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager\n"
    "          stat_prefix: other\n"
    "          route_config: {name: second}\n"
    "  - name: tcp\n"
    "    address: {socket_address: {address: 127.0.0.1, port_value: 2}}\n"
    "  clusters:\n"
    "  - name: web\n"
    "    connect_timeout: 2s\n"
    "    load_assignment:\n"
    "      cluster_name: other\n"
    "      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: "
    "3}}}}]}]\n"
    "  - name: webs\n"
    "    type: ORIGINAL_DST\n";

struct fixture {
    struct lk_arena arena;
    struct lk_config_dump_source source;
    struct lk_error error;
};

static void set_up(struct fixture *fixture, const char *text)
{
    struct lk_pb_json_options options = {0};
    struct lk_errors errors;
    struct lk_yaml_node *root;
    ProtobufCMessage *message;

    memset(fixture, 0, sizeof(*fixture));
    lk_arena_init(&fixture->arena);
    lk_errors_init(&errors);
    root = lk_yaml_parse(&fixture->arena, lk_str_from(text), LK_YAML_SYNTAX_YAML, &errors);
    LK_CHECK_NOT_NULL(root);
    message =
        lk_pb_from_tree(&fixture->arena, &envoy__config__bootstrap__v3__bootstrap__descriptor, root, &options, &errors);
    LK_CHECK_MSG(!lk_errors_any(&errors), "%s: %s", errors.items[0].path, errors.items[0].text);
    fixture->source.bootstrap = lk_pb_pack(&fixture->arena, message);
    fixture->source.updated_us = 1600000000123456;
    lk_errors_fini(&errors);
}

static void tear_down(struct fixture *fixture)
{
    lk_arena_reset(&fixture->arena);
}

static char *dump_text(struct fixture *fixture, const char *resource, const char *mask, const char *names, bool eds)
{
    return lk_config_dump(&fixture->source, lk_str_from(resource), lk_str_from(mask), lk_str_from(names), eds,
                          &fixture->error);
}

/* The list "configs"; an empty one where there is none. */
static json_t *dump(struct fixture *fixture, const char *resource, const char *mask, const char *names, bool eds)
{
    char *text = dump_text(fixture, resource, mask, names, eds);
    json_t *root, *configs;

    LK_CHECK_MSG(text != NULL, "%s", fixture->error.text);
    LK_CHECK_EQ_INT(text[strlen(text) - 1], '\n');
    root = json_loads(text, 0, NULL);
    LK_CHECK_NOT_NULL(root);
    configs = json_incref(json_object_get(root, "configs"));
    json_decref(root);
    free(text);
    return configs ? configs : json_array();
}

static const char *text_at(json_t *value, const char *a, const char *b)
{
    value = json_object_get(value, a);
    return json_string_value(b ? json_object_get(value, b) : value);
}

LK_TEST(config_dump, has_a_section_for_each_kind)
{
    static const char *const types[] = {"Bootstrap", "Clusters", "Listeners", "ScopedRoutes",
                                        "Routes",    "Secrets",  "Endpoints"};
    struct fixture fixture;
    json_t *configs;

    set_up(&fixture, bootstrap_text);
    configs = dump(&fixture, "", "", "", true);
    LK_CHECK_EQ_UINT(json_array_size(configs), 7);
    for (size_t i = 0; i < 7; i++) {
        char type[96];

        snprintf(type, sizeof(type), "type.googleapis.com/envoy.admin.v3.%sConfigDump", types[i]);
        LK_CHECK_STR(text_at(json_array_get(configs, i), "@type", NULL), type);
    }
    LK_CHECK_STR(text_at(json_array_get(configs, 0), "last_updated", NULL), "2020-09-13T12:26:40.123Z");
    json_decref(configs);
    configs = dump(&fixture, "", "", "", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 6);
    json_decref(configs);
    tear_down(&fixture);
}

LK_TEST(config_dump, lists_clusters_with_type_and_time)
{
    struct fixture fixture;
    json_t *configs, *first;

    set_up(&fixture, bootstrap_text);
    configs = dump(&fixture, "static_clusters", "", "", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 2);
    first = json_array_get(configs, 0);
    LK_CHECK_STR(text_at(first, "@type", NULL), "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster");
    LK_CHECK_STR(text_at(first, "cluster", "@type"), "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    LK_CHECK_STR(text_at(first, "cluster", "name"), "web");
    LK_CHECK_STR(text_at(first, "cluster", "connect_timeout"), "2s");
    LK_CHECK_STR(text_at(first, "last_updated", NULL), "2020-09-13T12:26:40.123Z");
    json_decref(configs);
    tear_down(&fixture);
}

LK_TEST(config_dump, finds_routes_inside_of_listeners)
{
    struct fixture fixture;
    json_t *configs;

    set_up(&fixture, bootstrap_text);
    configs = dump(&fixture, "static_route_configs", "", "", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 2);
    LK_CHECK_STR(text_at(json_array_get(configs, 0), "route_config", "name"), "first");
    LK_CHECK_STR(text_at(json_array_get(configs, 1), "route_config", "name"), "second");
    json_decref(configs);
    tear_down(&fixture);
}

LK_TEST(config_dump, shows_endpoints_on_demand_under_the_name_of_their_cluster)
{
    struct fixture fixture;
    json_t *configs;

    set_up(&fixture, bootstrap_text);
    LK_CHECK_NULL(dump_text(&fixture, "static_endpoint_configs", "", "", false));
    LK_CHECK_EQ_INT(fixture.error.code, LK_ERROR_NOT_FOUND);
    configs = dump(&fixture, "static_endpoint_configs", "", "", true);
    LK_CHECK_EQ_UINT(json_array_size(configs), 1);
    LK_CHECK_STR(text_at(json_array_get(configs, 0), "endpoint_config", "cluster_name"), "web");
    json_decref(configs);
    /* the cluster itself keeps what was written */
    configs = dump(&fixture, "static_clusters", "cluster.load_assignment.cluster_name", "web", true);
    LK_CHECK_STR(text_at(json_object_get(json_array_get(configs, 0), "cluster"), "load_assignment", "cluster_name"),
                 "other");
    json_decref(configs);
    tear_down(&fixture);
}

LK_TEST(config_dump, chooses_by_whole_names)
{
    struct fixture fixture;
    json_t *configs;

    set_up(&fixture, bootstrap_text);
    configs = dump(&fixture, "static_clusters", "", "web", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 1);
    json_decref(configs);
    configs = dump(&fixture, "static_clusters", "", "web.*", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 2);
    json_decref(configs);
    configs = dump(&fixture, "static_clusters", "", "we", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 0);
    json_decref(configs);
    LK_CHECK_NULL(dump_text(&fixture, "", "", "[", false));
    LK_CHECK_EQ_INT(fixture.error.code, LK_ERROR_INVALID);
    tear_down(&fixture);
}

LK_TEST(config_dump, applies_a_mask_to_each_element_or_section)
{
    struct fixture fixture;
    json_t *configs, *first;

    set_up(&fixture, bootstrap_text);
    configs = dump(&fixture, "static_clusters", "cluster.name", "", false);
    first = json_array_get(configs, 0);
    LK_CHECK_EQ_UINT(json_object_size(first), 2);
    LK_CHECK_EQ_UINT(json_object_size(json_object_get(first, "cluster")), 2);
    LK_CHECK_STR(text_at(first, "cluster", "name"), "web");
    json_decref(configs);
    configs = dump(&fixture, "", "bootstrap.node.id,static_listeners.listener.name", "", false);
    LK_CHECK_EQ_UINT(json_array_size(configs), 2);
    LK_CHECK_STR(text_at(json_object_get(json_array_get(configs, 0), "bootstrap"), "node", "id"), "me");
    LK_CHECK_NULL(text_at(json_object_get(json_array_get(configs, 0), "bootstrap"), "node", "cluster"));
    json_decref(configs);
    tear_down(&fixture);
}

LK_TEST(config_dump, refuses_masks_that_name_nothing)
{
    static const char *const bad[] = {"foo", "cluster.nope", "cluster.name.x", "last_updated.seconds", "name"};
    struct fixture fixture;

    set_up(&fixture, bootstrap_text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        LK_CHECK_MSG(dump_text(&fixture, "static_clusters", bad[i], "", false) == NULL, "accepted %s", bad[i]);
        LK_CHECK_EQ_INT(fixture.error.code, LK_ERROR_INVALID);
        LK_CHECK_CONTAINS(fixture.error.text, bad[i]);
    }
    LK_CHECK_NULL(dump_text(&fixture, "", "bootstrap.nope", "", false));
    LK_CHECK_NULL(dump_text(&fixture, "", "static_endpoint_configs", "", false));
    tear_down(&fixture);
}

LK_TEST(config_dump, knows_every_resource_of_the_api)
{
    static const char *const empty[] = {"dynamic_active_clusters", "dynamic_listeners", "dynamic_route_configs",
                                        "dynamic_active_secrets", "static_secrets"};
    struct fixture fixture;

    set_up(&fixture, bootstrap_text);
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        char *text = dump_text(&fixture, empty[i], "", "", false);

        LK_CHECK_STR(text, "{}\n");
        free(text);
    }
    LK_CHECK_NULL(dump_text(&fixture, "bootstrap", "", "", false));
    LK_CHECK_CONTAINS(fixture.error.text, "bootstrap is not a repeated field");
    LK_CHECK_NULL(dump_text(&fixture, "nonsense", "", "", false));
    LK_CHECK_EQ_INT(fixture.error.code, LK_ERROR_NOT_FOUND);
    LK_CHECK_STR(fixture.error.text, "nonsense not found in config dump");
    tear_down(&fixture);
}

LK_TEST(config_dump, never_shows_a_private_key)
{
    struct fixture fixture;
    char *text;

    set_up(&fixture, "static_resources:\n"
                     "  secrets:\n"
                     "  - name: cert\n"
                     "    tls_certificate:\n"
                     "      certificate_chain: {inline_string: public-part}\n"
                     "      private_key: {inline_string: hidden-part}\n");
    text = dump_text(&fixture, "", "", "", true);
    LK_CHECK_CONTAINS(text, "public-part");
    LK_CHECK_CONTAINS(text, "[redacted]");
    LK_CHECK_CONTAINS(text, "SecretsConfigDump");
    LK_CHECK_NULL(strstr(text, "hidden-part"));
    free(text);
    text = dump_text(&fixture, "static_secrets", "", "cert", false);
    LK_CHECK_CONTAINS(text, "SecretsConfigDump.StaticSecret");
    LK_CHECK_CONTAINS(text, "public-part");
    LK_CHECK_NULL(strstr(text, "hidden-part"));
    free(text);
    tear_down(&fixture);
}

LK_TEST(config_dump, is_possible_of_an_empty_bootstrap)
{
    struct fixture fixture;
    json_t *configs;

    set_up(&fixture, "{}");
    configs = dump(&fixture, "", "", "", true);
    LK_CHECK_EQ_UINT(json_array_size(configs), 7);
    json_decref(configs);
    tear_down(&fixture);
}
