/* Endpoints for the clusters of a world (lane_fixture.h): "lane=gray,lane=gray!,-" are two of lane gray, the second of
 * them unhealthy, and one without metadata. */
#pragma once

#include "test/unit/filters/http/lane_fixture.h"
#include "test/unit/proxy/upstream/labels.h"

/* Hosts outlive the configuration, so their memory is not in its arena. */
static struct lk_arena members_arena;

/* In place of world_fini. */
static inline void world_end(struct world *w)
{
    lk_cluster_views_close(w->t.clusters, w->t.loop);
    lk_loop_turn(w->t.loop, 0);
    world_fini(w);
    lk_arena_reset(&members_arena);
}

static inline void set_members(struct world *w, const char *name, const char *text)
{
    struct lk_cluster *cluster = lk_clusters_find(w->t.clusters, lk_str_from(name));
    struct lk_endpoints *all = lk_arena_zalloc(&members_arena, sizeof(*all));
    struct lk_locality_endpoints *group = lk_arena_zalloc(&members_arena, sizeof(*group));
    struct lk_endpoint *list = lk_arena_array(&members_arena, 64, sizeof(*list));
    struct lk_str rest = lk_str_from(text);

    while (rest.ptr != NULL && rest.len > 0) {
        struct lk_str spec = lk_str_split(&rest, ',');
        struct lk_endpoint *out = &list[group->endpoint_count++];

        out->weight = 1;
        out->health = LK_HEALTH_HEALTHY;
        if (spec.ptr[spec.len - 1] == '!') {
            out->health = LK_HEALTH_UNHEALTHY;
            spec.len--;
        }
        if (!lk_str_eq(spec, LK_STR("-")))
            out->metadata = test_metadata(&members_arena, lk_arena_cstr(&members_arena, spec));
        LK_CHECK(lk_addr_parse_ip(LK_STR("10.0.0.1"), (uint16_t)group->endpoint_count, &out->addr));
    }
    lk_ref_init(&all->ref);
    group->endpoints = list;
    all->localities = group;
    all->locality_count = 1;
    lk_cluster_set_hosts(cluster, lk_host_set_from_endpoints(cluster, all));
    lk_loop_turn(w->t.loop, 0);
}

/* Another cluster of the mesh; config is the caller's. */
static inline void another_cluster(struct world *w, struct lk_cluster_config *config, const char *name)
{
    add_cluster(w, config, name, LK_CLUSTER_EDS);
}
