/* The bootstrap as a whole, its runtime layers, and what it refuses. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_bootstrap.h"

static struct lk_decode_fixture fixture;

static const struct lk_bootstrap_config *decode(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_bootstrap(
        &fixture.decoder,
        lk_decode_fixture_message(&fixture, &envoy__config__bootstrap__v3__bootstrap__descriptor, yaml));
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

static const char *runtime(const struct lk_bootstrap_config *config, const char *key)
{
    for (size_t i = 0; i < config->runtime_count; i++)
        if (lk_str_eq(config->runtime[i].key, lk_str_from(key)))
            return config->runtime[i].value.ptr;
    return NULL;
}

LK_TEST(decode_bootstrap, gives_defaults)
{
    const struct lk_bootstrap_config *config = decode("{}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK(!config->admin.set);
    LK_CHECK(config->use_all_default_tags);
    LK_CHECK_EQ_UINT(config->stats_flush_interval_ms, 5000);
    LK_CHECK_EQ_UINT(config->main_watchdog.miss_ms, 200);
    LK_CHECK_EQ_UINT(config->worker_watchdog.megamiss_ms, 1000);
    LK_CHECK_EQ_UINT(config->max_downstream_connections, 0);
    LK_CHECK_EQ_UINT(config->cluster_count + config->listener_count, 0);
    end();
}

LK_TEST(decode_bootstrap, reads_everything_it_acts_on)
{
    const struct lk_bootstrap_config *config = decode(
        "node: {id: me, cluster: nc, locality: {zone: z}, metadata: {LABELS: {app: a}}}\n"
        "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}, access_log_path: /dev/null}\n"
        "stats_config: {use_all_default_tags: false, stats_tags: [{tag_name: a, regex: 'x(?=y)(.)'}, {tag_name: b, "
        "fixed_value: f}]}\n"
        "stats_flush_interval: 1s\n"
        "watchdogs: {worker_watchdog: {miss_timeout: 0.5s, kill_timeout: 3s}}\n"
        "overload_manager: {resource_monitors: [{name: envoy.resource_monitors.global_downstream_max_connections, "
        "typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, "
        "max_active_downstream_connections: 50}}]}\n"
        "application_log_config: {log_format: {text_format: '%v'}}\n"
        "layered_runtime: {layers: [{name: s, static_layer: {envoy.resource_limits.listener.l.connection_limit: 7}}]}\n"
        "static_resources:\n"
        "  clusters: [{name: c}]\n"
        "  listeners: [{name: l, address: {socket_address: {address: 0.0.0.0, port_value: 0}}, filter_chains: "
        "[{}]}]\n");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_LKSTR(config->node.id, "me");
    LK_CHECK_LKSTR(config->node.locality.zone, "z");
    LK_CHECK_EQ_INT(lk_value_get(&config->node.metadata->root, LK_STR("LABELS"))->kind, LK_VALUE_OBJECT);
    LK_CHECK(config->admin.set);
    LK_CHECK_EQ_UINT(lk_addr_port(&config->admin.addr), 15000);
    LK_CHECK(!config->use_all_default_tags);
    LK_CHECK_LKSTR(config->stats_tags[0].regex, "x(?=y)(.)");
    LK_CHECK_LKSTR(config->stats_tags[1].fixed_value, "f");
    LK_CHECK_EQ_UINT(config->stats_flush_interval_ms, 1000);
    LK_CHECK_EQ_UINT(config->worker_watchdog.miss_ms, 500);
    LK_CHECK_EQ_UINT(config->worker_watchdog.kill_ms, 3000);
    LK_CHECK_EQ_UINT(config->max_downstream_connections, 50);
    LK_CHECK_LKSTR(config->log_format, "%v");
    LK_CHECK_LKSTR(config->clusters[0]->name, "c");
    LK_CHECK_NULL(config->clusters[0]->arena);
    LK_CHECK_EQ_UINT(config->listeners[0]->max_connections, 7);
    end();
}

LK_TEST(decode_bootstrap, flattens_runtime_layers_and_lets_later_ones_win)
{
    const struct lk_bootstrap_config *config = decode(
        "{layered_runtime: {layers: [{name: a, static_layer: {x: {y: 1, z: text}, x.w: true, f: {numerator: 3, "
        "denominator: MILLION}, big: 2.5}}, {name: b, static_layer: {x: {y: 2}}}, {name: c, admin_layer: {}}]}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_STR(runtime(config, "x.y"), "2");
    LK_CHECK_STR(runtime(config, "x.z"), "text");
    LK_CHECK_STR(runtime(config, "x.w"), "true");
    LK_CHECK_STR(runtime(config, "f"), "3/1000000");
    LK_CHECK_STR(runtime(config, "big"), "2.5");
    LK_CHECK_EQ_UINT(config->runtime_count, 5);
    end();
}

LK_TEST(decode_bootstrap, takes_the_connection_limit_from_the_runtime_too)
{
    LK_CHECK_EQ_UINT(decode("{layered_runtime: {layers: [{name: a, static_layer: {overload: "
                            "{global_downstream_max_connections: 9}}}]}}")
                         ->max_downstream_connections,
                     9);
    end();
}

#define LISTENER(port)                                                                                                 \
    "{name: l, address: {socket_address: {address: 0.0.0.0, port_value: " port "}}, filter_chains: [{}]}"

LK_TEST(decode_bootstrap, lets_a_later_listener_of_the_same_name_replace_the_earlier)
{
    const struct lk_bootstrap_config *config =
        decode("{static_resources: {listeners: [" LISTENER("1") ", " LISTENER("2") "]}}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(config->listener_count, 1);
    LK_CHECK_EQ_UINT(lk_addr_port(&config->listeners[0]->addresses[0].addr), 2);
    lk_decode_fixture_warning(&fixture, "static_resources.listeners[1].name", "replaces");
    end();
}

LK_TEST(decode_bootstrap, names_mistakes)
{
    mistake("{static_resources: {clusters: [{name: c}, {name: c}]}}", "static_resources.clusters[1].name", "twice");
    mistake("{dynamic_resources: {}}", "dynamic_resources", "not supported");
    mistake("{stats_flush_interval: 300s}", "stats_flush_interval", "less than 300s");
    mistake("{stats_config: {stats_tags: [{tag_name: a, regex: '('}]}}", "stats_config.stats_tags[0].regex",
            "missing )");
    mistake("{overload_manager: {}}", "overload_manager.resource_monitors", "empty");
    mistake("{layered_runtime: {layers: [{name: a}]}}", "layered_runtime.layers[0]", "expected one of");
    mistake("{layered_runtime: {layers: [{static_layer: {}}]}}", "layered_runtime.layers[0].name", "empty");
    mistake("{layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, static_layer: {}}]}}",
            "layered_runtime.layers[1].name", "twice");
    mistake("{layered_runtime: {layers: [{name: a, static_layer: {x: [1]}}]}}",
            "layered_runtime.layers[0].static_layer", "'x'");
    mistake("{default_regex_engine: {name: hyper, typed_config: {'@type': "
            "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}",
            "default_regex_engine", "'hyper'");
    mistake("{application_log_config: {log_format: {}}}", "application_log_config.log_format", "text_format");
}

LK_TEST(decode_bootstrap, warns_about_what_has_no_effect)
{
    decode("{stats_sinks: [{name: x}], overload_manager: {resource_monitors: [{name: heap, typed_config: {'@type': "
           "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: "
           "1}}]}}");
    lk_decode_fixture_clean(&fixture);
    lk_decode_fixture_warning(&fixture, "stats_sinks", "no effect");
    lk_decode_fixture_warning(&fixture, "overload_manager.resource_monitors[0].name", "'heap'");
    end();
}
