/* A lane filter's configuration, compiled. See lane_settings.h. */
#include "proxy/lane/lane_settings.h"

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/bootstrap_config.h"
#include "proxy/config/lane_name.h"

#include <stdatomic.h>
#include <stdlib.h>

/* --- the pod's lane ----------------------------------------------------------------------------------------------- */

/* Where the pod's lane is told, for messages. */
static struct lk_str find_pod_lane(const struct lk_filter_context *context, const struct lk_lane_filter_pod *pod,
                                   const char **where)
{
    static const struct lk_str key = LK_STR_INIT("LANE");
    const struct lk_bootstrap_config *bootstrap = context->bootstrap;
    const struct lk_value *value = NULL;

    *where = "pod_lane.lane";
    if (pod->lane.len > 0)
        return pod->lane;
    if (bootstrap != NULL && bootstrap->node.metadata != NULL)
        value = lk_value_get(&bootstrap->node.metadata->root, key);
    *where = "LANE in node.metadata";
    if (value != NULL)
        return value->kind == LK_VALUE_TEXT ? value->text : LK_STR("?");
    *where = "the environment variable LANE";
    return lk_str_from(getenv("LANE"));
}

static bool compile_pod_lane(struct lk_lane_settings *settings, const struct lk_filter_context *context,
                             struct lk_errors *errors)
{
    const struct lk_lane_filter_pod *pod = &settings->config->pod;
    const char *where;
    struct lk_str lane = find_pod_lane(context, pod, &where);

    if (lane.len > 0 && !lk_lane_name_valid(lane))
        return lk_errors_add_at(errors, "pod_lane", "%s is no name of a lane, expected one, or base", where);
    if (!pod->enabled || lk_lane_name_is_base(lane))
        return true;
    settings->pod_lane_from = where;
    settings->pod_lane = lk_arena_str(context->arena, lane);
    settings->pod_is_shadow = lk_lane_name_is_shadow(lane);
    return true;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* An application lies between an inbound and an outbound listener of a pod; everywhere else a request goes straight
 * through. */
static void choose_steps(struct lk_lane_settings *settings)
{
    bool pod = settings->role == LK_LANE_SIDECAR;

    settings->inbound = !settings->config->connections && (!pod || settings->direction != LK_DIRECTION_OUTBOUND);
    settings->outbound = !pod || settings->direction != LK_DIRECTION_INBOUND;
}

static void warn_of_silence(const struct lk_lane_settings *settings, const struct lk_filter_context *context)
{
    if (settings->role == LK_LANE_SIDECAR && settings->inbound && settings->config->trust.plaintext.count == 0)
        LK_LOG(LANE, WARN,
               "%.*s: trust.plaintext_cidrs is empty: marks of callers without mTLS are removed, lanes end here",
               LK_STR_ARG(context->listener_name));
}

static void compile_headers(struct lk_lane_settings *settings, struct lk_arena *arena)
{
    const struct lk_lane_filter_config *config = settings->config;

    if (config->association.header.len > 0)
        settings->association_header = lk_header_key(arena, config->association.header);
    if (config->served_header.len > 0)
        settings->served_header = lk_header_key(arena, config->served_header);
}

static _Atomic uint64_t serials;

static void leave_runtime(void *arg)
{
    struct lk_lane_settings *settings = arg;

    lk_list_remove(&settings->node);
    lk_lane_runtime_changed(settings->runtime);
}

static void join_runtime(struct lk_lane_settings *settings, struct lk_arena *arena)
{
    lk_list_push_back(&settings->runtime->filters, &settings->node);
    lk_lane_runtime_changed(settings->runtime);
    lk_arena_on_free(arena, leave_runtime, settings);
}

const struct lk_lane_settings *lk_lane_settings_new(struct lk_filter_context *context,
                                                    const struct lk_lane_filter_config *config, lk_lane_load_fn load,
                                                    struct lk_errors *errors)
{
    struct lk_lane_settings *settings = lk_arena_zalloc(context->arena, sizeof(*settings));
    const struct lk_lane_process_options options = {
        .association = {.capacity = config->association.capacity,
                        .linger_ms = config->association.linger_ms,
                        .max_lifetime_ms = config->association.max_lifetime_ms},
        .stat_names = config->stat_names,
    };
    size_t before = errors->count;

    settings->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    settings->config = config;
    settings->role = config->entry ? LK_LANE_ENTRY : LK_LANE_SIDECAR;
    settings->direction = context->direction;
    settings->clusters = context->clusters;
    settings->listener_name = lk_arena_str(context->arena, context->listener_name);
    settings->pod_lane_from = "";
    choose_steps(settings);
    compile_headers(settings, context->arena);
    lk_lane_membership_init(&settings->membership, &config->membership);
    lk_trust_init(&settings->trust, context->arena, &config->trust, lk_str(NULL, 0));
    (void)compile_pod_lane(settings, context, errors);
    settings->runtime = lk_lane_runtime_ref(context, &options, errors);
    if (errors->count > before)
        return NULL;
    settings->tables = lk_lane_tables_ref(context, settings->runtime, config, load, errors);
    if (settings->tables == NULL)
        return NULL;
    settings->carriers = &settings->tables->carriers;
    warn_of_silence(settings, context);
    join_runtime(settings, context->arena);
    return settings;
}

struct lk_lane_worker *lk_lane_worker_new(const struct lk_lane_settings *settings)
{
    struct lk_lane_worker *worker = lk_calloc(1, sizeof(*worker));

    worker->settings = settings;
    lk_lane_reader_init(&worker->reader, settings->tables->source);
    lk_budget_memo_init(&worker->budgets, settings->runtime->budgets);
    return worker;
}

void lk_lane_worker_free(struct lk_lane_worker *worker)
{
    lk_lane_reader_fini(&worker->reader);
    lk_budget_memo_fini(&worker->budgets, lk_clock_ms());
    lk_free(worker);
}
