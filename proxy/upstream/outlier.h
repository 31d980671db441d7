/*
 * Outlier detection (envoy.config.cluster.v3.OutlierDetection): hosts that fail several times in a row are ejected for
 * a while. Workers count in the host's state and tell the main thread when a threshold is reached; it decides, and lets
 * hosts return. A success in the steady state costs two loads of words that are zero.
 */
#pragma once

#include "proxy/config/health_config.h"
#include "proxy/upstream/cluster.h"

struct lk_outlier;

/* --- any thread: what became of a request ------------------------------------------------------------------------- */

void lk_outlier_count_answer(struct lk_cluster *cluster, struct lk_host_state *state, unsigned status);
/* The host answered with this status. */
static inline void lk_outlier_answered(struct lk_cluster *cluster, struct lk_host_state *state, unsigned status)
{
    if (cluster->config->outlier != NULL)
        lk_outlier_count_answer(cluster, state, status);
}
/* A connect failed, the connection broke, or (timeout) nothing came in time. */
void lk_outlier_failed(struct lk_cluster *cluster, struct lk_host_state *state, bool timeout);
/* A connect succeeded. final: nothing but bytes follow, so this is the whole success (tcp_proxy). */
void lk_outlier_connected(struct lk_cluster *cluster, struct lk_host_state *state, bool final);

/* --- main thread -------------------------------------------------------------------------------------------------- */

/* For a cluster that has config->outlier. */
struct lk_outlier *lk_outlier_new(struct lk_cluster *cluster);
/* Ejections are forgotten. NULL is let pass. */
void lk_outlier_free(struct lk_outlier *outlier);
/* Who is watched, and what percentages are of. The set is not yet in use. */
void lk_outlier_set_hosts(struct lk_outlier *outlier, const struct lk_host_set *set);
/* An active health check passed, which ends an ejection unless configured otherwise. */
void lk_outlier_check_passed(struct lk_outlier *outlier, struct lk_host_state *state);
