/*
 * Active health checks of a cluster's hosts (envoy.config.core.v3.HealthCheck): one check per host with timers of its
 * own. Hosts count as failed until their first check, which decides at once; afterwards thresholds do. Main thread.
 */
#pragma once

#include "proxy/upstream/cluster.h"

struct lk_health_checker;

/* For a cluster that has config->health_check. */
struct lk_health_checker *lk_health_checker_new(struct lk_cluster *cluster);
/* Ends all checks; what they found out about the hosts is forgotten. NULL is let pass. */
void lk_health_checker_free(struct lk_health_checker *checker);
/* Begins checks of hosts that are new and ends those of hosts that are missing. The set is not yet in use. */
void lk_health_checker_set_hosts(struct lk_health_checker *checker, const struct lk_host_set *set);
/* Calls fn(cluster) once, when every host that is known now has been checked or is gone; at once if there is none. */
void lk_health_checker_when_checked(struct lk_health_checker *checker, void (*fn)(struct lk_cluster *cluster));

/* Any thread: the host answered a request with x-envoy-immediate-health-check-fail, so it is to be taken out now. For a
 * cluster that has health checks. */
void lk_health_fail_now(struct lk_cluster *cluster, struct lk_host_state *state);
