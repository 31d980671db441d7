/* lanekeeper.filters.network.lane: its configuration, and connections through a chain that ends in tcp_proxy. */
#include "proxy/lane/lane_settings.h"
#include "test/support/session_fixture.h"
#include "test/unit/filters/typed.h"

#include <unistd.h>

#define TYPE "lanekeeper.lane.v1.LaneFilter"
#define TCP_PROXY "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

static const struct lk_lane_settings *configure(struct typed_test *t, const char *yaml)
{
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_lane_network_filter.config_new(&t->context, &t->any, &t->errors);
}

LK_TEST(network_lane, what_concerns_connections_is_taken_over)
{
    const struct lk_lane_settings *settings;
    struct typed_test t;

    typed_init(&t);
    t.context.direction = LK_DIRECTION_OUTBOUND;
    settings = configure(&t, "{pod_lane: {lane: gray}, membership: {subset_clusters: true}, "
                             "inline: {lanes: [{name: gray, emit_headers: {x-lane: v}}]}, "
                             "association: {capacity: 100, linger: 1s}, stats: {max_names: 7}, "
                             "egress: {mesh: {external_clusters: [db]}}}");
    LK_CHECK_MSG(settings != NULL, "%s: %s", t.errors.items[0].path, t.errors.items[0].text);
    LK_CHECK_LKSTR(settings->pod_lane, "gray");
    LK_CHECK(settings->outbound && !settings->inbound && !settings->pod_is_shadow);
    LK_CHECK(settings->membership.subset_clusters);
    LK_CHECK_EQ_UINT(settings->config->egress.external_clusters.count, 1);
    typed_fini(&t);
}

LK_TEST(network_lane, shares_the_process_with_http_filters)
{
    struct typed_test t;
    struct lk_any http;

    typed_init(&t);
    t.context.direction = LK_DIRECTION_OUTBOUND;
    LK_CHECK_NOT_NULL(configure(&t, "{association: {capacity: 100}}"));
    http = typed_any(t.context.arena, TYPE, "{association: {capacity: 100, kinds: [B3]}}");
    LK_CHECK_NOT_NULL(lk_lane_filter.config_new(&t.context, &http, &t.errors));
    LK_CHECK_NULL(configure(&t, "{association: {capacity: 200}}"));
    typed_check_error(&t, "association.capacity", "for the whole process");
    typed_fini(&t);
}

static const struct {
    const char *yaml, *path, *part;
} mistakes[] = {
    {"{role: ENTRY}", "role", "is of requests"},
    {"{carriers: {}}", "carriers", "is of requests"},
    {"{trust: {plaintext_cidrs: [10.0.0.0/8]}}", "trust", "is of requests"},
    {"{association: {enabled: true}}", "association.enabled", "is of requests"},
    {"{association: {kinds: [B3]}}", "association.kinds", "is of requests"},
    {"{association: {header: x-id}}", "association.header", "is of requests"},
    {"{association: {preflight_denominator: 0}}", "association.preflight_denominator", "is of requests"},
    {"{pod_lane: {recolor: true}}", "pod_lane.recolor", "is of requests"},
    {"{pod_lane: {shadow_ok: true}}", "pod_lane.shadow_ok", "is of requests"},
    {"{egress: {require_shadow_mark: true}}", "egress.require_shadow_mark", "is of requests"},
    {"{egress: {mirror_lane: shadow-l}}", "egress.mirror_lane", "is of requests"},
    {"{seed_ids: false}", "seed_ids", "is of requests"},
    {"{response: {disabled: true}}", "response", "is of requests"},
    {"{pod_lane: {lane: No_Lane}}", "pod_lane.lane", "is no name of a lane"},
    {"{inline: {lanes: [{name: shadow-x}]}}", "inline.lanes[0].kind", "shadow-"},
};

LK_TEST(network_lane, mistakes_are_named)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(mistakes); i++) {
        struct typed_test t;

        typed_init(&t);
        LK_CHECK_NULL(configure(&t, mistakes[i].yaml));
        typed_check_error(&t, mistakes[i].path, mistakes[i].part);
        typed_fini(&t);
    }
}

LK_TEST(network_lane, connections_that_come_in_are_refused)
{
    struct typed_test t;

    typed_init(&t);
    t.context.direction = LK_DIRECTION_INBOUND;
    LK_CHECK_NULL(configure(&t, "{}"));
    typed_check_error(&t, "", "OUTBOUND");
    typed_fini(&t);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static struct session_fixture *begin(const char *yaml)
{
    struct session_fixture *f = session_new(&lk_filter_table, 1);
    struct lk_any lane = typed_any(f->context.arena, TYPE, yaml);
    struct lk_any tcp = typed_any(f->context.arena, TCP_PROXY, "{stat_prefix: t, cluster: upstream}");

    session_network_filter_typed(f, 0, TYPE, lane.value);
    session_network_filter_typed(f, 0, TCP_PROXY, tcp.value);
    session_start(f);
    return f;
}

static uint64_t counter(struct session_fixture *f, const char *name)
{
    uint64_t value = 0;

    lk_stats_find(f->up->stats, lk_str_from(name), &value);
    return value;
}

LK_TEST(network_lane, gray_pod_falls_back_and_is_counted)
{
    struct session_fixture *f = begin("{pod_lane: {lane: gray}, inline: {lanes: [{name: gray}]}}");
    int client = session_connect(f, 0), server = upstream_accept(f->up, 0);

    upstream_write(server, "hello");
    LK_CHECK_STR(session_read(f, client, "hello"), "hello");
    LK_CHECK_EQ_UINT(counter(f, "lane.gray.cx_out_base"), 1);
    LK_CHECK_EQ_UINT(counter(f, "lane.gray.rq_out_base"), 0);
    LK_CHECK_EQ_UINT(counter(f, "lane.gray.fallback_absent"), 1);
    close(client);
    session_expect_end(f, server);
    close(server);
    session_free(f);
}

LK_TEST(network_lane, shadow_pod_is_cut_off_from_what_did_not_opt_in)
{
    struct session_fixture *f =
        begin("{pod_lane: {lane: shadow-l}, inline: {lanes: [{name: shadow-l, kind: SHADOW}]}}");
    int client = session_connect(f, 0);

    session_expect_end(f, client);
    close(client);
    LK_CHECK(!upstream_pending(f->up, 0));
    LK_CHECK_EQ_UINT(counter(f, "lane.shadow-l.leak_blocked"), 1);
    session_free(f);
}
