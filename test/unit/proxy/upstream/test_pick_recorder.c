/* Picks that are only asked for: what a recorder is told, and that nothing moves and nothing is made. */
#include "test/support/lk_test.h"
#include "test/support/upstream_fixture.h"

#include "proxy/base/mem.h"

#include <stdio.h>

struct told {
    struct lk_pick_recorder base;
    const struct lk_host *host;
    struct lk_addr destination;
    unsigned hosts, choices, destinations;
    uint32_t candidates;
    bool panic, open, unknown;
};

static void on_hosts(struct lk_pick_recorder *base, struct lk_cluster_view *view, const struct lk_host_view *hosts,
                     const struct lk_view_group *group, bool panic)
{
    struct told *told = LK_CONTAINER_OF(base, struct told, base);
    LK_CHECK_EQ_PTR(hosts->set, view->set);
    told->hosts++;
    told->candidates = group != NULL ? group->count : 0;
    told->panic = panic;
}

static void on_choice(struct lk_pick_recorder *base, const struct lk_host *host, const char *why)
{
    struct told *told = LK_CONTAINER_OF(base, struct told, base);
    LK_CHECK_NOT_NULL(why);
    told->choices++;
    told->host = host;
    told->open = host == NULL;
}

static void on_original_dst(struct lk_pick_recorder *base, const struct lk_addr *addr)
{
    struct told *told = LK_CONTAINER_OF(base, struct told, base);
    told->destinations++;
    told->unknown = addr == NULL;
    if (addr != NULL)
        told->destination = *addr;
}

/* Whether a host was given. */
static bool ask(struct upstream_fixture *f, struct told *told, const struct lk_addr *original_dst)
{
    struct lk_pick pick = {.original_dst = original_dst, .recorder = &told->base};
    *told = (struct told){.base = {.on_hosts = on_hosts, .on_choice = on_choice, .on_original_dst = on_original_dst}};
    struct lk_worker_host *wh = lk_cluster_pick(f->view, &pick);
    if (wh != NULL)
        lk_worker_host_unref(wh);
    return wh != NULL;
}

LK_TEST(pick_recorder, is_told_who_is_next_however_often_it_asks)
{
    struct upstream_fixture *f = upstream_new(3);
    struct told told;
    upstream_start(f);
    for (unsigned i = 0; i < 7; i++) {
        LK_CHECK(ask(f, &told, NULL));
        const struct lk_host *next = told.host;
        LK_CHECK(ask(f, &told, NULL) && told.host == next);
        LK_CHECK_EQ_UINT(told.candidates, 3);
        LK_CHECK_EQ_UINT(told.choices, 1);
        struct lk_worker_host *wh = upstream_pick(f);
        LK_CHECK_EQ_PTR(wh->host, next);
        lk_worker_host_unref(wh);
    }
    upstream_free(f);
}

LK_TEST(pick_recorder, is_told_of_panic_and_nothing_is_counted)
{
    struct upstream_fixture *f = upstream_new(2);
    struct told told;
    f->config.panic_percent = 50;
    upstream_start(f);
    for (unsigned i = 0; i < 2; i++)
        f->view->set->hosts[i]->health = LK_HEALTH_UNHEALTHY;
    atomic_fetch_add(&f->cluster->health_epoch, 1);
    LK_CHECK(ask(f, &told, NULL));
    LK_CHECK(told.panic);
    LK_CHECK_EQ_UINT(upstream_stat(f, LK_CLUSTER_LB_HEALTHY_PANIC), 0);
    upstream_free(f);
}

LK_TEST(pick_recorder, without_hosts_there_is_no_choice)
{
    struct upstream_fixture *f = upstream_new(0);
    struct told told;
    upstream_start(f);
    LK_CHECK(!ask(f, &told, NULL));
    LK_CHECK_EQ_UINT(told.choices, 0);
    LK_CHECK_EQ_UINT(told.candidates, 0);
    upstream_free(f);
}

LK_TEST(pick_recorder, no_host_is_kept_for_an_original_destination)
{
    struct upstream_fixture *f = upstream_new(0);
    struct told told;
    struct lk_addr addr;
    f->config.type = LK_CLUSTER_ORIGINAL_DST;
    f->config.original_dst_port_override = 8080;
    upstream_start(f);
    LK_CHECK(!ask(f, &told, NULL));
    LK_CHECK(told.unknown);
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.9.9.9"), 80, &addr));
    LK_CHECK(ask(f, &told, &addr));
    LK_CHECK_EQ_UINT(lk_addr_port(&told.destination), 8080);
    LK_CHECK_EQ_UINT(f->view->worker_hosts.count, 0);
    LK_CHECK(!lk_timer_armed(&f->view->cleanup));
    upstream_free(f);
}
