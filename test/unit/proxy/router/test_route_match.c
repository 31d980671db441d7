/* Route matching: hosts, paths, conditions, order, recorder; and that the index agrees with a plain search. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/http/path.h"
#include "proxy/router/route_match.h"

#define ROUTES_MAX 600

/* One virtual host whose routes a test fills in. */
struct setup {
    struct lk_route_config *config;
    struct lk_virtual_host *host;
    struct lk_route *routes;
    struct lk_route_table *table;
    struct lk_headers headers;
    struct lk_arena arena;
};

static void begin(struct setup *setup)
{
    struct lk_arena *arena = lk_arena_new();
    static const struct lk_str any[] = {LK_STR_INIT("*")};

    *setup = (struct setup){0};
    setup->config = lk_arena_zalloc(arena, sizeof(*setup->config));
    lk_ref_init(&setup->config->ref);
    setup->config->arena = arena;
    setup->routes = lk_arena_array(arena, ROUTES_MAX, sizeof(*setup->routes));
    setup->host = lk_arena_zalloc(arena, sizeof(*setup->host));
    setup->host->name = LK_STR("host");
    setup->host->domains = any;
    setup->host->domain_count = 1;
    setup->host->routes = setup->routes;
    setup->config->virtual_hosts = setup->host;
    setup->config->virtual_host_count = 1;
    lk_arena_init(&setup->arena);
}

static struct lk_route *add(struct setup *setup, enum lk_path_match_kind kind, const char *path)
{
    struct lk_route *route = &setup->routes[setup->host->route_count++];
    struct lk_error error;

    route->virtual_host = setup->host;
    route->name = lk_str_from(path);
    route->match.kind = kind;
    route->match.case_sensitive = true;
    route->match.path = lk_str_from(path);
    if (kind == LK_PATH_MATCH_REGEX) {
        route->match.regex = lk_regex_compile(setup->config->arena, route->match.path, &error);
        LK_CHECK_MSG(route->match.regex != NULL, "%s", error.text);
    }
    return route;
}

static void finish(struct setup *setup)
{
    lk_route_table_unref(setup->table);
    lk_arena_reset(&setup->arena);
}

static void request(struct setup *setup, const char *authority, const char *path)
{
    struct lk_error error;

    if (setup->table == NULL)
        setup->table = lk_route_table_new(setup->config, &error);
    LK_CHECK_NOT_NULL(setup->table);
    lk_headers_init(&setup->headers, &setup->arena);
    lk_headers_add(&setup->headers, LK_HEADER_METHOD, LK_STR("GET"));
    if (authority != NULL)
        lk_headers_add(&setup->headers, LK_HEADER_AUTHORITY, lk_str_from(authority));
    if (path != NULL)
        lk_headers_add(&setup->headers, LK_HEADER_PATH, lk_str_from(path));
}

static void header(struct setup *setup, const char *name, const char *value)
{
    struct lk_str key = lk_str_from(name);

    lk_headers_add_raw(&setup->headers, lk_header_id_of(key), key, lk_str_from(value));
}

static const struct lk_route *matched(struct setup *setup)
{
    struct lk_route_query query = {.headers = &setup->headers, .random = 50};

    return lk_route_match(setup->table, &query, NULL);
}

static int index_of(struct setup *setup, const char *path)
{
    request(setup, "host", path);
    const struct lk_route *route = matched(setup);

    return route != NULL ? (int)(route - setup->routes) : -1;
}

