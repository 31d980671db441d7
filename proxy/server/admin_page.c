/*
 * The start page: state, listeners and clusters with their rates, links to every page, buttons for what changes
 * something. One HTML text without scripts and without anything from elsewhere. Main loop.
 */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

#include <inttypes.h>

/* Rows shown of each table, and hosts of each cluster; the rest has pages of its own. */
#define ROWS_MAX 200
#define HOSTS_MAX 20

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:72em;padding:1em;color:#1c2733;background:#fff}"
    "h1{font-size:1.5em;margin:.2em 0}h2{font-size:1.1em;margin:1.6em 0 .4em}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3em .7em .3em 0;vertical-align:top;"
    "border-bottom:1px solid #dde3ea}th{font-weight:600;color:#52606d;white-space:nowrap}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".state{border-radius:.3em;padding:.1em .5em;color:#fff;background:#b3541e}.LIVE{background:#1f7a44}"
    ".bad{color:#a61b1b;font-weight:600}.dim{color:#6b7885}"
    ".facts{display:flex;flex-wrap:wrap;gap:.3em 2.2em;margin:.6em 0}.facts b{font-weight:600}"
    "form{display:inline}button,select{font:inherit;padding:.2em .7em}"
    "code,pre{font:13px ui-monospace,monospace}summary{cursor:pointer}"
    ".good{color:#1f7a44;font-weight:600}input,textarea{font:inherit;padding:.2em .4em}textarea{width:100%;height:7em}";

static void put_html(struct lk_admin_request *request, struct lk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            lk_admin_put(request, LK_STR("&lt;"));
            break;
        case '>':
            lk_admin_put(request, LK_STR("&gt;"));
            break;
        case '&':
            lk_admin_put(request, LK_STR("&amp;"));
            break;
        case '"':
            lk_admin_put(request, LK_STR("&quot;"));
            break;
        default:
            lk_admin_write(request, text.ptr + i, 1);
        }
    }
}

static void put_text(struct lk_admin_request *request, const char *text)
{
    lk_admin_put(request, lk_str_from(text));
}

static double seconds_up(const struct lk_server *server)
{
    double seconds = (double)(lk_clock_us() - server->start_us) / 1e6;

    return seconds > 0.001 ? seconds : 0.001;
}

static void put_rate(struct lk_admin_request *request, uint64_t count)
{
    lk_admin_printf(request, "%.3g/s", (double)count / seconds_up(lk_admin_request_server(request)));
}

/* --- sums over all HTTP connection managers
 * --------------------------------------------------------------------------- */

struct totals {
    uint64_t requests, client_errors, server_errors;
    char line[512];
    size_t used;
};

static void take_line(struct totals *totals)
{
    struct lk_str line = lk_str(totals->line, totals->used);
    size_t colon = lk_str_find(line, LK_STR(": "));
    struct lk_str name;
    uint64_t value;

    if (colon >= line.len || !lk_str_to_u64(lk_str_drop(line, colon + 2), &value))
        return;
    name = lk_str(line.ptr, colon);
    if (lk_str_has_suffix(name, LK_STR(".downstream_rq_total")))
        totals->requests += value;
    else if (lk_str_has_suffix(name, LK_STR("_4xx")))
        totals->client_errors += value;
    else
        totals->server_errors += value;
}

static void take_text(void *arg, const char *data, size_t len)
{
    struct totals *totals = arg;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            take_line(totals);
            totals->used = 0;
        } else if (totals->used < sizeof(totals->line)) {
            totals->line[totals->used++] = data[i];
        }
    }
}

static void sum_requests(struct lk_server *server, struct totals *totals)
{
    struct lk_stats_filter filter = {.regex = LK_STR("^http\\..*\\.downstream_rq_(total|4xx|5xx)$"),
                                     .kinds = LK_STAT_KIND_BIT(LK_STAT_COUNTER)};
    struct lk_stats_out out = {.write = take_text, .arg = totals};
    struct lk_error error;

    memset(totals, 0, sizeof(*totals));
    if (!lk_stats_write_text(server->stats, &filter, &out, &error))
        lk_panic("%s", error.text);
}

/* --- overview --------------------------------------------------------------------------------------------------------
 */

static void put_fact(struct lk_admin_request *request, const char *name, const char *value)
{
    lk_admin_printf(request, "<span>%s <b>", name);
    put_html(request, lk_str_from(value));
    put_text(request, "</b></span>\n");
}

static void put_count(struct lk_admin_request *request, const char *name, uint64_t count, bool bad)
{
    lk_admin_printf(request, "<span>%s <b%s>%" PRIu64 "</b> <span class='dim'>", name,
                    bad && count > 0 ? " class='bad'" : "", count);
    put_rate(request, count);
    put_text(request, "</span></span>\n");
}

