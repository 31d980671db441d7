/* To whom copies of a request go, as plain immutable data. */
#pragma once

#include "proxy/config/matcher.h"

#include <stdbool.h>
#include <stddef.h>

enum lk_mirror_sampling { LK_MIRROR_SAMPLED_AS_REQUEST, LK_MIRROR_SAMPLED, LK_MIRROR_NOT_SAMPLED };
/* envoy.config.route.v3.RouteAction.RequestMirrorPolicy */
struct lk_mirror_policy {
    struct lk_str cluster;
    struct lk_str cluster_header; /* lower case; names the cluster when not empty */
    struct lk_fraction fraction;
    enum lk_mirror_sampling sampled;
    bool keep_host; /* without "-shadow" behind it */
};
struct lk_mirror_policies {
    const struct lk_mirror_policy *items;
    size_t count;
};
