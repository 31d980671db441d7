/* The HTTP/1 pool over real sockets: servers that leave, and our own endings. */
#include "test/unit/proxy/upstream/pool_client.h"

/* --- servers that leave
 * ------------------------------------------------------------------------------------------------ */

LK_TEST(pool_h1, fin_on_an_idle_connection_is_noticed_and_teaches)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    for (unsigned i = 0; i < 2; i++) {
        struct client a;
        int server = idle_one(&a, f, wh);
        usleep(60000);
        close(server);
        UPSTREAM_UNTIL(f, wh->idle_count == 0);
        client_fini(&a);
    }
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE), 2);
    uint32_t limit = lk_idle_learner_limit(wh->state, lk_loop_now_ms(f->loop));
    LK_CHECK_MSG(limit < 60, "limit %u", limit);
    finish(f, wh);
}

LK_TEST(pool_h1, connection_is_retired_before_the_limit_that_the_server_announced)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    lk_idle_learner_hint(wh->state, 100, lk_loop_now_ms(f->loop));
    int server = idle_one(&a, f, wh);
    UPSTREAM_UNTIL(f, wh->idle_count == 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_EARLY_RETIRED), 1);
    char byte;
    LK_CHECK_EQ_INT(recv(server, &byte, 1, 0), 0); /* we closed first */
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, keep_alive_header_of_a_response_is_the_limit)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    exchange(&a, server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=7\r\n\r\n");
    uint32_t limit = lk_idle_learner_limit(wh->state, lk_loop_now_ms(f->loop));
    LK_CHECK_MSG(limit > 6000 && limit < 7000, "limit %u", limit);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, careful_request_does_not_take_a_connection_that_is_closing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int server = idle_one(&a, f, wh);
    usleep(2000);
    close(server); /* the loop has not seen it yet */
    lk_loop_turn(f->loop, 0);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, true, false), LK_POOL_WAITING);
    server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, b.uc != NULL);
    exchange(&b, server, OK_EMPTY);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, close_that_is_seen_before_the_flush_finds_nothing_sent)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int server = idle_one(&a, f, wh);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_READY);
    close(server);
    send_request(&b, "POST", true);
    UPSTREAM_UNTIL(f, b.reset);
    LK_CHECK_EQ_INT(b.progress, LK_PROGRESS_NOT_SENT);
    LK_CHECK_EQ_INT(b.reason, LK_RESET_CONNECTION_TERMINATION);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE_WITH_RQ), 1);
    client_fini(&a);
    client_fini(&b);
    finish(f, wh);
}

/* A server that takes no bytes (its window is shut) and then ends: TCP's counters prove that it never had the request.
 */
LK_TEST(pool_h1, fin_of_a_server_that_acknowledged_nothing_proves_that_it_did_nothing)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b;
    char body[40000];
    int small = 1;
    setsockopt(f->listeners[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    /* the first request fills the window; the server answers without reading it */
    memset(body, 'x', sizeof(body));
    send_request(&a, "POST", false);
    lk_codec_send_data(a.stream, lk_span(NULL, body, sizeof(body)), true);
    UPSTREAM_UNTIL(f, a.uc->conn.out.len == 0);
    upstream_write(server, OK_EMPTY);
    UPSTREAM_UNTIL(f, a.ended);
    client_init(&b, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_READY);
    LK_CHECK_EQ_PTR(b.uc, a.uc);
    send_request(&b, "POST", true);
    upstream_turn(f, 2);
    LK_CHECK_MSG(b.uc->conn.bytes_written > b.uc->request_start, "the request must have left the process");
    LK_CHECK_EQ_INT(lk_upstream_conn_progress(b.uc), LK_PROGRESS_UNKNOWN); /* no FIN yet */
    shutdown(server, SHUT_WR);
    UPSTREAM_UNTIL(f, b.reset);
    LK_CHECK_EQ_INT(b.progress, LK_PROGRESS_NOT_PROCESSED);
    client_fini(&a);
    client_fini(&b);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, fin_of_a_server_that_had_the_request_proves_nothing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "POST", true);
    upstream_read(f, server, "\r\n\r\n");
    close(server);
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_UNKNOWN);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, reset_proves_nothing)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "POST", true);
    upstream_turn(f, 2);
    upstream_reset(server);
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_UNKNOWN);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, part_of_an_answer_counts_as_answered)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "HTTP/1.1 200 OK\r\ncontent-le");
    upstream_turn(f, 3);
    close(server);
    UPSTREAM_UNTIL(f, a.reset); /* once: on_reset checks */
    upstream_turn(f, 3);
    LK_CHECK_EQ_INT(a.progress, LK_PROGRESS_ANSWERED);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, body_until_close_ends_well)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "HTTP/1.1 200 OK\r\n\r\nabc");
    close(server);
    UPSTREAM_UNTIL(f, a.ended);
    LK_CHECK(!a.reset);
    LK_CHECK_EQ_UINT(a.body, 3);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_REMOTE), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_WITH_RQ), 0);
    client_fini(&a);
    finish(f, wh);
}

