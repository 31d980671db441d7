/* Accepted connections: inspectors, hand-off by original destination, chains, gates, limits, drain. */
#include "test/support/lk_test.h"
#include "test/support/session_fixture.h"

#include "proxy/base/mem.h"

#include <sys/socket.h>
#include <unistd.h>

/* --- scripted filters --------------------------------------------------------------------------------------------------- */

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

static enum lk_filter_status inspector_accept(struct lk_session *session, const void *config)
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

static enum lk_filter_status inspector_data(struct lk_session *session, const void *config, struct lk_str data, bool eof,
                                            bool *reject)
{
    struct inspector *i = (struct inspector *)config;
    (void)eof;
    i->datas++;
    *reject = i->reject;
    if (i->sni != NULL)
        lk_session_info(session)->sni = lk_str_from(i->sni);
    return data.len >= i->need ? LK_FILTER_CONTINUE : LK_FILTER_PAUSE;
}

static size_t inspector_max(const void *config)
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

static void *gate_new(struct lk_session *session, const void *config, void *worker)
{
    struct gate *gate = (struct gate *)config;
    (void)worker;
    gate->created++;
    gate->session = session;
    return gate->absent ? NULL : gate;
}

static enum lk_filter_status gate_connection(void *self)
{
    struct gate *gate = self;
    if (gate->refuse) {
        lk_session_close(gate->session, LK_CLOSE_NOW, NULL);
        return LK_FILTER_CONTINUE;
    }
    return gate->need > 0 ? LK_FILTER_PAUSE : LK_FILTER_CONTINUE;
}

static enum lk_filter_status gate_data(void *self, struct lk_str data, bool eof, size_t *consumed)
{
    struct gate *gate = self;
    if (data.len < gate->need || eof)
        return LK_FILTER_PAUSE;
    *consumed = gate->take;
    return LK_FILTER_CONTINUE;
}

static void gate_destroy(void *self)
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

static size_t echo_data(struct lk_conn *conn, struct lk_span data)
{
    lk_buf_add(&conn->out, data.ptr, data.len);
    lk_conn_flush(conn);
    return data.len;
}

static void echo_eof(struct lk_conn *conn)
{
    struct echo_conn *e = conn->owner;
    lk_session_close(e->session, LK_CLOSE_FLUSH, NULL);
}

static void echo_failure(struct lk_conn *conn, enum lk_conn_failure failure)
{
    struct echo_conn *e = conn->owner;
    (void)failure;
    lk_session_close(e->session, LK_CLOSE_NOW, NULL);
}

static const struct lk_conn_ops echo_ops = {.on_data = echo_data, .on_eof = echo_eof, .on_failure = echo_failure};

static void echo_start(struct lk_session *session, const void *config, void *worker)
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

static void *echo_worker_new(const void *config, struct lk_loop *loop)
{
    struct echo *echo = (struct echo *)config;
    (void)loop;
    echo->workers++;
    return echo;
}

static void echo_worker_free(void *worker)
{
    ((struct echo *)worker)->workers--;
}

static void echo_drain(void *terminal)
{
    struct echo_conn *e = terminal;
    e->echo->drains++;
}

static void echo_abort(void *terminal)
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
static const struct lk_registry registry = {listener_filters, network_filters, http_filters, access_loggers};

/* --- inspecting ----------------------------------------------------------------------------------------------------------- */

LK_TEST(session, server_first_protocol_is_connected_at_once)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 0};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    session_read(f, client, "echo:");
    LK_CHECK_EQ_UINT(inspector.accepts, 1);
    LK_CHECK_EQ_UINT(inspector.datas, 0);
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_CX_ACTIVE), 1);
    close(client);
    session_free(f);
    LK_CHECK_EQ_UINT(echo.workers, 0);
}

LK_TEST(session, inspector_never_consumes)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 5, .sni = "seen"};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    for (const char *p = "hello"; *p != '\0'; p++) {
        LK_CHECK(session_silent(f, client));
        LK_CHECK_EQ_INT(send(client, p, 1, 0), 1);
    }
    LK_CHECK_STR(session_read(f, client, "hello"), "echo:hello");
    LK_CHECK_STR(echo.sni, "seen");
    LK_CHECK_EQ_UINT(inspector.datas, 5);
    close(client);
    session_free(f);
}

