/* Loads, merges and decodes the bootstrap. Main thread, at start. */
#include "xds/bootstrap.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "xds/decode/decode_bootstrap.h"
#include "xds/decode/pb_json.h"
#include "xds/decode/pb_merge.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/source_map.h"
#include "xds/decode/yaml_tree.h"

#include <stdio.h>
#include <string.h>

typedef Envoy__Config__Bootstrap__V3__Bootstrap bootstrap_proto;

struct lk_bootstrap {
    struct lk_arena *arena;   /* of the decoded configuration */
    struct lk_arena *scratch; /* texts and trees: until the report is done */
    struct lk_source_map sources;
    const char *name;
    struct lk_str packed;
    size_t unknown_fields;
    struct lk_bootstrap_config *config;
};

static bootstrap_proto *parse_text(struct lk_bootstrap *bootstrap, const struct lk_bootstrap_options *options,
                                   const char *name, struct lk_str text, enum lk_yaml_syntax syntax,
                                   struct lk_errors *errors)
{
    struct lk_pb_json_options json = {.allow_unknown = options->allow_unknown};
    struct lk_yaml_node *root = lk_yaml_parse(bootstrap->scratch, text, syntax, errors);
    if (root == NULL)
        return NULL;
    lk_source_map_add(&bootstrap->sources, name, root);
    return (bootstrap_proto *)lk_pb_from_tree(bootstrap->scratch, &envoy__config__bootstrap__v3__bootstrap__descriptor,
                                              root, &json, errors);
}

/* Mistakes of one text carry lines of that text only: they are printed before the next text is read. What was let pass,
 * which is unknown fields, joins the warnings of the whole. */
static bool finish_text(struct lk_bootstrap *bootstrap, struct lk_errors *errors, const char *name,
                        struct lk_errors *all)
{
    bool ok = !lk_errors_any(errors);
    for (size_t i = 0; i < errors->count; i++) {
        const struct lk_error_item *item = &errors->items[i];
        fprintf(stderr, "%s:%d: %s%s%s\n", name, item->line, item->path, item->path[0] != '\0' ? ": " : "", item->text);
    }
    if (errors->dropped > 0)
        fprintf(stderr, "%s: and %zu more mistakes\n", name, errors->dropped);
    for (size_t i = 0; i < errors->warning_count; i++)
        lk_errors_warn(all, errors->warnings[i].path, "%s", errors->warnings[i].text);
    bootstrap->unknown_fields += errors->warning_count + errors->warnings_dropped;
    lk_errors_fini(errors);
    return ok;
}

static bootstrap_proto *load_file(struct lk_bootstrap *bootstrap, const struct lk_bootstrap_options *options,
                                  struct lk_errors *all, bool *ok)
{
    struct lk_errors errors;
    struct lk_error error;
    struct lk_str text;
    bootstrap_proto *message = NULL;
    lk_errors_init(&errors);
    if (!lk_yaml_read_file(bootstrap->scratch, options->path, &text, &error)) {
        fprintf(stderr, "%s: %s\n", options->path, error.text);
        *ok = false;
    } else {
        message =
            parse_text(bootstrap, options, options->path, text, lk_yaml_syntax_of(lk_str_from(options->path)), &errors);
    }
    *ok &= finish_text(bootstrap, &errors, options->path, all);
    return message;
}

static bootstrap_proto *load_yaml(struct lk_bootstrap *bootstrap, const struct lk_bootstrap_options *options,
                                  struct lk_errors *all, bool *ok)
{
    struct lk_errors errors;
    lk_errors_init(&errors);
    bootstrap_proto *message =
        parse_text(bootstrap, options, "--config-yaml", lk_str_from(options->yaml), LK_YAML_SYNTAX_YAML, &errors);
    *ok &= finish_text(bootstrap, &errors, "--config-yaml", all);
    return message;
}

static void override_string(struct lk_bootstrap *bootstrap, char **field, const char *value)
{
    if (value != NULL)
        *field = lk_arena_cstr(bootstrap->scratch, lk_str_from(value));
}

/* --service-cluster and kin stand over the file. */
static void override_node(struct lk_bootstrap *bootstrap, bootstrap_proto *message,
                          const struct lk_bootstrap_options *options)
{
    if (options->service_cluster == NULL && options->service_node == NULL && options->service_zone == NULL)
        return;
    if (message->node == NULL) {
        message->node = lk_arena_alloc(bootstrap->scratch, sizeof(*message->node));
        envoy__config__core__v3__node__init(message->node);
    }
    override_string(bootstrap, &message->node->id, options->service_node);
    override_string(bootstrap, &message->node->cluster, options->service_cluster);
    if (options->service_zone != NULL) {
        if (message->node->locality == NULL) {
            message->node->locality = lk_arena_alloc(bootstrap->scratch, sizeof(*message->node->locality));
            envoy__config__core__v3__locality__init(message->node->locality);
        }
        override_string(bootstrap, &message->node->locality->zone, options->service_zone);
    }
}

