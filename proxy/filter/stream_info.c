/* Names of response flags. */
#include "proxy/filter/stream_info.h"

static const struct {
    const char *short_name;
    const char *long_name;
} names[LK_FLAG_COUNT] = {
#define X(id, short_name, long_name) [LK_FLAG_##id] = {short_name, long_name},
    LK_RESPONSE_FLAGS(X)
#undef X
};

const char *lk_response_flag_name(enum lk_response_flag flag, bool long_name)
{
    return long_name ? names[flag].long_name : names[flag].short_name;
}

enum lk_response_flag lk_response_flag_find(struct lk_str short_name)
{
    for (unsigned i = 0; i < LK_FLAG_COUNT; i++) {
        if (lk_str_eq(short_name, lk_str_from(names[i].short_name)))
            return (enum lk_response_flag)i;
    }
    return LK_FLAG_COUNT;
}
