/*
 * Sections of the configuration dump. Everything is taken from one JSON form of the bootstrap, whose parts the sections
 * share; masks and name filters choose from them. Main thread, while a request is answered.
 */
#include "xds/config_dump.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "proxy/base/arena.h"
#include "proxy/base/mem.h"
#include "proxy/config/matcher.h"
#include "xds/config_mask.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/pb_time.h"
#include "xds/decode/pb_to_json.h"
#include "xds/proto_registry.h"

#define TYPE_PREFIX "type.googleapis.com/"
#define HTTP_MANAGER "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

/* A repeated field of a section that the bootstrap fills: {<inner>: <message>, last_updated}. */
struct listing {
    const char *field;
    const char *element; /* type of its elements */
    const char *inner;
    const char *message; /* type of what is inside */
    const char *name;    /* field of the message that names it */
    bool named;          /* the element has a field "name" beside it */
};

struct section {
    const char *type;
    struct listing list; /* field NULL: none */
    /* Other fields of the message, known for ?resource= and empty here. NULL ends the list. */
    const char *const *repeated;
    const char *const *single;
};

static const char *const no_fields[] = {NULL};
static const char *const bootstrap_single[] = {"bootstrap", "last_updated", NULL};
static const char *const version_single[] = {"version_info", NULL};
static const char *const cluster_lists[] = {"dynamic_active_clusters", "dynamic_warming_clusters", NULL};
static const char *const listener_lists[] = {"dynamic_listeners", NULL};
static const char *const route_lists[] = {"dynamic_route_configs", NULL};
static const char *const scoped_lists[] = {"inline_scoped_route_configs", "dynamic_scoped_route_configs", NULL};
static const char *const secret_lists[] = {"dynamic_active_secrets", "dynamic_warming_secrets", NULL};
static const char *const endpoint_lists[] = {"dynamic_endpoint_configs", NULL};

enum { BOOTSTRAP, CLUSTERS, LISTENERS, SCOPED_ROUTES, ROUTES, SECRETS, ENDPOINTS, SECTIONS };

static const struct section sections[SECTIONS] = {
    [BOOTSTRAP] = {.type = "BootstrapConfigDump", .repeated = no_fields, .single = bootstrap_single},
    [CLUSTERS] = {.type = "ClustersConfigDump",
                  .list = {.field = "static_clusters",
                           .element = "ClustersConfigDump.StaticCluster",
                           .inner = "cluster",
                           .message = "envoy.config.cluster.v3.Cluster",
                           .name = "name"},
                  .repeated = cluster_lists,
                  .single = version_single},
    [LISTENERS] = {.type = "ListenersConfigDump",
                   .list = {.field = "static_listeners",
                            .element = "ListenersConfigDump.StaticListener",
                            .inner = "listener",
                            .message = "envoy.config.listener.v3.Listener",
                            .name = "name"},
                   .repeated = listener_lists,
                   .single = version_single},
    [SCOPED_ROUTES] = {.type = "ScopedRoutesConfigDump", .repeated = scoped_lists, .single = no_fields},
    [ROUTES] = {.type = "RoutesConfigDump",
                .list = {.field = "static_route_configs",
                         .element = "RoutesConfigDump.StaticRouteConfig",
                         .inner = "route_config",
                         .message = "envoy.config.route.v3.RouteConfiguration",
                         .name = "name"},
                .repeated = route_lists,
                .single = no_fields},
    [SECRETS] = {.type = "SecretsConfigDump",
                 .list = {.field = "static_secrets",
                          .element = "SecretsConfigDump.StaticSecret",
                          .inner = "secret",
                          .message = "envoy.extensions.transport_sockets.tls.v3.Secret",
                          .name = "name",
                          .named = true},
                 .repeated = secret_lists,
                 .single = no_fields},
    [ENDPOINTS] = {.type = "EndpointsConfigDump",
                   .list = {.field = "static_endpoint_configs",
                            .element = "EndpointsConfigDump.StaticEndpointConfig",
                            .inner = "endpoint_config",
                            .message = "envoy.config.endpoint.v3.ClusterLoadAssignment",
                            .name = "cluster_name"},
                   .repeated = endpoint_lists,
                   .single = no_fields},
};

