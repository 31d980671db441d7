/* The grammar of lane names. Any thread. */
#include "proxy/config/lane_name.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Between the ends. */
static const bool allowed[256] = {
    ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true, ['g'] = true, ['h'] = true,
    ['i'] = true, ['j'] = true, ['k'] = true, ['l'] = true, ['m'] = true, ['n'] = true, ['o'] = true, ['p'] = true,
    ['q'] = true, ['r'] = true, ['s'] = true, ['t'] = true, ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true,
    ['y'] = true, ['z'] = true, ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true,
    ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true, ['.'] = true, ['-'] = true,
};

bool lk_lane_name_valid(struct lk_str name)
{
    if (name.len == 0 || name.len > LK_LANE_NAME_MAX || !is_alnum(name.ptr[0]) || !is_alnum(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 1; i + 1 < name.len; i++)
        if (!allowed[(unsigned char)name.ptr[i]])
            return false;
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
