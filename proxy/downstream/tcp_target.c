/* Cluster and host of a relayed connection. Runs on the session's worker. */
#include "proxy/downstream/tcp_target.h"

struct lk_tcp_weighted lk_tcp_target_choose(const struct lk_tcp_proxy_config *config, uint64_t point)
{
    if (config->weighted_count == 0)
        return (struct lk_tcp_weighted){config->cluster, 1, config->metadata_match};
    for (size_t i = 0; i < config->weighted_count; i++) {
        if (point < config->weighted[i].weight)
            return config->weighted[i];
        point -= config->weighted[i].weight;
    }
    return config->weighted[config->weighted_count - 1];
}

struct lk_pick lk_tcp_target_pick(const struct lk_conn_info *info, const struct lk_match_criteria *match)
{
    return (struct lk_pick){.original_dst = info->local_restored ? &info->local : NULL, .match = match};
}

struct lk_host_selection lk_tcp_target_select(struct lk_host_selector *selector, struct lk_cluster_view *view,
                                              const struct lk_pick *pick, bool last)
{
    if (selector == NULL)
        return (struct lk_host_selection){.host = lk_cluster_pick(view, pick)};
    return selector->select(selector, view, pick, last);
}

void lk_tcp_target_note_cluster(struct lk_stream_info *info, const struct lk_cluster_view *view)
{
    info->upstream.cluster = view->config->name;
    info->upstream.cluster_alt = view->config->stat_name;
}

static void forget_host(void *host)
{
    lk_host_unref(host);
}

void lk_tcp_target_note_host(struct lk_stream_info *info, struct lk_arena *arena, struct lk_worker_host *wh)
{
    struct lk_upstream_info *upstream = &info->upstream;
    if (upstream->host != wh->host) {
        lk_host_ref(wh->host);
        lk_arena_on_free(arena, forget_host, wh->host);
    }
    upstream->host = wh->host;
    upstream->host_addr = &wh->host->state->addr;
    upstream->host_name = wh->host->hostname;
    upstream->host_metadata = wh->host->metadata;
}
