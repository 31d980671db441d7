/* Pages that a filter type brings: found, answered at once or in pieces, guarded as others are. */
#include "test/unit/proxy/server/admin_fixture.h"

static bool next_page(struct lk_admin_call *call)
{
    unsigned *left = call->state;

    if (--*left % 2 == 0)
        lk_admin_call_printf(call, "piece %u\n", *left);
    return *left > 0;
}

static void answer_pieces(struct lk_admin_call *call)
{
    call->state = lk_arena_zalloc(call->arena, sizeof(unsigned));
    *(unsigned *)call->state = 6;
    lk_admin_call_status(call, 200, "text/odd");
    lk_admin_call_stream(call, next_page);
}

static void answer_at_once(struct lk_admin_call *call)
{
    struct lk_str value;

    if (!lk_admin_call_param(call, "v", &value)) {
        lk_admin_call_fail(call, 400, "v: there is none\n");
        return;
    }
    lk_admin_call_html(call, "<title>");
    lk_admin_call_escaped(call, value);
    lk_admin_call_escaped(call, call->accept);
}

static const struct lk_admin_param_help page_params[] = {{"v", "Any value"}, {NULL, NULL}};
static const struct lk_filter_page filter_pages[] = {
    {.path = "/mine", .help = "a page of a filter", .params = page_params, .answer = answer_at_once},
    {.path = "/mine/pieces", .help = "in pieces", .answer = answer_pieces},
    {.path = "/mine/change", .mutates = true, .help = "changes something", .answer = answer_at_once},
    {.path = NULL},
};
static const struct lk_http_filter filter_with_pages = {.name = "mine", .type = "mine", .admin_pages = filter_pages};
static const struct lk_http_filter filter_without = {.name = "other", .type = "other"};
static const struct lk_http_filter *const http_filters[] = {&filter_without, &filter_with_pages, NULL};

/* --- tests ----------------------------------------------------------------------------------------------------------
 */

LK_TEST(admin_filter_pages, shows_pages_of_filter_types)
{
    struct fixture fixture;
    const char *reply;

    set_up_with(&fixture, http_filters);
    reply = ask(&fixture, "GET /mine?v=%3Cb%3E HTTP/1.1\r\nAccept: text/x", "");
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "content-type: text/html; charset=UTF-8");
    LK_CHECK_CONTAINS(reply, "<title>&lt;title&gt;</title>");
    LK_CHECK_CONTAINS(reply, "<body>\n&lt;b&gt;text/x");
    reply = get(&fixture, "/mine");
    check_status(reply, "400");
    LK_CHECK_CONTAINS(reply, "\r\n\r\nv: there is none\n");
    LK_CHECK_CONTAINS(get(&fixture, "/help"), "  /mine: a page of a filter\n      v: Any value\n");
    LK_CHECK_CONTAINS(get(&fixture, "/"), "<a href='mine/pieces'>");
    tear_down(&fixture);
}

LK_TEST(admin_filter_pages, sends_pages_of_filter_types_in_pieces)
{
    struct fixture fixture;
    const char *reply;

    set_up_with(&fixture, http_filters);
    reply = get(&fixture, "/mine/pieces");
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "content-type: text/odd");
    LK_CHECK_CONTAINS(reply, "Transfer-Encoding: chunked");
    LK_CHECK_EQ_UINT(count_of(reply, "piece "), 3);
    tear_down(&fixture);
}

LK_TEST(admin_filter_pages, guards_pages_of_filter_types_that_change_something)
{
    struct fixture fixture;

    set_up_with(&fixture, http_filters);
    check_status(get(&fixture, "/mine/change?v=1"), "405");
    check_status(ask(&fixture, "POST /mine/change?v=1 HTTP/1.1\r\nOrigin: http://evil.example", ""), "403");
    check_status(ask(&fixture, "POST /mine/change?v=1 HTTP/1.1", ""), "200");
    tear_down(&fixture);
}

LK_TEST(admin_filter_pages, survive_clients_that_leave_at_any_moment)
{
    struct fixture fixture;

    set_up_with(&fixture, http_filters);
    for (int turns = 0; turns < 10; turns++) {
        int fd = open_client(&fixture);

        send_text(fd, "GET /mine/pieces HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int t = 0; t < turns; t++)
            turn(&fixture);
        close(fd);
    }
    check_status(get(&fixture, "/ready"), "200");
    tear_down(&fixture);
}
