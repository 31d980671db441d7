/* /listeners: where this process listens. Main loop. */
#include "proxy/base/mem.h"
#include "proxy/server/admin_internal.h"

json_t *lk_admin_address_json(const struct lk_addr *addr)
{
    char text[LK_ADDR_TEXT_MAX];

    if (addr->family == AF_UNIX)
        return json_pack("{s:{s:o}}", "pipe", "path", lk_admin_str_json(lk_addr_text(addr, text)));
    return json_pack("{s:{s:o,s:i}}", "socket_address", "address", lk_admin_str_json(lk_addr_ip_text(addr, text)),
                     "port_value", (int)lk_addr_port(addr));
}

const struct lk_addr *lk_admin_listener_addr(const struct lk_listener *listener, size_t index)
{
    const struct lk_addr *configured = &listener->config->addresses[index].addr;

    if (configured->family == AF_UNIX || !listener->bound || listener->bound[index].len == 0)
        return configured;
    return &listener->bound[index];
}

static struct lk_str name_of(const struct lk_listener *listener, char text[LK_ADDR_TEXT_MAX])
{
    if (listener->config->name.len > 0)
        return listener->config->name;
    return lk_addr_text(lk_admin_listener_addr(listener, 0), text);
}

static json_t *listener_json(const struct lk_listener *listener)
{
    char text[LK_ADDR_TEXT_MAX];
    json_t *status = json_pack("{s:o,s:o}", "name", lk_admin_str_json(name_of(listener, text)), "local_address",
                               lk_admin_address_json(lk_admin_listener_addr(listener, 0)));
    json_t *more = json_array();

    for (size_t i = 1; i < listener->config->address_count; i++)
        json_array_append_new(more, lk_admin_address_json(lk_admin_listener_addr(listener, i)));
    if (json_array_size(more) > 0)
        json_object_set(status, "additional_local_addresses", more);
    json_decref(more);
    return status;
}

static void write_text(struct lk_admin_request *request, const struct lk_listener *listener)
{
    char name[LK_ADDR_TEXT_MAX], text[LK_ADDR_TEXT_MAX];

    for (size_t i = 0; i < listener->config->address_count; i++) {
        lk_admin_put(request, name_of(listener, name));
        lk_admin_put(request, LK_STR("::"));
        lk_admin_put(request, lk_addr_text(lk_admin_listener_addr(listener, i), text));
        lk_admin_put(request, LK_STR("\n"));
    }
}

static void page_listeners(struct lk_admin_request *request, void *arg)
{
    const struct lk_listeners *listeners = lk_admin_request_server(request)->listeners;
    json_t *statuses;

    (void)arg;
    if (!lk_admin_wants_json(request)) {
        for (size_t i = 0; i < listeners->count; i++)
            write_text(request, listeners->all[i]);
        return;
    }
    statuses = json_array();
    for (size_t i = 0; i < listeners->count; i++)
        json_array_append_new(statuses, listener_json(listeners->all[i]));
    lk_admin_json(request,
                  json_array_size(statuses) > 0 ? json_pack("{s:O}", "listener_statuses", statuses) : json_object());
    json_decref(statuses);
}

static const struct lk_admin_param_help params[] = {
    {"format", "One of (text, json)"},
    {NULL, NULL},
};
static const struct lk_admin_page pages[] = {
    {.path = "/listeners", .help = "print listener info", .params = params, .fn = page_listeners},
};

void lk_admin_add_listener_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