LK_TEST(route_match, takes_the_first_route_in_order_whatever_its_kind)
{
    struct setup setup;

    begin(&setup);
    add(&setup, LK_PATH_MATCH_REGEX, "/r[0-9]+");
    add(&setup, LK_PATH_MATCH_EXACT, "/exact");
    add(&setup, LK_PATH_MATCH_PREFIX, "/ex");
    add(&setup, LK_PATH_MATCH_PREFIX, "/e");
    add(&setup, LK_PATH_MATCH_EXACT, "/exact/later");
    add(&setup, LK_PATH_MATCH_SEPARATED_PREFIX, "/sep");
    add(&setup, LK_PATH_MATCH_PREFIX, "/");
    LK_CHECK_EQ_INT(index_of(&setup, "/r12"), 0);
    LK_CHECK_EQ_INT(index_of(&setup, "/exact"), 1);
    LK_CHECK_EQ_INT(index_of(&setup, "/exact/later"), 2);
    LK_CHECK_EQ_INT(index_of(&setup, "/e"), 3);
    LK_CHECK_EQ_INT(index_of(&setup, "/sep"), 5);
    LK_CHECK_EQ_INT(index_of(&setup, "/sep/x"), 5);
    LK_CHECK_EQ_INT(index_of(&setup, "/separate"), 6);
    LK_CHECK_EQ_INT(index_of(&setup, "*"), -1);
    finish(&setup);
}

LK_TEST(route_match, looks_at_the_path_without_query_and_fragment)
{
    struct setup setup;

    begin(&setup);
    add(&setup, LK_PATH_MATCH_EXACT, "/a");
    add(&setup, LK_PATH_MATCH_REGEX, "/b/.");
    add(&setup, LK_PATH_MATCH_SEPARATED_PREFIX, "/c");
    LK_CHECK_EQ_INT(index_of(&setup, "/a?x=1"), 0);
    LK_CHECK_EQ_INT(index_of(&setup, "/a#f"), 0);
    LK_CHECK_EQ_INT(index_of(&setup, "/b/1?x"), 1);
    LK_CHECK_EQ_INT(index_of(&setup, "/c?x"), 2);
    LK_CHECK_EQ_INT(index_of(&setup, "/a;p=1"), -1);
    finish(&setup);
}

LK_TEST(route_match, ignores_path_parameters_where_configured)
{
    struct setup setup;

    begin(&setup);
    setup.config->ignore_path_parameters_in_path_matching = true;
    add(&setup, LK_PATH_MATCH_EXACT, "/a");
    LK_CHECK_EQ_INT(index_of(&setup, "/a;p=1?q=2"), 0);
    finish(&setup);
}

LK_TEST(route_match, compares_paths_in_any_case_where_configured)
{
    struct setup setup;

    begin(&setup);
    add(&setup, LK_PATH_MATCH_EXACT, "/Exact")->match.case_sensitive = false;
    add(&setup, LK_PATH_MATCH_EXACT, "/case");
    add(&setup, LK_PATH_MATCH_PREFIX, "/PRE")->match.case_sensitive = false;
    add(&setup, LK_PATH_MATCH_PREFIX, "/pre");
    LK_CHECK_EQ_INT(index_of(&setup, "/eXACT"), 0);
    LK_CHECK_EQ_INT(index_of(&setup, "/Case"), -1);
    LK_CHECK_EQ_INT(index_of(&setup, "/prefix"), 2);
    finish(&setup);
}

LK_TEST(route_match, never_takes_a_connect_matcher)
{
    struct setup setup;

    begin(&setup);
    add(&setup, LK_PATH_MATCH_CONNECT, "");
    LK_CHECK_EQ_INT(index_of(&setup, "/"), -1);
    request(&setup, "host:443", NULL);
    LK_CHECK_NULL(matched(&setup));
    finish(&setup);
}

static const struct lk_value_matcher is_x = {.kind = LK_VALUE_STRING,
                                             .string = {.kind = LK_STRING_EXACT, .text = LK_STR_INIT("x")}};

LK_TEST(route_match, needs_every_header_and_looks_at_each_value_of_a_repeated_one)
{
    struct setup setup;
    struct lk_header_match headers[] = {{.name = LK_STR("x-lane"), .value = is_x},
                                        {.name = LK_STR("x-other"), .value = is_x}};
    struct lk_header_match many = {.name = LK_STR("x-many"), .value = is_x};

    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_PREFIX, "/");

    route->match.headers = headers;
    route->match.header_count = 2;
    route = add(&setup, LK_PATH_MATCH_PREFIX, "/");
    route->match.headers = &many;
    route->match.header_count = 1;
    request(&setup, "host", "/");
    header(&setup, "X-Lane", "x");
    header(&setup, "X-OTHER", "x");
    LK_CHECK_EQ_PTR(matched(&setup), &setup.routes[0]);
    request(&setup, "host", "/");
    header(&setup, "x-lane", "x");
    LK_CHECK_NULL(matched(&setup));
    request(&setup, "host", "/");
    header(&setup, "x-many", "y");
    header(&setup, "x-many", "x");
    LK_CHECK_EQ_PTR(matched(&setup), &setup.routes[1]);
    many.value.invert = true;
    LK_CHECK_NULL(matched(&setup));
    finish(&setup);
}

