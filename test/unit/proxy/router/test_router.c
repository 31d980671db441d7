/* The router's engine between a filter chain and real upstream sockets: forwarding, own answers, timeouts,
 * back-pressure. */
#include "test/unit/proxy/router/router_fixture.h"

/* --- forwarding
 * ---------------------------------------------------------------------------------------------------------- */

LK_TEST(router, forwards_and_brings_the_answer_back)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    LK_CHECK_LKSTR(info_of(&s)->details, "via_upstream");
    LK_CHECK_LKSTR(info_of(&s)->upstream.cluster, "upstream");
    LK_CHECK(lk_addr_eq(info_of(&s)->upstream.host_addr, &s.f->addrs[0]));
    LK_CHECK_EQ_UINT(info_of(&s)->upstream.attempts, 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_2XX), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_TOTAL), 1);
    close(server);
    finish(&s);
}

LK_TEST(router, body_and_its_end_go_upstream_as_they_come)
{
    struct setup s;
    begin(&s);
    request(&s, "POST", false);
    chain_data(s.h, "early ", false); /* before there is a connection */
    int server = upstream_accept(s.f, 0);
    upstream_read(s.f, server, "early ");
    chain_data(s.h, "late", true);
    upstream_read(s.f, server, "late\r\n0\r\n\r\n");
    upstream_write(server, OK_BODY);
    client_done(&s);
    close(server);
    finish(&s);
}

LK_TEST(router, stream_that_is_destroyed_takes_its_try_along)
{
    struct setup s;
    char byte;
    begin(&s);
    request(&s, "GET", true);
    int server = upstream_accept(s.f, 0);
    upstream_read(s.f, server, "\r\n\r\n");
    done(&s);
    upstream_turn(s.f, 3);
    LK_CHECK_EQ_INT(recv(server, &byte, 1, 0), 0);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_CX_DESTROY_LOCAL_WITH_RQ), 1);
    close(server);
    request(&s, "GET", true);
    done(&s); /* still connecting */
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_CANCELLED), 1);
    finish(&s);
}

LK_TEST(router, answer_before_the_end_of_the_body_ends_the_try)
{
    struct setup s;
    begin(&s);
    request(&s, "POST", false);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    chain_data(s.h, "nobody wants this", true);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    close(server);
    finish(&s);
}

/* --- answers of our own
 * ----------------------------------------------------------------------------------------------------- */

LK_TEST(router, answers_when_there_is_no_route_cluster_host_or_connection)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    done(&s);

    struct lk_str name = s.route.action.cluster;
    s.route.action.cluster = LK_STR("nowhere");
    request(&s, "GET", true);
    CHAIN_EXPECT(s.h, "local: 503 cluster_not_found\nclient: 503 end\n");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(NO_CLUSTER_FOUND));
    done(&s);
    s.route.action.cluster = name;

    s.route.kind = LK_ROUTE_NON_FORWARDING;
    request(&s, "GET", true);
    CHAIN_EXPECT(s.h, "local: 404 route_not_found\nclient: 404 end\n");
    done(&s);
    s.route.kind = LK_ROUTE_CLUSTER;

    close(s.f->listeners[0]);
    s.f->listeners[0] = -1;
    request(&s, "GET", true);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_CONNECTION_FAILURE));
    done(&s);

    lk_cluster_set_hosts(s.f->cluster, upstream_hosts(s.f, NULL, 0));
    upstream_turn(s.f, 2);
    request(&s, "GET", true);
    CHAIN_EXPECT(s.h, "local: 503 no_healthy_upstream\nclient: 503\nclient: data \"no healthy upstream\" end\n");
    finish(&s);
}

LK_TEST(router, garbage_of_the_upstream_is_a_502)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    int server = serve(&s, "SSH-2.0-hello\r\n\r\n");
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 502);
    LK_CHECK(info_of(&s)->flags & LK_FLAG_BIT(UPSTREAM_PROTOCOL_ERROR));
    close(server);
    finish(&s);
}

