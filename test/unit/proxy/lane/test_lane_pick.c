/* The truth table of one hop: what serves a request of each kind of lane over each kind of endpoints. */
#include "test/unit/proxy/lane/pick_fixture.h"

/* --- gray lanes -----------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick, gray_lane_is_served_by_its_own_else_by_parents_else_by_base)
{
    static const struct pick_case cases[] = {
        {"lane=g,-", "g", "g ok a"},
        {"lane=g,lane=g,-", "g", "g ok ab"},
        {"lane=h,-", "g", "base absent b"},
        {"lane=g!,-", "g", "base unhealthy b"},
        {"lane=g~,-", "g", "g ok a"},          /* degraded is fit */
        {"lane=g!,lane=g@1,-", "g", "g ok b"}, /* any priority */
        {"lane=g,-", "k", "base absent b"},
        {"lane=p,-", "k", "p absent a"},
        {"lane=k!,lane=p,-", "k", "p unhealthy b"},
        {"lane=k!,lane=p!,-", "k", "base unhealthy c"},
        {"lane=p!,-", "k", "base absent b"}, /* the first reason is told */
        {"lane=g|h,-", "h", "h ok a"},
        {"lane=g|h,-", "g", "g ok a"},
        {"lane=h", "g", "none absent"},
        {"lane=g!,lane=h", "g", "none unhealthy"},
        {"lane=g!,-!", "g", "base unhealthy -"}, /* base is there, and not fit */
        {"", "g", "base absent -"},
        {"-,-", "g", "base absent ab"},
    };
    CHECK_CASES(cases, (void)0)
}

LK_TEST(lane_pick, panic_is_off_in_a_lane_and_stays_on_in_base)
{
    static const struct pick_case cases[] = {
        {"lane=g!,lane=g,lane=g!,-", "g", "g ok b"},
        {"-,-!,-!,lane=g", "", "base ok abc"},
        {"-,-!,-!", "", "base ok abc"},
        {"-,-!,-!,lane=g!", "g", "base unhealthy abc"},
    };
    CHECK_CASES(cases, f.up->config.panic_percent = 50)
}

LK_TEST(lane_pick, share_of_healthy_endpoints_decides)
{
    static const struct pick_case cases[] = {
        {"lane=g,lane=g!,-", "g", "g ok a"},
        {"lane=g,lane=g!,lane=g!,-", "g", "base unhealthy d"},
        {"lane=g!,-", "g", "base unhealthy b"},
    };
    static const struct pick_case any[] = {{"lane=g!,-", "g", "base unhealthy b"}, {"lane=g,lane=g!,-", "g", "g ok a"}};
    CHECK_CASES(cases, f.lanes[G].min_healthy_percent = 50)
    CHECK_CASES(any, f.lanes[G].min_healthy_percent = 0)
}

LK_TEST(lane_pick, strict_lane_is_served_by_its_own_or_not_at_all)
{
    static const struct pick_case cases[] = {
        {"lane=t,-", "t", "t ok a"},
        {"-", "t", "503 strict"},
        {"lane=t!,-", "t", "503 strict"},
        {"", "t", "503 strict"},
    };
    CHECK_CASES(cases, (void)0)
    CHECK_CASES(cases, f.lanes[T].on_unhealthy = false)
}

LK_TEST(lane_pick, lane_that_may_not_be_left_is_refused_when_unhealthy_and_free_when_absent)
{
    static const struct pick_case cases[] = {
        {"lane=g!,-", "g", "503 unhealthy"},
        {"-", "g", "base absent a"},
    };
    CHECK_CASES(cases, f.lanes[G].on_unhealthy = false)
}

LK_TEST(lane_pick, marks_that_mean_no_lane_are_served_by_base)
{
    static const struct pick_case cases[] = {
        {"lane=d,-", "d", "base disabled b"}, {"lane=e,-", "e", "base disabled b"}, {"lane=z,-", "z", "base unknown b"},
        {"lane=z,-", "", "base ok b"},        {"lane=z,-", "base", "base ok b"},
    };
    static const struct pick_case off[] = {{"lane=g,-", "g", "base disabled b"}, {"lane=t,-", "t", "base disabled b"}};
    static const struct pick_case none[] = {{"lane=g,-", "g", "base unknown b"}, {"lane=g,-", "", "base ok b"}};
    static const struct pick_case rejected[] = {{"lane=z,-", "z", "503 unknown"}, {"lane=d,-", "d", "base disabled b"}};
    CHECK_CASES(cases, (void)0)
    CHECK_CASES(off, f.table->enabled = false)
    CHECK_CASES(none, f.ask.table = NULL)
    CHECK_CASES(rejected, f.table->unknown = LK_LANE_UNKNOWN_REJECTED)
}

