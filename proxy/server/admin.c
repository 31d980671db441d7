/*
 * The admin server: its socket, its table of pages and who may ask for what. Everything runs on the main loop; what
 * belongs to workers is read through atomics or asked for by mailbox.
 */
#include "proxy/server/admin.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/sockopt.h"
#include "proxy/server/admin_internal.h"

#include <event2/event.h>
#include <unistd.h>

/* What a client may send and how long it may take. */
#define HEADERS_MAX (64L * 1024)
#define BODY_MAX (1024L * 1024)
#define TIMEOUT_S 60

/* --- pages -----------------------------------------------------------------------------------------------------------
 */

static int compare_pages(const void *a, const void *b)
{
    const struct lk_admin_page *left = a;
    const struct lk_admin_page *right = b;

    return strcmp(left->path, right->path);
}

void lk_admin_add_pages(struct lk_admin *admin, const struct lk_admin_page *pages, size_t count)
{
    admin->pages = lk_grow(admin->pages, &admin->page_cap, admin->page_count + count, sizeof(*admin->pages));
    memcpy(admin->pages + admin->page_count, pages, count * sizeof(*pages));
    admin->page_count += count;
    qsort(admin->pages, admin->page_count, sizeof(*admin->pages), compare_pages);
}

void lk_admin_add_page(struct lk_admin *admin, const char *path, bool mutates, const char *help, lk_admin_page_fn page,
                       void *arg)
{
    struct lk_admin_page added = {
        .path = lk_arena_cstr(&admin->arena, lk_str_from(path)),
        .mutates = mutates,
        .help = lk_arena_cstr(&admin->arena, lk_str_from(help)),
        .fn = page,
        .arg = arg,
    };

    LK_ASSERT(lk_admin_find_page(admin, lk_str_from(path)) == NULL);
    lk_admin_add_pages(admin, &added, 1);
}

const struct lk_admin_page *lk_admin_find_page(const struct lk_admin *admin, struct lk_str path)
{
    for (size_t i = 0; i < admin->page_count; i++) {
        if (lk_str_eq(lk_str_from(admin->pages[i].path), path))
            return &admin->pages[i];
    }
    return NULL;
}

static void write_help(struct lk_admin_request *request)
{
    const struct lk_admin *admin = request->admin;

    lk_admin_put(request, LK_STR("admin commands are:\n"));
    for (size_t i = 0; i < admin->page_count; i++) {
        const struct lk_admin_page *page = &admin->pages[i];

        lk_admin_printf(request, "  %s%s: %s\n", page->path, page->mutates ? " (POST)" : "", page->help);
        for (const struct lk_admin_param_help *param = page->params; param && param->name; param++)
            lk_admin_printf(request, "      %s: %s\n", param->name, param->help);
    }
}

static void page_help(struct lk_admin_request *request, void *arg)
{
    (void)arg;
    write_help(request);
}

static const struct lk_admin_page help_pages[] = {
    {.path = "/help", .help = "print out list of admin commands", .fn = page_help},
};

/* --- dispatch --------------------------------------------------------------------------------------------------------
 */

static const char *method_name(enum evhttp_cmd_type command)
{
    switch (command) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
        break;
    }
    return "?";
}

const char *lk_admin_method(const struct lk_admin_request *request)
{
    return method_name(evhttp_request_get_command(request->http));
}

/* A page of another site may make a browser POST here: its Origin then names another host. */
static bool from_other_site(struct lk_admin_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request->http);
    struct lk_str origin = lk_str_from(evhttp_find_header(headers, "origin"));
    struct lk_str host = lk_str_from(evhttp_find_header(headers, "host"));
    size_t scheme = lk_str_find(origin, LK_STR("://"));

    if (origin.ptr == NULL)
        return false;
    return scheme > origin.len || !lk_str_ieq(lk_str_drop(origin, scheme + 3), host);
}