LK_TEST(pool_h1, garbage_is_a_protocol_error)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    upstream_write(server, "SSH-2.0-OpenSSH_9.2\r\n");
    UPSTREAM_UNTIL(f, a.reset);
    LK_CHECK_EQ_INT(a.reason, LK_RESET_PROTOCOL_ERROR);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_PROTOCOL_ERROR), 1);
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(wh->busy_count, 0);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

/* --- our own endings
 * ---------------------------------------------------------------------------------------------------- */

LK_TEST(pool_h1, request_that_is_given_up_takes_its_connection_along)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a;
    int server = connect_one(&a, f, wh);
    send_request(&a, "GET", true);
    upstream_read(f, server, "\r\n\r\n");
    lk_codec_reset(a.stream, LK_RESET_LOCAL);
    upstream_turn(f, 2);
    LK_CHECK_EQ_UINT(wh->busy_count + wh->idle_count, 0);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL_WITH_RQ), 1);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_CX_DESTROY_LOCAL), 1);
    client_fini(&a);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, drain_closes_what_is_idle_and_lets_the_rest_finish)
{
    struct upstream_fixture *f;
    struct lk_worker_host *wh = begin(&f);
    struct client a, b;
    int busy = connect_one(&a, f, wh);
    int idle = idle_one(&b, f, wh);
    lk_pool_drain(wh);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    LK_CHECK_EQ_UINT(wh->busy_count, 1);
    exchange(&a, busy, OK_EMPTY);
    LK_CHECK_EQ_UINT(a.status, 200);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    close(busy);
    close(idle);
    finish(f, wh);
}

LK_TEST(pool_h1, close_fails_requests_and_waiters_and_opens_nothing_new)
{
    struct upstream_fixture *f = upstream_new(1);
    struct client a, b, c;
    f->limits[0].max_connections = 1;
    upstream_start(f);
    struct lk_worker_host *wh = upstream_pick(f);
    int server = connect_one(&a, f, wh);
    client_init(&b, f, wh);
    client_init(&c, f, wh);
    LK_CHECK_EQ_INT(ask(&b, false, false), LK_POOL_WAITING);
    send_request(&a, "GET", true);
    lk_pool_close(wh);
    LK_CHECK(a.reset && b.failed);
    LK_CHECK_EQ_INT(b.reason, LK_RESET_LOCAL);
    LK_CHECK_EQ_UINT(wh->connecting_count + wh->busy_count + wh->idle_count, 0);
    client_fini(&a);
    client_fini(&b);
    client_fini(&c);
    close(server);
    finish(f, wh);
}

LK_TEST(pool_h1, connect_to_a_host_that_retired_meanwhile_is_not_kept)
{
    struct upstream_fixture *f = upstream_new(2);
    struct client a;
    upstream_start(f);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, (const unsigned[]){0}, 1));
    upstream_turn(f, 1);
    struct lk_worker_host *wh = upstream_pick(f);
    client_init(&a, f, wh);
    LK_CHECK_EQ_INT(ask(&a, false, false), LK_POOL_WAITING);
    lk_pool_cancel(&a.waiter);
    lk_cluster_set_hosts(f->cluster, upstream_hosts(f, (const unsigned[]){1}, 1));
    int server = upstream_accept(f, 0);
    UPSTREAM_UNTIL(f, wh->retired && wh->connecting_count == 0);
    LK_CHECK_EQ_UINT(wh->idle_count, 0);
    client_fini(&a);
    close(server);
    finish(f, wh);
}
