/* Pages about the process: /ready, /server_info, /runtime, /certs, /init_dump, /hot_restart_version. Main loop. */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/base/version.h"
#include "proxy/config/runtime.h"
#include "proxy/server/admin_internal.h"

#include <math.h>
#include <stdlib.h>

const char *lk_admin_state_name(const struct lk_server *server)
{
    enum lk_server_state state = server->state;

    if (state == LK_SERVER_LIVE && server->health_failed)
        state = LK_SERVER_DRAINING;
    return lk_server_state_name(state);
}

static void page_ready(struct lk_admin_request *request, void *arg)
{
    const struct lk_server *server = lk_admin_request_server(request);

    (void)arg;
    lk_admin_status(request, server->state == LK_SERVER_LIVE && !server->health_failed ? 200 : 503, NULL);
    lk_admin_printf(request, "%s\n", lk_admin_state_name(server));
}

/* --- /server_info: envoy.admin.v3.ServerInfo
 * ---------------------------------------------------------------------------- */

static json_t *text_json(const char *text)
{
    return lk_admin_str_json(lk_str_from(text));
}

/* google.protobuf.Duration */
static json_t *milliseconds_json(uint64_t ms)
{
    char text[32];

    if (ms % 1000 == 0)
        snprintf(text, sizeof(text), "%llus", (unsigned long long)(ms / 1000));
    else
        snprintf(text, sizeof(text), "%llu.%03us", (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
    return json_string(text);
}

static json_t *options_json(const struct lk_server *server)
{
    const struct lk_options *options = server->options;
    char base_id[16];
    json_t *json = json_object();

    snprintf(base_id, sizeof(base_id), "%u", options->base_id);
    json_object_set_new(json, "base_id", json_string(base_id));
    json_object_set_new(json, "concurrency", json_integer(server->worker_count));
    json_object_set_new(json, "config_path", text_json(options->config_path));
    json_object_set_new(json, "config_yaml", text_json(options->config_yaml));
    json_object_set_new(json, "allow_unknown_static_fields", json_boolean(options->allow_unknown_static));
    json_object_set_new(json, "reject_unknown_dynamic_fields", json_boolean(options->reject_unknown_dynamic));
    json_object_set_new(json, "ignore_unknown_dynamic_fields", json_boolean(options->ignore_unknown_dynamic));
    json_object_set_new(json, "skip_deprecated_logs", json_boolean(options->skip_deprecated_logs));
    json_object_set_new(json, "admin_address_path", text_json(options->admin_address_path));
    json_object_set_new(json, "local_address_ip_version", json_string(options->prefer_ipv6 ? "v6" : "v4"));
    json_object_set_new(json, "log_level", json_string(lk_log_level_name(options->log_level)));
    json_object_set_new(json, "component_log_level", text_json(options->component_log_level));
    json_object_set_new(json, "log_format",
                        text_json(options->log_format ? options->log_format : LK_LOG_FORMAT_DEFAULT));
    json_object_set_new(json, "log_path", text_json(options->log_path));
    json_object_set_new(json, "service_cluster", text_json(options->service_cluster));
    json_object_set_new(json, "service_node", text_json(options->service_node));
    json_object_set_new(json, "service_zone", text_json(options->service_zone));
    json_object_set_new(json, "file_flush_interval", milliseconds_json(options->file_flush_interval_ms));
    json_object_set_new(json, "file_flush_min_size", json_integer(options->file_flush_min_bytes));
    json_object_set_new(json, "drain_time", milliseconds_json((uint64_t)options->drain_time_s * 1000));
    json_object_set_new(json, "drain_strategy",
                        json_string(options->drain_strategy == LK_DRAIN_IMMEDIATE ? "Immediate" : "Gradual"));
    json_object_set_new(json, "parent_shutdown_time",
                        milliseconds_json((uint64_t)options->parent_shutdown_time_s * 1000));
    json_object_set_new(json, "mode", json_string("Serve"));
    json_object_set_new(json, "disable_hot_restart", json_true());
    json_object_set_new(json, "restart_epoch", json_integer(0));
    json_object_set_new(json, "cpuset_threads", json_boolean(options->cpuset_threads));
    json_object_set_new(json, "enable_core_dump", json_boolean(options->enable_core_dump));
    return json;
}

/* google.protobuf.Value; the decoder has bounded the depth. */
static json_t *value_json(const struct lk_value *value)
{
    json_t *json;

    switch (value->kind) {
    case LK_VALUE_NULL:
        return json_null();
    case LK_VALUE_NUMBER:
        if (fabs(value->number) < 0x1p53 && value->number == floor(value->number))
            return json_integer((json_int_t)value->number);
        return json_real(value->number);
    case LK_VALUE_TEXT:
        return lk_admin_str_json(value->text);
    case LK_VALUE_BOOL:
        return json_boolean(value->boolean);
    case LK_VALUE_OBJECT:
        json = json_object();
        for (size_t i = 0; i < value->child_count; i++)
            json_object_setn_new(json, value->children[i].name.ptr, value->children[i].name.len,
                                 value_json(&value->children[i]));
        return json;
    case LK_VALUE_LIST:
        json = json_array();
        for (size_t i = 0; i < value->child_count; i++)
            json_array_append_new(json, value_json(&value->children[i]));
        return json;
    }
    return json_null();
}

static json_t *build_version_json(void)
{
    char *rest;
    long major = strtol(LK_VERSION, &rest, 10);
    long minor = *rest == '.' ? strtol(rest + 1, &rest, 10) : 0;
    long patch = *rest == '.' ? strtol(rest + 1, &rest, 10) : 0;

    return json_pack("{s:{s:I,s:I,s:I},s:{s:s,s:s}}", "version", "major_number", (json_int_t)major, "minor_number",
                     (json_int_t)minor, "patch", (json_int_t)patch, "metadata", "revision.sha", LK_REVISION,
                     "build.type", LK_BUILD_TYPE);
}

static json_t *node_json(const struct lk_node_config *node)
{
    json_t *json = json_object();

    json_object_set_new(json, "id", lk_admin_str_json(node->id));
    json_object_set_new(json, "cluster", lk_admin_str_json(node->cluster));
    if (node->metadata)
        json_object_set_new(json, "metadata", value_json(&node->metadata->root));
    if (node->locality.region.len + node->locality.zone.len + node->locality.sub_zone.len > 0)
        json_object_set_new(json, "locality",
                            json_pack("{s:o,s:o,s:o}", "region", lk_admin_str_json(node->locality.region), "zone",
                                      lk_admin_str_json(node->locality.zone), "sub_zone",
                                      lk_admin_str_json(node->locality.sub_zone)));
    json_object_set_new(json, "user_agent_name", json_string("lanekeeper"));
    json_object_set_new(json, "user_agent_build_version", build_version_json());
    return json;
}

static void page_server_info(struct lk_admin_request *request, void *arg)
{
    const struct lk_server *server = lk_admin_request_server(request);
    uint64_t uptime_ms = (lk_clock_us() - server->start_us) / 1000000 * 1000;

    (void)arg;
    lk_admin_json(request,
                  json_pack("{s:s,s:s,s:o,s:o,s:s,s:o,s:o}", "version", lk_version_text(), "state",
                            lk_admin_state_name(server), "uptime_current_epoch", milliseconds_json(uptime_ms),
                            "uptime_all_epochs", milliseconds_json(uptime_ms), "hot_restart_version", "disabled",
                            "command_line_options", options_json(server), "node", node_json(&server->bootstrap->node)));
}

/* --- the rest
 * ----------------------------------------------------------------------------------------------------------- */

static void add_runtime_entry(void *arg, struct lk_str key, struct lk_str value)
{
    json_object_setn_new(
        arg, key.ptr, key.len,
        json_pack("{s:o,s:[o]}", "final_value", lk_admin_str_json(value), "layer_values", lk_admin_str_json(value)));
}

/* The layers of the bootstrap are merged when it is read: one is left. */
static void page_runtime(struct lk_admin_request *request, void *arg)
{
    json_t *entries = json_object();

    (void)arg;
    lk_runtime_each(add_runtime_entry, entries);
    lk_admin_json(request, json_pack("{s:o,s:[s]}", "entries", entries, "layers", "bootstrap"));
}

static void page_certs(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_admin_json(request, json_pack("{s:[]}", "certificates"));
}

static void add_unready(void *arg, struct lk_cluster *cluster)
{
    struct lk_host_set *hosts = lk_cluster_hosts(cluster);
    enum lk_discovery_type type = cluster->config->type;

    if (hosts)
        lk_host_set_unref(hosts);
    else if (type == LK_CLUSTER_STRICT_DNS || type == LK_CLUSTER_LOGICAL_DNS)
        json_array_append_new(arg, json_sprintf("Cluster %.*s", LK_STR_ARG(cluster->config->name)));
}

/* envoy.admin.v3.UnreadyTargetsDumps: clusters whose names are still being resolved. */
static void page_init_dump(struct lk_admin_request *request, void *arg)
{
    struct lk_server *server = lk_admin_request_server(request);
    json_t *names = json_array();

    (void)arg;
    if (server->state == LK_SERVER_INITIALIZING)
        lk_clusters_each(server->clusters, add_unready, names);
    if (json_array_size(names) > 0)
        lk_admin_json(request, json_pack("{s:[{s:s,s:O}]}", "unready_targets_dumps", "name", "init manager Server",
                                         "target_names", names));
    else
        lk_admin_json(request, json_object());
    json_decref(names);
}

static void page_hot_restart_version(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_admin_put(request, LK_STR("disabled"));
}

static const struct lk_admin_page pages[] = {
    {.path = "/ready", .help = "print server state, return 200 if LIVE, otherwise return 503", .fn = page_ready},
    {.path = "/server_info", .help = "print server version/status information", .fn = page_server_info},
    {.path = "/runtime", .help = "print runtime values", .fn = page_runtime},
    {.path = "/certs", .help = "print certs on machine", .fn = page_certs},
    {.path = "/init_dump", .help = "print what start-up waits for", .fn = page_init_dump},
    {.path = "/hot_restart_version",
     .help = "print the hot restart compatibility version",
     .fn = page_hot_restart_version},
};

void lk_admin_add_info_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
