/*
 * /clusters: limits and hosts of every cluster, in pieces, since there may be thousands. Host counts are atomics; the
 * host set is held while it is written. Clusters themselves live longer than any request. Main loop.
 */
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

#include <inttypes.h>

/* A piece ends when it has this many bytes. */
#define PIECE 65536

struct listing {
    struct lk_cluster **clusters;
    size_t count, cap, at;
    bool json;
};

struct host_stat {
    const char *name;
    size_t offset;
    bool gauge;
};

#define HOST_STAT(name, gauge)                                                                                         \
    {                                                                                                                  \
#name, offsetof(struct lk_host_state, name), gauge                                                             \
    }
static const struct host_stat by_name[] = {
    HOST_STAT(cx_active, true),   HOST_STAT(cx_connect_fail, false), HOST_STAT(cx_total, false),
    HOST_STAT(rq_active, true),   HOST_STAT(rq_error, false),        HOST_STAT(rq_success, false),
    HOST_STAT(rq_timeout, false), HOST_STAT(rq_total, false),
};

static uint64_t stat_value(const struct lk_host *host, const struct host_stat *stat)
{
    _Atomic uint64_t *counter = (_Atomic uint64_t *)(void *)((char *)host->state + stat->offset);

    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- text ------------------------------------------------------------------------------------------------------------
 */

static void put_str(struct lk_admin_request *request, struct lk_str start, const char *key, struct lk_str value)
{
    lk_admin_put(request, start);
    lk_admin_printf(request, "%s::", key);
    lk_admin_put(request, value);
    lk_admin_put(request, LK_STR("\n"));
}

static void put_number(struct lk_admin_request *request, struct lk_str start, const char *key, uint64_t value)
{
    lk_admin_put(request, start);
    lk_admin_printf(request, "%s::%" PRIu64 "\n", key, value);
}

static void host_text(struct lk_admin_request *request, struct lk_str cluster, const struct lk_host *host)
{
    static const struct lk_locality nowhere;
    const struct lk_locality *locality = host->locality ? host->locality : &nowhere;
    char text[LK_ADDR_TEXT_MAX];
    char flags[LK_HOST_FLAGS_TEXT_MAX];
    struct lk_arena scratch;
    struct lk_str start;

    lk_arena_init(&scratch);
    start = lk_arena_printf(&scratch, "%.*s%.*s::", LK_STR_ARG(cluster),
                            LK_STR_ARG(lk_addr_text(&host->state->addr, text)));
    for (size_t i = 0; i < LK_ARRAY_LEN(by_name); i++)
        put_number(request, start, by_name[i].name, stat_value(host, &by_name[i]));
    put_str(request, start, "hostname", host->hostname);
    put_str(request, start, "health_flags", lk_host_flags_text(host, flags));
    put_number(request, start, "weight", host->weight);
    put_str(request, start, "region", locality->region);
    put_str(request, start, "zone", locality->zone);
    put_str(request, start, "sub_zone", locality->sub_zone);
    put_str(request, start, "canary", host->canary ? LK_STR("true") : LK_STR("false"));
    put_number(request, start, "priority", host->priority);
    /* detection by success rates is not built */
    put_str(request, start, "success_rate", LK_STR("-1"));
    put_str(request, start, "local_origin_success_rate", LK_STR("-1"));
    lk_arena_reset(&scratch);
}

static void limits_text(struct lk_admin_request *request, struct lk_str start, const char *priority,
                        const struct lk_breaker *breaker)
{
    static const char *const names[LK_RESOURCE_COUNT] = {
        [LK_RESOURCE_CONNECTIONS] = "max_connections",
        [LK_RESOURCE_PENDING] = "max_pending_requests",
        [LK_RESOURCE_REQUESTS] = "max_requests",
        [LK_RESOURCE_RETRIES] = "max_retries",
    };

    for (unsigned i = 0; i < LK_RESOURCE_COUNT; i++) {
        lk_admin_put(request, start);
        lk_admin_printf(request, "%s::%s::%" PRIu32 "\n", priority, names[i], breaker->limit[i]);
    }
}

/* In Envoy's order, between the name and the limits. No success rates are kept, which is -1. */
static void outlier_text(struct lk_admin_request *request, struct lk_str start)
{
    static const char *const names[] = {"success_rate_average", "success_rate_ejection_threshold",
                                        "local_origin_success_rate_average",
                                        "local_origin_success_rate_ejection_threshold"};

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        lk_admin_put(request, start);
        lk_admin_printf(request, "outlier::%s::-1\n", names[i]);
    }
}

