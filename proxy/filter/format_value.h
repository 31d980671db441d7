/* The value of one format operator on a stream. Internal to the evaluator. */
#pragma once

#include "proxy/config/format.h"
#include "proxy/filter/access_logger.h"

#define LK_FORMAT_SCRATCH 160

struct lk_format_value {
    struct lk_str text; /* ptr NULL: absent */
    bool number;        /* printed without quotes in JSON */
};

/* scratch holds short computed values; longer ones go to event->arena. */
struct lk_format_value lk_format_value_of(const struct lk_format_part *part, const struct lk_log_event *event,
                                          char scratch[LK_FORMAT_SCRATCH]);
/* format_time.c: a wall time by Envoy's START_TIME format (strftime plus %f, %1f..%9f, %s); empty: ISO 8601 with
 * milliseconds. */
struct lk_str lk_format_time(struct lk_str format, int64_t wall_us, bool local, const struct lk_log_event *event,
                             char scratch[LK_FORMAT_SCRATCH]);
/* format_duration.c: DURATION and its kin, milliseconds unless COMMON_DURATION says otherwise; false: not known. */
bool lk_format_duration(const struct lk_format_part *part, const struct lk_log_event *event, uint64_t *value);
