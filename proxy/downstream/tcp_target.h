/*
 * Where a relayed TCP connection goes: its cluster, by weight; its host, by the selector of a filter or by the
 * balancer; and what logs hear of both. Owner: the session's worker.
 */
#pragma once

#include "proxy/downstream/tcp_tunnel.h"
#include "proxy/upstream/host_selector.h"

/* point: a random number below total_weight; of no use with a single cluster. */
struct lk_tcp_weighted lk_tcp_target_choose(const struct lk_tcp_proxy_config *config, uint64_t point);
struct lk_pick lk_tcp_target_pick(const struct lk_conn_info *info, const struct lk_match_criteria *match);
/* last: the last of several attempts. selector may be NULL. */
struct lk_host_selection lk_tcp_target_select(struct lk_host_selector *selector, struct lk_cluster_view *view,
                                              const struct lk_pick *pick, bool last);
void lk_tcp_target_note_cluster(struct lk_stream_info *info, const struct lk_cluster_view *view);
/* The host is kept as long as the arena. */
void lk_tcp_target_note_host(struct lk_stream_info *info, struct lk_arena *arena, struct lk_worker_host *wh);
