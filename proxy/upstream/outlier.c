/* Counts errors in a row on the workers; ejects and lets return on the main thread. See outlier.h. */
#include "proxy/upstream/outlier.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/upstream/cluster_internal.h"

#include <stdio.h>

/* What is kept of a host while it belongs to the cluster. */
struct watched {
    struct lk_list node;
    struct lk_host_state *state; /* referenced */
    uint64_t generation;
    uint64_t ejected_at_ms, returned_at_ms;
    uint32_t times; /* ejections that still count: each makes the next one longer */
    uint32_t jitter_ms;
};

struct lk_outlier {
    struct lk_cluster *cluster;
    const struct lk_outlier_config *config;
    struct lk_stats_scope *stats;
    struct lk_list hosts;
    size_t host_count;
    size_t ejected;
    uint64_t generation;
    struct lk_timer timer;
};

/* --- workers ------------------------------------------------------------------------------------------------------ */

struct report {
    struct lk_work work;
    struct lk_cluster *cluster;  /* referenced */
    struct lk_host_state *state; /* referenced */
    enum lk_outlier_kind kind;
};

static void on_report(struct lk_work *work);

static uint32_t threshold(const struct lk_outlier_config *config, enum lk_outlier_kind kind)
{
    switch (kind) {
    case LK_OUTLIER_5XX:
        return config->consecutive_5xx;
    case LK_OUTLIER_GATEWAY:
        return config->consecutive_gateway;
    default:
        return config->consecutive_local_origin;
    }
}

static void count_error(struct lk_cluster *cluster, struct lk_host_state *state, enum lk_outlier_kind kind)
{
    uint32_t errors = atomic_fetch_add_explicit(&state->errors_in_row[kind], 1, memory_order_relaxed) + 1;
    if (errors != threshold(cluster->config->outlier, kind))
        return;
    struct report *report = lk_calloc(1, sizeof(*report));
    report->work.fn = on_report;
    report->cluster = cluster;
    report->state = state;
    report->kind = kind;
    lk_ref_get(&cluster->ref);
    lk_ref_get(&state->ref);
    lk_loop_post(cluster->clusters->options.main_loop, &report->work);
}

static void forget_errors(struct lk_host_state *state, enum lk_outlier_kind kind)
{
    _Atomic uint32_t *errors = &state->errors_in_row[kind];
    if (atomic_load_explicit(errors, memory_order_relaxed) != 0)
        atomic_store_explicit(errors, 0, memory_order_relaxed);
}

static void forget_all(struct lk_host_state *state)
{
    for (unsigned kind = 0; kind < LK_OUTLIER_KIND_COUNT; kind++)
        forget_errors(state, (enum lk_outlier_kind)kind);
}

static void count_status(struct lk_cluster *cluster, struct lk_host_state *state, unsigned status)
{
    if (status < 500 || status > 599) {
        forget_errors(state, LK_OUTLIER_5XX);
        forget_errors(state, LK_OUTLIER_GATEWAY);
        return;
    }
    if (status >= 502 && status <= 504)
        count_error(cluster, state, LK_OUTLIER_GATEWAY);
    else
        forget_errors(state, LK_OUTLIER_GATEWAY);
    count_error(cluster, state, LK_OUTLIER_5XX);
}

void lk_outlier_count_answer(struct lk_cluster *cluster, struct lk_host_state *state, unsigned status)
{
    count_status(cluster, state, status);
    if (cluster->config->outlier->split_errors)
        forget_errors(state, LK_OUTLIER_LOCAL_ORIGIN);
}

void lk_outlier_failed(struct lk_cluster *cluster, struct lk_host_state *state, bool timeout)
{
    const struct lk_outlier_config *config = cluster->config->outlier;
    if (config == NULL)
        return;
    if (config->split_errors)
        count_error(cluster, state, LK_OUTLIER_LOCAL_ORIGIN);
    else
        count_status(cluster, state, timeout ? 504 : 503);
}

void lk_outlier_connected(struct lk_cluster *cluster, struct lk_host_state *state, bool final)
{
    const struct lk_outlier_config *config = cluster->config->outlier;
    if (config == NULL)
        return;
    if (config->split_errors)
        forget_errors(state, LK_OUTLIER_LOCAL_ORIGIN);
    else if (final)
        count_status(cluster, state, 200);
}

