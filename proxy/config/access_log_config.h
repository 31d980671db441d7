/* Access log entries: {name, filter, typed_config}, envoy.config.accesslog.v3. */
#pragma once

#include "proxy/config/any.h"
#include "proxy/config/route_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_log_filter_kind {
    LK_LOG_FILTER_STATUS,
    LK_LOG_FILTER_DURATION,
    LK_LOG_FILTER_NOT_HEALTH_CHECK,
    LK_LOG_FILTER_TRACEABLE,
    LK_LOG_FILTER_RUNTIME,
    LK_LOG_FILTER_AND,
    LK_LOG_FILTER_OR,
    LK_LOG_FILTER_HEADER,
    LK_LOG_FILTER_RESPONSE_FLAG,
};
enum lk_compare_op { LK_COMPARE_EQ, LK_COMPARE_GE, LK_COMPARE_LE, LK_COMPARE_NE };

struct lk_log_filter {
    enum lk_log_filter_kind kind;
    enum lk_compare_op op;
    uint32_t value; /* default_value of the RuntimeUInt32 */
    struct lk_str runtime_key;
    struct lk_fraction fraction; /* RUNTIME */
    bool use_independent_randomness;
    const struct lk_header_match *header;
    uint64_t flags; /* RESPONSE_FLAG: bits of enum lk_response_flag; 0: any flag */
    const struct lk_log_filter *children;
    size_t child_count;
};

struct lk_access_log_config {
    struct lk_str name;
    struct lk_any any;
    const struct lk_log_filter *filter; /* NULL: always */
    const void *config;                 /* instantiated by the logger's descriptor */
    const void *logger;                 /* its struct lk_access_logger */
};
