/*
 * From a record to the bytes of a log line by a pattern (see lk_log_set_format). Private to the log.
 * Any thread; allocates nothing.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/log.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_log_record {
    struct lk_log_place place;
    enum lk_log_component component;
    enum lk_log_level level;
    int64_t wall_us;
    struct lk_str text;
    bool text_cut; /* the text was longer than the caller could hold */
};

/* Whether every flag of the pattern is known; the error names the one that is not. */
bool lk_log_format_check(const char *format, struct lk_error *error) LK_MUST_CHECK;
/* Writes at most LK_LOG_LINE_MAX bytes, the line feed included, and returns their number. */
size_t lk_log_format_line(const char *format, const struct lk_log_record *record, char out[LK_LOG_LINE_MAX]);
