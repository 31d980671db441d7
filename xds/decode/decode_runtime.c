/* The runtime layers and the overload manager of a bootstrap. Main thread. */
#include "proxy/base/mem.h"
#include "xds/decode/decode_bootstrap_parts.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_metadata.h"

#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb-c.h"

struct layers {
    struct lk_decoder *decoder;
    struct lk_map index; /* key -> 1 + place in entries */
    struct lk_runtime_entry *entries;
    size_t count;
    size_t cap;
};

static void put(struct layers *layers, struct lk_str key, struct lk_str value)
{
    size_t place = (size_t)(uintptr_t)lk_map_get(&layers->index, key);

    if (place != 0) {
        layers->entries[place - 1].value = value;
        return;
    }
    layers->entries = lk_grow(layers->entries, &layers->cap, layers->count + 1, sizeof(*layers->entries));
    layers->entries[layers->count++] = (struct lk_runtime_entry){key, value};
    lk_map_set(&layers->index, key, (void *)(uintptr_t)layers->count);
}

static const Google__Protobuf__Value *member(const Google__Protobuf__Struct *in, const char *name)
{
    for (size_t i = 0; i < in->n_fields; i++)
        if (strcmp(in->fields[i]->key, name) == 0)
            return in->fields[i]->value;
    return NULL;
}

/* {numerator, denominator} of a FractionalPercent, as "n/d". */
static void put_fraction(struct layers *layers, struct lk_str key, const Google__Protobuf__Struct *in)
{
    const Google__Protobuf__Value *numerator = member(in, "numerator");
    const Google__Protobuf__Value *denominator = member(in, "denominator");
    const char *name = denominator != NULL && denominator->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE
                           ? denominator->string_value
                           : "HUNDRED";
    double value = numerator != NULL && numerator->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE
                       ? numerator->number_value
                       : 0;
    unsigned of = strcmp(name, "MILLION") == 0 ? 1000000 : strcmp(name, "TEN_THOUSAND") == 0 ? 10000 : 100;

    if (!(value >= 0 && value <= UINT32_MAX) || (of == 100 && strcmp(name, "HUNDRED") != 0)) {
        lk_errors_warn(layers->decoder->errors, NULL, "'%.*s' is no fraction, ignored", LK_STR_ARG(key));
        return;
    }
    put(layers, key, lk_arena_printf(layers->decoder->arena, "%u/%u", (unsigned)value, of));
}

static void walk(struct layers *layers, struct lk_str prefix, const Google__Protobuf__Struct *in);

static void walk_value(struct layers *layers, struct lk_str key, const Google__Protobuf__Value *in)
{
    struct lk_value value = {0};

    switch (in != NULL ? in->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        lk_decode_value(layers->decoder, in, &value);
        put(layers, key, lk_value_text(&value, layers->decoder->arena));
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        if (member(in->struct_value, "numerator") != NULL || member(in->struct_value, "denominator") != NULL)
            put_fraction(layers, key, in->struct_value);
        else
            walk(layers, key, in->struct_value);
        break;
    default:
        lk_errors_add(layers->decoder->errors, "the value of '%.*s' is neither number, string, bool nor object",
                      LK_STR_ARG(key));
        break;
    }
}

static void walk(struct layers *layers, struct lk_str prefix, const Google__Protobuf__Struct *in)
{
    for (size_t i = 0; i < in->n_fields; i++) {
        struct lk_str key =
            prefix.len > 0 ? lk_arena_printf(layers->decoder->arena, "%.*s.%s", LK_STR_ARG(prefix), in->fields[i]->key)
                           : lk_decode_str(layers->decoder, in->fields[i]->key);

        walk_value(layers, key, in->fields[i]->value);
    }
}

