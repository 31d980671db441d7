/*
 * x-request-id as Envoy uses it: a UUID whose version digit tells why the request is traced and whose first digits
 * decide about sampling, alike at every hop (envoy.extensions.request_id.uuid.v3). Pure functions.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LK_REQUEST_ID_REASON_AT 14 /* the digit that holds the reason */

enum lk_trace_reason {
    LK_TRACE_REASON_NONE,    /* '4' (or any other digit) */
    LK_TRACE_REASON_SAMPLED, /* '9' */
    LK_TRACE_REASON_SERVICE, /* 'a': x-envoy-force-trace */
    LK_TRACE_REASON_CLIENT,  /* 'b': x-client-trace-id */
};

/* 8-4-4-4-12 hexadecimal digits, any case. */
bool lk_request_id_is_uuid(struct lk_str id);
/* A UUID as a number with the reason's digit zeroed; false for another form. */
bool lk_request_id_number(struct lk_str id, uint64_t *high, uint64_t *low);
/* NONE for an id of another length than a UUID's. */
enum lk_trace_reason lk_request_id_reason(struct lk_str id);
char lk_trace_reason_digit(enum lk_trace_reason reason);
/* The first eight digits modulo 10000: the value that sampling percentages are held against. */
bool lk_request_id_sample(struct lk_str id, uint32_t *out);
