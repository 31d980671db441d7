/* The grammar of lane names. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"

LK_TEST(lane_name, takes_label_values_in_lower_case)
{
    static const char *const good[] = {"g", "gray-v2", "dev.p.local", "2024-10", "base", "a--b", "shadow-load"};
    for (size_t i = 0; i < LK_ARRAY_LEN(good); i++)
        LK_CHECK_MSG(lk_lane_name_valid(lk_str_from(good[i])), "%s", good[i]);
    char longest[LK_LANE_NAME_MAX];
    memset(longest, 'a', sizeof(longest));
    LK_CHECK(lk_lane_name_valid(lk_str(longest, sizeof(longest))));
}

LK_TEST(lane_name, refuses_what_a_header_or_label_would_change)
{
    static const char *const bad[] = {"",    "Gray", "gray_v2", "-gray", "gray-", ".a",      "a.",
                                      "a b", "a,b",  "a=b",     "a;b",   "a\tb",  "\xc3\xa4"};
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++)
        LK_CHECK_MSG(!lk_lane_name_valid(lk_str_from(bad[i])), "%s", bad[i]);
    char longer[LK_LANE_NAME_MAX + 1];
    memset(longer, 'a', sizeof(longer));
    LK_CHECK(!lk_lane_name_valid(lk_str(longer, sizeof(longer))));
}

LK_TEST(lane_name, shadow_is_told_by_the_name_alone)
{
    LK_CHECK(lk_lane_name_is_shadow(LK_STR("shadow-load")));
    LK_CHECK(!lk_lane_name_is_shadow(LK_STR("shadow")));
    LK_CHECK(!lk_lane_name_is_shadow(LK_STR("gray-shadow-1")));
    LK_CHECK(lk_lane_name_is_base(LK_STR("base")));
    LK_CHECK(!lk_lane_name_is_base(LK_STR("base-2")));
}
