/* Tag rules: the default ones as Envoy applies them, and configured ones. */
#include "proxy/base/mem.h"
#include "proxy/stats/tags.h"
#include "test/support/lk_test.h"

/* "name|tag=value|tag=value" */
static const char *extract(struct lk_tags *tags, const char *name)
{
    static char text[1024];
    struct lk_arena arena;
    struct lk_tagged_name out;
    int len;

    lk_arena_init(&arena);
    out = lk_tags_extract(tags, lk_str_from(name), &arena);
    len = snprintf(text, sizeof(text), "%.*s", LK_STR_ARG(out.name));
    for (size_t i = 0; i < out.tag_count; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "|%.*s=%.*s", LK_STR_ARG(out.tags[i].name),
                        LK_STR_ARG(out.tags[i].value));
    lk_arena_reset(&arena);
    return text;
}

LK_TEST(tags, default_rules_cut_the_variable_parts)
{
    static const char *const rows[][2] = {
        {"cluster.orders.upstream_cx_total", "cluster.upstream_cx_total|envoy.cluster_name=orders"},
        {"cluster.orders.x.upstream_rq_404", "cluster.x.upstream_rq|envoy.response_code=404|envoy.cluster_name=orders"},
        {"cluster.a.upstream_rq_5xx", "cluster.upstream_rq_xx|envoy.response_code_class=5|envoy.cluster_name=a"},
        {"http.in.downstream_rq_total", "http.downstream_rq_total|envoy.http_conn_manager_prefix=in"},
        {"http.in.downstream_rq_2xx",
         "http.downstream_rq_xx|envoy.response_code_class=2|envoy.http_conn_manager_prefix=in"},
        {"http.in.rbac.allowed", "http.rbac.allowed|envoy.http_conn_manager_prefix=in"},
        {"listener.127.0.0.1_80.downstream_cx_total",
         "listener.downstream_cx_total|envoy.listener_address=127.0.0.1_80"},
        {"listener.[__1]_80.downstream_cx_total", "listener.downstream_cx_total|envoy.listener_address=[__1]_80"},
        {"listener.mine.downstream_cx_total", "listener.downstream_cx_total|envoy.listener_address=mine"},
        {"listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total"},
        {"listener.admin.http.admin.downstream_rq_2xx", "listener.admin.http.downstream_rq_xx|"
                                                        "envoy.response_code_class=2|"
                                                        "envoy.http_conn_manager_prefix=admin"},
        {"listener.10.0.0.1_80.http.in.downstream_rq_completed",
         "listener.http.downstream_rq_completed|envoy.http_conn_manager_prefix=in|"
         "envoy.listener_address=10.0.0.1_80"},
        {"listener.0.0.0.0_80.worker_3.downstream_cx_active",
         "listener.worker.downstream_cx_active|envoy.worker_id=3|envoy.listener_address=0.0.0.0_80"},
        {"server.worker_0.watchdog_miss", "server.worker.watchdog_miss|envoy.worker_id=0"},
        {"tcp.db.downstream_cx_total", "tcp.downstream_cx_total|envoy.tcp_prefix=db"},
        {"rl.http_local_rate_limit.enabled", "http_local_rate_limit.enabled|envoy.local_http_ratelimit_prefix=rl"},
        {"vhost.v.vcluster.other.upstream_rq_total",
         "vhost.vcluster.upstream_rq_total|envoy.virtual_cluster=other|envoy.virtual_host=v"},
        {"http.in.rds.routes.update_success",
         "http.rds.update_success|envoy.rds_route_config=routes|envoy.http_conn_manager_prefix=in"},
        {"listener_manager.workers_started", "listener_manager.workers_started"},
        {"cluster_manager.active_clusters", "cluster_manager.active_clusters"},
        {"server.uptime", "server.uptime"},
        {"lane.gray.in_cluster.orders.endpoints", "lane.endpoints|lane=gray|cluster=orders"},
        {"lane.dev.p.in_cluster.outbound|80||web.shop.endpoints_healthy",
         "lane.endpoints_healthy|lane=dev.p|cluster=outbound|80||web.shop"},
        {"lane._other.in_cluster.a.in_cluster.b.endpoints", "lane.endpoints|lane=_other|cluster=a.in_cluster.b"},
        {"lane.gray.rq_in", "lane.gray.rq_in"},
        {"", ""},
    };
    struct lk_tags *tags = lk_tags_new();

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++)
        LK_CHECK_STR(extract(tags, rows[i][0]), rows[i][1]);
    lk_tags_free(tags);
}

static struct lk_tags *configured(const char *tag, const char *regex)
{
    struct lk_stats_tag_rule rule = {lk_str_from(tag), lk_str_from(regex), LK_STR("")};
    struct lk_errors errors;
    struct lk_tags *tags;

