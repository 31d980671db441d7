/* Checks over plain TCP. */
#include "test/unit/proxy/upstream/health_fixture.h"

#include "proxy/base/mem.h"

static void tcp(struct health *h)
{
    health_new(h, 1);
    h->check.kind = LK_CHECK_TCP;
}

LK_TEST(health_tcp, connection_is_enough_without_a_payload)
{
    struct health h;
    tcp(&h);
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    char byte;
    LK_CHECK_EQ_INT(read(fd, &byte, 1), 0); /* and is closed again */
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_tcp, what_is_to_be_sent_leaves_although_no_answer_is_wanted)
{
    struct health h;
    tcp(&h);
    h.check.payload.send = LK_STR("bye");
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    upstream_read(h.f, fd, "bye");
    LK_CHECK(h.f->ready);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_tcp, answer_must_hold_the_blocks_in_order)
{
    static const struct lk_str blocks[] = {LK_STR_INIT("+"), LK_STR_INIT("PONG")};
    struct health h;
    tcp(&h);
    h.check.payload = (struct lk_check_payload){LK_STR("PING\r\n"), blocks, 2};
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    upstream_read(h.f, fd, "PING\r\n");
    upstream_write(fd, "PONG? +");
    upstream_turn(h.f, 5);
    LK_CHECK(!h.f->ready);
    upstream_write(fd, "PO");
    upstream_turn(h.f, 5);
    LK_CHECK(!h.f->ready);
    upstream_write(fd, "NG");
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    /* the same connection serves the next check */
    upstream_read(h.f, fd, "PING\r\n");
    upstream_write(fd, "+PONG");
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 2);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_tcp, wrong_answer_fails_by_the_timeout)
{
    static const struct lk_str block = LK_STR_INIT("PONG");
    struct health h;
    tcp(&h);
    h.check.payload = (struct lk_check_payload){LK_STR("PING"), &block, 1};
    h.check.timeout_ms = 20;
    h.check.no_traffic_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    upstream_read(h.f, fd, "PING");
    upstream_write(fd, "what?");
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK | LK_HOST_CHECK_TIMEOUT);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_tcp, endless_answer_is_bounded)
{
    static const struct lk_str block = LK_STR_INIT("PONG");
    static char much[100001];
    struct health h;
    tcp(&h);
    memset(much, 'x', sizeof(much) - 1);
    h.check.payload = (struct lk_check_payload){LK_STR("PING"), &block, 1};
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    upstream_read(h.f, fd, "PING");
    for (int i = 0; i < 5; i++) {
        upstream_write(fd, much);
        upstream_turn(h.f, 10);
    }
    LK_CHECK(!h.f->ready);
    upstream_write(fd, "PONG");
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_tcp, host_that_closes_a_kept_connection_has_failed)
{
    static const struct lk_str block = LK_STR_INIT("PONG");
    struct health h;
    tcp(&h);
    h.check.payload = (struct lk_check_payload){LK_STR("PING"), &block, 1};
    h.check.no_traffic_interval_ms = 60000;
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    upstream_read(h.f, fd, "PING");
    upstream_write(fd, "PONG");
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    close(fd);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), 1);
    upstream_free(h.f);
}
