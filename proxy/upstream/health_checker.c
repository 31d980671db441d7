/*
 * When hosts are checked and what follows from the results: thresholds, flags, counts. The protocols are in
 * health_http.c and health_tcp.c. See health_checker.h. Main thread.
 */
#include "proxy/upstream/health_checker.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/upstream/cluster_internal.h"
#include "proxy/upstream/health_check.h"
#include "proxy/upstream/outlier.h"

#include <stdio.h>

#define FIRST_CHECKS_PER_MS 16

struct lk_health_checker {
    struct lk_cluster *cluster;
    const struct lk_health_check_config *config;
    struct lk_stats_scope *stats;
    struct lk_list checks;
    uint64_t generation;
    uint64_t healthy, degraded; /* hosts */
    size_t awaited;
    void (*on_checked)(struct lk_cluster *cluster);
};

enum change { UNCHANGED, PENDING, CHANGED };

static struct lk_loop *loop_of(const struct lk_check *check)
{
    return check->cluster->clusters->options.main_loop;
}

/* --- counts ------------------------------------------------------------------------------------------------------- */

static void count_hosts(struct lk_health_checker *checker)
{
    lk_stats_set(checker->stats, LK_HEALTH_STAT_HEALTHY, checker->healthy);
    lk_stats_set(checker->stats, LK_HEALTH_STAT_DEGRADED, checker->degraded);
}

static bool has(const struct lk_check *check, uint32_t flags)
{
    return (lk_host_flags(check->host->state) & flags) != 0;
}

/* Sets or clears FAILED or DEGRADED and keeps the gauges true. */
static bool mark(struct lk_check *check, uint32_t flag, bool on)
{
    struct lk_host_state *state = check->host->state;
    bool changed = on ? lk_host_flags_set(state, flag) : lk_host_flags_clear(state, flag);
    if (!changed)
        return false;
    if (flag == LK_HOST_FAILED_CHECK)
        check->checker->healthy += on ? (uint64_t)-1 : 1;
    else
        check->checker->degraded += on ? 1 : (uint64_t)-1;
    count_hosts(check->checker);
    return true;
}

/* --- when to check ------------------------------------------------------------------------------------------------ */

static uint64_t with_jitter(const struct lk_health_check_config *config, uint64_t ms)
{
    ms += lk_rand_below(ms * config->interval_jitter_percent / 100);
    ms += lk_rand_below(config->interval_jitter_ms);
    return ms > 0 ? ms : 1;
}

static uint64_t next_check_ms(const struct lk_check *check, bool passed, enum change change)
{
    const struct lk_health_check_config *config = check->config;
    bool edge = change == PENDING;
    if (lk_stats_value(check->cluster->stats, LK_CLUSTER_CX_TOTAL) == 0)
        return passed && !edge ? config->no_traffic_healthy_interval_ms : config->no_traffic_interval_ms;
    if (passed)
        return edge ? config->healthy_edge_interval_ms : config->interval_ms;
    return edge ? config->unhealthy_edge_interval_ms : config->unhealthy_interval_ms;
}

static void on_interval(struct lk_timer *timer)
{
    struct lk_check *check = LK_CONTAINER_OF(timer, struct lk_check, interval);
    lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_ATTEMPT);
    lk_timer_set(loop_of(check), &check->timeout, check->config->timeout_ms);
    check->ops->start(check);
}

static void on_timeout(struct lk_timer *timer)
{
    struct lk_check *check = LK_CONTAINER_OF(timer, struct lk_check, timeout);
    check->ops->stop(check);
    lk_check_done(check, LK_CHECK_TIMEOUT);
}

/* --- what a result means ------------------------------------------------------------------------------------------ */

static void log_result(const struct lk_check *check, const char *what, const char *why, bool loud)
{
    char text[LK_ADDR_TEXT_MAX];
    struct lk_str addr = lk_addr_text(&check->host->state->addr, text);
    struct lk_str name = check->cluster->config->name;
    if (loud)
        LK_LOG_LIMITED(UPSTREAM, INFO, "cluster %.*s: host %.*s %s%s", LK_STR_ARG(name), LK_STR_ARG(addr), what, why);
    else
        LK_LOG_LIMITED(UPSTREAM, DEBUG, "cluster %.*s: host %.*s %s%s", LK_STR_ARG(name), LK_STR_ARG(addr), what, why);
}

