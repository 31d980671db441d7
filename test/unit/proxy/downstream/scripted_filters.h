/* Listener filters, gates and an echo that tests of sessions script and watch. */
#pragma once

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"
#include <sys/socket.h>
#include <unistd.h>

/* --- scripted filters
 * --------------------------------------------------------------------------------------------------- */

/* A listener filter that waits for `need` bytes. */
struct inspector {
    size_t need;
    bool reject;
    const char *redirect; /* claims that the client wanted to go to this address of 127.0.0.1 */
    uint16_t redirect_port;
    const char *sni;
    unsigned accepts, datas;
};

static const void *pointer_config(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    (void)context;
    (void)errors;
    return session_pointer(any);
}

static inline enum lk_filter_status inspector_accept(struct lk_session *session, const void *config)
{
    struct inspector *i = (struct inspector *)config;
    struct lk_conn_info *info = lk_session_info(session);
    i->accepts++;
    if (i->redirect != NULL && !info->local_restored) {
        LK_CHECK(lk_addr_parse_ip(lk_str_from(i->redirect), i->redirect_port, &info->local));
        info->local_restored = true;
    }
    return i->need > 0 ? LK_FILTER_PAUSE : LK_FILTER_CONTINUE;
}

static inline enum lk_filter_status inspector_data(struct lk_session *session, const void *config, struct lk_str data,
                                                   bool eof, bool *reject)
{
    struct inspector *i = (struct inspector *)config;
    (void)eof;
    i->datas++;
    *reject = i->reject;
    if (i->sni != NULL)
        lk_session_info(session)->sni = lk_str_from(i->sni);
    return data.len >= i->need ? LK_FILTER_CONTINUE : LK_FILTER_PAUSE;
}

static inline size_t inspector_max(const void *config)
{
    return ((const struct inspector *)config)->need;
}

static const struct lk_listener_filter inspector_filter = {
    .name = "test.inspector",
    .type = "test.Inspector",
    .needs_data = true,
    .config_new = pointer_config,
    .max_read = inspector_max,
    .on_accept = inspector_accept,
    .on_data = inspector_data,
};

/* A gate that waits for `need` bytes and takes `take` of them. */
struct gate {
    size_t need, take;
    bool refuse, absent;
    struct lk_session *session;
    unsigned created, destroyed;
};

static inline void *gate_new(struct lk_session *session, const void *config, void *worker)
{
    struct gate *gate = (struct gate *)config;
    (void)worker;
    gate->created++;
    gate->session = session;
    return gate->absent ? NULL : gate;
}

static inline enum lk_filter_status gate_connection(void *self)
{
    struct gate *gate = self;
    if (gate->refuse) {
        lk_session_close(gate->session, LK_CLOSE_NOW, NULL);
        return LK_FILTER_CONTINUE;
    }
    return gate->need > 0 ? LK_FILTER_PAUSE : LK_FILTER_CONTINUE;
}

static inline enum lk_filter_status gate_data(void *self, struct lk_str data, bool eof, size_t *consumed)
{
    struct gate *gate = self;
    if (data.len < gate->need || eof)
        return LK_FILTER_PAUSE;
    *consumed = gate->take;
    return LK_FILTER_CONTINUE;
}

static inline void gate_destroy(void *self)
{
    ((struct gate *)self)->destroyed++;
}

static const struct lk_network_filter gate_filter = {
    .name = "test.gate",
    .type = "test.Gate",
    .config_new = pointer_config,
    .session_new = gate_new,
    .on_new_connection = gate_connection,
    .on_data = gate_data,
    .on_destroy = gate_destroy,
};

/* The terminal filter greets with its name and gives back what it gets. */
struct echo {
    const char *name;
    unsigned drains, workers;
    char sni[64];
};

struct echo_conn {
    struct echo *echo;
    struct lk_session *session;
};

static inline size_t echo_data(struct lk_conn *conn, struct lk_span data)
{
    lk_buf_add(&conn->out, data.ptr, data.len);
    lk_conn_flush(conn);
    return data.len;
}

static inline void echo_eof(struct lk_conn *conn)
{
    struct echo_conn *e = conn->owner;
    lk_session_close(e->session, LK_CLOSE_FLUSH, NULL);
}

static inline void echo_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct echo_conn *e = conn->owner;
    (void)failure;
    lk_session_close(e->session, LK_CLOSE_NOW, NULL);
}

static const struct lk_conn_ops echo_ops = {.on_data = echo_data, .on_eof = echo_eof, .on_failure = echo_failure};

static inline void echo_start(struct lk_session *session, const void *config, void *worker)
{
    struct echo_conn *e = lk_arena_zalloc(lk_session_arena(session), sizeof(*e));
    LK_CHECK_EQ_PTR(worker, config);
    e->echo = (struct echo *)config;
    e->session = session;
    snprintf(e->echo->sni, sizeof(e->echo->sni), "%.*s", LK_STR_ARG(lk_session_info(session)->sni));
    lk_session_set_terminal(session, e);
    struct lk_conn *conn = lk_session_conn(session);
    lk_buf_printf(&conn->out, "%s:", e->echo->name);
    lk_conn_flush(conn);
    lk_conn_set_owner(conn, &echo_ops, e);
}

static inline void *echo_worker_new(const void *config, struct lk_loop *loop)
{
    struct echo *echo = (struct echo *)config;
    (void)loop;
    echo->workers++;
    return echo;
}

static inline void echo_worker_free(void *worker)
{
    ((struct echo *)worker)->workers--;
}

static inline void echo_drain(void *terminal)
{
    struct echo_conn *e = terminal;
    e->echo->drains++;
}

static inline void echo_abort(void *terminal)
{
    struct echo_conn *e = terminal;
    lk_session_close(e->session, LK_CLOSE_NOW, NULL);
}

static const struct lk_network_filter echo_filter = {
    .name = "test.echo",
    .type = "test.Echo",
    .terminal = true,
    .config_new = pointer_config,
    .worker_new = echo_worker_new,
    .worker_free = echo_worker_free,
    .start = echo_start,
    .on_drain = echo_drain,
    .on_abort = echo_abort,
};

static const struct lk_listener_filter *const listener_filters[] = {&inspector_filter, NULL};
static const struct lk_network_filter *const network_filters[] = {&gate_filter, &echo_filter, NULL};
static const struct lk_http_filter *const http_filters[] = {NULL};
static const struct lk_access_logger *const access_loggers[] = {NULL};
static const struct lk_registry registry = {.listener_filters = listener_filters,
                                            .network_filters = network_filters,
                                            .http_filters = http_filters,
                                            .access_loggers = access_loggers};