struct dump {
    struct lk_arena arena;
    json_t *bootstrap;
    json_t *updated;
    const struct lk_regex *names; /* NULL: all */
    struct lk_config_mask mask;
    struct lk_str mask_text;
    unsigned shown; /* sections in use: ENDPOINTS only on demand */
};

/* --- from the bootstrap ----------------------------------------------------------------------------------------------
 */

static json_t *any_type(const char *prefix, const char *type)
{
    return json_sprintf(TYPE_PREFIX "%s%s", prefix, type);
}

/* A copy of the object with "@type" in front; the parts are shared. */
static json_t *typed(json_t *type, json_t *object)
{
    json_t *out = json_object();

    json_object_set_new(out, "@type", type);
    json_object_update_missing(out, object);
    return out;
}

static json_t *static_resources(const struct dump *dump, const char *field)
{
    return json_object_get(json_object_get(dump->bootstrap, "static_resources"), field);
}

static void add_element(const struct dump *dump, const struct listing *list, json_t *message, json_t *out)
{
    const char *name = json_string_value(json_object_get(message, list->name));
    json_t *element;

    if (dump->names && !lk_regex_full_match(dump->names, lk_str_from(name)))
        return;
    element = json_object();
    if (list->named)
        json_object_set_new(element, "name", json_string(name ? name : ""));
    json_object_set_new(element, list->inner, typed(any_type("", list->message), message));
    json_object_set(element, "last_updated", dump->updated);
    json_array_append_new(out, element);
}

static void add_all(const struct dump *dump, const struct listing *list, json_t *messages, json_t *out)
{
    json_t *message;
    size_t i;

    json_array_foreach(messages, i, message) add_element(dump, list, message, out);
}

/* Route tables that are written inside HTTP connection managers. */
static void add_chain_routes(const struct dump *dump, const struct listing *list, json_t *chain, json_t *out)
{
    json_t *filter;
    size_t i;

    json_array_foreach(json_object_get(chain, "filters"), i, filter)
    {
        json_t *config = json_object_get(filter, "typed_config");
        const char *type = json_string_value(json_object_get(config, "@type"));
        json_t *routes = json_object_get(config, "route_config");

        if (type && strcmp(type, TYPE_PREFIX HTTP_MANAGER) == 0 && routes)
            add_element(dump, list, routes, out);
    }
}

static void add_routes(const struct dump *dump, const struct listing *list, json_t *out)
{
    json_t *listener, *chain;
    size_t i, j;

    json_array_foreach(static_resources(dump, "listeners"), i, listener)
    {
        json_array_foreach(json_object_get(listener, "filter_chains"), j, chain)
            add_chain_routes(dump, list, chain, out);
        add_chain_routes(dump, list, json_object_get(listener, "default_filter_chain"), out);
    }
}

static void add_endpoints(const struct dump *dump, const struct listing *list, json_t *out)
{
    json_t *cluster;
    size_t i;

    json_array_foreach(static_resources(dump, "clusters"), i, cluster)
    {
        json_t *assignment = json_object_get(cluster, "load_assignment");
        json_t *named;

        if (!assignment)
            continue;
        /* the name it goes by is the cluster's */
        named = json_copy(assignment);
        json_object_set(named, "cluster_name", json_object_get(cluster, "name"));
        add_element(dump, list, named, out);
        json_decref(named);
    }
}

static json_t *list_of(const struct dump *dump, unsigned section)
{
    const struct listing *list = &sections[section].list;
    json_t *out = json_array();

    switch (section) {
    case CLUSTERS:
        add_all(dump, list, static_resources(dump, "clusters"), out);
        break;
    case LISTENERS:
        add_all(dump, list, static_resources(dump, "listeners"), out);
        break;
    case SECRETS:
        add_all(dump, list, static_resources(dump, "secrets"), out);
        break;
    case ROUTES:
        add_routes(dump, list, out);
        break;
    case ENDPOINTS:
        add_endpoints(dump, list, out);
        break;
    default:
        break;
    }
    return out;
}