/* --- main thread: out ------------------------------------------------------------------------------------------------
 */

static struct lk_loop *loop_of(const struct lk_outlier *outlier)
{
    return outlier->cluster->clusters->options.main_loop;
}

static bool is_ejected(const struct watched *host)
{
    return (lk_host_flags(host->state) & LK_HOST_EJECTED) != 0;
}

static void log_change(const struct lk_outlier *outlier, const struct watched *host, const char *what)
{
    char text[LK_ADDR_TEXT_MAX];
    LK_LOG_LIMITED(UPSTREAM, INFO, "cluster %.*s: host %.*s %s", LK_STR_ARG(outlier->cluster->config->name),
                   LK_STR_ARG(lk_addr_text(&host->state->addr, text)), what);
}

static void set_ejected(struct lk_outlier *outlier, size_t ejected)
{
    outlier->ejected = ejected;
    lk_stats_set(outlier->stats, LK_OUTLIER_STAT_ACTIVE, ejected);
    lk_cluster_health_changed(outlier->cluster);
}

static bool may_eject(const struct lk_outlier *outlier)
{
    if (outlier->config->always_eject_one && outlier->ejected == 0)
        return true;
    return 100 * (uint64_t)(outlier->ejected + 1) <=
           (uint64_t)outlier->config->max_ejection_percent * outlier->host_count;
}

static uint64_t ejection_ms(const struct lk_outlier *outlier, const struct watched *host)
{
    uint64_t ms = (uint64_t)outlier->config->base_ejection_ms * host->times;
    return LK_MIN(ms, (uint64_t)outlier->config->max_ejection_ms) + host->jitter_ms;
}

static void eject(struct lk_outlier *outlier, struct watched *host)
{
    const struct lk_outlier_config *config = outlier->config;
    host->ejected_at_ms = lk_loop_now_ms(loop_of(outlier));
    if ((uint64_t)config->base_ejection_ms * host->times < (uint64_t)config->max_ejection_ms + config->base_ejection_ms)
        host->times++;
    host->jitter_ms = (uint32_t)lk_rand_below((uint64_t)config->max_ejection_jitter_ms + 1);
    lk_host_flags_set(host->state, LK_HOST_EJECTED);
    set_ejected(outlier, outlier->ejected + 1);
    log_change(outlier, host, "is ejected by outlier detection");
    if (!lk_timer_armed(&outlier->timer))
        lk_timer_set(loop_of(outlier), &outlier->timer, config->interval_ms);
}

static void judge(struct lk_outlier *outlier, struct watched *host, enum lk_outlier_kind kind)
{
    const uint32_t enforcing[] = {outlier->config->enforcing_5xx, outlier->config->enforcing_gateway,
                                  outlier->config->enforcing_local_origin};
    lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_DETECTED_5XX + (unsigned)kind);
    if (kind == LK_OUTLIER_5XX)
        lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_CONSECUTIVE_5XX);
    if (!may_eject(outlier)) {
        lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_OVERFLOW);
        return;
    }
    if (kind == LK_OUTLIER_5XX)
        lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_TOTAL);
    if (lk_rand_below(100) >= enforcing[kind]) {
        log_change(outlier, host, "would be ejected by outlier detection, were that enforced");
        return;
    }
    lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_ENFORCED_TOTAL);
    lk_stats_inc(outlier->stats, LK_OUTLIER_STAT_ENFORCED_5XX + (unsigned)kind);
    eject(outlier, host);
}

static void on_report(struct lk_work *work)
{
    struct report *report = LK_CONTAINER_OF(work, struct report, work);
    struct watched *host = report->state->outlier;
    /* the host may be gone from the cluster, or out already */
    if (host != NULL && !is_ejected(host)) {
        judge(report->cluster->outlier, host, report->kind);
        forget_errors(report->state, report->kind);
    }
    lk_host_state_unref(report->state);
    lk_cluster_unref(report->cluster);
    lk_free(report);
}

/* --- main thread: back ----------------------------------------------------------------------------------------------
 */

