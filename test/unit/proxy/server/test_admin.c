/*
 * The admin server over a real socket, on a server that was built and is not running: who may ask for what, replies in
 * pieces, and clients that leave at the worst moment.
 */
#include "test/unit/proxy/server/admin_fixture.h"

/* --- tests
 * ------------------------------------------------------------------------------------------------------------ */

LK_TEST(admin, says_whether_it_is_ready)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/ready");
    check_status(reply, "200 OK");
    LK_CHECK_CONTAINS(reply, "\r\n\r\nLIVE\n");
    LK_CHECK_CONTAINS(reply, "x-content-type-options: nosniff");
    check_status(ask(&fixture, "POST /healthcheck/fail HTTP/1.1", ""), "200");
    reply = get(&fixture, "/ready");
    check_status(reply, "503");
    LK_CHECK_CONTAINS(reply, "\r\n\r\nDRAINING\n");
    check_status(ask(&fixture, "POST /healthcheck/ok HTTP/1.1", ""), "200");
    check_status(get(&fixture, "/ready"), "200");
    tear_down(&fixture);
}

LK_TEST(admin, changes_nothing_unless_by_post)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"};
    struct fixture fixture;
    char head[64];

    set_up(&fixture);
    for (size_t i = 0; i < LK_ARRAY_LEN(methods); i++) {
        snprintf(head, sizeof(head), "%s /healthcheck/fail HTTP/1.1", methods[i]);
        check_status(ask(&fixture, head, ""), "405");
        LK_CHECK_CONTAINS(fixture.reply, "allow: POST");
    }
    LK_CHECK(!fixture.server.health_failed);
    tear_down(&fixture);
}

LK_TEST(admin, lets_no_page_of_another_site_change_anything)
{
    struct fixture fixture;

    set_up(&fixture);
    check_status(ask(&fixture, "POST /healthcheck/fail HTTP/1.1\r\nOrigin: http://evil.example", ""), "403");
    check_status(ask(&fixture, "POST /healthcheck/fail HTTP/1.1\r\nOrigin: null", ""), "403");
    LK_CHECK(!fixture.server.health_failed);
    check_status(ask(&fixture, "POST /healthcheck/fail HTTP/1.1\r\nOrigin: http://localhost", ""), "200");
    LK_CHECK(fixture.server.health_failed);
    tear_down(&fixture);
}

LK_TEST(admin, answers_an_unknown_path_with_the_list_of_pages)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/no/such?a=b");
    check_status(reply, "404");
    LK_CHECK_CONTAINS(reply, "invalid path. admin commands are:\n");
    LK_CHECK_CONTAINS(reply, "  /quitquitquit (POST): ");
    LK_CHECK_CONTAINS(get(&fixture, "/help"), "\r\n\r\nadmin commands are:\n");
    tear_down(&fixture);
}

LK_TEST(admin, answers_head_with_a_length_and_no_body)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = ask(&fixture, "HEAD /ready HTTP/1.1", "");
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "content-length: 5\r\n");
    LK_CHECK_NULL(strstr(reply, "LIVE"));
    reply = ask(&fixture, "HEAD /clusters HTTP/1.1", "");
    LK_CHECK_NULL(strstr(reply, "observability_name"));
    tear_down(&fixture);
}

LK_TEST(admin, writes_long_lists_in_pieces)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/clusters");
    LK_CHECK_CONTAINS(reply, "Transfer-Encoding: chunked");
    LK_CHECK_EQ_UINT(count_of(reply, "::observability_name::"), CLUSTERS);
    LK_CHECK_CONTAINS(reply, "c699::high_priority::max_connections::7\n");
    LK_CHECK_CONTAINS(reply, "c0::127.0.0.1:1::health_flags::healthy\n");
    LK_CHECK_EQ_UINT(count_of(get(&fixture, "/clusters?format=json"), "\"observability_name\""), CLUSTERS);
    LK_CHECK_EQ_UINT(count_of(get(&fixture, "/clusters?filter=^c1.$"), "::observability_name::"), 10);
    check_status(get(&fixture, "/clusters?filter=%5B"), "400");
    LK_CHECK_CONTAINS(get(&fixture, "/clusters?filter=none&format=json"), "{}\n");
    tear_down(&fixture);
}

LK_TEST(admin, survives_clients_that_leave_at_any_moment)
{
    static const char *const pages[] = {"/clusters", "/memory", "/stats", "/ready"};
    struct fixture fixture;

    set_up(&fixture);
    for (size_t i = 0; i < LK_ARRAY_LEN(pages); i++) {
        for (int turns = 0; turns < 6; turns++) {
            int fd = open_client(&fixture);
            char text[128];

            snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", pages[i]);
            send_text(fd, text);
            for (int t = 0; t < turns; t++)
                turn(&fixture);
            close(fd);
        }
    }
    check_status(get(&fixture, "/ready"), "200");
    tear_down(&fixture);
}

