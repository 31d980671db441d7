/* W3C Trace Context, level 2: traceparent and tracestate. The functions of the propagator, see trace_context.h. */
#pragma once

#include "proxy/http/trace_context.h"

/* Of version 0, and at least of any other. */
#define LK_TRACEPARENT_LEN 55u

enum lk_trace_result lk_trace_w3c_read(const struct lk_headers *headers, struct lk_arena *arena,
                                       struct lk_trace_context *out, const char **why);
bool lk_trace_w3c_add(struct lk_headers *headers, const struct lk_trace_context *context);
void lk_trace_w3c_strip(struct lk_headers *headers);

/* traceparent alone (no tracestate, no allocation). */
enum lk_trace_result lk_traceparent_read(const struct lk_headers *headers, struct lk_trace_context *out,
                                         const char **why);
/* The trace id alone; false where the other would not find it. */
bool lk_traceparent_id(const struct lk_headers *headers, uint64_t *high, uint64_t *low);
/* Whether every member of a tracestate value is well formed and there are at most 32 (level 2, 3.3.1). Empty members
 * are allowed, duplicate keys are left alone. */
bool lk_tracestate_valid(struct lk_str value);
