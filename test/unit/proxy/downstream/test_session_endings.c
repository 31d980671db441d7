/* Sessions: the hand-off between listeners, limits, drain and abort. */
#include "test/unit/proxy/downstream/scripted_filters.h"

/* --- hand-off
 * ---------------------------------------------------------------------------------------------------------------- */

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
static const struct lk_registry hand_off_registry = {.listener_filters = with_original_dst,
                                                     .network_filters = network_filters,
                                                     .http_filters = http_filters,
                                                     .access_loggers = access_loggers};

static void check_hand_off(const char *owner, uint16_t owner_port, const char *wanted, uint16_t wanted_port,
                           const char *greeting)
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

/* --- limits, drain, abort
 * ------------------------------------------------------------------------------------------------------ */

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
