/* What the connections of a pool (pool_h1.c) and the requests that wait for them (pool_waiters.c) know of each other.
 */
#pragma once

#include "proxy/upstream/pool.h"

/* The most recently used idle connection that is fit for use, or NULL. careful: probe it first. */
struct lk_upstream_conn *lk_pool_take_idle(struct lk_worker_host *wh, bool careful);
/* Back to the idle list, with the limit that holds for this server. */
void lk_pool_go_idle(struct lk_upstream_conn *uc);
/* Starts a connect; NULL: it failed at once. */
struct lk_upstream_conn *lk_pool_open_conn(struct lk_worker_host *wh, uint8_t priority, struct lk_error *error);

/* A connection came free. */
void lk_pool_serve_waiters(struct lk_worker_host *wh);
/* All of them: nothing says that the next connect would do better, and each has its own retry policy. */
void lk_pool_fail_waiters(struct lk_worker_host *wh, enum lk_reset_reason reason, struct lk_str text);
/* A connection went away: as many connects under way as there are requests waiting, within the limits. */
void lk_pool_open_for_waiters(struct lk_worker_host *wh);