LK_TEST(lane_pick, health_found_by_checks_counts_as_configured_health_does)
{
    struct fixture f;
    struct lk_host_state *state;

    init(&f);
    set_hosts(&f, "lane=g,-");
    state = f.up->view->set->hosts[0]->state;
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    LK_CHECK(lk_host_flags_set(state, LK_HOST_EJECTED));
    atomic_fetch_add(&f.up->cluster->health_epoch, 1);
    LK_CHECK_STR(decide(&f, "g"), "base unhealthy b");
    LK_CHECK(lk_host_flags_clear(state, LK_HOST_EJECTED));
    LK_CHECK(lk_host_flags_set(state, LK_HOST_DEGRADED_CHECK));
    atomic_fetch_add(&f.up->cluster->health_epoch, 1);
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    fini(&f);
}

/* --- overrides ------------------------------------------------------------------------------------------------------
 */

static void override(struct fixture *f, struct lk_lane_service service)
{
    struct lk_lane_service *kept = lk_arena_zalloc(f->table->arena, sizeof(*kept));

    *kept = service;
    kept->name = LK_STR("upstream");
    lk_map_set(&f->table->services, kept->name, kept);
}

LK_TEST(lane_pick, service_override_replaces_mode_parent_and_target)
{
    static const struct pick_case strict[] = {{"-", "g", "503 strict"}, {"lane=g,-", "g", "g ok a"}};
    static const struct pick_case permissive[] = {{"-", "t", "base absent a"}};
    static const struct pick_case parent[] = {{"lane=h,-", "g", "h absent a"}, {"lane=p,lane=h,-", "k", "h absent b"}};
    static const struct pick_case target[] = {{"lane=g,lane=h,-", "g", "h ok b"}, {"lane=g,-", "g", "base absent b"}};
    static const struct pick_case base[] = {{"lane=g,-", "g", "base ok b"},
                                            {"lane=shadow-s,-", "shadow-s", "shadow-s ok a"}};
    CHECK_CASES(strict, override(&f, (struct lk_lane_service){.has_mode = true, .mode = LK_LANE_STRICT}))
    CHECK_CASES(permissive, override(&f, (struct lk_lane_service){.has_mode = true, .mode = LK_LANE_PERMISSIVE}))
    CHECK_CASES(parent, override(&f, (struct lk_lane_service){.has_parent = true, .parent = H}))
    CHECK_CASES(target, override(&f, (struct lk_lane_service){.has_target = true, .target = H}))
    CHECK_CASES(base, override(&f, (struct lk_lane_service){.has_target = true, .target = BASE}))
}

/* --- base -----------------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick, unmarked_request_is_never_served_by_a_lane)
{
    static const struct pick_case cases[] = {
        {"lane=g,-", "", "base ok b"},
        {"lane=g,lane=base", "", "base ok b"},
        {"lane=g,lane=base,-", "", "base ok bc"},
        {"lane=z,-", "", "base ok b"}, /* of a lane that the table does not know */
        {"lane=g|base,lane=g", "", "base ok a"},
        {"lane=g", "", "none absent"},
        {"lane=d", "", "none absent"},
    };
    CHECK_CASES(cases, (void)0)
}

LK_TEST(lane_pick, base_may_be_everybody_in_no_lane_of_the_table)
{
    static const struct pick_case cases[] = {
        {"lane=g,-,lane=v1,lane=base", "", "base ok bcd"},
        {"lane=d,lane=e,lane=v1", "", "base ok c"}, /* an aborted lane's pods do not slip into base */
        {"lane=v1|g,lane=v1", "", "base ok b"},
        {"lane=base|g,lane=v1", "", "base ok ab"},
        {"lane=shadow-unknown,lane=v1", "", "base ok b"},
        {"lane=g,lane=d", "", "none absent"},
        {"lane=h,lane=v1", "g", "base absent b"},
    };
    static const struct pick_case none[] = {{"lane=g,lane=shadow-s,-", "", "base ok ac"}};
    CHECK_CASES(cases, f.table->base_mode = LK_LANE_BASE_NOT_IN_ACTIVE_LANE)
    CHECK_CASES(none, f.ask.table = NULL; f.config.implies_not_in_active_lane = true)
}

