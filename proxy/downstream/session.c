/*
 * One accepted connection: listener filters look at it, it may be handed to the listener that owns its original
 * destination, a filter chain is chosen, gate filters let it in, and the terminal filter takes over. Runs on the
 * accepting worker.
 */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/downstream/acceptor.h"
#include "proxy/io/sockopt.h"

#include <string.h>

enum session_state { SESSION_INSPECTING, SESSION_GATING, SESSION_RUNNING, SESSION_CLOSING };

struct lk_session {
    struct lk_conn conn;
    struct lk_conn_info info;
    struct lk_peer_verdict verdict;
    struct lk_arena arena;
    struct lk_listener_worker *lw;
    const struct lk_filter_chain *chain;
    struct lk_list node;
    struct lk_timer timer; /* listener_filters_timeout */
    void *gate;            /* instance of the gate filter at filter_index */
    void *terminal;
    void (*on_gone)(void *terminal);
    uint16_t filter_index;
    uint8_t state;
    bool handed_over;
    bool counted;
    bool pre_counted;
};

static void inspect(struct lk_session *session);
static void choose_chain(struct lk_session *session);
static void run_gates(struct lk_session *session);

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void session_gone(struct lk_conn *conn)
{
    struct lk_session *session = LK_CONTAINER_OF(conn, struct lk_session, conn);
    if (session->on_gone != NULL)
        session->on_gone(session->terminal);
    lk_arena_reset(&session->arena);
    lk_free(session);
}

static void count_out(struct lk_session *session)
{
    struct lk_listener *listener = session->lw->listener;
    if (!session->counted)
        return;
    session->counted = false;
    lk_list_remove(&session->node);
    session->lw->acceptor->session_count--;
    atomic_fetch_sub_explicit(&listener->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&listener->set->connections, 1, memory_order_relaxed);
    if (session->pre_counted)
        lk_stats_dec(listener->stats, LK_LISTENER_PRE_CX_ACTIVE);
    session->pre_counted = false;
    lk_stats_dec(listener->stats, LK_LISTENER_CX_ACTIVE);
    lk_stats_inc(listener->stats, LK_LISTENER_CX_DESTROY);
    lk_stats_record(listener->stats, LK_LISTENER_CX_LENGTH_MS,
                    (lk_loop_now_us(session->conn.loop) - session->info.start_us) / 1000);
}

static void count_in(struct lk_session *session)
{
    struct lk_listener *listener = session->lw->listener;
    session->counted = true;
    session->pre_counted = true;
    lk_list_push_back(&session->lw->sessions, &session->node);
    session->lw->acceptor->session_count++;
    atomic_fetch_add_explicit(&listener->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&listener->set->connections, 1, memory_order_relaxed);
    lk_stats_inc(listener->stats, LK_LISTENER_CX_TOTAL);
    lk_stats_inc(listener->stats, LK_LISTENER_CX_ACTIVE);
    lk_stats_inc(listener->stats, LK_LISTENER_PRE_CX_ACTIVE);
}

static void write_log(struct lk_session *session, uint64_t flags)
{
    struct lk_listener *listener = session->lw->listener;
    if (listener->access_log_count == 0)
        return;
    struct lk_stream_info info = {.conn = &session->info,
                                  .start_us = session->info.start_us,
                                  .start_wall_us = session->info.start_wall_us,
                                  .end_us = lk_loop_now_us(session->conn.loop),
                                  .bytes_received = session->conn.bytes_read,
                                  .bytes_sent = session->conn.bytes_written,
                                  .flags = flags};
    struct lk_log_event event = {
        .info = &info, .arena = &session->arena, .loop = session->conn.loop, .type = "TcpConnectionEnd"};
    lk_access_logs_write(listener->access_logs, listener->access_log_count, &event);
}

static void end(struct lk_session *session, enum lk_close_mode mode, uint64_t flags)
{
    if (session->state == SESSION_CLOSING)
        return;
    if (session->gate != NULL && session->chain != NULL &&
        session->chain->filters[session->filter_index].filter->on_destroy != NULL)
        session->chain->filters[session->filter_index].filter->on_destroy(session->gate);
    session->gate = NULL;
    session->state = SESSION_CLOSING;
    lk_timer_clear(&session->timer);
    write_log(session, flags);
    count_out(session);
    lk_conn_close(&session->conn, mode, session_gone);
}