static void uneject(struct lk_outlier *outlier, struct watched *host)
{
    host->returned_at_ms = lk_loop_now_ms(loop_of(outlier));
    lk_host_flags_clear(host->state, LK_HOST_EJECTED);
    forget_all(host->state);
    set_ejected(outlier, outlier->ejected - 1);
    log_change(outlier, host, "returns after its ejection");
}

void lk_outlier_check_passed(struct lk_outlier *outlier, struct lk_host_state *state)
{
    struct watched *host = state->outlier;
    if (outlier->config->uneject_on_check && host != NULL && is_ejected(host))
        uneject(outlier, host);
}

/* Every interval while there is somebody to return, or to forgive. */
static void on_timer(struct lk_timer *timer)
{
    struct lk_outlier *outlier = LK_CONTAINER_OF(timer, struct lk_outlier, timer);
    uint64_t now = lk_loop_now_ms(loop_of(outlier));
    bool more = false;
    LK_LIST_FOREACH(node, &outlier->hosts)
    {
        struct watched *host = LK_LIST_ENTRY(node, struct watched, node);
        if (!is_ejected(host))
            host->times -= host->times > 0 && now - host->returned_at_ms >= outlier->config->interval_ms;
        else if (now - host->ejected_at_ms >= ejection_ms(outlier, host))
            uneject(outlier, host);
        more |= is_ejected(host) || host->times > 0;
    }
    if (more)
        lk_timer_set(loop_of(outlier), timer, outlier->config->interval_ms);
}

/* --- hosts come and go -------------------------------------------------------------------------------------------- */

static struct watched *watch(struct lk_outlier *outlier, struct lk_host_state *state)
{
    struct watched *host = lk_calloc(1, sizeof(*host));
    host->state = state;
    lk_ref_get(&state->ref);
    forget_all(state);
    state->outlier = host;
    lk_list_push_back(&outlier->hosts, &host->node);
    outlier->host_count++;
    return host;
}

static void unwatch(struct lk_outlier *outlier, struct watched *host)
{
    if (is_ejected(host))
        uneject(outlier, host);
    host->state->outlier = NULL;
    lk_list_remove(&host->node);
    outlier->host_count--;
    lk_host_state_unref(host->state);
    lk_free(host);
}

void lk_outlier_set_hosts(struct lk_outlier *outlier, const struct lk_host_set *set)
{
    outlier->generation++;
    for (size_t i = 0; i < set->count; i++) {
        struct lk_host_state *state = set->hosts[i]->state;
        struct watched *host = state->outlier != NULL ? state->outlier : watch(outlier, state);
        host->generation = outlier->generation;
    }
    LK_LIST_FOREACH_SAFE(node, &outlier->hosts)
    {
        struct watched *host = LK_LIST_ENTRY(node, struct watched, node);
        if (host->generation != outlier->generation)
            unwatch(outlier, host);
    }
}

struct lk_outlier *lk_outlier_new(struct lk_cluster *cluster)
{
    struct lk_outlier *outlier = lk_calloc(1, sizeof(*outlier));
    struct lk_str name = cluster->config->stat_name;
    char prefix[512];
    int len = snprintf(prefix, sizeof(prefix), "cluster.%.*s.outlier_detection.", LK_STR_ARG(name));
    outlier->cluster = cluster;
    outlier->config = cluster->config->outlier;
    lk_list_init(&outlier->hosts);
    lk_timer_init(&outlier->timer, on_timer);
    outlier->stats = lk_stats_scope_ref(cluster->clusters->options.stats, &lk_outlier_stat_block,
                                        lk_str(prefix, (size_t)LK_MIN(len, (int)sizeof(prefix) - 1)));
    lk_stats_set(outlier->stats, LK_OUTLIER_STAT_ACTIVE, 0);
    return outlier;
}

void lk_outlier_free(struct lk_outlier *outlier)
{
    if (outlier == NULL)
        return;
    lk_timer_clear(&outlier->timer);
    LK_LIST_FOREACH_SAFE(node, &outlier->hosts)
    {
        unwatch(outlier, LK_LIST_ENTRY(node, struct watched, node));
    }
    lk_stats_scope_unref(outlier->stats);
    lk_free(outlier);
}