LK_TEST(router, circuit_breaker_of_the_routes_priority_counts)
{
    struct setup s;
    begin(&s);
    s.f->limits[1].max_pending = 0;
    s.route.action.high_priority = true;
    request(&s, "GET", true);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    LK_CHECK_LKSTR(lk_headers_get(s.h->stream.response, LK_HEADER_X_ENVOY_OVERLOADED), "true");
    done(&s);
    s.route.action.high_priority = false;
    request(&s, "GET", true);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    close(server);
    finish(&s);
}

/* --- timeouts
 * -------------------------------------------------------------------------------------------------------------------
 */

LK_TEST(router, route_timeout_is_a_504_before_the_answer_and_a_reset_after_it_began)
{
    struct setup s;
    begin(&s);
    s.route.action.has_timeout = true;
    s.route.action.timeout_ms = 40;
    request(&s, "GET", true);
    int server = upstream_accept(s.f, 0);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 504);
    LK_CHECK_LKSTR(info_of(&s)->details, "response_timeout");
    done(&s);
    close(server);
    request(&s, "GET", true);
    server = serve(&s, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
    client_done(&s);
    LK_CHECK(s.h->was_reset);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_TIMEOUT), 2);
    close(server);
    finish(&s);
}

LK_TEST(router, time_runs_from_the_end_of_the_request)
{
    struct setup s;
    begin(&s);
    s.route.action.has_timeout = true;
    s.route.action.timeout_ms = 30;
    request(&s, "POST", false);
    int server = upstream_accept(s.f, 0);
    for (unsigned i = 0; i < 20; i++)
        lk_loop_turn(s.f->loop, 5);
    LK_CHECK(!s.h->client_done);
    chain_data(s.h, "x", true);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 504);
    close(server);
    finish(&s);
}

/* --- back-pressure
 * ----------------------------------------------------------------------------------------------------------------- */

LK_TEST(router, upstream_that_does_not_read_slows_the_client_down)
{
    struct setup s;
    char *big = lk_calloc(1, 65537);
    begin(&s);
    s.f->config.buffer_limit = 100000;
    memset(big, 'x', 65536);
    request(&s, "POST", false);
    int server = upstream_accept(s.f, 0);
    size_t sent = 0;
    for (unsigned i = 0; i < 400 && s.h->pauses == 0; i++) {
        chain_data(s.h, big, false);
        sent += 65536;
        upstream_turn(s.f, 2);
    }
    LK_CHECK_EQ_INT(s.h->pauses, 1);
    for (int turns = 0; s.h->pauses > 0; turns++) {
        LK_CHECK(turns < 10000);
        (void)!recv(server, big, 65536, MSG_DONTWAIT);
        lk_loop_turn(s.f->loop, 1);
    }
    close(server);
    lk_free(big);
    LK_CHECK(sent > 100000);
    finish(&s);
}

LK_TEST(router, client_that_does_not_read_stops_the_upstream)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    int server = serve(&s, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na");
    UPSTREAM_UNTIL(s.f, s.h->client_body.len == 1);
    lk_http_chain_response_blocked(&s.h->stream, true);
    lk_http_chain_response_blocked(&s.h->stream, true);
    upstream_write(server, "bc");
    upstream_turn(s.f, 10);
    LK_CHECK_EQ_UINT(s.h->client_body.len, 1);
    lk_http_chain_response_blocked(&s.h->stream, false);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->client_body.len, 3);
    close(server);
    finish(&s);
}

LK_TEST(router, answer_cut_in_the_middle_resets_the_client)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    int server = serve(&s, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour");
    close(server);
    client_done(&s);
    LK_CHECK(s.h->was_reset);
    LK_CHECK(info_of(&s)->flags != 0);
    LK_CHECK_EQ_UINT(s.h->client_body.len, 4);
    finish(&s);
}
