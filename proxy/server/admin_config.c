/* /config_dump and /config_warnings: the configuration as accepted, and what of it is not acted on. Main loop. */
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

#include <stdlib.h>

static bool bool_param(struct lk_admin_request *request, const char *name)
{
    struct lk_str value;

    return lk_admin_query(request, name, &value) && !lk_str_eq(value, LK_STR("false"));
}

static void page_config_dump(struct lk_admin_request *request, void *arg)
{
    const struct lk_config_report *report = &lk_admin_request_server(request)->report;
    struct lk_str resource = {0}, mask = {0}, name_regex = {0};
    struct lk_error error;
    char *json;

    (void)arg;
    if (!report->dump) {
        lk_admin_fail(request, 503, LK_STR("the configuration is not kept in this process\n"));
        return;
    }
    lk_admin_query(request, "resource", &resource);
    lk_admin_query(request, "mask", &mask);
    lk_admin_query(request, "name_regex", &name_regex);
    json = report->dump(report->arg, resource, mask, name_regex, bool_param(request, "include_eds"), &error);
    if (!json) {
        lk_admin_fail(request, error.code == LK_ERROR_NOT_FOUND ? 404 : 400, lk_str_from(error.text));
        return;
    }
    lk_admin_status(request, 200, "application/json");
    lk_admin_put(request, lk_str_from(json));
    free(json);
}

static void warnings_json(struct lk_admin_request *request, const struct lk_config_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; i < report->warning_count; i++) {
        const struct lk_error_item *item = &report->warnings[i];
        json_t *warning = json_pack("{s:o,s:o}", "field", lk_admin_str_json(lk_str_from(item->path)), "warning",
                                    lk_admin_str_json(lk_str_from(item->text)));

        if (item->line > 0)
            json_object_set_new(warning, "line", json_integer(item->line));
        json_array_append_new(list, warning);
    }
    lk_admin_json(request, json_pack("{s:o}", "warnings", list));
}

static void page_config_warnings(struct lk_admin_request *request, void *arg)
{
    const struct lk_config_report *report = &lk_admin_request_server(request)->report;

    (void)arg;
    if (lk_admin_wants_json(request)) {
        warnings_json(request, report);
        return;
    }
    for (size_t i = 0; i < report->warning_count; i++) {
        const struct lk_error_item *item = &report->warnings[i];

        if (item->line > 0)
            lk_admin_printf(request, "line %d: ", item->line);
        lk_admin_printf(request, "%s%s%s\n", item->path ? item->path : "", item->path && *item->path ? ": " : "",
                        item->text ? item->text : "");
    }
}

static const struct lk_admin_param_help dump_params[] = {
    {"resource", "Only this repeated field, for example static_clusters"},
    {"mask", "Only these fields, for example cluster.name; with resource: of each of its entries"},
    {"name_regex", "Only resources whose whole name matches"},
    {"include_eds", "With the endpoints of clusters"},
    {NULL, NULL},
};
static const struct lk_admin_param_help warning_params[] = {
    {"format", "One of (text, json)"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/config_dump", .help = "dump current configuration", .params = dump_params, .fn = page_config_dump},
    {.path = "/config_warnings",
     .help = "fields of the configuration that are known and not acted on",
     .params = warning_params,
     .fn = page_config_warnings},
};

void lk_admin_add_config_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
