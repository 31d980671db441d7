/*
 * Pools of upstream connections: per loop and host, LIFO. A request takes an idle connection at once, or waits for the
 * first that connects or comes free. Idle connections are noticed to be closed by the socket's event, retired before
 * the server's learned idle limit, and never used past it.
 */
#pragma once

#include "proxy/http/codec.h"
#include "proxy/io/conn.h"
#include "proxy/upstream/cluster.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_upstream_conn_state { LK_UC_CONNECTING, LK_UC_IDLE, LK_UC_BUSY, LK_UC_CLOSED };

struct lk_upstream_conn {
    struct lk_conn conn;
    struct lk_worker_host *wh; /* referenced */
    struct lk_codec *codec;
    struct lk_codec_stream *stream; /* the request in progress, or NULL */
    struct lk_list node;
    struct lk_timer timer; /* connect timeout, then idle limit */
    uint64_t id;
    uint64_t created_us;
    uint64_t idle_since_us;
    uint64_t request_start;  /* conn.bytes_written where the request in progress began */
    uint64_t response_start; /* conn.bytes_read at the same moment */
    uint32_t requests;
    uint8_t state;
    uint8_t priority; /* whose breaker counts this connection */
    bool upgraded;    /* raw bytes after a 101 */
    bool drain;       /* not to be reused */
    struct lk_addr local;
};

enum lk_pool_result {
    LK_POOL_READY,    /* *uc is the caller's */
    LK_POOL_WAITING,  /* on_ready or on_failure will be called, never before this returns */
    LK_POOL_OVERFLOW, /* circuit breaker */
    LK_POOL_FAILED,   /* the connect failed at once */
};

struct lk_pool_waiter;
struct lk_pool_waiter_ops {
    void (*on_ready)(struct lk_pool_waiter *waiter, struct lk_upstream_conn *uc);
    /* CONNECTION_FAILURE, CONNECTION_TIMEOUT, OVERFLOW; text: transport's reason, may be empty. */
    void (*on_failure)(struct lk_pool_waiter *waiter, enum lk_reset_reason reason, struct lk_str text);
};
/* Embedded in whoever waits. */
struct lk_pool_waiter {
    struct lk_list node;
    const struct lk_pool_waiter_ops *ops;
    struct lk_worker_host *wh;
    uint8_t priority;
};

void lk_pool_waiter_init(struct lk_pool_waiter *waiter, const struct lk_pool_waiter_ops *ops);
/* careful: the request must not be sent twice, so a connection that has been idle is probed before it is used. fresh:
 * do not use a pooled connection (a replay after one that turned out dead). */
enum lk_pool_result lk_pool_acquire(struct lk_worker_host *wh, uint8_t priority, bool careful, bool fresh,
                                    struct lk_pool_waiter *waiter, struct lk_upstream_conn **uc);
void lk_pool_cancel(struct lk_pool_waiter *waiter);

/* Begins a request on a connection got from the pool: the stream to send it on; set its events, arg and arena. The
 * connection goes back to the pool by itself when both directions are done, and is closed when the stream is reset. */
struct lk_codec_stream *lk_upstream_conn_begin(struct lk_upstream_conn *uc);

/* How far the request in progress got, asked in on_reset: decides what may be replayed. */
enum lk_progress {
    LK_PROGRESS_NOT_SENT,      /* no byte left this process */
    LK_PROGRESS_NOT_PROCESSED, /* the server closed before its TCP accepted a byte of it */
    LK_PROGRESS_UNKNOWN,
    LK_PROGRESS_ANSWERED, /* some bytes of a response arrived */
};
enum lk_progress lk_upstream_conn_progress(const struct lk_upstream_conn *uc);

/* Closes idle connections and forbids reuse of busy ones, those of pressure-test traffic too. */
void lk_pool_drain(struct lk_worker_host *wh);
/* Closes everything, as well (loop is stopping). */
void lk_pool_close(struct lk_worker_host *wh);

/* --- plain TCP to a host, unpooled, under the same limits and stats (tcp_proxy) ------------------------------------
 */

struct lk_upstream_tcp;
struct lk_upstream_tcp_ops {
    void (*on_connected)(void *owner);
    /* The connect failed and was counted; the owner must still end it by lk_upstream_tcp_close. */
    void (*on_failed)(void *owner, enum lk_reset_reason reason, struct lk_str text);
};
struct lk_upstream_tcp {
    struct lk_conn conn;
    struct lk_worker_host *wh;
    struct lk_timer timer;
    const struct lk_upstream_tcp_ops *ops;
    void *owner;
    uint64_t id;
    uint64_t created_us;
    struct lk_addr local;
    bool connected;
    bool counted; /* in the stats and the breaker */
    void (*on_gone)(void *owner);
};
/* False: circuit breaker is open (OVERFLOW) or the connect failed at once (CONNECTION_FAILURE): *reason. */
bool lk_upstream_tcp_connect(struct lk_upstream_tcp *tcp, struct lk_worker_host *wh,
                             const struct lk_upstream_tcp_ops *ops, void *owner, enum lk_reset_reason *reason);
/* Ends it; on_gone(owner) runs when the struct is no longer touched. remote: the peer ended it. */
void lk_upstream_tcp_close(struct lk_upstream_tcp *tcp, enum lk_close_mode mode, bool remote,
                           void (*on_gone)(void *owner));