static void put_overview(struct lk_admin_request *request)
{
    struct lk_server *server = lk_admin_request_server(request);
    const char *state = lk_admin_state_name(server);
    unsigned long up = (unsigned long)seconds_up(server);
    struct totals totals;
    char text[64];

    sum_requests(server, &totals);
    lk_admin_printf(request, "<h1>lanekeeper <span class='state %s'>%s</span></h1>\n<div class='facts'>\n", state,
                    state);
    snprintf(text, sizeof(text), "%lud %02lu:%02lu:%02lu", up / 86400, up / 3600 % 24, up / 60 % 60, up % 60);
    put_fact(request, "up", text);
    put_fact(request, "version", lk_version_text());
    put_text(request, "<span>node <b>");
    put_html(request, server->bootstrap->node.id);
    put_text(request, "</b> in cluster <b>");
    put_html(request, server->bootstrap->node.cluster);
    put_text(request, "</b></span>\n");
    snprintf(text, sizeof(text), "%u", server->worker_count);
    put_fact(request, "workers", text);
    snprintf(text, sizeof(text), "%u", lk_server_connections(server));
    put_fact(request, "connections", text);
    put_text(request, "</div>\n<div class='facts'>\n");
    put_count(request, "HTTP requests", totals.requests, false);
    put_count(request, "4xx", totals.client_errors, false);
    put_count(request, "5xx", totals.server_errors, true);
    if (server->report.warning_count > 0)
        lk_admin_printf(request, "<a class='bad' href='config_warnings'>%zu configuration warning%s</a>\n",
                        server->report.warning_count, server->report.warning_count == 1 ? "" : "s");
    put_text(request, "</div>\n");
}

/* --- listeners -------------------------------------------------------------------------------------------------------
 */

static void put_listener(struct lk_admin_request *request, struct lk_listener *listener)
{
    static const char *const directions[] = {
        [LK_DIRECTION_UNSPECIFIED] = "", [LK_DIRECTION_INBOUND] = "inbound", [LK_DIRECTION_OUTBOUND] = "outbound"};
    unsigned open = atomic_load_explicit(&listener->connections, memory_order_relaxed);
    char text[LK_ADDR_TEXT_MAX];

    put_text(request, "<tr><td>");
    put_html(request, listener->config->name);
    put_text(request, "<td><code>");
    for (size_t i = 0; i < listener->config->address_count; i++) {
        put_text(request, i > 0 ? "<br>" : "");
        put_html(request, lk_addr_text(lk_admin_listener_addr(listener, i), text));
    }
    lk_admin_printf(request, "</code><td>%s%s%s<td class=n>%u<td class=n>%" PRIu64 "<td class=n>",
                    directions[listener->config->direction],
                    listener->config->bind_to_port ? "" : " <span class='dim'>not bound</span>",
                    atomic_load(&listener->draining) ? " <span class='bad'>draining</span>" : "", open,
                    lk_stats_value(listener->stats, LK_LISTENER_CX_TOTAL));
    put_rate(request, lk_stats_value(listener->stats, LK_LISTENER_CX_TOTAL));
    put_text(request, "\n");
}

static void put_listeners(struct lk_admin_request *request)
{
    const struct lk_listeners *listeners = lk_admin_request_server(request)->listeners;

    put_text(request, "<h2>Listeners</h2>\n<table><tr><th>name<th>address<th>traffic<th class=n>connections"
                      "<th class=n>since start<th class=n>rate\n");
    for (size_t i = 0; i < listeners->count && i < ROWS_MAX; i++)
        put_listener(request, listeners->all[i]);
    put_text(request, "</table>\n");
    if (listeners->count > ROWS_MAX)
        lk_admin_printf(request, "<p><a href='listeners'>all %zu</a></p>\n", listeners->count);
}

/* --- clusters --------------------------------------------------------------------------------------------------------
 */

static void put_hosts(struct lk_admin_request *request, const struct lk_host_set *hosts)
{
    static const char *const words[] = {
        [LK_HOST_HEALTHY] = "", [LK_HOST_DEGRADED] = " degraded", [LK_HOST_UNAVAILABLE] = " unavailable"};
    char text[LK_ADDR_TEXT_MAX];

    for (size_t i = 0; hosts && i < hosts->count && i < HOSTS_MAX; i++) {
        const struct lk_host *host = hosts->hosts[i];
        enum lk_availability availability = lk_host_availability(host);

        lk_admin_printf(request, "%s<code>", i > 0 ? "<br>" : "");
        put_html(request, lk_addr_text(&host->state->addr, text));
        lk_admin_printf(request, "</code><span class='%s'>%s</span>", availability == LK_HOST_HEALTHY ? "dim" : "bad",
                        words[availability]);
    }
    if (hosts && hosts->count > HOSTS_MAX)
        lk_admin_printf(request, "<br><span class='dim'>and %zu more</span>", hosts->count - HOSTS_MAX);
}

static size_t count_healthy(const struct lk_host_set *hosts)
{
    size_t healthy = 0;

    for (size_t i = 0; hosts && i < hosts->count; i++)
        healthy += lk_host_availability(hosts->hosts[i]) == LK_HOST_HEALTHY;
    return healthy;
}

