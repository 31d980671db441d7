/* A process with a lane filter on each kind of listener, and requests through one of them at a time. */
#pragma once

#include "proxy/config/bootstrap_config.h"
#include "proxy/lane/lane_stream.h"
#include "test/support/chain_harness.h"
#include "test/unit/filters/typed.h"

#define TYPE "lanekeeper.lane.v1.LaneFilter"
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
#define TABLE                                                                                                          \
    "inline: {revision: 7, lanes: [{name: gray, emit_headers: {x-version: '2'}}, {name: other}, {name: old, state: "   \
    "DISABLED}, {name: shadow-l, kind: SHADOW}], entry: [{match: {header: [{name: x-user, exact: jason}]}, lane: "     \
    "gray}]}, "
#define TRUSTED "trust: {plaintext_cidrs: [10.0.0.0/8]}"

/* One process: a filter on each kind of listener, and a request at a time through one of them. */
struct world {
    struct typed_test t;
    const void *in, *out, *entry;
    struct chain_harness *h;
    struct lk_route route;
    struct lk_cluster_config clusters[2];
};

static inline const void *configure(struct typed_test *t, enum lk_traffic_direction direction, const char *yaml)
{
    t->context.direction = direction;
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_lane_filter.config_new(&t->context, &t->any, &t->errors);
}

static inline void add_cluster(struct world *w, struct lk_cluster_config *config, const char *name,
                               enum lk_discovery_type type)
{
    static const struct lk_circuit_limits limits[2] = {{.max_requests = 1024}, {.max_requests = 1024}};

    *config = (struct lk_cluster_config){
        .name = lk_str_from(name), .stat_name = lk_str_from(name), .type = type, .limits = limits};
    lk_ref_init(&config->ref);
    LK_CHECK(lk_clusters_add(w->t.clusters, config, &w->t.errors));
}

static inline void world_init(struct world *w, const char *more)
{
    char yaml[2048];

    memset(w, 0, sizeof(*w));
    typed_init(&w->t);
    add_cluster(w, &w->clusters[0], "b", LK_CLUSTER_EDS);
    add_cluster(w, &w->clusters[1], "internet", LK_CLUSTER_ORIGINAL_DST);
    snprintf(yaml, sizeof(yaml), "{" TABLE TRUSTED "%s}", more);
    w->in = configure(&w->t, LK_DIRECTION_INBOUND, yaml);
    LK_CHECK_MSG(w->in != NULL, "%s: %s", w->t.errors.items[0].path, w->t.errors.items[0].text);
    w->out = configure(&w->t, LK_DIRECTION_OUTBOUND, yaml);
    snprintf(yaml, sizeof(yaml), "{" TABLE "role: ENTRY%s}", more);
    w->entry = configure(&w->t, LK_DIRECTION_UNSPECIFIED, yaml);
    LK_CHECK_NOT_NULL(w->out);
    LK_CHECK_NOT_NULL(w->entry);
}

static inline void world_fini(struct world *w)
{
    typed_fini(&w->t);
}

static inline struct chain_harness *begin(struct world *w, const void *config, const char *cluster)
{
    const struct lk_http_filter_entry entry = {.filter = &lk_lane_filter, .name = LK_STR("lane"), .config = config};
    struct chain_harness *h = w->h = chain_harness_on(w->t.loop, &entry, 1);

    w->route = (struct lk_route){.action = {.cluster = lk_str_from(cluster)}};
    h->route = &w->route;
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.1.2.3"), 1000, &h->conn.remote));
    return h;
}

static inline struct lk_str sent(const struct chain_harness *h, const char *name)
{
    const struct lk_header *header = lk_headers_find_name(&h->head, lk_str_from(name));

    return header != NULL ? header->value : LK_STR("(none)");
}

static inline void check_decision(const struct chain_harness *h, const char *requested, const char *source)
{
    const struct lk_lane_stream *lane = h->stream.info.lane;

    LK_CHECK_LKSTR(lane->requested.len > 0 ? lane->requested : LK_STR(""), requested);
    LK_CHECK_STR(lk_lane_origin_name(lane->origin), source);
}

static inline uint64_t counter(struct world *w, const char *name)
{
    uint64_t value = 0;

    lk_stats_find(w->t.context.stats, lk_str_from(name), &value);
    return value;
}

static inline void check_refused(const struct chain_harness *h, enum lk_response_flag flag)
{
    LK_CHECK_EQ_UINT(h->local_status, 503);
    LK_CHECK(h->stream.info.flags >> flag & 1);
}
