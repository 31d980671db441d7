/* Query strings of the admin interface. */
#include "proxy/server/admin_query.h"

#include "test/support/lk_test.h"

static struct lk_arena arena;

static struct lk_admin_query parse(const char *target)
{
    struct lk_admin_query query;

    lk_admin_query_parse(&query, &arena, lk_str_from(target));
    return query;
}

static void check_param(const struct lk_admin_query *query, const char *name, const char *value)
{
    const struct lk_admin_param *param = lk_admin_query_find(query, lk_str_from(name));

    LK_CHECK_MSG(param != NULL, "no parameter %s", name);
    LK_CHECK_LKSTR(param->value, value);
}

LK_TEST(admin_query, splits_path_and_parameters)
{
    struct lk_admin_query query = parse("/stats?usedonly&filter=a=b&&format=json&x=");

    LK_CHECK_LKSTR(query.path, "/stats");
    LK_CHECK_EQ_UINT(query.count, 4);
    check_param(&query, "usedonly", "");
    check_param(&query, "filter", "a=b");
    check_param(&query, "format", "json");
    check_param(&query, "x", "");
    LK_CHECK_NULL(lk_admin_query_find(&query, LK_STR("y")));
    lk_arena_reset(&arena);
}

LK_TEST(admin_query, may_be_missing_or_empty)
{
    static const char *const targets[] = {"/ready", "/ready?", "/ready?&", "/ready#a?b=c"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct lk_admin_query query = parse(targets[i]);

        LK_CHECK_LKSTR(query.path, "/ready");
        LK_CHECK_EQ_UINT(query.count, 0);
    }
    LK_CHECK_LKSTR(parse("").path, "");
    lk_arena_reset(&arena);
}

LK_TEST(admin_query, keeps_the_first_of_several)
{
    struct lk_admin_query query = parse("/x?a=1&a=2");

    check_param(&query, "a", "1");
    LK_CHECK_EQ_UINT(query.count, 2);
    lk_arena_reset(&arena);
}

LK_TEST(admin_query, decodes_percent_signs_in_names_and_values_only)
{
    struct lk_admin_query query = parse("/a%2fb?%66ilter=%5e%2Bx%26&raw=^a+\\.b|c&bad=%5&worse=%zz%");

    LK_CHECK_LKSTR(query.path, "/a%2fb");
    check_param(&query, "filter", "^+x&");
    check_param(&query, "raw", "^a+\\.b|c");
    check_param(&query, "bad", "%5");
    check_param(&query, "worse", "%zz%");
    lk_arena_reset(&arena);
}

LK_TEST(admin_query, takes_the_path_of_an_absolute_target)
{
    struct lk_admin_query query = parse("http://localhost:15000/stats?a=http://b/");

    LK_CHECK_LKSTR(query.path, "/stats");
    check_param(&query, "a", "http://b/");
    LK_CHECK_LKSTR(parse("http://localhost").path, "/");
    LK_CHECK_LKSTR(parse("*").path, "*");
    lk_arena_reset(&arena);
}

LK_TEST(admin_query, adds_the_fields_of_a_form)
{
    struct lk_admin_query query = parse("/logging?a=1");

    lk_admin_query_add_form(&query, &arena, LK_STR("level=a+b%2B&c"));
    LK_CHECK_EQ_UINT(query.count, 3);
    check_param(&query, "a", "1");
    check_param(&query, "level", "a b+");
    check_param(&query, "c", "");
    lk_admin_query_add_form(&query, &arena, LK_STR(""));
    LK_CHECK_EQ_UINT(query.count, 3);
    lk_arena_reset(&arena);
}
