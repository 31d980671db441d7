/* Tables made ready for requests: what is attached to them, and files of them that go bad and good again. */
#include "proxy/lane/lane_tables.h"

#include "test/unit/proxy/lane/process_fixture.h"

static const struct lk_lane_process_options options = {
    .association = {.capacity = 1024, .linger_ms = 1000, .max_lifetime_ms = 60000}, .stat_names = 256};

static struct lk_lane_tables *ref(struct process *p, const struct lk_lane_filter_config *config)
{
    struct lk_filter_context *context = context_begin(p);
    struct lk_lane_runtime *runtime = lk_lane_runtime_ref(context, &options, &p->errors);

    LK_CHECK_NOT_NULL(runtime);
    return lk_lane_tables_ref(context, runtime, config, load_table, &p->errors);
}

static struct lk_lane_filter_config of_file(const struct process *p)
{
    struct lk_lane_filter_config config = default_config();

    config.table_path = lk_str_from(p->path);
    return config;
}

static const struct lk_lane_table *in_force(const struct lk_lane_tables *tables)
{
    struct lk_lane_source_info info;

    lk_lane_source_info(tables->source, &info);
    return info.table;
}

/* --- attachments -------------------------------------------------------------------------------------------------- */

LK_TEST(lane_tables, what_requests_need_is_attached)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();
    struct lk_lane_tables *tables;
    const struct lk_lane_attachment *attachment;
    const struct lk_lane_table *table;

    process_init(&p);
    config.inline_table = make_table(7, "x-version");
    tables = ref(&p, &config);
    LK_CHECK_NOT_NULL(tables);
    table = in_force(tables);
    LK_CHECK_EQ_PTR(table, config.inline_table);
    attachment = lk_lane_attachment(table);
    LK_CHECK(lk_header_set_has(&attachment->emit_names, lk_header_id_of(LK_STR("x-version")), LK_STR("x-version")));
    LK_CHECK(lk_header_set_has(&attachment->secrets, lk_header_id_of(LK_STR("x-let-me")), LK_STR("x-let-me")));
    LK_CHECK_EQ_UINT(attachment->guard_count, 1);
    LK_CHECK_NOT_NULL(attachment->lanes[1].guard);
    LK_CHECK_NULL(attachment->lanes[3].guard);
    LK_CHECK_EQ_UINT(attachment->lanes[0].id, LK_LANE_ID_NONE);
    LK_CHECK_LKSTR(lk_lane_ids_name(tables->runtime->ids, attachment->lanes[3].id), "shadow-s");
    lk_lane_count(attachment->scopes, 1, LK_LANE_STAT_RQ_IN);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.g.rq_in"), 1);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_info.revision"), 7);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_info.hash"), 7 * 31);
    LK_CHECK_EQ_UINT(tables->runtime->table_revision, 7);
    context_end(p.context.arena); /* scopes and guards go, though the table stays */
    LK_CHECK_NULL(config.inline_table->attachment);
    lk_lane_table_unref(config.inline_table);
    process_fini(&p);
}

LK_TEST(lane_tables, without_any_there_is_none)
{
    const struct lk_lane_filter_config config = default_config();
    struct process p;
    struct lk_lane_tables *tables;

    process_init(&p);
    tables = ref(&p, &config);
    LK_CHECK_NOT_NULL(tables);
    LK_CHECK_NULL(in_force(tables));
    LK_CHECK_NULL(lk_lane_attachment(NULL));
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, header_that_carries_the_mark_is_refused_where_marks_are_read)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();

    process_init(&p);
    config.inline_table = make_table(1, "x-lane");
    LK_CHECK_NULL(ref(&p, &config));
    expect_error(&p, 0, "inline.lanes[0].emit_headers[\"x-lane\"]", "carries the mark itself");
    forget_errors(&p);
    context_end(p.context.arena);
    config.connections = true; /* TCP: nobody reads one */
    LK_CHECK_NOT_NULL(ref(&p, &config));
    context_end(p.context.arena);
    lk_lane_table_unref(config.inline_table);
    process_fini(&p);
}