LK_TEST(route_match, matches_the_host_header_by_either_name)
{
    struct setup setup;
    struct lk_header_match headers[] = {{.name = LK_STR("host"), .value = is_x},
                                        {.name = LK_STR(":authority"), .value = is_x}};

    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_PREFIX, "/");

    route->match.headers = headers;
    route->match.header_count = 2;
    request(&setup, "x", "/");
    LK_CHECK_EQ_PTR(matched(&setup), route);
    finish(&setup);
}

LK_TEST(route_match, looks_at_the_first_value_of_a_query_parameter)
{
    struct setup setup;
    struct lk_query_match query = {.name = LK_STR("q"), .value = is_x};
    struct lk_query_match absent = {.name = LK_STR("none"), .value = {.kind = LK_VALUE_ABSENT}};

    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_PREFIX, "/a");

    route->match.queries = &query;
    route->match.query_count = 1;
    route = add(&setup, LK_PATH_MATCH_PREFIX, "/b");
    route->match.queries = &absent;
    route->match.query_count = 1;
    LK_CHECK_EQ_INT(index_of(&setup, "/a?p=1&q=x&q=y"), 0);
    LK_CHECK_EQ_INT(index_of(&setup, "/a?q=y&q=x"), -1);
    LK_CHECK_EQ_INT(index_of(&setup, "/a"), -1);
    LK_CHECK_EQ_INT(index_of(&setup, "/b?q"), 1);
    LK_CHECK_EQ_INT(index_of(&setup, "/b?none"), -1);
    finish(&setup);
}

LK_TEST(route_match, tells_grpc_by_its_content_type)
{
    static const char *const yes[] = {"application/grpc", "application/grpc+proto"};
    static const char *const no[] = {"application/grpc-web", "application/json", ""};
    struct setup setup;

    begin(&setup);
    add(&setup, LK_PATH_MATCH_PREFIX, "/")->match.grpc_only = true;
    for (size_t i = 0; i < LK_ARRAY_LEN(yes); i++) {
        request(&setup, "host", "/");
        header(&setup, "content-type", yes[i]);
        LK_CHECK_NOT_NULL(matched(&setup));
    }
    for (size_t i = 0; i < LK_ARRAY_LEN(no); i++) {
        request(&setup, "host", "/");
        header(&setup, "content-type", no[i]);
        LK_CHECK_NULL(matched(&setup));
    }
    finish(&setup);
}

LK_TEST(route_match, draws_a_fraction_from_the_request_number)
{
    struct setup setup;
    struct lk_route_query query = {0};

    lk_runtime_install(NULL);
    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_PREFIX, "/");

    route->match.has_fraction = true;
    route->match.fraction = (struct lk_fraction){.per_million = 300000, .denominator = 100};
    request(&setup, "host", "/");
    query.headers = &setup.headers;
    query.random = 29;
    LK_CHECK_NOT_NULL(lk_route_match(setup.table, &query, NULL));
    query.random = 30;
    LK_CHECK_NULL(lk_route_match(setup.table, &query, NULL));
    finish(&setup);
}

LK_TEST(route_match, asks_for_the_peer_certificate)
{
    struct setup setup;
    struct lk_route_query query = {0};

    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_PREFIX, "/");

    route->match.has_tls_presented = route->match.tls_presented = true;
    route->match.has_tls_validated = true;
    request(&setup, "host", "/");
    query.headers = &setup.headers;
    LK_CHECK_NULL(lk_route_match(setup.table, &query, NULL));
    query.peer_presented = true;
    LK_CHECK_NOT_NULL(lk_route_match(setup.table, &query, NULL));
    query.peer_validated = true;
    LK_CHECK_NULL(lk_route_match(setup.table, &query, NULL));
    finish(&setup);
}

