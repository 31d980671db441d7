/* The contract of access loggers: told once at the end of each stream or TCP session. */
#pragma once

#include "proxy/config/access_log_config.h"
#include "proxy/filter/filter_context.h"
#include "proxy/filter/stream_info.h"
#include "proxy/http/headers.h"

struct lk_log_event {
    const struct lk_stream_info *info;
    const struct lk_headers *request;  /* NULL for TCP */
    const struct lk_headers *response; /* NULL: none was sent */
    const struct lk_headers *trailers; /* NULL: none */
    struct lk_arena *arena;            /* scratch for formatting */
    struct lk_loop *loop;
    const char *type; /* %ACCESS_LOG_TYPE%: "DownstreamEnd", "TcpConnectionEnd" */
};

struct lk_access_logger {
    const char *name; /* "envoy.access_loggers.file" */
    const char *type;
    const void *(*config_new)(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors);
    void (*log)(const void *config, const struct lk_log_event *event);
};

/* Instantiates every entry of a list (main thread); appends to errors with field path `access_log[i]`. The result is a
 * copy in context->arena. */
const struct lk_access_log_config *lk_access_logs_build(struct lk_filter_context *context,
                                                        const struct lk_access_log_config *logs, size_t count,
                                                        struct lk_errors *errors);
/* Runs filters and loggers. */
void lk_access_logs_write(const struct lk_access_log_config *logs, size_t count, const struct lk_log_event *event);
