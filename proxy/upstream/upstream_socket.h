/* Opening a socket to a host under its cluster's socket options and limits: what the HTTP pool and plain TCP share. */
#pragma once

#include "proxy/http/codec.h"
#include "proxy/io/conn.h"
#include "proxy/upstream/cluster.h"

/* Starts a connect with the cluster's bind configuration and keepalive. False: it failed at once. */
bool lk_upstream_connect(struct lk_conn *conn, struct lk_loop *loop, const struct lk_cluster_config *config,
                         const struct lk_addr *addr, const struct lk_conn_ops *ops, void *owner,
                         struct lk_error *error) LK_MUST_CHECK;
/* The same to a host on its loop. */
bool lk_upstream_open(struct lk_conn *conn, struct lk_worker_host *wh, const struct lk_conn_ops *ops, void *owner,
                      struct lk_error *error) LK_MUST_CHECK;
/* An HTTP/1 client codec on the connection with the cluster's limits. */
struct lk_codec *lk_upstream_h1_codec(const struct lk_cluster_config *config, struct lk_conn *conn,
                                      const struct lk_codec_callbacks *callbacks, void *owner);
/* Counts a connection opened: breaker, cluster and host. */
void lk_upstream_count_open(struct lk_worker_host *wh, uint8_t priority);
/* Counts its end. local: our doing; busy: with a request in progress. */
void lk_upstream_count_close(struct lk_worker_host *wh, uint8_t priority, const struct lk_conn *conn,
                             uint64_t created_us, bool connected, bool local, bool busy);
#define LK_FAILURE_TEXT_MAX 128
/* Why a connect failed, in Envoy's words: %UPSTREAM_TRANSPORT_FAILURE_REASON%. */
struct lk_str lk_upstream_failure_text(const struct lk_conn *conn, char buf[LK_FAILURE_TEXT_MAX]);
/* Ids of connections, unique in the process. */
uint64_t lk_upstream_next_id(void);
