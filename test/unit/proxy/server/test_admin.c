/*
 * The admin server over a real socket, on a server that was built and is not running: who may ask for what, replies in
 * pieces, and clients that leave at the worst moment.
 */
#include "proxy/server/admin.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/filter/admin_page.h"
#include "proxy/filter/registry.h"
#include "test/support/lk_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLUSTERS 700

static const struct lk_listener_filter *const no_listener_filters[] = {NULL};
static const struct lk_network_filter *const no_network_filters[] = {NULL};

/* --- a filter type with pages of its own ---------------------------------------------------------------------------
 */

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

struct fixture {
    struct lk_options options;
    struct lk_bootstrap_config bootstrap;
    struct lk_registry registry;
    struct lk_server server;
    struct lk_arena *arena;
    char *reply;
    size_t len, cap;
    unsigned log_lines;
    char log[256];
};

static struct fixture *current;

/* --- a logger that keeps its last line
 * ---------------------------------------------------------------------------------- */

static const void *log_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    (void)context;
    (void)errors;
    return any;
}

static void log_write(const void *config, const struct lk_log_event *event)
{
    struct lk_str path = lk_headers_get(event->request, LK_HEADER_PATH);
    struct lk_str client = lk_headers_get(event->request, LK_HEADER_X_FORWARDED_FOR);

    (void)config;
    current->log_lines++;
    snprintf(current->log, sizeof(current->log), "%.*s %u %llu %.*s%s", LK_STR_ARG(path), event->info->response_code,
             (unsigned long long)event->info->bytes_sent, LK_STR_ARG(client), event->info->flags ? " DC" : "");
}

static const struct lk_access_logger logger = {
    .name = "test", .type = "test.Log", .config_new = log_new, .log = log_write};
static const struct lk_access_logger *const loggers[] = {&logger, NULL};

/* --- the server ------------------------------------------------------------------------------------------------------
 */

static void on_clusters_ready(void *arg)
{
    *(bool *)arg = true;
}

static struct lk_cluster_config *make_cluster(struct fixture *fixture, unsigned number)
{
    static const struct lk_circuit_limits limits[2] = {
        {.max_connections = 1024, .max_pending = 1024, .max_requests = 1024, .max_retries = 3},
        {.max_connections = 7, .max_pending = 1024, .max_requests = 1024, .max_retries = 3}};
    struct lk_cluster_config *config = lk_arena_zalloc(fixture->arena, sizeof(*config));
    struct lk_endpoint *endpoint = lk_arena_zalloc(fixture->arena, sizeof(*endpoint));
    struct lk_locality_endpoints *locality = lk_arena_zalloc(fixture->arena, sizeof(*locality));
    struct lk_endpoints *endpoints = lk_arena_zalloc(fixture->arena, sizeof(*endpoints));

    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), (uint16_t)(number + 1), &endpoint->addr));
    endpoint->weight = 1;
    *locality = (struct lk_locality_endpoints){.endpoints = endpoint, .endpoint_count = 1};
    *endpoints = (struct lk_endpoints){.localities = locality, .locality_count = 1, .overprovisioning_factor = 140};
    lk_ref_init(&endpoints->ref);
    lk_ref_init(&config->ref);
    config->name = lk_arena_printf(fixture->arena, "c%u", number);
    config->stat_name = config->name;
    config->type = LK_CLUSTER_STATIC;
    config->limits = limits;
    config->endpoints = endpoints;
    return config;
}

static void fill_bootstrap(struct fixture *fixture)
{
    struct lk_bootstrap_config *bootstrap = &fixture->bootstrap;
    struct lk_access_log_config *log = lk_arena_zalloc(fixture->arena, sizeof(*log));

    bootstrap->arena = fixture->arena;
    bootstrap->clusters = lk_arena_array(fixture->arena, CLUSTERS, sizeof(struct lk_cluster_config *));
    bootstrap->cluster_count = CLUSTERS;
    for (unsigned i = 0; i < CLUSTERS; i++)
        bootstrap->clusters[i] = make_cluster(fixture, i);
    log->any.type = LK_STR("test.Log");
    bootstrap->node.id = LK_STR("<node & \"id\">");
    bootstrap->admin.set = true;
    bootstrap->admin.access_logs = log;
    bootstrap->admin.access_log_count = 1;
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &bootstrap->admin.addr));
}