static void layer(struct layers *layers, const Envoy__Config__Bootstrap__V3__RuntimeLayer *in, unsigned *admin)
{
    struct lk_errors *errors = layers->decoder->errors;

    lk_decode_required(layers->decoder, "name", in->name);
    switch (in->layer_specifier_case) {
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_STATIC_LAYER: {
        size_t mark = lk_errors_push(errors, "static_layer");

        walk(layers, (struct lk_str){"", 0}, in->static_layer);
        lk_errors_pop(errors, mark);
        break;
    }
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_ADMIN_LAYER:
        if (++*admin > 1)
            lk_errors_add_at(errors, "admin_layer", "only one admin layer is possible");
        break;
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER__NOT_SET:
        lk_errors_add(errors, "expected one of static_layer, admin_layer");
        break;
    default:
        break; /* reported as unsupported by the table of fields */
    }
}

void lk_decode_runtime(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__LayeredRuntime *in,
                       struct lk_bootstrap_config *out)
{
    struct layers layers = {.decoder = decoder};
    struct lk_runtime_entry *entries;
    unsigned admin = 0;

    if (in == NULL)
        return;
    lk_map_init(&layers.index);
    for (size_t i = 0; i < in->n_layers; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "layered_runtime.layers", i);

        for (size_t j = 0; j < i; j++)
            if (strcmp(in->layers[i]->name, in->layers[j]->name) == 0)
                lk_errors_add_at(decoder->errors, "name", "'%s' occurs twice", in->layers[i]->name);
        layer(&layers, in->layers[i], &admin);
        lk_errors_pop(decoder->errors, mark);
    }
    entries = layers.count > 0 ? lk_arena_array(decoder->arena, layers.count, sizeof(*entries)) : NULL;
    if (layers.count > 0)
        memcpy(entries, layers.entries, layers.count * sizeof(*entries));
    out->runtime = entries;
    out->runtime_count = layers.count;
    lk_free(layers.entries);
    lk_map_fini(&layers.index);
}

bool lk_bootstrap_runtime_u64(const struct lk_bootstrap_config *config, struct lk_str key, uint64_t *out)
{
    for (size_t i = 0; i < config->runtime_count; i++)
        if (lk_str_eq(config->runtime[i].key, key))
            return lk_str_to_u64(config->runtime[i].value, out);
    return false;
}

static void connection_monitor(struct lk_decoder *decoder, const Google__Protobuf__Any *any,
                               struct lk_bootstrap_config *out)
{
    const Envoy__Extensions__ResourceMonitors__DownstreamConnections__V3__DownstreamConnectionsConfig *config;
    size_t mark = lk_errors_push(decoder->errors, "typed_config");

    if ((config = lk_decode_unpack(decoder, any)) != NULL) {
        int64_t max = config->max_active_downstream_connections;

        if (max <= 0)
            lk_errors_add_at(decoder->errors, "max_active_downstream_connections", "must be more than 0");
        else
            out->max_downstream_connections = (uint32_t)LK_MIN(max, (int64_t)UINT32_MAX);
    }
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_overload(struct lk_decoder *decoder, const Envoy__Config__Overload__V3__OverloadManager *in,
                        struct lk_bootstrap_config *out)
{
    uint64_t limit;

    if (lk_bootstrap_runtime_u64(out, LK_STR("overload.global_downstream_max_connections"), &limit))
        out->max_downstream_connections = (uint32_t)LK_MIN(limit, (uint64_t)UINT32_MAX);
    if (in != NULL && in->n_resource_monitors == 0)
        lk_errors_add_at(decoder->errors, "overload_manager.resource_monitors", "must not be empty");
    for (size_t i = 0; in != NULL && i < in->n_resource_monitors; i++) {
        const Envoy__Config__Overload__V3__ResourceMonitor *monitor = in->resource_monitors[i];
        size_t mark = lk_errors_push_index(decoder->errors, "overload_manager.resource_monitors", i);

        lk_decode_required(decoder, "name", monitor->name);
        if (lk_any_is(
                monitor->typed_config,
                &envoy__extensions__resource_monitors__downstream_connections__v3__downstream_connections_config__descriptor))
            connection_monitor(decoder, monitor->typed_config, out);
        else
            lk_errors_warn(decoder->errors, "name", "the resource monitor '%s' is not supported, has no effect",
                           monitor->name);
        lk_errors_pop(decoder->errors, mark);
    }
}
