/* Cluster choice, rewriting and redirects, as Envoy does them. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/runtime.h"
#include "proxy/router/route_action.h"

static struct lk_arena *arena;
static struct lk_headers headers;

static void begin(const char *scheme, const char *authority, const char *path)
{
    arena = lk_arena_new();
    lk_headers_init(&headers, arena);
    lk_headers_add(&headers, LK_HEADER_SCHEME, lk_str_from(scheme));
    lk_headers_add(&headers, LK_HEADER_AUTHORITY, lk_str_from(authority));
    lk_headers_add(&headers, LK_HEADER_PATH, lk_str_from(path));
    lk_headers_add(&headers, LK_HEADER_X_FORWARDED_PROTO, lk_str_from(scheme));
}

static void end(void)
{
    lk_arena_free(arena);
}

static void header(const char *name, const char *value)
{
    struct lk_str key = lk_str_from(name);

    lk_headers_add_raw(&headers, lk_header_id_of(key), key, lk_str_from(value));
}

static const struct lk_regex *regex(const char *pattern)
{
    struct lk_error error;
    const struct lk_regex *out = lk_regex_compile(arena, lk_str_from(pattern), &error);

    LK_CHECK_MSG(out != NULL, "%s", error.text);
    return out;
}

LK_TEST(route_action, takes_a_cluster_by_name_or_by_header)
{
    struct lk_route_action action = {.cluster = LK_STR("c")};

    begin("http", "h", "/");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 1).cluster, "c");
    action.specifier = LK_CLUSTER_BY_HEADER;
    action.cluster = LK_STR("x-cluster");
    LK_CHECK_EQ_UINT(lk_route_choose_cluster(&action, &headers, 1).cluster.len, 0);
    header("X-Cluster", "from-header");
    header("x-cluster", "second");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 1).cluster, "from-header");
    end();
}

static struct lk_weighted_cluster weighted[] = {
    {.cluster = LK_STR_INIT("a"), .weight = 10},
    {.cluster = LK_STR_INIT("zero"), .weight = 0},
    {.cluster = LK_STR_INIT("b"), .weight = 90},
};

LK_TEST(route_action, splits_by_weight)
{
    struct lk_route_action action = {
        .specifier = LK_CLUSTER_WEIGHTED, .weighted = weighted, .weighted_count = 3, .total_weight = 100};
    unsigned first = 0;

    begin("http", "h", "/");
    for (uint64_t random = 0; random < 1000; random++) {
        struct lk_cluster_choice choice = lk_route_choose_cluster(&action, &headers, random);

        first += lk_str_eq(choice.cluster, LK_STR("a"));
        LK_CHECK(choice.weighted != &weighted[1]);
    }
    LK_CHECK_EQ_UINT(first, 100);
    end();
}

LK_TEST(route_action, takes_the_random_number_from_a_header)
{
    struct lk_route_action action = {.specifier = LK_CLUSTER_WEIGHTED,
                                     .weighted = weighted,
                                     .weighted_count = 3,
                                     .total_weight = 100,
                                     .weight_header = LK_STR("x-random")};

    begin("http", "h", "/");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 50).cluster, "b");
    header("x-random", "109");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 50).cluster, "a");
    header("x-random", "1");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 50).cluster, "b");
    end();
}

LK_TEST(route_action, takes_weights_from_the_runtime)
{
    struct lk_weighted_cluster own[] = {
        {.cluster = LK_STR("a"), .weight = 100, .runtime_key = LK_STR("w.a")},
        {.cluster_header = LK_STR("x-b"), .weight = 0, .runtime_key = LK_STR("w.b")},
    };
    struct lk_route_action action = {
        .specifier = LK_CLUSTER_WEIGHTED, .weighted = own, .weighted_count = 2, .total_weight = 100};
    struct lk_runtime *runtime = lk_runtime_new();

    begin("http", "h", "/");
    header("x-b", "named-b");
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 7).cluster, "a");
    lk_runtime_set(runtime, LK_STR("w.a"), LK_STR("0"));
    lk_runtime_set(runtime, LK_STR("w.b"), LK_STR("5"));
    lk_runtime_install(runtime);
    LK_CHECK_LKSTR(lk_route_choose_cluster(&action, &headers, 7).cluster, "named-b");
    lk_runtime_install(NULL);
    lk_runtime_free(runtime);
    end();
}

static void rewrites(enum lk_path_match_kind kind, const char *match, const char *prefix, const char *path,
                     const char *expected)
{
    struct lk_route route = {.match = {.kind = kind, .path = lk_str_from(match)},
                             .action = {.prefix_rewrite = lk_str_from(prefix)}};

    LK_CHECK_LKSTR(lk_route_rewrite_path(&route, arena, lk_str_from(path)), expected);
}

LK_TEST(route_action, rewrites_the_matched_part_and_keeps_the_query)
{
    begin("http", "h", "/");
    rewrites(LK_PATH_MATCH_PREFIX, "/old", "/new", "/old/x?q=1", "/new/x?q=1");
    rewrites(LK_PATH_MATCH_PREFIX, "/", "/new/", "/x", "/new/x");
    rewrites(LK_PATH_MATCH_EXACT, "/old", "/new", "/old?q=1", "/new?q=1");
    rewrites(LK_PATH_MATCH_SEPARATED_PREFIX, "/old", "/new", "/old/x", "/new/x");
    rewrites(LK_PATH_MATCH_REGEX, "", "/new", "/any/thing?q=1#f", "/new?q=1#f");
    end();
}

LK_TEST(route_action, rewrites_the_path_by_regex_without_the_query)
{
    struct lk_route route = {.match = {.kind = LK_PATH_MATCH_PREFIX, .path = LK_STR("/")}};

    begin("http", "h", "/");
    route.action.regex_rewrite.regex = regex("^/service/([^/]+)(/.*)$");
    route.action.regex_rewrite.substitution = LK_STR("\\2/i/\\1");
    LK_CHECK_LKSTR(lk_route_rewrite_path(&route, arena, LK_STR("/service/foo/v1?a=/service/b/c")),
                   "/v1/i/foo?a=/service/b/c");
    route.action.regex_rewrite.regex = NULL;
    LK_CHECK_NULL(lk_route_rewrite_path(&route, arena, LK_STR("/a")).ptr);
    end();
}

LK_TEST(route_action, rewrites_the_host_by_literal_header_or_path)
{
    struct lk_route_action action = {0};
    struct lk_weighted_cluster own = {.host_rewrite_literal = LK_STR("weighted")};

    begin("http", "h", "/sub.example/rest?x=1");
    LK_CHECK_NULL(lk_route_rewrite_host(&action, NULL, &headers, arena).ptr);
    LK_CHECK_LKSTR(lk_route_rewrite_host(&action, &own, &headers, arena), "weighted");
    action.host_rewrite_path_regex.regex = regex("^/(.+)/.+$");
    action.host_rewrite_path_regex.substitution = LK_STR("\\1");
    LK_CHECK_LKSTR(lk_route_rewrite_host(&action, &own, &headers, arena), "sub.example");
    action.host_rewrite_header = LK_STR("x-host");
    LK_CHECK_LKSTR(lk_route_rewrite_host(&action, &own, &headers, arena), "weighted");
    header("x-host", "by-header");
    LK_CHECK_LKSTR(lk_route_rewrite_host(&action, &own, &headers, arena), "by-header");
    action.host_rewrite_literal = LK_STR("literal");
    LK_CHECK_LKSTR(lk_route_rewrite_host(&action, &own, &headers, arena), "literal");
    end();
}

static struct lk_route redirect(void)
{
    return (struct lk_route){.kind = LK_ROUTE_REDIRECT, .match = {.kind = LK_PATH_MATCH_PREFIX, .path = LK_STR("/a")}};
}

static void location(const struct lk_route *route, const char *expected)
{
    LK_CHECK_LKSTR(lk_route_redirect_location(route, &headers, arena), expected);
}

LK_TEST(route_action, redirects_host_path_and_query)
{
    struct lk_route route = redirect();

    begin("http", "example.com:8080", "/a/b?q=1");
    route.redirect.host = LK_STR("new.com");
    location(&route, "http://new.com/a/b?q=1");
    route.redirect.path = LK_STR("/path");
    location(&route, "http://new.com/path?q=1");
    route.redirect.path = LK_STR("/path?own=1");
    route.redirect.strip_query = true;
    location(&route, "http://new.com/path?own=1");
    route.redirect.path = LK_STR("noslash");
    location(&route, "http://new.com/noslash");
    route.redirect.path.len = 0;
    route.redirect.prefix_rewrite = LK_STR("/z");
    location(&route, "http://new.com/z/b");
    route.redirect.strip_query = false;
    route.redirect.prefix_rewrite.len = 0;
    route.redirect.regex_rewrite.regex = regex("/a/(.)");
    route.redirect.regex_rewrite.substitution = LK_STR("/\\1");
    location(&route, "http://new.com/b?q=1");
    end();
}

LK_TEST(route_action, changes_scheme_and_port)
{
    struct lk_route route = redirect();

    begin("http", "example.com:80", "/a");
    route.redirect.scheme = LK_STR("https");
    location(&route, "https://example.com/a");
    route.redirect.port = 8443;
    location(&route, "https://example.com:8443/a");
    end();
    begin("http", "example.com:8080", "/a");
    route.redirect.port = 0;
    location(&route, "https://example.com:8080/a");
    route.redirect.scheme.len = 0;
    route.redirect.port = 81;
    location(&route, "http://example.com:81/a");
    end();
    begin("https", "[::1]:443", "/a");
    route.redirect.port = 0;
    location(&route, "https://[::1]:443/a");
    route.redirect.scheme = LK_STR("http");
    location(&route, "http://[::1]/a");
    end();
}

LK_TEST(route_action, keeps_the_port_when_a_virtual_host_requires_tls)
{
    struct lk_route route = {.kind = LK_ROUTE_REDIRECT};

    begin("http", "example.com:80", "/a?b");
    route.redirect.require_tls = true;
    route.redirect.scheme = LK_STR("https");
    location(&route, "https://example.com:80/a?b");
    end();
}
