/*
 * From text to lane table. The document is read as the message that its shape tells, wrappers are opened one by one;
 * the path of each mistake leads to its line. Main thread.
 */
#include "xds/decode/lane_file.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_lane.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/pb_known.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/source_map.h"
#include "xds/proto_registry.h"

#include "envoy/config/core/v3/extension.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/protobuf/any.pb-c.h"

#include <sys/stat.h>

#define NESTING_MAX 8 /* wrappers around a table */

typedef Lanekeeper__Lane__V1__LaneTable table_proto;

struct load {
    struct lk_arena arena; /* of tree and messages */
    const struct lk_lane_file_options *options;
    struct lk_errors *errors;
    size_t errors_before;
    unsigned depth;
    unsigned found; /* tables that were meant */
    struct lk_lane_table *table;
};

static void open_message(struct load *load, const ProtobufCMessage *message);

static bool is_meant(const struct load *load, const char *name)
{
    return load->options->resource.len == 0 || lk_str_eq(load->options->resource, lk_str_from(name));
}

static void open_table(struct load *load, const table_proto *message)
{
    if (load->found++ > 0) {
        lk_errors_add(load->errors, "a second lane table, expected one");
        return;
    }
    lk_pb_report_unsupported(&message->base, !load->options->allow_unknown, load->errors);
    load->table = lk_decode_lane_table(message, load->errors);
}

/* --- wrappers ----------------------------------------------------------------------------------------------------- */

/* At the current path. A TypedStruct was turned into what it wraps when the text was read. */
static void open_any(struct load *load, const Google__Protobuf__Any *any)
{
    struct lk_pb_json_options json = {.allow_unknown = load->options->allow_unknown};
    const ProtobufCMessage *message;

    if (any == NULL || any->type_url[0] == 0) {
        lk_errors_add(load->errors, "holds nothing, expected \"@type\" and the fields of a lane table");
        return;
    }
    if (lk_proto_find_url(lk_str_from(any->type_url)) == NULL && load->errors->count > load->errors_before)
        return; /* reported when the text was read */
    message = lk_pb_unpack_any(&load->arena, lk_str_from(any->type_url),
                               lk_str((const char *)any->value.data, any->value.len), &json, load->errors);
    if (message != NULL)
        open_message(load, message);
}

static void open_named(struct load *load, const char *name, const char *field, const Google__Protobuf__Any *any)
{
    size_t mark;

    if (!is_meant(load, name))
        return;
    mark = lk_errors_push(load->errors, field);
    open_any(load, any);
    lk_errors_pop(load->errors, mark);
}

static void open_response(struct load *load, const Envoy__Service__Discovery__V3__DiscoveryResponse *response)
{
    for (size_t i = 0; i < response->n_resources; i++) {
        size_t mark = lk_errors_push_index(load->errors, "resources", i);

        open_any(load, response->resources[i]);
        lk_errors_pop(load->errors, mark);
    }
}

static void open_message(struct load *load, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;

    if (++load->depth > NESTING_MAX) {
        lk_errors_add(load->errors, "too many wrappers around the table, expected at most %d", NESTING_MAX);
    } else if (desc == &lanekeeper__lane__v1__lane_table__descriptor) {
        open_table(load, (const table_proto *)message);
    } else if (desc == &google__protobuf__any__descriptor) {
        open_any(load, (const Google__Protobuf__Any *)message);
    } else if (desc == &envoy__config__core__v3__typed_extension_config__descriptor) {
        const Envoy__Config__Core__V3__TypedExtensionConfig *named = (const void *)message;

        open_named(load, named->name, "typed_config", named->typed_config);
    } else if (desc == &envoy__service__discovery__v3__resource__descriptor) {
        const Envoy__Service__Discovery__V3__Resource *named = (const void *)message;

        open_named(load, named->name, "resource", named->resource);
    } else if (desc == &envoy__service__discovery__v3__discovery_response__descriptor) {
        open_response(load, (const void *)message);
    } else {
        lk_errors_add(load->errors, "holds a %s, expected a %s", desc->name,
                      lanekeeper__lane__v1__lane_table__descriptor.name);
    }
    load->depth--;
}

/* --- the document ------------------------------------------------------------------------------------------------- */

static bool has(const struct lk_yaml_node *root, const char *field)
{
    return lk_yaml_get_field(root, lk_str_from(field)) != NULL;
}

