/* /stats and /stats/prometheus: what proxy/stats writes, with Envoy's parameters, in slices. Main loop. */
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

/* How long the main loop may be busy with it at a time. */
#define SLICE_US 2000

static void write_piece(void *arg, const char *data, size_t len)
{
    lk_admin_write(arg, data, len);
}

/* Type names of Envoy; text readouts do not exist here, so asking for them gives none. */
static bool read_type(struct lk_admin_request *request, struct lk_stats_filter *filter, bool *nothing)
{
    static const struct {
        struct lk_str name;
        uint8_t kinds;
    } types[] = {
        {LK_STR_INIT("All"), 0},
        {LK_STR_INIT("Counters"), LK_STAT_KIND_BIT(LK_STAT_COUNTER)},
        {LK_STR_INIT("Gauges"), LK_STAT_KIND_BIT(LK_STAT_GAUGE)},
        {LK_STR_INIT("Histograms"), LK_STAT_KIND_BIT(LK_STAT_HISTOGRAM)},
    };
    struct lk_str type;

    *nothing = false;
    if (!lk_admin_query(request, "type", &type))
        return true;
    *nothing = lk_str_eq(type, LK_STR("TextReadouts"));
    if (*nothing)
        return true;
    for (size_t i = 0; i < LK_ARRAY_LEN(types); i++) {
        if (lk_str_eq(type, types[i].name)) {
            filter->kinds = types[i].kinds;
            return true;
        }
    }
    lk_admin_fail(request, 400, LK_STR("invalid &type= param"));
    return false;
}

/* Only one display of histograms is built for each format. */
static bool check_buckets(struct lk_admin_request *request, struct lk_str built)
{
    struct lk_str mode;

    if (!lk_admin_query(request, "histogram_buckets", &mode) || lk_str_eq(mode, built))
        return true;
    lk_admin_fail(request, 400, LK_STR("usage: /stats?histogram_buckets="));
    lk_admin_put(request, built);
    lk_admin_put(request, LK_STR(" (the only one that is built for this format)\n"));
    return false;
}

static bool next_slice(struct lk_admin_request *request)
{
    struct lk_stats_out out = {.write = write_piece, .arg = request};

    return lk_stats_dump_next(request->state, &out, SLICE_US);
}

static void free_dump(void *dump)
{
    lk_stats_dump_free(dump);
}

static void write_stats(struct lk_admin_request *request, enum lk_stats_format format, const char *content_type)
{
    struct lk_server *server = lk_admin_request_server(request);
    struct lk_stats_filter filter = {.used_only = lk_admin_flag(request, "usedonly"),
                                     .invert = lk_admin_flag(request, "invert_filter")};
    struct lk_stats_dump *dump;
    struct lk_error error;
    bool nothing = false;

    if (format != LK_STATS_PROMETHEUS && !read_type(request, &filter, &nothing))
        return;
    lk_admin_query(request, "filter", &filter.regex);
    if (nothing)
        filter = (struct lk_stats_filter){.regex = LK_STR("^$")};
    lk_server_update_gauges(server);
    dump = lk_stats_dump_new(server->stats, &filter, format, &error);
    if (!dump) {
        lk_admin_fail(request, 400, LK_STR("Invalid regex: "));
        lk_admin_put(request, lk_str_from(error.text));
        return;
    }
    lk_arena_on_free(&request->arena, free_dump, dump);
    lk_admin_status(request, 200, content_type);
    lk_admin_stream(request, next_slice, dump);
}

static void page_prometheus(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    if (check_buckets(request, LK_STR("cumulative")))
        write_stats(request, LK_STATS_PROMETHEUS, "text/plain; version=0.0.4; charset=UTF-8");
}

static void page_stats(struct lk_admin_request *request, void *arg)
{
    struct lk_str format = LK_STR("text");

    lk_admin_query(request, "format", &format);
    if (lk_str_eq(format, LK_STR("prometheus"))) {
        page_prometheus(request, arg);
        return;
    }
    if (!lk_str_eq(format, LK_STR("text")) && !lk_str_eq(format, LK_STR("json"))) {
        lk_admin_fail(request, 400, LK_STR("usage: /stats?format=(json|prometheus|text)\n\n"));
        return;
    }
    if (!check_buckets(request, LK_STR("summary")))
        return;
    if (lk_str_eq(format, LK_STR("json")))
        write_stats(request, LK_STATS_JSON, "application/json");
    else
        write_stats(request, LK_STATS_TEXT, "text/plain; charset=UTF-8");
}

static const struct lk_admin_param_help stats_params[] = {
    {"usedonly", "Only stats that were ever counted"},
    {"filter", "Regular expression, matched anywhere in the name"},
    {"invert_filter", "Only what the filter does not match"},
    {"format", "One of (text, json, prometheus)"},
    {"type", "One of (All, Counters, Histograms, Gauges, TextReadouts)"},
    {"histogram_buckets", "Only (summary)"},
    {NULL, NULL},
};
static const struct lk_admin_param_help prometheus_params[] = {
    {"usedonly", "Only stats that were ever counted"},
    {"filter", "Regular expression, matched anywhere in the name as /stats shows it"},
    {"invert_filter", "Only what the filter does not match"},
    {"histogram_buckets", "Only (cumulative)"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/stats", .help = "print server stats", .params = stats_params, .fn = page_stats},
    {.path = "/stats/prometheus",
     .help = "print server stats in prometheus format",
     .params = prometheus_params,
     .fn = page_prometheus},
};

void lk_admin_add_stats_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
