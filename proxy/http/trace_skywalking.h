/*
 * SkyWalking's cross-process headers, version 3: sw8 (the ids and who calls), sw8-x (analysis mode) and
 * sw8-correlation (opaque items). The functions of the propagator, see trace_context.h.
 */
#pragma once

#include "proxy/http/trace_context.h"

#define LK_SW8_MAX 2048u /* a value of so many bytes or more is malformed */

/*
 * A context found here has numeric ids only when its trace id is written as 32 lower-case hexadecimal digits. Mode and
 * correlation are read whether sw8 is there or not; a malformed sw8-x counts as normal mode.
 */
enum lk_trace_result lk_trace_skywalking_read(const struct lk_headers *headers, struct lk_arena *arena,
                                              struct lk_trace_context *out, const char **why);
/* Writes sw8 when the context has trace and segment id; service and instance are cut to 50 bytes, the endpoint to 149.
 * Mode and correlation are written where they say something. */
bool lk_trace_skywalking_add(struct lk_headers *headers, const struct lk_trace_context *context);
void lk_trace_skywalking_strip(struct lk_headers *headers);

/* The trace id of a well-formed sw8 value as it stands there, encoded, without padding; no allocation. */
bool lk_sw8_trace_id(struct lk_str value, struct lk_str *encoded);
