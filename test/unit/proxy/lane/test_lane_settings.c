/* A lane filter's configuration, compiled: the pod's lane, which steps are taken, and what is refused, all at once. */
#include "proxy/lane/lane_settings.h"

#include "proxy/config/bootstrap_config.h"
#include "test/unit/proxy/lane/process_fixture.h"

static const struct lk_lane_settings *compile(struct process *p, const struct lk_lane_filter_config *config)
{
    return lk_lane_settings_new(context_begin(p), config, load_table, &p->errors);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static const struct {
    bool entry, connections;
    enum lk_traffic_direction direction;
    bool inbound, outbound;
} steps[] = {
    {false, false, LK_DIRECTION_INBOUND, true, false},    {false, false, LK_DIRECTION_OUTBOUND, false, true},
    {false, false, LK_DIRECTION_UNSPECIFIED, true, true}, {true, false, LK_DIRECTION_INBOUND, true, true},
    {true, false, LK_DIRECTION_OUTBOUND, true, true},     {true, false, LK_DIRECTION_UNSPECIFIED, true, true},
    {false, true, LK_DIRECTION_OUTBOUND, false, true},    {false, true, LK_DIRECTION_UNSPECIFIED, false, true},
};

LK_TEST(lane_settings, role_and_direction_say_which_steps_are_taken)
{
    struct process p;

    process_init(&p);
    for (size_t i = 0; i < LK_ARRAY_LEN(steps); i++) {
        struct lk_lane_filter_config config = default_config();
        const struct lk_lane_settings *settings;
        struct lk_filter_context *context = context_begin(&p);

        config.entry = steps[i].entry;
        config.connections = steps[i].connections;
        context->direction = steps[i].direction;
        settings = lk_lane_settings_new(context, &config, load_table, &p.errors);
        LK_CHECK_NOT_NULL(settings);
        LK_CHECK_MSG(settings->inbound == steps[i].inbound && settings->outbound == steps[i].outbound, "row %zu", i);
        LK_CHECK_EQ_INT(settings->role, steps[i].entry ? LK_LANE_ENTRY : LK_LANE_SIDECAR);
        context_end(context->arena);
    }
    process_fini(&p);
}

LK_TEST(lane_settings, headers_are_compiled_where_there_are_any)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();
    const struct lk_lane_settings *settings;

    process_init(&p);
    settings = compile(&p, &config);
    LK_CHECK_LKSTR(settings->served_header.name, "x-lane-served");
    LK_CHECK_EQ_UINT(settings->association_header.name.len, 0);
    LK_CHECK_EQ_PTR(settings->carriers, &settings->tables->carriers);
    context_end(p.context.arena);
    config.served_header = LK_STR("");
    config.association.header = LK_STR("x-chain");
    settings = compile(&p, &config);
    LK_CHECK_EQ_UINT(settings->served_header.name.len, 0);
    LK_CHECK_LKSTR(settings->association_header.name, "x-chain");
    context_end(p.context.arena);
    process_fini(&p);
}

/* --- the pod's lane ----------------------------------------------------------------------------------------------- */

/* Where the lane of a pod is told; NULL: not there. bad: it is refused, with these words. */
static const struct {
    const char *config, *metadata, *environment;
    bool off;
    const char *lane, *bad;
    bool shadow;
} pods[] = {
    {NULL, NULL, NULL, false, "", NULL, false},
    {NULL, NULL, "env", false, "env", NULL, false},
    {NULL, "meta", "env", false, "meta", NULL, false},
    {"own", "meta", "env", false, "own", NULL, false},
    {"shadow-s", "meta", NULL, false, "shadow-s", NULL, true},
    {NULL, NULL, "shadow-e", false, "shadow-e", NULL, true},
    {"base", "meta", "env", false, "", NULL, false},
    {NULL, "base", "env", false, "", NULL, false},
    {NULL, NULL, "", false, "", NULL, false},
    {"own", "meta", "env", true, "", NULL, false},
    {"Own", NULL, NULL, false, NULL, "pod_lane.lane is no name of a lane", false},
    {NULL, "No_Lane", "env", false, NULL, "LANE in node.metadata is no name of a lane", false},
    {NULL, NULL, "a b", false, NULL, "the environment variable LANE is no name of a lane", false},
    {NULL, NULL, "-x", true, NULL, "the environment variable LANE is no name of a lane", false},
};

