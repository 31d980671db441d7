/* W3C Trace Context, level 2: traceparent and tracestate. The functions of the propagator, see trace_context.h. */
#pragma once

#include "proxy/http/trace_context.h"

enum lk_trace_result lk_trace_w3c_read(const struct lk_headers *headers, struct lk_arena *arena,
                                       struct lk_trace_context *out, const char **why);
bool lk_trace_w3c_add(struct lk_headers *headers, const struct lk_trace_context *context);
void lk_trace_w3c_strip(struct lk_headers *headers);

/* traceparent alone (no tracestate, no allocation). */
enum lk_trace_result lk_traceparent_read(const struct lk_headers *headers, struct lk_trace_context *out,
                                         const char **why);
/* Whether every member of a tracestate value is well formed and there are at most 32 (level 2, 3.3.1). Empty members
 * are allowed, duplicate keys are left alone. */
bool lk_tracestate_valid(struct lk_str value);
