/*
 * One worker's side of the listeners: accepting on the shared sockets, the sessions it owns, the per-worker states of
 * their filters, drain. Owner: one worker, except where it says otherwise.
 */
#pragma once

#include "proxy/base/list.h"
#include "proxy/downstream/listener.h"

#include <stdbool.h>

struct lk_accept_source;
struct lk_acceptor;

/* Per worker and listener. */
struct lk_listener_worker {
    struct lk_acceptor *acceptor;
    struct lk_listener *listener;
    void **filter_states;             /* by lk_network_filter_entry.worker_slot; made on first use */
    struct lk_accept_source *sources; /* by address */
    unsigned source_count;
    struct lk_list sessions;
};

struct lk_acceptor {
    struct lk_loop *loop;
    struct lk_listeners *listeners;
    struct lk_listener_worker *workers; /* by listener index */
    size_t session_count;
    bool accepting;
};

struct lk_acceptor *lk_acceptor_new(struct lk_loop *loop, struct lk_listeners *listeners);
/* No session may be left. */
void lk_acceptor_free(struct lk_acceptor *acceptor);
void lk_acceptor_start(struct lk_acceptor *acceptor);
/* Accepts what is in the backlog, then no more. The listener's sockets are closed by main once every worker has
 * stopped. */
void lk_acceptor_stop(struct lk_acceptor *acceptor, bool inbound_only);
/* Tells every connection (of inbound listeners only) to end at its next response. */
void lk_acceptor_drain(struct lk_acceptor *acceptor, bool inbound_only);
/* Ends every connection now. */
void lk_acceptor_abort(struct lk_acceptor *acceptor);

/* session.c */
struct lk_session *lk_session_accept(struct lk_listener_worker *lw, int fd, const struct lk_addr *remote,
                                     unsigned address);
void lk_session_drain(struct lk_session *session);
void lk_session_abort(struct lk_session *session);
struct lk_session *lk_session_of_node(struct lk_list *node);
/* The per-worker state of a chain's filter, made on first use. */
void *lk_listener_worker_state(struct lk_listener_worker *lw, const struct lk_network_filter_entry *entry);
