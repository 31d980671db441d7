/* Type URL or name -> descriptor. Filled once by main from filters/filter_table.c; read-only afterwards. */
#pragma once

#include "proxy/filter/access_logger.h"
#include "proxy/filter/http_filter.h"
#include "proxy/filter/listener_filter.h"
#include "proxy/filter/network_filter.h"
#include "proxy/filter/tracer.h"

struct lk_registry { /* NULL-terminated arrays */
    const struct lk_listener_filter *const *listener_filters;
    const struct lk_network_filter *const *network_filters;
    const struct lk_http_filter *const *http_filters;
    const struct lk_access_logger *const *access_loggers;
    const struct lk_tracer *const *tracers;
};

/* By type; an empty type (old style configuration without typed_config) is looked up by name. NULL: not built. */
const struct lk_listener_filter *lk_registry_listener(const struct lk_registry *registry, const struct lk_str name,
                                                      struct lk_str type);
const struct lk_network_filter *lk_registry_network(const struct lk_registry *registry, const struct lk_str name,
                                                    struct lk_str type);
const struct lk_http_filter *lk_registry_http(const struct lk_registry *registry, const struct lk_str name,
                                              struct lk_str type);
const struct lk_access_logger *lk_registry_access_logger(const struct lk_registry *registry, const struct lk_str name,
                                                         struct lk_str type);
const struct lk_tracer *lk_registry_tracer(const struct lk_registry *registry, const struct lk_str name,
                                           struct lk_str type);
/* Makes the log operators of all filters known to lk_format_compile and their span tags to tracing; once, before
 * configuration is loaded. */
void lk_registry_register_operators(const struct lk_registry *registry);
