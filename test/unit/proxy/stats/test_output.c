/* Text, JSON and Prometheus output, against what Envoy prints for the same stats. */
#include "proxy/base/mem.h"
#include "proxy/stats/stats.h"
#include "test/support/lk_test.h"

enum { HITS, OPEN, TIME, STATUS, LIMIT };

static const struct lk_stat_def defs[] = {
    {"upstream_cx_total", LK_STAT_COUNTER},  {"upstream_cx_active", LK_STAT_GAUGE},
    {"upstream_rq_time", LK_STAT_HISTOGRAM}, {"upstream_rq", LK_STAT_CODES},
    {"membership_total", LK_STAT_GAUGE},     {"upstream_rq_2xx", LK_STAT_COUNTER},
};
enum { RQ_2XX = 5 };
static const struct lk_stat_block block = {defs, LK_ARRAY_LEN(defs)};

typedef bool (*write_fn)(struct lk_stats *stats, const struct lk_stats_filter *filter, const struct lk_stats_out *out,
                         struct lk_error *error);

static char shown[65536];
static size_t shown_len;

static void keep(void *arg LK_UNUSED, const char *data, size_t len)
{
    LK_CHECK(shown_len + len < sizeof(shown));
    memcpy(shown + shown_len, data, len);
    shown_len += len;
    shown[shown_len] = '\0';
}

static const char *show(struct lk_stats *stats, write_fn write, const char *regex, bool used_only)
{
    struct lk_stats_filter filter = {.regex = lk_str_from(regex), .used_only = used_only};
    struct lk_stats_out out = {keep, NULL};
    struct lk_error error;

    shown_len = 0;
    shown[0] = '\0';
    LK_CHECK_MSG(write(stats, &filter, &out, &error), "%s", error.text);
    return shown;
}

static struct lk_stats *start(void)
{
    lk_stats_thread = 0;
    return lk_stats_new(2);
}

LK_TEST(text, is_sorted_by_full_name_with_histograms_last)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *b = lk_stats_scope_ref(stats, &block, LK_STR("cluster.b."));
    struct lk_stats_scope *inner = lk_stats_scope_ref(stats, &block, LK_STR("cluster.b.n."));

    lk_stats_add(b, HITS, 3);
    lk_stats_add(b, RQ_2XX, 2);
    lk_stats_code(b, STATUS, 503);
    lk_stats_code(b, STATUS, 200);
    lk_stats_set(b, LIMIT, 1);
    lk_stats_inc(inner, HITS);
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", true), "cluster.b.membership_total: 1\n"
                                                             "cluster.b.n.upstream_cx_total: 1\n"
                                                             "cluster.b.upstream_cx_total: 3\n"
                                                             "cluster.b.upstream_rq_200: 1\n"
                                                             "cluster.b.upstream_rq_2xx: 2\n"
                                                             "cluster.b.upstream_rq_503: 1\n");
    LK_CHECK_STR(show(stats, lk_stats_write_text, "^cluster\\.b\\.(u|n)", false),
                 "cluster.b.n.membership_total: 0\n"
                 "cluster.b.n.upstream_cx_active: 0\n"
                 "cluster.b.n.upstream_cx_total: 1\n"
                 "cluster.b.n.upstream_rq_2xx: 0\n"
                 "cluster.b.upstream_cx_active: 0\n"
                 "cluster.b.upstream_cx_total: 3\n"
                 "cluster.b.upstream_rq_200: 1\n"
                 "cluster.b.upstream_rq_2xx: 2\n"
                 "cluster.b.upstream_rq_503: 1\n"
                 "cluster.b.n.upstream_rq_time: No recorded values\n"
                 "cluster.b.upstream_rq_time: No recorded values\n");
    lk_stats_free(stats);
}

LK_TEST(text, used_only_shows_a_gauge_that_is_back_at_zero)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("cluster.b."));

    lk_stats_inc(scope, OPEN);
    lk_stats_dec(scope, OPEN);
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", true), "cluster.b.upstream_cx_active: 0\n");
    lk_stats_free(stats);
}

LK_TEST(text, used_only_keeps_a_counter_after_a_reset)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("cluster.b."));

    lk_stats_inc(scope, HITS);
    lk_stats_reset(stats);
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", true), "cluster.b.upstream_cx_total: 0\n");
    lk_stats_free(stats);
}

