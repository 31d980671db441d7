/* The grammar of lane names. Any thread. */
#include "proxy/config/lane_name.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool lk_lane_name_valid(struct lk_str name)
{
    if (name.len == 0 || name.len > LK_LANE_NAME_MAX || !is_alnum(name.ptr[0]) || !is_alnum(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 1; i + 1 < name.len; i++) {
        if (!is_alnum(name.ptr[i]) && name.ptr[i] != '.' && name.ptr[i] != '-')
            return false;
    }
    return true;
}

bool lk_lane_name_is_base(struct lk_str name)
{
    return lk_str_eq(name, LK_STR(LK_LANE_BASE));
}

bool lk_lane_name_is_shadow(struct lk_str name)
{
    return lk_str_has_prefix(name, LK_STR("shadow-"));
}
