/* String matchers, value matchers, retry_on words. */
#include "test/support/lk_test.h"

#include "proxy/config/matcher.h"
#include "proxy/config/route_config.h"

static bool matches(enum lk_string_match_kind kind, bool ignore_case, const char *text, const char *value)
{
    struct lk_string_matcher matcher = {.kind = kind, .ignore_case = ignore_case, .text = lk_str_from(text)};

    return lk_string_matcher_match(&matcher, lk_str_from(value));
}

LK_TEST(matcher, compares_strings_in_every_way)
{
    LK_CHECK(matches(LK_STRING_EXACT, false, "abc", "abc"));
    LK_CHECK(!matches(LK_STRING_EXACT, false, "abc", "ABC"));
    LK_CHECK(matches(LK_STRING_EXACT, true, "abc", "aBC"));
    LK_CHECK(matches(LK_STRING_PREFIX, false, "ab", "abc"));
    LK_CHECK(!matches(LK_STRING_PREFIX, false, "bc", "abc"));
    LK_CHECK(matches(LK_STRING_PREFIX, true, "ab", "ABc"));
    LK_CHECK(matches(LK_STRING_SUFFIX, false, "bc", "abc"));
    LK_CHECK(matches(LK_STRING_SUFFIX, true, "bc", "aBC"));
    LK_CHECK(!matches(LK_STRING_SUFFIX, false, "abcd", "bcd"));
    LK_CHECK(matches(LK_STRING_CONTAINS, false, "b", "abc"));
    LK_CHECK(!matches(LK_STRING_CONTAINS, false, "B", "abc"));
    LK_CHECK(matches(LK_STRING_CONTAINS, true, "bc", "aBCd"));
    LK_CHECK(!matches(LK_STRING_CONTAINS, true, "bd", "aBCd"));
    LK_CHECK(!matches(LK_STRING_CONTAINS, false, "abcd", "abc"));
}

LK_TEST(matcher, describes_itself)
{
    struct lk_arena *arena = lk_arena_new();
    struct lk_string_matcher matcher = {.kind = LK_STRING_PREFIX, .ignore_case = true, .text = LK_STR("abc")};

    LK_CHECK_LKSTR(lk_string_matcher_describe(&matcher, arena), "prefix: abc (any case)");
    lk_arena_free(arena);
}

static bool holds(enum lk_value_match_kind kind, bool invert, bool missing_as_empty, const char *value)
{
    struct lk_value_matcher matcher = {.kind = kind,
                                       .invert = invert,
                                       .treat_missing_as_empty = missing_as_empty,
                                       .string = {.kind = LK_STRING_EXACT, .text = LK_STR("x")},
                                       .range_start = -10,
                                       .range_end = 10};

    return lk_value_matcher_match(&matcher, value != NULL, lk_str_from(value));
}

LK_TEST(matcher, tells_presence)
{
    LK_CHECK(holds(LK_VALUE_PRESENT, false, false, "any"));
    LK_CHECK(!holds(LK_VALUE_PRESENT, false, false, NULL));
    LK_CHECK(holds(LK_VALUE_PRESENT, true, false, NULL));
    LK_CHECK(!holds(LK_VALUE_PRESENT, true, false, "any"));
    LK_CHECK(holds(LK_VALUE_ABSENT, false, false, NULL));
    LK_CHECK(!holds(LK_VALUE_ABSENT, false, false, "any"));
}

LK_TEST(matcher, never_matches_a_missing_value_unless_it_counts_as_empty)
{
    LK_CHECK(holds(LK_VALUE_STRING, false, false, "x"));
    LK_CHECK(!holds(LK_VALUE_STRING, true, false, "x"));
    LK_CHECK(holds(LK_VALUE_STRING, true, false, "y"));
    LK_CHECK(!holds(LK_VALUE_STRING, false, false, NULL));
    LK_CHECK(!holds(LK_VALUE_STRING, true, false, NULL));
    LK_CHECK(holds(LK_VALUE_STRING, true, true, NULL));
    LK_CHECK(!holds(LK_VALUE_STRING, false, true, NULL));
}

LK_TEST(matcher, compares_whole_numbers_with_a_half_open_range)
{
    LK_CHECK(holds(LK_VALUE_RANGE, false, false, "-10"));
    LK_CHECK(holds(LK_VALUE_RANGE, false, false, "9"));
    LK_CHECK(!holds(LK_VALUE_RANGE, false, false, "10"));
    LK_CHECK(!holds(LK_VALUE_RANGE, false, false, "9x"));
    LK_CHECK(!holds(LK_VALUE_RANGE, false, false, ""));
    LK_CHECK(!holds(LK_VALUE_RANGE, false, false, NULL));
    LK_CHECK(holds(LK_VALUE_RANGE, true, false, "11"));
}

LK_TEST(matcher, reads_retry_on_words_and_reports_the_first_unknown_one)
{
    struct lk_str unknown;

    LK_CHECK_EQ_UINT(lk_retry_on_parse(LK_STR("5xx, reset ,unavailable"), &unknown),
                     LK_RETRY_5XX | LK_RETRY_RESET | LK_RETRY_GRPC_UNAVAILABLE);
    LK_CHECK_NULL(unknown.ptr);
    LK_CHECK_EQ_UINT(lk_retry_on_parse(LK_STR("rest-before-request,canceled,gateway-error"), &unknown),
                     LK_RETRY_GATEWAY_ERROR);
    LK_CHECK_LKSTR(unknown, "rest-before-request");
    LK_CHECK_EQ_UINT(lk_retry_on_parse(LK_STR(""), NULL), 0);
    LK_CHECK_EQ_UINT(lk_retry_on_parse((struct lk_str){NULL, 0}, NULL), 0);
}