LK_TEST(lane_pick, another_table_has_another_base)
{
    struct fixture f;

    init(&f);
    f.table->base_mode = LK_LANE_BASE_NOT_IN_ACTIVE_LANE;
    set_hosts(&f, "lane=g,lane=v1");
    LK_CHECK_STR(decide(&f, ""), "base ok b");
    lk_map_remove(&f.table->by_name, LK_STR("g"));
    f.table->hash++;
    LK_CHECK_STR(decide(&f, ""), "base ok ab");
    fini(&f);
}

LK_TEST(lane_pick, base_is_rescued_by_gray_lanes_only_where_the_table_says_so)
{
    static const struct pick_case cases[] = {
        {"lane=g", "", "g base_rescue a"},
        {"lane=h,lane=g", "", "g base_rescue b"},  /* in the order of the table */
        {"lane=h,lane=g!", "", "h base_rescue a"}, /* a healthy one first */
        {"lane=g!", "", "g base_rescue -"},
        {"lane=shadow-s", "", "none absent"},
        {"lane=d,lane=e,lane=z", "", "none absent"},
        {"lane=g,-!", "", "base ok -"}, /* there is a base endpoint */
        {"lane=h", "g", "none absent"}, /* the request has a mark */
    };
    static const struct pick_case off[] = {{"lane=g", "", "none absent"}};
    CHECK_CASES(cases, f.table->base_rescue = true)
    CHECK_CASES(cases, override(&f, (struct lk_lane_service){.base_rescue = true}))
    CHECK_CASES(off, f.table->base_rescue = true; f.table->enabled = false)
    CHECK_CASES(off, f.table->base_rescue = true; override(&f, (struct lk_lane_service){.base_rescue = false}))
}

/* --- membership -----------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick, revision_of_an_istio_workload_is_a_lane)
{
    static const struct lk_str path = LK_STR_INIT("workload");
    static const struct pick_case cases[] = {
        {"istio:workload=w;shop;w;g;c,istio:workload=w;shop;w;v1;c", "g", "g ok a"},
        {"istio:workload=w;shop;w;g;c,istio:workload=w;shop;w;v1;c", "", "base ok b"},
        {"istio:workload=w;shop;w;v1;c,istio:workload=g", "g", "base absent ab"},
        {"istio:workload=w;shop;w;d;c,istio:workload=w;shop;w;;c", "", "base ok b"},
    };
    CHECK_CASES(cases, f.config.metadata_namespace = LK_STR("istio"); f.config.path = &path; f.config.field = 4;
                f.config.implies_not_in_active_lane = true)
}

LK_TEST(lane_pick, lane_is_the_sibling_cluster_whose_subset_has_its_name)
{
    struct fixture f;
    struct lk_cluster_view *web;

    init(&f);
    f.config.subset_clusters = true;
    set_hosts(&f, "-");
    web = add_cluster(&f, "outbound|80||web", "-,lane=h");
    add_cluster(&f, "outbound|80|g|web", "-");
    LK_CHECK_STR(decide_in(&f, web, "g"), "g ok q");
    LK_CHECK_STR(decide_in(&f, web, "h"), "h ok r"); /* by label */
    LK_CHECK_STR(decide_in(&f, web, "p"), "base absent q");
    LK_CHECK_STR(decide_in(&f, web, "t"), "503 strict");
    LK_CHECK_STR(decide_in(&f, web, ""), "base ok q");
    LK_CHECK_STR(decide(&f, "g"), "base absent a"); /* "upstream" has no siblings */
    f.membership.subset_clusters = false;
    f.ask.budgets = NULL; /* which would remember that the lane was there */
    LK_CHECK_STR(decide_in(&f, web, "g"), "base absent q");
    fini(&f);
}

