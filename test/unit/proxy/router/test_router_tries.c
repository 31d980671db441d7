/* Tries of a request: replays after connections that turned out dead, and retries by policy. */
#include "test/unit/proxy/router/router_fixture.h"

/* --- the keep-alive race
 * ------------------------------------------------------------------------------------------------------ */

/* One answered request, so that a connection is idle; returns the server's end. */
static int warm_up(struct setup *s)
{
    request(s, "GET", true);
    int server = serve(s, OK_BODY);
    client_done(s);
    done(s);
    upstream_turn(s->f, 2);
    return server;
}

LK_TEST(router_tries, post_that_was_not_sent_moves_to_another_connection)
{
    struct setup s;
    begin(&s);
    int server = warm_up(&s);
    request(&s, "POST", false); /* on the idle connection */
    chain_data(s.h, "body", true);
    close(server); /* seen before the flush */
    server = upstream_accept(s.f, 0);
    upstream_read(s.f, server, "body");
    upstream_write(server, OK_BODY);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_REPLAYED), 1);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, 0);
    close(server);
    finish(&s);
}

LK_TEST(router_tries, get_that_met_a_dying_connection_is_sent_again_and_a_post_is_not)
{
    struct setup s;
    begin(&s);
    int server = warm_up(&s);
    request(&s, "GET", true);
    upstream_read(s.f, server, "\r\n\r\n");
    upstream_reset(server); /* it may have been processed */
    server = serve(&s, OK_BODY);
    client_done(&s);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_REPLAYED), 1);
    done(&s);
    upstream_turn(s.f, 2);
    request(&s, "POST", true);
    upstream_read(s.f, server, "\r\n\r\n");
    upstream_reset(server);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_CONNECTION_TERMINATION));
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_REPLAYED), 1);
    finish(&s);
}

LK_TEST(router_tries, first_request_of_a_connection_is_not_replayed_once_sent)
{
    struct setup s;
    begin(&s);
    request(&s, "GET", true);
    int server = upstream_accept(s.f, 0);
    upstream_read(s.f, server, "\r\n\r\n");
    close(server);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_REPLAYED), 0);
    finish(&s);
}

LK_TEST(router_tries, server_that_always_leaves_does_not_keep_us_trying_for_ever)
{
    struct setup s;
    begin(&s);
    int server = warm_up(&s);
    request(&s, "GET", true);
    upstream_read(s.f, server, "\r\n\r\n");
    close(server);
    for (unsigned i = 0; i < 20 && !s.h->client_done; i++) {
        upstream_turn(s.f, 5);
        if (upstream_pending(s.f, 0)) {
            server = upstream_accept(s.f, 0);
            upstream_read(s.f, server, "\r\n\r\n");
            close(server);
        }
    }
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    finish(&s);
}

LK_TEST(router_tries, body_beyond_what_is_kept_cannot_be_replayed)
{
    struct setup s;
    char *big = lk_calloc(1, 100001);
    begin(&s);
    int server = warm_up(&s);
    memset(big, 'x', 100000);
    request(&s, "PUT", false);
    upstream_read(s.f, server, "\r\n\r\n");
    chain_data(s.h, big, false);
    upstream_turn(s.f, 3);
    upstream_reset(server);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 503);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_REPLAYED), 0);
    lk_free(big);
    finish(&s);
}

/* --- retries by policy
 * ----------------------------------------------------------------------------------------------------------- */

static void with_policy(struct setup *s, const char *retry_on, uint32_t retries)
{
    s->retry.retry_on = lk_retry_on_parse(lk_str_from(retry_on), NULL);
    s->retry.num_retries = retries;
    s->retry.backoff_base_ms = 1;
    s->route.action.retry = &s->retry;
}

#define ERROR_503 "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"

LK_TEST(router_tries, answer_that_the_policy_covers_is_tried_again)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "5xx", 2);
    request(&s, "POST", false);
    chain_data(s.h, "body", true);
    int server = upstream_accept(s.f, 0);
    upstream_read(s.f, server, "body");
    upstream_write(server, ERROR_503);
    upstream_read(s.f, server, "body"); /* the same connection again */
    upstream_write(server, OK_BODY);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    LK_CHECK_EQ_UINT(info_of(&s)->upstream.attempts, 2);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_RETRY), 1);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_RETRY_SUCCESS), 1);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, 0);
    close(server);
    finish(&s);
}

LK_TEST(router_tries, last_answer_passes_when_the_retries_are_used_up)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "5xx", 1);
    request(&s, "GET", true);
    int server = serve(&s, ERROR_503);
    upstream_read(s.f, server, "\r\n\r\n");
    upstream_write(server, ERROR_503);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 503 end\n");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_RETRY_LIMIT_EXCEEDED));
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_RETRY_LIMIT), 1);
    close(server);
    finish(&s);
}

LK_TEST(router_tries, retry_that_the_circuit_breaker_forbids_is_flagged)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "5xx", 1);
    s.f->limits[0].max_retries = 0;
    request(&s, "GET", true);
    int server = serve(&s, ERROR_503);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 503 end\n");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_OVERFLOW));
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_RETRY_OVERFLOW), 1);
    close(server);
    finish(&s);
}

LK_TEST(router_tries, try_that_takes_too_long_is_made_again_and_leaves_no_flag)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "reset", 1);
    s.retry.per_try_timeout_ms = 40;
    request(&s, "GET", true);
    int slow = upstream_accept(s.f, 0);
    int server = serve(&s, OK_BODY);
    client_done(&s);
    CHAIN_EXPECT(s.h, "client: 200\nclient: data \"ok\" end\n");
    LK_CHECK_EQ_UINT(info_of(&s)->flags, 0);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_RQ_PER_TRY_TIMEOUT), 1);
    close(slow);
    close(server);
    finish(&s);
}

LK_TEST(router_tries, last_try_that_takes_too_long_is_a_504)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "connect-failure", 1);
    s.retry.per_try_timeout_ms = 20;
    request(&s, "GET", true);
    int slow = upstream_accept(s.f, 0);
    client_done(&s);
    LK_CHECK_EQ_UINT(s.h->local_status, 504);
    LK_CHECK_EQ_UINT(info_of(&s)->flags, LK_FLAG_BIT(UPSTREAM_REQUEST_TIMEOUT));
    close(slow);
    finish(&s);
}

LK_TEST(router_tries, client_that_leaves_during_a_back_off_ends_it)
{
    struct setup s;
    begin(&s);
    with_policy(&s, "5xx", 5);
    s.retry.backoff_base_ms = 60000;
    s.retry.backoff_max_ms = 600000;
    request(&s, "GET", true);
    int server = serve(&s, ERROR_503);
    UPSTREAM_UNTIL(s.f, upstream_stat(s.f, LK_CLUSTER_RQ_RETRY) == 1);
    done(&s);
    close(server);
    finish(&s); /* checks the breakers */
}