LK_TEST(session, second_inspector_sees_the_bytes_that_the_first_waited_for)
{
    struct echo echo = {.name = "echo"};
    struct inspector first = {.need = 2}, second = {.need = 2};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &first);
    session_listener_filter(f, 0, "test.inspector", &second);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    upstream_write(client, "ab");
    LK_CHECK_STR(session_read(f, client, "ab"), "echo:ab");
    LK_CHECK_EQ_UINT(second.datas, 1);
    close(client);
    session_free(f);
}

LK_TEST(session, predicate_switches_an_inspector_off)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 5};
    const struct lk_listener_predicate any = {.kind = LK_PREDICATE_ANY};
    const struct lk_listener_predicate range = {.kind = LK_PREDICATE_PORT_RANGE, .port_start = 1, .port_end = 65536};
    const struct lk_listener_predicate both[] = {any, range};
    const struct lk_listener_predicate not_all = {.kind = LK_PREDICATE_NOT, .rules = &any, .rule_count = 1};
    const struct lk_listener_predicate either[] = {not_all, {.kind = LK_PREDICATE_AND, .rules = both, .rule_count = 2}};
    const struct lk_listener_predicate disabled = {.kind = LK_PREDICATE_OR, .rules = either, .rule_count = 2};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &inspector);
    f->filters[0][0].disabled = &disabled;
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    session_read(f, client, "echo:");
    LK_CHECK_EQ_UINT(inspector.accepts, 0);
    close(client);
    session_free(f);
}

LK_TEST(session, silent_client_is_closed_at_the_timeout)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 5};
    struct session_fixture *f = session_new(&registry, 1);
    f->config[0].filters_timeout_ms = 20;
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    session_expect_end(f, client);
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_PRE_CX_TIMEOUT), 1);
    LK_CHECK_EQ_UINT(echo.workers, 0);
    close(client);
    session_free(f);
}

LK_TEST(session, silent_client_goes_on_at_the_timeout_where_the_listener_says_so)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 5};
    struct session_fixture *f = session_new(&registry, 1);
    f->config[0].filters_timeout_ms = 20;
    f->config[0].continue_on_timeout = true;
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    upstream_write(client, "hi");
    LK_CHECK_STR(session_read(f, client, "hi"), "echo:hi");
    close(client);
    session_free(f);
}

LK_TEST(session, client_that_leaves_or_breaks_the_rules_while_inspected_is_counted)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 5};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    upstream_write(client, "abc");
    upstream_turn(f->up, 3);
    close(client);
    UPSTREAM_UNTIL(f->up, session_stat(f, 0, LK_LISTENER_LF_REMOTE_CLOSE) == 1);
    inspector.reject = true;
    client = session_connect(f, 0);
    upstream_write(client, "x");
    session_expect_end(f, client);
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_LF_ERROR), 1);
    close(client);
    session_free(f);
}

/* --- chains ---------------------------------------------------------------------------------------------------------------- */

LK_TEST(session, without_a_matching_chain_the_connection_is_closed)
{
    struct echo echo = {.name = "echo"};
    struct session_fixture *f = session_new(&registry, 1);
    f->chain[0].match.has_destination_port = true;
    f->chain[0].match.destination_port = 1;
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    session_expect_end(f, client);
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_NO_CHAIN_MATCH), 1);
    close(client);
    session_free(f);
}

LK_TEST(session, default_chain_takes_what_no_other_does)
{
    struct echo echo = {.name = "echo"};
    struct session_fixture *f = session_new(&registry, 1);
    session_network_filter(f, 0, "test.echo", &echo);
    struct lk_filter_chain_config fallback = f->chain[0];
    fallback.name = LK_STR("fallback");
    f->chain[0].match.has_destination_port = true;
    f->chain[0].match.destination_port = 1;
    f->config[0].default_chain = &fallback;
    session_start(f);
    int client = session_connect(f, 0);
    session_read(f, client, "echo:");
    close(client);
    session_free(f);
}

/* --- gates ------------------------------------------------------------------------------------------------------------------ */

LK_TEST(session, gates_open_in_order_and_may_take_a_prefix)
{
    struct echo echo = {.name = "echo"};
    struct gate absent = {.absent = true}, open = {.need = 0}, waits = {.need = 4, .take = 2};
    struct session_fixture *f = session_new(&registry, 1);
    session_network_filter(f, 0, "test.gate", &absent);
    session_network_filter(f, 0, "test.gate", &open);
    session_network_filter(f, 0, "test.gate", &waits);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    LK_CHECK(session_silent(f, client));
    LK_CHECK_EQ_UINT(open.destroyed, 1);
    upstream_write(client, "abc");
    LK_CHECK(session_silent(f, client));
    upstream_write(client, "de");
    LK_CHECK_STR(session_read(f, client, "cde"), "echo:cde");
    LK_CHECK_EQ_UINT(waits.destroyed, 1);
    LK_CHECK_EQ_UINT(absent.destroyed, 0);
    close(client);
    session_free(f);
}