    lk_errors_init(&errors);
    tags = lk_tags_from(&rule, 1, false, &errors);
    LK_CHECK_NOT_NULL(tags);
    lk_errors_fini(&errors);
    return tags;
}

LK_TEST(tags, rule_of_a_control_plane_with_look_ahead_works)
{
    struct lk_tags *tags =
        configured("http_conn_manager_prefix",
                   "^listener(?=\\.).*?\\.http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)");

    LK_CHECK_STR(extract(tags, "listener.x.http.0.0.0.0_80.rq"),
                 "listener.x.http.rq|http_conn_manager_prefix=0.0.0.0_80");
    lk_tags_free(tags);
}

LK_TEST(tags, value_is_the_first_group_where_there_is_no_second)
{
    struct lk_tags *tags = configured("phase", "(_phase=[a-z]+)");

    LK_CHECK_STR(extract(tags, "waf_phase=in.hits"), "waf.hits|phase=_phase=in");
    lk_tags_free(tags);
    tags = configured("none", "hits");
    LK_CHECK_STR(extract(tags, "waf.hits"), "waf.hits");
    lk_tags_free(tags);
}

/* The literal start of a regex is only a short cut: it must not change what matches. */
LK_TEST(tags, short_cut_does_not_hide_matches)
{
    struct lk_tags *tags = configured("t", "^clusters?\\.((\\w+)\\.)");

    LK_CHECK_STR(extract(tags, "cluster.a.x"), "cluster.x|t=a");
    LK_CHECK_STR(extract(tags, "clusters.a.x"), "clusters.x|t=a");
    lk_tags_free(tags);
    tags = configured("t", "^a\\.((\\w+)\\.)|^b\\.((\\w+)\\.)");
    LK_CHECK_STR(extract(tags, "a.q.x"), "a.x|t=q");
    lk_tags_free(tags);
    tags = configured("t", "^(a|[b)|])\\.?|x");
    LK_CHECK_STR(extract(tags, "a.q"), ".q|t=a");
    lk_tags_free(tags);
}

LK_TEST(tags, first_rule_of_a_tag_wins)
{
    struct lk_stats_tag_rule rules[] = {
        {LK_STR("envoy.cluster_name"), LK_STR("^cluster\\.((\\w+)-\\w+\\.)"), LK_STR("")},
        {LK_STR("fixed"), LK_STR(""), LK_STR("1")},
        {LK_STR("fixed"), LK_STR(""), LK_STR("2")},
    };
    struct lk_errors errors;
    struct lk_tags *tags;

    lk_errors_init(&errors);
    tags = lk_tags_from(rules, LK_ARRAY_LEN(rules), true, &errors);
    LK_CHECK_NOT_NULL(tags);
    LK_CHECK_STR(extract(tags, "cluster.a-b.hits"), "cluster.hits|envoy.cluster_name=a|fixed=1");
    LK_CHECK_STR(extract(tags, "cluster.ab.hits"), "cluster.hits|fixed=1|envoy.cluster_name=ab");
    lk_tags_free(tags);
    lk_errors_fini(&errors);
}

LK_TEST(tags, default_rule_can_be_asked_for_by_name)
{
    struct lk_tags *tags = configured("envoy.cluster_name", "");

    LK_CHECK_STR(extract(tags, "cluster.a.hits"), "cluster.hits|envoy.cluster_name=a");
    LK_CHECK_STR(extract(tags, "http.a.hits"), "http.a.hits");
    lk_tags_free(tags);
}

LK_TEST(tags, every_bad_rule_is_reported_with_its_place)
{
    struct lk_stats_tag_rule rules[] = {
        {LK_STR("good"), LK_STR("(a)"), LK_STR("")},  {LK_STR(""), LK_STR("(a)"), LK_STR("")},
        {LK_STR("bad"), LK_STR("(a"), LK_STR("")},    {LK_STR("unheard.of"), LK_STR(""), LK_STR("")},
        {LK_STR("both"), LK_STR("(a)"), LK_STR("b")},
    };
    struct lk_errors errors;

    lk_errors_init(&errors);
    lk_errors_push(&errors, "stats_config");
    LK_CHECK_NULL(lk_tags_from(rules, LK_ARRAY_LEN(rules), true, &errors));
    LK_CHECK_EQ_UINT(errors.count, 4);
    LK_CHECK_STR(errors.items[0].path, "stats_config.stats_tags[1].tag_name");
    LK_CHECK_STR(errors.items[1].path, "stats_config.stats_tags[2].regex");
    LK_CHECK_CONTAINS(errors.items[1].text, "'(a'");
    LK_CHECK_STR(errors.items[2].path, "stats_config.stats_tags[3].tag_name");
    LK_CHECK_CONTAINS(errors.items[2].text, "unheard.of");
    LK_CHECK_STR(errors.items[3].path, "stats_config.stats_tags[4]");
    lk_errors_fini(&errors);
}
