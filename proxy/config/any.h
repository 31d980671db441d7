/* A typed message that nobody has decoded yet: google.protobuf.Any. The bytes live in the configuration's arena. */
#pragma once

#include "proxy/base/str.h"

struct lk_any {
    struct lk_str type; /* full message name, without the "type.googleapis.com/" prefix */
    struct lk_str value;
};

/* A named extension: {name, typed_config}. */
struct lk_extension {
    struct lk_str name;
    struct lk_any config;
};
