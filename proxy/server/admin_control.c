/* Pages that change what the server does: health, draining, the end, counters, log files. Main loop. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

static void page_health_fail(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_server_set_health(lk_admin_request_server(request), true);
    lk_admin_put(request, LK_STR("OK\n"));
}

static void page_health_ok(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_server_set_health(lk_admin_request_server(request), false);
    lk_admin_put(request, LK_STR("OK\n"));
}

static void page_quit(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    LK_LOG(ADMIN, INFO, "stopping as /quitquitquit asks");
    request->after = lk_server_stop; /* the answer leaves first */
    lk_admin_put(request, LK_STR("OK\n"));
}

static void page_drain(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_server_drain_listeners(lk_admin_request_server(request), lk_admin_flag(request, "inboundonly"),
                              lk_admin_flag(request, "graceful"), lk_admin_flag(request, "skip_exit"));
    lk_admin_put(request, LK_STR("OK\n"));
}

static void page_reset(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_stats_reset(lk_admin_request_server(request)->stats);
    lk_admin_put(request, LK_STR("OK\n"));
}

static void page_reopen(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    lk_file_sinks_reopen(lk_admin_request_server(request)->sinks);
    lk_log_reopen();
    lk_admin_put(request, LK_STR("OK\n"));
}

static const struct lk_admin_param_help drain_params[] = {
    {"graceful", "Go on accepting for the drain time; connections end at their next response"},
    {"skip_exit", "End connections at their next response, never stop accepting"},
    {"inboundonly", "Only listeners whose traffic_direction is INBOUND"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/healthcheck/fail",
     .mutates = true,
     .help = "cause the server to fail health checks",
     .fn = page_health_fail},
    {.path = "/healthcheck/ok",
     .mutates = true,
     .help = "cause the server to pass health checks",
     .fn = page_health_ok},
    {.path = "/quitquitquit", .mutates = true, .help = "exit the server", .fn = page_quit},
    {.path = "/drain_listeners", .mutates = true, .help = "drain listeners", .params = drain_params, .fn = page_drain},
    {.path = "/reset_counters", .mutates = true, .help = "reset all counters to zero", .fn = page_reset},
    {.path = "/reopen_logs", .mutates = true, .help = "reopen log files", .fn = page_reopen},
};

void lk_admin_add_control_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
