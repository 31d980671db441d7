/* RE2's language on PCRE2: what is accepted, what is refused, how it matches, and that a run is bounded. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/matcher.h"

#include <pthread.h>

static bool full(const char *pattern, const char *subject)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, lk_str_from(pattern), &error);

    LK_CHECK_MSG(regex != NULL, "%s", error.text);
    bool hit = lk_regex_full_match(regex, lk_str_from(subject));

    lk_arena_free(arena);
    return hit;
}

static void refused(const char *pattern, const char *reason)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, lk_str_from(pattern), &error);

    LK_CHECK_MSG(regex == NULL, "'%s' was accepted", pattern);
    LK_CHECK_CONTAINS(error.text, reason);
    lk_arena_free(arena);
}

LK_TEST(regex, matches_the_whole_subject)
{
    LK_CHECK(full("/a.*", "/abc"));
    LK_CHECK(!full("/a", "/ab"));
    LK_CHECK(!full("b", "ab"));
    LK_CHECK(full("a|ab", "ab"));
    LK_CHECK(full("", ""));
    LK_CHECK(!full("", "x"));
}

LK_TEST(regex, follows_re2_in_the_fine_points)
{
    LK_CHECK(!full("a.b", "a\nb"));
    LK_CHECK(full("(?s)a.b", "a\nb"));
    LK_CHECK(!full("ab$", "ab\n"));
    LK_CHECK(full("(?i)AbC", "aBc"));
    LK_CHECK(full("a{2,3}", "aaa"));
    LK_CHECK(!full("a{2,3}", "aaaa"));
    LK_CHECK(full("a{,2}", "a{,2}"));
    LK_CHECK(full("x{y}", "x{y}"));
    LK_CHECK(full("[]a]+", "]a]"));
    LK_CHECK(full("[a-]+", "-a"));
    LK_CHECK(full("[[:alpha:]]+", "abc"));
    LK_CHECK(full("[[:^digit:]]+", "abc"));
    LK_CHECK(!full("\\s", "\v"));
    LK_CHECK(full("\\S", "\v"));
    LK_CHECK(full("[^\\S]", " "));
    LK_CHECK(full("\\Qa.b\\E+", "a.bb"));
    LK_CHECK(full("\\x41\\x{42}\\103", "ABC"));
    LK_CHECK(full("(?P<name>a)(?:b)(?<other>c)", "abc"));
    LK_CHECK(full("\\pL\\p{Greek}", "a\xce\xb1"));
    LK_CHECK(full("[^/]+", "\xce\xb1"));
    LK_CHECK(full("a??b", "ab"));
    LK_CHECK(full("(?m)^a$", "a"));
    LK_CHECK(full("^*a$+\\b?", "a"));
    LK_CHECK(full("^{2}a", "a"));
    LK_CHECK(full("a\\_", "a_"));
}

LK_TEST(regex, takes_utf8_characters_and_no_malformed_bytes)
{
    LK_CHECK(full(".", "\xc3\xa9"));
    LK_CHECK(!full("..", "\xc3\xa9"));
    LK_CHECK(full("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9"));
    LK_CHECK(!full(".*", "a\xff"));
    refused("a\xff", "UTF-8");
}

LK_TEST(regex, refuses_what_re2_does_not_know)
{
    refused("(?=a)a", "look-ahead");
    refused("(?!a)b", "look-ahead");
    refused("(?<=a)b", "look-behind");
    refused("(?<!a)b", "look-behind");
    refused("(a)\\1", "back-references");
    refused("a*+", "repetition");
    refused("a++", "repetition");
    refused("a**", "repetition");
    refused("a{2}{3}", "repetition");
    refused("(?>a)", "not part of RE2");
    refused("(?R)", "not part of RE2");
    refused("(?1)", "not part of RE2");
    refused("(?#note)", "not part of RE2");
    refused("(?|a|b)", "not part of RE2");
    refused("(?C1)", "not part of RE2");
    refused("(?(1)a)", "not part of RE2");
    refused("(?P=x)", "not part of RE2");
    refused("(*FAIL)", "no argument");
    refused("\\Ka", "invalid escape");
    refused("\\k<a>", "invalid escape");
    refused("\\g1", "invalid escape");
    refused("\\R", "invalid escape");
    refused("\\C", "not supported");
    refused("[a-\\d]", "invalid escape");
}

LK_TEST(regex, names_the_mistake_in_a_broken_pattern)
{
    refused("(a", "missing )");
    refused("a)", "unexpected )");
    refused("[a", "missing closing ]");
    refused("*a", "no argument");
    refused("a|*", "no argument");
    refused("[z-a]", "range");
    refused("[[:foo:]]", "class name");
    refused("a\\", "trailing backslash");
    refused("a{1001}", "repetition size");
    refused("(a{100}){11}", "repetition size");
    refused("a{3,2}", "repetition size");
    refused("\\pX1{", "invalid");
    refused("(?P<>a)", "named");
    refused("\\x{110000}", "escape");
}

LK_TEST(regex, bounds_a_catastrophic_run_and_counts_it)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, LK_STR("(a|aa|a+)+[xy]"), &error);
    char subject[4096];
    uint64_t before = lk_regex_limit_hits();

    memset(subject, 'a', sizeof(subject));
    LK_CHECK(!lk_regex_full_match(regex, lk_str(subject, sizeof(subject))));
    LK_CHECK_EQ_UINT(lk_regex_limit_hits(), before + 1);
    lk_arena_free(arena);
}

LK_TEST(regex, does_not_hit_the_limit_on_long_honest_subjects)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, LK_STR("/api/.*/items/[0-9]+(/.*)?"), &error);
    size_t len = (size_t)32 * 1024;
    char *subject = lk_malloc(len);

    memset(subject, 'x', len);
    memcpy(subject, "/api/", 5);
    memcpy(subject + len - 9, "/items/42", 9);
    LK_CHECK(lk_regex_full_match(regex, lk_str(subject, len)));
    lk_free(subject);
    lk_arena_free(arena);
}

