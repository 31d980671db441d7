/* Questions that the lane filter's configuration answers by itself. Pure; any thread. */
#include "proxy/config/lane_filter_config.h"

bool lk_lane_pattern_parse(struct lk_str text, struct lk_lane_pattern *out)
{
    size_t star = lk_str_find_byte(text, '*');

    *out = (struct lk_lane_pattern){.exact = star == text.len, .prefix = lk_str(text.ptr, star)};
    if (!out->exact)
        out->suffix = lk_str_drop(text, star + 1);
    return text.len > 0 && lk_str_find_byte(out->suffix, '*') == out->suffix.len;
}

bool lk_lane_pattern_match(const struct lk_lane_pattern *pattern, struct lk_str text)
{
    if (pattern->exact)
        return lk_str_eq(pattern->prefix, text);
    return text.len >= pattern->prefix.len + pattern->suffix.len && lk_str_has_prefix(text, pattern->prefix) &&
           lk_str_has_suffix(text, pattern->suffix);
}

bool lk_lane_patterns_match(const struct lk_lane_patterns *patterns, struct lk_str text)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (lk_lane_pattern_match(&patterns->items[i], text))
            return true;
    return false;
}