LK_TEST(session, gate_may_refuse)
{
    struct echo echo = {.name = "echo"};
    struct gate gate = {.refuse = true};
    struct session_fixture *f = session_new(&registry, 1);
    session_network_filter(f, 0, "test.gate", &gate);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    session_expect_end(f, client);
    LK_CHECK_EQ_UINT(gate.destroyed, 1);
    LK_CHECK_EQ_UINT(echo.workers, 0);
    close(client);
    session_free(f);
}

LK_TEST(session, client_that_leaves_before_a_gate_opens_frees_the_gate)
{
    struct echo echo = {.name = "echo"};
    struct gate gate = {.need = 9};
    struct session_fixture *f = session_new(&registry, 1);
    session_network_filter(f, 0, "test.gate", &gate);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    upstream_write(client, "abc");
    upstream_turn(f->up, 3);
    close(client);
    UPSTREAM_UNTIL(f->up, gate.destroyed == 1);
    session_free(f);
}

/* --- hand-off ---------------------------------------------------------------------------------------------------------------- */

/* The first listener takes everything and hands it to whoever owns the destination. */
static struct session_fixture *two_listeners(struct echo *first, struct echo *second, struct inspector *redirect,
                                             struct inspector *inner)
{
    struct session_fixture *f = session_new(&registry, 2);
    f->config[0].use_original_dst = true;
    session_listener_filter(f, 0, "test.inspector", redirect);
    f->filters[0][0].name = LK_STR("test.inspector");
    session_network_filter(f, 0, "test.echo", first);
    session_listener_filter(f, 1, "test.inspector", inner);
    session_network_filter(f, 1, "test.echo", second);
    f->config[1].bind_to_port = false;
    return f;
}

static const struct lk_listener_filter implied_original_dst = {
    .name = "envoy.filters.listener.original_dst",
    .type = "test.OriginalDst",
    .config_new = pointer_config,
    .on_accept = inspector_accept,
};
static const struct lk_listener_filter *const with_original_dst[] = {&inspector_filter, &implied_original_dst, NULL};
static const struct lk_registry hand_off_registry = {with_original_dst, network_filters, http_filters, access_loggers};

static void check_hand_off(const char *owner, uint16_t owner_port, const char *wanted, uint16_t wanted_port, const char *greeting)
{
    struct echo first = {.name = "first"}, second = {.name = "second"};
    struct inspector redirect = {.redirect = wanted, .redirect_port = wanted_port}, inner = {.need = 3};
    struct session_fixture *f = two_listeners(&first, &second, &redirect, &inner);
    f->context.registry = &hand_off_registry;
    f->filters[0][0].name = LK_STR("envoy.filters.listener.original_dst");
    LK_CHECK(lk_addr_parse_ip(lk_str_from(owner), owner_port, &f->address[1].addr));
    session_start(f);
    int client = session_connect(f, 0);
    upstream_write(client, "abc");
    const char *got = session_read(f, client, "abc");
    LK_CHECK_CONTAINS(got, greeting);
    bool moved = strcmp(greeting, "second:") == 0;
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_CX_ACTIVE), moved ? 0 : 1);
    LK_CHECK_EQ_UINT(session_stat(f, 1, LK_LISTENER_CX_ACTIVE), moved ? 1 : 0);
    LK_CHECK_EQ_UINT(inner.datas, moved ? 1 : 0);
    close(client);
    session_free(f);
}

LK_TEST(session, original_destination_finds_its_listener)
{
    check_hand_off("10.0.0.1", 80, "10.0.0.1", 80, "second:");
    check_hand_off("0.0.0.0", 80, "10.0.0.1", 80, "second:");
    check_hand_off("0.0.0.0", 80, "10.0.0.1", 81, "first:");
    check_hand_off("10.0.0.1", 80, "10.0.0.2", 80, "first:");
    check_hand_off("::", 80, "10.0.0.2", 80, "first:"); /* another family */
}

/* --- limits, drain, abort ------------------------------------------------------------------------------------------------------ */

