/* Accepted connections: inspectors, hand-off by original destination, chains, gates, limits, drain. */
#include "test/unit/proxy/downstream/scripted_filters.h"

/* --- inspecting
 * ----------------------------------------------------------------------------------------------------------- */

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

/* --- chains
 * ---------------------------------------------------------------------------------------------------------------- */

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

/* --- gates
 * ------------------------------------------------------------------------------------------------------------------ */

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
