/* Active checks: who is checked, when hosts count as healthy, what the rest of the cluster hears of it. */
#include "test/unit/proxy/upstream/health_fixture.h"
#include "test/unit/proxy/upstream/pool_client.h"

#include "proxy/base/mem.h"

LK_TEST(health_checker, hosts_are_out_and_the_cluster_is_not_ready_before_the_first_check)
{
    struct health h;
    health_new(&h, 1);
    upstream_start(h.f);
    upstream_turn(h.f, 3);
    LK_CHECK(!h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_INT(lk_host_availability(health_host(&h, 0)), LK_HOST_UNAVAILABLE);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 0);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.healthy"), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.success"), 1);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, first_failure_leaves_a_host_out_and_makes_the_cluster_ready)
{
    struct health h;
    health_new(&h, 1);
    h.check.unhealthy_threshold = 3;
    h.check.no_traffic_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.failure"), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, cluster_waits_for_all_of_its_hosts)
{
    struct health h;
    health_new(&h, 2);
    upstream_start(h.f);
    int first = upstream_accept(h.f, 0);
    int second = upstream_accept(h.f, 1);
    health_answer(&h, first, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    LK_CHECK(!h.f->ready);
    upstream_reset(second);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 1), LK_HOST_FAILED_CHECK);
    close(first);
    upstream_free(h.f);
}

LK_TEST(health_checker, no_request_goes_to_a_host_that_fails)
{
    struct health h;
    health_new(&h, 2);
    h.f->config.panic_percent = 0;
    h.check.no_traffic_interval_ms = 60000;
    upstream_start(h.f);
    int good = upstream_accept(h.f, 0);
    int bad = upstream_accept(h.f, 1);
    health_answer(&h, good, OK_ANSWER);
    health_answer(&h, bad, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    upstream_turn(h.f, 2);
    for (int i = 0; i < 4; i++) {
        struct lk_worker_host *wh = upstream_pick(h.f);
        LK_CHECK_EQ_PTR(wh->state, health_host(&h, 0)->state);
        lk_worker_host_unref(wh);
    }
    close(good);
    close(bad);
    upstream_free(h.f);
}

LK_TEST(health_checker, network_failures_count_up_to_the_threshold)
{
    struct health h;
    health_new(&h, 1);
    h.check.unhealthy_threshold = 2;
    close(health_start_healthy(&h));
    upstream_reset(upstream_accept(h.f, 0));
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.network_failure") == 1);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    upstream_reset(upstream_accept(h.f, 0));
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.healthy"), 0);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 0);
    upstream_free(h.f);
}

LK_TEST(health_checker, success_between_failures_starts_the_count_anew)
{
    struct health h;
    health_new(&h, 1);
    h.check.unhealthy_threshold = 2;
    int fd = health_start_healthy(&h);
    for (unsigned round = 1; round <= 3; round++) {
        close(fd);
        upstream_reset(upstream_accept(h.f, 0));
        UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.network_failure") == round);
        fd = upstream_accept(h.f, 0);
        health_answer(&h, fd, OK_ANSWER);
        UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == round + 1);
        LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    }
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, bad_status_needs_no_threshold)
{
    struct health h;
    health_new(&h, 1);
    h.check.unhealthy_threshold = 3;
    int fd = health_start_healthy(&h);
    health_answer(&h, fd, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.failure"), 1);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, return_needs_as_many_successes_as_configured)
{
    struct health h;
    health_new(&h, 1);
    h.check.healthy_threshold = 2;
    int fd = health_start_healthy(&h); /* the first check of all needs only one */
    health_answer(&h, fd, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.success") == 2);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, silent_host_fails_by_the_timeout)
{
    struct health h;
    health_new(&h, 1);
    h.check.timeout_ms = 20;
    h.check.no_traffic_interval_ms = 60000;
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK | LK_HOST_CHECK_TIMEOUT);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 1);
    upstream_read(h.f, fd, "\r\n\r\n");
    char byte;
    LK_CHECK_EQ_INT(read(fd, &byte, 1), 0); /* it hung up */
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, refused_connect_is_a_failure)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_interval_ms = 60000;
    close(h.f->listeners[0]);
    h.f->listeners[0] = dup(2); /* the fixture counts descriptors */
    upstream_start(h.f);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.network_failure"), 1);
    upstream_free(h.f);
}

LK_TEST(health_checker, hosts_that_stay_keep_their_health_and_those_that_go_are_left_alone)
{
    struct health h;
    health_new(&h, 2);
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    int stays = upstream_accept(h.f, 0);
    int goes = upstream_accept(h.f, 1);
    health_answer(&h, stays, OK_ANSWER);
    health_answer(&h, goes, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, h.f->ready);
    lk_cluster_set_hosts(h.f->cluster, upstream_hosts(h.f, (const unsigned[]){0}, 1));
    upstream_turn(h.f, 2);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.healthy"), 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), 2);
    char byte;
    LK_CHECK_EQ_INT(read(goes, &byte, 1), 0);
    close(goes);
    /* back again: as new */
    lk_cluster_set_hosts(h.f->cluster, upstream_hosts(h.f, (const unsigned[]){0, 1}, 2));
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    LK_CHECK_EQ_UINT(health_flags(&h, 1), LK_HOST_FAILED_CHECK);
    goes = upstream_accept(h.f, 1);
    health_answer(&h, goes, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 1) == 0);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.healthy"), 2);
    close(goes);
    close(stays);
    upstream_free(h.f);
}

