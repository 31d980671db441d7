/* A listener with one real listener filter and a terminal filter that keeps what is known of the connection. */
#pragma once

#include "test/support/session_fixture.h"
#include "test/unit/filters/typed.h"

#include <sys/socket.h>
#include <unistd.h>

struct inspected {
    struct session_fixture *f;
    unsigned started;
    char transport[32], sni[300], alpn[128]; /* alpn: names joined by a blank */
    struct lk_addr local;
    bool restored;
    char bytes[4096]; /* what the terminal filter was given first */
    size_t byte_count;
};

static inline size_t inspected_data(struct lk_conn *conn, struct lk_span data)
{
    struct inspected *seen = conn->owner;
    seen->byte_count = LK_MIN(data.len, sizeof(seen->bytes));
    memcpy(seen->bytes, data.ptr, seen->byte_count);
    return 0;
}

static inline void inspected_eof(struct lk_conn *conn)
{
    (void)conn;
}

static inline void inspected_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)conn;
    (void)failure;
}

static inline void inspected_start(struct lk_session *session, const void *config, void *worker)
{
    static const struct lk_conn_ops ops = {
        .on_data = inspected_data, .on_eof = inspected_eof, .on_failure = inspected_failure};
    struct inspected *seen = (struct inspected *)config;
    const struct lk_conn_info *info = lk_session_info(session);
    size_t len = 0;
    (void)worker;
    seen->started++;
    snprintf(seen->transport, sizeof(seen->transport), "%.*s", LK_STR_ARG(info->detected_transport));
    snprintf(seen->sni, sizeof(seen->sni), "%.*s", LK_STR_ARG(info->sni));
    seen->alpn[0] = '\0';
    for (unsigned i = 0; i < info->alpn_count; i++)
        len += (size_t)snprintf(seen->alpn + len, sizeof(seen->alpn) - len, "%s%.*s", i > 0 ? " " : "",
                                LK_STR_ARG(info->alpn[i]));
    seen->local = info->local;
    seen->restored = info->local_restored;
    lk_conn_set_owner(lk_session_conn(session), &ops, seen);
}

static inline const void *inspected_config(struct lk_filter_context *context, const struct lk_any *any,
                                           struct lk_errors *errors)
{
    (void)context;
    (void)errors;
    return session_pointer(any);
}

static const struct lk_network_filter inspected_filter = {
    .name = "test.inspected",
    .type = "test.Inspected",
    .terminal = true,
    .config_new = inspected_config,
    .start = inspected_start,
};
static const struct lk_network_filter *const inspected_network_filters[] = {&inspected_filter, NULL};

/* The filter is built from its empty configuration. */
static inline void inspected_begin(struct inspected *seen, const char *type, uint32_t timeout_ms)
{
    static struct lk_registry registry;
    registry = lk_filter_table;
    registry.network_filters = inspected_network_filters;
    memset(seen, 0, sizeof(*seen));
    seen->f = session_new(&registry, 1);
    seen->f->config[0].filters_timeout_ms = timeout_ms;
    seen->f->config[0].continue_on_timeout = true;
    session_listener_filter_typed(seen->f, 0, type, lk_str(NULL, 0));
    session_network_filter(seen->f, 0, "test.inspected", seen);
    session_start(seen->f);
}

static inline void inspected_end(struct inspected *seen)
{
    session_free(seen->f);
}
