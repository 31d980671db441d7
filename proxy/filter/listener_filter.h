/*
 * The contract of listener filters: they look at a connection that was just accepted, before a filter chain is chosen.
 * They never consume: the bytes they see stay in the connection's input.
 */
#pragma once

#include "proxy/filter/filter_context.h"
#include "proxy/filter/network_filter.h"

struct lk_listener_filter {
    const char *name; /* "envoy.filters.listener.tls_inspector" */
    const char *type;
    bool decides_access;
    /* Whether an absent client byte can hold the connection up (server-first protocols). */
    bool needs_data;
    const void *(*config_new)(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors);
    /* Bytes this filter wants to be able to see; 0 when it needs none. */
    size_t (*max_read)(const void *config);
    /* At accept. CONTINUE: done. PAUSE: wants bytes. */
    enum lk_filter_status (*on_accept)(struct lk_session *session, const void *config);
    /* All bytes so far. PAUSE: needs more. Called again with more bytes each time; cheap to repeat. A filter that
     * cannot decide within max_read must continue or set *reject. eof: no more will come. */
    enum lk_filter_status (*on_data)(struct lk_session *session, const void *config, struct lk_str data, bool eof,
                                     bool *reject);
};

/* Results go to lk_session_info(session): detected_transport, sni, alpn (copied into the session's arena), local. */
void lk_session_set_alpn(struct lk_session *session, const struct lk_str *protocols, unsigned count);