LK_TEST(text, histogram_shows_the_last_interval_beside_all_time)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x."));

    lk_stats_record(scope, TIME, 15);
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", true),
                 "x.upstream_rq_time: P0(nan,15.5) P25(nan,15.5) P50(nan,15.5) P75(nan,15.5) P90(nan,15.5) "
                 "P95(nan,15.5) P99(nan,15.5) P99.5(nan,15.5) P99.9(nan,15.5) P100(nan,15.5)\n");
    lk_stats_flush_interval(stats);
    lk_stats_record(scope, TIME, 1);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_text, "", true), " P0(15.5,1.05) ");
    LK_CHECK_CONTAINS(shown, " P100(15.5,15.5)\n");
    lk_stats_flush_interval(stats);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_text, "", true), " P0(1.05,1.05) ");
    LK_CHECK_CONTAINS(shown, " P100(1.05,15.5)\n");
    lk_stats_flush_interval(stats);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_text, "", true), " P100(nan,15.5)\n");
    lk_stats_reset(stats);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_text, "", true), " P100(nan,nan)\n");
    lk_stats_free(stats);
}

LK_TEST(text, bad_filter_is_an_error_and_nothing_is_written)
{
    struct lk_stats *stats = start();
    struct lk_stats_filter filter = {.regex = LK_STR("a(b")};
    struct lk_stats_out out = {keep, NULL};
    struct lk_error error = {0};

    lk_stats_scope_ref(stats, &block, LK_STR("x."));
    shown_len = 0;
    LK_CHECK(!lk_stats_write_text(stats, &filter, &out, &error));
    LK_CHECK(!lk_stats_write_json(stats, &filter, &out, &error));
    LK_CHECK(!lk_stats_write_prometheus(stats, &filter, &out, &error));
    LK_CHECK_CONTAINS(error.text, "'a(b'");
    LK_CHECK_EQ_UINT(shown_len, 0);
    lk_stats_free(stats);
}

LK_TEST(text, hopeless_filter_ends)
{
    struct lk_stats *stats = start();

    lk_stats_scope_ref(stats, &block, LK_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."));
    LK_CHECK_STR(show(stats, lk_stats_write_text, "^(a+)+$", false), "");
    lk_stats_free(stats);
}

LK_TEST(json, has_the_shape_of_envoys)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("x\"y\\z."));

    LK_CHECK_STR(show(stats, lk_stats_write_json, "", true), "{\"stats\":[]}");
    lk_stats_add(scope, HITS, 2);
    LK_CHECK_STR(show(stats, lk_stats_write_json, "", true),
                 "{\"stats\":[{\"name\":\"x\\\"y\\\\z.upstream_cx_total\",\"value\":2}]}");
    lk_stats_record(scope, TIME, 15);
    lk_stats_flush_interval(stats);
    lk_stats_record(scope, TIME, 0);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_json, "", true),
                      "\"value\":2},{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],"
                      "\"computed_quantiles\":[{\"name\":\"x\\\"y\\\\z.upstream_rq_time\",\"values\":["
                      "{\"cumulative\":0,\"interval\":15.5},");
    LK_CHECK_CONTAINS(shown, "{\"cumulative\":15.5,\"interval\":15.5}]}]}}]}");
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_json, "time", true), "{\"stats\":[{\"histograms\":");
    lk_stats_flush_interval(stats);
    lk_stats_flush_interval(stats);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_json, "time", true), "{\"cumulative\":15.5,\"interval\":null}");
    lk_stats_free(stats);
}

LK_TEST(prometheus, series_of_one_metric_stand_together)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *a = lk_stats_scope_ref(stats, &block, LK_STR("cluster.a."));
    struct lk_stats_scope *b = lk_stats_scope_ref(stats, &block, LK_STR("cluster.b-c."));

    lk_stats_add(a, HITS, 3);
    lk_stats_code(a, STATUS, 200);
    lk_stats_code(a, STATUS, 503);
    lk_stats_add(a, RQ_2XX, 1);
    lk_stats_add(b, HITS, 4);
    lk_stats_inc(b, OPEN);
    LK_CHECK_STR(show(stats, lk_stats_write_prometheus, "", true),
                 "# TYPE envoy_cluster_upstream_cx_total counter\n"
                 "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"a\"} 3\n"
                 "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"b-c\"} 4\n"
                 "# TYPE envoy_cluster_upstream_rq counter\n"
                 "envoy_cluster_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"a\"} 1\n"
                 "envoy_cluster_upstream_rq{envoy_response_code=\"503\",envoy_cluster_name=\"a\"} 1\n"
                 "# TYPE envoy_cluster_upstream_rq_xx counter\n"
                 "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"a\"} 1\n"
                 "# TYPE envoy_cluster_upstream_cx_active gauge\n"
                 "envoy_cluster_upstream_cx_active{envoy_cluster_name=\"b-c\"} 1\n");
    lk_stats_free(stats);
}

