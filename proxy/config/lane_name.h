/*
 * Names of lanes: `[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?`, so that one is a Kubernetes label value, a baggage value and a
 * tracestate value as it stands. "base" is what carries no mark and names no lane. What begins with "shadow-" is
 * pressure-test traffic, known as such by its name alone: a proxy that has not seen the table yet fails closed.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>

#define LK_LANE_NAME_MAX 63u
#define LK_LANE_BASE "base"

/* The grammar; "base" is well-formed. */
bool lk_lane_name_valid(struct lk_str name);
bool lk_lane_name_is_base(struct lk_str name);
bool lk_lane_name_is_shadow(struct lk_str name);