LK_TEST(health_checker, cluster_whose_unchecked_hosts_go_is_ready)
{
    struct health h;
    health_new(&h, 1);
    upstream_start(h.f);
    int fd = upstream_accept(h.f, 0);
    LK_CHECK(!h.f->ready);
    lk_cluster_set_hosts(h.f->cluster, upstream_hosts(h.f, NULL, 0));
    upstream_turn(h.f, 2);
    LK_CHECK(h.f->ready);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, checks_of_many_new_hosts_are_spread)
{
    enum { HOSTS = 200 };
    struct health h;
    struct lk_host *hosts[HOSTS];
    health_new(&h, 0);
    h.check.no_traffic_interval_ms = 60000;
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    for (unsigned i = 0; i < HOSTS; i++) {
        char ip[32];
        struct lk_addr addr;
        snprintf(ip, sizeof(ip), "127.0.1.%u", i + 1);
        LK_CHECK(lk_addr_parse_ip(lk_str_from(ip), 1, &addr)); /* nobody listens there */
        struct lk_host_state *state = lk_cluster_state(h.f->cluster, &addr);
        hosts[i] = lk_host_new(state, NULL);
        lk_host_state_unref(state);
    }
    uint64_t begin = lk_loop_now_ms(h.f->loop);
    lk_cluster_set_hosts(h.f->cluster, lk_host_set_new(hosts, HOSTS, 140));
    UPSTREAM_UNTIL(h.f, health_stat(&h, "health_check.failure") == HOSTS);
    LK_CHECK(lk_loop_now_ms(h.f->loop) - begin >= HOSTS / 16 - 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), HOSTS);
    upstream_free(h.f);
}

static struct lk_host_set *with_check(struct health *h, const struct lk_endpoint_check *check)
{
    struct lk_host_set *set = upstream_hosts(h->f, (const unsigned[]){0}, 1);
    set->hosts[0]->check = check;
    return set;
}

