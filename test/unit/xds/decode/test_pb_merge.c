/* MergeFrom: how --config-yaml is laid over the file. */
#include "test/unit/xds/decode/fixture.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "xds/decode/pb_merge.h"

static void *merge(struct fixture *f, const char *type, const char *into, const char *from)
{
    ProtobufCMessage *base = decode_good(f, type, into);
    ProtobufCMessage *over = decode_good(f, type, from);

    lk_pb_merge(&f->arena, base, over);
    return base;
}

LK_TEST(pb_merge, scalars_overwrite_only_when_set)
{
    struct fixture f;
    Envoy__Config__Core__V3__Node *node;

    fixture_init(&f);
    node = merge(&f, "envoy.config.core.v3.Node", "id: a\ncluster: b\n", "id: c\n");
    LK_CHECK_STR(node->id, "c");
    LK_CHECK_STR(node->cluster, "b");
    fixture_fini(&f);
}

LK_TEST(pb_merge, messages_merge_and_lists_append)
{
    struct fixture f;
    Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;

    fixture_init(&f);
    bootstrap = merge(&f, "envoy.config.bootstrap.v3.Bootstrap",
                      "node: {id: a, locality: {zone: z}}\nstatic_resources: {clusters: [{name: a}]}\n",
                      "node: {cluster: c, locality: {region: r}}\nadmin: {}\n"
                      "static_resources: {clusters: [{name: b}, {name: c}]}\n");
    LK_CHECK_STR(bootstrap->node->id, "a");
    LK_CHECK_STR(bootstrap->node->cluster, "c");
    LK_CHECK_STR(bootstrap->node->locality->zone, "z");
    LK_CHECK_STR(bootstrap->node->locality->region, "r");
    LK_CHECK_NOT_NULL(bootstrap->admin);
    LK_CHECK_EQ_UINT(bootstrap->static_resources->n_clusters, 3);
    LK_CHECK_STR(bootstrap->static_resources->clusters[0]->name, "a");
    LK_CHECK_STR(bootstrap->static_resources->clusters[2]->name, "c");
    fixture_fini(&f);
}

LK_TEST(pb_merge, map_entries_replace_those_of_their_key)
{
    struct fixture f;
    Envoy__Config__Core__V3__Metadata *metadata;

    fixture_init(&f);
    metadata = merge(&f, "envoy.config.core.v3.Metadata", "filter_metadata: {a: {x: 1, y: 1}, b: {z: 1}}\n",
                     "filter_metadata: {c: {}, a: {w: 1}}\n");
    LK_CHECK_EQ_UINT(metadata->n_filter_metadata, 3);
    LK_CHECK_STR(metadata->filter_metadata[0]->key, "a");
    LK_CHECK_EQ_UINT(metadata->filter_metadata[0]->value->n_fields, 1);
    LK_CHECK_STR(metadata->filter_metadata[0]->value->fields[0]->key, "w");
    LK_CHECK_STR(metadata->filter_metadata[2]->key, "c");
    fixture_fini(&f);
}

LK_TEST(pb_merge, another_choice_of_a_oneof_replaces_the_first)
{
    struct fixture f;
    Envoy__Config__Route__V3__Route *route;

    fixture_init(&f);
    route = merge(&f, "envoy.config.route.v3.Route", "route: {cluster: a}\n", "direct_response: {status: 200}\n");
    LK_CHECK_EQ_INT(route->action_case, ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_DIRECT_RESPONSE);
    LK_CHECK_EQ_UINT(route->direct_response->status, 200);
    fixture_fini(&f);
}

LK_TEST(pb_merge, the_same_choice_of_a_oneof_merges)
{
    struct fixture f;
    Envoy__Config__Route__V3__Route *route;

    fixture_init(&f);
    route =
        merge(&f, "envoy.config.route.v3.Route", "route: {cluster: a, prefix_rewrite: /x}\n", "route: {cluster: b}\n");
    LK_CHECK_STR(route->route->cluster, "b");
    LK_CHECK_STR(route->route->prefix_rewrite, "/x");
    fixture_fini(&f);
}
