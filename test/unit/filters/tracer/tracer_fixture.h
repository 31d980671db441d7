/* Configurations of tracers from YAML. */
#pragma once

#include "test/unit/filters/typed.h"

static inline const struct lk_trace_provider *tracer_configure(struct typed_test *t, const struct lk_tracer *tracer,
                                                               const char *yaml)
{
    t->any = typed_any(t->context.arena, tracer->type, yaml);
    return tracer->config_new(&t->context, &t->any, &t->errors);
}

/* That spans stay here is said, whatever else is configured. */
static inline void tracer_check_warned(const struct typed_test *t)
{
    bool warned = false;
    for (size_t i = 0; i < t->errors.warning_count; i++)
        warned |= strstr(t->errors.warnings[i].text, "spans are not exported yet") != NULL;
    LK_CHECK(warned);
    LK_CHECK_EQ_UINT(t->errors.count, 0);
}

static inline void tracer_check_bytes_refused(const struct lk_tracer *tracer)
{
    struct typed_test t;
    typed_init(&t);
    t.any = (struct lk_any){lk_str_from(tracer->type), LK_STR("\xff\xff\xff")};
    LK_CHECK_NULL(tracer->config_new(&t.context, &t.any, &t.errors));
    LK_CHECK_EQ_UINT(t.errors.count, 1);
    typed_fini(&t);
}
