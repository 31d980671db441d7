/*
 * The identities by which an outbound request is known to belong to an inbound one, and the form in which they are
 * compared. Pure functions, any thread.
 */
#pragma once

#include "proxy/base/str.h"
#include "proxy/lane/keyed_hash.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order in which evidence is believed. Ids of different kinds never match each other. */
enum lk_association_kind {
    LK_ASSOCIATION_TRACEPARENT, /* the trace id: 32 hexadecimal digits */
    LK_ASSOCIATION_SW8,         /* field 2 of sw8, as it stands on the wire */
    LK_ASSOCIATION_B3,          /* the trace id: 16 or 32 hexadecimal digits */
    LK_ASSOCIATION_JAEGER,      /* the trace id of uber-trace-id: up to 32 hexadecimal digits */
    LK_ASSOCIATION_HEADER,      /* the whole value of a configured header */
    LK_ASSOCIATION_REQUEST_ID,  /* the whole value of x-request-id */
    LK_ASSOCIATION_KINDS
};

/*
 * The hash of an id in its canonical form. Trace ids (hexadecimal, as who parsed them saw to): lower case, without
 * leading zeros, since one hop writes 64 bits and the next pads them to 128. A UUID in x-request-id: without the digit
 * at index 14, in which Envoy keeps the trace decision. Anything else: the bytes.
 */
struct lk_hash128 lk_association_key(const struct lk_hash_key *seed, enum lk_association_kind kind, struct lk_str id);

/* Whether an unmarked request with this id is one of the sample (one in `one_in`; 0: none) that is tracked by a probe.
 * Every process picks the same ids. */
bool lk_association_is_sampled(struct lk_str id, uint32_t one_in);