static const ProtobufCMessageDescriptor *shape_of(const struct lk_yaml_node *root)
{
    if (lk_yaml_get(root, LK_STR("@type")) != NULL)
        return &google__protobuf__any__descriptor;
    if (has(root, "typed_config"))
        return &envoy__config__core__v3__typed_extension_config__descriptor;
    if (has(root, "resources"))
        return &envoy__service__discovery__v3__discovery_response__descriptor;
    return &lanekeeper__lane__v1__lane_table__descriptor;
}

static bool reported_before(const struct lk_errors *errors, size_t from, size_t to, const char *path)
{
    for (size_t i = from; i < to; i++)
        if (strcmp(errors->items[i].path, path) == 0)
            return true;
    return false;
}

/* A field that could not be read looks unset to the rules: what they say of it is dropped. */
static void drop_echoes(struct lk_errors *errors, size_t from, size_t read)
{
    size_t kept = read;

    for (size_t i = read; i < errors->count; i++) {
        if (reported_before(errors, from, read, errors->items[i].path)) {
            lk_free(errors->items[i].path);
            lk_free(errors->items[i].text);
        } else {
            errors->items[kept++] = errors->items[i];
        }
    }
    errors->count = kept;
}

static void open_document(struct load *load, const struct lk_yaml_node *root)
{
    struct lk_pb_json_options json = {.allow_unknown = load->options->allow_unknown};
    const ProtobufCMessage *message = lk_pb_from_tree(&load->arena, shape_of(root), root, &json, load->errors);
    size_t read = load->errors->count;

    open_message(load, message);
    drop_echoes(load->errors, load->errors_before, read);
    if (load->found == 0 && load->errors->count == load->errors_before) {
        bool named = load->options->resource.len > 0;

        lk_errors_add(load->errors, "holds no lane table%s%.*s%s", named ? " named '" : "",
                      LK_STR_ARG(load->options->resource), named ? "'" : "");
    }
}

/* Lines for the mistakes that know only their path. */
static void find_lines(const struct lk_yaml_node *root, struct lk_error_item *items, size_t from, size_t count)
{
    struct lk_source_map map = {.count = 0};
    const char *name;

    lk_source_map_add(&map, "", root);
    for (size_t i = from; i < count; i++) {
        if (items[i].line == 0)
            items[i].line = lk_source_map_find(&map, items[i].path, &name);
        if (items[i].line == 0)
            items[i].line = root->line;
    }
}

/* In the order of the text; mistakes of one line stay as they came. */
static void sort_by_line(struct lk_error_item *items, size_t from, size_t count)
{
    for (size_t i = from + 1; i < count; i++) {
        struct lk_error_item item = items[i];
        size_t at = i;

        for (; at > from && items[at - 1].line > item.line; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

struct lk_lane_table *lk_lane_text_load(struct lk_str text, enum lk_yaml_syntax syntax,
                                        const struct lk_lane_file_options *options, struct lk_errors *errors)
{
    struct load load = {.options = options, .errors = errors, .errors_before = errors->count};
    size_t dropped = errors->dropped, warned = errors->warning_count;
    struct lk_yaml_node *root;

    lk_arena_init(&load.arena);
    root = lk_yaml_parse(&load.arena, text, syntax, errors);
    if (root != NULL && root->kind == LK_YAML_NULL)
        lk_errors_add_line(errors, 1, "is empty, expected a lane table");
    if (root != NULL && errors->count == load.errors_before) {
        open_document(&load, root);
        find_lines(root, errors->items, load.errors_before, errors->count);
        sort_by_line(errors->items, load.errors_before, errors->count);
        find_lines(root, errors->warnings, warned, errors->warning_count);
    }
    lk_arena_reset(&load.arena);
    if (errors->count == load.errors_before && errors->dropped == dropped)
        return load.table;
    lk_lane_table_unref(load.table);
    return NULL;
}

static bool fits(const char *path, struct lk_errors *errors)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > LK_LANE_FILE_MAX)
        return lk_errors_add(errors, "%lld bytes, expected at most %zu", (long long)status.st_size, LK_LANE_FILE_MAX);
    return true;
}

struct lk_lane_table *lk_lane_file_load(const char *path, const struct lk_lane_file_options *options,
                                        struct lk_errors *errors)
{
    struct lk_lane_table *table = NULL;
    struct lk_arena arena;
    struct lk_error error;
    struct lk_str text;

    if (!fits(path, errors))
        return NULL;
    lk_arena_init(&arena);
    if (!lk_yaml_read_file(&arena, path, &text, &error))
        lk_errors_add(errors, "%s", error.text);
    else
        table = lk_lane_text_load(text, lk_yaml_syntax_of(lk_str_from(path)), options, errors);
    lk_arena_reset(&arena);
    return table;
}