LK_TEST(lane_pick, sibling_is_chosen_with_its_cluster_health_and_breaker)
{
    struct fixture f;
    struct lk_cluster_view *web, *sibling;
    struct lk_lane_choice choice;

    init(&f);
    f.config.subset_clusters = true;
    set_hosts(&f, "-");
    web = add_cluster(&f, "outbound|80|v1|web", "-");
    sibling = add_cluster(&f, "outbound|80|g|web", "-");
    lk_lane_ask_mark(&f.ask, LK_STR("g"));
    choice = lk_lane_pick(&f.ask, web, NULL);
    LK_CHECK(choice.cluster == sibling);
    f.ask.overloaded = true; /* of the cluster asked */
    LK_CHECK_STR(decide_in(&f, web, "g"), "g ok q");
    sibling->cluster->breakers[0].limit[LK_RESOURCE_PENDING] = 1;
    lk_breaker_take(&sibling->cluster->breakers[0], LK_RESOURCE_PENDING);
    LK_CHECK_STR(decide_in(&f, web, "g"), "503 overload");
    f.ask.priority = 1;
    LK_CHECK_STR(decide_in(&f, web, "g"), "g ok q");
    lk_breaker_give(&sibling->cluster->breakers[0], LK_RESOURCE_PENDING);
    lk_cluster_set_hosts(sibling->cluster, lk_host_set_from_endpoints(sibling->cluster, make_endpoints(&f, "-!", 16)));
    upstream_turn(f.up, 2);
    LK_CHECK_STR(decide_in(&f, web, "g"), "base unhealthy q");
    fini(&f);
}

LK_TEST(lane_pick, cluster_without_known_hosts_is_base)
{
    static const struct {
        const char *mark, *reason;
        bool refused;
    } cases[] = {{"", "ok", false},
                 {"g", "absent", false},
                 {"d", "disabled", false},
                 {"t", "strict", true},
                 {"shadow-s", "shadow_refused", true}};
    struct fixture f;

    init(&f);
    f.up->config.type = LK_CLUSTER_ORIGINAL_DST;
    lk_lane_membership_init(&f.membership, &f.config);
    upstream_start(f.up);
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        lk_lane_ask_mark(&f.ask, lk_str_from(cases[i].mark));
        struct lk_lane_choice choice = lk_lane_pick(&f.ask, f.up->view, NULL);
        LK_CHECK_STR(lk_lane_reason_name(choice.reason), cases[i].reason);
        LK_CHECK_EQ_INT(choice.refused, cases[i].refused);
        LK_CHECK_EQ_INT(choice.whole, !cases[i].refused);
        LK_CHECK_LKSTR(choice.served, cases[i].refused ? "" : "base");
    }
    fini(&f);
}

/* --- the recorder ---------------------------------------------------------------------------------------------------
 */

struct recorder {
    struct lk_lane_pick_recorder base;
    char text[512];
    size_t len;
};

static void record(struct lk_lane_pick_recorder *base, struct lk_str lane, uint32_t hosts, uint32_t healthy,
                   enum lk_lane_reason reason)
{
    struct recorder *recorder = LK_CONTAINER_OF(base, struct recorder, base);

    recorder->len += (size_t)snprintf(recorder->text + recorder->len, sizeof(recorder->text) - recorder->len,
                                      "%.*s %u/%u %s;", LK_STR_ARG(lane), healthy, hosts, lk_lane_reason_name(reason));
}

static const char *recorded(struct fixture *f, const char *mark)
{
    static struct recorder recorder;

    memset(&recorder, 0, sizeof(recorder));
    recorder.base.on_lane = record;
    f->ask.now_ms = f->now_ms;
    lk_lane_ask_mark(&f->ask, lk_str_from(mark));
    lk_lane_pick(&f->ask, f->up->view, &recorder.base);
    return recorder.text;
}

LK_TEST(lane_pick, recorder_hears_of_every_lane_of_the_chain)
{
    struct fixture f;

    init(&f);
    f.ask.budgets = NULL;
    set_hosts(&f, "lane=k!,lane=k!,lane=g,-,shadow_ok=true!");
    LK_CHECK_STR(recorded(&f, "k"), "k 0/2 unhealthy;p 0/0 absent;base 1/2 ok;");
    LK_CHECK_STR(recorded(&f, "g"), "g 1/1 ok;");
    LK_CHECK_STR(recorded(&f, "t"), "t 0/0 absent;");
    LK_CHECK_STR(recorded(&f, ""), "base 1/2 ok;");
    LK_CHECK_STR(recorded(&f, "shadow-s"), "shadow-s 0/0 absent;base 0/1 shadow_refused;");
    LK_CHECK_STR(recorded(&f, "shadow-zz"), "");
    fini(&f);
}

LK_TEST(lane_pick, every_reason_has_a_name)
{
    for (unsigned i = 0; i < LK_LANE_REASON_COUNT; i++)
        LK_CHECK(strlen(lk_lane_reason_name((enum lk_lane_reason)i)) >= 2);
    LK_CHECK_STR(lk_lane_reason_name(LK_LANE_REASON_SHADOW_REFUSED), "shadow_refused");
}
