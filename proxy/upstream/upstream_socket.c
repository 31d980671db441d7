/* Sockets to hosts: bind address, keepalive, limits and counts. Runs on the owning loop. */
#include "proxy/upstream/upstream_socket.h"

#include "proxy/base/mem.h"
#include "proxy/http/h1_codec.h"

#include <stdio.h>
#include <string.h>

static const struct lk_addr *source_for(const struct lk_bind_config *bind, const struct lk_addr *to)
{
    if (!bind->set)
        return NULL;
    if (bind->source.len != 0 && bind->source.family == to->family)
        return &bind->source;
    for (size_t i = 0; i < bind->extra_count; i++) {
        if (bind->extra[i].family == to->family)
            return &bind->extra[i];
    }
    return NULL;
}

bool lk_upstream_connect(struct lk_conn *conn, struct lk_loop *loop, const struct lk_cluster_config *config,
                         const struct lk_addr *addr, const struct lk_conn_ops *ops, void *owner, struct lk_error *error)
{
    struct lk_connect_options options = {
        .source = source_for(&config->bind, addr),
        .freebind = config->bind.freebind,
        .keepalive = config->keepalive.set,
        .keepalive_time = config->keepalive.time_s,
        .keepalive_interval = config->keepalive.interval_s,
        .keepalive_probes = config->keepalive.probes,
    };
    return lk_conn_connect(conn, loop, addr, &options, ops, owner, error);
}

bool lk_upstream_open(struct lk_conn *conn, struct lk_worker_host *wh, const struct lk_conn_ops *ops, void *owner,
                      struct lk_error *error)
{
    return lk_upstream_connect(conn, wh->view->loop, wh->view->config, &wh->state->addr, ops, owner, error);
}

struct lk_codec *lk_upstream_h1_codec(const struct lk_cluster_config *config, struct lk_conn *conn,
                                      const struct lk_codec_callbacks *callbacks, void *owner)
{
    struct lk_h1_options options = {
        .max_headers_kb = config->max_response_headers_kb > 0 ? config->max_response_headers_kb : 80,
        .max_headers_count = config->max_headers_count > 0 ? config->max_headers_count : 100,
        .accept_http10 = true,
        .enable_trailers = config->enable_trailers,
        .proper_case_words = config->proper_case_words,
    };
    lk_conn_expect_head(conn, (size_t)options.max_headers_kb * 1024);
    return lk_h1_client_new(&options, &conn->out, callbacks, owner);
}

void lk_upstream_count_open(struct lk_worker_host *wh, uint8_t priority)
{
    struct lk_stats_scope *stats = wh->view->stats;
    lk_breaker_take(&wh->breakers[priority], LK_RESOURCE_CONNECTIONS);
    lk_stats_inc(stats, LK_CLUSTER_CX_TOTAL);
    lk_stats_inc(stats, LK_CLUSTER_CX_ACTIVE);
    lk_host_count(&wh->state->cx_total, 1);
    lk_host_count(&wh->state->cx_active, 1);
}

void lk_upstream_count_close(struct lk_worker_host *wh, uint8_t priority, const struct lk_conn *conn,
                             uint64_t created_us, bool connected, bool local, bool busy)
{
    struct lk_stats_scope *stats = wh->view->stats;
    lk_breaker_give(&wh->breakers[priority], LK_RESOURCE_CONNECTIONS);
    lk_stats_dec(stats, LK_CLUSTER_CX_ACTIVE);
    lk_host_count(&wh->state->cx_active, (uint64_t)-1);
    lk_stats_add(stats, LK_CLUSTER_CX_RX_BYTES, conn->bytes_read);
    lk_stats_add(stats, LK_CLUSTER_CX_TX_BYTES, conn->bytes_written);
    if (!connected) {
        lk_stats_inc(stats, LK_CLUSTER_CX_CONNECT_FAIL);
        lk_host_count(&wh->state->cx_connect_fail, 1);
    } else {
        lk_stats_record(stats, LK_CLUSTER_CX_LENGTH_MS, (lk_loop_now_us(wh->view->loop) - created_us) / 1000);
    }
    lk_stats_inc(stats, LK_CLUSTER_CX_DESTROY);
    lk_stats_inc(stats, local ? LK_CLUSTER_CX_DESTROY_LOCAL : LK_CLUSTER_CX_DESTROY_REMOTE);
    if (busy) {
        lk_stats_inc(stats, LK_CLUSTER_CX_DESTROY_WITH_RQ);
        lk_stats_inc(stats, local ? LK_CLUSTER_CX_DESTROY_LOCAL_WITH_RQ : LK_CLUSTER_CX_DESTROY_REMOTE_WITH_RQ);
    }
}

uint64_t lk_upstream_next_id(void)
{
    static _Atomic uint64_t next = 1;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

struct lk_str lk_upstream_failure_text(const struct lk_conn *conn, char buf[LK_FAILURE_TEXT_MAX])
{
    char reason[96];
    if (conn->failure_text != NULL)
        return lk_str_from(conn->failure_text);
    int len = snprintf(buf, LK_FAILURE_TEXT_MAX, "delayed connect error: %s",
                       strerror_r(conn->error, reason, sizeof(reason)));
    return lk_str(buf, (size_t)LK_MIN(len, (int)LK_FAILURE_TEXT_MAX - 1));
}
