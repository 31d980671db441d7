/*
 * The contract of network filters. The chain of a connection ends in one terminal filter (tcp_proxy, the HTTP manager),
 * which takes the connection over. The filters before it gate its start: each sees the connection, and the first bytes
 * if it asks, before the next one does, and may consume a prefix.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/filter/filter_context.h"
#include "proxy/filter/http_filter.h" /* enum lk_filter_status */
#include "proxy/filter/stream_info.h"
#include "proxy/io/conn.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_session;      /* one accepted connection, proxy/downstream */
struct lk_cluster_view; /* proxy/upstream/cluster.h */

/* What a gate filter leaves in lk_conn_info.steering for a terminal filter that relays the connection as it is: it asks
 * once, when it has chosen a cluster. */
struct lk_tcp_steering {
    /* May set selector and lane of info, which is the connection's for logs. NULL: go on. Else the connection is
     * closed, for the reason that comes back (static, for logs); its flag is in info. */
    const char *(*steer)(const struct lk_tcp_steering *self, struct lk_stream_info *info,
                         struct lk_cluster_view *cluster);
};

struct lk_network_filter {
    const char *name; /* "envoy.filters.network.tcp_proxy" */
    const char *type;
    bool decides_access;
    bool terminal;
    const char *ends_in; /* gate filters: the only terminal filter that they are of use to, by name; NULL: any */
    const void *(*config_new)(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors);
    void *(*worker_new)(const void *config, struct lk_loop *loop);
    void (*worker_free)(void *worker);

    /* Gate filters. An instance in lk_session_arena(); NULL: not interested. */
    void *(*session_new)(struct lk_session *session, const void *config, void *worker);
    /* PAUSE: wait (for bytes if on_data is set, or for lk_session_resume). */
    enum lk_filter_status (*on_new_connection)(void *self);
    /* All unconsumed bytes; *consumed (0 at entry) says how many this filter took. */
    enum lk_filter_status (*on_data)(void *self, struct lk_str data, bool eof, size_t *consumed);
    void (*on_destroy)(void *self);

    /* Terminal filters: takes the connection over by lk_conn_set_owner(lk_session_conn(session), ...) and ends it by
     * lk_session_close. */
    void (*start)(struct lk_session *session, const void *config, void *worker);
    /* The listener drains: finish what is in progress, then close. Called with what lk_session_set_terminal stored. */
    void (*on_drain)(void *terminal);
    /* The process gives up waiting: close now. */
    void (*on_abort)(void *terminal);
    /* POST /explain. Gate filters: what they would leave in explain->conn for those behind. Terminal filters: what
     * would become of the rehearsed connection and its request. NULL: the filter is not asked. */
    void (*explain)(const void *config, void *worker, struct lk_explain *explain);
};

struct lk_conn *lk_session_conn(struct lk_session *session);
struct lk_arena *lk_session_arena(struct lk_session *session);
struct lk_loop *lk_session_loop(struct lk_session *session);
struct lk_conn_info *lk_session_info(struct lk_session *session);
const struct lk_listener_config *lk_session_listener(const struct lk_session *session);
/* Whether the listener or the process is draining (answer "connection: close"). */
bool lk_session_draining(const struct lk_session *session);
void lk_session_set_terminal(struct lk_session *session, void *terminal);
/* Continue with the next gate filter. */
void lk_session_resume(struct lk_session *session);
/* Ends the connection and, at the end of the turn, the session; the terminal's own state must be gone or in the
 * session's arena by then: on_gone (may be NULL) runs just before the arena is freed. */
void lk_session_close(struct lk_session *session, enum lk_close_mode mode, void (*on_gone)(void *terminal));
