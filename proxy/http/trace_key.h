/*
 * What ties requests of one call chain together: the id of a chain in each header that may carry one, in a canonical
 * form under which the inbound and the outbound side of a pod compare equal, and the seeding of such ids where a
 * request has none. Pure functions; no allocation but for what is added to a block.
 */
#pragma once

#include "proxy/http/headers.h"

#include <stdbool.h>
#include <stdint.h>

/* In order of preference. */
enum lk_trace_key_kind {
    LK_TRACE_KEY_TRACEPARENT, /* trace id */
    LK_TRACE_KEY_SW8,         /* trace id: encoded text without padding */
    LK_TRACE_KEY_B3,          /* trace id of b3, else of x-b3-traceid; 64 bits are padded on the left */
    LK_TRACE_KEY_JAEGER,      /* trace id of uber-trace-id, padded likewise */
    LK_TRACE_KEY_HEADER,      /* value of a configured header */
    LK_TRACE_KEY_REQUEST_ID,  /* x-request-id; in a UUID the digit of the trace reason does not count */
    LK_TRACE_KEY_KIND_COUNT,
};

struct lk_trace_key {
    enum lk_trace_key_kind kind;
    uint64_t high; /* the id as a number when text.ptr is NULL */
    uint64_t low;
    struct lk_str text; /* points into the block */
};

/* Reads the id of one kind; `configured` may be NULL, then there is none of kind HEADER. False when the header is
 * absent, empty, malformed or there more than once: then it ties to nothing. */
bool lk_trace_key_read(const struct lk_headers *headers, enum lk_trace_key_kind kind,
                       const struct lk_header_key *configured, struct lk_trace_key *out);
/* The lowest 32 bits of an id as bytes: a number in the form of two native words, the higher first, or a text. Equal
 * ids have equal ones. */
uint32_t lk_trace_text_low(struct lk_str text);
/* The kinds of which there may be an id, one bit each; those left out are certain. configured: there is one. */
unsigned lk_trace_key_kinds(const struct lk_headers *headers, bool configured);
/*
 * A first look at an id of such a kind, by which most requests can be passed over. ABSENT: lk_trace_key_read would find
 * none. LOW: *low are the lowest 32 bits of the id it would find (of its text, lk_trace_text_low), if it finds one.
 * UNREAD: it has to be read.
 */
enum lk_trace_glance { LK_TRACE_GLANCE_ABSENT, LK_TRACE_GLANCE_LOW, LK_TRACE_GLANCE_UNREAD };
enum lk_trace_glance lk_trace_key_glance(const struct lk_headers *headers, enum lk_trace_key_kind kind, uint32_t *low);
bool lk_trace_key_equal(const struct lk_trace_key *a, const struct lk_trace_key *b);

enum { LK_TRACE_SEEDED_TRACEPARENT = 1, LK_TRACE_SEEDED_REQUEST_ID = 2 };
/* Adds traceparent (not sampled, random ids) and x-request-id where absent; returns which. A tracestate without
 * traceparent belongs to no trace and goes. */
unsigned lk_trace_seed(struct lk_headers *headers);