LK_TEST(health_checker, endpoint_can_ask_not_to_be_checked)
{
    const struct lk_endpoint_check off = {.disabled = true};
    struct health h;
    health_new(&h, 1);
    int fd = health_start_healthy(&h);
    lk_cluster_set_hosts(h.f->cluster, with_check(&h, &off));
    LK_CHECK_EQ_UINT(health_flags(&h, 0), 0);
    uint64_t attempts = health_stat(&h, "health_check.attempt");
    for (int i = 0; i < 5; i++)
        lk_loop_turn(h.f->loop, 5);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), attempts);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, endpoint_can_be_asked_elsewhere_under_another_name)
{
    struct health h;
    health_new(&h, 2);
    const struct lk_endpoint_check other = {.port = lk_addr_port(&h.f->addrs[1]), .hostname = LK_STR("checks")};
    int old, fd;
    upstream_start(h.f);
    old = upstream_accept(h.f, 0);
    lk_cluster_set_hosts(h.f->cluster, with_check(&h, &other));
    int unused = upstream_accept(h.f, 1); /* of the host that is gone */
    close(unused);
    fd = upstream_accept(h.f, 1);
    upstream_read(h.f, fd, "host: checks\r\n");
    upstream_write(fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    close(old);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, new_hosts_are_not_counted_when_configured_so)
{
    struct health h;
    health_new(&h, 2);
    h.f->config.ignore_new_hosts = true;
    h.check.no_traffic_healthy_interval_ms = 60000;
    upstream_start(h.f);
    LK_CHECK_EQ_UINT(health_flags(&h, 0), LK_HOST_FAILED_CHECK | LK_HOST_PENDING_CHECK);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_EXCLUDED), 2);
    int fd = upstream_accept(h.f, 0);
    health_answer(&h, fd, OK_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == 0);
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_EXCLUDED), 1);
    /* one of one counted host is healthy: no panic, so only that one */
    for (int i = 0; i < 4; i++) {
        struct lk_worker_host *wh = upstream_pick(h.f);
        LK_CHECK_EQ_PTR(wh->state, health_host(&h, 0)->state);
        lk_worker_host_unref(wh);
    }
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_LB_HEALTHY_PANIC), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, response_can_take_its_host_out)
{
    struct health h;
    health_new(&h, 1);
    h.check.unhealthy_threshold = 3;
    h.check.no_traffic_healthy_interval_ms = 60000;
    int fd = health_start_healthy(&h);
    lk_health_fail_now(h.f->cluster, health_host(&h, 0)->state);
    lk_health_fail_now(h.f->cluster, health_host(&h, 0)->state);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == (LK_HOST_FAILED_CHECK | LK_HOST_EXCLUDED));
    upstream_turn(h.f, 1);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.passive_failure"), 1);
    LK_CHECK_EQ_UINT(upstream_stat(h.f, LK_CLUSTER_MEMBERSHIP_HEALTHY), 0);
    close(fd);
    upstream_free(h.f);
}

LK_TEST(health_checker, failing_host_loses_its_pooled_connections)
{
    struct health h;
    struct client client;
    health_new(&h, 1);
    int check = health_start_healthy(&h);
    struct lk_worker_host *wh = upstream_pick(h.f);
    int server = idle_one(&client, h.f, wh);
    LK_CHECK_EQ_UINT(wh->idle_count, 1);
    health_answer(&h, check, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, health_flags(&h, 0) == LK_HOST_FAILED_CHECK);
    UPSTREAM_UNTIL(h.f, wh->idle_count == 0);
    client_fini(&client);
    lk_worker_host_unref(wh);
    close(server);
    close(check);
    upstream_free(h.f);
}

LK_TEST(health_checker, failing_host_loses_busy_connections_when_configured_so)
{
    struct health h;
    struct client client;
    health_new(&h, 1);
    h.f->config.close_on_health_failure = true;
    int check = health_start_healthy(&h);
    struct lk_worker_host *wh = upstream_pick(h.f);
    int server = connect_one(&client, h.f, wh);
    send_request(&client, "GET", true);
    upstream_read(h.f, server, "\r\n\r\n");
    health_answer(&h, check, BAD_ANSWER);
    UPSTREAM_UNTIL(h.f, client.reset);
    LK_CHECK_EQ_UINT(wh->busy_count, 0);
    client_fini(&client);
    lk_worker_host_unref(wh);
    close(server);
    close(check);
    upstream_free(h.f);
}

LK_TEST(health_checker, interval_is_the_long_one_while_there_is_no_traffic)
{
    struct health h;
    health_new(&h, 1);
    h.check.no_traffic_interval_ms = 60000;
    h.check.no_traffic_healthy_interval_ms = 60000;
    int fd = health_start_healthy(&h);
    for (int i = 0; i < 5; i++)
        lk_loop_turn(h.f->loop, 5);
    LK_CHECK_EQ_UINT(health_stat(&h, "health_check.attempt"), 1);
    close(fd);
    upstream_free(h.f);
}
