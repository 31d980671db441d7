/* Pressure-test traffic reaches its own endpoints and those that opted in, or nobody: in every cell. */
#include "test/unit/proxy/lane/pick_fixture.h"

#define OK_HOST "shadow_ok=true"

LK_TEST(lane_pick_shadow, own_endpoints_else_those_of_base_that_opted_in)
{
    static const struct pick_case cases[] = {
        {"lane=shadow-s,-", "shadow-s", "shadow-s ok a"},
        {"lane=shadow-s," OK_HOST, "shadow-s", "shadow-s ok a"},
        {"lane=shadow-s!," OK_HOST ",-", "shadow-s", "base unhealthy b"},
        {"-," OK_HOST ",-", "shadow-s", "base absent b"},
        {"-,lane=base " OK_HOST, "shadow-s", "base absent b"},
        {OK_HOST ",lane=base " OK_HOST, "shadow-s", "base absent ab"},
        {OK_HOST "," OK_HOST "!," OK_HOST "!", "shadow-s", "base absent a"}, /* no panic */
        {OK_HOST, "shadow-s", "base absent a"},
    };
    CHECK_CASES(cases, f.up->config.panic_percent = 50)
}

LK_TEST(lane_pick_shadow, nobody_else_ever)
{
    static const struct pick_case cases[] = {
        {"", "shadow-s", "503 shadow_refused"},
        {"-,-", "shadow-s", "503 shadow_refused"},
        {"lane=base,-", "shadow-s", "503 shadow_refused"},
        {"lane=shadow-s!,-", "shadow-s", "503 shadow_refused"},
        {"lane=shadow-x,-", "shadow-s", "503 shadow_refused"},
        {"lane=g " OK_HOST ",-", "shadow-s", "503 shadow_refused"}, /* a gray pod is not base */
        {"lane=z " OK_HOST ",-", "shadow-s", "503 shadow_refused"},
        {OK_HOST "!,-", "shadow-s", "503 shadow_refused"},
        {"shadow_ok=false,-", "shadow-s", "503 shadow_refused"},
        {"shadow_ok=yes,-", "shadow-s", "503 shadow_refused"},
        {"lane=shadow-x," OK_HOST, "shadow-x", "503 shadow_refused"}, /* unknown */
        {"lane=shadow-x," OK_HOST, "shadow-", "503 shadow_refused"},
    };
    CHECK_CASES(cases, (void)0)
    CHECK_CASES(cases, f.up->config.panic_percent = 100)
    CHECK_CASES(cases, f.table->base_rescue = true)
    CHECK_CASES(cases, f.ask.budgets = NULL)
    CHECK_CASES(cases, f.ask.again = f.ask.step_down = true; f.lanes[S].on_retry = f.lanes[S].on_overload = true)
    CHECK_CASES(cases, f.ask.again = true; f.ask.from = &f.lanes[BASE])
}

LK_TEST(lane_pick_shadow, lane_that_is_not_in_force_is_refused_over_its_own_endpoints)
{
    static const struct pick_case cases[] = {
        {"lane=shadow-s," OK_HOST, "shadow-s", "503 shadow_refused"},
        {OK_HOST, "shadow-s", "503 shadow_refused"},
    };
    CHECK_CASES(cases, f.ask.table = NULL)
    CHECK_CASES(cases, f.table->enabled = false)
    CHECK_CASES(cases, f.lanes[S].state = LK_LANE_DISABLED)
    CHECK_CASES(cases, f.lanes[S].expires_us = WALL)
    CHECK_CASES(cases, lk_map_remove(&f.table->by_name, LK_STR("shadow-s")))
}

LK_TEST(lane_pick_shadow, draining_lane_is_still_served)
{
    static const struct pick_case cases[] = {{"lane=shadow-s,-", "shadow-s", "shadow-s ok a"}};
    CHECK_CASES(cases, f.lanes[S].state = LK_LANE_DRAINING)
}

LK_TEST(lane_pick_shadow, no_room_in_the_breaker_is_a_refusal)
{
    static const struct pick_case cases[] = {
        {"lane=shadow-s,-", "shadow-s", "503 overload"},
        {OK_HOST, "shadow-s", "503 overload"},
        {"-", "shadow-s", "503 shadow_refused"},
    };
    CHECK_CASES(cases, f.ask.overloaded = true; f.lanes[S].on_overload = true)
}

LK_TEST(lane_pick_shadow, base_of_the_table_bounds_who_may_opt_in)
{
    static const struct pick_case cases[] = {
        {"lane=v1 " OK_HOST ",lane=v1", "shadow-s", "base absent a"},
        {"lane=g " OK_HOST ",lane=v1", "shadow-s", "503 shadow_refused"},
        {"lane=d " OK_HOST ",lane=v1", "shadow-s", "503 shadow_refused"},
    };
    CHECK_CASES(cases, f.table->base_mode = LK_LANE_BASE_NOT_IN_ACTIVE_LANE)
}

LK_TEST(lane_pick_shadow, opting_in_may_be_a_boolean)
{
    struct fixture f;
    struct lk_endpoints *endpoints;
    struct lk_value *value;

    init(&f);
    set_hosts(&f, "-");
    endpoints = make_endpoints(&f, "shadow_ok=x,shadow_ok=x", 0);
    for (unsigned i = 0; i < 2; i++) {
        value = (struct lk_value *)endpoints->localities[i].endpoints->metadata->root.children->children;
        value->kind = LK_VALUE_BOOL;
        value->boolean = i == 1;
    }
    lk_cluster_set_hosts(f.up->cluster, lk_host_set_from_endpoints(f.up->cluster, endpoints));
    upstream_turn(f.up, 2);
    LK_CHECK_STR(decide(&f, "shadow-s"), "base absent b");
    fini(&f);
}

LK_TEST(lane_pick_shadow, sibling_cluster_is_its_own)
{
    struct fixture f;
    struct lk_cluster_view *web;

    init(&f);
    f.config.subset_clusters = true;
    set_hosts(&f, "-");
    web = add_cluster(&f, "outbound|80||web", "-");
    LK_CHECK_STR(decide_in(&f, web, "shadow-s"), "503 shadow_refused");
    add_cluster(&f, "outbound|80|shadow-s|web", "-");
    LK_CHECK_STR(decide_in(&f, web, "shadow-s"), "shadow-s ok q");
    f.table->enabled = false;
    LK_CHECK_STR(decide_in(&f, web, "shadow-s"), "503 shadow_refused");
    fini(&f);
}
