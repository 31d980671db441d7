/*
 * STRICT_DNS and LOGICAL_DNS: names of endpoints become hosts. Every name is resolved by itself, at its refresh rate or
 * TTL; a failure keeps the hosts that were known and backs off. Runs on the main loop.
 */
#include "proxy/base/list.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/upstream/cluster_internal.h"

#include <string.h>

struct target {
    struct discovery *discovery;
    size_t locality, index; /* of the endpoint in the assignment */
    const struct lk_endpoint *endpoint;
    char *name;
    struct lk_dns_query *query;
    struct lk_timer timer;
    struct lk_addr *addrs; /* last answer, with port */
    size_t addr_count;
    uint32_t failure_delay_ms;
    bool answered;
};

struct discovery {
    struct lk_cluster *cluster;
    struct lk_dns *dns;
    struct target *targets;
    size_t count;
    size_t unanswered;
    void (*on_first)(struct lk_cluster *cluster);
};

static struct lk_endpoints *endpoints_of(const struct lk_cluster *cluster)
{
    return (struct lk_endpoints *)cluster->config->endpoints;
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static void add_host(struct discovery *d, const struct target *t, const struct lk_addr *addr, struct lk_host **hosts,
                     size_t *count)
{
    struct lk_host_state *state = lk_cluster_state(d->cluster, addr);
    hosts[*count] = lk_host_from_endpoint(state, endpoints_of(d->cluster), t->locality, t->index);
    if (hosts[*count]->hostname.len == 0)
        hosts[*count]->hostname = t->endpoint->dns_name;
    (*count)++;
    lk_host_state_unref(state);
}

/* LOGICAL_DNS knows one host at a time: new connections go to the first address of the newest answer. */
static size_t usable(const struct discovery *d, const struct target *t)
{
    return d->cluster->config->type == LK_CLUSTER_LOGICAL_DNS && t->addr_count > 1 ? 1 : t->addr_count;
}

static void publish(struct discovery *d)
{
    size_t total = 0;
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++)
        total += usable(d, &d->targets[i]);
    struct lk_host **hosts = lk_calloc(total + 1, sizeof(struct lk_host *));
    for (size_t i = 0; i < d->count; i++) {
        for (size_t a = 0; a < usable(d, &d->targets[i]); a++)
            add_host(d, &d->targets[i], &d->targets[i].addrs[a], hosts, &count);
    }
    lk_cluster_set_hosts(d->cluster, lk_host_set_new(hosts, count, endpoints_of(d->cluster)->overprovisioning_factor));
    lk_free(hosts);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void resolve(struct target *t);

static void on_timer(struct lk_timer *timer)
{
    resolve(LK_CONTAINER_OF(timer, struct target, timer));
}

static bool same_addrs(const struct target *t, const struct lk_addr *addrs, size_t count)
{
    if (count != t->addr_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t j = 0; j < count && !found; j++)
            found = lk_addr_ip_eq(&addrs[i], &t->addrs[j]);
        if (!found)
            return false;
    }
    /* the first address matters to LOGICAL_DNS */
    return t->discovery->cluster->config->type != LK_CLUSTER_LOGICAL_DNS || count == 0 ||
           lk_addr_ip_eq(&addrs[0], &t->addrs[0]);
}

static void keep_answer(struct target *t, const struct lk_addr *addrs, size_t count)
{
    lk_free(t->addrs);
    t->addrs = lk_calloc(count + 1, sizeof(*t->addrs));
    for (size_t i = 0; i < count; i++) {
        t->addrs[i] = addrs[i];
        lk_addr_set_port(&t->addrs[i], t->endpoint->dns_port);
    }
    t->addr_count = count;
}