static void run_page(struct lk_admin_request *request, const struct lk_admin_page *page)
{
    struct lk_loop *loop = request->admin->server->main_loop;

    if (page->mutates && evhttp_request_get_command(request->http) != EVHTTP_REQ_POST) {
        lk_admin_status(request, 405, NULL);
        lk_admin_printf(request, "Method %s not allowed, POST required.", lk_admin_method(request));
    } else if (page->mutates && from_other_site(request)) {
        lk_admin_fail(request, 403, LK_STR("A page of another site may not change anything here.\n"));
    } else {
        request->path = page->path;
        lk_loop_set_activity(loop, page->path);
        page->fn(request, page->arg);
        lk_loop_set_activity(loop, NULL);
    }
}

static void on_request(struct evhttp_request *http, void *arg)
{
    struct lk_admin *admin = arg;
    struct lk_admin_request *request = lk_admin_request_new(admin, http);
    const struct lk_admin_page *page = lk_admin_find_page(admin, request->query.path);

    LK_LOG(ADMIN, DEBUG, "%s %s", lk_admin_method(request), evhttp_request_get_uri(http));
    if (page) {
        run_page(request, page);
    } else {
        lk_admin_status(request, 404, NULL);
        lk_admin_put(request, LK_STR("invalid path. "));
        write_help(request);
    }
    if (!request->deferred)
        lk_admin_finish(request);
}

/* --- life ------------------------------------------------------------------------------------------------------------
 */

static bool open_http(struct lk_admin *admin, struct lk_error *error)
{
    admin->fd = lk_listen(&admin->server->bootstrap->admin.addr, &(struct lk_listen_options){0}, error);
    if (admin->fd < 0)
        return false;
    if (!lk_local_addr(admin->fd, &admin->addr))
        return lk_error_errno(error, "cannot read the admin address");
    if (admin->addr.family == AF_UNIX)
        admin->addr = admin->server->bootstrap->admin.addr;
    admin->http = evhttp_new(lk_loop_base(admin->server->main_loop));
    LK_ASSERT(admin->http != NULL);
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                                EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_max_headers_size(admin->http, HEADERS_MAX);
    evhttp_set_max_body_size(admin->http, BODY_MAX);
    evhttp_set_timeout(admin->http, TIMEOUT_S);
    evhttp_set_gencb(admin->http, on_request, admin);
    if (evhttp_accept_socket(admin->http, admin->fd) != 0)
        return lk_error_errno(error, "cannot accept on the admin address");
    return true;
}

struct lk_admin *lk_admin_new(struct lk_server *server, struct lk_error *error)
{
    struct lk_admin *admin = lk_calloc(1, sizeof(*admin));

    admin->server = server;
    admin->fd = -1;
    lk_arena_init(&admin->arena);
    lk_list_init(&admin->requests);
    lk_admin_add_pages(admin, help_pages, LK_ARRAY_LEN(help_pages));
    lk_admin_add_info_pages(admin);
    lk_admin_add_memory_pages(admin);
    lk_admin_add_stats_pages(admin);
    lk_admin_add_cluster_pages(admin);
    lk_admin_add_listener_pages(admin);
    lk_admin_add_config_pages(admin);
    lk_admin_add_control_pages(admin);
    lk_admin_add_logging_pages(admin);
    lk_admin_add_explain_pages(admin);
    lk_admin_add_start_pages(admin);
    lk_admin_add_filter_pages(admin);
    if (!lk_admin_log_open(admin, error) || !open_http(admin, error)) {
        lk_admin_free(admin);
        return NULL;
    }
    return admin;
}

void lk_admin_free(struct lk_admin *admin)
{
    if (admin->http)
        evhttp_free(admin->http); /* ends every request through its close callback; closes fd */
    else if (admin->fd >= 0)
        close(admin->fd);
    LK_ASSERT(lk_list_empty(&admin->requests));
    lk_free(admin->pages);
    lk_arena_reset(&admin->arena);
    lk_free(admin);
}

const struct lk_addr *lk_admin_addr(const struct lk_admin *admin)
{
    return &admin->addr;
}