static enum change pass(struct lk_check *check, bool degraded)
{
    struct lk_host_state *state = check->host->state;
    enum change change = UNCHANGED;
    check->failed_in_row = 0;
    if (has(check, LK_HOST_FAILED_CHECK)) {
        change = PENDING;
        if (check->first || ++check->passed_in_row >= check->config->healthy_threshold) {
            lk_host_flags_clear(state, LK_HOST_CHECK_TIMEOUT);
            mark(check, LK_HOST_FAILED_CHECK, false);
            change = CHANGED;
        }
    }
    uint32_t over = LK_HOST_PENDING_CHECK | (has(check, LK_HOST_FAILED_CHECK) ? 0 : LK_HOST_EXCLUDED);
    if (lk_host_flags_clear(state, over))
        change = CHANGED;
    if (mark(check, LK_HOST_DEGRADED_CHECK, degraded) && change == UNCHANGED)
        change = CHANGED;
    lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_SUCCESS);
    log_result(check, change == CHANGED ? "is healthy now" : "passed a health check", degraded ? ", but degraded" : "",
               change == CHANGED || check->config->log_successes);
    return change;
}

/* at_once: no threshold holds. */
static enum change fail(struct lk_check *check, bool at_once, bool timeout, const char *why)
{
    struct lk_host_state *state = check->host->state;
    enum change change = UNCHANGED;
    check->passed_in_row = 0;
    if (!has(check, LK_HOST_FAILED_CHECK)) {
        change = PENDING;
        if (at_once || ++check->failed_in_row >= check->config->unhealthy_threshold) {
            mark(check, LK_HOST_FAILED_CHECK, true);
            change = CHANGED;
        }
    }
    if (has(check, LK_HOST_FAILED_CHECK)) {
        if (timeout)
            lk_host_flags_set(state, LK_HOST_CHECK_TIMEOUT);
        else
            lk_host_flags_clear(state, LK_HOST_CHECK_TIMEOUT);
    }
    if (lk_host_flags_clear(state, LK_HOST_PENDING_CHECK))
        change = CHANGED;
    lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_FAILURE);
    log_result(check, change == CHANGED ? "is unhealthy now: " : "failed a health check: ", why,
               change == CHANGED || check->first || check->config->log_failures);
    return change;
}

static void first_is_done(struct lk_check *check)
{
    struct lk_health_checker *checker = check->checker;
    check->first = false;
    if (!check->awaited)
        return;
    check->awaited = false;
    if (--checker->awaited > 0 || checker->on_checked == NULL)
        return;
    void (*on_checked)(struct lk_cluster * cluster) = checker->on_checked;
    checker->on_checked = NULL;
    on_checked(checker->cluster);
}

static void tell(struct lk_check *check, enum change change)
{
    if (change == CHANGED) {
        lk_cluster_health_changed(check->cluster);
        if (has(check, LK_HOST_FAILED_CHECK))
            lk_cluster_drop_connections(check->cluster, check->host->state);
    }
    if (check->first)
        first_is_done(check);
}

void lk_check_done(struct lk_check *check, enum lk_check_result result)
{
    static const char *const reasons[] = {
        [LK_CHECK_FAILED] = "it says so itself",
        [LK_CHECK_RETRIABLE] = "it says so itself",
        [LK_CHECK_NETWORK] = "no answer, the connection failed",
        [LK_CHECK_TIMEOUT] = "no answer in time",
    };
    bool passed = result == LK_CHECK_PASSED || result == LK_CHECK_DEGRADED;
    lk_timer_clear(&check->timeout);
    enum change change = passed ? pass(check, result == LK_CHECK_DEGRADED)
                                : fail(check, result == LK_CHECK_FAILED, result == LK_CHECK_TIMEOUT, reasons[result]);
    if (result == LK_CHECK_NETWORK || result == LK_CHECK_TIMEOUT)
        lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_NETWORK_FAILURE);
    lk_timer_set(loop_of(check), &check->interval, with_jitter(check->config, next_check_ms(check, passed, change)));
    if (passed && !has(check, LK_HOST_FAILED_CHECK) && check->cluster->outlier != NULL)
        lk_outlier_check_passed(check->cluster->outlier, check->host->state);
    tell(check, change);
}

