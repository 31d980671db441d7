/* Paths, queries and authorities. The normalised forms are what Envoy 1.40 made of the same paths. */
#include "proxy/base/mem.h"
#include "proxy/http/path.h"
#include "test/support/lk_test.h"

struct normal {
    const char *path;
    const char *normalized; /* NULL: unchanged, "": rejected */
};

static void check_normal(const struct normal *n, bool normalize, bool merge, enum lk_escaped_slash_action action,
                         enum lk_path_result changed)
{
    struct lk_arena arena;
    lk_arena_init(&arena);
    struct lk_str out = lk_str(NULL, 0);
    enum lk_path_result result = lk_path_normalize(&arena, lk_str_from(n->path), normalize, merge, action, &out);
    if (n->normalized == NULL) {
        LK_CHECK_MSG(result == LK_PATH_OK, "%s became %.*s", n->path, LK_STR_ARG(out));
    } else if (n->normalized[0] == '\0') {
        LK_CHECK_MSG(result == LK_PATH_REJECT, "%s", n->path);
    } else {
        LK_CHECK_MSG(result == changed, "%s: %d", n->path, result);
        LK_CHECK_LKSTR(out, n->normalized);
    }
    lk_arena_reset(&arena);
}

#define CHECK_ALL(table, ...)                                                                                          \
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++)                                                                   \
    check_normal(&(table)[i], __VA_ARGS__)

LK_TEST(path, normalization_removes_dot_segments_and_needless_escapes)
{
    static const struct normal table[] = {
        {"/", NULL},
        {"/a/b", NULL},
        {"/a//b", NULL},
        {"/a/...", NULL},
        {"/a/.b/c./..d", NULL},
        {"/a/./b", "/a/b"},
        {"/a/../b", "/b"},
        {"/../a", "/a"},
        {"/a/..", "/"},
        {"/a/.", "/a/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/a/b/../../..", "/"},
        {"/a//../b", "/a/b"},
        {"//../a", "/a"},
        {"/a///..", "/a//"},
        {"/a/%2e/b", "/a/b"},
        {"/a/%2E%2e/b", "/b"},
        {"/a/.%2e", "/"},
        {"/a/%2e%2e?x=/../", "/?x=/../"},
        {"/%2e%2e%2f%2e%2e", "/..%2f.."},
        {"/a%2Fb", NULL},
        {"/a%5Cb", NULL},
        {"/a\\b", "/a/b"},
        {"/a\\..\\b", "/b"},
        {"/%41%5a%7e%2D%5f", "/AZ~-_"},
        {"/%c3%A9%20%25%3f%23", NULL},
        {"/%", NULL},
        {"/%z", NULL},
        {"/%4", NULL},
        {"/a%zz/../b", "/b"},
        {"/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D"},
        {"/!$&'()*+,-.:;=@[]_~", NULL},
        {"/a\x01\x7f\xe9", "/a%01%7F%E9"},
        {"/a?b/../c", NULL},
        {"/?", NULL},
        {"/%00", ""},
        {"*", NULL},
    };
    CHECK_ALL(table, true, false, LK_SLASH_KEEP, LK_PATH_CHANGED);
}

LK_TEST(path, merging_leaves_single_slashes)
{
    static const struct normal table[] = {
        {"/a/b", NULL},      {"/a//b", "/a/b"},           {"//a", "/a"},
        {"/a/b//", "/a/b/"}, {"/a?b//c", NULL},           {"///", "//"},
        {"/", NULL},         {"/a//b?c//d", "/a/b?c//d"}, {"/a/./b", NULL},
    };
    CHECK_ALL(table, false, true, LK_SLASH_KEEP, LK_PATH_CHANGED);
}

LK_TEST(path, merging_follows_normalization)
{
    static const struct normal table[] = {{"/a//../b", "/a/b"}, {"/a\\\\b", "/a/b"}, {"/a/.//b", "/a/b"}};
    CHECK_ALL(table, true, true, LK_SLASH_KEEP, LK_PATH_CHANGED);
}

LK_TEST(path, escaped_slashes_can_be_unescaped)
{
    static const struct normal forward[] = {
        {"/a%2Fb", "/a/b"}, {"/a%2f%2fb?c%2fd", "/a//b?c%2fd"}, {"/a%5Cb", "/a\\b"}, {"/a%252fb", NULL}, {"/a%2", NULL},
    };
    CHECK_ALL(forward, false, false, LK_SLASH_UNESCAPE_FORWARD, LK_PATH_CHANGED);
    static const struct normal normalized[] = {{"/a%2f..%2fb", "/b"}, {"/%2e%2e%2f%2e%2e", "/"}, {"/a%5c..", "/"}};
    CHECK_ALL(normalized, true, false, LK_SLASH_UNESCAPE_FORWARD, LK_PATH_CHANGED);
}

LK_TEST(path, escaped_slashes_can_redirect)
{
    static const struct normal redirected[] = {{"/a%2Fb", "/a/b"}, {"/a%2F?%2F", "/a/?%2F"}};
    CHECK_ALL(redirected, true, false, LK_SLASH_UNESCAPE_REDIRECT, LK_PATH_REDIRECT);
    static const struct normal unescaped[] = {{"/a/../b", "/b"}, {"/b", NULL}};
    CHECK_ALL(unescaped, true, false, LK_SLASH_UNESCAPE_REDIRECT, LK_PATH_CHANGED);
}

