/* Outlier detection: what counts as an error, who is ejected, how hosts return. */
#include "proxy/upstream/outlier.h"
#include "test/unit/proxy/upstream/health_fixture.h"

#include "proxy/base/mem.h"

struct outliers {
    struct health h; /* its hosts are not checked */
    struct lk_outlier_config config;
};

static void outliers_new(struct outliers *o, unsigned hosts)
{
    memset(o, 0, sizeof(*o));
    health_new(&o->h, hosts);
    o->config = (struct lk_outlier_config){
        .interval_ms = 5,
        .base_ejection_ms = 60000,
        .max_ejection_ms = 300000,
        .max_ejection_percent = 100,
        .consecutive_5xx = 3,
        .enforcing_5xx = 100,
        .consecutive_gateway = 2,
        .consecutive_local_origin = 2,
        .enforcing_local_origin = 100,
        .uneject_on_check = true,
    };
    o->h.f->config.health_check = NULL;
    o->h.f->config.outlier = &o->config;
}

static struct lk_host_state *state(struct outliers *o, size_t i)
{
    return health_host(&o->h, i)->state;
}

static void answers(struct outliers *o, size_t host, unsigned status, unsigned times)
{
    while (times-- > 0)
        lk_outlier_answered(o->h.f->cluster, state(o, host), status);
    upstream_turn(o->h.f, 2);
}

static uint64_t stat(struct outliers *o, const char *name)
{
    char full[128];
    snprintf(full, sizeof(full), "outlier_detection.ejections_%s", name);
    return health_stat(&o->h, full);
}

static bool ejected(struct outliers *o, size_t i)
{
    return (health_flags(&o->h, i) & LK_HOST_EJECTED) != 0;
}

LK_TEST(outlier, errors_in_a_row_eject)
{
    struct outliers o;
    outliers_new(&o, 2);
    upstream_start(o.h.f);
    answers(&o, 0, 500, 2);
    answers(&o, 0, 200, 1);
    answers(&o, 0, 500, 2);
    LK_CHECK(!ejected(&o, 0));
    answers(&o, 0, 500, 1);
    LK_CHECK(ejected(&o, 0) && !ejected(&o, 1));
    LK_CHECK_EQ_UINT(stat(&o, "active"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_total"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_consecutive_5xx"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "detected_consecutive_5xx"), 1);
    LK_CHECK_EQ_UINT(upstream_stat(o.h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 1);
    for (int i = 0; i < 3; i++) {
        struct lk_worker_host *wh = upstream_pick(o.h.f);
        LK_CHECK_EQ_PTR(wh->state, state(&o, 1));
        lk_worker_host_unref(wh);
    }
    upstream_free(o.h.f);
}

LK_TEST(outlier, failures_of_this_side_count_as_server_errors)
{
    struct outliers o;
    outliers_new(&o, 2);
    upstream_start(o.h.f);
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), false);
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), true);
    lk_outlier_connected(o.h.f->cluster, state(&o, 0), false); /* an answer must follow before it means anything */
    answers(&o, 0, 500, 1);
    LK_CHECK(ejected(&o, 0));
    lk_outlier_failed(o.h.f->cluster, state(&o, 1), false);
    lk_outlier_failed(o.h.f->cluster, state(&o, 1), false);
    lk_outlier_connected(o.h.f->cluster, state(&o, 1), true); /* tcp_proxy: that was the success */
    lk_outlier_failed(o.h.f->cluster, state(&o, 1), false);
    upstream_turn(o.h.f, 2);
    LK_CHECK(!ejected(&o, 1));
    upstream_free(o.h.f);
}

