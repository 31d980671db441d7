/* Tables made ready for requests. See lane_tables.h. */
#include "proxy/lane/lane_tables.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/io/loop.h"

/* --- the attachment ----------------------------------------------------------------------------------------------- */

static void compile_secrets(struct lk_arena *arena, const struct lk_lane_table *table,
                            struct lk_lane_attachment *attachment)
{
    struct lk_header_key *keys = lk_arena_array(arena, table->rule_count + 1, sizeof(*keys));
    size_t count = 0;

    for (size_t i = 0; i < table->rule_count; i++)
        if (table->rules[i].match.secret.name.len > 0)
            keys[count++] = lk_header_key(arena, table->rules[i].match.secret.name);
    lk_header_set_init(&attachment->secrets, arena, keys, count);
}

static struct lk_guard *arm(struct lk_lane_runtime *runtime, const struct lk_lane_table *table,
                            const struct lk_lane *lane)
{
    const struct lk_guard_config config = {
        .max_5xx_delta = lane->guard.max_5xx_delta,
        .max_p99_ratio = lane->guard.max_p99_ratio,
        .min_requests = lane->guard.min_requests,
        .window_ms = lane->guard.window_ms,
    };

    return lane->guard.enabled ? lk_guard_arm(runtime->guards, lane->name, table->revision, &config, lk_clock_ms())
                               : NULL;
}

/* Everything that is not in the table's arena; also before that goes, where the runtime does not live as long. */
static void release(struct lk_lane_table *table)
{
    struct lk_lane_attachment *attachment = (struct lk_lane_attachment *)table->attachment;

    if (attachment == NULL)
        return;
    table->attachment = NULL;
    lk_lane_scopes_free(attachment->scopes);
    for (size_t i = 0; i < table->lane_count; i++)
        if (attachment->lanes[i].guard != NULL)
            lk_guard_unref(attachment->lanes[i].guard);
}

static void on_table_free(void *table)
{
    release(table);
}

static void attach(struct lk_lane_runtime *runtime, struct lk_lane_table *table)
{
    struct lk_lane_attachment *attachment =
        lk_arena_zalloc(table->arena, sizeof(*attachment) + table->lane_count * sizeof(attachment->lanes[0]));
    struct lk_str *names = lk_arena_array(table->arena, table->lane_count, sizeof(*names));

    for (size_t i = 0; i < table->lane_count; i++) {
        const struct lk_lane *lane = &table->lanes[i];
        struct lk_lane_attached *out = &attachment->lanes[i];

        names[i] = lane->name;
        out->id = i == LK_LANE_INDEX_BASE ? LK_LANE_ID_NONE : lk_lane_ids_get(runtime->ids, lane->name, true);
        out->guard = arm(runtime, table, lane);
        attachment->guard_count += out->guard != NULL;
    }
    attachment->scopes = lk_lane_scopes_new(runtime->names, names, (unsigned)table->lane_count);
    lk_carriers_emit_names(&attachment->emit_names, table->arena, table);
    compile_secrets(table->arena, table, attachment);
    table->attachment = attachment;
    lk_arena_on_free(table->arena, on_table_free, table);
}

/* --- what the source tells ---------------------------------------------------------------------------------------- */

/* A gauge is a signed number, and exact as a number of Prometheus up to 2^53 only. */
#define SHOWN_HASH_BITS UINT64_C(0xffffffffffff)

/* Several sources may be at different revisions: the gauges show the highest. coming: about to be in force in `source`;
 * both NULL: none is. */
static void show_highest(struct lk_lane_runtime *runtime, const struct lk_lane_source *source,
                         const struct lk_lane_table *coming)
{
    const struct lk_lane_table *highest = coming;

    LK_LIST_FOREACH(node, &runtime->sources)
    {
        const struct lk_lane_tables *other = LK_LIST_ENTRY(node, struct lk_lane_tables, node);
        struct lk_lane_source_info info;

        if (other->source == source)
            continue;
        lk_lane_source_info(other->source, &info);
        if (info.table != NULL && (highest == NULL || info.table->revision > highest->revision))
            highest = info.table;
    }
    runtime->table_revision = highest != NULL ? highest->revision : 0;
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_TABLE_REVISION, runtime->table_revision);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_TABLE_HASH, highest != NULL ? highest->hash & SHOWN_HASH_BITS : 0);
}

static void on_table(void *arg, struct lk_lane_table *table)
{
    struct lk_lane_tables *tables = arg;

    if (table->attachment == NULL)
        attach(tables->runtime, table);
    lk_lane_process_count(tables->runtime, LK_LANE_PROCESS_TABLE_ACCEPTED);
    show_highest(tables->runtime, tables->source, table);
    lk_lane_runtime_changed(tables->runtime);
}

static void on_refused(void *arg)
{
    struct lk_lane_tables *tables = arg;

    lk_lane_process_count(tables->runtime, LK_LANE_PROCESS_TABLE_REFUSED);
}

