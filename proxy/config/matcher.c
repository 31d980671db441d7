/* String and value matchers: pure, any thread. Used by routes, access-log filters and everything that looks at headers.
 */
#include "proxy/config/matcher.h"

#include "proxy/base/mem.h"

/* Whether lowered `value` holds the lower-case needle. */
static bool contains_ignoring_case(struct lk_str value, struct lk_str needle)
{
    for (size_t at = 0; at + needle.len <= value.len; at++)
        if (lk_str_ieq(lk_str(value.ptr + at, needle.len), needle))
            return true;
    return false;
}

static bool match_ignoring_case(const struct lk_string_matcher *matcher, struct lk_str value)
{
    switch (matcher->kind) {
    case LK_STRING_EXACT:
        return lk_str_ieq(value, matcher->text);
    case LK_STRING_PREFIX:
        return lk_str_has_iprefix(value, matcher->text);
    case LK_STRING_SUFFIX:
        return lk_str_has_isuffix(value, matcher->text);
    case LK_STRING_CONTAINS:
        return contains_ignoring_case(value, matcher->text);
    case LK_STRING_REGEX:
        break;
    }
    return lk_regex_full_match(matcher->regex, value);
}

bool lk_string_matcher_match(const struct lk_string_matcher *matcher, struct lk_str value)
{
    if (matcher->ignore_case)
        return match_ignoring_case(matcher, value);
    switch (matcher->kind) {
    case LK_STRING_EXACT:
        return lk_str_eq(value, matcher->text);
    case LK_STRING_PREFIX:
        return lk_str_has_prefix(value, matcher->text);
    case LK_STRING_SUFFIX:
        return lk_str_has_suffix(value, matcher->text);
    case LK_STRING_CONTAINS:
        return lk_str_find(value, matcher->text) <= value.len;
    case LK_STRING_REGEX:
        break;
    }
    return lk_regex_full_match(matcher->regex, value);
}

struct lk_str lk_string_matcher_describe(const struct lk_string_matcher *matcher, struct lk_arena *arena)
{
    static const char *const names[] = {
        [LK_STRING_EXACT] = "exact",       [LK_STRING_PREFIX] = "prefix",    [LK_STRING_SUFFIX] = "suffix",
        [LK_STRING_CONTAINS] = "contains", [LK_STRING_REGEX] = "safe_regex",
    };

    return lk_arena_printf(arena, "%s: %.*s%s", names[matcher->kind], LK_STR_ARG(matcher->text),
                           matcher->ignore_case ? " (any case)" : "");
}

static bool in_range(const struct lk_value_matcher *matcher, struct lk_str value)
{
    int64_t number;

    return lk_str_to_i64(lk_str_trim(value), &number) && number >= matcher->range_start && number < matcher->range_end;
}

/* A missing value never satisfies a condition on the value, inverted or not, unless it counts as empty. */
bool lk_value_matcher_match(const struct lk_value_matcher *matcher, bool present, struct lk_str value)
{
    bool hit;

    if (matcher->kind == LK_VALUE_PRESENT || matcher->kind == LK_VALUE_ABSENT)
        return (present == (matcher->kind == LK_VALUE_PRESENT)) != matcher->invert;
    if (!present) {
        if (!matcher->treat_missing_as_empty)
            return false;
        value = (struct lk_str){"", 0};
    }
    hit = matcher->kind == LK_VALUE_RANGE ? in_range(matcher, value) : lk_string_matcher_match(&matcher->string, value);
    return hit != matcher->invert;
}
