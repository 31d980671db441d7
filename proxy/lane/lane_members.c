/* Endpoints by lane, cluster by cluster. See lane_members.h. */
#include "proxy/lane/lane_members.h"

#include "proxy/base/mem.h"

const struct lk_lane_table *lk_lane_settings_table(const struct lk_lane_settings *settings)
{
    struct lk_lane_source_info info;

    lk_lane_source_info(settings->tables->source, &info);
    return info.table;
}

/* The third part of "outbound|80|v1|host"; empty: there is none. */
static struct lk_str subset_of(struct lk_str name)
{
    if (!lk_str_has_prefix(name, LK_STR("outbound|")))
        return lk_str(NULL, 0);
    lk_str_split(&name, '|');
    lk_str_split(&name, '|');
    return name.ptr != NULL ? lk_str_split(&name, '|') : lk_str(NULL, 0);
}

bool lk_lane_is_sibling(const struct lk_lane_settings *settings, const struct lk_lane_table *table,
                        const struct lk_cluster *cluster)
{
    struct lk_str subset = subset_of(cluster->config->name);

    return settings->membership.subset_clusters && subset.len > 0 && table != NULL &&
           lk_lane_table_find(table, subset) != NULL;
}

static struct lk_lane_count count_sibling(const struct lk_cluster *cluster, struct lk_str lane)
{
    struct lk_lane_count count = {0, 0};
    char name[LK_LANE_SIBLING_NAME_MAX];
    struct lk_cluster *sibling = NULL;
    struct lk_host_set *set;
    size_t len;

    if (lk_lane_sibling_name(cluster->config->name, lane, name, &len))
        sibling = lk_clusters_find(cluster->clusters, lk_str(name, len));
    set = sibling != NULL ? lk_cluster_hosts(sibling) : NULL;
    if (set == NULL)
        return count;
    count = lk_lane_count_all(set);
    lk_host_set_unref(set);
    return count;
}

static struct lk_lane_count count_lane(const struct lk_lane_settings *settings, const struct lk_cluster *cluster,
                                       struct lk_host_set *set, struct lk_str lane)
{
    struct lk_lane_count count = lk_lane_count_of(&settings->membership, set, lane);

    if (count.total == 0 && settings->membership.subset_clusters)
        count = count_sibling(cluster, lane);
    return count;
}

void lk_lane_members_read(const struct lk_lane_settings *settings, const struct lk_lane_table *table,
                          struct lk_cluster *cluster, struct lk_arena *arena, struct lk_lane_members *out)
{
    size_t lanes = table != NULL ? table->lane_count : 1;
    struct lk_lane_member items[LK_LANES_MAX + 1];
    struct lk_lane_member *kept;
    struct lk_host_set *set;

    LK_ASSERT(lanes <= LK_ARRAY_LEN(items));
    *out = (struct lk_lane_members){.boundary = lk_lane_boundary(&settings->config->egress, cluster->config)};
    if (!out->boundary.mesh)
        return;
    set = lk_cluster_hosts(cluster);
    items[out->count++] =
        (struct lk_lane_member){LK_LANE_INDEX_BASE, lk_lane_count_base(&settings->membership, table, set)};
    out->shadow_ok = lk_lane_count_shadow_ok(&settings->membership, table, set);
    for (size_t i = 1; i < lanes; i++) {
        struct lk_lane_count count = count_lane(settings, cluster, set, table->lanes[i].name);

        if (count.total > 0)
            items[out->count++] = (struct lk_lane_member){(uint16_t)i, count};
    }
    kept = lk_arena_array(arena, out->count, sizeof(*kept));
    memcpy(kept, items, out->count * sizeof(*kept));
    out->items = kept;
    if (set != NULL)
        lk_host_set_unref(set);
}
