/* A cluster and its hosts in the account of a rehearsal. Runs on a worker. See cluster_explain.h. */
#include "proxy/router/cluster_explain.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/shadow_budget.h"

#include <inttypes.h>

/* Of a large cluster so many hosts are told, the candidates first. */
#define HOSTS_TOLD 200u

/* --- the cluster -------------------------------------------------------------------------------------------------- */

static void tell_breaker(struct lk_explain *explain, struct lk_note *step, const struct lk_breaker *breaker,
                         const char *key, uint8_t priority)
{
    static const char *const names[LK_RESOURCE_COUNT] = {
        [LK_RESOURCE_CONNECTIONS] = "connections",
        [LK_RESOURCE_PENDING] = "pending_requests",
        [LK_RESOURCE_REQUESTS] = "requests",
        [LK_RESOURCE_RETRIES] = "retries",
    };
    struct lk_note *note = lk_note_object(explain, step, key);

    lk_note_text(explain, note, "priority", priority > 0 ? LK_STR("HIGH") : LK_STR("DEFAULT"));
    for (unsigned i = 0; i < LK_RESOURCE_COUNT; i++) {
        struct lk_note *resource = lk_note_object(explain, note, names[i]);

        lk_note_number(explain, resource, "used", lk_breaker_used(breaker, (enum lk_resource)i));
        lk_note_number(explain, resource, "limit", breaker->limit[i]);
    }
}

static const char *balancer_name(enum lk_lb_policy policy)
{
    static const char *const names[] = {
        [LK_LB_ROUND_ROBIN] = "ROUND_ROBIN",
        [LK_LB_LEAST_REQUEST] = "LEAST_REQUEST",
        [LK_LB_RANDOM] = "RANDOM",
        [LK_LB_CLUSTER_PROVIDED] = "CLUSTER_PROVIDED",
    };

    return names[policy];
}

static const char *protocol_name(enum lk_upstream_protocol protocol)
{
    static const char *const names[] = {
        [LK_UPSTREAM_HTTP1] = "HTTP/1.1",
        [LK_UPSTREAM_HTTP2] = "HTTP/2",
        [LK_UPSTREAM_DOWNSTREAM] = "that of the downstream connection",
        [LK_UPSTREAM_AUTO] = "negotiated",
    };

    return names[protocol];
}

