/* Jaeger's uber-trace-id. The functions of the propagator, see trace_context.h. Baggage (uberctx-*) is not touched. */
#pragma once

#include "proxy/http/trace_context.h"

/* {trace}:{span}:{parent}:{flags} in hexadecimal of any length up to 128 and 64 bits; ':' may be written "%3A". */
enum lk_trace_result lk_trace_jaeger_read(const struct lk_headers *headers, struct lk_arena *arena,
                                          struct lk_trace_context *out, const char **why);
/* The parent, deprecated there, is always written as 0. */
bool lk_trace_jaeger_add(struct lk_headers *headers, const struct lk_trace_context *context);
void lk_trace_jaeger_strip(struct lk_headers *headers);
