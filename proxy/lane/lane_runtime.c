/* The shared state of a process's lane filters and its timers. See lane_runtime.h. */
#include "proxy/lane/lane_runtime.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/config/lane_table.h"
#include "proxy/io/loop.h"
#include "proxy/lane/lane_gauges.h"

#define KEY "lanekeeper.lane.runtime"
#define SWEEP_MS 1000

#define DEF(id, name, kind) {name, LK_STAT_##kind},
static const struct lk_stat_def defs[] = {LK_LANE_PROCESS_STATS(DEF)};
static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};

/* --- timers ------------------------------------------------------------------------------------------------------- */

static void show_association(struct lk_lane_runtime *runtime)
{
    struct lk_association_stats stats;

    lk_association_read_stats(runtime->association, &stats);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_SIZE, lk_association_size(runtime->association));
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_HITS, stats.hits);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_MISSES, stats.misses);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_CONFLICTS, stats.conflicts);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_EVICTIONS, stats.evictions);
    lk_stats_set(runtime->scope, LK_LANE_PROCESS_ASSOC_REFUSED, stats.refused);
}

static void on_sweep(struct lk_timer *timer)
{
    struct lk_lane_runtime *runtime = LK_CONTAINER_OF(timer, struct lk_lane_runtime, sweep);

    lk_association_sweep(runtime->association, lk_loop_now_ms(runtime->loop));
    show_association(runtime);
    lk_timer_set(runtime->loop, timer, SWEEP_MS);
}

static void on_prune(struct lk_timer *timer)
{
    struct lk_lane_runtime *runtime = LK_CONTAINER_OF(timer, struct lk_lane_runtime, prune);

    lk_budgets_prune(runtime->budgets, lk_loop_now_ms(runtime->loop));
    lk_guards_prune(runtime->guards, runtime->table_revision);
    lk_timer_set(runtime->loop, timer, LK_BUDGET_KEEP_MS);
}

static void on_tripped(void *arg, struct lk_str lane, const struct lk_guard_verdict *verdict)
{
    struct lk_lane_runtime *runtime = arg;
    char text[LK_GUARD_TEXT_MAX];
    struct lk_lane_scopes *scopes = lk_lane_scopes_new(runtime->names, &lane, 1);

    lk_lane_count(scopes, 0, LK_LANE_STAT_GUARD_TRIPPED);
    lk_lane_scopes_free(scopes);
    lk_guard_verdict_text(verdict, text);
    LK_LOG(LANE, WARN, "lane %.*s gets no new requests from here, its guard has tripped: %s", LK_STR_ARG(lane), text);
}

static void on_judge(struct lk_timer *timer)
{
    struct lk_lane_runtime *runtime = LK_CONTAINER_OF(timer, struct lk_lane_runtime, judge);

    lk_guards_evaluate(runtime->guards, lk_loop_now_ms(runtime->loop), on_tripped, runtime);
    lk_timer_set(runtime->loop, timer, LK_GUARD_PERIOD_MS);
}

