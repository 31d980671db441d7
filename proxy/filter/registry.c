/* Look-up of filter descriptors. Configuration time only. */
#include "proxy/filter/registry.h"

#include "proxy/filter/format_eval.h"
#include "proxy/filter/tracing.h"

static bool is(const char *own_name, const char *own_type, struct lk_str name, struct lk_str type)
{
    return type.len > 0 ? lk_str_eq(type, lk_str_from(own_type)) : lk_str_eq(name, lk_str_from(own_name));
}

const struct lk_listener_filter *lk_registry_listener(const struct lk_registry *registry, const struct lk_str name,
                                                      struct lk_str type)
{
    for (const struct lk_listener_filter *const *f = registry->listener_filters; *f != NULL; f++) {
        if (is((*f)->name, (*f)->type, name, type))
            return *f;
    }
    return NULL;
}

const struct lk_network_filter *lk_registry_network(const struct lk_registry *registry, const struct lk_str name,
                                                    struct lk_str type)
{
    for (const struct lk_network_filter *const *f = registry->network_filters; *f != NULL; f++) {
        if (is((*f)->name, (*f)->type, name, type))
            return *f;
    }
    return NULL;
}

const struct lk_http_filter *lk_registry_http(const struct lk_registry *registry, const struct lk_str name,
                                              struct lk_str type)
{
    for (const struct lk_http_filter *const *f = registry->http_filters; *f != NULL; f++) {
        if (is((*f)->name, (*f)->type, name, type))
            return *f;
    }
    return NULL;
}

const struct lk_access_logger *lk_registry_access_logger(const struct lk_registry *registry, const struct lk_str name,
                                                         struct lk_str type)
{
    for (const struct lk_access_logger *const *f = registry->access_loggers; *f != NULL; f++) {
        if (is((*f)->name, (*f)->type, name, type))
            return *f;
    }
    return NULL;
}

const struct lk_tracer *lk_registry_tracer(const struct lk_registry *registry, const struct lk_str name,
                                           struct lk_str type)
{
    for (const struct lk_tracer *const *t = registry->tracers; *t != NULL; t++) {
        if (is((*t)->name, (*t)->type, name, type))
            return *t;
    }
    return NULL;
}

void lk_registry_register_operators(const struct lk_registry *registry)
{
    for (const struct lk_http_filter *const *filter = registry->http_filters; *filter != NULL; filter++) {
        for (const struct lk_log_operator *op = (*filter)->log_operators; op != NULL && op->name != NULL; op++)
            lk_format_register(op->name, op->value);
        for (const struct lk_log_operator *op = (*filter)->span_tags; op != NULL && op->name != NULL; op++)
            lk_trace_register_tag(op->name, op->value);
    }
}