void lk_explain_cluster(struct lk_explain *explain, const struct lk_cluster_view *view, uint8_t priority)
{
    const struct lk_cluster_config *config = view->config;
    const struct lk_shadow_budget *shadow = lk_shadow_budget_peek(view->cluster);
    struct lk_note *step = lk_explain_step(explain, "cluster", "found", "\"%.*s\" with %zu hosts",
                                           LK_STR_ARG(config->name), view->set != NULL ? view->set->count : 0);

    lk_note_text(explain, step, "name", config->name);
    lk_note_text(explain, step, "type", lk_str_from(lk_discovery_type_name(config->type)));
    lk_note_text(explain, step, "lb_policy", lk_str_from(balancer_name(config->lb)));
    lk_note_bool(explain, step, "subsets", view->cluster->subsets != NULL);
    lk_note_text(explain, step, "protocol", lk_str_from(protocol_name(config->protocol)));
    lk_note_number(explain, step, "connect_timeout_ms", config->connect_timeout_ms);
    lk_note_number(explain, step, "panic_percent", config->panic_percent);
    lk_note_bool(explain, step, "health_checked", config->health_check != NULL);
    lk_note_bool(explain, step, "outlier_detection", config->outlier != NULL);
    lk_note_format(explain, step, "config_hash", "%016" PRIx64, config->hash);
    lk_note_number(explain, step, "endpoints_version", view->version);
    tell_breaker(explain, step, &view->cluster->breakers[priority], "circuit_breaker", priority);
    if (shadow != NULL)
        tell_breaker(explain, step, &shadow->breakers[priority], "circuit_breaker_of_pressure_tests", priority);
    lk_explain_result(explain, "cluster", config->name);
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static const char *availability_name(const struct lk_host *host)
{
    static const char *const names[] = {
        [LK_HOST_HEALTHY] = "healthy",
        [LK_HOST_DEGRADED] = "degraded",
        [LK_HOST_UNAVAILABLE] = "unhealthy",
    };

    return names[lk_host_availability(host)];
}

static void tell_lane(struct lk_explain *explain, struct lk_note *note, const struct lk_host *host)
{
    if (explain->lane_of != NULL)
        lk_note_text_if(explain, note, "lane", explain->lane_of(explain->lane_arg, host));
}

static void tell_host(struct lk_explain *explain, struct lk_note *list, const struct lk_host *host, bool candidate,
                      const char *why)
{
    struct lk_note *note = lk_note_object(explain, list, NULL);
    uint32_t flags = lk_host_flags(host->state);
    char text[LK_HOST_FLAGS_TEXT_MAX];

    lk_note_addr(explain, note, "address", &host->state->addr);
    lk_note_bool(explain, note, "candidate", candidate);
    if (why != NULL)
        lk_note_text(explain, note, "why", lk_str_from(why));
    lk_note_text(explain, note, "health", lk_str_from(availability_name(host)));
    lk_note_text(explain, note, "health_flags", lk_host_flags_text(host, text));
    lk_note_bool(explain, note, "ejected", (flags & LK_HOST_EJECTED) != 0);
    lk_note_bool(explain, note, "failed_check", (flags & LK_HOST_FAILED_CHECK) != 0);
    lk_note_number(explain, note, "weight", host->weight);
    lk_note_number(explain, note, "priority", host->priority);
    tell_lane(explain, note, host);
    if (host->locality != NULL && host->locality->region.len + host->locality->zone.len > 0)
        lk_note_format(explain, note, "locality", "%.*s/%.*s/%.*s", LK_STR_ARG(host->locality->region),
                       LK_STR_ARG(host->locality->zone), LK_STR_ARG(host->locality->sub_zone));
    lk_note_text_if(explain, note, "hostname", host->hostname);
    lk_note_number(explain, note, "active_requests",
                   atomic_load_explicit(&host->state->rq_active, memory_order_relaxed));
}

static bool is_in(const struct lk_view_group *group, const struct lk_host *host)
{
    for (uint32_t i = 0; group != NULL && i < group->count; i++)
        if (group->slots[i]->host == host)
            return true;
    return false;
}

static bool is_taken(const struct lk_host_view *hosts, const struct lk_host *host)
{
    for (uint32_t p = 0; p < hosts->priority_count; p++)
        if (is_in(&hosts->priorities[p].all, host))
            return true;
    return false;
}

static const char *why_not(const struct lk_host_view *hosts, const struct lk_host *host)
{
    if (!is_taken(hosts, host))
        return "not in the lane, subset or base that is asked for";
    if (lk_host_availability(host) == LK_HOST_UNAVAILABLE)
        return "not healthy";
    return "another priority or state was drawn";
}

/* Candidates first: they must not be cut off. */
static void tell_hosts(struct lk_explain *explain, struct lk_note *step, const struct lk_cluster_view *view,
                       const struct lk_host_view *hosts, const struct lk_view_group *group)
{
    struct lk_note *list = lk_note_list(explain, step, "hosts");
    size_t told = 0;

    for (uint32_t i = 0; group != NULL && i < group->count && told < HOSTS_TOLD; i++, told++)
        tell_host(explain, list, group->slots[i]->host, true, NULL);
    /* each of the others is looked for among the hosts taken: quadratic, so only where it is soon over */
    if (view->set->count > (size_t)10 * HOSTS_TOLD) {
        lk_note_number(explain, step, "hosts_not_told", view->set->count - told);
        return;
    }
    for (size_t i = 0; i < view->set->count; i++) {
        const struct lk_host *host = view->set->hosts[i];

        if (is_in(group, host))
            continue;
        if (told++ < HOSTS_TOLD)
            tell_host(explain, list, host, false, why_not(hosts, host));
    }
    if (view->set->count > HOSTS_TOLD)
        lk_note_number(explain, step, "hosts_not_told", view->set->count - HOSTS_TOLD);
}

static void tell_priorities(struct lk_explain *explain, struct lk_note *step, const struct lk_host_view *hosts)
{
    struct lk_note *list = lk_note_list(explain, step, "priorities");

    for (uint32_t p = 0; p < hosts->priority_count; p++) {
        const struct lk_view_priority *priority = &hosts->priorities[p];
        struct lk_note *note = lk_note_object(explain, list, NULL);

        lk_note_number(explain, note, "priority", p);
        lk_note_number(explain, note, "hosts", priority->all.count);
        lk_note_number(explain, note, "healthy", priority->healthy.count);
        lk_note_number(explain, note, "degraded", priority->degraded.count);
        lk_note_number(explain, note, "load_percent", priority->load + priority->degraded_load);
        lk_note_bool(explain, note, "panic", priority->panic);
    }
}

static void on_hosts(struct lk_pick_recorder *base, struct lk_cluster_view *view, const struct lk_host_view *hosts,
                     const struct lk_view_group *group, bool panic)
{
    struct lk_explain *explain = LK_CONTAINER_OF(base, struct lk_pick_account, base)->explain;
    const char *verdict = group == NULL ? "none" : panic ? "panic" : "found";
    struct lk_note *step =
        lk_explain_step(explain, "hosts", verdict, "%u of the %zu hosts of \"%.*s\" are candidates%s",
                        group != NULL ? group->count : 0, view->set->count, LK_STR_ARG(view->config->name),
                        panic ? ": too few are healthy, so health does not count (panic)" : "");

    tell_priorities(explain, step, hosts);
    tell_hosts(explain, step, view, hosts, group);
    lk_explain_result(explain, "cluster", view->config->name);
}

static void on_choice(struct lk_pick_recorder *base, const struct lk_host *host, const char *why)
{
    struct lk_pick_account *account = LK_CONTAINER_OF(base, struct lk_pick_account, base);
    struct lk_explain *explain = account->explain;
    char text[LK_ADDR_TEXT_MAX];
    struct lk_str addr = host != NULL ? lk_addr_text(&host->state->addr, text) : LK_STR("");
    struct lk_note *step = lk_explain_step(explain, "host", host != NULL ? "would be chosen" : "open", "%.*s%s%s",
                                           LK_STR_ARG(addr), host != NULL ? ": " : "", why);

    account->settled = true;
    lk_note_number(explain, step, "random", base->random);
    if (host == NULL)
        return;
    lk_note_text(explain, step, "address", addr);
    lk_explain_result(explain, "host", addr);
}

static void on_original_dst(struct lk_pick_recorder *base, const struct lk_addr *addr)
{
    struct lk_pick_account *account = LK_CONTAINER_OF(base, struct lk_pick_account, base);
    struct lk_explain *explain = account->explain;
    char text[LK_ADDR_TEXT_MAX];

    if (addr == NULL) {
        lk_explain_step(explain, "host", "none", "ORIGINAL_DST, and the original destination is not known");
        return;
    }
    account->settled = true;
    lk_explain_step(explain, "host", "would be chosen", "%s: the original destination", lk_addr_text(addr, text).ptr);
    lk_explain_result(explain, "host", lk_addr_text(addr, text));
}

static void on_subset(struct lk_pick_recorder *base, const char *subset_step, const struct lk_match_criteria *match)
{
    struct lk_explain *explain = LK_CONTAINER_OF(base, struct lk_pick_account, base)->explain;
    struct lk_note *step = lk_explain_step(explain, "subset", "asked", "%s", subset_step);
    struct lk_note *note = lk_note_list(explain, step, "match");

    for (size_t i = 0; match != NULL && i < match->count; i++) {
        struct lk_note *pair = lk_note_object(explain, note, NULL);

        lk_note_text(explain, pair, "key", match->items[i].name);
        lk_note_text(explain, pair, "value", lk_value_text(&match->items[i], explain->arena));
    }
}

void lk_pick_account_init(struct lk_pick_account *account, struct lk_explain *explain)
{
    *account = (struct lk_pick_account){
        .base = {.random = explain->random,
                 .on_subset = on_subset,
                 .on_hosts = on_hosts,
                 .on_choice = on_choice,
                 .on_original_dst = on_original_dst},
        .explain = explain,
    };
}
