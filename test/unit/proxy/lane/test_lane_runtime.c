/* What all lane filters of a process share: made once, kept while any needs it, tended by timers; who differs is told.
 */
#include "proxy/lane/lane_runtime.h"

#include "test/unit/proxy/lane/process_fixture.h"

static const struct lk_lane_process_options options = {
    .association = {.capacity = 1024, .linger_ms = 1000, .max_lifetime_ms = 60000}, .stat_names = 2};

static struct lk_lane_runtime *ref(struct process *p, const struct lk_lane_process_options *wanted)
{
    return lk_lane_runtime_ref(context_begin(p), wanted, &p->errors);
}

LK_TEST(lane_runtime, is_one_for_all_filters_and_lives_as_long_as_any)
{
    struct process p;
    struct lk_arena *first;
    struct lk_lane_runtime *runtime;

    process_init(&p);
    runtime = ref(&p, &options);
    first = p.context.arena;
    LK_CHECK_NOT_NULL(runtime);
    LK_CHECK_EQ_PTR(ref(&p, &options), runtime);
    lk_association_insert(runtime->association, 0, LK_STR("id"), 1, lk_loop_now_ms(p.loop));
    context_end(first); /* the listener's old version */
    LK_CHECK_EQ_UINT(lk_association_size(runtime->association), 1);
    context_end(p.context.arena);
    runtime = ref(&p, &options); /* later: another one */
    LK_CHECK_EQ_UINT(lk_association_size(runtime->association), 0);
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_runtime, each_difference_of_another_filter_is_named_and_the_first_holds)
{
    static const struct {
        struct lk_lane_process_options options;
        const char *path, *figure;
    } cases[] = {
        {{{.capacity = 2048, .linger_ms = 1000, .max_lifetime_ms = 60000}, 2}, "association.capacity", "2048"},
        {{{.capacity = 1024, .linger_ms = 1, .max_lifetime_ms = 60000}, 2}, "association.linger", "1000"},
        {{{.capacity = 1024, .linger_ms = 1000, .max_lifetime_ms = 7}, 2}, "association.max_lifetime", "60000"},
        {{{.capacity = 1024, .linger_ms = 1000, .max_lifetime_ms = 60000}, 3}, "stats.max_names", "3"},
    };
    const struct lk_lane_process_options all = {{.capacity = 1, .linger_ms = 2, .max_lifetime_ms = 3}, 4};
    struct process p;
    struct lk_arena *first;

    process_init(&p);
    LK_CHECK_NOT_NULL(ref(&p, &options));
    first = p.context.arena;
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        LK_CHECK_NULL(ref(&p, &cases[i].options));
        LK_CHECK_EQ_UINT(p.errors.count, 1);
        expect_error(&p, 0, cases[i].path, cases[i].figure);
        expect_error(&p, 0, cases[i].path, "for the whole process");
        forget_errors(&p);
        context_end(p.context.arena);
    }
    LK_CHECK_NULL(ref(&p, &all));
    LK_CHECK_EQ_UINT(p.errors.count, LK_ARRAY_LEN(cases)); /* in one go */
    context_end(p.context.arena);
    forget_errors(&p);
    LK_CHECK_NOT_NULL(ref(&p, &options));
    context_end(p.context.arena);
    context_end(first);
    process_fini(&p);
}

LK_TEST(lane_runtime, what_it_refused_may_be_wanted_once_nobody_else_is_left)
{
    const struct lk_lane_process_options other = {{.capacity = 64}, 2};
    struct process p;
    struct lk_arena *first;

    process_init(&p);
    LK_CHECK_NOT_NULL(ref(&p, &options));
    first = p.context.arena;
    LK_CHECK_NULL(ref(&p, &other));
    context_end(p.context.arena);
    context_end(first);
    forget_errors(&p);
    LK_CHECK_NOT_NULL(ref(&p, &other));
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_runtime, its_timers_forget_ids_and_show_the_memory)
{
    const struct lk_lane_process_options brief = {{.capacity = 1024, .linger_ms = 1, .max_lifetime_ms = 60000}, 2};
    struct process p;
    struct lk_lane_runtime *runtime;
    uint64_t handle;
    uint32_t value;

    process_init(&p);
    runtime = ref(&p, &brief);
    handle = lk_association_insert(runtime->association, 0, LK_STR("id"), 5, lk_loop_now_ms(p.loop));
    LK_CHECK_EQ_INT(lk_association_lookup(runtime->association, 0, LK_STR("id"), lk_loop_now_ms(p.loop), &value),
                    LK_ASSOCIATION_HIT);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.assoc.size"), 0); /* shown once a second */
    TURN_UNTIL(p.loop, stat_of(&p, "lane.assoc.size") == 1);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.assoc.hits"), 1);
    lk_association_release(runtime->association, handle, lk_loop_now_ms(p.loop));
    TURN_UNTIL(p.loop, stat_of(&p, "lane.assoc.size") == 0);
    LK_CHECK_EQ_UINT(lk_association_size(runtime->association), 0);
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_runtime, a_guard_that_trips_is_counted_under_its_lanes_name)
{
    const struct lk_guard_config config = {.max_5xx_delta = 0.1, .min_requests = 2, .window_ms = 1000};
    struct process p;
    struct lk_lane_runtime *runtime;
    struct lk_guard *guard;

    process_init(&p);
    runtime = ref(&p, &options);
    guard = lk_guard_arm(runtime->guards, LK_STR("g"), 1, &config, lk_loop_now_ms(p.loop));
    for (unsigned i = 0; i < 10; i++) {
        lk_guard_record(guard, LK_GUARD_LANE, 1, true, 1000);
        lk_guard_record(guard, LK_GUARD_BASE, 1, false, 1000);
    }
    TURN_UNTIL(p.loop, stat_of(&p, "lane.g.guard_tripped") == 1);
    LK_CHECK(lk_guard_is_tripped(guard, 1));
    lk_guard_unref(guard);
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_runtime, while_a_configuration_is_only_checked_nothing_is_tended)
{
    struct process p;
    struct lk_filter_context *context;
    struct lk_lane_runtime *runtime;

    process_init(&p);
    context = context_begin(&p);
    context->validate_only = true;
    context->main_loop = NULL;
    runtime = lk_lane_runtime_ref(context, &options, &p.errors);
    LK_CHECK_NOT_NULL(runtime);
    LK_CHECK_NULL(runtime->loop);
    LK_CHECK(!lk_timer_armed(&runtime->sweep) && !lk_timer_armed(&runtime->prune) && !lk_timer_armed(&runtime->judge));
    context_end(p.context.arena);
    process_fini(&p);
}