LK_TEST(admin, is_freed_while_replies_are_on_their_way)
{
    struct fixture fixture;
    int waiting, reading;

    set_up(&fixture);
    waiting = open_client(&fixture);
    send_text(waiting, "GET /memory HTTP/1.1\r\nHost: x\r\n\r\n");
    reading = open_client(&fixture);
    send_text(reading, "GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 4; i++)
        turn(&fixture);
    tear_down(&fixture);
    close(waiting);
    close(reading);
}

LK_TEST(admin, names_a_loop_that_does_not_tell_its_memory)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/memory"); /* nobody turns the worker's loop */
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "\"loop\": \"worker_0\",\n    \"error\": ");
    LK_CHECK_CONTAINS(reply, "\"loop\": \"main_thread\",\n    \"in_use\": ");
    tear_down(&fixture);
}

LK_TEST(admin, takes_parameters_from_a_form)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = ask(&fixture, "POST /logging HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded", "pool=critical");
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "  pool: critical\n");
    reply = ask(&fixture, "POST /logging?paths=pool:info,http:info HTTP/1.1", "");
    LK_CHECK_CONTAINS(reply, "  pool: info\n");
    check_status(ask(&fixture, "POST /logging?paths=pool:error,nope:info HTTP/1.1", ""), "400");
    LK_CHECK_CONTAINS(fixture.reply, "error: unknown logger name\n");
    LK_CHECK_CONTAINS(fixture.reply, "  pool: info\n");
    tear_down(&fixture);
}

LK_TEST(admin, escapes_what_it_shows_in_html)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/");
    LK_CHECK_CONTAINS(reply, "content-type: text/html; charset=UTF-8");
    LK_CHECK_CONTAINS(reply, "&lt;node &amp; &quot;id&quot;&gt;");
    LK_CHECK_NULL(strstr(reply, "<node"));
    LK_CHECK_CONTAINS(reply, "<a href='clusters'>all 700</a>");
    LK_CHECK_NULL(strstr(reply, "<script"));
    tear_down(&fixture);
}

LK_TEST(admin, logs_each_request)
{
    struct fixture fixture;
    int fd;

    set_up(&fixture);
    get(&fixture, "/ready?x");
    LK_CHECK_EQ_UINT(fixture.log_lines, 1);
    LK_CHECK_STR(fixture.log, "/ready?x 200 5 127.0.0.1");
    get(&fixture, "/clusters?filter=^c1$&format=json");
    LK_CHECK_EQ_UINT(fixture.log_lines, 2);
    fd = open_client(&fixture);
    send_text(fd, "GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 3; i++)
        turn(&fixture);
    close(fd);
    for (int i = 0; i < 1000 && fixture.log_lines == 2; i++)
        turn(&fixture);
    LK_CHECK_EQ_UINT(fixture.log_lines, 3);
    LK_CHECK_CONTAINS(fixture.log, "/clusters 200 ");
    LK_CHECK_CONTAINS(fixture.log, " 127.0.0.1 DC");
    tear_down(&fixture);
}

static void own_page(struct lk_admin_request *request, void *arg)
{
    struct lk_str name = LK_STR("nobody");

    lk_admin_query(request, "name", &name);
    lk_admin_status(request, 202, "text/x-test");
    lk_admin_printf(request, "%s %.*s", (const char *)arg, LK_STR_ARG(name));
}

LK_TEST(admin, has_room_for_pages_of_others)
{
    static char greeting[] = "hello";
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    lk_admin_add_page(fixture.server.admin, "/lanes", false, "greets", own_page, greeting);
    reply = get(&fixture, "/lanes?name=you%21");
    check_status(reply, "202");
    LK_CHECK_CONTAINS(reply, "content-type: text/x-test");
    LK_CHECK_CONTAINS(reply, "\r\n\r\nhello you!");
    LK_CHECK_CONTAINS(get(&fixture, "/help"), "  /lanes: greets\n");
    tear_down(&fixture);
}

LK_TEST(admin, says_when_the_address_cannot_be_had)
{
    struct fixture fixture;
    struct lk_error error;
    struct lk_addr bound;

    set_up(&fixture);
    bound = *lk_admin_addr(fixture.server.admin);
    fixture.bootstrap.admin.addr = bound;
    LK_CHECK_NULL(lk_admin_new(&fixture.server, &error));
    LK_CHECK_CONTAINS(error.text, "127.0.0.1");
    fixture.bootstrap.admin.access_log_path = LK_STR("/tmp/x"); /* no such logger here */
    LK_CHECK_NULL(lk_admin_new(&fixture.server, &error));
    LK_CHECK_CONTAINS(error.text, "admin.access_log[1]");
    tear_down(&fixture);
}
