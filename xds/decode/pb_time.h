/* Duration and Timestamp between their JSON text and their two numbers. Pure functions. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LK_PB_DURATION_MAX INT64_C(315576000000) /* seconds, of either sign */

/* "1.5s": seconds with at most nine decimals and an s. */
bool lk_pb_duration_parse(struct lk_str text, int64_t *seconds, int32_t *nanos);
/* With 0, 3, 6 or 9 decimals. */
struct lk_str lk_pb_duration_print(struct lk_arena *arena, int64_t seconds, int32_t nanos);

/* RFC 3339, with an offset or Z, from year 1 to 9999. */
bool lk_pb_timestamp_parse(struct lk_str text, int64_t *seconds, int32_t *nanos);
/* In UTC, with 0, 3, 6 or 9 decimals. */
struct lk_str lk_pb_timestamp_print(struct lk_arena *arena, int64_t seconds, int32_t nanos);
