/* The TCP proxy in a rehearsal: the cluster of the connection and its host. Runs on a worker. See
 * proxy/filter/explain.h. */
#include "proxy/base/mem.h"
#include "proxy/downstream/tcp_target.h"
#include "proxy/router/cluster_explain.h"

static void tell_cluster(struct lk_explain *explain, const struct lk_tcp_proxy_config *config,
                         const struct lk_tcp_weighted *chosen)
{
    struct lk_note *step =
        lk_explain_step(explain, "tcp_proxy", "relay", "to cluster \"%.*s\"", LK_STR_ARG(chosen->cluster));
    struct lk_note *list;

    lk_explain_result(explain, "cluster", chosen->cluster);
    lk_note_number(explain, step, "idle_timeout_ms", config->idle_timeout_ms);
    lk_note_number(explain, step, "max_duration_ms", config->max_duration_ms);
    lk_note_number(explain, step, "max_connect_attempts", config->max_connect_attempts);
    if (config->weighted_count == 0)
        return;
    list = lk_note_list(explain, step, "weighted_clusters");
    for (size_t i = 0; i < config->weighted_count; i++) {
        struct lk_note *note = lk_note_object(explain, list, NULL);

        lk_note_text(explain, note, "cluster", config->weighted[i].cluster);
        lk_note_number(explain, note, "weight", config->weighted[i].weight);
        lk_note_bool(explain, note, "chosen", lk_str_eq(config->weighted[i].cluster, chosen->cluster));
    }
    lk_note_number(explain, step, "draw", explain->random);
}

void lk_tcp_tunnel_explain(const void *filter_config, void *worker, struct lk_explain *explain)
{
    const struct lk_tcp_proxy_config *config = filter_config;
    uint64_t point = config->total_weight > 0 ? explain->random % config->total_weight : 0;
    struct lk_tcp_weighted chosen = lk_tcp_target_choose(config, point);
    struct lk_cluster_view *view = lk_cluster_view_get(config->clusters, explain->loop, chosen.cluster);
    struct lk_pick_account account;
    struct lk_worker_host *wh;
    struct lk_pick pick;

    (void)worker;
    tell_cluster(explain, config, &chosen);
    if (view == NULL) {
        lk_explain_step(explain, "answer", "closed", "there is no cluster of this name: the connection is closed");
        return;
    }
    lk_explain_cluster(explain, view, 0);
    lk_pick_account_init(&account, explain);
    pick = lk_tcp_target_pick(explain->conn, chosen.metadata_match);
    pick.recorder = &account.base;
    wh = lk_cluster_pick(view, &pick);
    if (wh != NULL)
        lk_worker_host_unref(wh);
    else
        lk_explain_step(explain, "answer", "closed", "no host can be chosen: the connection is closed");
}
