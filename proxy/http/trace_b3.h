/*
 * B3, in one header or in several. Both propagators read either form, the single header first, and differ in what they
 * write; stripping removes both, so that no stale form contradicts ours. See trace_context.h.
 */
#pragma once

#include "proxy/http/trace_context.h"

enum lk_trace_result lk_trace_b3_read(const struct lk_headers *headers, struct lk_arena *arena,
                                      struct lk_trace_context *out, const char **why);
/* A deferred decision leaves no room for the parent, which is then not written. */
bool lk_trace_b3_add_single(struct lk_headers *headers, const struct lk_trace_context *context);
bool lk_trace_b3_add_multi(struct lk_headers *headers, const struct lk_trace_context *context);
void lk_trace_b3_strip(struct lk_headers *headers);

/* The trace id of a b3 or x-b3-traceid value; what follows it does not matter here. */
bool lk_b3_trace_id(struct lk_str value, uint64_t *high, uint64_t *low);