LK_TEST(route_match, redirects_to_tls_where_the_host_demands_it)
{
    struct setup setup;

    begin(&setup);
    setup.host->require_tls = LK_TLS_ALL;
    add(&setup, LK_PATH_MATCH_PREFIX, "/");
    request(&setup, "host", "/");
    header(&setup, "x-forwarded-proto", "http");
    const struct lk_route *route = matched(&setup);

    LK_CHECK_EQ_INT(route->kind, LK_ROUTE_REDIRECT);
    LK_CHECK(route->redirect.require_tls);
    LK_CHECK_EQ_PTR(route->virtual_host, setup.host);
    request(&setup, "host", "/");
    header(&setup, "x-forwarded-proto", "https");
    LK_CHECK_EQ_PTR(matched(&setup), &setup.routes[0]);
    setup.host->require_tls = LK_TLS_EXTERNAL_ONLY;
    request(&setup, "host", "/");
    header(&setup, "x-forwarded-proto", "http");
    header(&setup, "x-envoy-internal", "true");
    LK_CHECK_EQ_PTR(matched(&setup), &setup.routes[0]);
    request(&setup, "host", "/");
    header(&setup, "x-forwarded-proto", "http");
    LK_CHECK_EQ_INT(matched(&setup)->kind, LK_ROUTE_REDIRECT);
    finish(&setup);
}

LK_TEST(route_match, finds_the_virtual_host_with_or_without_port)
{
    static const struct lk_str domains[] = {LK_STR_INIT("a.com"), LK_STR_INIT("[::1]")};
    struct setup setup;

    begin(&setup);
    setup.host->domains = domains;
    setup.host->domain_count = 2;
    add(&setup, LK_PATH_MATCH_PREFIX, "/");
    request(&setup, "a.com:80", "/");
    LK_CHECK_NULL(matched(&setup));
    setup.config->ignore_port_in_host_matching = true;
    LK_CHECK_NOT_NULL(matched(&setup));
    request(&setup, "[::1]:80", "/");
    LK_CHECK_NOT_NULL(matched(&setup));
    request(&setup, "[::1]", "/");
    LK_CHECK_NOT_NULL(matched(&setup));
    request(&setup, NULL, "/");
    LK_CHECK_NULL(matched(&setup));
    LK_CHECK_EQ_PTR(lk_route_table_virtual_host(setup.table, &setup.arena, LK_STR("A.com:1")), setup.host);
    finish(&setup);
}

LK_TEST(route_match, takes_the_virtual_host_from_another_header)
{
    static const struct lk_str domains[] = {LK_STR_INIT("a.com")};
    struct setup setup;

    begin(&setup);
    setup.config->vhost_header = LK_STR("x-forwarded-host");
    setup.host->domains = domains;
    add(&setup, LK_PATH_MATCH_PREFIX, "/");
    request(&setup, "b.com", "/");
    LK_CHECK_NULL(matched(&setup));
    header(&setup, "x-forwarded-host", "a.com");
    LK_CHECK_NOT_NULL(matched(&setup));
    finish(&setup);
}

LK_TEST(route_match, refuses_a_domain_that_occurs_twice)
{
    static const struct lk_str domains[] = {LK_STR_INIT("a.com"), LK_STR_INIT("A.COM")};
    struct setup setup;
    struct lk_error error;

    begin(&setup);
    setup.host->domains = domains;
    setup.host->domain_count = 2;
    LK_CHECK_NULL(lk_route_table_new(setup.config, &error));
    LK_CHECK_CONTAINS(error.text, "A.COM");
    lk_arena_reset(&setup.arena);
}

struct recording {
    struct lk_route_trace trace;
    const struct lk_virtual_host *host;
    char text[256];
};

static void on_host(struct lk_route_trace *trace, const struct lk_virtual_host *host)
{
    LK_CONTAINER_OF(trace, struct recording, trace)->host = host;
}