LK_TEST(regex, lenient_patterns_may_look_ahead_and_are_searched)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile_lenient(arena, LK_STR("(a(?=b))(.)"), &error);
    struct lk_str groups[4];

    LK_CHECK_EQ_UINT(lk_regex_groups(regex, LK_STR("xxabxx"), groups, 4), 3);
    LK_CHECK_LKSTR(groups[0], "ab");
    LK_CHECK_LKSTR(groups[1], "a");
    LK_CHECK_LKSTR(groups[2], "b");
    LK_CHECK(lk_regex_search(regex, LK_STR("ab")));
    LK_CHECK(!lk_regex_search(regex, LK_STR("ac")));
    LK_CHECK_EQ_UINT(lk_regex_groups(regex, LK_STR("none"), groups, 4), 0);
    lk_arena_free(arena);
}

static struct lk_str replaced(struct lk_arena *arena, const char *pattern, const char *subject, const char *with)
{
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, lk_str_from(pattern), &error);

    LK_CHECK_MSG(regex != NULL, "%s", error.text);
    LK_CHECK(lk_regex_check_substitution(regex, lk_str_from(with), &error));
    return lk_regex_replace(regex, arena, lk_str_from(subject), lk_str_from(with));
}

LK_TEST(regex, replaces_every_match)
{
    struct lk_arena *arena = lk_arena_new();

    LK_CHECK_LKSTR(replaced(arena, "^/service/([^/]+)(/.*)$", "/service/foo/v1/api", "\\2/instance/\\1"),
                   "/v1/api/instance/foo");
    LK_CHECK_LKSTR(replaced(arena, "one", "/xxx/one/yyy/one/zzz", "two"), "/xxx/two/yyy/two/zzz");
    LK_CHECK_LKSTR(replaced(arena, "(?i)/xxx/", "/aaa/XxX/bbb", "/yyy/"), "/aaa/yyy/bbb");
    LK_CHECK_LKSTR(replaced(arena, "x*", "abc", "-"), "-a-b-c-");
    LK_CHECK_LKSTR(replaced(arena, "b*", "abc", "-"), "-a-c-");
    LK_CHECK_LKSTR(replaced(arena, "(a)|(b)", "ab", "[\\1|\\2]\\\\"), "[a|]\\[|b]\\");
    LK_CHECK_LKSTR(replaced(arena, "nothing", "/path", "x"), "/path");
    lk_arena_free(arena);
}

LK_TEST(regex, checks_substitutions)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, LK_STR("(a)(b)"), &error);

    LK_CHECK(lk_regex_check_substitution(regex, LK_STR("\\0\\1\\2\\\\"), &error));
    LK_CHECK(!lk_regex_check_substitution(regex, LK_STR("\\3"), &error));
    LK_CHECK(!lk_regex_check_substitution(regex, LK_STR("\\n"), &error));
    LK_CHECK(!lk_regex_check_substitution(regex, LK_STR("a\\"), &error));
    lk_arena_free(arena);
}

static void *search_many(void *arg)
{
    const struct lk_regex *regex = arg;
    size_t hits = 0;

    for (int i = 0; i < 200; i++)
        hits += lk_regex_search(regex, LK_STR("xxabcxx")) && lk_regex_full_match(regex, LK_STR("abc"));
    return hits == 200 ? arg : NULL;
}

LK_TEST(regex, is_shared_by_threads)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_error error;
    struct lk_regex *regex = lk_regex_compile(arena, LK_STR("a(.)c"), &error);
    pthread_t threads[4];

    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++)
        LK_CHECK_EQ_INT(pthread_create(&threads[i], NULL, search_many, regex), 0);
    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++) {
        void *result = NULL;

        pthread_join(threads[i], &result);
        LK_CHECK_EQ_PTR(result, regex);
    }
    lk_arena_free(arena);
}