/* --- masks
 * ------------------------------------------------------------------------------------------------------------ */

/* Whether the names exist below the message. What an Any, a Struct or a map holds is not known here. */
static bool path_exists(const ProtobufCMessageDescriptor *desc, struct lk_str path)
{
    while (path.ptr != NULL) {
        const ProtobufCFieldDescriptor *field;

        if (!desc)
            return true;
        field = lk_pb_find_field(desc, lk_str_split(&path, '.'));
        if (!field)
            return false;
        if (path.ptr != NULL && !lk_pb_is_message(field))
            return false;
        desc = path.ptr != NULL ? lk_pb_message_of(field) : NULL;
        if (desc && (strncmp(desc->name, "google.protobuf.", 16) == 0 || lk_pb_is_map(field)))
            desc = NULL;
    }
    return true;
}

static bool element_path_exists(const struct listing *list, struct lk_str path)
{
    struct lk_str head = lk_str_split(&path, '.');

    if (lk_str_eq(head, LK_STR("last_updated")) || (list->named && lk_str_eq(head, LK_STR("name"))))
        return path.ptr == NULL;
    if (!lk_str_eq(head, lk_str_from(list->inner)))
        return false;
    return path.ptr == NULL || path_exists(lk_proto_find(list->message, strlen(list->message)), path);
}

static bool is_one_of(const char *const *names, struct lk_str name)
{
    for (; *names; names++) {
        if (lk_str_eq(lk_str_from(*names), name))
            return true;
    }
    return false;
}

static bool section_path_exists(unsigned section, struct lk_str path)
{
    const struct section *known = &sections[section];
    struct lk_str head = lk_str_split(&path, '.');

    if (section == BOOTSTRAP && lk_str_eq(head, LK_STR("bootstrap")) && path.ptr != NULL)
        return path_exists(&envoy__config__bootstrap__v3__bootstrap__descriptor, path);
    if (known->list.field && lk_str_eq(head, lk_str_from(known->list.field)))
        return path.ptr == NULL || element_path_exists(&known->list, path);
    return path.ptr == NULL && (is_one_of(known->single, head) || is_one_of(known->repeated, head));
}

/* Some path of the mask means something in this section. */
static bool mask_concerns(const struct dump *dump, unsigned section)
{
    for (size_t i = 0; i < dump->mask.count; i++) {
        if (section_path_exists(section, dump->mask.paths[i]))
            return true;
    }
    return dump->mask.count == 0;
}

static bool check_section_mask(const struct dump *dump, struct lk_error *error)
{
    for (size_t i = 0; i < dump->mask.count; i++) {
        bool found = false;

        for (unsigned section = 0; section < dump->shown && !found; section++)
            found = section_path_exists(section, dump->mask.paths[i]);
        if (!found)
            return lk_error_set(error, LK_ERROR_INVALID,
                                "FieldMask %.*s could not be successfully applied to any configs.",
                                LK_STR_ARG(dump->mask_text));
    }
    return true;
}

static bool check_element_mask(const struct dump *dump, const struct listing *list, struct lk_error *error)
{
    for (size_t i = 0; i < dump->mask.count; i++) {
        if (!element_path_exists(list, dump->mask.paths[i]))
            return lk_error_set(error, LK_ERROR_INVALID, "FieldMask %.*s could not be successfully used.",
                                LK_STR_ARG(dump->mask_text));
    }
    return true;
}

static json_t *masked(const struct dump *dump, json_t *value)
{
    json_t *out = dump->mask.count > 0 ? lk_config_mask_apply(&dump->mask, value) : json_incref(value);

    json_decref(value);
    return out;
}

/* --- the dump
 * --------------------------------------------------------------------------------------------------------- */

static json_t *section_json(const struct dump *dump, unsigned section)
{
    const struct section *known = &sections[section];
    json_t *out = json_object();
    json_t *list;

    json_object_set_new(out, "@type", any_type("envoy.admin.v3.", known->type));
    if (section == BOOTSTRAP) {
        json_object_set(out, "bootstrap", dump->bootstrap);
        json_object_set(out, "last_updated", dump->updated);
    }
    list = list_of(dump, section);
    if (json_array_size(list) > 0)
        json_object_set(out, known->list.field, list);
    json_decref(list);
    return masked(dump, out);
}

