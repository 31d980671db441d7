/*
 * The body of POST /explain: a request and the connection it would come on, as JSON from an operator's hand. Every
 * mistake is reported at its path, with what was expected. Pure; any thread.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/config/metadata.h"

#include <stdbool.h>
#include <stdint.h>

#define LK_EXPLAIN_BODY_MAX 262144u
#define LK_EXPLAIN_HEADERS_MAX 1000u
#define LK_EXPLAIN_ALPN_MAX 16u
#define LK_EXPLAIN_METADATA_DEPTH 16u

struct lk_explain_request {
    struct lk_str listener;     /* name; empty: the owner of the destination */
    struct lk_addr destination; /* len 0: that of the listener */
    struct lk_addr source;      /* len 0: not given */
    struct lk_str method, path; /* "GET", "/" where not given */
    struct lk_str wire;         /* the head as a client would send it */
    struct lk_str transport;    /* "raw_buffer", "tls" */
    struct lk_str sni;
    struct lk_str identity; /* of the peer, verified; empty: none */
    const struct lk_str *alpn;
    unsigned alpn_count;
    bool has_alpn;
    bool http10;
    uint64_t random;
    uint64_t worker;
    const struct lk_value *metadata; /* object: namespace -> object; NULL: none */
};

/* Everything lies in the arena. False after appending to errors. */
bool lk_explain_request_parse(struct lk_explain_request *request, struct lk_arena *arena, struct lk_str body,
                              struct lk_errors *errors) LK_MUST_CHECK;