LK_TEST(prometheus, histogram_is_cumulative_and_ends_at_infinity)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("cluster.a."));

    lk_stats_record(scope, TIME, 3);
    lk_stats_record(scope, TIME, 7000);
    show(stats, lk_stats_write_prometheus, "", true);
    LK_CHECK_CONTAINS(shown, "# TYPE envoy_cluster_upstream_rq_time histogram\n"
                             "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\",le=\"0.5\"} 0\n"
                             "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\",le=\"1\"} 0\n"
                             "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\",le=\"5\"} 1\n");
    LK_CHECK_CONTAINS(shown, "le=\"5000\"} 1\n");
    LK_CHECK_CONTAINS(shown, "le=\"10000\"} 2\n");
    LK_CHECK_CONTAINS(shown, "le=\"3600000\"} 2\n"
                             "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\",le=\"+Inf\"} 2\n"
                             "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"a\"} 7003\n"
                             "envoy_cluster_upstream_rq_time_count{envoy_cluster_name=\"a\"} 2\n");
    lk_stats_free(stats);
}

LK_TEST(prometheus, stats_without_tags_have_empty_braces)
{
    struct lk_stats *stats = start();

    lk_stats_set(lk_stats_scope_ref(stats, &block, LK_STR("server.")), LIMIT, 5);
    LK_CHECK_STR(show(stats, lk_stats_write_prometheus, "", true), "# TYPE envoy_server_membership_total gauge\n"
                                                                   "envoy_server_membership_total{} 5\n");
    lk_stats_record(lk_stats_scope_ref(stats, &block, LK_STR("server.")), TIME, 5);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_prometheus, "", true),
                      "envoy_server_upstream_rq_time_bucket{le=\"0.5\"} 0\n");
    lk_stats_free(stats);
}

LK_TEST(prometheus, label_values_are_escaped)
{
    struct lk_stats *stats = start();

    lk_stats_inc(lk_stats_scope_ref(stats, &block, LK_STR("cluster.a\"b\\c\nd.")), HITS);
    LK_CHECK_CONTAINS(show(stats, lk_stats_write_prometheus, "", true), "{envoy_cluster_name=\"a\\\"b\\\\c\\nd\"} 1\n");
    lk_stats_free(stats);
}

LK_TEST(prometheus, configured_tags_replace_the_default_ones)
{
    struct lk_stats *stats = start();
    struct lk_stats_tag_rule rules[] = {
        {LK_STR("cluster_name"), LK_STR("^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)"), LK_STR("")},
        {LK_STR("mesh"), LK_STR(""), LK_STR("main")},
    };
    struct lk_errors errors;

    lk_errors_init(&errors);
    LK_CHECK(lk_stats_set_tags(stats, rules, LK_ARRAY_LEN(rules), false, &errors));
    lk_stats_inc(lk_stats_scope_ref(stats, &block, LK_STR("cluster.outbound|80||a.b.svc.cluster.local.")), HITS);
    LK_CHECK_STR(
        show(stats, lk_stats_write_prometheus, "", true),
        "# TYPE envoy_cluster_upstream_cx_total counter\n"
        "envoy_cluster_upstream_cx_total{cluster_name=\"outbound|80||a.b.svc.cluster.local\",mesh=\"main\"} 1\n");
    lk_errors_fini(&errors);
    lk_stats_free(stats);
}

