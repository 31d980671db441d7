/* What marks come to, in which order lanes fall back, overrides of services. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/lane_table.h"

#define NOW 1000000000LL

enum { BASE, G, CHILD, GRANDCHILD, STRICT, SHADOW, COUNT };

static struct lk_lane_table *make(struct lk_lane **out)
{
    static const char *const names[COUNT] = {"base", "g", "p.child", "q.p.child", "strict", "shadow-l1"};
    struct lk_lane_table *table = lk_lane_table_new();
    struct lk_lane *lanes = lk_arena_array(table->arena, COUNT, sizeof(*lanes));

    lanes[BASE] = table->lanes[0];
    for (uint16_t i = G; i < COUNT; i++) {
        lanes[i].name = lk_str_from(names[i]);
        lanes[i].index = i;
        lanes[i].kind = i == SHADOW ? LK_LANE_SHADOW : LK_LANE_GRAY;
        lanes[i].mode = i >= STRICT ? LK_LANE_STRICT : LK_LANE_PERMISSIVE;
        lk_map_set(&table->by_name, lanes[i].name, &lanes[i]);
    }
    lanes[CHILD].parents[0] = G;
    lanes[CHILD].parent_count = 1;
    lanes[GRANDCHILD].parents[0] = CHILD;
    lanes[GRANDCHILD].parents[1] = G;
    lanes[GRANDCHILD].parent_count = 2;
    table->lanes = lanes;
    table->lane_count = COUNT;
    *out = lanes;
    return table;
}

static void check(const struct lk_lane_table *table, const char *name, enum lk_lane_standing standing,
                  enum lk_lane_outcome outcome)
{
    struct lk_lane_resolution got = lk_lane_table_resolve(table, lk_str_from(name), NOW);

    LK_CHECK_MSG(got.standing == standing && got.outcome == outcome, "'%s': standing %s, outcome %d", name,
                 lk_lane_standing_name(got.standing), (int)got.outcome);
}

LK_TEST(lane_table, resolves_known_lanes)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    check(table, "g", LK_LANE_IS_ACTIVE, LK_LANE_SERVE);
    LK_CHECK_EQ_PTR(lk_lane_table_resolve(table, LK_STR("g"), NOW).lane, &lanes[G]);
    lanes[G].state = LK_LANE_DRAINING;
    check(table, "g", LK_LANE_IS_DRAINING, LK_LANE_SERVE);
    lanes[G].state = LK_LANE_DISABLED;
    check(table, "g", LK_LANE_IS_DISABLED, LK_LANE_SERVE_BASE);
    lanes[G].state = LK_LANE_ACTIVE;
    lanes[G].expires_us = NOW + 1;
    check(table, "g", LK_LANE_IS_ACTIVE, LK_LANE_SERVE);
    lanes[G].expires_us = NOW;
    check(table, "g", LK_LANE_IS_EXPIRED, LK_LANE_SERVE_BASE);
    check(table, "", LK_LANE_IS_BASE, LK_LANE_SERVE);
    check(table, "base", LK_LANE_IS_BASE, LK_LANE_SERVE);
    LK_CHECK_EQ_PTR(lk_lane_table_resolve(table, LK_STR("base"), NOW).lane, &lanes[BASE]);
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, unknown_marks_follow_the_policy)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    check(table, "nobody", LK_LANE_IS_UNKNOWN, LK_LANE_SERVE_BASE);
    check(NULL, "nobody", LK_LANE_IS_UNKNOWN, LK_LANE_SERVE_BASE);
    table->unknown = LK_LANE_UNKNOWN_REJECTED;
    check(table, "nobody", LK_LANE_IS_UNKNOWN, LK_LANE_REJECT);
    check(table, "g", LK_LANE_IS_ACTIVE, LK_LANE_SERVE);
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, shadow_marks_fail_closed)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    check(table, "shadow-l1", LK_LANE_IS_ACTIVE, LK_LANE_SERVE);
    lanes[SHADOW].state = LK_LANE_DRAINING;
    check(table, "shadow-l1", LK_LANE_IS_DRAINING, LK_LANE_SERVE);
    lanes[SHADOW].state = LK_LANE_DISABLED;
    check(table, "shadow-l1", LK_LANE_IS_DISABLED, LK_LANE_REFUSE_SHADOW);
    lanes[SHADOW].state = LK_LANE_ACTIVE;
    lanes[SHADOW].expires_us = NOW - 1;
    check(table, "shadow-l1", LK_LANE_IS_EXPIRED, LK_LANE_REFUSE_SHADOW);
    check(table, "shadow-zz", LK_LANE_IS_UNKNOWN, LK_LANE_REFUSE_SHADOW);
    check(NULL, "shadow-zz", LK_LANE_IS_UNKNOWN, LK_LANE_REFUSE_SHADOW);
    table->unknown = LK_LANE_UNKNOWN_REJECTED;
    check(table, "shadow-zz", LK_LANE_IS_UNKNOWN, LK_LANE_REFUSE_SHADOW);
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, the_kill_switch_refuses_shadow_and_sends_gray_to_base)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    table->enabled = false;
    check(table, "g", LK_LANE_IS_TABLE_OFF, LK_LANE_SERVE_BASE);
    check(table, "nobody", LK_LANE_IS_TABLE_OFF, LK_LANE_SERVE_BASE);
    check(table, "shadow-l1", LK_LANE_IS_TABLE_OFF, LK_LANE_REFUSE_SHADOW);
    check(table, "base", LK_LANE_IS_BASE, LK_LANE_SERVE);
    lk_lane_table_unref(table);
}

static void check_chain(const struct lk_lane_table *table, const struct lk_lane *lane,
                        const struct lk_lane_service *service, const char *expected)
{
    uint16_t chain[LK_LANE_CHAIN_MAX];
    size_t count = lk_lane_table_chain(table, lane, service, NOW, chain);
    char text[200] = "";

    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", i > 0 ? " " : "",
                 LK_STR_ARG(table->lanes[chain[i]].name));
    LK_CHECK_STR(text, expected);
}

LK_TEST(lane_table, falls_back_to_parents_then_base)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    check_chain(table, &lanes[BASE], NULL, "base");
    check_chain(table, &lanes[G], NULL, "g base");
    check_chain(table, &lanes[GRANDCHILD], NULL, "q.p.child p.child g base");
    check_chain(table, &lanes[STRICT], NULL, "strict");
    check_chain(table, &lanes[SHADOW], NULL, "shadow-l1");
    lanes[CHILD].state = LK_LANE_DISABLED;
    check_chain(table, &lanes[GRANDCHILD], NULL, "q.p.child g base");
    lanes[G].expires_us = NOW;
    check_chain(table, &lanes[GRANDCHILD], NULL, "q.p.child base");
    lanes[STRICT].state = LK_LANE_DISABLED;
    check_chain(table, &lanes[STRICT], NULL, "");
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, services_change_mode_parent_and_target)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);
    struct lk_lane_service strict = {.has_mode = true, .mode = LK_LANE_STRICT};
    struct lk_lane_service permissive = {.has_mode = true, .mode = LK_LANE_PERMISSIVE};
    struct lk_lane_service parent = {.has_parent = true, .parent = STRICT};
    struct lk_lane_service back = {.has_parent = true, .parent = GRANDCHILD};
    struct lk_lane_service none = {.has_parent = true, .parent = BASE};
    struct lk_lane_service target = {.has_target = true, .target = CHILD};
    struct lk_lane_service pinned = {.has_target = true, .target = BASE, .has_mode = true, .mode = LK_LANE_STRICT};

    check_chain(table, &lanes[GRANDCHILD], &strict, "q.p.child");
    check_chain(table, &lanes[STRICT], &permissive, "strict base");
    check_chain(table, &lanes[G], &parent, "g strict base");
    check_chain(table, &lanes[G], &back, "g q.p.child p.child base");
    check_chain(table, &lanes[GRANDCHILD], &none, "q.p.child base");
    check_chain(table, &lanes[STRICT], &target, "p.child");
    check_chain(table, &lanes[G], &target, "p.child g base");
    check_chain(table, &lanes[G], &pinned, "base");
    /* nothing loosens or redirects shadow, nothing redirects base */
    check_chain(table, &lanes[SHADOW], &permissive, "shadow-l1");
    check_chain(table, &lanes[SHADOW], &target, "shadow-l1");
    check_chain(table, &lanes[BASE], &target, "base");
    check_chain(table, &lanes[BASE], &strict, "base");
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, finds_services_by_cluster_and_by_host_in_it)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);
    struct lk_lane_service web = {.name = LK_STR_INIT("web.shop.svc")};
    struct lk_lane_service one = {.name = LK_STR_INIT("outbound|80||web.shop.svc")};

    LK_CHECK_NULL(lk_lane_table_service(table, LK_STR("web.shop.svc")));
    lk_map_set(&table->services, web.name, &web);
    LK_CHECK_EQ_PTR(lk_lane_table_service(table, LK_STR("web.shop.svc")), &web);
    LK_CHECK_EQ_PTR(lk_lane_table_service(table, LK_STR("outbound|80||web.shop.svc")), &web);
    LK_CHECK_EQ_PTR(lk_lane_table_service(table, LK_STR("outbound|81|v2|web.shop.svc")), &web);
    LK_CHECK_NULL(lk_lane_table_service(table, LK_STR("a|web.shop.svc")));
    LK_CHECK_NULL(lk_lane_table_service(table, LK_STR("a|b|c|")));
    LK_CHECK_NULL(lk_lane_table_service(table, LK_STR("")));
    lk_map_set(&table->services, one.name, &one);
    LK_CHECK_EQ_PTR(lk_lane_table_service(table, LK_STR("outbound|80||web.shop.svc")), &one);
    lk_lane_table_unref(table);
}

LK_TEST(lane_table, lives_until_the_last_reference)
{
    struct lk_lane *lanes;
    struct lk_lane_table *table = make(&lanes);

    LK_CHECK_EQ_PTR(lk_lane_table_ref(table), table);
    lk_lane_table_unref(table);
    check(table, "g", LK_LANE_IS_ACTIVE, LK_LANE_SERVE);
    lk_lane_table_unref(table);
    lk_lane_table_unref(NULL);
}

LK_TEST(lane_table, a_new_one_knows_base_only)
{
    struct lk_lane_table *table = lk_lane_table_new();

    LK_CHECK_EQ_UINT(table->lane_count, 1);
    LK_CHECK_LKSTR(table->lanes[LK_LANE_INDEX_BASE].name, "base");
    check(table, "g", LK_LANE_IS_UNKNOWN, LK_LANE_SERVE_BASE);
    lk_lane_table_unref(table);
}