static uint32_t next_refresh_ms(const struct lk_cluster_config *config, uint32_t ttl_s)
{
    uint64_t ms = config->dns_refresh_ms;
    if (config->respect_dns_ttl && ttl_s != UINT32_MAX && ttl_s > 0)
        ms = (uint64_t)ttl_s * 1000;
    if (config->dns_jitter_ms > 0)
        ms += lk_rand_below(config->dns_jitter_ms);
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* Exponential with full jitter between the configured bounds. */
static uint32_t next_failure_ms(struct target *t)
{
    const struct lk_cluster_config *config = t->discovery->cluster->config;
    if (config->dns_failure_base_ms == 0)
        return config->dns_refresh_ms;
    uint32_t ceiling = t->failure_delay_ms == 0 ? config->dns_failure_base_ms : t->failure_delay_ms;
    uint64_t doubled = (uint64_t)ceiling * 2;
    uint32_t max = config->dns_failure_max_ms > 0 ? config->dns_failure_max_ms : config->dns_failure_base_ms * 10;
    t->failure_delay_ms = doubled > max ? max : (uint32_t)doubled;
    return (uint32_t)lk_rand_below(ceiling) + 1;
}

static void note_first(struct target *t)
{
    struct discovery *d = t->discovery;
    if (t->answered)
        return;
    t->answered = true;
    if (--d->unanswered == 0)
        d->on_first(d->cluster);
}

static void on_answer(void *arg, enum lk_dns_status status, const struct lk_addr *addrs, size_t count, uint32_t ttl_s)
{
    struct target *t = arg;
    struct discovery *d = t->discovery;
    struct lk_stats_scope *stats = d->cluster->stats;
    t->query = NULL;
    if (status == LK_DNS_SUCCESS || status == LK_DNS_EMPTY) {
        lk_stats_inc(stats, LK_CLUSTER_UPDATE_SUCCESS);
        t->failure_delay_ms = 0;
        if (status == LK_DNS_EMPTY)
            lk_stats_inc(stats, LK_CLUSTER_UPDATE_EMPTY);
        if (same_addrs(t, addrs, count) && t->answered) {
            lk_stats_inc(stats, LK_CLUSTER_UPDATE_NO_REBUILD);
        } else {
            keep_answer(t, addrs, count);
            publish(d);
        }
        lk_timer_set(d->cluster->clusters->options.main_loop, &t->timer, next_refresh_ms(d->cluster->config, ttl_s));
    } else {
        lk_stats_inc(stats, LK_CLUSTER_UPDATE_FAILURE);
        if (status == LK_DNS_TIMEOUT)
            lk_stats_inc(stats, LK_CLUSTER_DNS_TIMEOUT);
        LK_LOG_LIMITED(DNS, WARN, "cannot resolve %s for cluster %.*s: %s", t->name,
                       LK_STR_ARG(d->cluster->config->name), status == LK_DNS_TIMEOUT ? "no answer" : "failed");
        lk_timer_set(d->cluster->clusters->options.main_loop, &t->timer, next_failure_ms(t));
    }
    note_first(t);
}

static void resolve(struct target *t)
{
    static const enum lk_dns_family families[] = {
        [LK_FAMILY_AUTO] = LK_DNS_AUTO,       [LK_FAMILY_V4_ONLY] = LK_DNS_V4_ONLY,
        [LK_FAMILY_V6_ONLY] = LK_DNS_V6_ONLY, [LK_FAMILY_V4_PREFERRED] = LK_DNS_V4_PREFERRED,
        [LK_FAMILY_ALL] = LK_DNS_ALL,
    };
    struct discovery *d = t->discovery;
    lk_stats_inc(d->cluster->stats, LK_CLUSTER_UPDATE_ATTEMPT);
    t->query = lk_dns_resolve(d->dns, t->name, families[d->cluster->config->dns_family], on_answer, t);
}

/* --- start and stop ----------------------------------------------------------------------------------------------- */

static void add_target(struct discovery *d, size_t locality, size_t index)
{
    const struct lk_endpoint *endpoint = &endpoints_of(d->cluster)->localities[locality].endpoints[index];
    struct target *t = &d->targets[d->count++];
    t->discovery = d;
    t->locality = locality;
    t->index = index;
    t->endpoint = endpoint;
    lk_timer_init(&t->timer, on_timer);
    if (endpoint->addr.len > 0 || endpoint->addr.family == AF_UNIX) {
        /* an address needs no question */
        t->addrs = lk_calloc(1, sizeof(*t->addrs));
        t->addrs[0] = endpoint->addr;
        t->addr_count = 1;
        t->answered = true;
        return;
    }
    t->name = lk_str_dup(endpoint->dns_name);
    d->unanswered++;
}

bool lk_cluster_dns_start(struct lk_cluster *cluster, struct lk_dns *dns, void (*on_first)(struct lk_cluster *cluster),
                          struct lk_error *error)
{
    const struct lk_endpoints *endpoints = cluster->config->endpoints;
    size_t total = 0;
    (void)error;
    for (size_t l = 0; endpoints != NULL && l < endpoints->locality_count; l++)
        total += endpoints->localities[l].endpoint_count;
    struct discovery *d = lk_calloc(1, sizeof(*d));
    d->cluster = cluster;
    d->dns = dns;
    d->on_first = on_first;
    d->targets = lk_calloc(total + 1, sizeof(*d->targets));
    cluster->discovery = d;
    for (size_t l = 0; endpoints != NULL && l < endpoints->locality_count; l++) {
        for (size_t e = 0; e < endpoints->localities[l].endpoint_count; e++)
            add_target(d, l, e);
    }
    if (d->unanswered == 0) {
        if (endpoints != NULL)
            publish(d);
        on_first(cluster);
        return true;
    }
    for (size_t i = 0; i < d->count; i++) {
        if (d->targets[i].name != NULL)
            resolve(&d->targets[i]);
    }
    return true;
}

void lk_cluster_dns_stop(struct lk_cluster *cluster)
{
    struct discovery *d = cluster->discovery;
    if (d == NULL)
        return;
    cluster->discovery = NULL;
    for (size_t i = 0; i < d->count; i++) {
        struct target *t = &d->targets[i];
        if (t->query != NULL)
            lk_dns_cancel(t->query);
        lk_timer_clear(&t->timer);
        lk_free(t->addrs);
        lk_free(t->name);
    }
    lk_free(d->targets);
    lk_free(d);
}
