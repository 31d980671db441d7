/* The page /lanes: which form it takes, and that it is made in slices. See lane_page.h. */
#include "proxy/lane/lane_page.h"

#include "proxy/lane/lane_page_internal.h"

struct run {
    struct lk_lane_report report;
    struct lk_lane_page_json json;
    enum lk_admin_format format;
    bool writing; /* JSON has begun */
};

static bool next(struct lk_admin_call *call)
{
    struct run *run = call->state;

    if (run->writing)
        return lk_lane_json_next(&run->json, &run->report);
    if (!lk_lane_report_next(&run->report))
        return true;
    run->writing = run->format == LK_ADMIN_JSON;
    if (run->writing)
        lk_lane_json_begin(&run->json, call, &run->report);
    else
        lk_lane_people(call, &run->report, run->format == LK_ADMIN_HTML);
    return run->writing;
}

/* The head of the reply leaves before its first piece is made. */
static void set_type(struct lk_admin_call *call, enum lk_admin_format format)
{
    static const char *const types[] = {
        [LK_ADMIN_TEXT] = "text/plain; charset=UTF-8",
        [LK_ADMIN_JSON] = "application/json",
        [LK_ADMIN_HTML] = "text/html; charset=UTF-8",
    };

    lk_admin_call_status(call, 200, types[format]);
}

static void answer(struct lk_admin_call *call)
{
    enum lk_admin_format format;
    struct run *run;

    if (!lk_admin_call_format(call, &format))
        return;
    if (lk_admin_call_param(call, "dry_run", NULL)) {
        lk_lane_page_dry(call, format);
        return;
    }
    run = lk_arena_zalloc(call->arena, sizeof(*run));
    run->format = format;
    call->state = run;
    set_type(call, format);
    lk_lane_report_begin(&run->report, call->arena);
    lk_admin_call_stream(call, next);
}

static const struct lk_admin_param_help params[] = {
    {"format", "One of (text, json, html); by default what the client accepts, else text"},
    {"dry_run", "Answers what would become of the marks of a request; nothing is counted or sent"},
    {"listener", "Dry run: name of the listener that gets the request; needed where several have a lane filter"},
    {"filter", "Dry run: which of the listener's lane filters, from 0"},
    {"peer", "Dry run: IP address of the caller, 127.0.0.1 by default"},
    {"identity", "Dry run: what mutual TLS would have proved of the caller (its URI SAN)"},
    {"header", "Dry run: NAME:VALUE, any number of times"},
    {"headers", "Dry run: the same, one on each line"},
    {"method, host, path", "Dry run: of the request, GET, localhost and / by default"},
    {"cluster", "Dry run: where the route would send it; shows what leaves and who would serve"},
    {NULL, NULL},
};

const struct lk_filter_page lk_lane_pages[] = {
    {.path = "/lanes",
     .help = "lane tables, endpoints of lanes, coverage, guards, whether marks are carried; dry run of trust",
     .params = params,
     .answer = answer},
    {.path = NULL},
};