LK_TEST(lane_settings, the_pods_lane_is_the_first_that_is_told)
{
    struct process p;

    process_init(&p);
    for (size_t i = 0; i < LK_ARRAY_LEN(pods); i++) {
        const struct lk_value told = {
            .kind = LK_VALUE_TEXT, .name = LK_STR("LANE"), .text = lk_str_from(pods[i].metadata)};
        const struct lk_metadata metadata = {{.kind = LK_VALUE_OBJECT, .children = &told, .child_count = 1}};
        const struct lk_bootstrap_config bootstrap = {
            .node = {.metadata = pods[i].metadata != NULL ? &metadata : NULL}};
        struct lk_lane_filter_config config = default_config();
        struct lk_filter_context *context = context_begin(&p);
        const struct lk_lane_settings *settings;

        LK_CHECK_EQ_INT(pods[i].environment != NULL ? setenv("LANE", pods[i].environment, 1) : unsetenv("LANE"), 0);
        config.pod.lane = lk_str_from(pods[i].config);
        config.pod.enabled = !pods[i].off;
        context->bootstrap = &bootstrap;
        settings = lk_lane_settings_new(context, &config, load_table, &p.errors);
        LK_CHECK_MSG((settings == NULL) == (pods[i].bad != NULL), "row %zu", i);
        if (settings == NULL) {
            expect_error(&p, 0, "pod_lane", pods[i].bad);
            forget_errors(&p);
        } else {
            LK_CHECK_LKSTR(settings->pod_lane.len > 0 ? settings->pod_lane : LK_STR(""), pods[i].lane);
            LK_CHECK_EQ_INT(settings->pod_is_shadow, pods[i].shadow);
        }
        context_end(context->arena);
    }
    unsetenv("LANE");
    process_fini(&p);
}

LK_TEST(lane_settings, what_is_no_text_in_node_metadata_is_no_lane)
{
    const struct lk_value told = {.kind = LK_VALUE_BOOL, .name = LK_STR("LANE"), .boolean = true};
    const struct lk_metadata metadata = {{.kind = LK_VALUE_OBJECT, .children = &told, .child_count = 1}};
    const struct lk_bootstrap_config bootstrap = {.node = {.metadata = &metadata}};
    struct lk_lane_filter_config config = default_config();
    struct process p;

    process_init(&p);
    context_begin(&p)->bootstrap = &bootstrap;
    LK_CHECK_NULL(lk_lane_settings_new(&p.context, &config, load_table, &p.errors));
    expect_error(&p, 0, "pod_lane", "LANE in node.metadata");
    context_end(p.context.arena);
    process_fini(&p);
}

/* --- mistakes ----------------------------------------------------------------------------------------------------- */

LK_TEST(lane_settings, all_mistakes_are_told_at_once)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();
    struct lk_arena *first;

    process_init(&p);
    LK_CHECK_NOT_NULL(compile(&p, &config));
    first = p.context.arena;
    config.pod.lane = LK_STR("No_Lane");
    config.association.linger_ms = 5;
    config.stat_names = 9;
    LK_CHECK_NULL(compile(&p, &config));
    LK_CHECK_EQ_UINT(p.errors.count, 3);
    expect_error(&p, 0, "pod_lane", "is no name of a lane");
    expect_error(&p, 1, "association.linger", "for the whole process");
    expect_error(&p, 2, "stats.max_names", "for the whole process");
    context_end(p.context.arena);
    context_end(first);
    process_fini(&p);
}

LK_TEST(lane_settings, mistakes_of_the_table_are_told_too)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();

    process_init(&p);
    config.inline_table = make_table(1, "baggage");
    LK_CHECK_NULL(compile(&p, &config));
    expect_error(&p, 0, "inline.lanes[0].emit_headers[\"baggage\"]", "carries the mark");
    context_end(p.context.arena);
    lk_lane_table_unref(config.inline_table);
    process_fini(&p);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

LK_TEST(lane_settings, workers_see_each_new_table)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();
    const struct lk_lane_settings *settings;
    struct lk_lane_worker *worker;

    process_init(&p);
    config.table_path = lk_str_from(p.path);
    put_table(&p, "1");
    settings = compile(&p, &config);
    worker = lk_lane_worker_new(settings);
    LK_CHECK_EQ_PTR(worker->settings, settings);
    LK_CHECK_EQ_UINT(lk_lane_reader_get(&worker->reader)->revision, 1);
    put_table(&p, "2");
    TURN_UNTIL(p.loop, lk_lane_reader_get(&worker->reader)->revision == 2);
    lk_lane_worker_free(worker);
    context_end(p.context.arena);
    process_fini(&p);
}