void lk_session_close(struct lk_session *session, enum lk_close_mode mode, void (*on_gone)(void *terminal))
{
    session->on_gone = on_gone;
    end(session, mode, 0);
}

/* --- listener filters --------------------------------------------------------------------------------------------- */

static bool predicate_holds(const struct lk_listener_predicate *predicate, const struct lk_conn_info *info)
{
    uint16_t port = lk_addr_port(&info->local);
    switch (predicate->kind) {
    case LK_PREDICATE_ANY:
        return true;
    case LK_PREDICATE_PORT_RANGE:
        return port >= predicate->port_start && port < predicate->port_end;
    case LK_PREDICATE_NOT:
        return !predicate_holds(&predicate->rules[0], info);
    case LK_PREDICATE_OR:
        for (size_t i = 0; i < predicate->rule_count; i++) {
            if (predicate_holds(&predicate->rules[i], info))
                return true;
        }
        return false;
    case LK_PREDICATE_AND:
        for (size_t i = 0; i < predicate->rule_count; i++) {
            if (!predicate_holds(&predicate->rules[i], info))
                return false;
        }
        return true;
    }
    return false;
}

static size_t inspect_data(struct lk_conn *conn, struct lk_span data)
{
    struct lk_session *session = conn->owner;
    struct lk_listener_filter_entry *entry = &session->lw->listener->filters[session->filter_index];
    bool reject = false;
    if (session->state != SESSION_INSPECTING)
        return 0;
    enum lk_filter_status status =
        entry->filter->on_data(session, entry->config, lk_str(data.ptr, data.len), false, &reject);
    if (reject) {
        lk_stats_inc(session->lw->listener->stats, LK_LISTENER_LF_ERROR);
        end(session, LK_CLOSE_NOW, 0);
        return data.len;
    }
    if (status == LK_FILTER_CONTINUE) {
        session->filter_index++;
        inspect(session);
    }
    return 0;
}

static void inspect_eof(struct lk_conn *conn)
{
    struct lk_session *session = conn->owner;
    lk_stats_inc(session->lw->listener->stats, LK_LISTENER_LF_REMOTE_CLOSE);
    end(session, LK_CLOSE_NOW, 0);
}

static void inspect_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    inspect_eof(conn);
}

static const struct lk_conn_ops inspect_ops = {
    .on_data = inspect_data,
    .on_eof = inspect_eof,
    .on_failure = inspect_failure,
};

/* The listener that owns the original destination takes the connection over, with its own filters and limits. */
static bool hand_over(struct lk_session *session)
{
    struct lk_listener_worker *lw = session->lw;
    if (!lw->listener->config->use_original_dst || session->handed_over || !session->info.local_restored)
        return false;
    struct lk_listener *owner = lk_listeners_owner(lw->listener->set, &session->info.local, NULL);
    if (owner == NULL || owner == lw->listener)
        return false;
    count_out(session);
    session->lw = &lw->acceptor->workers[owner->index];
    session->handed_over = true;
    session->filter_index = 0;
    count_in(session);
    lk_timer_clear(&session->timer);
    return true;
}

static void arm_timeout(struct lk_session *session)
{
    uint32_t timeout = session->lw->listener->config->filters_timeout_ms;
    if (timeout > 0 && !lk_timer_armed(&session->timer))
        lk_timer_set(session->conn.loop, &session->timer, timeout);
}

/* Runs listener filters from filter_index until one needs bytes or all are done. */
static void inspect(struct lk_session *session)
{
    for (;;) {
        struct lk_listener *listener = session->lw->listener;
        if (session->filter_index >= listener->filter_count) {
            if (hand_over(session))
                continue;
            choose_chain(session);
            return;
        }
        struct lk_listener_filter_entry *entry = &listener->filters[session->filter_index];
        bool off = entry->disabled != NULL && predicate_holds(entry->disabled, &session->info);
        if (off || entry->filter->on_accept(session, entry->config) == LK_FILTER_CONTINUE) {
            session->filter_index++;
            continue;
        }
        arm_timeout(session);
        lk_conn_poke(&session->conn); /* bytes that an earlier filter waited for may be there */
        return;
    }
}