static bootstrap_proto *load_message(struct lk_bootstrap *bootstrap, const struct lk_bootstrap_options *options,
                                     struct lk_errors *errors)
{
    bool ok = true;
    bootstrap_proto *message = options->path != NULL ? load_file(bootstrap, options, errors, &ok) : NULL;
    bootstrap_proto *over = options->yaml != NULL ? load_yaml(bootstrap, options, errors, &ok) : NULL;
    if (!ok)
        return NULL;
    if (message != NULL && over != NULL)
        lk_pb_merge(bootstrap->scratch, &message->base, &over->base);
    else if (message == NULL)
        message = over;
    return message;
}

struct lk_bootstrap *lk_bootstrap_load(const struct lk_bootstrap_options *options, struct lk_errors *errors)
{
    struct lk_bootstrap *bootstrap = lk_calloc(1, sizeof(*bootstrap));
    bootstrap->arena = lk_arena_new();
    bootstrap->scratch = lk_arena_new();
    bootstrap->name = options->path != NULL ? options->path : "--config-yaml";
    if (options->path == NULL && options->yaml == NULL) {
        fprintf(stderr, "lanekeeper: no configuration: give -c FILE or --config-yaml TEXT\n");
        lk_bootstrap_free(bootstrap);
        return NULL;
    }
    bootstrap_proto *message = load_message(bootstrap, options, errors);
    if (message == NULL) {
        lk_bootstrap_free(bootstrap);
        return NULL;
    }
    override_node(bootstrap, message, options);
    struct lk_decoder decoder;
    lk_decoder_init(&decoder, bootstrap->arena, errors);
    decoder.format_extensions = options->format_extensions;
    decoder.allow_unknown = options->allow_unknown;
    bootstrap->config = lk_decode_bootstrap(&decoder, message);
    lk_decoder_fini(&decoder);
    bootstrap->packed = lk_pb_pack(bootstrap->arena, &message->base);
    return bootstrap;
}

void lk_bootstrap_free(struct lk_bootstrap *bootstrap)
{
    lk_arena_free(bootstrap->arena);
    if (bootstrap->scratch != NULL)
        lk_arena_free(bootstrap->scratch);
    lk_free(bootstrap);
}

void lk_bootstrap_trim(struct lk_bootstrap *bootstrap)
{
    lk_arena_free(bootstrap->scratch);
    bootstrap->scratch = NULL;
    bootstrap->sources.count = 0;
}

const struct lk_bootstrap_config *lk_bootstrap_config(const struct lk_bootstrap *bootstrap)
{
    return bootstrap->config;
}

const char *lk_bootstrap_name(const struct lk_bootstrap *bootstrap)
{
    return bootstrap->name;
}

struct lk_str lk_bootstrap_packed(const struct lk_bootstrap *bootstrap)
{
    return bootstrap->packed;
}

size_t lk_bootstrap_unknown_fields(const struct lk_bootstrap *bootstrap)
{
    return bootstrap->unknown_fields;
}

static int find_line(const struct lk_bootstrap *bootstrap, const struct lk_error_item *item, const char **name)
{
    *name = NULL;
    int line = item->line > 0 ? item->line : lk_source_map_find(&bootstrap->sources, item->path, name);
    if (*name == NULL)
        *name = bootstrap->name;
    return line;
}

void lk_bootstrap_report(const struct lk_bootstrap *bootstrap, const struct lk_errors *errors)
{
    const char *name;
    for (size_t i = 0; i < errors->count; i++) {
        const struct lk_error_item *item = &errors->items[i];
        int line = find_line(bootstrap, item, &name);
        fprintf(stderr, "%s:%d: %s%s%s\n", name, line, item->path, item->path[0] != '\0' ? ": " : "", item->text);
    }
    if (errors->dropped > 0)
        fprintf(stderr, "%s: and %zu more mistakes\n", bootstrap->name, errors->dropped);
    for (size_t i = 0; i < errors->warning_count; i++) {
        const struct lk_error_item *item = &errors->warnings[i];
        int line = find_line(bootstrap, item, &name);
        LK_LOG(CONFIG, WARN, "%s:%d: %s%s%s", name, line, item->path, item->path[0] != '\0' ? ": " : "", item->text);
    }
}