static void set_up(struct fixture *fixture)
{
    struct lk_errors errors;
    struct lk_error error;
    bool ready = false;

    memset(fixture, 0, sizeof(*fixture));
    current = fixture;
    fixture->arena = lk_arena_new();
    fixture->options = (struct lk_options){.concurrency = 1, .file_flush_interval_ms = 1000};
    fixture->registry = (struct lk_registry){.listener_filters = no_listener_filters,
                                             .network_filters = no_network_filters,
                                             .http_filters = http_filters,
                                             .access_loggers = loggers};
    fill_bootstrap(fixture);
    fixture->server.options = &fixture->options;
    fixture->server.bootstrap = &fixture->bootstrap;
    fixture->server.registry = &fixture->registry;
    lk_errors_init(&errors);
    LK_CHECK(lk_server_build(&fixture->server, &errors));
    lk_errors_fini(&errors);
    LK_CHECK(lk_clusters_start(fixture->server.clusters, on_clusters_ready, &ready, &error));
    LK_CHECK(ready);
    fixture->server.state = LK_SERVER_LIVE;
    fixture->server.admin = lk_admin_new(&fixture->server, &error);
    LK_CHECK_MSG(fixture->server.admin != NULL, "%s", error.text);
}

static void turn(struct fixture *fixture)
{
    lk_loop_turn(fixture->server.main_loop, 2);
}

static void tear_down(struct fixture *fixture)
{
    lk_admin_free(fixture->server.admin);
    lk_clusters_stop(fixture->server.clusters);
    lk_loop_turn(fixture->server.main_loop, 0);
    lk_server_free(&fixture->server);
    lk_arena_free(fixture->arena);
    lk_free(fixture->reply);
}

/* --- a client --------------------------------------------------------------------------------------------------------
 */

static int open_client(struct fixture *fixture)
{
    socklen_t len;
    const struct sockaddr *sa = lk_addr_sockaddr(lk_admin_addr(fixture->server.admin), &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    LK_CHECK(fd >= 0);
    LK_CHECK_EQ_INT(connect(fd, sa, len), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    LK_CHECK_EQ_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads what is there; false once the server has closed. */
static bool read_some(struct fixture *fixture, int fd)
{
    ssize_t got;

    fixture->reply = lk_grow(fixture->reply, &fixture->cap, fixture->len + 65537, 1);
    got = recv(fd, fixture->reply + fixture->len, 65536, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN;
    fixture->len += (size_t)got;
    fixture->reply[fixture->len] = '\0';
    return got > 0;
}

static void finish_client(struct fixture *fixture, int fd)
{
    uint64_t deadline = lk_clock_ms() + 10000;

    fixture->len = 0;
    while (read_some(fixture, fd)) {
        LK_CHECK(lk_clock_ms() < deadline);
        turn(fixture);
    }
    close(fd);
}

/* One request on a connection of its own: the whole reply as text. */
static const char *ask(struct fixture *fixture, const char *head, const char *body)
{
    int fd = open_client(fixture);
    char text[1024];

    snprintf(text, sizeof(text), "%s\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", head,
             strlen(body), body);
    send_text(fd, text);
    finish_client(fixture, fd);
    return fixture->reply;
}

static const char *get(struct fixture *fixture, const char *target)
{
    char head[256];

    snprintf(head, sizeof(head), "GET %s HTTP/1.1", target);
    return ask(fixture, head, "");
}

static void check_status(const char *reply, const char *status)
{
    LK_CHECK_MSG(strncmp(reply, "HTTP/1.1 ", 9) == 0 && strncmp(reply + 9, status, strlen(status)) == 0,
                 "wanted %s, got %.60s", status, reply);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

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
    static const char *const pages[] = {"/clusters", "/memory", "/stats", "/ready", "/mine/pieces"};
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

LK_TEST(admin, shows_pages_of_filter_types)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
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

LK_TEST(admin, sends_pages_of_filter_types_in_pieces)
{
    struct fixture fixture;
    const char *reply;

    set_up(&fixture);
    reply = get(&fixture, "/mine/pieces");
    check_status(reply, "200");
    LK_CHECK_CONTAINS(reply, "content-type: text/odd");
    LK_CHECK_CONTAINS(reply, "Transfer-Encoding: chunked");
    LK_CHECK_EQ_UINT(count_of(reply, "piece "), 3);
    tear_down(&fixture);
}

LK_TEST(admin, guards_pages_of_filter_types_that_change_something)
{
    struct fixture fixture;

    set_up(&fixture);
    check_status(get(&fixture, "/mine/change?v=1"), "405");
    check_status(ask(&fixture, "POST /mine/change?v=1 HTTP/1.1\r\nOrigin: http://evil.example", ""), "403");
    check_status(ask(&fixture, "POST /mine/change?v=1 HTTP/1.1", ""), "200");
    tear_down(&fixture);
}