LK_TEST(lane_tables, carriers_that_cannot_be_are_refused)
{
    static const struct lk_str twice[] = {LK_STR_INIT("x-a"), LK_STR_INIT("x-a")};
    struct process p;
    struct lk_lane_filter_config config;

    process_init(&p);
    config = of_file(&p);
    config.carriers.aliases = twice;
    config.carriers.alias_count = 2;
    put_table(&p, "1");
    LK_CHECK_NULL(ref(&p, &config));
    expect_error(&p, 0, "carriers.aliases[1]", "named twice");
    context_end(p.context.arena);
    process_fini(&p);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

LK_TEST(lane_tables, file_that_goes_bad_and_good_again)
{
    struct process p;
    struct lk_lane_filter_config config;
    struct lk_lane_tables *tables;

    process_init(&p);
    config = of_file(&p);
    put_table(&p, "1");
    tables = ref(&p, &config);
    LK_CHECK_EQ_UINT(in_force(tables)->revision, 1);
    put_table(&p, "garbage");
    TURN_UNTIL(p.loop, stat_of(&p, "lane.table_refused") == 1);
    LK_CHECK_EQ_UINT(in_force(tables)->revision, 1);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_info.revision"), 1);
    put_table(&p, "2 baggage"); /* reads well, and cannot be used here */
    TURN_UNTIL(p.loop, stat_of(&p, "lane.table_refused") == 2);
    LK_CHECK_EQ_UINT(in_force(tables)->revision, 1);
    put_table(&p, "3");
    TURN_UNTIL(p.loop, stat_of(&p, "lane.table_info.revision") == 3);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_accepted"), 2);
    LK_CHECK_NOT_NULL(lk_lane_attachment(in_force(tables)));
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, bad_file_at_the_start_leaves_no_lanes_until_a_good_one_comes)
{
    struct process p;
    struct lk_lane_filter_config config;
    struct lk_lane_tables *tables;

    process_init(&p);
    config = of_file(&p);
    put_table(&p, "garbage");
    tables = ref(&p, &config);
    LK_CHECK_NOT_NULL(tables);
    LK_CHECK_NULL(in_force(tables));
    LK_CHECK_EQ_INT(lk_lane_table_resolve(in_force(tables), LK_STR("shadow-s"), 5).outcome, LK_LANE_REFUSE_SHADOW);
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_refused"), 1);
    put_table(&p, "4");
    TURN_UNTIL(p.loop, in_force(tables) != NULL);
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, folder_that_is_not_there_is_a_mistake)
{
    struct process p;
    struct lk_lane_filter_config config;

    process_init(&p);
    config = default_config();
    config.table_path = LK_STR("/nowhere/at/all.yaml");
    LK_CHECK_NULL(ref(&p, &config));
    expect_error(&p, 0, "table_source", "/nowhere");
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, while_only_checking_no_file_is_opened)
{
    struct process p;
    struct lk_lane_filter_config config = default_config();
    struct lk_filter_context *context;
    struct lk_lane_runtime *runtime;

    process_init(&p);
    config.table_path = LK_STR("/nowhere/at/all.yaml");
    context = context_begin(&p);
    context->validate_only = true;
    runtime = lk_lane_runtime_ref(context, &options, &p.errors);
    LK_CHECK_NOT_NULL(lk_lane_tables_ref(context, runtime, &config, load_table, &p.errors));
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, filters_of_one_file_share_what_they_read_alike)
{
    struct process p;
    struct lk_lane_filter_config config, other;
    struct lk_lane_tables *tables;
    struct lk_arena *arenas[4];

    process_init(&p);
    config = other = of_file(&p);
    put_table(&p, "1");
    tables = ref(&p, &config);
    arenas[0] = p.context.arena;
    LK_CHECK_EQ_PTR(ref(&p, &config), tables);
    arenas[1] = p.context.arena;
    LK_CHECK_EQ_UINT(stat_of(&p, "lane.table_accepted"), 1); /* read once */
    other.carriers.header = LK_STR("x-other");
    LK_CHECK(ref(&p, &other) != tables);
    arenas[2] = p.context.arena;
    other = config;
    other.connections = true;
    LK_CHECK(ref(&p, &other) != tables);
    arenas[3] = p.context.arena;
    context_end(arenas[0]); /* the others do not need it */
    put_table(&p, "2");
    TURN_UNTIL(p.loop, in_force(tables)->revision == 2);
    for (size_t i = 1; i < LK_ARRAY_LEN(arenas); i++)
        context_end(arenas[i]);
    process_fini(&p);
}

LK_TEST(lane_tables, kill_switch_and_expiry_are_of_the_table_in_force)
{
    struct process p;
    struct lk_lane_filter_config config;
    struct lk_lane_tables *tables;
    const struct lk_lane_table *table;

    process_init(&p);
    config = of_file(&p);
    put_table(&p, "1");
    tables = ref(&p, &config);
    table = in_force(tables);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("g"), LATER).outcome, LK_LANE_SERVE);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("old"), LATER).standing, LK_LANE_IS_EXPIRED);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("old"), LATER).outcome, LK_LANE_SERVE_BASE);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("shadow-s"), LATER).outcome, LK_LANE_SERVE);
    put_table(&p, "1off");
    TURN_UNTIL(p.loop, !in_force(tables)->enabled);
    table = in_force(tables);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("g"), LATER).standing, LK_LANE_IS_TABLE_OFF);
    LK_CHECK_EQ_INT(lk_lane_table_resolve(table, LK_STR("shadow-s"), LATER).outcome, LK_LANE_REFUSE_SHADOW);
    put_table(&p, "2");
    TURN_UNTIL(p.loop, in_force(tables)->enabled);
    context_end(p.context.arena);
    process_fini(&p);
}

LK_TEST(lane_tables, guard_keeps_its_verdict_until_a_higher_revision)
{
    struct process p;
    struct lk_lane_filter_config config;
    struct lk_lane_tables *tables;
    struct lk_guard *guard;

    process_init(&p);
    config = of_file(&p);
    put_table(&p, "5");
    tables = ref(&p, &config);
    guard = lk_lane_attachment(in_force(tables))->lanes[1].guard;
    for (unsigned i = 0; i < 10; i++) {
        lk_guard_record(guard, LK_GUARD_LANE, 5, true, 1000);
        lk_guard_record(guard, LK_GUARD_BASE, 5, false, 1000);
    }
    TURN_UNTIL(p.loop, lk_guard_is_tripped(guard, 5));
    put_table(&p, "5off");
    TURN_UNTIL(p.loop, !in_force(tables)->enabled);
    LK_CHECK(lk_guard_is_tripped(lk_lane_attachment(in_force(tables))->lanes[1].guard, 5));
    put_table(&p, "6");
    TURN_UNTIL(p.loop, in_force(tables)->revision == 6);
    LK_CHECK(!lk_guard_is_tripped(lk_lane_attachment(in_force(tables))->lanes[1].guard, 6));
    context_end(p.context.arena);
    process_fini(&p);
}