LK_TEST(path, escaped_slashes_can_be_rejected)
{
    static const struct normal table[] = {{"/a%2Fb", ""}, {"/a%5cb", ""}, {"/a?%2f", NULL}, {"/a/b", NULL}};
    CHECK_ALL(table, false, false, LK_SLASH_REJECT, LK_PATH_CHANGED);
}

LK_TEST(path, a_fragment_is_rejected_whatever_the_options)
{
    static const struct normal table[] = {{"/a#b", ""}, {"/#", ""}, {"/a?b#c", ""}};
    CHECK_ALL(table, false, false, LK_SLASH_KEEP, LK_PATH_CHANGED);
    CHECK_ALL(table, true, true, LK_SLASH_KEEP, LK_PATH_CHANGED);
}

LK_TEST(path, without_options_everything_stays)
{
    static const struct normal table[] = {{"/a/../b", NULL}, {"//", NULL}, {"/%2f%00", NULL}, {"", NULL}};
    CHECK_ALL(table, false, false, LK_SLASH_KEEP, LK_PATH_CHANGED);
}

LK_TEST(path, normalizing_twice_changes_nothing_more)
{
    static const char *const paths[] = {"/a/../b/%2e/%41", "/..\\..//x", "/%2e%2e%2f", "/\"%zz%7e"};
    for (size_t i = 0; i < LK_ARRAY_LEN(paths); i++) {
        struct lk_arena arena;
        lk_arena_init(&arena);
        struct lk_str once;
        struct lk_str twice;
        LK_CHECK_EQ_INT(lk_path_normalize(&arena, lk_str_from(paths[i]), true, true, LK_SLASH_KEEP, &once),
                        LK_PATH_CHANGED);
        LK_CHECK_EQ_INT(lk_path_normalize(&arena, once, true, true, LK_SLASH_KEEP, &twice), LK_PATH_OK);
        lk_arena_reset(&arena);
    }
}

LK_TEST(path, splits_into_path_and_query)
{
    static const char *const table[][3] = {{"/a/b?x=1#f", "/a/b", "x=1"}, {"/a", "/a", ""},        {"/a?", "/a", ""},
                                           {"/a#b?c", "/a", ""},          {"/a?b?c", "/a", "b?c"}, {"", "", ""}};
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        LK_CHECK_LKSTR(lk_path_only(lk_str_from(table[i][0])), table[i][1]);
        LK_CHECK_LKSTR(lk_path_query(lk_str_from(table[i][0])), table[i][2]);
    }
}

LK_TEST(path, finds_query_parameters)
{
    struct lk_str query = LK_STR("a=1&b&c=&a=2&=x&d=1=2");
    struct lk_str value;
    LK_CHECK(lk_query_get(query, LK_STR("a"), &value));
    LK_CHECK_LKSTR(value, "1");
    LK_CHECK(lk_query_get(query, LK_STR("b"), &value));
    LK_CHECK_LKSTR(value, "");
    LK_CHECK(lk_query_get(query, LK_STR("c"), &value));
    LK_CHECK_LKSTR(value, "");
    LK_CHECK(lk_query_get(query, LK_STR("d"), &value));
    LK_CHECK_LKSTR(value, "1=2");
    LK_CHECK(!lk_query_get(query, LK_STR("A"), &value));
    LK_CHECK(!lk_query_get(query, LK_STR("x"), &value));
    LK_CHECK(!lk_query_get(LK_STR(""), LK_STR("a"), &value));
    LK_CHECK(!lk_query_get(LK_STR(""), LK_STR(""), &value));
}

LK_TEST(path, splits_host_and_port)
{
    static const char *const table[][3] = {
        {"example.com:8080", "example.com", "8080"},
        {"example.com", "example.com", ""},
        {"[::1]:80", "[::1]", "80"},
        {"[::1]", "[::1]", ""},
        {"a:", "a", ""},
        {":80", "", "80"},
        {"", "", ""},
        {"[::1", "[", ":1"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct lk_str host;
        struct lk_str port;
        lk_host_split(lk_str_from(table[i][0]), &host, &port);
        LK_CHECK_LKSTR(host, table[i][1]);
        LK_CHECK_LKSTR(port, table[i][2]);
    }
}

LK_TEST(path, percent_coding_goes_both_ways)
{
    struct lk_arena arena;
    lk_arena_init(&arena);
    LK_CHECK_LKSTR(lk_percent_decode(&arena, LK_STR("a%20b%2Fc%zz%4")), "a b/c%zz%4");
    LK_CHECK_LKSTR(lk_percent_encode(&arena, LK_STR("a b\n\x7f\xe9%"), NULL), "a b%0A%7F%E9%");
    LK_CHECK_LKSTR(lk_percent_encode(&arena, LK_STR("a b%"), " %"), "a%20b%25");
    LK_CHECK_LKSTR(lk_percent_encode(&arena, LK_STR(""), "x"), "");
    LK_CHECK_EQ_UINT(lk_percent_encode(&arena, lk_str("\0", 1), "x").len, 3);
    lk_arena_reset(&arena);
}
