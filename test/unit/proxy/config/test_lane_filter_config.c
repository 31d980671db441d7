/* Patterns of the lane filter's configuration. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/lane_filter_config.h"

static bool matches(const char *pattern, const char *text)
{
    struct lk_lane_pattern compiled;

    LK_CHECK_MSG(lk_lane_pattern_parse(lk_str_from(pattern), &compiled), "%s", pattern);
    return lk_lane_pattern_match(&compiled, lk_str_from(text));
}

LK_TEST(lane_filter_config, patterns_hold_one_star)
{
    LK_CHECK(matches("a", "a"));
    LK_CHECK(!matches("a", "ab"));
    LK_CHECK(matches("spiffe://td/*", "spiffe://td/ns/x"));
    LK_CHECK(!matches("spiffe://td/*", "spiffe://other/ns/x"));
    LK_CHECK(matches("*/sa/gw", "spiffe://td/ns/x/sa/gw"));
    LK_CHECK(matches("outbound|*|web", "outbound|80||web"));
    LK_CHECK(!matches("outbound|*|web", "outbound|web"));
    LK_CHECK(!matches("aba*aba", "abaab"));
    LK_CHECK(!matches("aba*aba", "ababa"));
    LK_CHECK(matches("*", ""));
    LK_CHECK(matches("*", "anything"));
}

LK_TEST(lane_filter_config, refuses_other_patterns)
{
    struct lk_lane_pattern compiled;

    LK_CHECK(!lk_lane_pattern_parse(LK_STR(""), &compiled));
    LK_CHECK(!lk_lane_pattern_parse(LK_STR("a*b*"), &compiled));
    LK_CHECK(!lk_lane_pattern_parse(LK_STR("**"), &compiled));
}

LK_TEST(lane_filter_config, any_of_a_list_is_enough)
{
    struct lk_lane_pattern items[2];
    struct lk_lane_patterns patterns = {items, 2};
    struct lk_lane_patterns none = {NULL, 0};

    LK_CHECK(lk_lane_pattern_parse(LK_STR("a"), &items[0]) && lk_lane_pattern_parse(LK_STR("b*"), &items[1]));
    LK_CHECK(lk_lane_patterns_match(&patterns, LK_STR("bc")));
    LK_CHECK(!lk_lane_patterns_match(&patterns, LK_STR("c")));
    LK_CHECK(!lk_lane_patterns_match(&none, LK_STR("a")));
}