static void start_timers(struct lk_lane_runtime *runtime)
{
    lk_timer_init(&runtime->sweep, on_sweep);
    lk_timer_init(&runtime->prune, on_prune);
    lk_timer_init(&runtime->judge, on_judge);
    if (runtime->loop == NULL)
        return;
    lk_timer_set(runtime->loop, &runtime->sweep, SWEEP_MS);
    lk_timer_set(runtime->loop, &runtime->prune, LK_BUDGET_KEEP_MS);
    lk_timer_set(runtime->loop, &runtime->judge, LK_GUARD_PERIOD_MS);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct making {
    struct lk_filter_context *context;
    const struct lk_lane_process_options *options;
};

void lk_lane_runtime_changed(struct lk_lane_runtime *runtime)
{
    static uint64_t changes;

    runtime->change = ++changes;
}

static struct lk_lane_runtime *build(const struct lk_lane_process_options *options, struct lk_stats *stats,
                                     unsigned threads)
{
    struct lk_lane_runtime *runtime = lk_calloc(1, sizeof(*runtime));

    runtime->options = *options;
    runtime->stats = stats;
    runtime->scope = lk_stats_scope_ref(stats, &block, LK_STR("lane."));
    runtime->association = lk_association_new(&options->association);
    runtime->budgets = lk_budgets_new(threads);
    runtime->guards = lk_guards_new(threads);
    runtime->names = lk_lane_names_new(stats, options->stat_names);
    runtime->unnamed = lk_lane_scopes_new(runtime->names, NULL, 0);
    runtime->ids = lk_lane_ids_new();
    lk_list_init(&runtime->filters);
    lk_list_init(&runtime->sources);
    lk_lane_runtime_changed(runtime);
    return runtime;
}

static void demolish(struct lk_lane_runtime *runtime)
{
    lk_association_free(runtime->association);
    lk_budgets_free(runtime->budgets);
    lk_guards_free(runtime->guards);
    lk_lane_scopes_free(runtime->unnamed);
    lk_lane_names_free(runtime->names);
    lk_lane_ids_free(runtime->ids);
    lk_stats_scope_unref(runtime->scope);
    lk_free(runtime);
}

static void *make(void *arg)
{
    const struct making *making = arg;
    struct lk_filter_context *context = making->context;
    struct lk_lane_runtime *runtime = build(making->options, context->stats, context->worker_count + 1);

    runtime->loop = context->validate_only ? NULL : context->main_loop;
    start_timers(runtime);
    runtime->gauges = lk_lane_gauges_new(runtime, 0);
    return runtime;
}

static void drop(void *object)
{
    struct lk_lane_runtime *runtime = object;

    lk_timer_clear(&runtime->sweep);
    lk_timer_clear(&runtime->prune);
    lk_timer_clear(&runtime->judge);
    lk_lane_gauges_free(runtime->gauges);
    demolish(runtime);
}

struct lk_lane_runtime *lk_lane_runtime_find(void)
{
    return lk_shared_find(KEY);
}

/* --- for dry runs ------------------------------------------------------------------------------------------------- */

static void copy_count(_Atomic uint32_t *to, const _Atomic uint32_t *from)
{
    atomic_init(to, atomic_load_explicit(from, memory_order_relaxed));
}

struct lk_lane_runtime *lk_lane_runtime_new_dry(const struct lk_lane_runtime *real)
{
    const struct lk_lane_process_options options = {.association = {.capacity = 64}, .stat_names = LK_LANES_MAX + 1};
    unsigned threads = lk_stats_thread + 1;
    struct lk_lane_runtime *runtime = build(&options, lk_stats_new(threads), threads);

    copy_count(&runtime->in_flight.marked, &real->in_flight.marked);
    copy_count(&runtime->in_flight.unmarked, &real->in_flight.unmarked);
    copy_count(&runtime->in_flight.probes, &real->in_flight.probes);
    return runtime;
}

void lk_lane_runtime_free_dry(struct lk_lane_runtime *runtime)
{
    struct lk_stats *stats = runtime->stats;

    demolish(runtime);
    lk_stats_free(stats);
}

/* --- the process's ------------------------------------------------------------------------------------------------ */

static void agree(struct lk_errors *errors, const char *field, uint64_t in_force, uint64_t wanted)
{
    if (in_force != wanted)
        lk_errors_add_at(errors, field,
                         "is for the whole process: %llu, but another lane filter says %llu; expected the same in all",
                         (unsigned long long)wanted, (unsigned long long)in_force);
}

struct lk_lane_runtime *lk_lane_runtime_ref(struct lk_filter_context *context,
                                            const struct lk_lane_process_options *options, struct lk_errors *errors)
{
    struct making making = {context, options};
    struct lk_lane_runtime *runtime = lk_shared_ref(KEY, make, &making, drop);
    const struct lk_association_options *own = &options->association, *all = &runtime->options.association;
    size_t before = errors->count;

    lk_arena_on_free(context->arena, lk_shared_unref, runtime);
    agree(errors, "association.capacity", all->capacity, own->capacity);
    agree(errors, "association.linger", all->linger_ms, own->linger_ms);
    agree(errors, "association.max_lifetime", all->max_lifetime_ms, own->max_lifetime_ms);
    agree(errors, "stats.max_names", runtime->options.stat_names, options->stat_names);
    return errors->count == before ? runtime : NULL;
}