LK_TEST(slices, give_the_same_text_as_one_run)
{
    static const enum lk_stats_format formats[] = {LK_STATS_TEXT, LK_STATS_JSON, LK_STATS_PROMETHEUS};
    static const write_fn writers[] = {lk_stats_write_text, lk_stats_write_json, lk_stats_write_prometheus};
    struct lk_stats *stats = start();
    struct lk_stats_out out = {keep, NULL};

    for (unsigned i = 0; i < 20; i++) {
        char prefix[32];
        int len = snprintf(prefix, sizeof(prefix), "cluster.c%u.", i);
        struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, lk_str(prefix, (size_t)len));

        lk_stats_add(scope, HITS, i);
        lk_stats_record(scope, TIME, i);
        lk_stats_code(scope, STATUS, 200 + i);
    }
    lk_stats_scope_ref(stats, &block, LK_STR(""));
    for (size_t i = 0; i < LK_ARRAY_LEN(formats); i++) {
        char *whole = lk_strdup(show(stats, writers[i], "", false));
        struct lk_stats_filter filter = {0};
        struct lk_error error;
        struct lk_stats_dump *dump = lk_stats_dump_new(stats, &filter, formats[i], &error);
        unsigned slices = 1;

        shown_len = 0;
        while (lk_stats_dump_next(dump, &out, 0))
            slices++;
        lk_stats_dump_free(dump);
        LK_CHECK(slices > 5);
        LK_CHECK_STR(shown, whole);
        lk_free(whole);
    }
    lk_stats_free(stats);
}

LK_TEST(slices, may_end_early_and_keep_scopes_until_then)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("cluster.a."));
    struct lk_stats_out out = {keep, NULL};
    struct lk_stats_filter filter = {0};
    struct lk_error error;
    struct lk_stats_dump *dump = lk_stats_dump_new(stats, &filter, LK_STATS_TEXT, &error);

    lk_stats_scope_unref(scope);
    lk_stats_prune(stats);
    shown_len = 0;
    while (lk_stats_dump_next(dump, &out, 0))
        ;
    LK_CHECK_CONTAINS(shown, "cluster.a.upstream_cx_total: 0\n");
    lk_stats_dump_free(dump);
    lk_stats_prune(stats);
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", false), "");
    lk_stats_dump_free(lk_stats_dump_new(stats, &filter, LK_STATS_PROMETHEUS, &error));
    lk_stats_free(stats);
}

LK_TEST(text, merges_the_names_of_scopes_whose_prefixes_begin_alike)
{
    static const struct lk_stat_def root_defs[] = {
        {"cluster.b", LK_STAT_COUNTER}, {"a", LK_STAT_COUNTER}, {"z", LK_STAT_GAUGE}};
    static const struct lk_stat_def leaf_defs[] = {{"a", LK_STAT_COUNTER}, {"c", LK_STAT_COUNTER}};
    static const struct lk_stat_block root = {root_defs, 3}, leaf = {leaf_defs, 2};
    struct lk_stats *stats = start();

    lk_stats_scope_ref(stats, &leaf, LK_STR("cluster.b."));
    lk_stats_scope_ref(stats, &root, LK_STR(""));
    lk_stats_scope_ref(stats, &leaf, LK_STR("cluster."));
    LK_CHECK_STR(show(stats, lk_stats_write_text, "", false), "a: 0\ncluster.a: 0\ncluster.b: 0\ncluster.b.a: 0\n"
                                                              "cluster.b.c: 0\ncluster.c: 0\nz: 0\n");
    lk_stats_free(stats);
}

LK_TEST(text, can_be_limited_to_kinds_and_inverted)
{
    struct lk_stats *stats = start();
    struct lk_stats_scope *scope = lk_stats_scope_ref(stats, &block, LK_STR("c."));
    struct lk_stats_filter filter = {.kinds = LK_STAT_KIND_BIT(LK_STAT_COUNTER)};
    struct lk_stats_out out = {keep, NULL};
    struct lk_error error;

    lk_stats_code(scope, STATUS, 204);
    shown_len = 0;
    LK_CHECK(lk_stats_write_text(stats, &filter, &out, &error));
    LK_CHECK_STR(shown, "c.upstream_cx_total: 0\nc.upstream_rq_204: 1\nc.upstream_rq_2xx: 0\n");
    filter.kinds = LK_STAT_KIND_BIT(LK_STAT_HISTOGRAM);
    shown_len = 0;
    LK_CHECK(lk_stats_write_text(stats, &filter, &out, &error));
    LK_CHECK_STR(shown, "c.upstream_rq_time: No recorded values\n");
    filter = (struct lk_stats_filter){.regex = LK_STR("upstream"), .invert = true};
    shown_len = 0;
    LK_CHECK(lk_stats_write_text(stats, &filter, &out, &error));
    LK_CHECK_STR(shown, "c.membership_total: 0\n");
    lk_stats_free(stats);
}