void lk_check_count_verified(struct lk_check *check)
{
    lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_VERIFY_CLUSTER);
}

/* --- hosts come and go -------------------------------------------------------------------------------------------- */

/* Thousands of hosts may come at once: their first checks, and so the later ones, are spread over as many milliseconds
 * as leave the main loop time for others. */
static uint64_t first_check_ms(struct lk_health_checker *checker)
{
    struct lk_clusters *clusters = checker->cluster->clusters;
    uint64_t now = lk_loop_now_ms(clusters->options.main_loop);
    if (clusters->check_slot_ms < now) {
        clusters->check_slot_ms = now;
        clusters->check_slot_used = 0;
    }
    if (++clusters->check_slot_used > FIRST_CHECKS_PER_MS) {
        clusters->check_slot_ms++;
        clusters->check_slot_used = 1;
    }
    return clusters->check_slot_ms - now + lk_rand_below(checker->config->initial_jitter_ms);
}

static bool wants_check(const struct lk_host *host)
{
    return host->check == NULL || !host->check->disabled;
}

static struct lk_addr check_addr(const struct lk_host *host)
{
    const struct lk_endpoint_check *own = host->check;
    struct lk_addr addr = own != NULL && own->addr.len > 0 ? own->addr : host->state->addr;
    if (own != NULL && own->port > 0 && addr.family != AF_UNIX)
        lk_addr_set_port(&addr, own->port);
    return addr;
}

static struct lk_str check_hostname(const struct lk_host *host)
{
    return host->check != NULL ? host->check->hostname : lk_str(NULL, 0);
}

static void check_begin(struct lk_health_checker *checker, struct lk_host *host)
{
    struct lk_check *check = lk_calloc(1, sizeof(*check));
    const struct lk_health_check_config *config = checker->config;
    check->checker = checker;
    check->cluster = checker->cluster;
    check->config = config;
    check->host = host;
    lk_host_ref(host);
    check->addr = check_addr(host);
    check->hostname = check_hostname(host);
    check->ops = config->kind == LK_CHECK_HTTP ? &lk_http_probe : &lk_tcp_probe;
    check->first = true;
    lk_timer_init(&check->interval, on_interval);
    lk_timer_init(&check->timeout, on_timeout);
    lk_list_push_back(&checker->checks, &check->node);
    host->state->check = check;
    lk_host_flags_set(host->state,
                      LK_HOST_FAILED_CHECK | (checker->cluster->config->ignore_new_hosts ? LK_HOST_PENDING_CHECK : 0));
    lk_timer_set(loop_of(check), &check->interval, first_check_ms(checker));
}

/* The host is no longer ours: it is as it was before. */
static void check_end(struct lk_check *check)
{
    struct lk_host_state *state = check->host->state;
    mark(check, LK_HOST_DEGRADED_CHECK, false);
    mark(check, LK_HOST_FAILED_CHECK, true);
    lk_host_flags_clear(state, LK_HOST_FAILED_CHECK | LK_HOST_PENDING_CHECK | LK_HOST_EXCLUDED | LK_HOST_CHECK_TIMEOUT);
    state->check = NULL;
    lk_timer_clear(&check->interval);
    lk_timer_clear(&check->timeout);
    check->ops->stop(check);
    lk_list_remove(&check->node);
    if (check->first)
        first_is_done(check);
    lk_host_unref(check->host);
    lk_free(check);
}

/* The check of a host goes on with the host's newest version. False: it has to begin anew. */
static bool check_keep(struct lk_check *check, struct lk_host *host)
{
    struct lk_addr addr = check_addr(host);
    if (!lk_addr_eq(&addr, &check->addr) || !lk_str_eq(check_hostname(host), check->hostname))
        return false;
    lk_host_ref(host);
    lk_host_unref(check->host);
    check->host = host;
    check->addr = addr;
    check->hostname = check_hostname(host);
    return true;
}