LK_TEST(session, connection_limit_refuses_and_counts)
{
    struct echo echo = {.name = "echo"};
    struct session_fixture *f = session_new(&registry, 1);
    f->config[0].max_connections = 1;
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int first = session_connect(f, 0);
    session_read(f, first, "echo:");
    int second = session_connect(f, 0);
    session_expect_end(f, second);
    LK_CHECK_EQ_UINT(session_stat(f, 0, LK_LISTENER_CX_OVERFLOW), 1);
    close(first);
    UPSTREAM_UNTIL(f->up, f->acceptor->session_count == 0);
    close(second);
    second = session_connect(f, 0);
    session_read(f, second, "echo:");
    close(second);
    session_free(f);
}

LK_TEST(session, stop_takes_what_is_in_the_backlog_and_no_more)
{
    struct echo echo = {.name = "echo"};
    struct session_fixture *f = session_new(&registry, 1);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int waiting = session_connect(f, 0); /* not accepted yet */
    lk_acceptor_stop(f->acceptor, false);
    session_read(f, waiting, "echo:");
    const struct lk_addr *addr = &f->listeners->all[0]->bound[0];
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK(connect(late, &addr->sa, addr->len) != 0); /* refused at once */
    close(waiting);
    close(late);
    session_free(f);
}

LK_TEST(session, drain_tells_running_connections_of_the_listeners_concerned)
{
    struct echo in = {.name = "in"}, out = {.name = "out"};
    struct session_fixture *f = session_new(&registry, 2);
    f->config[0].direction = LK_DIRECTION_INBOUND;
    f->config[1].direction = LK_DIRECTION_OUTBOUND;
    session_network_filter(f, 0, "test.echo", &in);
    session_network_filter(f, 1, "test.echo", &out);
    session_start(f);
    int a = session_connect(f, 0), b = session_connect(f, 1);
    session_read(f, a, "in:");
    session_read(f, b, "out:");
    lk_acceptor_drain(f->acceptor, true);
    LK_CHECK_EQ_UINT(in.drains, 1);
    LK_CHECK_EQ_UINT(out.drains, 0);
    lk_acceptor_drain(f->acceptor, false);
    LK_CHECK_EQ_UINT(out.drains, 1);
    close(a);
    close(b);
    session_free(f);
}

LK_TEST(session, abort_ends_connections_in_every_state)
{
    struct echo echo = {.name = "echo"};
    struct inspector inspector = {.need = 2};
    struct gate gate = {.need = 4};
    struct session_fixture *f = session_new(&registry, 1);
    session_listener_filter(f, 0, "test.inspector", &inspector);
    session_network_filter(f, 0, "test.gate", &gate);
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int inspected = session_connect(f, 0);
    LK_CHECK(session_silent(f, inspected));
    int running = session_connect(f, 0);
    upstream_write(running, "abcd");
    session_read(f, running, "abcd");
    int gated = session_connect(f, 0);
    upstream_write(gated, "ab");
    LK_CHECK(session_silent(f, gated));
    LK_CHECK_EQ_UINT(f->acceptor->session_count, 3);
    lk_acceptor_abort(f->acceptor);
    session_expect_end(f, inspected);
    session_expect_end(f, running);
    session_expect_end(f, gated);
    LK_CHECK_EQ_UINT(f->acceptor->session_count, 0);
    LK_CHECK_EQ_UINT(gate.destroyed, gate.created);
    close(inspected);
    close(running);
    close(gated);
    session_free(f);
}

LK_TEST(session, lack_of_descriptors_does_not_spin_and_passes)
{
    struct echo echo = {.name = "echo"};
    struct session_fixture *f = session_new(&registry, 1);
    int hoard[4096];
    size_t count = 0;
    session_network_filter(f, 0, "test.echo", &echo);
    session_start(f);
    int client = session_connect(f, 0);
    while (count < LK_ARRAY_LEN(hoard) && (hoard[count] = dup(client)) >= 0)
        count++;
    if (count == LK_ARRAY_LEN(hoard)) {
        /* this machine has more descriptors than we care to take */
        while (count > 0)
            close(hoard[--count]);
        close(client);
        session_free(f);
        return;
    }
    uint64_t turns = 0;
    for (uint64_t until = lk_loop_now_ms(f->loop) + 60; lk_loop_now_ms(f->loop) < until; turns++)
        lk_loop_turn(f->loop, 20);
    LK_CHECK_MSG(turns < 30, "%llu turns in 60 ms: it spins", (unsigned long long)turns);
    while (count > 0)
        close(hoard[--count]);
    session_read(f, client, "echo:");
    close(client);
    session_free(f);
}
