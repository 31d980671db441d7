/*
 * Pages that filter types bring: each HTTP filter that is built in may declare some, and they answer through the
 * operations given here. Main loop.
 */
#include "proxy/filter/registry.h"
#include "proxy/server/admin_internal.h"

struct bound_call {
    struct lk_admin_call call;
    struct lk_admin_request *request;
    bool (*next)(struct lk_admin_call *call);
};

static struct lk_admin_request *request_of(struct lk_admin_call *call)
{
    return LK_CONTAINER_OF(call, struct bound_call, call)->request;
}

static void call_write(struct lk_admin_call *call, const char *data, size_t len)
{
    lk_admin_write(request_of(call), data, len);
}

static void call_status(struct lk_admin_call *call, unsigned status, const char *content_type)
{
    lk_admin_status(request_of(call), status, content_type);
}

static void call_fail(struct lk_admin_call *call, unsigned status, struct lk_str text)
{
    lk_admin_fail(request_of(call), status, text);
}

static void call_html_begin(struct lk_admin_call *call, const char *title)
{
    lk_admin_html_begin(request_of(call), title);
}

static bool next_piece(struct lk_admin_request *request)
{
    struct bound_call *bound = request->state;

    return bound->next(&bound->call);
}

static void call_stream(struct lk_admin_call *call, bool (*next)(struct lk_admin_call *call))
{
    struct bound_call *bound = LK_CONTAINER_OF(call, struct bound_call, call);

    bound->next = next;
    lk_admin_stream(bound->request, next_piece, bound);
}

static const struct lk_admin_call_ops ops = {
    .write = call_write,
    .status = call_status,
    .fail = call_fail,
    .html_begin = call_html_begin,
    .stream = call_stream,
};

static void answer(struct lk_admin_request *request, void *arg)
{
    const struct lk_filter_page *page = arg;
    struct bound_call *bound = lk_arena_zalloc(&request->arena, sizeof(*bound));
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request->http);

    bound->request = request;
    bound->call = (struct lk_admin_call){
        .ops = &ops,
        .arena = &request->arena,
        .accept = lk_arena_str(&request->arena, lk_str_from(evhttp_find_header(headers, "accept"))),
        .params = request->query.params,
        .param_count = request->query.count,
    };
    page->answer(&bound->call);
}

static void add_page(struct lk_admin *admin, const struct lk_filter_page *page)
{
    const struct lk_admin_page added = {
        .path = page->path,
        .mutates = page->mutates,
        .help = page->help,
        .params = page->params,
        .fn = answer,
        .arg = (void *)page,
    };

    LK_ASSERT(lk_admin_find_page(admin, lk_str_from(page->path)) == NULL);
    lk_admin_add_pages(admin, &added, 1);
}

void lk_admin_add_filter_pages(struct lk_admin *admin)
{
    const struct lk_registry *registry = admin->server->registry;

    for (const struct lk_http_filter *const *filter = registry->http_filters; *filter != NULL; filter++)
        for (const struct lk_filter_page *page = (*filter)->admin_pages; page != NULL && page->path != NULL; page++)
            add_page(admin, page);
}