void lk_health_checker_set_hosts(struct lk_health_checker *checker, const struct lk_host_set *set)
{
    checker->generation++;
    for (size_t i = 0; i < set->count; i++) {
        struct lk_host *host = set->hosts[i];
        struct lk_check *check = host->state->check;
        if (!wants_check(host) || (check != NULL && check->generation == checker->generation))
            continue; /* an address that occurs twice is checked once */
        if (check != NULL && !check_keep(check, host)) {
            check_end(check);
            check = NULL;
        }
        if (check == NULL) {
            check_begin(checker, host);
            check = host->state->check;
        }
        check->generation = checker->generation;
    }
    LK_LIST_FOREACH_SAFE(node, &checker->checks)
    {
        struct lk_check *check = LK_LIST_ENTRY(node, struct lk_check, node);
        if (check->generation != checker->generation)
            check_end(check);
    }
}

void lk_health_checker_when_checked(struct lk_health_checker *checker, void (*fn)(struct lk_cluster *cluster))
{
    LK_LIST_FOREACH(node, &checker->checks)
    {
        struct lk_check *check = LK_LIST_ENTRY(node, struct lk_check, node);
        check->awaited = check->first;
        checker->awaited += check->first;
    }
    if (checker->awaited > 0)
        checker->on_checked = fn;
    else
        fn(checker->cluster);
}

struct lk_health_checker *lk_health_checker_new(struct lk_cluster *cluster)
{
    struct lk_health_checker *checker = lk_calloc(1, sizeof(*checker));
    struct lk_str name = cluster->config->stat_name;
    char prefix[512];
    int len = snprintf(prefix, sizeof(prefix), "cluster.%.*s.health_check.", LK_STR_ARG(name));
    checker->cluster = cluster;
    checker->config = cluster->config->health_check;
    lk_list_init(&checker->checks);
    checker->stats = lk_stats_scope_ref(cluster->clusters->options.stats, &lk_health_stat_block,
                                        lk_str(prefix, (size_t)LK_MIN(len, (int)sizeof(prefix) - 1)));
    count_hosts(checker);
    return checker;
}

void lk_health_checker_free(struct lk_health_checker *checker)
{
    if (checker == NULL)
        return;
    checker->on_checked = NULL;
    while (!lk_list_empty(&checker->checks))
        check_end(LK_LIST_ENTRY(checker->checks.next, struct lk_check, node));
    lk_stats_scope_unref(checker->stats);
    lk_free(checker);
}

/* --- what requests tell ------------------------------------------------------------------------------------------- */

struct fail_work {
    struct lk_work work;
    struct lk_cluster *cluster;  /* referenced */
    struct lk_host_state *state; /* referenced */
};

static void fail_now(struct lk_work *work)
{
    struct fail_work *now = LK_CONTAINER_OF(work, struct fail_work, work);
    struct lk_check *check = now->state->check;
    if (check != NULL) {
        lk_stats_inc(check->checker->stats, LK_HEALTH_STAT_PASSIVE_FAILURE);
        lk_host_flags_set(now->state, LK_HOST_EXCLUDED); /* a check may have passed in between */
        tell(check, fail(check, true, false, "it asked for it with a response"));
        lk_cluster_health_changed(now->cluster);
    } else {
        lk_host_flags_clear(now->state, LK_HOST_EXCLUDED);
    }
    lk_host_state_unref(now->state);
    lk_cluster_unref(now->cluster);
    lk_free(now);
}

void lk_health_fail_now(struct lk_cluster *cluster, struct lk_host_state *state)
{
    if (!lk_host_flags_set(state, LK_HOST_EXCLUDED))
        return; /* on its way already */
    struct fail_work *now = lk_calloc(1, sizeof(*now));
    now->work.fn = fail_now;
    now->cluster = cluster;
    now->state = state;
    lk_ref_get(&cluster->ref);
    lk_ref_get(&state->ref);
    lk_loop_post(cluster->clusters->options.main_loop, &now->work);
}