LK_TEST(outlier, failures_of_this_side_can_be_counted_apart)
{
    struct outliers o;
    outliers_new(&o, 2);
    o.config.split_errors = true;
    upstream_start(o.h.f);
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), false);
    lk_outlier_connected(o.h.f->cluster, state(&o, 0), false);
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), false);
    answers(&o, 0, 500, 2);
    LK_CHECK(!ejected(&o, 0));
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), true);
    lk_outlier_failed(o.h.f->cluster, state(&o, 0), true);
    upstream_turn(o.h.f, 2);
    LK_CHECK(ejected(&o, 0));
    LK_CHECK_EQ_UINT(stat(&o, "enforced_consecutive_local_origin_failure"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_consecutive_5xx"), 0);
    upstream_free(o.h.f);
}

LK_TEST(outlier, what_is_not_enforced_is_only_detected)
{
    struct outliers o;
    outliers_new(&o, 2);
    upstream_start(o.h.f);
    answers(&o, 0, 503, 2);
    LK_CHECK(!ejected(&o, 0));
    LK_CHECK_EQ_UINT(stat(&o, "detected_consecutive_gateway_failure"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_consecutive_gateway_failure"), 0);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_total"), 0);
    upstream_free(o.h.f);
}

LK_TEST(outlier, gateway_errors_are_those_of_a_gateway)
{
    struct outliers o;
    outliers_new(&o, 2);
    o.config.enforcing_gateway = 100;
    o.config.consecutive_5xx = 100;
    upstream_start(o.h.f);
    answers(&o, 0, 502, 1);
    answers(&o, 0, 500, 1);
    answers(&o, 0, 504, 1);
    LK_CHECK(!ejected(&o, 0));
    answers(&o, 0, 503, 1);
    LK_CHECK(ejected(&o, 0));
    upstream_free(o.h.f);
}

LK_TEST(outlier, only_a_share_of_the_hosts_is_ejected)
{
    struct outliers o;
    outliers_new(&o, 4);
    o.config.max_ejection_percent = 50;
    upstream_start(o.h.f);
    for (size_t i = 0; i < 3; i++)
        answers(&o, i, 500, 3);
    LK_CHECK(ejected(&o, 0) && ejected(&o, 1) && !ejected(&o, 2));
    LK_CHECK_EQ_UINT(stat(&o, "overflow"), 1);
    LK_CHECK_EQ_UINT(stat(&o, "active"), 2);
    answers(&o, 2, 500, 3); /* the count begins anew, and the limit holds again */
    LK_CHECK_EQ_UINT(stat(&o, "overflow"), 2);
    upstream_free(o.h.f);
}

LK_TEST(outlier, one_host_may_always_be_ejected_when_configured_so)
{
    for (int always = 0; always < 2; always++) {
        struct outliers o;
        outliers_new(&o, 2);
        o.config.max_ejection_percent = 10;
        o.config.always_eject_one = always != 0;
        upstream_start(o.h.f);
        answers(&o, 0, 500, 3);
        answers(&o, 1, 500, 3);
        LK_CHECK_EQ_INT(ejected(&o, 0), always);
        LK_CHECK(!ejected(&o, 1));
        upstream_free(o.h.f);
    }
}

LK_TEST(outlier, host_returns_after_its_time_and_can_be_ejected_again)
{
    struct outliers o;
    outliers_new(&o, 2);
    o.config.base_ejection_ms = 40;
    o.config.interval_ms = 20;
    upstream_start(o.h.f);
    uint64_t before = lk_loop_now_ms(o.h.f->loop);
    answers(&o, 0, 500, 3);
    LK_CHECK(ejected(&o, 0));
    UPSTREAM_UNTIL(o.h.f, !ejected(&o, 0));
    LK_CHECK(lk_loop_now_ms(o.h.f->loop) - before >= 40);
    LK_CHECK_EQ_UINT(stat(&o, "active"), 0);
    upstream_turn(o.h.f, 1);
    LK_CHECK_EQ_UINT(upstream_stat(o.h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 2);
    answers(&o, 0, 500, 3);
    LK_CHECK(ejected(&o, 0));
    upstream_free(o.h.f);
}

/* How long it takes until host 0 is back after it was ejected now. */
static uint64_t ejection_lasts(struct outliers *o)
{
    uint64_t before = lk_loop_now_ms(o->h.f->loop);
    answers(o, 0, 500, 3);
    LK_CHECK(ejected(o, 0));
    UPSTREAM_UNTIL(o->h.f, !ejected(o, 0));
    return lk_loop_now_ms(o->h.f->loop) - before;
}

LK_TEST(outlier, ejections_in_a_row_grow_up_to_the_maximum)
{
    struct outliers o;
    outliers_new(&o, 2);
    o.config.base_ejection_ms = 50;
    o.config.max_ejection_ms = 120;
    o.config.interval_ms = 20; /* errors that follow at once come before anything is forgiven */
    upstream_start(o.h.f);
    uint64_t first = ejection_lasts(&o);
    uint64_t second = ejection_lasts(&o);
    uint64_t third = ejection_lasts(&o);
    uint64_t fourth = ejection_lasts(&o);
    LK_CHECK(first >= 50);
    LK_CHECK(second >= 100);
    LK_CHECK(third >= 120 && fourth >= 120);
    LK_CHECK_EQ_UINT(stat(&o, "enforced_total"), 4);
    upstream_free(o.h.f);
}

LK_TEST(outlier, ejections_get_shorter_while_a_host_does_well)
{
    struct outliers o;
    outliers_new(&o, 2);
    o.config.base_ejection_ms = 300;
    o.config.max_ejection_ms = 3000;
    o.config.interval_ms = 5;
    upstream_start(o.h.f);
    ejection_lasts(&o);
    uint64_t well = lk_loop_now_ms(o.h.f->loop);
    UPSTREAM_UNTIL(o.h.f, lk_loop_now_ms(o.h.f->loop) - well > 100);
    uint64_t second = ejection_lasts(&o);
    LK_CHECK_MSG(second < 550, "%llu ms", (unsigned long long)second);
    upstream_free(o.h.f);
}

LK_TEST(outlier, host_that_leaves_no_longer_counts)
{
    struct outliers o;
    outliers_new(&o, 2);
    upstream_start(o.h.f);
    answers(&o, 0, 500, 3);
    struct lk_host_state *gone = state(&o, 0);
    lk_ref_get(&gone->ref);
    lk_cluster_set_hosts(o.h.f->cluster, upstream_hosts(o.h.f, (const unsigned[]){1}, 1));
    upstream_turn(o.h.f, 2);
    LK_CHECK_EQ_UINT(stat(&o, "active"), 0);
    for (int i = 0; i < 3; i++)
        lk_outlier_answered(o.h.f->cluster, gone, 500); /* of a request that was under way */
    upstream_turn(o.h.f, 2);
    LK_CHECK_EQ_UINT(stat(&o, "active"), 0);
    LK_CHECK_EQ_UINT(lk_host_flags(gone), 0);
    lk_host_state_unref(gone);
    upstream_free(o.h.f);
}

LK_TEST(outlier, errors_that_are_told_of_after_the_end_are_let_pass)
{
    struct outliers o;
    outliers_new(&o, 1);
    upstream_start(o.h.f);
    for (int i = 0; i < 3; i++)
        lk_outlier_answered(o.h.f->cluster, state(&o, 0), 500);
    lk_clusters_stop(o.h.f->clusters);
    upstream_turn(o.h.f, 2);
    LK_CHECK(!ejected(&o, 0));
    upstream_free(o.h.f);
}

LK_TEST(outlier, passed_check_ends_an_ejection_unless_configured_otherwise)
{
    for (int ends = 0; ends < 2; ends++) {
        struct outliers o;
        outliers_new(&o, 1);
        o.config.uneject_on_check = ends != 0;
        o.h.f->config.health_check = &o.h.check;
        int fd = health_start_healthy(&o.h);
        answers(&o, 0, 500, 3);
        LK_CHECK(ejected(&o, 0));
        uint64_t passed = health_stat(&o.h, "health_check.success");
        health_answer(&o.h, fd, OK_ANSWER);
        UPSTREAM_UNTIL(o.h.f, health_stat(&o.h, "health_check.success") > passed);
        LK_CHECK_EQ_INT(ejected(&o, 0), !ends);
        close(fd);
        upstream_free(o.h.f);
    }
}