static void on_timeout(struct lk_timer *timer)
{
    struct lk_session *session = LK_CONTAINER_OF(timer, struct lk_session, timer);
    struct lk_listener *listener = session->lw->listener;
    lk_stats_inc(listener->stats, LK_LISTENER_PRE_CX_TIMEOUT);
    if (!listener->config->continue_on_timeout) {
        end(session, LK_CLOSE_NOW, 0);
        return;
    }
    session->filter_index = (uint16_t)listener->filter_count;
    inspect(session);
}

/* --- chain and gates ------------------------------------------------------------------------------------------------
 */

static void choose_chain(struct lk_session *session)
{
    struct lk_listener *listener = session->lw->listener;
    lk_timer_clear(&session->timer);
    session->pre_counted = false;
    lk_stats_dec(listener->stats, LK_LISTENER_PRE_CX_ACTIVE);
    if (session->info.detected_transport.len == 0)
        session->info.detected_transport = LK_STR("raw_buffer");
    session->chain = lk_filter_chain_match(listener->chains, listener->chain_count, &session->info, NULL);
    if (session->chain == NULL)
        session->chain = listener->default_chain;
    if (session->chain == NULL) {
        lk_stats_inc(listener->stats, LK_LISTENER_NO_CHAIN_MATCH);
        session->info.termination_details = "filter_chain_not_found";
        end(session, LK_CLOSE_NOW, LK_FLAG_BIT(NO_ROUTE_FOUND));
        return;
    }
    session->info.filter_chain_name = session->chain->name;
    if (session->chain->filter_count == 0) {
        LK_LOG_LIMITED(CONNECTION, DEBUG, "closing a connection: its filter chain has no filters");
        end(session, LK_CLOSE_NOW, 0);
        return;
    }
    session->state = SESSION_GATING;
    session->filter_index = 0;
    run_gates(session);
}

static size_t gate_data(struct lk_conn *conn, struct lk_span data)
{
    struct lk_session *session = conn->owner;
    const struct lk_network_filter *filter = session->chain->filters[session->filter_index].filter;
    size_t consumed = 0;
    if (session->state != SESSION_GATING || filter->on_data == NULL)
        return 0;
    if (filter->on_data(session->gate, lk_str(data.ptr, data.len), false, &consumed) == LK_FILTER_CONTINUE)
        lk_session_resume(session);
    return consumed;
}

static void gate_eof(struct lk_conn *conn)
{
    struct lk_session *session = conn->owner;
    const struct lk_network_filter *filter = session->chain->filters[session->filter_index].filter;
    struct lk_str rest = lk_conn_input(conn);
    size_t consumed = 0;
    if (filter->on_data != NULL && filter->on_data(session->gate, rest, true, &consumed) == LK_FILTER_CONTINUE)
        lk_session_resume(session);
    else
        end(session, LK_CLOSE_NOW, 0);
}

static void gate_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    (void)failure;
    end(conn->owner, LK_CLOSE_NOW, 0);
}

static const struct lk_conn_ops gate_ops = {.on_data = gate_data, .on_eof = gate_eof, .on_failure = gate_failure};

static void leave_gate(struct lk_session *session)
{
    const struct lk_network_filter *filter = session->chain->filters[session->filter_index].filter;
    if (session->gate != NULL && filter->on_destroy != NULL)
        filter->on_destroy(session->gate);
    session->gate = NULL;
    session->filter_index++;
}

void lk_session_resume(struct lk_session *session)
{
    if (session->state != SESSION_GATING)
        return;
    leave_gate(session);
    run_gates(session);
}

static void run_gates(struct lk_session *session)
{
    const struct lk_filter_chain *chain = session->chain;
    for (; session->filter_index + 1u < chain->filter_count; leave_gate(session)) {
        const struct lk_network_filter_entry *entry = &chain->filters[session->filter_index];
        session->gate =
            entry->filter->session_new(session, entry->config, lk_listener_worker_state(session->lw, entry));
        if (session->gate == NULL || entry->filter->on_new_connection == NULL)
            continue;
        if (entry->filter->on_new_connection(session->gate) == LK_FILTER_PAUSE) {
            lk_conn_set_owner(&session->conn, &gate_ops, session);
            return;
        }
        if (session->state != SESSION_GATING)
            return; /* refused */
    }
    const struct lk_network_filter_entry *last = &chain->filters[chain->filter_count - 1];
    session->state = SESSION_RUNNING;
    last->filter->start(session, last->config, lk_listener_worker_state(session->lw, last));
}