static json_t *all_sections(const struct dump *dump, struct lk_error *error)
{
    json_t *configs = json_array();

    if (!check_section_mask(dump, error)) {
        json_decref(configs);
        return NULL;
    }
    for (unsigned section = 0; section < dump->shown; section++) {
        if (mask_concerns(dump, section))
            json_array_append_new(configs, section_json(dump, section));
    }
    return configs;
}

static json_t *elements_of(const struct dump *dump, unsigned section, struct lk_error *error)
{
    const struct listing *list = &sections[section].list;
    json_t *elements, *configs, *element;
    size_t i;

    if (!check_element_mask(dump, list, error))
        return NULL;
    elements = list_of(dump, section);
    configs = json_array();
    json_array_foreach(elements, i, element)
        json_array_append_new(configs, masked(dump, typed(any_type("envoy.admin.v3.", list->element), element)));
    json_decref(elements);
    return configs;
}

static json_t *one_resource(const struct dump *dump, struct lk_str resource, struct lk_error *error)
{
    for (unsigned section = 0; section < dump->shown; section++) {
        const struct section *known = &sections[section];

        if (known->list.field && lk_str_eq(resource, lk_str_from(known->list.field)))
            return elements_of(dump, section, error);
        if (is_one_of(known->repeated, resource))
            return json_array();
        if (is_one_of(known->single, resource)) {
            lk_error_set(error, LK_ERROR_INVALID, "%.*s is not a repeated field. Use ?mask=%.*s to get only this field",
                         LK_STR_ARG(resource), LK_STR_ARG(resource));
            return NULL;
        }
    }
    lk_error_set(error, LK_ERROR_NOT_FOUND, "%.*s not found in config dump", LK_STR_ARG(resource));
    return NULL;
}

static bool dump_init(struct dump *dump, const struct lk_config_dump_source *source, struct lk_str mask,
                      struct lk_str name_regex, struct lk_error *error)
{
    int64_t ms = source->updated_us / 1000;
    ProtobufCMessage *message;
    struct lk_str updated;

    if (name_regex.len > 0) {
        dump->names = lk_regex_compile(&dump->arena, name_regex, error);
        if (!dump->names)
            return false;
    }
    message =
        lk_pb_unpack(&dump->arena, &envoy__config__bootstrap__v3__bootstrap__descriptor, source->bootstrap, error);
    if (!message)
        return false;
    dump->bootstrap = lk_pb_to_json(message);
    updated = lk_pb_timestamp_print(&dump->arena, ms / 1000, (int32_t)(ms % 1000 * 1000000));
    dump->updated = json_stringn(updated.ptr, updated.len);
    dump->mask = lk_config_mask_parse(&dump->arena, mask);
    dump->mask_text = mask;
    return true;
}

static char *write_text(json_t *configs)
{
    json_t *json = json_object();
    char *text;
    size_t len;

    if (json_array_size(configs) > 0)
        json_object_set(json, "configs", configs);
    text = json_dumps(json, JSON_INDENT(1));
    if (!text)
        lk_panic("the configuration cannot be written as JSON");
    json_decref(json);
    len = strlen(text);
    text = lk_realloc(text, len + 2);
    memcpy(text + len, "\n", 2);
    return text;
}

char *lk_config_dump(void *source, struct lk_str resource, struct lk_str mask, struct lk_str name_regex,
                     bool include_eds, struct lk_error *error)
{
    struct dump dump = {.shown = include_eds ? SECTIONS : ENDPOINTS};
    json_t *configs = NULL;
    char *text = NULL;

    lk_arena_init(&dump.arena);
    if (dump_init(&dump, source, mask, name_regex, error))
        configs = resource.len > 0 ? one_resource(&dump, resource, error) : all_sections(&dump, error);
    if (configs)
        text = write_text(configs);
    json_decref(configs);
    json_decref(dump.bootstrap);
    json_decref(dump.updated);
    lk_arena_reset(&dump.arena);
    return text;
}