static void put_cluster(struct lk_admin_request *request, struct lk_cluster *cluster)
{
    struct lk_host_set *hosts = lk_cluster_hosts(cluster);
    uint64_t total = lk_stats_value(cluster->stats, LK_CLUSTER_RQ_TOTAL);
    uint64_t errors = lk_stats_value(cluster->stats, LK_CLUSTER_RQ_5XX);
    size_t count = hosts ? hosts->count : 0, healthy = count_healthy(hosts);

    put_text(request, "<tr><td>");
    put_html(request, cluster->config->name);
    lk_admin_printf(request, "<td>%s<td>", lk_discovery_type_name(cluster->config->type));
    put_hosts(request, hosts);
    lk_admin_printf(request, "<td class='n%s'>%zu of %zu<td class=n>%" PRIu64 "<td class=n>",
                    healthy < count || (count == 0 && cluster->config->type != LK_CLUSTER_ORIGINAL_DST) ? " bad" : "",
                    healthy, count, total);
    put_rate(request, total);
    lk_admin_printf(request, "<td class='n%s'>%" PRIu64 "<td class=n>%" PRIu64 "\n", errors > 0 ? " bad" : "", errors,
                    lk_stats_value(cluster->stats, LK_CLUSTER_CX_ACTIVE));
    if (hosts)
        lk_host_set_unref(hosts);
}

struct rows {
    struct lk_admin_request *request;
    size_t count;
};

static void put_cluster_row(void *arg, struct lk_cluster *cluster)
{
    struct rows *rows = arg;

    if (rows->count++ < ROWS_MAX)
        put_cluster(rows->request, cluster);
}

static void put_clusters(struct lk_admin_request *request)
{
    struct rows rows = {.request = request};

    put_text(request, "<h2>Clusters</h2>\n<table><tr><th>name<th>type<th>hosts<th class=n>healthy<th class=n>requests"
                      "<th class=n>rate<th class=n>5xx<th class=n>connections\n");
    lk_clusters_each(lk_admin_request_server(request)->clusters, put_cluster_row, &rows);
    put_text(request, "</table>\n");
    if (rows.count > ROWS_MAX)
        lk_admin_printf(request, "<p><a href='clusters'>all %zu</a></p>\n", rows.count);
}

/* --- pages -----------------------------------------------------------------------------------------------------------
 */

static void put_levels(struct lk_admin_request *request)
{
    put_text(request, "<select name='level'><option value=''>show levels</option>");
    for (unsigned level = LK_LOG_TRACE; level <= LK_LOG_OFF; level++)
        lk_admin_printf(request, "<option>%s</option>", lk_log_level_name((enum lk_log_level)level));
    put_text(request, "</select> ");
}

/* The answer is text, a plain thing to read in a browser. */
static void put_question(struct lk_admin_request *request)
{
    put_text(request, "<input type='hidden' name='format' value='text'><textarea name='body' rows='3' cols='60'>"
                      "{&quot;listener&quot;: &quot;&quot;, &quot;authority&quot;: &quot;&quot;, "
                      "&quot;path&quot;: &quot;/&quot;}</textarea> ");
}

static void put_page(struct lk_admin_request *request, const struct lk_admin_page *page)
{
    if (page->mutates) {
        lk_admin_printf(request, "<tr><td><form method='post' action='%s'>", page->path + 1);
        if (strcmp(page->path, "/logging") == 0)
            put_levels(request);
        if (strcmp(page->path, "/explain") == 0)
            put_question(request);
        lk_admin_printf(request, "<button>%s</button></form><td>", page->path + 1);
    } else {
        lk_admin_printf(request, "<tr><td><a href='%s'>%s</a><td>", page->path + 1, page->path);
    }
    put_html(request, lk_str_from(page->help));
    put_text(request, "\n");
}

static void put_pages(struct lk_admin_request *request, const char *title, bool mutating)
{
    const struct lk_admin *admin = request->admin;

    lk_admin_printf(request, "<h2>%s</h2>\n<table>", title);
    for (size_t i = 0; i < admin->page_count; i++) {
        if (admin->pages[i].mutates == mutating && admin->pages[i].path[1] != '\0')
            put_page(request, &admin->pages[i]);
    }
    put_text(request, "</table>\n");
}

void lk_admin_html_begin(struct lk_admin_request *request, const char *title)
{
    lk_admin_status(request, 200, "text/html; charset=UTF-8");
    put_text(request, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
                      "<meta name='viewport' content='width=device-width'><link rel='icon' href='data:,'><title>");
    put_html(request, lk_str_from(title));
    put_text(request, "</title><style>");
    put_text(request, style);
    put_text(request, "</style></head><body>\n");
}

static void page_start(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_admin_html_begin(request, "lanekeeper");
    put_overview(request);
    put_listeners(request);
    put_clusters(request);
    put_pages(request, "Look", false);
    put_pages(request, "Change", true);
    put_text(request, "</body></html>\n");
}

static const struct lk_admin_page pages[] = {
    {.path = "/", .help = "this overview", .fn = page_start},
};

void lk_admin_add_start_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