static void on_route(struct lk_route_trace *trace, const struct lk_route *route, enum lk_route_verdict verdict,
                     size_t detail)
{
    struct recording *recording = LK_CONTAINER_OF(trace, struct recording, trace);
    size_t len = strlen(recording->text);

    snprintf(recording->text + len, sizeof(recording->text) - len, "%.*s:%d:%zu ", LK_STR_ARG(route->name),
             (int)verdict, detail);
}

LK_TEST(route_match, tells_a_recorder_every_candidate_and_why_it_fell)
{
    struct setup setup;
    struct lk_header_match headers[] = {{.name = LK_STR(":path"), .value = {.kind = LK_VALUE_PRESENT}},
                                        {.name = LK_STR("x-missing"), .value = is_x}};
    struct recording recording = {.trace = {.on_virtual_host = on_host, .on_route = on_route}};
    char expected[64];

    begin(&setup);
    struct lk_route *route = add(&setup, LK_PATH_MATCH_EXACT, "/a");

    route->match.headers = headers;
    route->match.header_count = 2;
    add(&setup, LK_PATH_MATCH_EXACT, "/unrelated");
    add(&setup, LK_PATH_MATCH_REGEX, "/b");
    add(&setup, LK_PATH_MATCH_PREFIX, "/a")->match.grpc_only = true;
    add(&setup, LK_PATH_MATCH_PREFIX, "/");
    request(&setup, "host", "/a");
    struct lk_route_query query = {.headers = &setup.headers};

    LK_CHECK_EQ_PTR(lk_route_match(setup.table, &query, &recording.trace), &setup.routes[4]);
    LK_CHECK_EQ_PTR(recording.host, setup.host);
    snprintf(expected, sizeof(expected), "/a:%d:1 /b:%d:0 /a:%d:0 /:%d:0 ", LK_ROUTE_FELL_HEADER, LK_ROUTE_FELL_REGEX,
             LK_ROUTE_FELL_GRPC, LK_ROUTE_TAKEN);
    LK_CHECK_STR(recording.text, expected);
    finish(&setup);
}

static bool path_holds(const struct lk_route_match *match, struct lk_str path)
{
    struct lk_str rest;

    if (match->kind == LK_PATH_MATCH_REGEX)
        return lk_regex_full_match(match->regex, path);
    if (!(match->case_sensitive ? lk_str_has_prefix(path, match->path) : lk_str_has_iprefix(path, match->path)))
        return false;
    rest = lk_str_drop(path, match->path.len);
    if (match->kind == LK_PATH_MATCH_EXACT)
        return rest.len == 0;
    return match->kind == LK_PATH_MATCH_PREFIX || rest.len == 0 || rest.ptr[0] == '/';
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

/* Random paths over a tiny alphabet, so that many routes nest and coincide. */
static void random_path(unsigned *seed, char *out, size_t max)
{
    static const char alphabet[] = "/aAb";
    size_t len = 1 + next_random(seed) % max;

    out[0] = '/';
    for (size_t i = 1; i < len; i++)
        out[i] = alphabet[next_random(seed) % 4];
    out[len] = 0;
}

LK_TEST(route_match, agrees_with_trying_every_route_in_order)
{
    static char paths[ROUTES_MAX][40];
    struct setup setup;
    unsigned seed = 42;

    begin(&setup);
    for (size_t i = 0; i < ROUTES_MAX; i++) {
        unsigned kind = next_random(&seed) % 16;
        struct lk_route *route;

        random_path(&seed, paths[i], 30);
        route = add(&setup, kind == 0 ? LK_PATH_MATCH_REGEX : (enum lk_path_match_kind)(kind % 3), paths[i]);
        route->match.case_sensitive = next_random(&seed) % 3 != 0;
        route->match.grpc_only = next_random(&seed) % 2 == 0; /* never holds */
    }
    for (int i = 0; i < 3000; i++) {
        char path[48];
        int expected = -1;

        random_path(&seed, path, 40);
        for (size_t j = 0; j < ROUTES_MAX && expected < 0; j++)
            if (!setup.routes[j].match.grpc_only && path_holds(&setup.routes[j].match, lk_str_from(path)))
                expected = (int)j;
        LK_CHECK_EQ_INT(index_of(&setup, path), expected);
    }
    finish(&setup);
}