/* --- accept
 * ----------------------------------------------------------------------------------------------------------- */

static uint64_t next_id(void)
{
    static _Atomic uint64_t next = 1;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

/* A socket bound to one address needs no question to the kernel. */
static void find_local(struct lk_session *session, unsigned address)
{
    struct lk_listener *listener = session->lw->listener;
    const struct lk_addr *bound = &listener->bound[address];
    if (bound->family == AF_UNIX || !lk_addr_is_any(bound) || !lk_local_addr(session->conn.fd, &session->info.local))
        session->info.local = *bound;
    lk_addr_unmap(&session->info.local);
    session->info.direct_local = session->info.local;
}

struct lk_session *lk_session_accept(struct lk_listener_worker *lw, int fd, const struct lk_addr *remote,
                                     unsigned address)
{
    struct lk_session *session = lk_calloc(1, sizeof(*session));
    session->lw = lw;
    session->state = SESSION_INSPECTING;
    lk_arena_init(&session->arena);
    lk_list_init(&session->node);
    lk_timer_init(&session->timer, on_timeout);
    lk_conn_init(&session->conn, lw->acceptor->loop, fd, &inspect_ops, session);
    session->info.id = next_id();
    session->info.verdict = &session->verdict;
    session->info.start_us = lk_loop_now_us(lw->acceptor->loop);
    session->info.start_wall_us = lk_clock_wall_us();
    session->info.remote = *remote;
    find_local(session, address);
    count_in(session);
    inspect(session);
    return session;
}

void lk_session_drain(struct lk_session *session)
{
    if (session->state == SESSION_RUNNING) {
        const struct lk_network_filter *filter = session->chain->filters[session->chain->filter_count - 1].filter;
        if (filter->on_drain != NULL && session->terminal != NULL)
            filter->on_drain(session->terminal);
    }
}

void lk_session_abort(struct lk_session *session)
{
    if (session->state == SESSION_RUNNING && session->terminal != NULL) {
        const struct lk_network_filter *filter = session->chain->filters[session->chain->filter_count - 1].filter;
        filter->on_abort(session->terminal);
    } else {
        end(session, LK_CLOSE_NOW, 0);
    }
}

/* --- what filters ask
 * ------------------------------------------------------------------------------------------------- */

struct lk_session *lk_session_of_node(struct lk_list *node)
{
    return LK_LIST_ENTRY(node, struct lk_session, node);
}

struct lk_conn *lk_session_conn(struct lk_session *session)
{
    return &session->conn;
}

struct lk_arena *lk_session_arena(struct lk_session *session)
{
    return &session->arena;
}

struct lk_loop *lk_session_loop(struct lk_session *session)
{
    return session->conn.loop;
}

struct lk_conn_info *lk_session_info(struct lk_session *session)
{
    return &session->info;
}

const struct lk_listener_config *lk_session_listener(const struct lk_session *session)
{
    return session->lw->listener->config;
}

bool lk_session_draining(const struct lk_session *session)
{
    const struct lk_listener *listener = session->lw->listener;
    const struct lk_listeners *set = listener->set;
    if (!atomic_load_explicit(&listener->draining, memory_order_relaxed) &&
        !atomic_load_explicit(&set->draining, memory_order_relaxed))
        return false;
    uint64_t over_ms = atomic_load_explicit(&set->drain_over_ms, memory_order_relaxed);
    uint64_t begin_ms = atomic_load_explicit(&set->drain_begin_ms, memory_order_relaxed);
    return over_ms == 0 || lk_rand_below(over_ms) < lk_clock_ms() - begin_ms;
}

void lk_session_set_terminal(struct lk_session *session, void *terminal)
{
    session->terminal = terminal;
}

void lk_session_set_alpn(struct lk_session *session, const struct lk_str *protocols, unsigned count)
{
    struct lk_str *copy = lk_arena_array(&session->arena, count, sizeof(*copy));
    for (unsigned i = 0; i < count; i++)
        copy[i] = lk_arena_str(&session->arena, protocols[i]);
    session->info.alpn = copy;
    session->info.alpn_count = count;
}
