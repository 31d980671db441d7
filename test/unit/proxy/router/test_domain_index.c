/* Which domain serves a host. */
#include "test/support/lk_test.h"

#include "proxy/router/domain_index.h"

#include <stdio.h>

static struct lk_domain_index domains;
static struct lk_arena *arena;

static void fill(const char *const *names)
{
    struct lk_error error;

    arena = lk_arena_new();
    lk_domain_index_init(&domains);
    for (; *names != NULL; names++)
        LK_CHECK(lk_domain_index_add(&domains, arena, lk_str_from(*names), (void *)*names, &error));
}

static const char *find(const char *host)
{
    return lk_domain_index_find(&domains, arena, lk_str_from(host), NULL);
}

static void drop(void)
{
    lk_domain_index_fini(&domains);
    lk_arena_free(arena);
}

LK_TEST(domain_index, prefers_exact_then_suffix_then_prefix_then_any)
{
    static const char *const names[] = {"*",           "foo.*",     "*.com",     "*.bar.com", "*-x.bar.com",
                                        "foo.bar.com", "Upper.org", "foo.bar.*", NULL};

    fill(names);
    LK_CHECK_STR(find("foo.bar.com"), "foo.bar.com");
    LK_CHECK_STR(find("FOO.bar.COM"), "foo.bar.com");
    LK_CHECK_STR(find("a.bar.com"), "*.bar.com");
    LK_CHECK_STR(find("a-x.bar.com"), "*-x.bar.com");
    LK_CHECK_STR(find("a.com"), "*.com");
    LK_CHECK_STR(find("foo.com"), "*.com");
    LK_CHECK_STR(find("foo.bar.net"), "foo.bar.*");
    LK_CHECK_STR(find("foo.net"), "foo.*");
    LK_CHECK_STR(find("upper.org"), "Upper.org");
    LK_CHECK_STR(find("else"), "*");
    LK_CHECK_STR(find(""), "*");
    drop();
}

LK_TEST(domain_index, wildcards_stand_for_at_least_one_byte)
{
    static const char *const names[] = {"*.bar.com", "foo.*", NULL};

    fill(names);
    LK_CHECK_NULL(find(".bar.com"));
    LK_CHECK_NULL(find("bar.com"));
    LK_CHECK_NULL(find("foo."));
    LK_CHECK_STR(find("foo.x"), "foo.*");
    drop();
}

LK_TEST(domain_index, takes_hosts_of_any_length)
{
    static const char *const names[] = {"*.bar.com", NULL};
    char host[4096];

    fill(names);
    memset(host, 'A', sizeof(host));
    memcpy(host + sizeof(host) - 9, ".bar.com", 9);
    LK_CHECK_STR(find(host), "*.bar.com");
    drop();
}

LK_TEST(domain_index, refuses_duplicates_in_any_case)
{
    static const char *const names[] = {"a.com", "*.b", "c.*", "*", NULL};
    static const char *const again[] = {"A.com", "*.B", "C.*", "*"};
    struct lk_error error;

    fill(names);
    for (size_t i = 0; i < 4; i++) {
        LK_CHECK(!lk_domain_index_add(&domains, arena, lk_str_from(again[i]), arena, &error));
        LK_CHECK_CONTAINS(error.text, "twice");
    }
    drop();
}

LK_TEST(domain_index, knows_when_only_the_catch_all_exists)
{
    static const char *const any[] = {"*", NULL};
    static const char *const more[] = {"*", "a", NULL};

    fill(any);
    LK_CHECK(lk_domain_index_only_any(&domains));
    drop();
    fill(more);
    LK_CHECK(!lk_domain_index_only_any(&domains));
    drop();
}

struct told {
    struct lk_domain_trace base;
    char text[512];
};

static void on_domain(struct lk_domain_trace *base, enum lk_domain_kind kind, struct lk_str domain, void *value)
{
    struct told *told = (struct told *)(void *)base;
    size_t len = strlen(told->text);

    snprintf(told->text + len, sizeof(told->text) - len, "%d:%.*s:%s ", (int)kind, LK_STR_ARG(domain),
             value != NULL ? (const char *)value : "-");
}

static const char *trace(struct told *told, const char *host)
{
    *told = (struct told){.base = {on_domain}};
    lk_domain_index_find(&domains, arena, lk_str_from(host), &told->base);
    return told->text;
}

LK_TEST(domain_index, tells_a_recorder_every_kind_and_each_domain_that_fits)
{
    static const char *const names[] = {"*", "foo.*", "foo.bar.*", "*.com", "*.bar.com", "www.bar.com", NULL};
    struct told told;

    fill(names);
    LK_CHECK_STR(trace(&told, "WWW.bar.com"), "0:www.bar.com:www.bar.com ");
    LK_CHECK_STR(trace(&told, "a.bar.com"), "0::- 1:.com:*.com 1:.bar.com:*.bar.com ");
    LK_CHECK_STR(trace(&told, "foo.bar.net"), "0::- 1::- 2:foo.:foo.* 2:foo.bar.:foo.bar.* ");
    LK_CHECK_STR(trace(&told, "else"), "0::- 1::- 2::- 3::* ");
    drop();
}
