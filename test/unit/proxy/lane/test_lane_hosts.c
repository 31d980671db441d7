/* Which hosts are a lane's, base's, or opted in to shadow traffic: counts, and that views are kept. */
#include "test/unit/proxy/lane/pick_fixture.h"

LK_TEST(lane_hosts, counts_over_all_priorities_with_degraded_as_healthy)
{
    struct fixture f;
    struct lk_lane_hosts hosts;

    init(&f);
    set_hosts(&f, "lane=g,lane=g!,lane=g~@1,lane=g@2,-!,-");
    hosts = lk_lane_hosts_of(&f.membership, f.up->view, LK_STR("g"));
    LK_CHECK_EQ_UINT(hosts.count, 4);
    LK_CHECK_EQ_UINT(hosts.healthy, 3);
    LK_CHECK(!hosts.whole);
    hosts = lk_lane_hosts_base(&f.membership, f.table, f.up->view);
    LK_CHECK_EQ_UINT(hosts.count, 2);
    LK_CHECK_EQ_UINT(hosts.healthy, 1);
    hosts = lk_lane_hosts_of(&f.membership, f.up->view, LK_STR("h"));
    LK_CHECK_NULL(hosts.view);
    LK_CHECK_EQ_UINT(hosts.count, 0);
    fini(&f);
}

LK_TEST(lane_hosts, views_are_kept_between_requests)
{
    struct fixture f;

    init(&f);
    set_hosts(&f, "lane=g,lane=base,-,shadow_ok=true");
    for (unsigned mode = 0; mode < 2; mode++) {
        f.table->base_mode = mode == 0 ? LK_LANE_BASE_UNTAGGED_ONLY : LK_LANE_BASE_NOT_IN_ACTIVE_LANE;
        struct lk_host_view *base = lk_lane_hosts_base(&f.membership, f.table, f.up->view).view;
        struct lk_host_view *opted = lk_lane_hosts_shadow_ok(&f.membership, f.table, f.up->view).view;
        LK_CHECK(base != opted);
        LK_CHECK(lk_lane_hosts_base(&f.membership, f.table, f.up->view).view == base);
        LK_CHECK(lk_lane_hosts_shadow_ok(&f.membership, f.table, f.up->view).view == opted);
    }
    LK_CHECK(lk_lane_hosts_of(&f.membership, f.up->view, LK_STR("g")).view ==
             lk_lane_hosts_of(&f.membership, f.up->view, LK_STR("g")).view);
    fini(&f);
}

LK_TEST(lane_hosts, cluster_without_any_label_is_balanced_as_it_is)
{
    struct fixture f;
    struct lk_lane_hosts hosts;

    init(&f);
    set_hosts(&f, "-,-,zone=x");
    hosts = lk_lane_hosts_base(&f.membership, f.table, f.up->view);
    LK_CHECK(hosts.whole);
    LK_CHECK_EQ_UINT(hosts.count, 3);
    LK_CHECK(hosts.view == lk_cluster_view_hosts(f.up->view, NULL, f.up->view->config->panic_percent));
    LK_CHECK_EQ_UINT(lk_lane_hosts_shadow_ok(&f.membership, f.table, f.up->view).count, 0);
    fini(&f);
}

LK_TEST(lane_hosts, names_that_are_no_istio_cluster_have_no_siblings)
{
    static const char *const names[] = {"outbound",       "outbound|",       "outbound|80",
                                        "outbound|80|v1", "inbound|80||web", "web"};
    struct fixture f;

    init(&f);
    f.config.subset_clusters = true;
    set_hosts(&f, "-");
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        f.up->view->cluster->config->name = lk_str_from(names[i]);
        LK_CHECK_EQ_UINT(lk_lane_hosts_of(&f.membership, f.up->view, LK_STR("g")).count, 0);
    }
    f.up->view->cluster->config->name = LK_STR("upstream");
    fini(&f);
}

/* --- counted without views -----------------------------------------------------------------------------------------
 */

static void check_same(struct lk_lane_count count, struct lk_lane_hosts hosts)
{
    LK_CHECK_EQ_UINT(count.total, hosts.count);
    LK_CHECK_EQ_UINT(count.healthy, hosts.healthy);
}

LK_TEST(lane_hosts, what_is_counted_is_what_forwarding_finds)
{
    static const char *const clusters[] = {
        "lane=g,lane=g!,lane=g~@1,lane=g@2,-!,-",
        "-,-!",
        "lane=g",
        "lane=base,lane=g|base,-,lane=h|g!",
        "shadow_ok=true,shadow_ok=true!,-",
        "lane=base shadow_ok=true,lane=g",
        "lane=zz,lane=shadow-q,lane=d,-",
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(clusters); i++) {
        for (unsigned mode = 0; mode < 2; mode++) {
            struct fixture f;

            init(&f);
            set_hosts(&f, clusters[i]);
            f.table->base_mode = mode == 0 ? LK_LANE_BASE_UNTAGGED_ONLY : LK_LANE_BASE_NOT_IN_ACTIVE_LANE;
            for (size_t lane = 1; lane < LANES; lane++)
                check_same(lk_lane_count_of(&f.membership, f.up->view->set, f.lanes[lane].name),
                           lk_lane_hosts_of(&f.membership, f.up->view, f.lanes[lane].name));
            check_same(lk_lane_count_base(&f.membership, f.table, f.up->view->set),
                       lk_lane_hosts_base(&f.membership, f.table, f.up->view));
            check_same(lk_lane_count_shadow_ok(&f.membership, f.table, f.up->view->set),
                       lk_lane_hosts_shadow_ok(&f.membership, f.table, f.up->view));
            LK_CHECK_EQ_UINT(lk_lane_count_all(f.up->view->set).total, f.up->view->set->count);
            fini(&f);
        }
    }
}

LK_TEST(lane_hosts, without_a_set_there_is_nobody_to_count)
{
    struct fixture f;

    init(&f);
    set_hosts(&f, "-");
    LK_CHECK_EQ_UINT(lk_lane_count_all(NULL).total, 0);
    LK_CHECK_EQ_UINT(lk_lane_count_of(&f.membership, NULL, LK_STR("g")).total, 0);
    LK_CHECK_EQ_UINT(lk_lane_count_base(&f.membership, f.table, NULL).total, 0);
    LK_CHECK_EQ_UINT(lk_lane_count_shadow_ok(&f.membership, f.table, NULL).total, 0);
    fini(&f);
}