static bool check(void *arg, const struct lk_lane_table *table, struct lk_errors *errors)
{
    const struct lk_lane_tables *tables = arg;

    return tables->unread || lk_carriers_check_table(&tables->carriers, table, errors);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct making {
    struct lk_lane_runtime *runtime;
    const struct lk_lane_filter_config *config;
    struct lk_errors *errors;
};

/* Tables outlive the configuration of the filter that was the first to want them. */
static const struct lk_lane_filter_carriers *copy_carriers(struct lk_arena *arena,
                                                           const struct lk_lane_filter_carriers *in)
{
    struct lk_lane_filter_carriers *out = lk_arena_zalloc(arena, sizeof(*out));
    struct lk_str *aliases = lk_arena_array(arena, in->alias_count + 1, sizeof(*aliases));

    for (size_t i = 0; i < in->alias_count; i++)
        aliases[i] = lk_arena_str(arena, in->aliases[i]);
    *out = (struct lk_lane_filter_carriers){
        .header = lk_arena_str(arena, in->header),
        .baggage_key = lk_arena_str(arena, in->baggage_key),
        .tracestate_key = lk_arena_str(arena, in->tracestate_key),
        .sw8_correlation_key = lk_arena_str(arena, in->sw8_correlation_key),
        .aliases = aliases,
        .alias_count = in->alias_count,
    };
    return out;
}

static void *make(void *arg)
{
    const struct making *making = arg;
    const struct lk_lane_filter_carriers *in = &making->config->carriers;
    struct lk_lane_tables *tables = lk_calloc(1, sizeof(*tables));
    const struct lk_lane_source_options options = {
        .on_table = on_table, .check = check, .on_refused = on_refused, .arg = tables};
    size_t mark = lk_errors_push(making->errors, "carriers");

    tables->runtime = making->runtime;
    tables->unread = making->config->connections;
    tables->source = lk_lane_source_new(&options);
    lk_arena_init(&tables->arena);
    (void)!lk_carriers_compile(&tables->carriers, &tables->arena, copy_carriers(&tables->arena, in), making->errors);
    lk_errors_pop(making->errors, mark);
    tables->path = lk_arena_str(&tables->arena, making->config->table_path);
    tables->resource = lk_arena_str(&tables->arena, making->config->table_name);
    lk_list_push_back(&tables->runtime->sources, &tables->node);
    return tables;
}

static void drop(void *object)
{
    struct lk_lane_tables *tables = object;

    lk_list_remove(&tables->node);
    show_highest(tables->runtime, NULL, NULL);
    lk_lane_runtime_changed(tables->runtime);
    lk_lane_source_free(tables->source);
    lk_arena_reset(&tables->arena);
    lk_free(tables);
}

static void unref_inline(void *arg)
{
    struct lk_lane_tables *tables = arg;
    struct lk_lane_source_info info;

    lk_lane_source_info(tables->source, &info);
    if (info.table != NULL) /* the configuration holds the table longer than the runtime */
        release((struct lk_lane_table *)info.table);
    drop(tables);
}

static struct lk_lane_tables *inline_tables(struct lk_filter_context *context, struct making *making)
{
    struct lk_lane_tables *tables = make(making);
    struct lk_lane_table *table = making->config->inline_table;
    size_t mark = lk_errors_push(making->errors, "inline");

    lk_arena_on_free(context->arena, unref_inline, tables);
    if (table != NULL && check(tables, table, making->errors))
        lk_lane_source_publish(tables->source, lk_lane_table_ref(table));
    lk_errors_pop(making->errors, mark);
    return tables;
}

static void watch(struct lk_filter_context *context, struct lk_lane_tables *tables,
                  const struct lk_lane_filter_config *config, lk_lane_load_fn load, struct lk_errors *errors)
{
    const struct lk_lane_file file = {config->table_path, config->table_directory, config->table_name, load};
    struct lk_error error;

    if (!lk_lane_source_watch(tables->source, context->main_loop, &file, &error))
        lk_errors_add_at(errors, "table_source", "%s", error.text);
}

/* Filters that would read the same file the same way share what came of it. */
static const char *key_of(struct lk_arena *arena, const struct lk_lane_filter_config *config)
{
    const struct lk_lane_filter_carriers *carriers = &config->carriers;
    struct lk_str key = lk_arena_printf(
        arena, "lanekeeper.lane.tables|%s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", config->connections ? "tcp" : "http",
        LK_STR_ARG(config->table_path), LK_STR_ARG(config->table_directory), LK_STR_ARG(config->table_name),
        LK_STR_ARG(carriers->header), LK_STR_ARG(carriers->baggage_key), LK_STR_ARG(carriers->tracestate_key),
        LK_STR_ARG(carriers->sw8_correlation_key));

    for (size_t i = 0; i < carriers->alias_count; i++)
        key = lk_arena_printf(arena, "%.*s|%.*s", LK_STR_ARG(key), LK_STR_ARG(carriers->aliases[i]));
    return lk_arena_cstr(arena, key);
}

struct lk_lane_tables *lk_lane_tables_ref(struct lk_filter_context *context, struct lk_lane_runtime *runtime,
                                          const struct lk_lane_filter_config *config, lk_lane_load_fn load,
                                          struct lk_errors *errors)
{
    struct making making = {runtime, config, errors};
    struct lk_lane_tables *tables;
    size_t before = errors->count;

    if (config->table_path.len == 0) {
        tables = inline_tables(context, &making);
        return errors->count == before ? tables : NULL;
    }
    tables = lk_shared_ref(key_of(context->arena, config), make, &making, drop);
    lk_arena_on_free(context->arena, lk_shared_unref, tables);
    if (errors->count == before && !tables->watching && !context->validate_only) {
        tables->watching = true;
        watch(context, tables, config, load, errors);
    }
    return errors->count == before ? tables : NULL;
}
