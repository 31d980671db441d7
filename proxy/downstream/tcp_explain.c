/* The TCP proxy in a rehearsal: the cluster of the connection and its host, by the functions of tcp_target.c. Runs on a
 * worker. See proxy/filter/explain.h. */
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

static void closed(struct lk_explain *explain, const char *why)
{
    lk_explain_step(explain, "answer", "closed", "the connection is closed: %s", why);
    lk_explain_result(explain, "details", lk_str_from(why));
}

static void choose_host(struct lk_explain *explain, struct lk_stream_info *info, struct lk_cluster_view *view,
                        const struct lk_match_criteria *match)
{
    const struct lk_tcp_steering *steering = explain->conn->steering;
    const char *refused = steering != NULL ? steering->steer(steering, info, view) : NULL;
    struct lk_pick pick = lk_tcp_target_pick(explain->conn, match);
    struct lk_host_selection chosen;
    struct lk_pick_account account;

    if (refused != NULL) {
        closed(explain, refused);
        return;
    }
    lk_explain_cluster(explain, view, 0);
    lk_pick_account_init(&account, explain);
    pick.recorder = &account.base;
    chosen = lk_tcp_target_select(info->selector, view, &pick, false);
    if (chosen.host != NULL)
        lk_worker_host_unref(chosen.host);
    else
        closed(explain, chosen.refused ? chosen.details : "no host can be chosen");
}

void lk_tcp_tunnel_explain(const void *filter_config, void *worker, struct lk_explain *explain)
{
    const struct lk_tcp_proxy_config *config = filter_config;
    uint64_t point = config->total_weight > 0 ? explain->random % config->total_weight : 0;
    struct lk_tcp_weighted chosen = lk_tcp_target_choose(config, point);
    struct lk_cluster_view *view = lk_cluster_view_get(config->clusters, explain->loop, chosen.cluster);
    struct lk_stream_info info = {.conn = explain->conn, .start_us = explain->conn->start_us};

    (void)worker;
    tell_cluster(explain, config, &chosen);
    if (view == NULL)
        closed(explain, "there is no cluster of this name");
    else
        choose_host(explain, &info, view, chosen.metadata_match);
}