static void cluster_text(struct lk_admin_request *request, struct lk_cluster *cluster)
{
    struct lk_host_set *hosts = lk_cluster_hosts(cluster);
    struct lk_arena scratch;
    struct lk_str start;

    lk_arena_init(&scratch);
    start = lk_arena_printf(&scratch, "%.*s::", LK_STR_ARG(cluster->config->name));
    put_str(request, start, "observability_name", cluster->config->stat_name);
    if (cluster->outlier)
        outlier_text(request, start);
    limits_text(request, start, "default_priority", &cluster->breakers[0]);
    limits_text(request, start, "high_priority", &cluster->breakers[1]);
    put_str(request, start, "added_via_api", LK_STR("false"));
    for (size_t i = 0; hosts && i < hosts->count; i++)
        host_text(request, start, hosts->hosts[i]);
    lk_arena_reset(&scratch);
    if (hosts)
        lk_host_set_unref(hosts);
}

/* --- JSON: envoy.admin.v3.ClusterStatus
 * --------------------------------------------------------------------------------- */

static const char *eds_health(const struct lk_host *host)
{
    switch ((enum lk_health_status)host->health) {
    case LK_HEALTH_UNHEALTHY:
    case LK_HEALTH_TIMEOUT:
        return "UNHEALTHY";
    case LK_HEALTH_DRAINING:
        return "DRAINING";
    case LK_HEALTH_DEGRADED:
        return "DEGRADED";
    case LK_HEALTH_UNKNOWN:
    case LK_HEALTH_HEALTHY:
        break;
    }
    return "HEALTHY";
}

static void add_stats(json_t *list, const struct lk_host *host, bool gauges)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(by_name); i++) {
        uint64_t value = stat_value(host, &by_name[i]);
        json_t *stat;
        char text[24];

        if (by_name[i].gauge != gauges)
            continue;
        stat = gauges ? json_pack("{s:s,s:s}", "type", "GAUGE", "name", by_name[i].name)
                      : json_pack("{s:s}", "name", by_name[i].name);
        snprintf(text, sizeof(text), "%" PRIu64, value);
        if (value > 0)
            json_object_set_new(stat, "value", json_string(text));
        json_array_append_new(list, stat);
    }
}

static void set_str(json_t *object, const char *key, struct lk_str value)
{
    if (value.len > 0)
        json_object_set_new(object, key, lk_admin_str_json(value));
}

/* envoy.admin.v3.HostHealthStatus */
static json_t *health_json(const struct lk_host *host)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {LK_HOST_FAILED_CHECK, "failed_active_health_check"},     {LK_HOST_EJECTED, "failed_outlier_check"},
        {LK_HOST_DEGRADED_CHECK, "failed_active_degraded_check"}, {LK_HOST_PENDING_CHECK, "pending_active_hc"},
        {LK_HOST_EXCLUDED, "excluded_via_immediate_hc_fail"},     {LK_HOST_CHECK_TIMEOUT, "active_hc_timeout"},
    };
    json_t *status = json_pack("{s:s}", "eds_health_status", eds_health(host));
    uint32_t flags = lk_host_flags(host->state);

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        if ((flags & names[i].flag) != 0)
            json_object_set_new(status, names[i].name, json_true());
    return status;
}

static json_t *host_json(const struct lk_host *host)
{
    json_t *stats = json_array(), *locality = json_object(), *status;

    add_stats(stats, host, false);
    add_stats(stats, host, true);
    status = json_pack("{s:o,s:o,s:o,s:i}", "address", lk_admin_address_json(&host->state->addr), "stats", stats,
                       "health_status", health_json(host), "weight", (int)host->weight);
    set_str(status, "hostname", host->hostname);
    if (host->priority > 0)
        json_object_set_new(status, "priority", json_integer(host->priority));
    if (host->locality) {
        set_str(locality, "region", host->locality->region);
        set_str(locality, "zone", host->locality->zone);
        set_str(locality, "sub_zone", host->locality->sub_zone);
    }
    json_object_set_new(status, "locality", locality);
    return status;
}

static json_t *limits_json(const struct lk_breaker *breaker, bool high)
{
    json_t *limits = high ? json_pack("{s:s}", "priority", "HIGH") : json_object();

    json_object_set_new(limits, "max_connections", json_integer(breaker->limit[LK_RESOURCE_CONNECTIONS]));
    json_object_set_new(limits, "max_pending_requests", json_integer(breaker->limit[LK_RESOURCE_PENDING]));
    json_object_set_new(limits, "max_requests", json_integer(breaker->limit[LK_RESOURCE_REQUESTS]));
    json_object_set_new(limits, "max_retries", json_integer(breaker->limit[LK_RESOURCE_RETRIES]));
    return limits;
}

static json_t *cluster_json(struct lk_cluster *cluster)
{
    struct lk_host_set *hosts = lk_cluster_hosts(cluster);
    json_t *status = json_pack("{s:o}", "name", lk_admin_str_json(cluster->config->name));
    json_t *list = json_array();

    for (size_t i = 0; hosts && i < hosts->count; i++)
        json_array_append_new(list, host_json(hosts->hosts[i]));
    if (hosts)
        lk_host_set_unref(hosts);
    if (json_array_size(list) > 0)
        json_object_set(status, "host_statuses", list);
    json_decref(list);
    json_object_set_new(status, "circuit_breakers",
                        json_pack("{s:[o,o]}", "thresholds", limits_json(&cluster->breakers[0], false),
                                  limits_json(&cluster->breakers[1], true)));
    json_object_set_new(status, "observability_name", lk_admin_str_json(cluster->config->stat_name));
    return status;
}

/* One element of the list, two levels down. */
static int write_indented(const char *data, size_t len, void *arg)
{
    struct lk_admin_request *request = arg;

    for (struct lk_str rest = lk_str(data, len); rest.len > 0;) {
        size_t line = lk_str_find_byte(rest, '\n');

        lk_admin_write(request, rest.ptr, line);
        if (line == rest.len)
            break;
        lk_admin_put(request, LK_STR("\n  "));
        rest = lk_str_drop(rest, line + 1);
    }
    return 0;
}

static void write_json(struct lk_admin_request *request, struct lk_cluster *cluster, bool first)
{
    json_t *status = cluster_json(cluster);

    lk_admin_put(request, first ? LK_STR("{\n \"cluster_statuses\": [\n  ") : LK_STR(",\n  "));
    json_dump_callback(status, write_indented, request, JSON_INDENT(1));
    json_decref(status);
}

/* --- the page --------------------------------------------------------------------------------------------------------
 */

static bool next_piece(struct lk_admin_request *request)
{
    struct listing *listing = request->state;

    while (listing->at < listing->count && evbuffer_get_length(request->body) < PIECE) {
        struct lk_cluster *cluster = listing->clusters[listing->at];

        if (listing->json)
            write_json(request, cluster, listing->at == 0);
        else
            cluster_text(request, cluster);
        listing->at++;
    }
    if (listing->at < listing->count)
        return true;
    if (listing->json)
        lk_admin_put(request, listing->count > 0 ? LK_STR("\n ]\n}\n") : LK_STR("{}\n"));
    return false;
}

struct choice {
    struct listing *listing;
    const struct lk_regex *filter;
};

static void choose(void *arg, struct lk_cluster *cluster)
{
    struct choice *choice = arg;
    struct listing *listing = choice->listing;

    if (choice->filter && !lk_regex_search(choice->filter, cluster->config->name))
        return;
    listing->clusters = lk_grow(listing->clusters, &listing->cap, listing->count + 1, sizeof(struct lk_cluster *));
    listing->clusters[listing->count++] = cluster;
}

static void page_clusters(struct lk_admin_request *request, void *arg)
{
    struct lk_regex *filter;
    struct choice choice;

    (void)arg;
    if (!lk_admin_filter(request, &filter))
        return;
    choice.filter = filter;
    choice.listing = lk_arena_zalloc(&request->arena, sizeof(*choice.listing));
    choice.listing->json = lk_admin_wants_json(request);
    lk_clusters_each(lk_admin_request_server(request)->clusters, choose, &choice);
    lk_arena_on_free(&request->arena, lk_free, choice.listing->clusters);
    if (choice.listing->json)
        lk_admin_status(request, 200, "application/json");
    lk_admin_stream(request, next_piece, choice.listing);
}

static const struct lk_admin_param_help params[] = {
    {"filter", "Regular expression, matched anywhere in a cluster's name"},
    {"format", "One of (text, json)"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/clusters", .help = "upstream cluster status", .params = params, .fn = page_clusters},
};

void lk_admin_add_cluster_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
